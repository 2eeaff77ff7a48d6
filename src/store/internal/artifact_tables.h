// SPDX-License-Identifier: Apache-2.0
// The tables of artifacts: which path has which bytes, and uploads in parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "store/internal/block_hashes.h"
#include "store/metadata.h"

namespace millrace::store::internal {

struct PartRow {
  std::int64_t number = 0;
  BlobInfo blob;
};

/// Thread-safe. The metadata outlives it.
class ArtifactTables {
 public:
  /// Makes or migrates the tables.
  static Result<ArtifactTables> Open(Metadata& metadata);

  /// The bytes of a path, if a path is known.
  Result<std::optional<BlobInfo>> Find(std::string_view path) const;
  Result<std::optional<BlobInfo>> FindBlob(std::string_view sha256) const;
  /// Gives a path these bytes. Where they are known already in another place, that place counts and
  /// is returned in the info: the caller's own copy is then superfluous.
  ///   - kInvalidArgument, if `check_folders`, where the path is a folder of others or leads
  ///   through a file.
  Result<BlobInfo> Put(std::string_view path, const BlobInfo& blob, bool check_folders) const;
  /// Paths and sizes of all below a folder, by path.
  Result<std::vector<ArtifactEntry>> Below(std::string_view folder) const;
  /// Forgets a path and all below it; false where there was none.
  Result<bool> Remove(std::string_view path) const;

  Result<std::string> AddUpload(std::string_view path) const;
  /// The path of an upload; kNotFound.
  Result<std::string> UploadPath(std::string_view upload_id) const;
  Result<BlobInfo> PutPart(std::string_view upload_id, std::int64_t number,
                           const BlobInfo& blob) const;
  /// By number.
  Result<std::vector<PartRow>> Parts(std::string_view upload_id) const;
  Result<void> RemoveUpload(std::string_view upload_id) const;
  Result<std::vector<std::string>> UploadsBefore(std::int64_t time_ms) const;

  /// Bytes that neither a path nor a part names.
  Result<std::vector<BlobInfo>> Unreferenced() const;
  /// Forgets bytes unless something names them by now; true where they are forgotten.
  Result<bool> ForgetBlob(std::string_view sha256) const;
  Result<bool> IsInUpload(std::string_view sha256) const;
  /// Of all bytes.
  Result<std::unordered_set<std::string>> Locations() const;

 private:
  explicit ArtifactTables(Metadata& metadata) : metadata_(&metadata) {}
  Result<BlobInfo> PutBlob(const BlobInfo& blob) const;

  Metadata* metadata_;
};

}  // namespace millrace::store::internal
