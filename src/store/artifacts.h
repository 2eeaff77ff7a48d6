// SPDX-License-Identifier: Apache-2.0
// Artifacts: files under paths, whose bytes are kept once per content and checked when they are
// read; on a local disk or in an object store. Layout: docs/formats/artifacts.md.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "store/workspace.h"

namespace millrace::store {

struct ArtifactEntry {
  /// Whole, in the form of CheckArtifactPath.
  std::string path;
  bool is_dir = false;
  /// Bytes; 0 for a folder.
  std::uint64_t size = 0;
};

/// Takes the bytes of one artifact. Nothing is visible before Commit, and nothing stays if the
/// writer is destroyed without it.
class ArtifactWriter {
 public:
  virtual ~ArtifactWriter() = default;
  ArtifactWriter() = default;
  ArtifactWriter(const ArtifactWriter&) = delete;
  ArtifactWriter& operator=(const ArtifactWriter&) = delete;

  virtual Result<void> Write(std::string_view bytes) = 0;
  /// Durable on return, in place of what was there. Returns the SHA-256 in hex.
  ///   - kInvalidArgument where the path is a folder or leads through a file.
  virtual Result<std::string> Commit() = 0;
};

/// Reads one artifact, which stays readable when it is replaced or removed meanwhile.
class ArtifactReader {
 public:
  virtual ~ArtifactReader() = default;
  ArtifactReader() = default;
  ArtifactReader(const ArtifactReader&) = delete;
  ArtifactReader& operator=(const ArtifactReader&) = delete;

  virtual std::uint64_t size() const = 0;
  /// In hex; empty for a file that another program put there, which is read unchecked.
  virtual const std::string& sha256() const = 0;
  /// Bytes from `offset` on, at least one unless it is at the end; every one of them has been
  /// checked.
  ///   - kDataLoss names the artifact whose bytes are no longer those that were stored.
  virtual Result<std::size_t> ReadAt(std::uint64_t offset, std::span<char> into) = 0;
};

/// A part of an upload as its client names it when the upload is complete.
struct ArtifactPart {
  std::int64_t number = 0;
  /// What CreatePart's Commit returned; empty: not checked.
  std::string etag;
};

struct GarbageOptions {
  /// False only counts.
  bool remove = false;
  /// Uploads that nobody has completed for this long are dropped.
  std::chrono::milliseconds uploads_older_than{std::chrono::hours(24)};
};

struct Garbage {
  std::int64_t n_blobs = 0;
  std::uint64_t n_bytes = 0;
  std::int64_t n_uploads = 0;
};

/// Files under paths. All paths are in the form of CheckArtifactPath and not empty unless said.
/// Thread-safe, also between processes; calls block on disks and networks.
///
/// Errors of all calls: kNotFound for what is not there, kUnavailable where an object store does
/// not answer, kResourceExhausted for a full disk, and those of Metadata.
class ArtifactFiles {
 public:
  virtual ~ArtifactFiles() = default;
  ArtifactFiles() = default;
  ArtifactFiles(const ArtifactFiles&) = delete;
  ArtifactFiles& operator=(const ArtifactFiles&) = delete;

  virtual Result<std::unique_ptr<ArtifactWriter>> Create(std::string_view path) = 0;
  virtual Result<std::unique_ptr<ArtifactReader>> Open(std::string_view path) = 0;
  /// What lies in a folder ("" is the root), by name. A missing folder and a file are empty.
  virtual Result<std::vector<ArtifactEntry>> List(std::string_view folder) = 0;
};

/// The artifacts that this program keeps: once per content, checked, in any number of parts.
class ArtifactStore : public ArtifactFiles {
 public:
  /// Where a file or folder lies, or would lie, as plain files of this machine that must not be
  /// changed; none in an object store. Reading it there checks nothing.
  virtual std::optional<std::filesystem::path> LocalPath(std::string_view path) const = 0;
  /// A file, or a folder with all in it.
  virtual Result<void> Remove(std::string_view path) = 0;

  /// An upload in parts: they come in any order and any number of times, the last of each number
  /// counts. It survives a restart; an id that is not known is kNotFound.
  virtual Result<std::string> BeginUpload(std::string_view path) = 0;
  /// @param number  1 to 100,000.
  virtual Result<std::unique_ptr<ArtifactWriter>> CreatePart(std::string_view upload_id,
                                                             std::int64_t number) = 0;
  /// Joins the parts in the order of their numbers, ends the upload, returns the SHA-256 of the
  /// whole.
  ///   - kInvalidArgument names a part that is missing or whose etag differs, and a path that is
  ///   not the upload's.
  virtual Result<std::string> CompleteUpload(std::string_view upload_id, std::string_view path,
                                             std::span<const ArtifactPart> parts) = 0;
  /// An unknown id is no error.
  virtual Result<void> AbortUpload(std::string_view upload_id) = 0;

  /// Finds, and on demand removes, bytes that no path names. Safe while others write.
  virtual Result<Garbage> CollectGarbage(const GarbageOptions& options) = 0;
};

/// Opens the store that `destination` names: empty is the workspace's own folder, a local path or a
/// file: URI is a folder of this machine, s3:// and abfs:// (Azure Blob Storage) are object stores.
/// The metadata outlives the store.
///   - kInvalidArgument for another kind of destination.
Result<std::unique_ptr<ArtifactStore>> OpenArtifacts(const Workspace& workspace,
                                                     std::string_view destination,
                                                     Metadata& metadata);

/// The files of a folder of this machine as they are: read unchecked, kept in no table. No path
/// leads out of it, nor through a symbolic link in it. The folder is made with the first file.
std::unique_ptr<ArtifactFiles> OpenArtifactFolder(std::filesystem::path root);

}  // namespace millrace::store
