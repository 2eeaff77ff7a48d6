// SPDX-License-Identifier: Apache-2.0
// Files of a FileTree as artifacts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/artifacts.h"
#include "store/internal/block_hashes.h"
#include "store/internal/file_tree.h"

namespace millrace::store::internal {

/// @param name  of the file, for messages
ReadFunction ReadFrom(std::shared_ptr<FileHandle> file, std::string name);
/// ArtifactFiles::List.
Result<std::vector<ArtifactEntry>> ListTree(const FileTree& tree, std::string_view folder);
Result<void> WriteAll(const FileHandle& file, std::string_view bytes, std::string_view path);

}  // namespace millrace::store::internal
