// SPDX-License-Identifier: Apache-2.0
// Histograms of one feature in several groups over common bins.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "evaluation/report.h"

namespace millrace::evaluation {
namespace {

// With at most this many distinct whole values each gets a bin.
constexpr std::size_t kFewValues = 24;

double QuantileOf(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(std::lround(at))];
}

std::vector<double> EdgesOf(const std::vector<double>& sorted, int n_bins) {
  const double low = QuantileOf(sorted, 0.01);
  const double high = QuantileOf(sorted, 0.99);
  const bool is_whole = std::all_of(sorted.begin(), sorted.end(),
                                    [](double value) { return value == std::floor(value); });
  std::vector<double> edges;
  if (low == high) {
    return {low - 0.5, low + 0.5};
  }
  if (is_whole && high - low < static_cast<double>(kFewValues)) {
    for (double edge = low - 0.5; edge <= high + 0.5; edge += 1) {
      edges.push_back(edge);
    }
    return edges;
  }
  for (int i = 0; i <= n_bins; ++i) {
    edges.push_back(low + (high - low) * i / n_bins);
  }
  return edges;
}

}  // namespace

Result<FeatureDistribution> MakeDistribution(std::string feature,
                                             std::span<const std::vector<double>> groups,
                                             int n_bins) {
  if (n_bins < 1) {
    return base::InvalidArgument("distribution of \"" + feature + "\" with " +
                                 std::to_string(n_bins) + " bins; at least 1 is needed");
  }
  std::vector<double> present;
  for (const std::vector<double>& group : groups) {
    for (const double value : group) {
      if (std::isfinite(value)) {
        present.push_back(value);
      }
    }
  }
  if (present.empty()) {
    return base::InvalidArgument("feature \"" + feature +
                                 "\" has no present value in any group; one is needed")
        .Hint("check the feature's definition and source");
  }
  std::sort(present.begin(), present.end());
  FeatureDistribution result;
  result.feature = std::move(feature);
  result.edges = EdgesOf(present, n_bins);
  const std::size_t bins = result.edges.size() - 1;
  for (const std::vector<double>& group : groups) {
    std::vector<double> shares(bins);
    double missing = 0;
    const double unit = group.empty() ? 0 : 1.0 / static_cast<double>(group.size());
    for (const double value : group) {
      if (!std::isfinite(value)) {
        missing += 1;
        continue;
      }
      const auto above = std::upper_bound(result.edges.begin(), result.edges.end(), value);
      const auto bin = std::clamp<std::ptrdiff_t>(above - result.edges.begin() - 1, 0,
                                                  static_cast<std::ptrdiff_t>(bins) - 1);
      shares[static_cast<std::size_t>(bin)] += 1;
    }
    for (double& share : shares) {
      share *= unit;
    }
    result.shares.push_back(std::move(shares));
    result.missing.push_back(missing * unit);
  }
  return result;
}

}  // namespace millrace::evaluation
