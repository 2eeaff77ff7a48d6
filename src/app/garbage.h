// SPDX-License-Identifier: Apache-2.0
// `millrace gc`: deleted runs for good, their artifacts, and bytes that nothing names any more.
#pragma once

#include "app/environment.h"
#include "base/result.h"
#include "cli/actions.h"
#include "cli/document.h"

namespace millrace::app {

/// Lists what would be removed or, if the options say so, removes it. Safe while servers and
/// pipelines work on the workspace: a run that is restored meanwhile stays.
Result<cli::Document> CollectGarbage(Environment& environment, const cli::GarbageOptions& options);

}  // namespace millrace::app
