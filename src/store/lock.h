// SPDX-License-Identifier: Apache-2.0
// Locks between processes that end with their holder, and say who holds them and where it answers.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/result.h"
#include "store/workspace.h"

namespace millrace::store {

/// Who holds a lock.
struct LockHolder {
  pid_t pid = 0;
  /// "http://127.0.0.1:5000", or empty if it does not listen.
  std::string address;
};

/// An exclusive flock(2) on a file whose text names the holder; released by the destructor or the
/// death of the process. Movable.
class FileLock {
 public:
  /// kFailedPrecondition names the holder's pid and address; other codes if the file cannot be
  /// made.
  static Result<FileLock> TryAcquire(const std::filesystem::path& path, const std::string& address);
  /// nullopt if nobody holds the lock or the file does not exist.
  static Result<std::optional<LockHolder>> ReadHolder(const std::filesystem::path& path);

  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Writes where this process answers, once it knows.
  Result<void> SetAddress(const std::string& address);

 private:
  FileLock(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::filesystem::path path_;
};

/// The lock of the one process that writes a workspace's stores.
class WorkspaceLock {
 public:
  static Result<WorkspaceLock> TryAcquire(const Workspace& workspace, const std::string& address);
  static Result<std::optional<LockHolder>> ReadHolder(const Workspace& workspace) {
    return FileLock::ReadHolder(workspace.LockPath());
  }

  Result<void> SetAddress(const std::string& address) { return lock_.SetAddress(address); }

 private:
  explicit WorkspaceLock(FileLock lock) : lock_(std::move(lock)) {}

  FileLock lock_;
};

}  // namespace millrace::store
