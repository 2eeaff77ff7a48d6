// SPDX-License-Identifier: Apache-2.0
// Which URIs this server follows.
#include "api/internal/artifact_places.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "store/artifact_path.h"
#include "tracking/artifact_uri.h"

namespace millrace::api::internal {

namespace {

namespace fs = std::filesystem;

std::string Joined(std::string path, std::string_view below) {
  return path.empty() || below.empty() ? path.append(below) : path.append("/").append(below);
}

fs::path WithoutLastSlash(const fs::path& path) {
  return path.has_filename() || path == path.root_path() ? path : path.parent_path();
}

}  // namespace

ArtifactPlaces::ArtifactPlaces(store::ArtifactStore& proxied, const std::vector<std::string>& roots)
    : proxied_(proxied) {
  for (const std::string& root : roots) {
    if (const auto folder = tracking::LocalFolder(tracking::AbsoluteLocation(root))) {
      const fs::path normal = WithoutLastSlash(folder->lexically_normal());
      roots_.push_back({normal, store::OpenArtifactFolder(normal)});
    }
  }
}

Result<ArtifactPlace> ArtifactPlaces::Find(std::string_view uri, std::string_view below) const {
  const Result<std::string> proxied = tracking::ArtifactPath(uri);
  if (proxied.ok()) {
    return ArtifactPlace{&proxied_, Joined(*proxied, below)};
  }
  if (const auto folder = tracking::LocalFolder(uri)) {
    for (const Root& root : roots_) {
      const auto [end, rest] =
          std::mismatch(root.folder.begin(), root.folder.end(), folder->begin(), folder->end());
      if (end != root.folder.end()) {
        continue;
      }
      fs::path relative;
      for (auto part = rest; part != folder->end(); ++part) {
        relative /= *part;
      }
      // Refuses what leads back out: the folder is compared as it is written.
      MILL_ASSIGN_OR_RETURN(std::string path, store::CheckArtifactPath(relative.string()));
      return ArtifactPlace{root.files.get(), Joined(std::move(path), below)};
    }
  }
  return base::InvalidArgument("artifacts at " + std::string(uri) +
                               " are not served by this server; read them from there")
      .Hint("a folder of this machine is served if --artifact-folders of `serve` names it");
}

}  // namespace millrace::api::internal
