// SPDX-License-Identifier: Apache-2.0
// A stage's output as the result of a step, which the cache keeps, and back.
#pragma once

#include "app/stages.h"
#include "pipelines/step.h"

namespace millrace::app {

pipelines::StepResult ToStepResult(const StageOutput& output);
/// Tables of a damaged cache entry are left out; its rows, metrics and notes stand.
StageOutput ToStageOutput(const pipelines::StepResult& result);

}  // namespace millrace::app
