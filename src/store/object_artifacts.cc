// SPDX-License-Identifier: Apache-2.0
// Artifacts in an object store: an object per content, paths in the metadata alone, so that the
// server keeps nothing on its own disk.
#include <algorithm>
#include <chrono>

#include "base/ids.h"
#include "data/object_folder.h"
#include "store/internal/blob_artifacts.h"

namespace millrace::store::internal {

namespace {

// Smaller contents are gathered and stored under their hash; larger ones pass through as they come,
// before the hash is known, under a name of their own.
constexpr std::size_t kGathered = 4 * 1024 * 1024;

class ObjectArtifacts final : public BlobArtifacts {
 public:
  ObjectArtifacts(data::ObjectFolder folder, ArtifactTables tables)
      : BlobArtifacts(std::move(tables)), folder_(std::move(folder)) {}

  Result<std::unique_ptr<ArtifactWriter>> Create(std::string_view path) override;
  Result<std::unique_ptr<ArtifactReader>> Open(std::string_view path) override;
  Result<std::vector<ArtifactEntry>> List(std::string_view folder) override;
  std::optional<std::filesystem::path> LocalPath(std::string_view /*path*/) const override {
    return std::nullopt;
  }
  Result<void> Remove(std::string_view path) override;
  Result<Garbage> CollectGarbage(const GarbageOptions& options) override;

 protected:
  Result<std::unique_ptr<ArtifactWriter>> NewPart(std::string upload_id,
                                                  std::int64_t number) override;
  Result<ReadFunction> OpenBlob(const BlobInfo& blob) override;
  Result<bool> RemoveUnreferenced(const BlobInfo& blob) override;

 private:
  friend class ObjectArtifactWriter;

  data::ObjectFolder folder_;
};

class ObjectArtifactWriter final : public ArtifactWriter {
 public:
  /// Without an upload's id the path is the artifact's.
  ObjectArtifactWriter(ObjectArtifacts& store, std::string path, std::string upload_id,
                       std::int64_t number)
      : store_(store), path_(std::move(path)), upload_id_(std::move(upload_id)), number_(number) {}

  Result<void> Write(std::string_view bytes) override {
    hasher_.Add(bytes);
    if (stream_ == nullptr) {
      gathered_.append(bytes);
      if (gathered_.size() <= kGathered) {
        return {};
      }
      key_ = "blobs/streamed/" + base::NewRunId();
      MILL_ASSIGN_OR_RETURN(stream_, store_.folder_.Create(key_));
      MILL_RETURN_IF_ERROR(stream_->Write(gathered_));
      std::string().swap(gathered_);
      return {};
    }
    return stream_->Write(bytes);
  }

  Result<std::string> Commit() override {
    BlobInfo info = hasher_.Finish();
    if (stream_ == nullptr) {
      // Never a name that was used before: what is removed under an old one stays removed.
      key_ = "blobs/" + info.sha256.substr(0, 2) + "/" + info.sha256 + "." +
             base::NewRunId().substr(0, 8);
      MILL_ASSIGN_OR_RETURN(stream_, store_.folder_.Create(key_));
      MILL_RETURN_IF_ERROR(stream_->Write(gathered_));
    }
    MILL_RETURN_IF_ERROR(stream_->Close());
    info.location = key_;
    Result<BlobInfo> kept = upload_id_.empty()
                                ? store_.tables_.Put(path_, info, /*check_folders=*/true)
                                : store_.tables_.PutPart(upload_id_, number_, info);
    if (!kept.ok() || kept->location != key_) {
      // Refused, or known already; an object that cannot be removed now is garbage for later.
      static_cast<void>(store_.folder_.Remove(key_));
    }
    if (!kept.ok()) {
      return std::move(kept).error();
    }
    return info.sha256;
  }

 private:
  ObjectArtifacts& store_;
  std::string path_;
  std::string upload_id_;
  std::int64_t number_;
  std::string gathered_;
  std::string key_;
  std::unique_ptr<data::ObjectWriter> stream_;
  BlobHasher hasher_;
};

Result<std::unique_ptr<ArtifactWriter>> ObjectArtifacts::Create(std::string_view path) {
  return std::unique_ptr<ArtifactWriter>(
      std::make_unique<ObjectArtifactWriter>(*this, std::string(path), "", 0));
}

Result<std::unique_ptr<ArtifactWriter>> ObjectArtifacts::NewPart(std::string upload_id,
                                                                 std::int64_t number) {
  return std::unique_ptr<ArtifactWriter>(std::make_unique<ObjectArtifactWriter>(
      *this, "part " + std::to_string(number), std::move(upload_id), number));
}

Result<ReadFunction> ObjectArtifacts::OpenBlob(const BlobInfo& blob) {
  MILL_ASSIGN_OR_RETURN(std::unique_ptr<data::ObjectReader> opened, folder_.Open(blob.location));
  const std::shared_ptr<data::ObjectReader> reader = std::move(opened);
  return ReadFunction([reader](std::uint64_t offset, std::span<char> into) {
    return reader->ReadAt(offset, into);
  });
}

Result<std::unique_ptr<ArtifactReader>> ObjectArtifacts::Open(std::string_view path) {
  MILL_ASSIGN_OR_RETURN(std::optional<BlobInfo> info, tables_.Find(path));
  if (!info) {
    return base::NotFound("No such artifact: '" + std::string(path) + "'");
  }
  Result<ReadFunction> read = OpenBlob(*info);
  if (!read.ok()) {
    return read.error().code() == ErrorCode::kNotFound ? Damaged(path, info->sha256)
                                                       : std::move(read).error();
  }
  return MakeCheckedReader(std::string(path), std::move(*info), std::move(*read));
}

Result<std::vector<ArtifactEntry>> ObjectArtifacts::List(std::string_view folder) {
  MILL_ASSIGN_OR_RETURN(const std::vector<ArtifactEntry> below, tables_.Below(folder));
  const std::size_t prefix = folder.empty() ? 0 : folder.size() + 1;
  std::vector<ArtifactEntry> entries;
  for (const ArtifactEntry& file : below) {
    const std::size_t slash = file.path.find('/', prefix);
    if (slash == std::string::npos) {
      entries.push_back(file);
    } else if (entries.empty() || entries.back().path != file.path.substr(0, slash)) {
      entries.push_back({file.path.substr(0, slash), true, 0});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const ArtifactEntry& a, const ArtifactEntry& b) { return a.path < b.path; });
  // "a/b", "a-b/c": other paths may stand between two of one folder.
  entries.erase(
      std::unique(entries.begin(), entries.end(),
                  [](const ArtifactEntry& a, const ArtifactEntry& b) { return a.path == b.path; }),
      entries.end());
  return entries;
}

Result<void> ObjectArtifacts::Remove(std::string_view path) {
  MILL_ASSIGN_OR_RETURN(const bool was_there, tables_.Remove(path));
  return was_there ? Result<void>()
                   : Result<void>(base::NotFound("No such artifact: '" + std::string(path) + "'"));
}

Result<bool> ObjectArtifacts::RemoveUnreferenced(const BlobInfo& blob) {
  MILL_ASSIGN_OR_RETURN(const bool is_forgotten, tables_.ForgetBlob(blob.sha256));
  if (is_forgotten) {
    MILL_RETURN_IF_ERROR(folder_.Remove(blob.location));
  }
  return is_forgotten;
}

Result<Garbage> ObjectArtifacts::CollectGarbage(const GarbageOptions& options) {
  Garbage garbage;
  MILL_ASSIGN_OR_RETURN(garbage.n_uploads, CollectUploads(options));
  MILL_ASSIGN_OR_RETURN(const std::vector<BlobInfo> unreferenced, tables_.Unreferenced());
  for (const BlobInfo& blob : unreferenced) {
    MILL_RETURN_IF_ERROR(CollectBlob(blob, options, garbage));
  }
  // Objects that no row names: of writers that died. Young ones may be of writers that live.
  const std::int64_t before_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count() -
                                 options.uploads_older_than.count();
  MILL_ASSIGN_OR_RETURN(const std::vector<data::ObjectInfo> objects, folder_.List("blobs"));
  MILL_ASSIGN_OR_RETURN(const auto known, tables_.Locations());
  for (const data::ObjectInfo& object : objects) {
    if (object.time_ms >= before_ms || known.contains(object.key)) {
      continue;
    }
    if (options.remove) {
      MILL_RETURN_IF_ERROR(folder_.Remove(object.key));
    }
    ++garbage.n_blobs;
    garbage.n_bytes += object.size;
  }
  return garbage;
}

}  // namespace

Result<std::unique_ptr<ArtifactStore>> OpenObjectArtifacts(std::string_view uri,
                                                           ArtifactTables tables) {
  MILL_ASSIGN_OR_RETURN(data::Location location, data::Location::Parse(uri));
  data::ObjectFolder folder(std::move(location));
  // A wrong address or key shows now, not with the first artifact.
  MILL_RETURN_IF_ERROR(folder.List("blobs/streamed"));
  return std::unique_ptr<ArtifactStore>(
      std::make_unique<ObjectArtifacts>(std::move(folder), std::move(tables)));
}

}  // namespace millrace::store::internal
