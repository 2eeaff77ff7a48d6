// SPDX-License-Identifier: Apache-2.0
// Steps made of functions, and the inputs of a running step.
#include "pipelines/step.h"

#include <utility>

namespace millrace::pipelines {

const Artifact& StepContext::InputArtifact(std::string_view name) const {
  const auto found = inputs_.find(std::string(name));
  MILL_CHECK(found != inputs_.end());
  return found->second;
}

Result<bool> Step::StillHolds(const StepContext&, const StepResult&) {
  return true;
}

namespace {

class FunctionStep final : public Step {
 public:
  FunctionStep(StepInfo info, StepFunction run, HoldsFunction still_holds)
      : Step(std::move(info)), run_(std::move(run)), still_holds_(std::move(still_holds)) {}

  Result<void> Run(const StepContext& step, StepResult& result) override {
    return run_(step, result);
  }
  Result<bool> StillHolds(const StepContext& step, const StepResult& cached) override {
    return still_holds_ ? still_holds_(step, cached) : Result<bool>(true);
  }

 private:
  StepFunction run_;
  HoldsFunction still_holds_;
};

}  // namespace

std::unique_ptr<Step> MakeStep(StepInfo info, StepFunction run, HoldsFunction still_holds) {
  return std::make_unique<FunctionStep>(std::move(info), std::move(run), std::move(still_holds));
}

}  // namespace millrace::pipelines
