// SPDX-License-Identifier: Apache-2.0
// Ids as MLflow's clients expect them, from the operating system's random source.
#pragma once

#include <string>

namespace millrace::base {

/// A random (version 4) UUID as 32 lower-case hex digits: run ids.
std::string NewRunId();
/// "m-" and 32 lower-case hex digits: logged model ids.
std::string NewLoggedModelId();

}  // namespace millrace::base
