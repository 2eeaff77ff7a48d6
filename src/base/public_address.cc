// SPDX-License-Identifier: Apache-2.0
// Which addresses belong to the public internet (IANA's special-purpose registries, RFC 6890).
#include "base/public_address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <string>

namespace millrace::base {
namespace {

using V6 = std::array<std::uint8_t, 16>;

struct Block {
  std::uint32_t address;
  int bits;
};

bool IsPublicV4(std::uint32_t address) {
  constexpr std::array kSpecial = {
      Block{0x00000000, 8},   // this network
      Block{0x0A000000, 8},   // private
      Block{0x64400000, 10},  // shared by carriers
      Block{0x7F000000, 8},   // loopback
      Block{0xA9FE0000, 16},  // link-local, and the metadata services of clouds
      Block{0xAC100000, 12},  // private
      Block{0xC0000000, 24},  // protocol assignments
      Block{0xC0000200, 24},  // documentation
      Block{0xC0586300, 24},  // relay anycast
      Block{0xC0A80000, 16},  // private
      Block{0xC6120000, 15},  // benchmarks
      Block{0xC6336400, 24},  // documentation
      Block{0xCB007100, 24},  // documentation
      Block{0xE0000000, 3},   // multicast, reserved, broadcast
  };
  return std::none_of(kSpecial.begin(), kSpecial.end(), [&](const Block& block) {
    return address >> (32 - block.bits) == block.address >> (32 - block.bits);
  });
}

std::uint32_t V4At(const V6& address, std::size_t place) {
  return std::uint32_t{address[place]} << 24 | std::uint32_t{address[place + 1]} << 16 |
         std::uint32_t{address[place + 2]} << 8 | std::uint32_t{address[place + 3]};
}

bool StartsWith(const V6& address, const V6& prefix, std::size_t bytes) {
  return std::equal(prefix.begin(), prefix.begin() + static_cast<std::ptrdiff_t>(bytes),
                    address.begin());
}

bool IsPublicV6(const V6& address) {
  constexpr V6 kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  constexpr V6 kNat64 = {0x00, 0x64, 0xFF, 0x9B};
  if (StartsWith(address, kMapped, 12) || StartsWith(address, kNat64, 12)) {
    return IsPublicV4(V4At(address, 12));
  }
  if (address[0] == 0x20 && address[1] == 0x02) {  // 6to4
    return IsPublicV4(V4At(address, 2));
  }
  const bool is_unicast = (address[0] & 0xE0) == 0x20;
  const bool is_assignment =
      address[0] == 0x20 && address[1] == 0x01 && (address[2] & 0xFE) == 0;  // 2001::/23
  const bool is_documentation = StartsWith(address, {0x20, 0x01, 0x0D, 0xB8}, 4) ||
                                (address[0] == 0x3F && address[1] == 0xFF);
  return is_unicast && !is_assignment && !is_documentation;
}

}  // namespace

bool IsPublicAddress(std::string_view address) {
  const std::string text(address);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    return IsPublicV4(ntohl(v4.s_addr));
  }
  V6 v6{};
  return inet_pton(AF_INET6, text.c_str(), v6.data()) == 1 && IsPublicV6(v6);
}

}  // namespace millrace::base
