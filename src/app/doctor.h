// SPDX-License-Identifier: Apache-2.0
// `millrace doctor`: what this machine and project lack, and how to mend it.
#pragma once

#include "base/result.h"
#include "cli/actions.h"

namespace millrace::app {

/// Tries what a run needs: cores, memory, disk, a writable workspace, the native libraries, fonts,
/// a free port, the project's files. What is missing is a row of the answer, not an error.
Result<cli::Document> Doctor(const cli::Invocation& invocation);

}  // namespace millrace::app
