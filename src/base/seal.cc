// SPDX-License-Identifier: Apache-2.0
// AES-256-GCM by OpenSSL (NIST SP 800-38D).
#include "base/seal.h"

#include <array>
#include <memory>
#include <sys/random.h>
#include <vector>

#include <openssl/evp.h>

#include "base/check.h"
#include "base/hash.h"

namespace millrace::base {
namespace {

constexpr std::string_view kVersion = "v1:";
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using Bytes = std::vector<unsigned char>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

std::array<std::uint8_t, 32> KeyOf(std::string_view key) {
  Hasher hasher;
  hasher.AddBytes(std::as_bytes(std::span(key)));
  return hasher.FinishSha256();
}

std::string ToHex(const Bytes& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

/// Empty where it is no hex.
Bytes FromHex(std::string_view hex) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    if (digit(hex[i]) < 0 || digit(hex[i + 1]) < 0) {
      return {};
    }
    bytes.push_back(static_cast<unsigned char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

}  // namespace

std::string Seal(std::string_view key, std::string_view secret) {
  const auto hashed = KeyOf(key);
  // Nonce, cipher text, tag.
  Bytes sealed(kNonceBytes + secret.size() + kTagBytes);
  MILL_CHECK_EQ(getrandom(sealed.data(), kNonceBytes, 0), static_cast<ssize_t>(kNonceBytes));
  const Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int size = 0;
  MILL_CHECK(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, hashed.data(),
                                sealed.data()) == 1);
  MILL_CHECK(EVP_EncryptUpdate(cipher.get(), sealed.data() + kNonceBytes, &size,
                               reinterpret_cast<const unsigned char*>(secret.data()),
                               static_cast<int>(secret.size())) == 1);
  unsigned char* end = sealed.data() + kNonceBytes + secret.size();
  MILL_CHECK(EVP_EncryptFinal_ex(cipher.get(), end, &size) == 1);
  MILL_CHECK(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, end) == 1);
  return std::string(kVersion) + ToHex(sealed);
}

Result<std::string> Unseal(std::string_view key, std::string_view sealed) {
  const Error refused(ErrorCode::kPermissionDenied,
                      "a sealed secret does not open: it was sealed under another key, or changed");
  if (!sealed.starts_with(kVersion)) {
    return refused;
  }
  Bytes bytes = FromHex(sealed.substr(kVersion.size()));
  if (bytes.size() < kNonceBytes + kTagBytes) {
    return refused;
  }
  const auto hashed = KeyOf(key);
  const std::size_t n_secret = bytes.size() - kNonceBytes - kTagBytes;
  std::string secret(n_secret, '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int size = 0;
  unsigned char ignored = 0;
  const bool is_whole =
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, hashed.data(), bytes.data()) ==
          1 &&
      EVP_DecryptUpdate(cipher.get(), reinterpret_cast<unsigned char*>(secret.data()), &size,
                        bytes.data() + kNonceBytes, static_cast<int>(n_secret)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes,
                          bytes.data() + kNonceBytes + n_secret) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), &ignored, &size) == 1;
  if (!is_whole) {
    return refused;
  }
  return secret;
}

}  // namespace millrace::base
