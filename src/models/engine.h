// SPDX-License-Identifier: Apache-2.0
// Engine: what predicts fast. Made from an estimator, immutable, without allocation or lock on the
// scoring path.
#pragma once

#include <cstddef>

namespace millrace::models {

/// Scores blocks of rows into the caller's memory. Bit-exact to the library that trained the
/// estimator, and the same for a row alone as for a row in a block.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Values per row.
  virtual std::size_t n_features() const noexcept = 0;

  /// Probability of the positive class of each row.
  ///
  /// @param rows    n_rows x n_features() values, row-major; NaN means missing. May be null when
  /// n_rows is 0.
  /// @param n_rows  number of rows.
  /// @param out     n_rows values in [0, 1]; must not overlap `rows`.
  /// Thread-safe, no allocation, no lock. Cost: O(n_rows x trees x depth).
  virtual void Predict(const double* rows, std::size_t n_rows, double* out) const noexcept = 0;
};

}  // namespace millrace::models
