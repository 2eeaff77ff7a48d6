// SPDX-License-Identifier: Apache-2.0
// `millrace run`: the stages of a pipeline as a graph of cached steps, their reports, and stable
// paths for their results.
#pragma once

#include "app/environment.h"
#include "app/project.h"
#include "cli/actions.h"

namespace millrace::app {

/// Runs a pipeline of the project. `report` is filled as far as the run came, also when it fails.
Result<void> RunPipeline(Environment& environment, const Project& project,
                         const cli::RunOptions& options, cli::RunListener& listener,
                         cli::RunReport& report);

}  // namespace millrace::app
