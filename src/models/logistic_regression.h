// SPDX-License-Identifier: Apache-2.0
// Logistic regression with its preprocessing as data, its estimator, and the reader of its native
// format (docs/formats/native_models.md).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/model.h"

namespace millrace::models {

/// A fitted model. Each list has one value per feature. A row's score is, in this order of
/// operations, `z = intercept; z += weights[j] * ((x[j] - mean[j]) / scale[j])` for j = 0, 1, ...,
/// with a missing x[j] replaced by impute[j]; the probability is 1 / (1 + exp(-z)).
struct LogisticData {
  std::vector<std::string> feature_names;
  /// Takes the place of a missing value (the training median).
  std::vector<double> impute;
  std::vector<double> mean;
  /// Standard deviation, 1 for a constant feature; never 0.
  std::vector<double> scale;
  std::vector<double> weights;
  double intercept = 0.0;

  bool operator==(const LogisticData&) const = default;
};

/// Checks the data and makes its estimator. kInvalidArgument names the feature and the value (sizes
/// differ, a value that is not finite, a scale that is not positive).
Result<std::shared_ptr<const Estimator>> MakeLogisticRegression(LogisticData data);

/// Reads `NativeBytes()` of a logistic regression: kDataLoss for truncated or changed bytes,
/// kUnimplemented for a newer format version.
Result<std::shared_ptr<const Estimator>> ParseLogisticRegression(std::string_view bytes);

}  // namespace millrace::models
