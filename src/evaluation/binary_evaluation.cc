// SPDX-License-Identifier: Apache-2.0
// Measures one set of scores, and compares a model with baselines.
#include "evaluation/binary_evaluation.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

namespace millrace::evaluation {
namespace {

constexpr int kScoreBins = 20;
constexpr std::size_t kSlices = 10;

void AddScoreShares(std::span<const double> scores, std::span<const std::uint8_t> labels,
                    BinaryEvaluation& result) {
  const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
  // A constant score gets one bin of width 1 around it.
  const double first = *low < *high ? *low : *low - 0.5;
  const double last = *low < *high ? *high : *high + 0.5;
  const int bins = *low < *high ? kScoreBins : 1;
  for (int i = 0; i <= bins; ++i) {
    result.score_edges.push_back(first + (last - first) * i / bins);
  }
  result.score_shares_negative.assign(static_cast<std::size_t>(bins), 0);
  result.score_shares_positive.assign(static_cast<std::size_t>(bins), 0);
  const double positives = static_cast<double>(result.positives);
  const double negatives = static_cast<double>(result.rows - result.positives);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double place = (scores[i] - first) / (last - first) * bins;
    const auto bin =
        static_cast<std::size_t>(std::clamp(static_cast<int>(std::floor(place)), 0, bins - 1));
    (labels[i] == 1 ? result.score_shares_positive : result.score_shares_negative)[bin] += 1;
  }
  for (std::size_t b = 0; b < result.score_shares_negative.size(); ++b) {
    result.score_shares_negative[b] /= negatives;
    result.score_shares_positive[b] /= positives;
  }
}

Result<void> AddProbabilityMetrics(std::span<const double> scores,
                                   std::span<const std::uint8_t> labels, BinaryEvaluation& result) {
  MILL_ASSIGN_OR_RETURN(result.log_loss, metrics::LogLoss(scores, labels));
  MILL_ASSIGN_OR_RETURN(result.brier, metrics::Brier(scores, labels));
  MILL_ASSIGN_OR_RETURN(result.ece_equal_width, metrics::Ece(scores, labels));
  MILL_ASSIGN_OR_RETURN(result.ece_equal_mass,
                        metrics::Ece(scores, labels, 15, metrics::Binning::kEqualMass));
  MILL_ASSIGN_OR_RETURN(result.calibration, metrics::CalibrationCurve(
                                                scores, labels, 10, metrics::Binning::kEqualMass));
  return {};
}

Result<void> AddDecisions(std::span<const double> scores, std::span<const std::uint8_t> labels,
                          const EvaluateOptions& options, BinaryEvaluation& result) {
  const metrics::Costs costs = options.costs.ToCosts();
  MILL_ASSIGN_OR_RETURN(
      metrics::ThresholdTableResult table,
      metrics::ThresholdTable(scores, labels, costs, metrics::DefaultThresholds()));
  result.thresholds = std::move(table.rows);
  result.cheapest = table.cheapest;
  result.best_f1 = table.best_f1;
  result.decision = table.cheapest;
  if (options.threshold.has_value()) {
    MILL_ASSIGN_OR_RETURN(result.decision,
                          metrics::AtThreshold(scores, labels, costs, *options.threshold));
  }
  return {};
}

}  // namespace

const base::Declaration<CostSpec>& CostSpec::Declared() {
  static const base::Declaration<CostSpec> kDeclared =
      base::Declaration<CostSpec>(
          "costs", "What right and wrong decisions cost per row; a gain is a negative cost.")
          .Field("true_positive", &CostSpec::true_positive,
                 "Cost of acting on a row that is positive.")
          .Field("false_positive", &CostSpec::false_positive,
                 "Cost of acting on a row that is negative.")
          .Field("false_negative", &CostSpec::false_negative,
                 "Cost of not acting on a row that is positive.")
          .Field("true_negative", &CostSpec::true_negative,
                 "Cost of not acting on a row that is negative.")
          .Field("unit", &CostSpec::unit, "Unit of the costs, for reports, for example GBP.");
  return kDeclared;
}

std::vector<std::pair<std::string, double>> BinaryEvaluation::Metrics() const {
  std::vector<std::pair<std::string, double>> named = {
      {"rows", static_cast<double>(rows)},
      {"positive_share", positive_share},
      {"roc_auc", roc_auc.auc},
      {"roc_auc_lower", roc_auc.interval.lower},
      {"roc_auc_upper", roc_auc.interval.upper},
      {"pr_auc", pr_auc},
      {"class_separation", class_separation},
  };
  const auto add_if = [&](const char* name, const std::optional<double>& value) {
    if (value.has_value()) {
      named.emplace_back(name, *value);
    }
  };
  add_if("log_loss", log_loss);
  add_if("brier", brier);
  add_if("ece", ece_equal_width);
  add_if("ece_equal_mass", ece_equal_mass);
  if (!lift.empty()) {
    named.emplace_back("lift_top_slice", lift.front().lift);
  }
  // "Nobody" has no finite threshold; metric stores want numbers.
  if (std::isfinite(decision.threshold)) {
    named.emplace_back("threshold", decision.threshold);
  }
  named.emplace_back("precision", decision.precision);
  named.emplace_back("recall", decision.recall);
  named.emplace_back("f1", decision.f1);
  named.emplace_back("accuracy", decision.counts.Accuracy());
  named.emplace_back("total_cost", decision.total_cost);
  named.emplace_back("mean_cost", decision.mean_cost);
  return named;
}

Result<BinaryEvaluation> EvaluateBinary(const Context& context, std::span<const double> scores,
                                        std::span<const std::uint8_t> labels,
                                        const EvaluateOptions& options) {
  BinaryEvaluation result;
  MILL_ASSIGN_OR_RETURN(result.roc_auc, metrics::RocAucWithInterval(scores, labels));
  result.rows = static_cast<std::int64_t>(scores.size());
  result.positives = std::count(labels.begin(), labels.end(), std::uint8_t{1});
  result.positive_share = static_cast<double>(result.positives) / static_cast<double>(result.rows);
  result.costs = options.costs;
  MILL_ASSIGN_OR_RETURN(result.pr_auc, metrics::PrAuc(scores, labels));
  MILL_ASSIGN_OR_RETURN(result.class_separation, metrics::ClassSeparation(scores, labels));
  MILL_RETURN_IF_ERROR(context.Check());
  if (options.is_probability) {
    MILL_RETURN_IF_ERROR(AddProbabilityMetrics(scores, labels, result));
  }
  MILL_RETURN_IF_ERROR(AddDecisions(scores, labels, options, result));
  MILL_RETURN_IF_ERROR(context.Check());
  const int slices = static_cast<int>(std::min(kSlices, scores.size()));
  MILL_ASSIGN_OR_RETURN(result.lift, metrics::LiftTable(scores, labels, slices));
  MILL_ASSIGN_OR_RETURN(result.roc, metrics::RocCurve(scores, labels));
  MILL_ASSIGN_OR_RETURN(result.pr, metrics::PrCurve(scores, labels));
  AddScoreShares(scores, labels, result);
  return result;
}

Result<BinaryEvaluation> EvaluateBinary(const Context& context, std::span<const double> scores,
                                        std::span<const std::uint8_t> labels,
                                        const CostSpec& costs) {
  EvaluateOptions options;
  options.costs = costs;
  return EvaluateBinary(context, scores, labels, options);
}

Result<std::vector<double>> MajorityScores(std::span<const std::uint8_t> train_labels,
                                           std::size_t rows) {
  if (train_labels.empty()) {
    return base::InvalidArgument("the majority baseline has no training labels; one is needed")
        .Hint("check the train part of the split");
  }
  const auto positives = std::count(train_labels.begin(), train_labels.end(), std::uint8_t{1});
  return std::vector<double>(
      rows, static_cast<double>(positives) / static_cast<double>(train_labels.size()));
}

Result<BaselineComparison> CompareWithBaseline(std::string name, std::string description,
                                               std::span<const double> model_scores,
                                               std::span<const double> baseline_scores,
                                               std::span<const std::uint8_t> labels) {
  BaselineComparison comparison;
  comparison.name = std::move(name);
  comparison.description = std::move(description);
  const std::string doing = "comparing with baseline \"" + comparison.name + "\"";
  MILL_ASSIGN_OR_RETURN(comparison.model,
                        metrics::RocAucWithInterval(model_scores, labels).With(doing));
  MILL_ASSIGN_OR_RETURN(comparison.baseline,
                        metrics::RocAucWithInterval(baseline_scores, labels).With(doing));
  MILL_ASSIGN_OR_RETURN(comparison.paired,
                        metrics::CompareRocAuc(model_scores, baseline_scores, labels).With(doing));
  MILL_ASSIGN_OR_RETURN(comparison.baseline_pr_auc,
                        metrics::PrAuc(baseline_scores, labels).With(doing));
  comparison.intervals_touch = comparison.model.interval.Overlaps(comparison.baseline.interval);
  comparison.is_beaten = comparison.model.interval.lower > comparison.baseline.interval.upper;
  return comparison;
}

}  // namespace millrace::evaluation
