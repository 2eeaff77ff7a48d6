// SPDX-License-Identifier: Apache-2.0
// `millrace serve`: the deployed endpoints of a workspace over HTTP, until a signal asks it to
// stop.
#pragma once

#include <stop_token>

#include "app/environment.h"
#include "base/result.h"
#include "cli/actions.h"

namespace millrace::app {

/// Serves until `stop`; requests in flight finish. The workspace is held all the while: other
/// commands hand over their writes.
Result<void> Serve(Environment& environment, const cli::ServeOptions& options,
                   const std::stop_token& stop);

}  // namespace millrace::app
