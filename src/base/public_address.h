// SPDX-License-Identifier: Apache-2.0
// Which addresses a server may call when a user names them.
#pragma once

#include <string_view>

namespace millrace::base {

/// Whether an IPv4 or IPv6 address (in digits) belongs to the public internet; an IPv4 address
/// inside an IPv6 one (mapped, 6to4, NAT64) is looked at itself. False for what is no address.
bool IsPublicAddress(std::string_view address);

}  // namespace millrace::base
