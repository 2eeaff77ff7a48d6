// SPDX-License-Identifier: Apache-2.0
// Writes estimators as ONNX models (opset 13, ai.onnx.ml 3).
#pragma once

#include <string>

#include "base/result.h"
#include "models/internal/tree_ensemble.h"
#include "models/logistic_regression.h"

namespace millrace::models::internal {

/// The ensemble with inputs by column; the signature was checked against its features.
/// kUnimplemented names a construct that ai.onnx.ml 3 cannot say (category sets, zero as missing).
Result<std::string> TreesToOnnx(const TreeEnsemble& ensemble, const Signature& signature);

/// Imputation, standardisation and the linear model, in double.
Result<std::string> LogisticToOnnx(const LogisticData& data, const Signature& signature);

}  // namespace millrace::models::internal
