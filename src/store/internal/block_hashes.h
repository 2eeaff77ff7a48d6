// SPDX-License-Identifier: Apache-2.0
// Hashes of a file and of its blocks, so that any range can be checked without reading the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/result.h"
#include "store/artifacts.h"

namespace millrace::store::internal {

inline constexpr std::size_t kHashBlock = 1024 * 1024;

/// What is known of some bytes.
struct BlobInfo {
  /// In hex.
  std::string sha256 = {};
  std::uint64_t size = 0;
  /// Where an object store keeps them; empty on a local disk.
  std::string location = {};
  /// 32 hex digits (the first half of SHA-256) per block of kHashBlock; empty where there is only
  /// one block.
  std::string blocks = {};
};

/// Hashes bytes as they come.
class BlobHasher {
 public:
  BlobHasher();
  void Add(std::string_view bytes);
  /// Once. The location is empty.
  BlobInfo Finish();

 private:
  void AddBlockHash();

  base::Hasher whole_;
  std::unique_ptr<base::Hasher> block_;
  std::size_t in_block_ = 0;
  BlobInfo info_;
};

using ReadFunction = std::function<Result<std::size_t>(std::uint64_t offset, std::span<char> into)>;

/// Reads through `read` and checks every block before any of its bytes is given out.
/// @param name  of the artifact, for messages
std::unique_ptr<ArtifactReader> MakeCheckedReader(std::string name, BlobInfo info,
                                                  ReadFunction read);
/// Reads without a check: of the info only the size is known.
std::unique_ptr<ArtifactReader> MakePlainReader(std::uint64_t size, ReadFunction read);

Error Damaged(std::string_view name, std::string_view sha256);

}  // namespace millrace::store::internal
