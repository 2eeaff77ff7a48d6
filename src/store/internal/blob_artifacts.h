// SPDX-License-Identifier: Apache-2.0
// What every artifact store has in common: the tables, and uploads in parts, whose parts are bytes
// like any others until they are joined.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/artifacts.h"
#include "store/internal/artifact_tables.h"
#include "store/internal/block_hashes.h"

namespace millrace::store::internal {

class BlobArtifacts : public ArtifactStore {
 public:
  Result<std::string> BeginUpload(std::string_view path) override;
  Result<std::string> CompleteUpload(std::string_view upload_id, std::string_view path,
                                     std::span<const ArtifactPart> parts) override;
  Result<void> AbortUpload(std::string_view upload_id) override;
  Result<std::unique_ptr<ArtifactWriter>> CreatePart(std::string_view upload_id,
                                                     std::int64_t number) override;

 protected:
  explicit BlobArtifacts(ArtifactTables tables) : tables_(std::move(tables)) {}

  virtual Result<std::unique_ptr<ArtifactWriter>> NewPart(std::string upload_id,
                                                          std::int64_t number) = 0;
  virtual Result<ReadFunction> OpenBlob(const BlobInfo& blob) = 0;
  /// Removes bytes unless something names them by now. True where they are gone.
  virtual Result<bool> RemoveUnreferenced(const BlobInfo& blob) = 0;

  /// Counts a blob that nothing names, removed before if that is asked for.
  Result<void> CollectBlob(const BlobInfo& blob, const GarbageOptions& options, Garbage& garbage);
  /// Drops uploads begun before, or only counts them.
  Result<std::int64_t> CollectUploads(const GarbageOptions& options);

  ArtifactTables tables_;
};

Result<std::unique_ptr<ArtifactStore>> OpenLocalArtifacts(std::filesystem::path tree,
                                                          std::filesystem::path blobs,
                                                          ArtifactTables tables);
Result<std::unique_ptr<ArtifactStore>> OpenObjectArtifacts(std::string_view uri,
                                                           ArtifactTables tables);

}  // namespace millrace::store::internal
