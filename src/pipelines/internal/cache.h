// SPDX-License-Identifier: Apache-2.0
// The content cache of step outputs on disk. Layout: docs/formats/pipeline_cache.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/result.h"
#include "pipelines/step.h"
#include "store/lock.h"

namespace millrace::pipelines::internal {

/// What a cache key is made of, kept in the entry to say later which part changed.
struct KeyParts {
  int version = 0;
  ContentHash params;
  std::uint64_t seed = 0;
  std::map<std::string, ContentHash> inputs;

  ContentHash Key(const std::string& step) const;
  /// The first part in which `this` differs from an older key: "input labels changed".
  std::string Difference(const KeyParts& older) const;
};

/// A published entry.
struct CacheEntry {
  KeyParts parts;
  StepResult result;
  std::vector<Artifact> outputs;
  /// The folder with the outputs.
  std::filesystem::path out;
};

/// The entries of one cache folder; one process works in it at a time. Thread-safe: two threads
/// never work on one step.
class Cache {
 public:
  /// Takes the cache's lock and removes what killed runs left.
  static Result<std::unique_ptr<Cache>> Open(const std::filesystem::path& dir);

  /// Content hash of a file or folder from outside; read again only if size, times or inode
  /// changed.
  Result<ContentHash> HashInput(const std::filesystem::path& path);

  /// The entry, if it is there and its outputs have the recorded content.
  std::optional<CacheEntry> Find(const StepInfo& info, const ContentHash& key);
  /// The parts of the key that the last successful run used; nullopt if there was none.
  std::optional<KeyParts> LatestParts(const std::string& step) const;

  /// Calls `work` with an empty folder, then publishes that folder as the entry, atomically.
  ///   - kInternal if a declared output is missing afterwards; otherwise the error of `work` or of
  ///   the disk.
  Result<CacheEntry> Publish(
      const StepInfo& info, const KeyParts& parts,
      const std::function<Result<void>(const std::filesystem::path& out, StepResult& result)>& work,
      const std::function<void(std::string_view point)>& on_point, StepResult& result);

  /// Points `latest/<step>` to the entry.
  Result<void> MarkLatest(const std::string& step, const ContentHash& key);
  /// Removes all but the newest entries of a step; never `used`.
  void Trim(const std::string& step, int kept, const ContentHash& used) const;
  /// Writes what HashInput has learnt.
  Result<void> SaveHashes();

 private:
  struct KnownFile {
    std::string stamp;
    ContentHash hash;
  };

  Cache(std::filesystem::path dir, store::FileLock lock)
      : dir_(std::move(dir)), lock_(std::move(lock)) {}
  std::filesystem::path EntryDir(const std::string& step, const ContentHash& key) const;
  void LoadHashes();

  const std::filesystem::path dir_;
  const store::FileLock lock_;
  base::Mutex mutex_;
  std::map<std::string, KnownFile> known_ MILL_GUARDED_BY(mutex_);
  bool is_changed_ MILL_GUARDED_BY(mutex_) = false;
};

/// Hash of a file's bytes or a folder's content.
Result<ContentHash> HashPath(const std::filesystem::path& path);

}  // namespace millrace::pipelines::internal
