// SPDX-License-Identifier: Apache-2.0
// Passwords and secrets: hashed so that a stolen database does not give them away.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::base {

/// scrypt (RFC 7914) with block size 8 and parallelisation 5.
struct PasswordCost {
  /// log2 of N. 14 takes 16 MiB of memory and about 0.2 s, as OWASP's cheat sheet on password
  /// storage asks for; tests take less.
  int log2_n = 14;
};

/// "$scrypt$ln=14,r=8,p=5$<salt in hex>$<hash in hex>" with a fresh salt: what is stored. Calls of
/// one process run one after the other, so that many of them at once do not exhaust memory. NUL
/// characters at the end of a password do not count (a property of HMAC); callers refuse them.
std::string HashPassword(std::string_view password, PasswordCost cost = {});
/// True if the text was made from this password; kDataLoss for another text. Takes the same time
/// wherever the passwords differ.
Result<bool> IsPassword(std::string_view password, std::string_view hash);
/// 256 random bits as 64 hex digits.
std::string NewSecret();

}  // namespace millrace::base
