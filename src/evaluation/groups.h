// SPDX-License-Identifier: Apache-2.0
// Which rows are looked at apart: the columns that a training declares under `evaluation`, and the
// group of each row by one column.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/result.h"

namespace millrace::evaluation {

/// One column by whose values rows are grouped, declared in training/*.yaml under `evaluation`.
struct GroupColumnSpec {
  base::Located<std::string> column;
  /// Empty: a column of the training set. Otherwise the table whose value counts.
  base::Located<std::string> table;
  /// Columns of `table` that hold the entity and the time; empty: those of the label.
  base::Located<std::string> key;
  base::Located<std::string> time;
  /// Numbers only: groups are cut at these values, or into this many of about equal size.
  std::vector<double> edges;
  int quantiles = 4;

  static const base::Declaration<GroupColumnSpec>& Declared();
};

/// Columns that name groups of people who must not be treated worse than others.
struct FairnessSpec {
  std::vector<GroupColumnSpec> sensitive;

  static const base::Declaration<FairnessSpec>& Declared();
};

/// The block `evaluation` of training/*.yaml.
struct EvaluationSpec {
  std::vector<GroupColumnSpec> segments;
  FairnessSpec fairness;
  /// Groups with fewer rows are shown, not judged.
  std::int64_t minimum_rows = 100;

  static const base::Declaration<EvaluationSpec>& Declared();
};

/// The group of each row by one column.
struct Grouping {
  std::string column;
  /// Names of the groups in the order in which they are shown.
  std::vector<std::string> names;
  /// One index into `names` per row.
  std::vector<std::size_t> group_of;
  /// The group that gathers rare values, if there is one: no group of its own kind.
  std::optional<std::size_t> gathered = {};
};

/// The name of the group of rows without a value.
inline constexpr std::string_view kMissingGroup = "(missing)";

/// Groups by text, the largest first; beyond 20 values the rarest share one group, and rows without
/// a value have one of their own, last. @param codes  one index into `values` per row, -1 without a
/// value.
Grouping GroupTexts(std::string column, std::span<const std::int32_t> codes,
                    std::span<const std::string> values);

/// Groups by day (UTC), the earliest first; by month where there are more than 20 days.
Grouping GroupTimes(std::string column, std::span<const std::int64_t> micros);

/// Groups by number, the lowest first, missing (NaN) last: cut at `spec.edges`, a value on an edge
/// belongs to the group above; without edges one group per value where there are at most 10, else
/// cut at the quantiles, rounded to four figures.
/// kInvalidArgument for edges that do not rise.
Result<Grouping> GroupNumbers(std::span<const double> values, const GroupColumnSpec& spec);

}  // namespace millrace::evaluation
