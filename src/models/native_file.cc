// SPDX-License-Identifier: Apache-2.0
// Writes and checks the frame of our own model files.
#include "models/internal/native_file.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace millrace::models::internal {

namespace {

constexpr std::size_t kMagicSize = 8;
constexpr std::size_t kHeadSize = kMagicSize + 4 + 8;
// The hash stands as 64 hex digits.
constexpr std::size_t kHashSize = 64;

void AppendLittleEndian(std::string& bytes, std::uint64_t value, std::size_t n_bytes) {
  for (std::size_t i = 0; i < n_bytes; ++i) {
    bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  }
}

std::uint64_t ReadLittleEndian(std::string_view bytes, std::size_t n_bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = n_bytes; i > 0; --i) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i - 1]);
  }
  return value;
}

}  // namespace

void NativeWriter::AddU32(std::uint32_t value) {
  AppendLittleEndian(payload_, value, 4);
}
void NativeWriter::AddU64(std::uint64_t value) {
  AppendLittleEndian(payload_, value, 8);
}
void NativeWriter::AddDouble(double value) {
  AddU64(std::bit_cast<std::uint64_t>(value));
}

void NativeWriter::AddText(std::string_view text) {
  AddU32(static_cast<std::uint32_t>(text.size()));
  payload_ += text;
}

void NativeWriter::AddDoubles(const std::vector<double>& values) {
  for (const double value : values) {
    AddDouble(value);
  }
}

std::string NativeWriter::Finish(std::string_view magic, std::uint32_t version) const {
  MILL_CHECK_EQ(magic.size(), kMagicSize);
  std::string bytes(magic);
  AppendLittleEndian(bytes, version, 4);
  AppendLittleEndian(bytes, payload_.size(), 8);
  bytes += payload_;
  bytes += base::Sha256Hex(bytes);
  return bytes;
}

Result<NativeReader> NativeReader::Open(std::string_view bytes, std::string_view magic,
                                        std::uint32_t newest_version, std::string_view what) {
  const std::string name(what);
  if (bytes.size() < kMagicSize || bytes.substr(0, kMagicSize) != magic) {
    return base::InvalidArgument(name + ": the first bytes are not \"" + std::string(magic) + "\"")
        .Hint("give a file that this program wrote for this kind of model");
  }
  const Error truncated =
      base::DataLoss(name + ": truncated at " + std::to_string(bytes.size()) + " bytes")
          .Hint("copy the file again, or train the model again");
  if (bytes.size() < kHeadSize + kHashSize) {
    return truncated;
  }
  const auto version = static_cast<std::uint32_t>(ReadLittleEndian(bytes.substr(kMagicSize), 4));
  if (version < 1 || version > newest_version) {
    return base::Unimplemented(name + ": format version " + std::to_string(version) +
                               ", this program reads 1 to " + std::to_string(newest_version))
        .Hint("read it with the release that wrote it, or a later one");
  }
  const std::uint64_t size = ReadLittleEndian(bytes.substr(kMagicSize + 4), 8);
  if (size > bytes.size() - kHeadSize - kHashSize) {
    return truncated;
  }
  if (bytes.size() != kHeadSize + size + kHashSize) {
    return base::DataLoss(name + ": " +
                          std::to_string(bytes.size() - kHeadSize - size - kHashSize) +
                          " bytes follow its end");
  }
  const std::string_view hashed = bytes.substr(0, kHeadSize + size);
  if (base::Sha256Hex(hashed) != bytes.substr(hashed.size())) {
    return base::DataLoss(name + ": its bytes do not match its SHA-256")
        .Hint("the file was changed after it was written; copy it again, or train the model again");
  }
  return NativeReader(hashed.substr(kHeadSize), version, what);
}

std::uint64_t NativeReader::LittleEndian(std::size_t n_bytes) {
  if (is_failed_ || rest_.size() < n_bytes) {
    is_failed_ = true;
    return 0;
  }
  const std::uint64_t value = ReadLittleEndian(rest_, n_bytes);
  rest_.remove_prefix(n_bytes);
  return value;
}

std::uint8_t NativeReader::U8() {
  return static_cast<std::uint8_t>(LittleEndian(1));
}
std::uint32_t NativeReader::U32() {
  return static_cast<std::uint32_t>(LittleEndian(4));
}
std::uint64_t NativeReader::U64() {
  return LittleEndian(8);
}
double NativeReader::Double() {
  return std::bit_cast<double>(LittleEndian(8));
}

std::string NativeReader::Text() {
  const std::size_t size = Count(1);
  std::string text(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return text;
}

std::vector<double> NativeReader::Doubles(std::size_t size) {
  std::vector<double> values;
  for (std::size_t i = 0; i < size && !is_failed_; ++i) {
    values.push_back(Double());
  }
  return values;
}

std::size_t NativeReader::Count(std::size_t bytes_each) {
  const std::size_t count = U32();
  if (count > rest_.size() / std::max<std::size_t>(bytes_each, 1)) {
    is_failed_ = true;
    return 0;
  }
  return count;
}

Result<void> NativeReader::Finish() const {
  if (is_failed_) {
    return base::DataLoss(std::string(what_) + ": a list is longer than the payload");
  }
  if (!rest_.empty()) {
    return base::DataLoss(std::string(what_) + ": " + std::to_string(rest_.size()) +
                          " bytes follow the last value");
  }
  return {};
}

}  // namespace millrace::models::internal
