// SPDX-License-Identifier: Apache-2.0
// Keyed signatures, and the base64 in which they travel.
#pragma once

#include <string>
#include <string_view>

namespace millrace::base {

/// HMAC-SHA256 (RFC 2104) of the message: 32 bytes.
std::string HmacSha256(std::string_view key, std::string_view message);
/// RFC 4648 section 4, with padding.
std::string Base64(std::string_view bytes);

}  // namespace millrace::base
