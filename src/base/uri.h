// SPDX-License-Identifier: Apache-2.0
// What is shown of a URI.
#pragma once

#include <string>
#include <string_view>

namespace millrace::base {

/// The URI with "***" in place of its password (before the host, or as parameter `password`), for
/// messages and listings.
std::string WithoutPassword(std::string_view uri);

}  // namespace millrace::base
