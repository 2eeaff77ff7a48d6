// SPDX-License-Identifier: Apache-2.0
// Files of runs and models at the workspace's artifact destination, the same store as that of
// clients: put there by pipelines and imports, brought here for whoever needs a path.
//
// A location is an artifact URI (mlflow-artifacts:/1/<run>/artifacts), a folder of this machine, or
// one of an object store (s3://..., abfss://...), to which clients write themselves.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/environment.h"
#include "base/result.h"
#include "tracking/registry.h"

namespace millrace::app {

/// Relative paths of the files below a location; none where there are none.
///   - kUnimplemented for a location that its own clients reach (s3://...): whoever has the
///   location has the files
Result<std::vector<std::string>> ArtifactFiles(Environment& environment,
                                               const std::string& location);

/// Puts a file under `path` below a location. Durable on return; a repeated call changes nothing.
///   - kInvalidArgument for a path that leaves the location, kUnimplemented for other places
Result<void> PutArtifact(Environment& environment, const std::string& location,
                         const std::string& path, const std::filesystem::path& file);
/// The same for every regular file below a folder.
Result<void> PutArtifacts(Environment& environment, const std::string& location,
                          const std::filesystem::path& folder);

/// Whether a file lies at `path` below a location.
Result<bool> HasArtifact(Environment& environment, const std::string& location,
                         const std::string& path);

/// Writes one artifact to `file`, which appears whole; every byte was checked by SHA-256.
Result<void> CopyArtifact(Environment& environment, const std::string& location,
                          const std::string& path, const std::filesystem::path& file);

/// A path of this machine with what lies at a location, one file or all below a folder, for reading
/// only: the original where the destination is on this machine, otherwise a copy in the workspace's
/// cache (docs/formats/artifacts.md), checked by SHA-256 whenever it is asked for, or made anew
/// where clients put the files.
///   - kNotFound where nothing lies there
Result<std::filesystem::path> FetchArtifacts(Environment& environment, const std::string& location);

/// Where a person finds a location: the folder of this machine, or the location itself.
std::string ShownPlace(Environment& environment, const std::string& location);

/// Where the files of a version's model lie: with its logged model, otherwise where the version
/// says.
std::string ModelLocation(Environment& environment, const tracking::ModelVersion& version);

}  // namespace millrace::app
