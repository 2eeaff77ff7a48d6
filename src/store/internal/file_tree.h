// SPDX-License-Identifier: Apache-2.0
// Files below one folder, reached part by part from its descriptor and never through a symbolic
// link: no path leads out, whatever others do to the folders meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::store::internal {

/// Owns a descriptor.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Some file systems report a failed write only here: 0 or errno.
  int Close();

 private:
  int fd_ = -1;
};

struct TreeEntry {
  std::string name;
  bool is_dir = false;
  std::uint64_t size = 0;
};

/// Paths are in the form of CheckArtifactPath. Thread-safe, also between processes.
class FileTree {
 public:
  explicit FileTree(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }

  /// A regular file, for reading. kNotFound where there is none or a folder.
  Result<FileHandle> Open(std::string_view path) const;
  /// What lies in a folder, unsorted; neither symbolic links nor temporaries. kNotFound where there
  /// is no such folder.
  Result<std::vector<TreeEntry>> List(std::string_view path) const;
  /// Makes `path` another name of the file at `source` (a copy where the file system has no such
  /// names), in place of what was there; makes folders; durable on return.
  ///   - kInvalidArgument where `path` is a folder or leads through a file.
  Result<void> Link(const std::filesystem::path& source, std::string_view path) const;
  /// A file, or a folder with all in it. kNotFound where there is neither. Folders that become
  /// empty stay.
  Result<void> Remove(std::string_view path) const;

 private:
  /// The folder that holds the last part of `path`.
  Result<FileHandle> OpenParent(std::string_view path, bool create) const;
  /// @param shown  the path that errors name
  Result<FileHandle> OpenFolder(std::string_view path, bool create, std::string_view shown) const;

  std::filesystem::path root_;
};

}  // namespace millrace::store::internal
