// SPDX-License-Identifier: Apache-2.0
// Passwords and secrets, by OpenSSL.
#include "base/password.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <span>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/mutex.h"

namespace millrace::base {
namespace {

constexpr std::uint64_t kBlockSize = 8;
constexpr std::uint64_t kParallel = 5;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kHashSize = 32;
constexpr int kGreatestLog2N = 20;

using Hash = std::array<unsigned char, kHashSize>;

std::string ToHex(std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

/// Empty where the text is not hexadecimal.
std::vector<unsigned char> FromHex(std::string_view text) {
  std::vector<unsigned char> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned char byte = 0;
    const char* const end = text.data() + i + 2;
    if (std::from_chars(text.data() + i, end, byte, 16).ptr != end) {
      return {};
    }
    bytes.push_back(byte);
  }
  return bytes;
}

Hash Scrypt(std::string_view password, std::span<const unsigned char> salt, int log2_n) {
  static Mutex one_at_a_time;
  const MutexLock lock(one_at_a_time);
  const std::uint64_t n = std::uint64_t{1} << static_cast<unsigned>(log2_n);
  const std::uint64_t memory = 128 * kBlockSize * (n + kParallel + 2) + (std::uint64_t{1} << 20U);
  Hash hash{};
  MILL_CHECK_EQ(EVP_PBE_scrypt(password.data(), password.size(), salt.data(), salt.size(), n,
                               kBlockSize, kParallel, memory, hash.data(), hash.size()),
                1);
  return hash;
}

void FillRandom(std::span<unsigned char> bytes) {
  MILL_CHECK_EQ(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())), 1);
}

/// Takes what stands before the next '$' away from the text.
std::string_view TakePart(std::string_view& text) {
  const std::size_t end = text.find('$');
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

}  // namespace

std::string HashPassword(std::string_view password, PasswordCost cost) {
  std::array<unsigned char, kSaltSize> salt{};
  FillRandom(salt);
  const Hash hash = Scrypt(password, salt, cost.log2_n);
  return "$scrypt$ln=" + std::to_string(cost.log2_n) + ",r=8,p=5$" + ToHex(salt) + "$" +
         ToHex(hash);
}

Result<bool> IsPassword(std::string_view password, std::string_view hash) {
  const Error damaged = DataLoss("a stored password hash is damaged")
                            .Hint("set the password anew: millrace users password NAME");
  constexpr std::string_view kPrefix = "$scrypt$ln=";
  if (!hash.starts_with(kPrefix)) {
    return damaged;
  }
  std::string_view rest = hash.substr(kPrefix.size());
  const std::string_view cost = TakePart(rest);
  int log2_n = 0;
  const auto read = std::from_chars(cost.data(), cost.data() + cost.size(), log2_n);
  if (read.ec != std::errc() || log2_n < 1 || log2_n > kGreatestLog2N ||
      cost.substr(static_cast<std::size_t>(read.ptr - cost.data())) != ",r=8,p=5") {
    return damaged;
  }
  const std::vector<unsigned char> salt = FromHex(TakePart(rest));
  const std::vector<unsigned char> wanted = FromHex(TakePart(rest));
  if (salt.empty() || wanted.size() != kHashSize) {
    return damaged;
  }
  const Hash seen = Scrypt(password, salt, log2_n);
  return CRYPTO_memcmp(seen.data(), wanted.data(), kHashSize) == 0;
}

std::string NewSecret() {
  std::array<unsigned char, 32> bytes{};
  FillRandom(bytes);
  return ToHex(bytes);
}

}  // namespace millrace::base
