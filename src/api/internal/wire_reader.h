// SPDX-License-Identifier: Apache-2.0
// Reads protocol buffers without their schemas compiled in: field numbers and wire types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::api::internal {

/// One field of a message.
struct WireField {
  std::uint32_t number = 0;
  /// Varints and fixed numbers.
  std::uint64_t value = 0;
  /// Texts, bytes, messages.
  std::string_view bytes;
};

/// Walks through the fields of one message. The bytes outlive it.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  /// False at the end, or where the bytes are no message; `is_valid` tells which.
  bool Next(WireField& field) {
    if (at_ >= bytes_.size() || !is_valid_) {
      return false;
    }
    std::uint64_t tag = 0;
    is_valid_ = Varint(tag) && (tag >> 3) != 0 && (tag >> 3) < (1U << 29) &&
                Value(static_cast<unsigned>(tag & 7), field);
    field.number = static_cast<std::uint32_t>(tag >> 3);
    return is_valid_;
  }
  bool is_valid() const { return is_valid_; }

 private:
  bool Varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && at_ < bytes_.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) {
        return true;
      }
    }
    return false;
  }
  bool Fixed(std::size_t n, std::uint64_t& value) {
    if (bytes_.size() - at_ < n) {
      return false;
    }
    value = 0;
    for (std::size_t i = 0; i < n; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at_ + i])) << (8 * i);
    }
    at_ += n;
    return true;
  }
  bool Value(unsigned wire_type, WireField& field) {
    field.bytes = {};
    field.value = 0;
    switch (wire_type) {
      case 0:
        return Varint(field.value);
      case 1:
        return Fixed(8, field.value);
      case 2: {
        std::uint64_t size = 0;
        if (!Varint(size) || size > bytes_.size() - at_) {
          return false;
        }
        field.bytes = bytes_.substr(at_, static_cast<std::size_t>(size));
        at_ += static_cast<std::size_t>(size);
        return true;
      }
      case 5:
        return Fixed(4, field.value);
      default:
        return false;
    }
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool is_valid_ = true;
};

}  // namespace millrace::api::internal
