// SPDX-License-Identifier: Apache-2.0
// Bytes kept under their own SHA-256: put once, got by hash, never half there. Layout:
// docs/formats/workspace.md.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::store {

/// A folder of blobs, `<first two hex digits>/<64 hex digits>`. Thread-safe, also between
/// processes.
class Blobs {
 public:
  explicit Blobs(std::filesystem::path dir) : dir_(std::move(dir)) {}

  /// Keeps the bytes, durable on return; the same bytes again change nothing. Returns the SHA-256
  /// in hex.
  Result<std::string> Put(std::string_view bytes);
  /// kNotFound if there is none, kDataLoss if the bytes no longer have the hash, kInvalidArgument
  /// for a text that is no hash.
  Result<std::string> Get(std::string_view sha256) const;
  Result<bool> Has(std::string_view sha256) const;
  /// Where a blob lies or would lie.
  Result<std::filesystem::path> PathOf(std::string_view sha256) const;

 private:
  std::filesystem::path dir_;
};

}  // namespace millrace::store
