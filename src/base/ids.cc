// SPDX-License-Identifier: Apache-2.0
// Ids from getrandom(2): unguessable, and no two processes share a sequence.
#include "base/ids.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <sys/random.h>

#include "base/check.h"

namespace millrace::base {
namespace {

std::array<std::uint8_t, 16> RandomBytes() {
  std::array<std::uint8_t, 16> bytes{};
  // Up to 256 bytes never come short once the pool is initialised.
  MILL_CHECK_EQ(getrandom(bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

std::string Hex(const std::array<std::uint8_t, 16>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

std::string NewRunId() {
  std::array<std::uint8_t, 16> bytes = RandomBytes();
  // RFC 4122: version 4 in the high half of byte 6, variant 10 in the top bits of byte 8.
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3F) | 0x80);
  return Hex(bytes);
}

std::string NewLoggedModelId() {
  return "m-" + Hex(RandomBytes());
}

}  // namespace millrace::base
