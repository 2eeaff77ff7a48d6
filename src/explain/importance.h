// SPDX-License-Identifier: Apache-2.0
// Which features a model leans on: by the gain of its splits, and by what breaking a feature costs
// in ROC AUC.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace millrace::data {
struct Matrix;
}
namespace millrace::models {
class Estimator;
}

namespace millrace::explain {

/// The importance of one feature.
struct FeatureImportance {
  std::string name;
  double importance = 0;
  /// Standard deviation over the repeats; 0 for gain.
  double deviation = 0;
};

/// Features with their share of the estimator's gain (Estimator::GainImportance), summing to 1 (all
/// 0 stays 0), sorted by falling share, ties by column order.
std::vector<FeatureImportance> GainImportance(const models::Estimator& estimator);

struct PermutationOptions {
  /// Permutations per feature.
  int repeats = 5;
  /// More rows than this are cut to an even, deterministic sample; 0 keeps all.
  std::size_t max_rows = 20'000;
};

/// Mean loss of ROC AUC when one column is shuffled, sorted by falling importance, ties by column
/// order. A feature the model does not use has exactly 0; below 0 means shuffling helped by chance.
///
/// @param rows    n rows with the estimator's columns in its order; NaN is missing
/// @param labels  n values in {0, 1}, both present
/// @return kInvalidArgument if the sizes differ, a class is missing, or repeats < 1
/// Feature f in repeat r is shuffled by Rng(context.seed, f * repeats + r): the same at any thread
/// count. Parallel over features on context.cpu. Cost: features * repeats predictions of the rows.
/// Source: Breiman 2001, "Random Forests", section 10; Fisher, Rudin and Dominici 2019.
Result<std::vector<FeatureImportance>> PermutationImportance(
    const Context& context, const models::Estimator& estimator, const data::Matrix& rows,
    std::span<const std::uint8_t> labels, const PermutationOptions& options = {});

}  // namespace millrace::explain
