// SPDX-License-Identifier: Apache-2.0
// Uploads in parts, and the choice of a store.
#include "store/internal/blob_artifacts.h"

#include <algorithm>
#include <optional>
#include <string>

#include "data/location.h"
#include "store/object_uri.h"

namespace millrace::store {

namespace internal {

namespace {

constexpr std::int64_t kMaxPart = 100'000;
constexpr std::size_t kCopyBytes = 256 * 1024;

std::string_view Unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    return etag.substr(1, etag.size() - 2);
  }
  return etag;
}

}  // namespace

Result<std::string> BlobArtifacts::BeginUpload(std::string_view path) {
  return tables_.AddUpload(path);
}

Result<std::unique_ptr<ArtifactWriter>> BlobArtifacts::CreatePart(std::string_view upload_id,
                                                                  std::int64_t number) {
  if (number < 1 || number > kMaxPart) {
    return base::InvalidArgument("part number " + std::to_string(number) + " is not in 1 to " +
                                 std::to_string(kMaxPart));
  }
  MILL_RETURN_IF_ERROR(tables_.UploadPath(upload_id));
  return NewPart(std::string(upload_id), number);
}

Result<std::string> BlobArtifacts::CompleteUpload(std::string_view upload_id, std::string_view path,
                                                  std::span<const ArtifactPart> parts) {
  MILL_ASSIGN_OR_RETURN(const std::string wanted, tables_.UploadPath(upload_id));
  if (wanted != path) {
    return base::InvalidArgument("upload " + std::string(upload_id) + " is of '" + wanted +
                                 "', not of '" + std::string(path) + "'");
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<PartRow> known, tables_.Parts(upload_id));
  std::vector<const PartRow*> chosen;
  for (const ArtifactPart& part : parts) {
    const auto found = std::find_if(known.begin(), known.end(), [&part](const PartRow& row) {
      return row.number == part.number;
    });
    if (found == known.end()) {
      return base::InvalidArgument("part " + std::to_string(part.number) + " of upload " +
                                   std::string(upload_id) + " has not been sent");
    }
    const std::string_view etag = Unquoted(part.etag);
    if (!etag.empty() && etag != found->blob.sha256) {
      return base::InvalidArgument("part " + std::to_string(part.number) + " of upload " +
                                   std::string(upload_id) + " has the etag " + found->blob.sha256 +
                                   ", not " + std::string(etag))
          .Hint("send the part again");
    }
    chosen.push_back(&*found);
  }
  if (chosen.empty()) {
    return base::InvalidArgument("an upload is completed with at least one part");
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const PartRow* a, const PartRow* b) { return a->number < b->number; });
  MILL_ASSIGN_OR_RETURN(const std::unique_ptr<ArtifactWriter> writer, Create(path));
  std::string block(kCopyBytes, '\0');
  for (const PartRow* part : chosen) {
    MILL_ASSIGN_OR_RETURN(ReadFunction read, OpenBlob(part->blob));
    const auto reader =
        MakeCheckedReader(std::string(path) + "' (part " + std::to_string(part->number) + ") of '",
                          part->blob, std::move(read));
    for (std::uint64_t at = 0; at < reader->size();) {
      MILL_ASSIGN_OR_RETURN(const std::size_t n, reader->ReadAt(at, block));
      MILL_RETURN_IF_ERROR(writer->Write(std::string_view(block).substr(0, n)));
      at += n;
    }
  }
  MILL_ASSIGN_OR_RETURN(std::string sha256, writer->Commit());
  // The artifact is there; parts that could not be removed now are garbage for later.
  static_cast<void>(AbortUpload(upload_id));
  return sha256;
}

Result<void> BlobArtifacts::AbortUpload(std::string_view upload_id) {
  MILL_ASSIGN_OR_RETURN(const std::vector<PartRow> parts, tables_.Parts(upload_id));
  MILL_RETURN_IF_ERROR(tables_.RemoveUpload(upload_id));
  for (const PartRow& part : parts) {
    MILL_RETURN_IF_ERROR(RemoveUnreferenced(part.blob));
  }
  return {};
}

Result<void> BlobArtifacts::CollectBlob(const BlobInfo& blob, const GarbageOptions& options,
                                        Garbage& garbage) {
  if (options.remove) {
    MILL_ASSIGN_OR_RETURN(const bool is_gone, RemoveUnreferenced(blob));
    if (!is_gone) {
      return {};
    }
  }
  ++garbage.n_blobs;
  garbage.n_bytes += blob.size;
  return {};
}

Result<std::int64_t> BlobArtifacts::CollectUploads(const GarbageOptions& options) {
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> uploads,
                        tables_.UploadsBefore(now_ms - options.uploads_older_than.count()));
  for (const std::string& upload_id : uploads) {
    if (options.remove) {
      MILL_RETURN_IF_ERROR(AbortUpload(upload_id));
    }
  }
  return static_cast<std::int64_t>(uploads.size());
}

}  // namespace internal

Result<std::unique_ptr<ArtifactStore>> OpenArtifacts(const Workspace& workspace,
                                                     std::string_view destination,
                                                     Metadata& metadata) {
  MILL_ASSIGN_OR_RETURN(internal::ArtifactTables tables, internal::ArtifactTables::Open(metadata));
  if (destination.empty()) {
    return internal::OpenLocalArtifacts(workspace.ArtifactsDir(), workspace.BlobsDir(),
                                        std::move(tables));
  }
  if (const std::optional<std::string> uri = ObjectStoreUri(destination)) {
    return internal::OpenObjectArtifacts(*uri, std::move(tables));
  }
  std::string_view path = destination;
  if (path.starts_with("file://")) {
    path.remove_prefix(7);
  } else if (path.starts_with("file:")) {
    path.remove_prefix(5);
  }
  const std::size_t colon = path.find(':');
  if (path.empty() || (path.size() != destination.size() && !path.starts_with('/')) ||
      (colon != std::string_view::npos && path.find('/') > colon)) {
    return base::InvalidArgument("artifacts_destination is \"" + std::string(destination) +
                                 "\"; wanted a folder, file:///folder, s3://bucket/folder or "
                                 "abfss://container@account.dfs.core.windows.net/folder");
  }
  const std::filesystem::path folder = std::filesystem::absolute(path);
  return internal::OpenLocalArtifacts(folder, folder / ".millrace-blobs", std::move(tables));
}

}  // namespace millrace::store
