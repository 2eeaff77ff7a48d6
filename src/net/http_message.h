// SPDX-License-Identifier: Apache-2.0
// HTTP requests and replies as bytes: what the server hands to a handler and what it gets back.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::net {

/// One header field of a received message; views into the connection's buffer.
struct HeaderField {
  std::string_view name;
  std::string_view value;
};

/// A whole request. All views are valid only while the handler runs.
struct Request {
  /// Upper case as sent, for example "GET".
  std::string_view method;
  /// As sent, percent-encoded, with query: "/invocations?x=1".
  std::string_view target;
  std::span<const HeaderField> headers;
  std::string_view body;
  /// "127.0.0.1:40112".
  std::string_view peer;
  /// True where the peer's address is in 127.0.0.0/8 or ::1.
  bool is_loopback = false;

  /// The value of the first field of that name (letter case ignored), or an empty view.
  std::string_view Header(std::string_view name) const;
  /// The target up to the question mark.
  std::string_view path() const { return target.substr(0, target.find('?')); }
  /// What follows the question mark.
  std::string_view query() const {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
  }
};

/// A reply. The server adds Content-Length, Date and Connection; for HEAD it sends the header
/// alone.
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  /// Further fields. One whose name or value holds CR, LF or NUL is not sent.
  std::vector<std::pair<std::string, std::string>> headers = {};
  /// Closes the connection after this reply.
  bool close = false;
};

/// "Not Found" for 404; "Unknown" for a status without a name.
std::string_view StatusText(int status);

/// True where both texts are equal when ASCII letter case is ignored.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace millrace::net
