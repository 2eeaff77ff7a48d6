// SPDX-License-Identifier: Apache-2.0
// Reads LightGBM's text models without LightGBM. Not for training: that is learners.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "models/model.h"

namespace millrace::models {

/// A binary LightGBM model from its text (`LGBM_BoosterSaveModelToString`, file model.lgb).
///
/// Numeric splits with every missing type, categorical splits, averaged output (boosting=rf). The
/// engine gives LightGBM's own `PredictForMat` bits.
/// @return - kDataLoss for a truncated or damaged text (names the tree and the line).
///         - kUnimplemented for what would score differently: linear trees, several classes,
///         objectives other than `binary`
///           and `cross_entropy` (says which).
/// Source: LightGBM 4 `src/io/tree.cpp`, `src/boosting/gbdt_model_text.cpp`,
/// `include/LightGBM/tree.h`.
Result<std::shared_ptr<const Estimator>> ParseLightGbm(std::string_view text);

}  // namespace millrace::models
