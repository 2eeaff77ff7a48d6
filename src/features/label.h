// SPDX-License-Identifier: Apache-2.0
// Labels: an as-of grid, who is in the population, what counts as positive, and the split by time
// that cannot leak.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/context.h"
#include "base/result.h"
#include "data/table.h"
#include "features/history.h"
#include "features/plan.h"

namespace millrace::features {

/// The as-of times of a label: `from`, `from` + `every`, ... up to and including `to`.
struct AsOfGrid {
  Timestamp from;
  Timestamp to;
  /// "day", "week" or "month".
  std::string every = "month";

  static const base::Declaration<AsOfGrid>& Declared();
};

/// The as-of times of a grid; kInvalidArgument if `from` is after `to` or there are more than
/// 100,000.
Result<std::vector<std::int64_t>> AsOfTimes(const AsOfGrid& grid);

/// A label by presence of events: "churned = no purchase in the 90 days from the as-of time".
struct LabelSpec {
  /// The name of the label column.
  std::string name = "label";
  std::string description;
  base::Located<std::string> source;
  base::Located<std::string> key;
  base::Located<std::string> time;
  AsOfGrid as_of;
  /// Who gets a row: "any in 365d" = an event in [as-of - 365 days, as-of).
  base::Located<std::string> population;
  /// What is labelled 1: "none in 90d" = no event in [as-of, as-of + 90 days), or "any in 90d".
  base::Located<std::string> positive;
  /// As-of times whose label window passes the last event of the source: "error" or "drop".
  std::string censored = "error";

  static const base::Declaration<LabelSpec>& Declared();
};

/// `population` or `positive`, read.
struct PresenceRule {
  /// "any" or "none".
  bool wants_event = true;
  Duration window;
};
Result<PresenceRule> ParsePresenceRule(const base::Located<std::string>& text);

/// Label rows: columns <key>, `as_of` (timestamp), <name> (int64, 0 or 1), sorted by (as_of, key).
///   - kInvalidArgument: an unknown column; an as-of time whose label window passes the last event
///   of the source (its label could
///     not be known), unless `censored` is "drop"; no row at all.
Result<data::Table> BuildLabels(const Context& context, const LabelSpec& spec,
                                const data::Table& source);

/// As-of times of one set, both ends included; an absent end is open.
struct SplitRange {
  std::optional<Timestamp> from;
  std::optional<Timestamp> until;

  static const base::Declaration<SplitRange>& Declared();
};

/// Which as-of times train, validate and test.
struct SplitSpec {
  SplitRange train;
  SplitRange validation;
  SplitRange test;

  static const base::Declaration<SplitSpec>& Declared();
};

enum class SplitSet : std::uint8_t { kNone = 0, kTrain = 1, kValidation = 2, kTest = 3 };

/// The set of each row by its as-of time; rows between the sets are kNone.
///
/// @param as_of_micros  n as-of times.
/// @param horizon       length of the label window.
///   - kInvalidArgument: sets that overlap or are out of order; a set without rows; a set whose
///   last label window
///     [as-of, as-of + horizon) reaches past the first as-of time of a later set.
Result<std::vector<SplitSet>> AssignSplit(std::span<const std::int64_t> as_of_micros,
                                          const SplitSpec& spec, Duration horizon);

/// One view with the events that it reads.
struct ViewInput {
  const ViewPlan* plan = nullptr;
  const data::Table* source = nullptr;
};

/// The label table's columns followed by the features of every view, evaluated at each row's key
/// and as-of time: same rows, same order, duplicates kept. `key` and `as_of` name the columns of
/// `labels` that hold them.
///   - kInvalidArgument: two views (or the labels) give one name.
Result<data::Table> BuildTrainingSet(const Context& context, const data::Table& labels,
                                     const std::string& key, const std::string& as_of,
                                     std::span<const ViewInput> views);

}  // namespace millrace::features
