// SPDX-License-Identifier: Apache-2.0
// Population stability index over fixed bins, by three named rules.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "metrics/drift.h"
#include "metrics/internal/sample.h"

namespace millrace::metrics {
namespace {

using internal::QuantileOfSorted;
using internal::SortedPresent;

// Shares below this count as this: an empty bin then adds at most about 9 times the other side's
// share.
constexpr double kShareFloor = 1e-4;
constexpr int kQuantileBins = 10;
constexpr int kMaxQuantileBins = 1000;
constexpr std::size_t kEvidentlyDistinct = 20;

double PsiOfShares(std::span<const double> reference, std::span<const double> current) {
  double sum = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    sum += (reference[i] - current[i]) * std::log(reference[i] / current[i]);
  }
  return sum;
}

std::vector<double> Shares(std::span<const std::int64_t> counts, double total) {
  std::vector<double> shares;
  shares.reserve(counts.size());
  for (const std::int64_t count : counts) {
    shares.push_back(static_cast<double>(count) / total);
  }
  return shares;
}

// Counts over closed equal-width bins between the first and the last edge.
std::vector<std::int64_t> CountInEdges(std::span<const double> values,
                                       std::span<const double> edges) {
  std::vector<std::int64_t> counts(edges.size() - 1);
  for (const double value : values) {
    const auto above = std::upper_bound(edges.begin(), edges.end(), value);
    const auto bin = std::clamp<std::ptrdiff_t>(above - edges.begin() - 1, 0,
                                                static_cast<std::ptrdiff_t>(counts.size()) - 1);
    ++counts[static_cast<std::size_t>(bin)];
  }
  return counts;
}

// numpy.linspace(low, high, bins + 1); a constant sample gets one bin of width 1 around it, as
// numpy's histograms.
std::vector<double> EqualWidthEdges(double low, double high, int bins) {
  if (low == high) {
    return {low - 0.5, high + 0.5};
  }
  std::vector<double> edges(static_cast<std::size_t>(bins) + 1);
  const double step = (high - low) / bins;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    edges[i] = low + static_cast<double>(i) * step;
  }
  edges.back() = high;
  return edges;
}

std::vector<std::int64_t> CountExactly(std::span<const double> values,
                                       std::span<const double> distinct) {
  std::vector<std::int64_t> counts(distinct.size());
  for (const double value : values) {
    const auto at = std::lower_bound(distinct.begin(), distinct.end(), value);
    ++counts[static_cast<std::size_t>(at - distinct.begin())];
  }
  return counts;
}

// Evidently fills the zeros of each side by itself and does not renormalise.
void FillZerosAsEvidently(std::vector<double>& shares) {
  double least = std::numeric_limits<double>::infinity();
  for (const double share : shares) {
    if (share > 0) {
      least = std::min(least, share);
    }
  }
  const double fill = least <= kShareFloor ? least / 1e6 : kShareFloor;
  for (double& share : shares) {
    share = share == 0 ? fill : share;
  }
}

double EvidentlyPsi(std::span<const double> reference, std::span<const double> current) {
  const double n = static_cast<double>(reference.size());
  const double m = static_cast<double>(current.size());
  const std::set<double> reference_distinct(reference.begin(), reference.end());
  std::vector<std::int64_t> reference_counts;
  std::vector<std::int64_t> current_counts;
  if (reference_distinct.size() > kEvidentlyDistinct) {
    const double low = std::min(reference.front(), current.front());
    const double high = std::max(reference.back(), current.back());
    // Sturges: a width first and the count from it, as numpy does (the two steps may round up once
    // more).
    const double width = (high - low) / (std::log2(n + m) + 1);
    const int bins = static_cast<int>(std::ceil((high - low) / width));
    const std::vector<double> edges = EqualWidthEdges(low, high, bins);
    reference_counts = CountInEdges(reference, edges);
    current_counts = CountInEdges(current, edges);
  } else {
    std::set<double> all = reference_distinct;
    all.insert(current.begin(), current.end());
    const std::vector<double> distinct(all.begin(), all.end());
    reference_counts = CountExactly(reference, distinct);
    current_counts = CountExactly(current, distinct);
  }
  std::vector<double> reference_shares = Shares(reference_counts, n);
  std::vector<double> current_shares = Shares(current_counts, m);
  FillZerosAsEvidently(reference_shares);
  FillZerosAsEvidently(current_shares);
  return PsiOfShares(reference_shares, current_shares);
}

double AzurePsi(std::span<const double> reference, std::span<const double> current) {
  const double fewer = static_cast<double>(std::min(reference.size(), current.size()));
  const int bins = static_cast<int>(std::ceil(std::log2(fewer) + 1));
  const double low = std::min(reference.front(), current.front());
  const double high = std::max(reference.back(), current.back());
  const std::vector<double> edges = EqualWidthEdges(low, high, bins);
  const auto smooth = [&](std::span<const double> values) {
    std::vector<double> shares;
    const std::vector<std::int64_t> counts = CountInEdges(values, edges);
    shares.reserve(counts.size());
    for (const std::int64_t count : counts) {
      shares.push_back((static_cast<double>(count) + 1) /
                       static_cast<double>(values.size() + counts.size()));
    }
    return shares;
  };
  return PsiOfShares(smooth(reference), smooth(current));
}

}  // namespace

std::string_view PsiRuleName(PsiRule rule) {
  switch (rule) {
    case PsiRule::kQuantile:
      return "quantile";
    case PsiRule::kEvidently:
      return "evidently";
    case PsiRule::kAzure:
      return "azure";
  }
  return "quantile";
}

BinnedSample::BinnedSample(std::vector<double> edges)
    : edges_(std::move(edges)), counts_(edges_.size() + 1) {
}

Result<BinnedSample> BinnedSample::AtQuantiles(std::span<const double> reference, int n_bins) {
  if (n_bins < 2 || n_bins > kMaxQuantileBins) {
    return base::InvalidArgument("PSI with " + std::to_string(n_bins) +
                                 " bins; 2 to 1000 are possible");
  }
  std::vector<double> sorted;
  if (reference.empty()) {
    return base::InvalidArgument("the reference sample has no rows; drift needs at least one");
  }
  for (const double value : reference) {
    if (std::isfinite(value)) {
      sorted.push_back(value);
    }
  }
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> edges;
  for (int i = 1; i < n_bins && !sorted.empty(); ++i) {
    const double edge = QuantileOfSorted(sorted, static_cast<double>(i) / n_bins);
    if (edges.empty() || edge > edges.back()) {
      edges.push_back(edge);
    }
  }
  // With many rows at the maximum (a constant above all), values beyond it need a bin of their own.
  if (!edges.empty() && edges.back() == sorted.back()) {
    edges.push_back(std::nextafter(sorted.back(), std::numeric_limits<double>::infinity()));
  }
  return BinnedSample(std::move(edges));
}

void BinnedSample::Add(double value) {
  ++rows_;
  if (!std::isfinite(value)) {
    ++missing_;
    return;
  }
  const auto bin = std::upper_bound(edges_.begin(), edges_.end(), value) - edges_.begin();
  ++counts_[static_cast<std::size_t>(bin)];
}

void BinnedSample::Add(std::span<const double> values) {
  for (const double value : values) {
    Add(value);
  }
}

Result<void> BinnedSample::Merge(const BinnedSample& other) {
  if (other.edges_ != edges_) {
    return base::InvalidArgument(
        "samples with different bins cannot be merged: " + std::to_string(edges_.size()) +
        " edges against " + std::to_string(other.edges_.size()) + ", or other values");
  }
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i] += other.counts_[i];
  }
  missing_ += other.missing_;
  rows_ += other.rows_;
  return {};
}

Result<double> Psi(const BinnedSample& reference, const BinnedSample& current) {
  if (reference.edges() != current.edges()) {
    return base::InvalidArgument("PSI needs the same bins on both sides");
  }
  if (reference.rows() == 0 || current.rows() == 0) {
    return base::InvalidArgument(std::string("the ") +
                                 (reference.rows() == 0 ? "reference" : "current") +
                                 " sample has no rows; drift needs at least one");
  }
  const auto shares_of = [](const BinnedSample& sample, bool with_missing) {
    std::vector<std::int64_t> counts = sample.counts();
    if (with_missing) {
      counts.push_back(sample.missing());
    }
    std::vector<double> shares = Shares(counts, static_cast<double>(sample.rows()));
    for (double& share : shares) {
      share = std::max(share, kShareFloor);
    }
    return shares;
  };
  const bool with_missing = reference.missing() > 0 || current.missing() > 0;
  return PsiOfShares(shares_of(reference, with_missing), shares_of(current, with_missing));
}

Result<double> Psi(std::span<const double> reference, std::span<const double> current,
                   PsiRule rule) {
  if (rule == PsiRule::kQuantile) {
    MILL_ASSIGN_OR_RETURN(BinnedSample binned, BinnedSample::AtQuantiles(reference, kQuantileBins));
    BinnedSample other = binned.EmptyCopy();
    binned.Add(reference);
    other.Add(current);
    return Psi(binned, other);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<double> sorted_reference,
                        SortedPresent(reference, "reference"));
  MILL_ASSIGN_OR_RETURN(const std::vector<double> sorted_current,
                        SortedPresent(current, "current"));
  return rule == PsiRule::kEvidently ? EvidentlyPsi(sorted_reference, sorted_current)
                                     : AzurePsi(sorted_reference, sorted_current);
}

}  // namespace millrace::metrics
