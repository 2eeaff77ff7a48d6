// SPDX-License-Identifier: Apache-2.0
// Appends JSON to a string: what the hot path answers, without a document in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::api::internal {

/// Length of the UTF-8 sequence (RFC 3629) that begins at a place of the text, or 0 where there is
/// none.
std::size_t Utf8Length(std::string_view text, std::size_t at);
/// The text in quotes, escaped. Bytes that are no UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);
/// Shortest text that reads back as the same double; null where it is not finite.
void AppendJsonDouble(double value, std::string& out);
/// "[0.25,1]".
void AppendJsonDoubles(std::span<const double> values, std::string& out);
void AppendJsonInt(std::int64_t value, std::string& out);

}  // namespace millrace::api::internal
