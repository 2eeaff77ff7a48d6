// SPDX-License-Identifier: Apache-2.0
// Files that the build puts into the program (cmake/EmbedFiles.cmake).
#pragma once

#include <span>
#include <string_view>

namespace millrace::app {

struct EmbeddedFile {
  /// Relative to the project's folder.
  std::string_view name;
  std::string_view bytes;
};

/// The files of the starter project: those of examples/churn, with a sample of its data.
std::span<const EmbeddedFile> StarterFiles();

/// docs/api/openapi.yaml, alone.
std::span<const EmbeddedFile> ApiDescription();

}  // namespace millrace::app
