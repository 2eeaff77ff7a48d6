// SPDX-License-Identifier: Apache-2.0
// The command line: flags to actions, answers to text.
#pragma once

#include <string>
#include <vector>

#include "cli/actions.h"
#include "cli/console.h"

namespace millrace::cli {

/// Parses the arguments (without the program's name), calls the action, prints its answer.
/// @return the exit status: 0, or the one that base::ExitCode gives for the error; 2 for a wrong
/// command line.
int RunCommandLine(const std::vector<std::string>& arguments, Actions& actions, Console& console);

}  // namespace millrace::cli
