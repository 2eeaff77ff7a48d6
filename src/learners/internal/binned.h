// SPDX-License-Identifier: Apache-2.0
// Columns cut into at most 255 bins, and one tree grown over them: the inside of the random forest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "data/matrix.h"
#include "models/random_forest.h"

namespace millrace::learners::internal {

/// The bin of missing values; bins of values are 0 to 254.
inline constexpr std::uint8_t kMissingBin = 255;

/// Column-major bins of a matrix.
struct BinnedMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  /// bins[column * rows + row].
  std::vector<std::uint8_t> bins;
  /// Per column: bounds[b] is the greatest value of bin b, for all bins but the last. A value is in
  /// bin b or lower iff value <= bounds[b]. Each bound is exactly a float, so that a comparison in
  /// float says the same.
  std::vector<std::vector<double>> bounds;
  /// Per column the least float that no value is above; infinite where there is none.
  std::vector<double> top;

  const std::uint8_t* Column(std::size_t column) const { return bins.data() + column * rows; }
  std::size_t BinCount(std::size_t column) const { return bounds[column].size() + 1; }
};

/// Cuts one column: bounds by quantiles of the distinct values, halfway between neighbours, and the
/// bin of each row.
/// @param max_bins  2 to 255
void BinColumn(const data::Matrix& rows, std::size_t column, std::size_t max_bins,
               BinnedMatrix& out);

struct TreeSettings {
  int max_depth = 0;  // 0: no limit
  /// Distinct rows, at least 1; bootstrap repeats of a row count once, as in scikit-learn.
  std::uint32_t min_samples_leaf = 1;
  std::uint32_t min_samples_split = 2;
  std::uint32_t max_features = 1;
  bool bootstrap = true;
};

/// Grows one classification tree by Gini impurity. Counts are integers, so the tree depends on
/// data, settings and the generator alone.
models::ForestTree GrowTree(const BinnedMatrix& rows, std::span<const std::uint8_t> labels,
                            const TreeSettings& settings, base::Rng rng);

}  // namespace millrace::learners::internal
