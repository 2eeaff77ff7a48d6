// SPDX-License-Identifier: Apache-2.0
// HMAC and base64 by OpenSSL.
#include "base/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace millrace::base {

std::string HmacSha256(std::string_view key, std::string_view message) {
  std::string signature(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  // OpenSSL reads a null key as "the key of the last call".
  const char* begin = key.empty() ? "" : key.data();
  MILL_CHECK(HMAC(EVP_sha256(), begin, static_cast<int>(key.size()),
                  reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                  reinterpret_cast<unsigned char*>(signature.data()), &size) != nullptr);
  signature.resize(size);
  return signature;
}

std::string Base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

}  // namespace millrace::base
