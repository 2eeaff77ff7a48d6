// SPDX-License-Identifier: Apache-2.0
// Looks learners up by name and lists the built-in ones.
#include "learners/registry.h"

#include <utility>

#include "base/nearest_name.h"

namespace millrace::learners {

Result<void> LearnerRegistry::Register(std::unique_ptr<Learner> learner) {
  const std::string& name = learner->info().name;
  for (const auto& known : learners_) {
    if (known->info().name == name) {
      return base::AlreadyExists("learner \"" + name + "\" is registered twice; names must differ");
    }
  }
  learners_.push_back(std::move(learner));
  return {};
}

Result<const Learner*> LearnerRegistry::Find(std::string_view name) const {
  for (const auto& learner : learners_) {
    if (learner->info().name == name) {
      return learner.get();
    }
  }
  return base::InvalidArgument("there is no learner \"" + std::string(name) + "\"" +
                               base::DidYouMean(name, Names()));
}

std::vector<std::string> LearnerRegistry::Names() const {
  std::vector<std::string> names;
  names.reserve(learners_.size());
  for (const auto& learner : learners_) {
    names.push_back(learner->info().name);
  }
  return names;
}

Result<void> RegisterBuiltinLearners(LearnerRegistry& registry) {
  MILL_RETURN_IF_ERROR(registry.Register(MakeLightGbmLearner()));
  MILL_RETURN_IF_ERROR(registry.Register(MakeXgboostLearner()));
  MILL_RETURN_IF_ERROR(registry.Register(MakeRandomForestLearner()));
  MILL_RETURN_IF_ERROR(registry.Register(MakeLogisticRegressionLearner()));
  return {};
}

}  // namespace millrace::learners
