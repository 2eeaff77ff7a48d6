// SPDX-License-Identifier: Apache-2.0
// Artifacts in a folder that is not ours: neither hashes nor rows, only the care of FileTree.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/file.h"
#include "store/artifacts.h"
#include "store/internal/plain_files.h"

namespace millrace::store {

namespace internal {

ReadFunction ReadFrom(std::shared_ptr<FileHandle> file, std::string name) {
  return [file = std::move(file), name = std::move(name)](
             std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
    for (;;) {
      const ssize_t n = ::pread(file->get(), into.data(), into.size(), static_cast<off_t>(offset));
      if (n >= 0) {
        return static_cast<std::size_t>(n);
      }
      if (errno != EINTR) {
        return base::FromErrno(errno, "reading", name);
      }
    }
  };
}

Result<std::vector<ArtifactEntry>> ListTree(const FileTree& tree, std::string_view folder) {
  std::vector<ArtifactEntry> entries;
  Result<std::vector<TreeEntry>> found = tree.List(folder);
  if (!found.ok()) {
    return found.error().code() == ErrorCode::kNotFound
               ? Result<std::vector<ArtifactEntry>>(std::move(entries))
               : Result<std::vector<ArtifactEntry>>(std::move(found).error());
  }
  for (const TreeEntry& entry : *found) {
    entries.push_back(
        {(folder.empty() ? "" : std::string(folder) + "/") + entry.name, entry.is_dir, entry.size});
  }
  std::sort(entries.begin(), entries.end(),
            [](const ArtifactEntry& a, const ArtifactEntry& b) { return a.path < b.path; });
  return entries;
}

Result<void> WriteAll(const FileHandle& file, std::string_view bytes, std::string_view path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) {
      return base::FromErrno(errno, "writing artifact", path);
    }
    bytes.remove_prefix(n < 0 ? 0 : static_cast<std::size_t>(n));
  }
  return {};
}

namespace {

// The bytes gather in a temporary file at the root; the name comes last.
class FolderWriter final : public ArtifactWriter {
 public:
  FolderWriter(const FileTree& tree, std::string path) : tree_(tree), path_(std::move(path)) {}
  ~FolderWriter() override {
    if (file_) {
      file_.Close();
      ::unlink(temporary_.c_str());
    }
  }

  Result<void> Begin() {
    MILL_RETURN_IF_ERROR(base::MakeDirectories(tree_.root()));
    temporary_ = base::FreshTemporary(tree_.root());
    file_ = FileHandle(::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    return file_ ? Result<void>()
                 : Result<void>(base::FromErrno(errno, "creating", temporary_.string()));
  }

  Result<void> Write(std::string_view bytes) override {
    hasher_.Add(bytes);
    return WriteAll(file_, bytes, path_);
  }

  Result<std::string> Commit() override {
    if (::fsync(file_.get()) != 0 && errno != EINVAL) {
      return base::FromErrno(errno, "syncing artifact", path_);
    }
    MILL_RETURN_IF_ERROR(tree_.Link(temporary_, path_));
    return hasher_.Finish().sha256;
  }

 private:
  const FileTree& tree_;
  std::string path_;
  std::filesystem::path temporary_;
  FileHandle file_;
  BlobHasher hasher_;
};

class FolderArtifacts final : public ArtifactFiles {
 public:
  explicit FolderArtifacts(std::filesystem::path root) : tree_(std::move(root)) {}

  Result<std::unique_ptr<ArtifactWriter>> Create(std::string_view path) override {
    auto writer = std::make_unique<FolderWriter>(tree_, std::string(path));
    MILL_RETURN_IF_ERROR(writer->Begin());
    return std::unique_ptr<ArtifactWriter>(std::move(writer));
  }

  Result<std::unique_ptr<ArtifactReader>> Open(std::string_view path) override {
    MILL_ASSIGN_OR_RETURN(FileHandle opened, tree_.Open(path));
    const auto file = std::make_shared<FileHandle>(std::move(opened));
    struct stat status{};
    if (::fstat(file->get(), &status) != 0) {
      return base::FromErrno(errno, "reading", path);
    }
    return MakePlainReader(static_cast<std::uint64_t>(status.st_size),
                           ReadFrom(file, std::string(path)));
  }

  Result<std::vector<ArtifactEntry>> List(std::string_view folder) override {
    return ListTree(tree_, folder);
  }

 private:
  FileTree tree_;
};

}  // namespace

}  // namespace internal

std::unique_ptr<ArtifactFiles> OpenArtifactFolder(std::filesystem::path root) {
  return std::make_unique<internal::FolderArtifacts>(std::move(root));
}

}  // namespace millrace::store
