// SPDX-License-Identifier: Apache-2.0
// JSON texts: strict reading with line and column in errors, writing with shortest round-trip
// numbers and sorted keys.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace millrace::base {

/// Parses one JSON value (RFC 8259; nesting up to 128, duplicate keys refused). kInvalidArgument
/// names `source`, line, column.
Result<nlohmann::json> ParseJson(std::string_view text, std::string_view source);
/// Canonical text: keys sorted, no blanks, doubles shortest round-trip, NaN and infinities as
/// strings "NaN", "Infinity", "-Infinity".
std::string DumpJson(const nlohmann::json& value);
/// The same with line breaks and two blanks of indent, and a final line break: files that people
/// read.
std::string DumpJsonPretty(const nlohmann::json& value);

}  // namespace millrace::base
