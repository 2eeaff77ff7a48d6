// SPDX-License-Identifier: Apache-2.0
// Cuts columns into bins whose bounds are floats.
#include "learners/internal/binned.h"

#include <algorithm>
#include <cmath>

namespace millrace::learners::internal {
namespace {

/// A float t with low <= t < high, as near the middle as floats allow. Null (false) where no float
/// lies between: then the two values fall into one bin, since a float comparison could not tell
/// them apart.
bool FloatBetween(double low, double high, double* bound) {
  float middle = static_cast<float>(low + (high - low) / 2);
  if (static_cast<double>(middle) >= high) {
    middle = std::nextafterf(middle, -INFINITY);
  }
  if (static_cast<double>(middle) < low) {
    middle = std::nextafterf(middle, INFINITY);
  }
  *bound = static_cast<double>(middle);
  return std::isfinite(middle) && *bound >= low && *bound < high;
}

struct Distinct {
  std::vector<double> values;
  std::vector<std::size_t> counts;
  std::size_t total = 0;
};

Distinct DistinctValues(const data::Matrix& rows, std::size_t column) {
  std::vector<double> sorted;
  sorted.reserve(rows.rows);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const double value = rows.At(i, column);
    if (!std::isnan(value)) {
      sorted.push_back(value);
    }
  }
  std::sort(sorted.begin(), sorted.end());
  Distinct distinct;
  distinct.total = sorted.size();
  for (const double value : sorted) {
    if (distinct.values.empty() || value != distinct.values.back()) {
      distinct.values.push_back(value);
      distinct.counts.push_back(0);
    }
    ++distinct.counts.back();
  }
  return distinct;
}

/// Closes a bin when it holds its share of the rows that are left for the bins that are left.
std::vector<double> Bounds(const Distinct& distinct, std::size_t max_bins) {
  std::vector<double> bounds;
  std::size_t left_rows = distinct.total;
  std::size_t in_bin = 0;
  const bool all = distinct.values.size() <= max_bins;
  for (std::size_t i = 0; i + 1 < distinct.values.size() && bounds.size() + 1 < max_bins; ++i) {
    in_bin += distinct.counts[i];
    const std::size_t left_bins = max_bins - bounds.size();
    double bound = 0;
    if ((all || in_bin * left_bins >= left_rows) &&
        FloatBetween(distinct.values[i], distinct.values[i + 1], &bound)) {
      bounds.push_back(bound);
      left_rows -= in_bin;
      in_bin = 0;
    }
  }
  return bounds;
}

}  // namespace

void BinColumn(const data::Matrix& rows, std::size_t column, std::size_t max_bins,
               BinnedMatrix& out) {
  const Distinct distinct = DistinctValues(rows, column);
  std::vector<double> bounds = Bounds(distinct, max_bins);
  std::uint8_t* bins = out.bins.data() + column * out.rows;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const double value = rows.At(i, column);
    bins[i] = std::isnan(value)
                  ? kMissingBin
                  : static_cast<std::uint8_t>(
                        std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
  }
  float top = 0;
  if (!distinct.values.empty()) {
    top = static_cast<float>(distinct.values.back());
    if (static_cast<double>(top) < distinct.values.back()) {
      top = std::nextafterf(top, INFINITY);
    }
  }
  out.top[column] = static_cast<double>(top);
  out.bounds[column] = std::move(bounds);
}

}  // namespace millrace::learners::internal
