// SPDX-License-Identifier: Apache-2.0
// Bodies that came compressed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::api::internal {

/// The bytes of a body with that Content-Encoding: "gzip" (also several members one behind the
/// other) or "deflate" (with or without zlib's frame), in any letter case.
///   - kUnimplemented for another encoding
///   - kInvalidArgument for bytes that are none, or end too early
///   - kResourceExhausted for more than `most` bytes; nothing beyond them is inflated
Result<std::string> Inflate(std::string_view body, std::string_view encoding, std::size_t most);

}  // namespace millrace::api::internal
