// SPDX-License-Identifier: Apache-2.0
// How far a current sample has moved from a reference sample: PSI, Wasserstein-1,
// Kolmogorov-Smirnov.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::metrics {

// One policy for every function of this file: NaN and infinite values are missing values. Missing
// values have a bin of their own in PSI and no part in the other statistics; SampleShape tells
// their share. A side without rows, or (outside of PSI) without a present value, is
// kInvalidArgument. All are deterministic, do not depend on the order of rows, and are thread-safe.

/// Counts that say how far the statistics below may be trusted.
struct SampleShape {
  std::int64_t rows = 0;
  std::int64_t missing = 0;
  double mean = 0;
  /// Population standard deviation (divisor n).
  double standard_deviation = 0;
  double minimum = 0;
  double maximum = 0;
  double MissingShare() const {
    return rows == 0 ? 0.0 : static_cast<double>(missing) / static_cast<double>(rows);
  }
};
/// Shape of one sample; the moments are 0 where no value is present. O(n).
SampleShape Describe(std::span<const double> values);

/// Named rules of PSI. Numbers of different rules must not be compared.
enum class PsiRule {
  /// Ours, and the default: at most 10 bins between quantiles (linear interpolation) of the
  /// reference, equal edges merged, outer bins open; shares below 1e-4 count as 1e-4, without
  /// renormalisation; a bin for missing values where either side has one. Natural logarithm.
  kQuantile,
  /// Evidently 0.7: missing values dropped; reference with more than 20 distinct values: Sturges
  /// bins over both samples,
  /// otherwise the values themselves; a zero share becomes 1e-4, or a millionth of the side's least
  /// share above
  /// zero where that is at most 1e-4.
  kEvidently,
  /// Azure ML model monitors: missing values dropped; ceil(log2(min(n)) + 1) equal widths over both
  /// samples; Laplace
  /// smoothing (count + 1) / (n + bins).
  kAzure,
};
std::string_view PsiRuleName(PsiRule rule);

/// Fixed bins with counts of one sample; mergeable, so that a reference can be kept instead of its
/// rows.
class BinnedSample {
 public:
  /// @param edges  ascending, distinct inner edges; bin i holds edges[i-1] <= value < edges[i],
  /// outer
  ///               bins are open; no edge means one bin.
  explicit BinnedSample(std::vector<double> edges);
  /// Inner edges at the quantiles i/n_bins of the present values, equal ones merged. Where the
  /// lowest or highest quantile equals the minimum or maximum, values outside of the reference
  /// still have a bin.
  static Result<BinnedSample> AtQuantiles(std::span<const double> reference, int n_bins = 10);
  /// Empty counts with the same bins.
  BinnedSample EmptyCopy() const { return BinnedSample(edges_); }

  void Add(double value);
  void Add(std::span<const double> values);
  /// kInvalidArgument where the edges differ.
  Result<void> Merge(const BinnedSample& other);

  const std::vector<double>& edges() const { return edges_; }
  /// edges().size() + 1 counts.
  const std::vector<std::int64_t>& counts() const { return counts_; }
  std::int64_t missing() const { return missing_; }
  std::int64_t rows() const { return rows_; }

 private:
  std::vector<double> edges_;
  std::vector<std::int64_t> counts_;
  std::int64_t missing_ = 0;
  std::int64_t rows_ = 0;
};

/// PSI of two samples in the same bins by the kQuantile rule of shares.
Result<double> Psi(const BinnedSample& reference, const BinnedSample& current);
/// Population stability index: the sum of (r - c) ln(r / c) over bins. 0 is none; 0.1 and 0.25 are
/// the customary limits of "some" and "large". O(n log n).
Result<double> Psi(std::span<const double> reference, std::span<const double> current,
                   PsiRule rule = PsiRule::kQuantile);

/// Wasserstein-1 (earth mover's) distance, exact, by merging the sorted samples; unit of the
/// values. O(n log n).
Result<double> Wasserstein(std::span<const double> reference, std::span<const double> current);
/// The same divided by the reference's population standard deviation, at least 0.001 (Evidently's
/// rule).
Result<double> WassersteinNormed(std::span<const double> reference,
                                 std::span<const double> current);

struct KsResult {
  /// Greatest distance of the two empirical distribution functions.
  double statistic = 0;
  /// Two-sided p-value of "same distribution".
  double p_value = 1;
  /// True where p is the exact two-sample law; false where it is the one-sample law with
  /// round(n m / (n + m)) rows.
  bool is_exact = false;
};
/// Two-sample Kolmogorov-Smirnov test as SciPy's ks_2samp(method="auto"): exact up to 10,000 rows
/// on the larger side.
Result<KsResult> KolmogorovSmirnov(std::span<const double> reference,
                                   std::span<const double> current);

/// P(D_n >= d) of the one-sample two-sided statistic; n >= 1. Source: Simard and L'Ecuyer 2011.
double KolmogorovSurvival(std::int64_t n, double d);

}  // namespace millrace::metrics
