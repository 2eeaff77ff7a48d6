// SPDX-License-Identifier: Apache-2.0
// Files of artifacts in an object store, as MLflow's clients keep them where an experiment's
// location is s3://... or abfs[s]://...: one object a file, under its own name.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace millrace::app {

/// Whether a location is in an object store.
bool IsObjectLocation(const std::string& location);

/// Puts every regular file below a folder, or one file under `path`, below a location. Durable on
/// return; a repeated call changes nothing.
///   - kInvalidArgument for a path that leaves the location, kUnavailable for a store that does not
///   answer or refuses the credentials in the environment
Result<void> PutObjects(const std::string& location, const std::filesystem::path& folder);
Result<void> PutObject(const std::string& location, const std::string& path,
                       const std::filesystem::path& file);

/// Whether an object lies at `path` below a location.
Result<bool> HasObject(const std::string& location, const std::string& path);

/// Copies what lies at a location, one object or all below a folder, to the folder `cache`, anew at
/// each call: these objects have no hash by which a copy could be checked.
///   - kNotFound where nothing lies there
Result<std::filesystem::path> FetchObjects(const std::string& location,
                                           const std::filesystem::path& cache);

}  // namespace millrace::app
