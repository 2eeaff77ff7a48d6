// SPDX-License-Identifier: Apache-2.0
// Location: where a file lies, as a local path or as a URI that one of Arrow's file systems serves.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace arrow::fs {
class FileSystem;
}  // namespace arrow::fs

namespace millrace::data {

/// A file in a file system. Cheap to copy.
class Location {
 public:
  // Implicit on purpose: a local path is a location.
  Location(const std::filesystem::path& path);  // NOLINT(google-explicit-constructor)

  /// Reads a local path or a URI: `file:///data/a.parquet`, `s3://bucket/key`,
  /// `abfs://container@account.dfs.core.windows.net/path`. An S3 URI should end in `?region=...`:
  /// without it the bucket is asked for its region here; otherwise nothing is contacted yet.
  /// Credentials come from the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
  /// AZURE_STORAGE_ACCESS_KEY or what Azure's own libraries read there.
  ///   - kInvalidArgument names an unknown scheme and lists the known ones, or says what of the URI
  ///   is malformed;
  ///   - kUnavailable if the plug-in library of the scheme is not installed.
  static Result<Location> Parse(std::string_view text);

  /// What the user wrote: for messages.
  const std::string& text() const { return text_; }
  /// The path inside the file system.
  const std::string& path() const { return path_; }
  /// Null for local paths.
  const std::shared_ptr<arrow::fs::FileSystem>& file_system() const { return file_system_; }
  bool is_local() const { return file_system_ == nullptr; }

 private:
  Location() = default;

  std::string text_;
  std::string path_;
  std::shared_ptr<arrow::fs::FileSystem> file_system_;
};

/// Ends the object-store clients that Location::Parse started; call once before the process exits.
/// Harmless when none runs.
void ShutDownFileSystems();

}  // namespace millrace::data
