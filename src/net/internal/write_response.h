// SPDX-License-Identifier: Apache-2.0
// Turns a Response into the bytes of an HTTP/1.1 reply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.h"

namespace millrace::net::internal {

/// How a reply is framed.
struct ReplyFrame {
  bool keep_alive = true;
  /// Says "Connection: keep-alive" aloud, which HTTP/1.0 clients need.
  bool is_http10 = false;
  /// Sends the header of what GET would answer, without the body.
  bool is_head = false;
  /// Length of a body that follows by itself, in place of the response's.
  std::optional<std::uint64_t> streamed_bytes = std::nullopt;
  /// Value of the Date field.
  std::string_view date;
};

/// Appends the reply to `out`: whole, or its header alone where the body comes from a source.
void AppendResponse(const Response& response, const ReplyFrame& frame, std::string& out);

/// Writes an HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT") of a Unix time in seconds.
std::string HttpDate(std::int64_t unix_seconds);

}  // namespace millrace::net::internal
