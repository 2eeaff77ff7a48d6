// SPDX-License-Identifier: Apache-2.0
// A password from the person at the terminal, or from a pipe.
#pragma once

#include <string>

#include "base/result.h"

namespace millrace::cli {

/// Asks twice on a terminal, without showing what is typed; elsewhere takes the first line of
/// standard input. Never from the command line, which every process of the machine can read.
///   - kInvalidArgument for an empty one, or two that differ
Result<std::string> ReadNewPassword();

}  // namespace millrace::cli
