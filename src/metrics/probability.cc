// SPDX-License-Identifier: Apache-2.0
// Metrics of probabilities: log loss, Brier score, calibration.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>

#include "metrics/binary.h"
#include "metrics/internal/ranked.h"

namespace millrace::metrics {
namespace {

constexpr int kMaxBins = 1000;

Result<ProbabilityLoss::Values> Losses(std::span<const double> probabilities,
                                       std::span<const std::uint8_t> labels) {
  MILL_RETURN_IF_ERROR(internal::CheckProbabilities(probabilities, labels));
  ProbabilityLoss loss;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    loss.Add(probabilities[i], labels[i] == 1);
  }
  return loss.Finish();
}

struct BinSums {
  double predicted = 0;
  std::int64_t rows = 0;
  std::int64_t positives = 0;
  double lower = 0;
  double upper = 0;

  void Add(double probability, std::uint8_t label) {
    predicted += probability;
    positives += label;
    ++rows;
  }
};

std::vector<BinSums> EqualWidthBins(std::span<const double> probabilities,
                                    std::span<const std::uint8_t> labels, int n_bins) {
  std::vector<BinSums> bins(static_cast<std::size_t>(n_bins));
  // Inner edges as numpy's linspace computes them, so that values on an edge fall as in
  // scikit-learn.
  const double step = 1.0 / n_bins;
  std::vector<double> inner;
  for (int i = 1; i < n_bins; ++i) {
    inner.push_back(i * step);
  }
  for (std::size_t b = 0; b < bins.size(); ++b) {
    bins[b].lower = b == 0 ? 0 : inner[b - 1];
    bins[b].upper = b + 1 == bins.size() ? 1 : inner[b];
  }
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const auto edge = std::lower_bound(inner.begin(), inner.end(), probabilities[i]);
    bins[static_cast<std::size_t>(edge - inner.begin())].Add(probabilities[i], labels[i]);
  }
  return bins;
}

std::vector<BinSums> EqualMassBins(std::span<const double> probabilities,
                                   std::span<const std::uint8_t> labels, int n_bins) {
  const std::size_t n = probabilities.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return probabilities[a] < probabilities[b];
  });
  const std::size_t count = std::min(static_cast<std::size_t>(n_bins), n);
  std::vector<BinSums> bins(count);
  std::size_t next = 0;
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t size = n / count + (b < n % count ? 1 : 0);
    bins[b].lower = probabilities[order[next]];
    for (std::size_t i = 0; i < size; ++i, ++next) {
      bins[b].Add(probabilities[order[next]], labels[order[next]]);
    }
    bins[b].upper = probabilities[order[next - 1]];
  }
  return bins;
}

}  // namespace

void ProbabilityLoss::Add(double p, bool label) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const double of_label = label ? p : 1 - p;
  ++rows_;
  log_sum_ -= std::log(std::clamp(of_label, kEpsilon, 1 - kEpsilon));
  const double error = label ? 1 - p : p;
  square_sum_ += error * error;
}

void ProbabilityLoss::Merge(const ProbabilityLoss& other) {
  rows_ += other.rows_;
  log_sum_ += other.log_sum_;
  square_sum_ += other.square_sum_;
}

Result<ProbabilityLoss::Values> ProbabilityLoss::Finish() const {
  if (rows_ == 0) {
    return base::InvalidArgument("there are no rows; a loss needs at least one");
  }
  const double n = static_cast<double>(rows_);
  return Values{rows_, log_sum_ / n, square_sum_ / n};
}

Result<double> LogLoss(std::span<const double> probabilities,
                       std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const ProbabilityLoss::Values values, Losses(probabilities, labels));
  return values.log_loss;
}

Result<double> Brier(std::span<const double> probabilities, std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const ProbabilityLoss::Values values, Losses(probabilities, labels));
  return values.brier;
}

Result<std::vector<CalibrationBin>> CalibrationCurve(std::span<const double> probabilities,
                                                     std::span<const std::uint8_t> labels,
                                                     int n_bins, Binning binning) {
  MILL_RETURN_IF_ERROR(internal::CheckProbabilities(probabilities, labels));
  if (n_bins < 2 || n_bins > kMaxBins) {
    return base::InvalidArgument("calibration with " + std::to_string(n_bins) +
                                 " bins; 2 to 1000 are possible");
  }
  const std::vector<BinSums> sums = binning == Binning::kEqualWidth
                                        ? EqualWidthBins(probabilities, labels, n_bins)
                                        : EqualMassBins(probabilities, labels, n_bins);
  std::vector<CalibrationBin> curve;
  for (const BinSums& bin : sums) {
    if (bin.rows == 0) {
      continue;
    }
    const double rows = static_cast<double>(bin.rows);
    const double positives = static_cast<double>(bin.positives);
    curve.push_back({bin.lower, bin.upper, bin.rows, bin.predicted / rows, positives / rows,
                     WilsonInterval(positives, rows)});
  }
  return curve;
}

Result<double> Ece(std::span<const double> probabilities, std::span<const std::uint8_t> labels,
                   int n_bins, Binning binning) {
  MILL_ASSIGN_OR_RETURN(const std::vector<CalibrationBin> curve,
                        CalibrationCurve(probabilities, labels, n_bins, binning));
  double sum = 0;
  for (const CalibrationBin& bin : curve) {
    sum += static_cast<double>(bin.rows) * std::abs(bin.observed - bin.predicted);
  }
  return sum / static_cast<double>(probabilities.size());
}

}  // namespace millrace::metrics
