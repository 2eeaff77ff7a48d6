// SPDX-License-Identifier: Apache-2.0
// Everything that is measured on one set of scores and labels, and a model's comparison with
// baselines.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/context.h"
#include "base/result.h"
#include "metrics/binary.h"

namespace millrace::evaluation {

/// What right and wrong decisions cost, as declared in training/*.yaml under `costs`. A gain is a
/// negative cost.
struct CostSpec {
  double true_positive = 0;
  double false_positive = 1;
  double false_negative = 1;
  double true_negative = 0;
  /// Unit of the four numbers, for reports.
  std::string unit = "";

  static const base::Declaration<CostSpec>& Declared();
  metrics::Costs ToCosts() const {
    return {true_positive, false_positive, false_negative, true_negative};
  }
};

struct EvaluateOptions {
  CostSpec costs = {};
  /// The decision threshold chosen elsewhere (on validation). Without it the cheapest of these rows
  /// is taken.
  std::optional<double> threshold = {};
  /// False for scores that only rank: losses and calibration are then left out. True refuses scores
  /// outside [0, 1].
  bool is_probability = true;
};

/// All numbers, tables and curves of one set of rows.
struct BinaryEvaluation {
  std::int64_t rows = 0;
  std::int64_t positives = 0;
  double positive_share = 0;
  metrics::AucEstimate roc_auc;
  double pr_auc = 0;
  /// The greatest TPR - FPR.
  double class_separation = 0;
  std::optional<double> log_loss;
  std::optional<double> brier;
  /// 15 bins of equal width; 15 of equal mass.
  std::optional<double> ece_equal_width;
  std::optional<double> ece_equal_mass;

  CostSpec costs = {};
  /// The row of the decision threshold, and the cheapest and best-F1 thresholds of these rows.
  metrics::ThresholdRow decision;
  metrics::ThresholdRow cheapest;
  metrics::ThresholdRow best_f1;
  std::vector<metrics::ThresholdRow> thresholds;
  std::vector<metrics::LiftRow> lift;
  std::vector<metrics::RocPoint> roc;
  std::vector<metrics::PrPoint> pr;
  std::vector<metrics::CalibrationBin> calibration;
  /// Shares of each class over 20 equal widths between the lowest and the highest score.
  std::vector<double> score_edges;
  std::vector<double> score_shares_negative;
  std::vector<double> score_shares_positive;

  /// Name and value of each single number ("roc_auc", "roc_auc_lower", "pr_auc", ...), for tracking
  /// and JSON.
  std::vector<std::pair<std::string, double>> Metrics() const;
};

/// Measures scores against labels. kInvalidArgument for no rows, sizes that differ, NaN, one class
/// only, or (where they should be probabilities) scores outside [0, 1].
Result<BinaryEvaluation> EvaluateBinary(const Context& context, std::span<const double> scores,
                                        std::span<const std::uint8_t> labels,
                                        const EvaluateOptions& options);
/// The same with costs only.
Result<BinaryEvaluation> EvaluateBinary(const Context& context, std::span<const double> scores,
                                        std::span<const std::uint8_t> labels,
                                        const CostSpec& costs);

/// Scores of the majority baseline: every row gets the share of positives in training.
/// kInvalidArgument without labels.
Result<std::vector<double>> MajorityScores(std::span<const std::uint8_t> train_labels,
                                           std::size_t rows);

/// A model against one baseline on the same rows.
struct BaselineComparison {
  std::string name;
  /// One sentence on what the baseline is.
  std::string description;
  metrics::AucEstimate baseline;
  metrics::AucEstimate model;
  /// model - baseline, DeLong's paired test.
  metrics::AucDifference paired;
  /// True where the 95% intervals share a point.
  bool intervals_touch = true;
  /// True where the model's interval lies wholly above the baseline's.
  bool is_beaten = false;
  double baseline_pr_auc = 0;
};

Result<BaselineComparison> CompareWithBaseline(std::string name, std::string description,
                                               std::span<const double> model_scores,
                                               std::span<const double> baseline_scores,
                                               std::span<const std::uint8_t> labels);

}  // namespace millrace::evaluation
