// SPDX-License-Identifier: Apache-2.0
// Artifact URIs and the paths that they name.
#include "tracking/artifact_uri.h"

namespace millrace::tracking {
namespace {

constexpr std::string_view kScheme = "mlflow-artifacts:";

/// Whether a relative path has parts that are neither empty nor "." nor "..".
bool StaysInside(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view part = path.substr(0, end);
    if (part.empty() || part == "." || part == ".." ||
        part.find_first_of(std::string_view("\\\0", 2)) != std::string_view::npos) {
      return false;
    }
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  return true;
}

}  // namespace

Result<std::string> ArtifactPath(std::string_view uri) {
  const std::string shown(uri);
  if (!uri.starts_with(kScheme)) {
    return base::InvalidArgument("artifact URI \"" + shown +
                                 "\" does not begin with mlflow-artifacts:");
  }
  uri.remove_prefix(kScheme.size());
  if (uri.starts_with("//")) {
    const std::size_t end = uri.find('/', 2);
    uri = end == std::string_view::npos ? std::string_view() : uri.substr(end);
  }
  while (uri.starts_with("/")) {
    uri.remove_prefix(1);
  }
  while (uri.ends_with("/")) {
    uri.remove_suffix(1);
  }
  if (uri.empty() || !StaysInside(uri)) {
    return base::InvalidArgument("artifact URI \"" + shown +
                                 "\": a path that stays inside the artifact root is wanted");
  }
  return std::string(uri);
}

std::string JoinUri(std::string_view location, std::string_view path) {
  while (location.ends_with("/")) {
    location.remove_suffix(1);
  }
  return std::string(location) + "/" + std::string(path);
}

}  // namespace millrace::tracking
