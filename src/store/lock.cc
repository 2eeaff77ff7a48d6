// SPDX-License-Identifier: Apache-2.0
// flock(2): the kernel releases it when the holder dies, so there is no stale lock to clean up. The
// text is only for people and for finding the holder's address.
#include "store/lock.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace millrace::store {
namespace {

// ReadHolder takes the lock for a moment to see whether it is free, and a holder's text may be
// half-written: look again.
constexpr int kAttempts = 20;
constexpr std::chrono::milliseconds kPause{10};

std::optional<LockHolder> ParseHolder(const std::string& text) {
  const Result<nlohmann::json> json = base::ParseJson(text, "lock");
  if (!json.ok() || !json->is_object()) {
    return std::nullopt;
  }
  LockHolder holder;
  const nlohmann::json pid = json->value("pid", nlohmann::json());
  const nlohmann::json address = json->value("address", nlohmann::json());
  if (!pid.is_number_integer() || !address.is_string()) {
    return std::nullopt;
  }
  holder.pid = pid.get<pid_t>();
  holder.address = address.get<std::string>();
  return holder;
}

Error HeldBy(const std::filesystem::path& path, const std::optional<LockHolder>& holder) {
  std::string who = "another process";
  if (holder) {
    who = "process " + std::to_string(holder->pid) +
          (holder->address.empty() ? std::string() : " at " + holder->address);
  }
  return base::FailedPrecondition("\"" + path.string() + "\" is held by " + who)
      .Hint("wait until it has ended, or stop it");
}

}  // namespace

Result<FileLock> FileLock::TryAcquire(const std::filesystem::path& path,
                                      const std::string& address) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(path.parent_path()));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return base::FromErrno(errno, "locking", path.string());
  }
  FileLock lock(fd, path);
  for (int attempt = 0; ::flock(fd, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK) {
      return base::FromErrno(errno, "locking", path.string());
    }
    if (attempt == kAttempts) {
      MILL_ASSIGN_OR_RETURN(const std::optional<LockHolder> holder, ReadHolder(path));
      return HeldBy(path, holder);
    }
    std::this_thread::sleep_for(kPause);
  }
  MILL_RETURN_IF_ERROR(lock.SetAddress(address));
  return lock;
}

Result<std::optional<LockHolder>> FileLock::ReadHolder(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) {
      return std::optional<LockHolder>();
    }
    return base::FromErrno(errno, "reading", path.string());
  }
  FileLock probe(fd, path);
  std::optional<LockHolder> holder;
  for (int attempt = 0; attempt < kAttempts && !holder; ++attempt) {
    if (::flock(fd, LOCK_SH | LOCK_NB) == 0) {
      return std::optional<LockHolder>();
    }
    MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
    holder = ParseHolder(text);
    if (!holder) {
      std::this_thread::sleep_for(kPause);
    }
  }
  // Held, but the text names nobody: the holder stands between taking the lock and writing its
  // name.
  return std::optional<LockHolder>(holder.value_or(LockHolder{}));
}

Result<void> FileLock::SetAddress(const std::string& address) {
  const nlohmann::json json = {{"pid", ::getpid()}, {"address", address}};
  const std::string text = base::DumpJson(json) + "\n";
  if (::ftruncate(fd_, 0) != 0 ||
      ::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return base::FromErrno(errno, "writing", path_.string());
  }
  return {};
}

FileLock::~FileLock() {
  if (fd_ >= 0) {
    // Closing releases the lock. The file stays: removing it would let two processes lock two files
    // of one name.
    ::close(fd_);
  }
}

FileLock::FileLock(FileLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

Result<WorkspaceLock> WorkspaceLock::TryAcquire(const Workspace& workspace,
                                                const std::string& address) {
  Result<FileLock> lock = FileLock::TryAcquire(workspace.LockPath(), address);
  if (!lock.ok()) {
    return std::move(lock).error().With("the workspace \"" + workspace.root().string() + "\"");
  }
  return WorkspaceLock(*std::move(lock));
}

}  // namespace millrace::store
