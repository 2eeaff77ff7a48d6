// SPDX-License-Identifier: Apache-2.0
// Copies files to an object store and back.
#include "app/object_files.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "app/internal/file_blocks.h"
#include "app/local_files.h"
#include "base/file.h"
#include "base/hash.h"
#include "data/object_folder.h"
#include "store/artifact_path.h"
#include "store/object_uri.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

/// A location: the folder that it lies in, and its name there.
struct Place {
  data::ObjectFolder parent;
  std::string name;
};

Result<Place> Find(const std::string& location) {
  const std::size_t end = std::min(location.find('?'), location.size());
  std::string path = location.substr(0, end);
  while (path.ends_with('/')) {
    path.pop_back();
  }
  const std::size_t slash = path.rfind('/');
  const std::string parent = path.substr(0, slash) + location.substr(end);
  const std::string uri = store::ObjectStoreUri(parent).value_or(parent);
  MILL_ASSIGN_OR_RETURN(data::Location folder, data::Location::Parse(uri));
  return Place{data::ObjectFolder(std::move(folder)), path.substr(slash + 1)};
}

Result<void> Put(const Place& place, const std::string& path, const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const std::string checked, store::CheckArtifactPath(path));
  MILL_ASSIGN_OR_RETURN(const auto writer, place.parent.Create(place.name + "/" + checked));
  MILL_RETURN_IF_ERROR(internal::WriteBlocks(file, *writer));
  return writer->Close();
}

Result<void> Get(const data::ObjectFolder& folder, const std::string& key, const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const auto reader, folder.Open(key));
  return internal::ReadBlocks(*reader, file);
}

}  // namespace

bool IsObjectLocation(const std::string& location) {
  return store::ObjectStoreUri(location).has_value();
}

Result<void> PutObjects(const std::string& location, const fs::path& folder) {
  MILL_ASSIGN_OR_RETURN(const Place place, Find(location));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesBelow(folder));
  for (const std::string& path : files) {
    MILL_RETURN_IF_ERROR(Put(place, path, folder / path).With("storing artifact " + path));
  }
  return {};
}

Result<void> PutObject(const std::string& location, const std::string& path, const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const Place place, Find(location));
  return Put(place, path, file).With("storing artifact " + path);
}

Result<bool> HasObject(const std::string& location, const std::string& path) {
  MILL_ASSIGN_OR_RETURN(const Place place, Find(location));
  const auto reader = place.parent.Open(place.name + "/" + path);
  if (!reader.ok() && reader.error().code() != ErrorCode::kNotFound) {
    return reader.error();
  }
  return reader.ok();
}

Result<fs::path> FetchObjects(const std::string& location, const fs::path& cache) {
  MILL_ASSIGN_OR_RETURN(const Place place, Find(location));
  MILL_ASSIGN_OR_RETURN(const std::vector<data::ObjectInfo> objects, place.parent.List(place.name));
  const fs::path copy = cache / base::HashText(location).Hex();
  const auto fill = [&](const fs::path& temporary) -> Result<void> {
    for (const data::ObjectInfo& object : objects) {
      MILL_RETURN_IF_ERROR(
          Get(place.parent, object.key, temporary / object.key.substr(place.name.size() + 1)));
    }
    // No folder of that name: an object, or nothing.
    return objects.empty() ? Get(place.parent, place.name, temporary / place.name) : Result<void>();
  };
  Result<void> filled = base::ReplaceAtomic(copy, fill);
  if (!filled.ok()) {
    return filled.error().code() == ErrorCode::kNotFound
               ? base::NotFound("no artifacts lie at \"" + location + "\"")
               : std::move(filled).error();
  }
  return objects.empty() ? copy / place.name : copy;
}

}  // namespace millrace::app
