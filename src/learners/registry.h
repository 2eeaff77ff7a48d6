// SPDX-License-Identifier: Apache-2.0
// The learners that this binary knows, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "learners/learner.h"

namespace millrace::learners {

/// Learners by name. Filled once at start, then read by any thread.
class LearnerRegistry {
 public:
  /// kAlreadyExists if the name is taken.
  Result<void> Register(std::unique_ptr<Learner> learner);
  /// kInvalidArgument with the nearest name if there is none; the pointer lives as long as the
  /// registry.
  Result<const Learner*> Find(std::string_view name) const;
  /// In order of registration.
  std::vector<std::string> Names() const;

 private:
  std::vector<std::unique_ptr<Learner>> learners_;
};

/// lightgbm, xgboost, random_forest, logistic_regression.
Result<void> RegisterBuiltinLearners(LearnerRegistry& registry);

std::unique_ptr<Learner> MakeLightGbmLearner();
std::unique_ptr<Learner> MakeXgboostLearner();
std::unique_ptr<Learner> MakeRandomForestLearner();
std::unique_ptr<Learner> MakeLogisticRegressionLearner();

}  // namespace millrace::learners
