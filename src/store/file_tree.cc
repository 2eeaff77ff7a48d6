// SPDX-License-Identifier: Apache-2.0
// Walks with openat and O_NOFOLLOW; a file appears by rename.
#include "store/internal/file_tree.h"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include <dirent.h>

#include "base/file.h"

namespace millrace::store::internal {

namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string_view LastPart(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

Error NoSuch(std::string_view path) {
  return base::NotFound("No such artifact: '" + std::string(path) + "'");
}

// What openat and its like say about a path of a client.
Error Failure(int error, std::string_view doing, std::string_view path) {
  switch (error) {
    case ENOENT:
      return NoSuch(path);
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
    case ENOTEMPTY:
    case EEXIST:
      return base::InvalidArgument("Invalid path")
          .Hint("'" + std::string(path) + "' is a folder, or leads through something that is none");
    default:
      return base::FromErrno(error, doing, path);
  }
}

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using DirPtr = std::unique_ptr<DIR, DirCloser>;

Result<void> SyncFolder(int fd, std::string_view path) {
  if (::fsync(fd) != 0 && errno != EINVAL) {
    return base::FromErrno(errno, "syncing the folder of", path);
  }
  return {};
}

Result<void> CopyBytes(const std::filesystem::path& source, int to) {
  const FileHandle from(::open(source.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from) {
    return base::FromErrno(errno, "opening", source.string());
  }
  std::string block(256 * 1024, '\0');
  for (;;) {
    const ssize_t n = ::read(from.get(), block.data(), block.size());
    if (n < 0) {
      return base::FromErrno(errno, "reading", source.string());
    }
    if (n == 0) {
      break;
    }
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = ::write(to, block.data() + done, static_cast<std::size_t>(n - done));
      if (written < 0) {
        return base::FromErrno(errno, "copying", source.string());
      }
      done += written;
    }
  }
  return ::fsync(to) == 0
             ? Result<void>()
             : Result<void>(base::FromErrno(errno, "syncing a copy of", source.string()));
}

// Everything in a folder, then the folder itself.
Result<void> RemoveAt(int parent, const char* name, std::string_view path) {
  if (::unlinkat(parent, name, 0) == 0) {
    return {};
  }
  if (errno != EISDIR && errno != EPERM) {
    return Failure(errno, "removing", path);
  }
  const int fd = ::openat(parent, name, kFolderFlags);
  if (fd < 0) {
    return Failure(errno, "removing", path);
  }
  const DirPtr dir(::fdopendir(fd));
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view child = entry->d_name;
    if (child == "." || child == "..") {
      continue;
    }
    Result<void> removed = RemoveAt(fd, entry->d_name, path);
    if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) {
      return removed;
    }
  }
  if (::unlinkat(parent, name, AT_REMOVEDIR) != 0) {
    return Failure(errno, "removing", path);
  }
  return {};
}

}  // namespace

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileHandle::~FileHandle() {
  Close();
}

int FileHandle::Close() {
  const int fd = std::exchange(fd_, -1);
  return fd >= 0 && ::close(fd) != 0 ? errno : 0;
}

Result<FileHandle> FileTree::OpenFolder(std::string_view path, bool create,
                                        std::string_view shown) const {
  // The root itself may be a symbolic link: whoever set it up said so.
  FileHandle folder(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    return errno == ENOENT ? NoSuch(shown) : base::FromErrno(errno, "opening", root_.string());
  }
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    const std::string part(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    int next = ::openat(folder.get(), part.c_str(), kFolderFlags);
    if (next < 0 && errno == ENOENT && create) {
      if (::mkdirat(folder.get(), part.c_str(), 0755) != 0 && errno != EEXIST) {
        return Failure(errno, "making the folder of", shown);
      }
      MILL_RETURN_IF_ERROR(SyncFolder(folder.get(), shown));
      next = ::openat(folder.get(), part.c_str(), kFolderFlags);
    }
    if (next < 0) {
      return !create && errno == ENOTDIR ? NoSuch(shown) : Failure(errno, "opening", shown);
    }
    folder = FileHandle(next);
  }
  return folder;
}

Result<FileHandle> FileTree::OpenParent(std::string_view path, bool create) const {
  const std::size_t slash = path.rfind('/');
  return OpenFolder(slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash),
                    create, path);
}

Result<FileHandle> FileTree::Open(std::string_view path) const {
  MILL_ASSIGN_OR_RETURN(const FileHandle parent, OpenParent(path, /*create=*/false));
  // Not to wait for the writer of a pipe that somebody put there.
  FileHandle file(::openat(parent.get(), std::string(LastPart(path)).c_str(),
                           O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file) {
    return errno == ENOENT || errno == ELOOP || errno == ENXIO
               ? NoSuch(path)
               : base::FromErrno(errno, "opening", path);
  }
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return NoSuch(path);
  }
  return file;
}

Result<std::vector<TreeEntry>> FileTree::List(std::string_view path) const {
  MILL_ASSIGN_OR_RETURN(FileHandle folder, OpenFolder(path, /*create=*/false, path));
  const int fd = ::dup(folder.get());
  const DirPtr dir(fd < 0 ? nullptr : ::fdopendir(fd));
  if (dir == nullptr) {
    return base::FromErrno(errno, "listing", path);
  }
  std::vector<TreeEntry> entries;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    struct stat status{};
    if (name == "." || name == ".." || name.ends_with(".millrace-tmp") ||
        ::fstatat(folder.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) {
      continue;
    }
    const bool is_dir = S_ISDIR(status.st_mode);
    entries.push_back(
        {std::string(name), is_dir, is_dir ? 0 : static_cast<std::uint64_t>(status.st_size)});
  }
  return entries;
}

Result<void> FileTree::Link(const std::filesystem::path& source, std::string_view path) const {
  MILL_ASSIGN_OR_RETURN(const FileHandle parent, OpenParent(path, /*create=*/true));
  const std::string temporary = base::FreshTemporary("").filename().string();
  const std::string name(LastPart(path));
  if (::linkat(AT_FDCWD, source.c_str(), parent.get(), temporary.c_str(), 0) != 0) {
    if (errno == ENOENT) {
      return base::NotFound("no such file: " + source.string());
    }
    if (errno != EPERM && errno != EXDEV && errno != EMLINK && errno != ENOTSUP) {
      return base::FromErrno(errno, "linking", path);
    }
    const FileHandle copy(::openat(parent.get(), temporary.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444));
    if (!copy) {
      return base::FromErrno(errno, "creating", path);
    }
    Result<void> copied = CopyBytes(source, copy.get());
    if (!copied.ok()) {
      ::unlinkat(parent.get(), temporary.c_str(), 0);
      return copied;
    }
  }
  if (::renameat(parent.get(), temporary.c_str(), parent.get(), name.c_str()) != 0) {
    const int error = errno;
    ::unlinkat(parent.get(), temporary.c_str(), 0);
    return Failure(error, "replacing", path);
  }
  // A rename onto another name of the same file does nothing and leaves the temporary.
  ::unlinkat(parent.get(), temporary.c_str(), 0);
  return SyncFolder(parent.get(), path);
}

Result<void> FileTree::Remove(std::string_view path) const {
  MILL_ASSIGN_OR_RETURN(const FileHandle parent, OpenParent(path, /*create=*/false));
  MILL_RETURN_IF_ERROR(RemoveAt(parent.get(), std::string(LastPart(path)).c_str(), path));
  return SyncFolder(parent.get(), path);
}

}  // namespace millrace::store::internal
