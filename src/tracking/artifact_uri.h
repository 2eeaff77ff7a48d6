// SPDX-License-Identifier: Apache-2.0
// Where the artifacts of runs and logged models lie, from their URIs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::tracking {

/// The path under the artifact root that `mlflow-artifacts:/0/ab/artifacts` (with or without a
/// host) names: "0/ab/artifacts". kInvalidArgument for another scheme, an empty path or one that
/// leaves the root.
Result<std::string> ArtifactPath(std::string_view uri);

/// `location` and more parts, with one slash between each.
std::string JoinUri(std::string_view location, std::string_view path);

}  // namespace millrace::tracking
