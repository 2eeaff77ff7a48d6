// SPDX-License-Identifier: Apache-2.0
// Present values of a sample, sorted, for the drift statistics.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::metrics::internal {

/// Finite values in ascending order; kInvalidArgument where `side` ("reference", "current") has
/// none.
Result<std::vector<double>> SortedPresent(std::span<const double> values, std::string_view side);

/// Quantile q in [0, 1] of sorted values by linear interpolation, rounded as numpy's.
double QuantileOfSorted(std::span<const double> sorted, double q);

}  // namespace millrace::metrics::internal
