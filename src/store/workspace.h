// SPDX-License-Identifier: Apache-2.0
// The folder where Millrace keeps its state: which path holds what. Layout:
// docs/formats/workspace.md.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::store {

/// Paths of an opened workspace. Immutable; copies are equal.
class Workspace {
 public:
  /// The layout that this program writes.
  static constexpr int kLayoutVersion = 1;

  /// Opens a workspace.
  ///
  /// @param create  makes the folders where there are none.
  ///   - kNotFound if there is none and `create` is false.
  ///   - kFailedPrecondition if a newer Millrace wrote it, or the folder holds other files but no
  ///   workspace.json.
  ///   - kPermissionDenied, kResourceExhausted if it has to be made and cannot be.
  ///   - kDataLoss if workspace.json is damaged.
  static Result<Workspace> Open(const std::filesystem::path& root, bool create);

  /// Absolute.
  const std::filesystem::path& root() const { return root_; }
  int layout_version() const { return layout_version_; }

  std::filesystem::path MetadataPath() const { return root_ / "metadata.db"; }
  std::filesystem::path BlobsDir() const { return root_ / "blobs"; }
  std::filesystem::path ArtifactsDir() const { return root_ / "artifacts"; }
  std::filesystem::path OfflineDir(std::string_view table) const {
    return root_ / "offline" / std::string(table);
  }
  std::filesystem::path OnlineDir() const { return root_ / "online"; }
  std::filesystem::path JournalDir() const { return root_ / "journal"; }
  std::filesystem::path CaptureDir() const { return root_ / "capture"; }
  std::filesystem::path CacheDir() const { return root_ / "cache"; }
  std::filesystem::path LockPath() const { return root_ / "lock"; }

  /// Tries to write: kPermissionDenied or kResourceExhausted with the workspace's path and what to
  /// do.
  Result<void> CheckWritable() const;

 private:
  Workspace(std::filesystem::path root, int layout_version)
      : root_(std::move(root)), layout_version_(layout_version) {}

  std::filesystem::path root_;
  int layout_version_;
};

/// True for a name that stays inside its folder: 1 to 200 characters, letters, digits, '_', '-',
/// '.', not starting with a point.
bool IsSafeName(std::string_view name);

}  // namespace millrace::store
