// SPDX-License-Identifier: Apache-2.0
// Metrics of a binary classifier from scores and labels: ranking, probability losses, calibration,
// tables over thresholds, curves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace millrace::metrics {

// One policy for every function of this file: scores and labels have equal sizes and at least one
// row, every score is finite, labels are 0 or 1; otherwise kInvalidArgument names the row and the
// value. Functions that rank need both classes; functions on probabilities need scores in [0, 1].
// All are deterministic and thread-safe, cost O(n log n) time and O(n) memory where not stated.

/// Both ends of a confidence interval.
struct Interval {
  double lower = 0;
  double upper = 0;
  bool Overlaps(const Interval& other) const {
    return lower <= other.upper && other.lower <= upper;
  }
};

/// An area under the ROC curve with its uncertainty.
struct AucEstimate {
  double auc = 0;
  double standard_error = 0;
  /// Normal interval, clipped to [0, 1].
  Interval interval;
  /// Confidence level of the interval, 0.95 by default.
  double level = 0.95;
};

/// Two correlated areas on the same rows.
struct AucDifference {
  double auc_a = 0;
  double auc_b = 0;
  /// auc_a - auc_b.
  double difference = 0;
  double standard_error = 0;
  Interval interval;
  /// Statistic of the two-sided test of "no difference"; 0 where the standard error is 0 and the
  /// areas are equal, infinite where it is 0 and they differ.
  double z = 0;
  double p_value = 1;
};

/// Wilson's score interval of a share; [0, 1] without rows. Source: Wilson 1927.
Interval WilsonInterval(double successes, double rows, double level = 0.95);
/// The normal distribution's quantile, to 1e-15 relative. p in (0, 1).
double NormalQuantile(double p);

/// Area under the ROC curve by the rank-sum identity; tied scores count one half.
/// Source: Hanley and McNeil 1982.
Result<double> RocAuc(std::span<const double> scores, std::span<const std::uint8_t> labels);

/// The same area with DeLong's standard error and normal interval; a class with one row has no
/// variance of its own, its part counts as 0.
/// Source: DeLong, DeLong and Clarke-Pearson 1988, with mid-ranks as in Sun and Xu 2014.
Result<AucEstimate> RocAucWithInterval(std::span<const double> scores,
                                       std::span<const std::uint8_t> labels, double level = 0.95);

/// DeLong's paired test of two scores on the same rows.
Result<AucDifference> CompareRocAuc(std::span<const double> scores_a,
                                    std::span<const double> scores_b,
                                    std::span<const std::uint8_t> labels, double level = 0.95);

/// Average precision, the step-wise area under the precision-recall curve: the sum over distinct
/// scores of (R_n - R_{n-1}) P_n, as scikit-learn's average_precision_score. Not the trapezoid
/// area.
Result<double> PrAuc(std::span<const double> scores, std::span<const std::uint8_t> labels);

/// Sums of the probability losses; mergeable. Merging in one fixed order gives the same bytes.
class ProbabilityLoss {
 public:
  struct Values {
    std::int64_t rows = 0;
    /// Mean of -ln p(label), natural logarithm.
    double log_loss = 0;
    /// Mean of (p - label)^2.
    double brier = 0;
  };
  /// Adds one row; p in [0, 1], clipped to [2^-52, 1 - 2^-52] for the logarithm, as scikit-learn.
  void Add(double p, bool label);
  void Merge(const ProbabilityLoss& other);
  /// kInvalidArgument without rows.
  Result<Values> Finish() const;

 private:
  std::int64_t rows_ = 0;
  double log_sum_ = 0;
  double square_sum_ = 0;
};

/// Mean of -ln p(label) with clipping as scikit-learn's log_loss. One class is enough. O(n).
Result<double> LogLoss(std::span<const double> probabilities, std::span<const std::uint8_t> labels);
/// Mean squared error of the probability. One class is enough. O(n).
Result<double> Brier(std::span<const double> probabilities, std::span<const std::uint8_t> labels);

/// How probabilities are put into bins.
enum class Binning {
  /// Equal widths over [0, 1]; a value on an edge goes to the bin below, as scikit-learn's
  /// calibration_curve.
  kEqualWidth,
  /// Sorted rows cut into bins of equal size (sizes differ by at most 1); equal probabilities may
  /// be
  /// parted, then by row order.
  kEqualMass,
};

/// One bin of a calibration curve; empty bins are left out.
struct CalibrationBin {
  double lower = 0;
  double upper = 0;
  std::int64_t rows = 0;
  /// Mean predicted probability.
  double predicted = 0;
  /// Share of positives.
  double observed = 0;
  /// Wilson's 95% interval of the share.
  Interval observed_interval;
};

/// Calibration curve (reliability diagram). n_bins from 2 to 1000.
Result<std::vector<CalibrationBin>> CalibrationCurve(std::span<const double> probabilities,
                                                     std::span<const std::uint8_t> labels,
                                                     int n_bins = 15,
                                                     Binning binning = Binning::kEqualWidth);
/// Expected calibration error: the mean over rows of |observed - predicted| of the row's bin.
/// Source: Naeini, Cooper and Hauskrecht 2015 (equal width), Nguyen and O'Connor 2015 (equal mass).
Result<double> Ece(std::span<const double> probabilities, std::span<const std::uint8_t> labels,
                   int n_bins = 15, Binning binning = Binning::kEqualWidth);

/// One slice of rows by falling score.
struct LiftRow {
  /// 1 is the slice with the highest scores.
  int slice = 0;
  std::int64_t rows = 0;
  double positives = 0;
  /// Lowest score of the slice.
  double lowest_score = 0;
  /// Share of positives in the slice, and that over the share among all rows.
  double rate = 0;
  double lift = 0;
  /// Share of all positives (gain), and lift, of this slice and those before.
  double cumulative_rows_share = 0;
  double cumulative_gain = 0;
  double cumulative_lift = 0;
};

/// Lift and gain by slices of equal size (sizes differ by at most 1, larger ones first). Rows of
/// equal score share their positives evenly (so `positives` may be a fraction) and row order cannot
/// matter. n_slices from 1 to n.
Result<std::vector<LiftRow>> LiftTable(std::span<const double> scores,
                                       std::span<const std::uint8_t> labels, int n_slices = 10);

/// Counts of a decision "positive where score >= threshold".
struct ConfusionMatrix {
  std::int64_t true_positives = 0;
  std::int64_t false_positives = 0;
  std::int64_t false_negatives = 0;
  std::int64_t true_negatives = 0;

  void Add(bool predicted, bool label);
  void Merge(const ConfusionMatrix& other);
  std::int64_t rows() const {
    return true_positives + false_positives + false_negatives + true_negatives;
  }
  // Shares; 0 where the denominator is 0, as scikit-learn's zero_division=0.
  double Accuracy() const;
  double Precision() const;
  double Recall() const;
  double Specificity() const;
  double F1() const;
};

/// Counts at one threshold. One class is enough. O(n).
Result<ConfusionMatrix> Confusion(std::span<const double> scores,
                                  std::span<const std::uint8_t> labels, double threshold);

/// What one row of each kind costs; a gain is a negative cost. Any unit, finite.
struct Costs {
  double true_positive = 0;
  double false_positive = 1;
  double false_negative = 1;
  double true_negative = 0;
};

/// A threshold with everything that follows from it.
struct ThresholdRow {
  double threshold = 0;
  ConfusionMatrix counts;
  double precision = 0;
  double recall = 0;
  double f1 = 0;
  /// Sum over rows, and that divided by the rows.
  double total_cost = 0;
  double mean_cost = 0;
};

/// Rows of a table over thresholds and the best of all distinct ones.
struct ThresholdTableResult {
  /// For the thresholds asked for, in their order.
  std::vector<ThresholdRow> rows;
  /// Lowest cost over every distinct score (and "nobody", threshold infinite); ties take the higher
  /// threshold, that is fewer actions.
  ThresholdRow cheapest;
  /// Highest F1 over every distinct score; ties take the higher threshold.
  ThresholdRow best_f1;
};

/// Evaluates thresholds and costs; every distinct score is tried in one sort. One class is enough.
/// kInvalidArgument also for a cost that is not finite or a threshold that is NaN.
Result<ThresholdTableResult> ThresholdTable(std::span<const double> scores,
                                            std::span<const std::uint8_t> labels,
                                            const Costs& costs, std::span<const double> thresholds);
/// The row of one threshold.
Result<ThresholdRow> AtThreshold(std::span<const double> scores,
                                 std::span<const std::uint8_t> labels, const Costs& costs,
                                 double threshold);
/// 0.05, 0.10, ..., 0.95.
std::vector<double> DefaultThresholds();

/// A point of the ROC curve at "positive where score >= threshold".
struct RocPoint {
  double false_positive_rate = 0;
  double true_positive_rate = 0;
  /// The first point's is +infinity.
  double threshold = 0;
};
/// Points at distinct scores by falling threshold, from (0, 0) to (1, 1); points on a straight line
/// between their neighbours are dropped, which leaves the area as it is.
Result<std::vector<RocPoint>> RocCurve(std::span<const double> scores,
                                       std::span<const std::uint8_t> labels);

/// A point of the precision-recall curve.
struct PrPoint {
  double recall = 0;
  double precision = 0;
  double threshold = 0;
};
/// Points at every distinct score by falling threshold, after a first point (0, 1) with an infinite
/// threshold.
Result<std::vector<PrPoint>> PrCurve(std::span<const double> scores,
                                     std::span<const std::uint8_t> labels);

/// Kolmogorov-Smirnov distance of the two classes: the greatest TPR - FPR.
Result<double> ClassSeparation(std::span<const double> scores,
                               std::span<const std::uint8_t> labels);

}  // namespace millrace::metrics
