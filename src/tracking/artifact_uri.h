// SPDX-License-Identifier: Apache-2.0
// Where the artifacts of runs and logged models lie, from their URIs.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/workspace.h"

namespace millrace::tracking {

/// The path under the artifact root that `mlflow-artifacts:/0/ab/artifacts` (with or without a
/// host) names: "0/ab/artifacts". kInvalidArgument for another scheme, an empty path or one that
/// leaves the root.
Result<std::string> ArtifactPath(std::string_view uri);

/// The folder of the workspace that such a URI names; a local path or a `file:` URI names itself.
/// kInvalidArgument for other schemes: their artifacts lie elsewhere.
Result<std::filesystem::path> ArtifactFolder(const store::Workspace& workspace,
                                             std::string_view uri);

/// `location` and more parts, with one slash between each.
std::string JoinUri(std::string_view location, std::string_view path);

}  // namespace millrace::tracking
