// SPDX-License-Identifier: Apache-2.0
// Secrets at rest: encrypted and authenticated under a key that lies elsewhere.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::base {

/// AES-256-GCM under the SHA-256 of the key, with a random nonce: "v1:" and hex digits, another
/// text at each call. On disk.
std::string Seal(std::string_view key, std::string_view secret);
/// kPermissionDenied where the text was sealed under another key or changed since.
Result<std::string> Unseal(std::string_view key, std::string_view sealed);

}  // namespace millrace::base
