// SPDX-License-Identifier: Apache-2.0
// Where the artifacts of runs and logged models lie, from their URIs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::tracking {

/// The path under the artifact root that `mlflow-artifacts:/0/ab/artifacts` (with or without a
/// host) or `http://host/api/2.0/mlflow-artifacts/artifacts/0/ab/artifacts` names:
/// "0/ab/artifacts". The host is not looked at, as in MLflow: the server that is asked is meant.
/// kInvalidArgument for another URI, an empty path or one that leaves the root.
Result<std::string> ArtifactPath(std::string_view uri);

/// Whether a location is a path or a file: URI, absolute or not: what this machine would resolve in
/// its own file system.
bool IsLocalLocation(std::string_view location);

/// The absolute path that a path or a file: URI (without a host, or of localhost) names; nothing
/// for a relative one and for other schemes. Percent-signs of a URI are decoded once.
std::optional<std::filesystem::path> LocalFolder(std::string_view uri);

/// A relative local location below the current folder, as MLflow's server resolves it; others as
/// they are.
std::string AbsoluteLocation(std::string_view location);

/// `location` and more parts, with one slash between each. The query and fragment of a URI stay at
/// its end.
std::string JoinUri(std::string_view location, std::string_view path);

}  // namespace millrace::tracking
