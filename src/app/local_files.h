// SPDX-License-Identifier: Apache-2.0
// Files of artifacts in folders of this machine.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::app {

/// The folder of "file:///a/b", "file:/a/b", "/a/b" or a relative path, absolute; nothing for
/// another scheme.
std::optional<std::filesystem::path> LocalFolder(const std::string& location);
/// Relative paths of the regular files below a folder, in order; none if it does not exist.
Result<std::vector<std::string>> FilesBelow(const std::filesystem::path& folder);
/// The same for a location; kUnimplemented where it is not on this machine.
Result<std::vector<std::string>> LocalFiles(const std::string& location);
/// One of them.
Result<std::filesystem::path> LocalFetch(const std::string& location, const std::string& path);
/// Copies a file to folder/path, atomically; kInvalidArgument for a path that leaves the folder.
Result<void> PutLocalFile(const std::filesystem::path& folder, const std::string& path,
                          const std::filesystem::path& file);

}  // namespace millrace::app
