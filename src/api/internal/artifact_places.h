// SPDX-License-Identifier: Apache-2.0
// Where the files that a URI names are read and written by this server.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/artifacts.h"

namespace millrace::api::internal {

/// A path in one of the places that this server reads and writes.
struct ArtifactPlace {
  store::ArtifactFiles* files = nullptr;
  /// In the form of CheckArtifactPath.
  std::string path;
};

/// The artifact store, and folders of this machine that whoever started the server named. URIs come
/// from clients: one of them that leads anywhere else is not read, or a client could name any file
/// of this machine. Thread-safe.
class ArtifactPlaces {
 public:
  /// @param proxied  outlives this
  /// @param roots  local paths and file: URIs; others are passed over
  ArtifactPlaces(store::ArtifactStore& proxied, const std::vector<std::string>& roots);

  /// The place of `below` (in the form of CheckArtifactPath, "" for the root) under what `uri`
  /// names. kInvalidArgument where this server does not go.
  Result<ArtifactPlace> Find(std::string_view uri, std::string_view below) const;

 private:
  struct Root {
    std::filesystem::path folder;
    std::unique_ptr<store::ArtifactFiles> files;
  };

  store::ArtifactStore& proxied_;
  std::vector<Root> roots_;
};

}  // namespace millrace::api::internal
