// SPDX-License-Identifier: Apache-2.0
// Content hashes: the currency of caching, lineage and reproducibility. SHA-256, and its first 128
// bits.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::base {

/// 128 bits of SHA-256 over content; the same on every machine. Run ids, times and durations never
/// enter one.
struct ContentHash {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const ContentHash&) const = default;
  /// 32 lower-case hex digits.
  std::string Hex() const;
};
/// Reads 32 hex digits.
Result<ContentHash> ParseContentHash(std::string_view hex);

/// Feeds bytes and typed values into SHA-256. Every Add of a value writes its length or width
/// first, so that two different sequences of values never feed the same bytes.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  /// Raw bytes, without a length.
  Hasher& AddBytes(std::span<const std::byte> bytes);
  Hasher& Add(std::string_view text);
  Hasher& Add(const char* text) { return Add(std::string_view(text)); }
  Hasher& Add(std::int64_t value);
  Hasher& Add(std::uint64_t value);
  Hasher& Add(int value) { return Add(static_cast<std::int64_t>(value)); }
  Hasher& Add(bool value) { return Add(static_cast<std::int64_t>(value)); }
  /// The bits of the value; all NaN are one value, -0.0 is not 0.0.
  Hasher& Add(double value);
  Hasher& Add(const ContentHash& hash);

  /// Ends the hashing; call one of the two once.
  ContentHash Finish();
  std::array<std::uint8_t, 32> FinishSha256();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

ContentHash HashText(std::string_view text);
/// 64 lower-case hex digits of the SHA-256 of the bytes.
std::string Sha256Hex(std::string_view bytes);
/// Content hash of a file's bytes, read in blocks.
Result<ContentHash> HashFile(const std::filesystem::path& path);
/// Hash over the sorted relative paths and contents of every regular file below `dir`.
Result<ContentHash> HashDirectory(const std::filesystem::path& dir);

}  // namespace millrace::base

namespace millrace {
using base::ContentHash;
}  // namespace millrace
