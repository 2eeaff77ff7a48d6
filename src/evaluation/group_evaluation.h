// SPDX-License-Identifier: Apache-2.0
// How a model does in each group of rows (segments), and how alike it treats groups of people
// (fairness). Names and meanings are Fairlearn's; what has no rows to be computed from is said to
// be undefined, where Fairlearn says 0.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "evaluation/groups.h"
#include "metrics/binary.h"

namespace millrace::evaluation {

/// A share with Wilson's 95% interval.
struct GroupRate {
  double value = 0;
  metrics::Interval interval;
};

/// One group's numbers; what the group has no rows for is empty.
struct GroupMetrics {
  std::string group;
  std::int64_t rows = 0;
  /// Binary labels only.
  std::int64_t positives = 0;
  /// False for a group with fewer rows than wanted and for the one that gathers rare values: they
  /// are shown, not judged.
  bool is_judged = true;

  // Of scores: the ranking needs both classes, the losses need scores in [0, 1].
  std::optional<metrics::AucEstimate> roc_auc;
  std::optional<double> log_loss;
  std::optional<double> brier;

  // Of decisions at the threshold: the share decided positive; that share among the positives and
  // among the negatives; the share of positives among the decided; the share decided rightly.
  std::optional<GroupRate> selection_rate;
  std::optional<GroupRate> true_positive_rate;
  std::optional<GroupRate> false_positive_rate;
  std::optional<GroupRate> precision;
  std::optional<GroupRate> accuracy;

  // Of a regression.
  std::optional<double> rmse;
  std::optional<double> mae;
};

/// A difference or ratio between the groups that are judged.
struct FairnessMeasure {
  /// "demographic_parity_difference", ...
  std::string name;
  /// Empty: undefined, and `note` says why.
  std::optional<double> value;
  /// The groups with the lowest and the highest rate.
  std::string lowest;
  std::string highest;
  /// Which groups were left out, or why there is no value.
  std::string note;
};

/// One column's groups.
struct GroupTable {
  std::string column;
  std::int64_t minimum_rows = 0;
  /// "Positive where score >= threshold"; infinite: nobody.
  std::optional<double> threshold;
  std::vector<GroupMetrics> groups;
  /// Only of sensitive columns.
  std::vector<FairnessMeasure> measures;
};

struct GroupOptions {
  std::int64_t minimum_rows = 100;
  double threshold = 0.5;
  /// False for scores that only rank.
  bool is_probability = true;
};

/// Measures each group of a binary classifier.
/// kInvalidArgument for sizes that differ, a score that is NaN or a label other than 0 and 1.
Result<GroupTable> MeasureGroups(std::span<const double> scores,
                                 std::span<const std::uint8_t> labels, const Grouping& grouping,
                                 const GroupOptions& options);
/// Measures each group of a regression. kInvalidArgument for sizes that differ or NaN.
Result<GroupTable> MeasureRegressionGroups(std::span<const double> predictions,
                                           std::span<const double> targets,
                                           const Grouping& grouping, std::int64_t minimum_rows);

/// Differences and ratios between groups, of those that are judged: demographic parity
/// (selection rates), equalized odds (the worse of true and false positive rates) and equal
/// opportunity (true positive rates). A difference is highest minus lowest, a ratio lowest over
/// highest.
/// Sources: Hardt, Price and Srebro 2016; Fairlearn 0.15 (method "between_groups", agg
/// "worst_case").
std::vector<FairnessMeasure> MeasureFairness(const std::vector<GroupMetrics>& groups);

/// segments.json and fairness.json: docs/formats/pipeline_outputs.md.
std::string GroupTablesToJson(std::span<const GroupTable> tables);
/// The tables of such a file. kInvalidArgument names the source where it is something else.
Result<std::vector<GroupTable>> ParseGroupTables(std::string_view text, std::string_view source);

}  // namespace millrace::evaluation
