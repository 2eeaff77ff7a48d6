// SPDX-License-Identifier: Apache-2.0
// The frame of our own model files (docs/formats/native_models.md): magic, version, length,
// payload, SHA-256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::models::internal {

/// Builds a payload; numbers are little-endian, a text is its u32 length and its bytes.
class NativeWriter {
 public:
  void AddU8(std::uint8_t value) { payload_.push_back(static_cast<char>(value)); }
  void AddU32(std::uint32_t value);
  void AddU64(std::uint64_t value);
  void AddDouble(double value);
  void AddText(std::string_view text);
  void AddDoubles(const std::vector<double>& values);

  /// The file: `magic` (8 bytes), version, payload length, payload, SHA-256 of all before it.
  std::string Finish(std::string_view magic, std::uint32_t version) const;

 private:
  std::string payload_;
};

/// Reads a payload. After the first read past the end every value is 0 and `Finish` tells.
class NativeReader {
 public:
  /// Checks magic, version (1 to `newest_version`), length and hash. `bytes` must outlive the
  /// reader.
  static Result<NativeReader> Open(std::string_view bytes, std::string_view magic,
                                   std::uint32_t newest_version, std::string_view what);

  std::uint32_t version() const { return version_; }
  std::uint8_t U8();
  std::uint32_t U32();
  std::uint64_t U64();
  double Double();
  std::string Text();
  std::vector<double> Doubles(std::size_t size);
  /// A count of things of at least `bytes_each` bytes; 0 and a failed reader if so many cannot
  /// follow.
  std::size_t Count(std::size_t bytes_each);
  /// kDataLoss if something was read past the end or bytes are left over.
  Result<void> Finish() const;

 private:
  NativeReader(std::string_view payload, std::uint32_t version, std::string_view what)
      : rest_(payload), version_(version), what_(what) {}
  std::uint64_t LittleEndian(std::size_t n_bytes);

  std::string_view rest_;
  std::uint32_t version_;
  std::string_view what_;
  bool is_failed_ = false;
};

}  // namespace millrace::models::internal
