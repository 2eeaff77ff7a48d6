// SPDX-License-Identifier: Apache-2.0
// When a long call has to end early.
#include "base/context.h"

namespace millrace::base {

Result<void> Context::Check() const {
  if (stop.stop_requested()) {
    return Cancelled("stopped on request");
  }
  if (deadline && std::chrono::steady_clock::now() >= *deadline) {
    return DeadlineExceeded("the time allowed for this call is over");
  }
  return {};
}

}  // namespace millrace::base
