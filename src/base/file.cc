// SPDX-License-Identifier: Apache-2.0
// Files by POSIX calls, because only they sync. A new file is synced before it is renamed, and its
// folder after.
#include "base/file.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "base/ids.h"

namespace millrace::base {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// Some file systems report a failed write only here.
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// A write to a file beyond a size limit raises SIGXFSZ, whose default ends the program; as an error
// it can be told.
void IgnoreSizeSignal() {
  static const bool is_done = [] {
    struct sigaction current{};
    if (sigaction(SIGXFSZ, nullptr, &current) == 0 && current.sa_handler == SIG_DFL) {
      ::signal(SIGXFSZ, SIG_IGN);
    }
    return true;
  }();
  static_cast<void>(is_done);
}

Result<void> WriteAll(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FromErrno(errno, "writing", path.string());
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> SyncPath(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    return FromErrno(errno, "opening", path.string());
  }
  // EINVAL: the file system has nothing to sync (some network and overlay ones).
  if (::fsync(file.get()) != 0 && errno != EINVAL) {
    return FromErrno(errno, "syncing", path.string());
  }
  return {};
}

// Everything below a folder, then the folder.
Result<void> SyncTree(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) {
    for (fs::directory_iterator entry(path, code); !code && entry != fs::directory_iterator();
         entry.increment(code)) {
      if (!entry->is_symlink(code)) {
        MILL_RETURN_IF_ERROR(SyncTree(entry->path()));
      }
    }
  }
  if (code) {
    return FromErrno(code.value(), "listing", path.string());
  }
  return SyncPath(path);
}

fs::path ParentOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

constexpr std::string_view kTemporaryEnd = ".millrace-tmp";

// Tells this process from an earlier one with the same id, which containers give again and again.
const std::string& ProcessNonce() {
  static const std::string nonce = NewRunId().substr(0, 8);
  return nonce;
}

// ".name.<pid>-<nonce>-<count>.millrace-tmp": RemoveStaleTemporaries reads the pid and the nonce. A
// forked child shares the nonce but not the pid.
fs::path TemporaryFor(const fs::path& path) {
  static std::atomic<unsigned> count{0};
  return ParentOf(path) /
         ("." + path.filename().string() + "." + std::to_string(::getpid()) + "-" + ProcessNonce() +
          "-" + std::to_string(count.fetch_add(1)) + std::string(kTemporaryEnd));
}

// Renames; a folder that is already there is exchanged in one step and removed afterwards.
Result<void> Rename(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) {
    return {};
  }
  if (errno != ENOTEMPTY && errno != EEXIST && errno != EISDIR && errno != ENOTDIR) {
    return FromErrno(errno, "replacing", to.string());
  }
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) != 0) {
    return FromErrno(errno, "replacing", to.string());
  }
  std::error_code code;
  fs::remove_all(from, code);
  if (code) {
    return FromErrno(code.value(), "removing", from.string());
  }
  return {};
}

}  // namespace

Result<std::string> ReadFile(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status{};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    return FromErrno(errno, "reading", path.string());
  }
  if (S_ISDIR(status.st_mode)) {
    return InvalidArgument("\"" + path.string() + "\" is a folder, wanted a file");
  }
  std::string bytes;
  bytes.resize(status.st_size > 0 ? static_cast<std::size_t>(status.st_size) : 0);
  std::size_t filled = 0;
  for (;;) {
    if (filled == bytes.size()) {
      // Grows past the size seen first: files under /proc report none.
      bytes.resize(bytes.size() + 4096);
    }
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FromErrno(errno, "reading", path.string());
    }
    if (got == 0) {
      bytes.resize(filled);
      return bytes;
    }
    filled += static_cast<std::size_t>(got);
  }
}

Result<void> WriteFileAtomic(const fs::path& path, std::string_view bytes) {
  return ReplaceAtomic(path, [&](const fs::path& temporary) -> Result<void> {
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (file.get() < 0) {
      return FromErrno(errno, "creating", temporary.string());
    }
    MILL_RETURN_IF_ERROR(WriteAll(file.get(), bytes, temporary));
    if (file.Close() != 0) {
      return FromErrno(errno, "closing", temporary.string());
    }
    return {};
  });
}

Result<void> ReplaceAtomic(const fs::path& path,
                           const std::function<Result<void>(const fs::path&)>& write) {
  IgnoreSizeSignal();
  MILL_RETURN_IF_ERROR(MakeDirectories(ParentOf(path)));
  const fs::path temporary = TemporaryFor(path);
  const auto run = [&]() -> Result<void> {
    MILL_RETURN_IF_ERROR(write(temporary));
    MILL_RETURN_IF_ERROR(SyncTree(temporary));
    MILL_RETURN_IF_ERROR(Rename(temporary, path));
    return SyncPath(ParentOf(path));
  };
  Result<void> result = run();
  if (!result.ok()) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    return std::move(result).With("writing \"" + path.string() + "\"");
  }
  return result;
}

Result<void> AppendFile(const fs::path& path, std::string_view bytes) {
  IgnoreSizeSignal();
  std::error_code ignored;
  const bool is_new = !fs::exists(path, ignored);
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.get() < 0) {
    return FromErrno(errno, "opening", path.string());
  }
  MILL_RETURN_IF_ERROR(WriteAll(file.get(), bytes, path));
  if (::fdatasync(file.get()) != 0 && errno != EINVAL) {
    return FromErrno(errno, "syncing", path.string());
  }
  if (file.Close() != 0) {
    return FromErrno(errno, "closing", path.string());
  }
  return is_new ? SyncPath(ParentOf(path)) : Result<void>();
}

fs::path FreshTemporary(const fs::path& dir) {
  return TemporaryFor(dir / "t");
}

Result<void> RemoveStaleTemporaries(const fs::path& dir) {
  std::error_code code;
  for (fs::directory_iterator entry(dir, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (!name.ends_with(kTemporaryEnd)) {
      continue;
    }
    const std::size_t end = name.size() - kTemporaryEnd.size();
    const std::size_t dot = name.rfind('.', end - 1);
    pid_t pid = 0;
    const char* const begin = name.data() + dot + 1;
    if (dot == std::string::npos) {
      continue;
    }
    const auto [after_pid, status] = std::from_chars(begin, name.data() + end, pid);
    if (status != std::errc() || pid <= 0) {
      continue;
    }
    const std::string_view rest(after_pid, static_cast<std::size_t>(name.data() + end - after_pid));
    const bool is_ours = pid == ::getpid() && rest.starts_with("-" + ProcessNonce() + "-");
    const bool is_of_living = pid != ::getpid() && (::kill(pid, 0) == 0 || errno != ESRCH);
    if (!is_ours && !is_of_living) {
      fs::remove_all(entry->path(), code);
    }
  }
  if (code) {
    return FromErrno(code.value(), "removing left-over files in", dir.string());
  }
  return {};
}

Result<void> MakeDirectories(const fs::path& dir) {
  std::error_code code;
  fs::create_directories(dir, code);
  if (code) {
    return FromErrno(code.value(), "making the folder", dir.string());
  }
  if (!fs::is_directory(dir, code)) {
    return InvalidArgument("\"" + dir.string() + "\" is a file, wanted a folder");
  }
  return {};
}

}  // namespace millrace::base
