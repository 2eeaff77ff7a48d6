// SPDX-License-Identifier: Apache-2.0
// What most commands do: open the workspace, which must exist, and ask it.
#pragma once

#include "app/environment.h"
#include "cli/actions.h"

namespace millrace::app::internal {

template <typename F>
Result<cli::Document> Ask(const cli::Invocation& invocation, F question) {
  MILL_ASSIGN_OR_RETURN(const auto environment, Environment::Open(invocation, /*create=*/false));
  return question(*environment);
}

}  // namespace millrace::app::internal
