// SPDX-License-Identifier: Apache-2.0
// `millrace init`: a commented project that runs at once, from files embedded in the program.
#pragma once

#include <filesystem>

#include "base/result.h"
#include "cli/document.h"

namespace millrace::app {

/// Writes the starter project into `dir`, whole or not at all. kAlreadyExists if the folder exists
/// and is not empty.
Result<cli::Document> InitProject(const std::filesystem::path& dir);

}  // namespace millrace::app
