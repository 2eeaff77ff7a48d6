// SPDX-License-Identifier: Apache-2.0
// Reads XGBoost's JSON and UBJSON models without XGBoost. Not for training: that is learners.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "models/model.h"

namespace millrace::models {

/// A binary XGBoost model from its saved bytes, JSON or UBJSON (`XGBoosterSaveModelToBuffer`); all
/// trees are used.
///
/// Booster gbtree, objective binary:logistic; numeric and categorical splits, dropout weights. The
/// engine gives XGBoost's own float32 bits, widened to double. Features without names are called
/// f0, f1, ...
/// @return - kDataLoss for truncated or damaged bytes (names the place).
///         - kUnimplemented for what would score differently: other boosters and objectives, vector
///         leaves, categories that the
///           model re-codes itself (says which).
/// Source: XGBoost 3 `doc/model.schema`, `src/tree/io_utils.h`, `src/predictor/predict_fn.h`,
/// `src/learner.cc`.
Result<std::shared_ptr<const Estimator>> ParseXgboost(std::string_view bytes);

}  // namespace millrace::models
