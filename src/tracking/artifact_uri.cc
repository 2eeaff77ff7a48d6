// SPDX-License-Identifier: Apache-2.0
// Artifact URIs and the paths that they name.
#include "tracking/artifact_uri.h"

#include <algorithm>

#include "tracking/internal/sources.h"

namespace millrace::tracking {
namespace {

constexpr std::string_view kScheme = "mlflow-artifacts:";
constexpr std::string_view kProxyRoute = "/api/2.0/mlflow-artifacts/artifacts/";

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
  const std::size_t route = uri.starts_with("http://") || uri.starts_with("https://")
                                ? uri.find(kProxyRoute)
                                : std::string_view::npos;
  if (route != std::string_view::npos) {
    uri.remove_prefix(route + kProxyRoute.size());
  } else if (uri.starts_with(kScheme)) {
    uri.remove_prefix(kScheme.size());
    if (uri.starts_with("//")) {
      const std::size_t end = uri.find('/', 2);
      uri = end == std::string_view::npos ? std::string_view() : uri.substr(end);
    }
  } else {
    return base::InvalidArgument("artifact URI \"" + shown +
                                 "\" does not begin with mlflow-artifacts:");
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

bool IsLocalLocation(std::string_view location) {
  const internal::Uri uri = internal::ParseUri(location);
  return uri.scheme.empty() || uri.scheme == "file";
}

std::optional<std::filesystem::path> LocalFolder(std::string_view text) {
  const internal::Uri uri = internal::ParseUri(text);
  const bool is_uri =
      uri.scheme == "file" && (uri.authority.empty() || uri.authority == "localhost");
  const std::string path = is_uri ? internal::Unquote(uri.path) : std::string(text);
  if (!(is_uri || uri.scheme.empty()) || !path.starts_with("/") ||
      path.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  return std::filesystem::path(path);
}

std::string AbsoluteLocation(std::string_view location) {
  const internal::Uri uri = internal::ParseUri(location);
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  if (error || location.empty() || !uri.authority.empty() || uri.path.starts_with("/")) {
    return std::string(location);
  }
  if (uri.scheme.empty()) {
    return JoinUri(here, location);
  }
  return uri.scheme == "file" ? "file://" + JoinUri(here, location.substr(5))
                              : std::string(location);
}

std::string JoinUri(std::string_view location, std::string_view path) {
  const std::size_t end_of_path = internal::ParseUri(location).scheme.empty()
                                      ? location.size()
                                      : std::min(location.find_first_of("?#"), location.size());
  const std::string_view query = location.substr(end_of_path);
  location.remove_suffix(query.size());
  while (location.ends_with("/")) {
    location.remove_suffix(1);
  }
  return std::string(location) + "/" + std::string(path) + std::string(query);
}

}  // namespace millrace::tracking
