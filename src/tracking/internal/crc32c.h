// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), by the processor's instruction where it has one.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::tracking::internal {

/// Continues `seed` (0: a new checksum) over the bytes. Crc32c("123456789", 0) is 0xE3069283.
/// Thread-safe. Source: RFC 3720, appendix B.4.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t seed = 0);

/// The same by table, for processors without the instruction.
std::uint32_t Crc32cByTable(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace millrace::tracking::internal
