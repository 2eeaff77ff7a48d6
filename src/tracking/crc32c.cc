// SPDX-License-Identifier: Apache-2.0
// CRC-32C by the SSE 4.2 instruction or by a table of 256 words.
#include "tracking/internal/crc32c.h"

#include <array>
#include <cstring>

namespace millrace::tracking::internal {
namespace {

constexpr std::array<std::uint32_t, 256> MakeTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t word = i;
    for (int bit = 0; bit < 8; ++bit) {
      word = (word >> 1) ^ ((word & 1U) != 0 ? 0x82F63B78U : 0U);
    }
    table[i] = word;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = MakeTable();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t ByInstruction(std::string_view bytes,
                                                              std::uint32_t seed) {
  std::uint64_t word = ~seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, at, 8);
    word = __builtin_ia32_crc32di(word, eight);
  }
  auto low = static_cast<std::uint32_t>(word);
  for (; left > 0; --left, ++at) {
    low = __builtin_ia32_crc32qi(low, static_cast<unsigned char>(*at));
  }
  return ~low;
}
#endif

}  // namespace

std::uint32_t Crc32cByTable(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t word = ~seed;
  for (const char byte : bytes) {
    word = kTable[(word ^ static_cast<unsigned char>(byte)) & 0xFFU] ^ (word >> 8);
  }
  return ~word;
}

std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) {
    return ByInstruction(bytes, seed);
  }
#endif
  return Crc32cByTable(bytes, seed);
}

}  // namespace millrace::tracking::internal
