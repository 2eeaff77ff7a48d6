// SPDX-License-Identifier: Apache-2.0
// Brings files of runs and models to the artifact destination and back.
#include "app/artifact_files.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "app/internal/file_blocks.h"
#include "app/local_files.h"
#include "app/object_files.h"
#include "base/file.h"
#include "base/hash.h"
#include "store/artifact_path.h"
#include "store/artifacts.h"
#include "tracking/artifact_uri.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

/// An artifact of the store, as it lies under a folder of the cache.
struct Listed {
  std::string path;
  std::string below;
  std::string sha256;
};

Result<std::vector<std::string>> FilesOf(store::ArtifactStore& artifacts, const std::string& root) {
  std::vector<std::string> files;
  std::vector<std::string> folders = {root};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    MILL_ASSIGN_OR_RETURN(const std::vector<store::ArtifactEntry> entries, artifacts.List(folder));
    for (const store::ArtifactEntry& entry : entries) {
      (entry.is_dir ? folders : files).push_back(entry.path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<void> CopyIn(store::ArtifactStore& artifacts, const fs::path& file,
                    const std::string& path) {
  MILL_ASSIGN_OR_RETURN(const auto writer, artifacts.Create(path));
  MILL_RETURN_IF_ERROR(internal::WriteBlocks(file, *writer));
  const Result<std::string> sha256 = writer->Commit();
  return sha256.ok() ? Result<void>() : Result<void>(sha256.error());
}

/// What lies at a path of the store, with hashes: the files below it, or the one that it names.
Result<std::vector<Listed>> ListAt(store::ArtifactStore& artifacts, const std::string& root) {
  MILL_ASSIGN_OR_RETURN(std::vector<std::string> paths, FilesOf(artifacts, root));
  const bool is_file = paths.empty();
  if (is_file) {
    paths.push_back(root);
  }
  std::vector<Listed> listed;
  for (std::string& path : paths) {
    MILL_ASSIGN_OR_RETURN(const auto reader, artifacts.Open(path));
    std::string below = path.substr(is_file ? path.rfind('/') + 1 : root.size() + 1);
    listed.push_back({std::move(path), std::move(below), reader->sha256()});
  }
  return listed;
}

bool IsWhole(const fs::path& folder, const std::vector<Listed>& files) {
  return std::all_of(files.begin(), files.end(), [&](const Listed& file) {
    const Result<ContentHash> hash = base::HashFile(folder / file.below);
    return hash.ok() && file.sha256.starts_with(hash->Hex());
  });
}

/// The folder of the cache with these files; its name is the hash of their names and contents.
Result<fs::path> CachedCopy(store::ArtifactStore& artifacts, const fs::path& cache,
                            const std::vector<Listed>& files) {
  base::Hasher name;
  for (const Listed& file : files) {
    name.Add(file.below).Add(file.sha256);
  }
  const fs::path folder = cache / name.Finish().Hex();
  if (IsWhole(folder, files)) {
    return folder;
  }
  const auto fill = [&](const fs::path& temporary) -> Result<void> {
    for (const Listed& file : files) {
      MILL_ASSIGN_OR_RETURN(const auto reader, artifacts.Open(file.path));
      MILL_RETURN_IF_ERROR(internal::ReadBlocks(*reader, temporary / file.below));
    }
    return {};
  };
  MILL_RETURN_IF_ERROR(base::ReplaceAtomic(folder, fill));
  return folder;
}

}  // namespace

Result<std::vector<std::string>> ArtifactFiles(Environment& environment,
                                               const std::string& location) {
  const Result<std::string> root = tracking::ArtifactPath(location);
  if (!root.ok()) {
    return LocalFiles(location);
  }
  MILL_ASSIGN_OR_RETURN(store::ArtifactStore * artifacts, environment.Artifacts());
  MILL_ASSIGN_OR_RETURN(std::vector<std::string> files, FilesOf(*artifacts, *root));
  for (std::string& file : files) {
    file.erase(0, root->size() + 1);
  }
  return files;
}

Result<void> PutArtifact(Environment& environment, const std::string& location,
                         const std::string& path, const fs::path& file) {
  const Result<std::string> root = tracking::ArtifactPath(location);
  if (root.ok()) {
    MILL_ASSIGN_OR_RETURN(const std::string whole, store::CheckArtifactPath(*root + "/" + path));
    MILL_ASSIGN_OR_RETURN(store::ArtifactStore * artifacts, environment.Artifacts());
    return CopyIn(*artifacts, file, whole).With("storing artifact " + whole);
  }
  if (IsObjectLocation(location)) {
    return PutObject(location, path, file);
  }
  const std::optional<fs::path> folder = LocalFolder(location);
  if (!folder) {
    return base::Unimplemented("artifacts at \"" + location + "\" can only be written by clients")
        .Hint(
            "keep them on this machine, in S3 or in Azure Blob Storage: --default-artifact-root "
            "mlflow-artifacts: with --artifacts-destination, or a root of s3://... or abfss://...");
  }
  return PutLocalFile(*folder, path, file);
}

Result<void> PutArtifacts(Environment& environment, const std::string& location,
                          const fs::path& folder) {
  if (IsObjectLocation(location)) {
    return PutObjects(location, folder);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> files, FilesBelow(folder));
  for (const std::string& path : files) {
    MILL_RETURN_IF_ERROR(PutArtifact(environment, location, path, folder / path));
  }
  return {};
}

Result<bool> HasArtifact(Environment& environment, const std::string& location,
                         const std::string& path) {
  if (IsObjectLocation(location)) {
    return HasObject(location, path);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> files, ArtifactFiles(environment, location));
  return std::find(files.begin(), files.end(), path) != files.end();
}

Result<void> CopyArtifact(Environment& environment, const std::string& location,
                          const std::string& path, const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const std::string root, tracking::ArtifactPath(location));
  MILL_ASSIGN_OR_RETURN(store::ArtifactStore * artifacts, environment.Artifacts());
  MILL_ASSIGN_OR_RETURN(const auto reader, artifacts->Open(root + "/" + path));
  return base::ReplaceAtomic(
      file, [&](const fs::path& temporary) { return internal::ReadBlocks(*reader, temporary); });
}

Result<fs::path> FetchArtifacts(Environment& environment, const std::string& location) {
  const fs::path cache = environment.workspace().CacheDir() / "artifacts";
  if (IsObjectLocation(location)) {
    return FetchObjects(location, cache);
  }
  const Result<std::string> root = tracking::ArtifactPath(location);
  std::optional<fs::path> here = LocalFolder(location);
  if (root.ok()) {
    MILL_ASSIGN_OR_RETURN(store::ArtifactStore * artifacts, environment.Artifacts());
    here = artifacts->LocalPath(*root);
    if (!here) {
      MILL_ASSIGN_OR_RETURN(const std::vector<Listed> files, ListAt(*artifacts, *root));
      MILL_ASSIGN_OR_RETURN(fs::path folder, CachedCopy(*artifacts, cache, files));
      const bool is_file = files.size() == 1 && files.front().path == *root;
      return is_file ? folder / files.front().below : folder;
    }
  }
  std::error_code ignored;
  if (!here || !fs::exists(*here, ignored)) {
    return base::NotFound("no artifacts lie at \"" + location + "\"" +
                          (here ? " (folder \"" + here->string() + "\")" : ""));
  }
  return *std::move(here);
}

std::string ShownPlace(Environment& environment, const std::string& location) {
  std::optional<fs::path> here = LocalFolder(location);
  const Result<std::string> root = tracking::ArtifactPath(location);
  if (const auto artifacts = environment.Artifacts(); root.ok() && artifacts.ok()) {
    here = (*artifacts)->LocalPath(*root);
  }
  return here ? here->string() : location;
}

std::string ModelLocation(Environment& environment, const tracking::ModelVersion& version) {
  if (!version.model_id.empty()) {
    const auto logged = environment.tracking().GetLoggedModel(version.model_id);
    if (logged.ok()) {
      return logged->artifact_location;
    }
  }
  return version.storage_location;
}

}  // namespace millrace::app
