// SPDX-License-Identifier: Apache-2.0
// Artifacts on a local disk: plain files under their paths, each a second name (hard link) of the
// file that keeps its bytes under their hash. What other programs put below the folder is served
// too.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/blobs.h"
#include "store/internal/blob_artifacts.h"
#include "store/internal/file_tree.h"
#include "store/internal/plain_files.h"

namespace millrace::store::internal {

namespace {

namespace fs = std::filesystem;

Result<BlobInfo> HashAll(const ReadFunction& read) {
  BlobHasher hasher;
  std::string block(256 * 1024, '\0');
  for (std::uint64_t at = 0;;) {
    MILL_ASSIGN_OR_RETURN(const std::size_t n, read(at, block));
    if (n == 0) {
      return hasher.Finish();
    }
    hasher.Add(std::string_view(block).substr(0, n));
    at += n;
  }
}

class LocalArtifacts final : public BlobArtifacts {
 public:
  LocalArtifacts(fs::path tree, fs::path blobs, ArtifactTables tables)
      : BlobArtifacts(std::move(tables)),
        tree_(std::move(tree)),
        blobs_dir_(std::move(blobs)),
        blobs_(blobs_dir_) {}

  Result<std::unique_ptr<ArtifactWriter>> Create(std::string_view path) override;
  Result<std::unique_ptr<ArtifactReader>> Open(std::string_view path) override;
  Result<std::vector<ArtifactEntry>> List(std::string_view folder) override;
  std::optional<fs::path> LocalPath(std::string_view path) const override {
    return tree_.root() / path;
  }
  Result<void> Remove(std::string_view path) override;
  Result<Garbage> CollectGarbage(const GarbageOptions& options) override;

 protected:
  Result<std::unique_ptr<ArtifactWriter>> NewPart(std::string upload_id,
                                                  std::int64_t number) override;
  Result<ReadFunction> OpenBlob(const BlobInfo& blob) override;
  Result<bool> RemoveUnreferenced(const BlobInfo& blob) override;

 private:
  friend class LocalWriter;

  /// Keeps blobs from being collected while it is shared, and others from writing while exclusive.
  Result<FileHandle> Lock(int kind) const;
  /// Gives the file the name of its hash, unless a good file has it already. Under the lock.
  Result<fs::path> Place(const fs::path& temporary, const BlobInfo& blob) const;
  /// What to check a file of the tree against; none where it was not stored through this class.
  Result<std::optional<BlobInfo>> InfoOf(std::string_view path, const FileHandle& file,
                                         const ReadFunction& read) const;

  FileTree tree_;
  fs::path blobs_dir_;
  Blobs blobs_;
};

class LocalWriter final : public ArtifactWriter {
 public:
  /// Without an upload's id the path is the artifact's.
  LocalWriter(LocalArtifacts& store, std::string path, std::string upload_id, std::int64_t number)
      : store_(store), path_(std::move(path)), upload_id_(std::move(upload_id)), number_(number) {}
  ~LocalWriter() override {
    if (file_) {
      file_.Close();
      ::unlink(temporary_.c_str());
    }
  }

  Result<void> Begin() {
    temporary_ = base::FreshTemporary(store_.blobs_dir_);
    file_ = FileHandle(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    return file_ ? Result<void>()
                 : Result<void>(base::FromErrno(errno, "creating", temporary_.string()));
  }

  Result<void> Write(std::string_view bytes) override {
    hasher_.Add(bytes);
    return WriteAll(file_, bytes, path_);
  }

  Result<std::string> Commit() override {
    const BlobInfo info = hasher_.Finish();
    // Nobody may change bytes that several names share.
    if (::fchmod(file_.get(), 0444) != 0 || (::fsync(file_.get()) != 0 && errno != EINVAL)) {
      return base::FromErrno(errno, "syncing artifact", path_);
    }
    MILL_ASSIGN_OR_RETURN(const FileHandle lock, store_.Lock(LOCK_SH));
    MILL_ASSIGN_OR_RETURN(const fs::path blob, store_.Place(temporary_, info));
    if (upload_id_.empty()) {
      MILL_RETURN_IF_ERROR(store_.tree_.Link(blob, path_));
      MILL_RETURN_IF_ERROR(store_.tables_.Put(path_, info, /*check_folders=*/false));
    } else {
      MILL_RETURN_IF_ERROR(store_.tables_.PutPart(upload_id_, number_, info));
    }
    return info.sha256;
  }

 private:
  LocalArtifacts& store_;
  std::string path_;
  std::string upload_id_;
  std::int64_t number_;
  fs::path temporary_;
  FileHandle file_;
  BlobHasher hasher_;
};

Result<FileHandle> LocalArtifacts::Lock(int kind) const {
  const fs::path path = blobs_dir_ / "lock";
  FileHandle lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) {
    return base::FromErrno(errno, "opening", path.string());
  }
  while (::flock(lock.get(), kind) != 0) {
    if (errno != EINTR) {
      return base::FromErrno(errno, "locking", path.string());
    }
  }
  return lock;
}

Result<fs::path> LocalArtifacts::Place(const fs::path& temporary, const BlobInfo& blob) const {
  MILL_ASSIGN_OR_RETURN(fs::path path, blobs_.PathOf(blob.sha256));
  const std::string shard = path.parent_path().filename().string();
  const FileTree blobs(blobs_dir_);
  Result<FileHandle> known = blobs.Open(shard + "/" + blob.sha256);
  if (known.ok()) {
    // The same bytes again, unless a disk has changed them: then the new ones take their place.
    MILL_ASSIGN_OR_RETURN(
        const BlobInfo seen,
        HashAll(ReadFrom(std::make_shared<FileHandle>(std::move(*known)), path.string())));
    if (seen.sha256 == blob.sha256) {
      return path;
    }
  } else if (known.error().code() != ErrorCode::kNotFound) {
    return std::move(known).error();
  }
  MILL_RETURN_IF_ERROR(blobs.Link(temporary, shard + "/" + blob.sha256));
  return path;
}

Result<std::unique_ptr<ArtifactWriter>> LocalArtifacts::Create(std::string_view path) {
  auto writer = std::make_unique<LocalWriter>(*this, std::string(path), "", 0);
  MILL_RETURN_IF_ERROR(writer->Begin());
  return std::unique_ptr<ArtifactWriter>(std::move(writer));
}

Result<std::unique_ptr<ArtifactWriter>> LocalArtifacts::NewPart(std::string upload_id,
                                                                std::int64_t number) {
  auto writer = std::make_unique<LocalWriter>(*this, "part " + std::to_string(number),
                                              std::move(upload_id), number);
  MILL_RETURN_IF_ERROR(writer->Begin());
  return std::unique_ptr<ArtifactWriter>(std::move(writer));
}

Result<std::optional<BlobInfo>> LocalArtifacts::InfoOf(std::string_view path,
                                                       const FileHandle& file,
                                                       const ReadFunction& read) const {
  MILL_ASSIGN_OR_RETURN(std::optional<BlobInfo> known, tables_.Find(path));
  if (!known) {
    return known;
  }
  const auto is_blob_of = [&](const std::string& sha256) {
    struct stat own{};
    struct stat blob{};
    const Result<fs::path> place = blobs_.PathOf(sha256);
    return place.ok() && ::fstat(file.get(), &own) == 0 && ::stat(place->c_str(), &blob) == 0 &&
           own.st_ino == blob.st_ino && own.st_dev == blob.st_dev;
  };
  if (is_blob_of(known->sha256)) {
    return known;
  }
  // A copy on a file system without hard links, or a replacement whose row is not written yet (or
  // never was, after a crash): the file itself says which bytes it was meant to have.
  MILL_ASSIGN_OR_RETURN(BlobInfo seen, HashAll(read));
  if (seen.sha256 == known->sha256 || is_blob_of(seen.sha256)) {
    return std::optional(std::move(seen));
  }
  return Damaged(path, known->sha256);
}

Result<std::unique_ptr<ArtifactReader>> LocalArtifacts::Open(std::string_view path) {
  MILL_ASSIGN_OR_RETURN(FileHandle opened, tree_.Open(path));
  const auto file = std::make_shared<FileHandle>(std::move(opened));
  ReadFunction read = ReadFrom(file, std::string(path));
  MILL_ASSIGN_OR_RETURN(std::optional<BlobInfo> info, InfoOf(path, *file, read));
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) {
    return base::FromErrno(errno, "reading", path);
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (!info) {
    return MakePlainReader(size, std::move(read));
  }
  if (size != info->size) {
    return Damaged(path, info->sha256);
  }
  return MakeCheckedReader(std::string(path), std::move(*info), std::move(read));
}

Result<std::vector<ArtifactEntry>> LocalArtifacts::List(std::string_view folder) {
  MILL_ASSIGN_OR_RETURN(std::vector<ArtifactEntry> entries, ListTree(tree_, folder));
  if (folder.empty()) {
    std::erase_if(entries, [](const ArtifactEntry& e) { return e.path == ".millrace-blobs"; });
  }
  return entries;
}

Result<void> LocalArtifacts::Remove(std::string_view path) {
  // Rows first: a file without a row is read unchecked, a row without a file would call the next
  // file of that path damaged.
  MILL_RETURN_IF_ERROR(tables_.Remove(path));
  return tree_.Remove(path);
}

Result<ReadFunction> LocalArtifacts::OpenBlob(const BlobInfo& blob) {
  const FileTree blobs(blobs_dir_);
  MILL_ASSIGN_OR_RETURN(FileHandle file, blobs.Open(blob.sha256.substr(0, 2) + "/" + blob.sha256));
  return ReadFrom(std::make_shared<FileHandle>(std::move(file)), blob.sha256);
}

Result<bool> LocalArtifacts::RemoveUnreferenced(const BlobInfo& blob) {
  MILL_ASSIGN_OR_RETURN(const fs::path path, blobs_.PathOf(blob.sha256));
  MILL_ASSIGN_OR_RETURN(const FileHandle lock, Lock(LOCK_EX));
  struct stat status{};
  const bool is_there = ::stat(path.c_str(), &status) == 0;
  MILL_ASSIGN_OR_RETURN(const bool is_part, tables_.IsInUpload(blob.sha256));
  if (is_part || (is_there && status.st_nlink > 1)) {
    return false;
  }
  // Files keep their rows where the file system could give them no second name.
  MILL_RETURN_IF_ERROR(tables_.ForgetBlob(blob.sha256));
  if (is_there && ::unlink(path.c_str()) != 0) {
    return base::FromErrno(errno, "removing", path.string());
  }
  return is_there;
}

Result<Garbage> LocalArtifacts::CollectGarbage(const GarbageOptions& options) {
  Garbage garbage;
  MILL_ASSIGN_OR_RETURN(garbage.n_uploads, CollectUploads(options));
  std::error_code error;
  if (options.remove) {
    MILL_RETURN_IF_ERROR(base::RemoveStaleTemporaries(blobs_dir_));
    MILL_RETURN_IF_ERROR(base::RemoveStaleTemporaries(tree_.root()));
    for (fs::recursive_directory_iterator entry(tree_.root(), error), end; !error && entry != end;
         entry.increment(error)) {
      if (entry->is_directory(error) && !entry->is_symlink(error)) {
        MILL_RETURN_IF_ERROR(base::RemoveStaleTemporaries(entry->path()));
      }
    }
    // A folder that somebody removes meanwhile has nothing left to remove.
    error.clear();
  }
  for (fs::recursive_directory_iterator entry(blobs_dir_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    struct stat status{};
    if (!blobs_.PathOf(name).ok() || ::lstat(entry->path().c_str(), &status) != 0 ||
        !S_ISREG(status.st_mode) || status.st_nlink > 1) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const bool is_part, tables_.IsInUpload(name));
    if (is_part) {
      continue;
    }
    const BlobInfo blob{.sha256 = name, .size = static_cast<std::uint64_t>(status.st_size)};
    MILL_RETURN_IF_ERROR(CollectBlob(blob, options, garbage));
  }
  if (error) {
    return base::FromErrno(error.value(), "listing", blobs_dir_.string());
  }
  return garbage;
}

}  // namespace

Result<std::unique_ptr<ArtifactStore>> OpenLocalArtifacts(std::filesystem::path tree,
                                                          std::filesystem::path blobs,
                                                          ArtifactTables tables) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(tree));
  MILL_RETURN_IF_ERROR(base::MakeDirectories(blobs));
  return std::unique_ptr<ArtifactStore>(
      std::make_unique<LocalArtifacts>(std::move(tree), std::move(blobs), std::move(tables)));
}

}  // namespace millrace::store::internal
