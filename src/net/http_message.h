// SPDX-License-Identifier: Apache-2.0
// HTTP requests and replies as bytes: what the server hands to a handler and what it gets back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::net {

/// One header field of a received message; views into the connection's buffer.
struct HeaderField {
  std::string_view name;
  std::string_view value;
};

/// A whole request. It and its views are valid until its reply is sent.
struct Request {
  /// Upper case as sent, for example "GET".
  std::string_view method;
  /// As sent, percent-encoded, with query: "/invocations?x=1".
  std::string_view target;
  std::span<const HeaderField> headers;
  /// Empty where a BodySink took it.
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

/// A reply's body that is read while it is sent. Used by one thread at a time, not always the same.
class BodySource {
 public:
  virtual ~BodySource() = default;
  BodySource() = default;
  BodySource(const BodySource&) = delete;
  BodySource& operator=(const BodySource&) = delete;

  /// Bytes of the whole body: its Content-Length.
  virtual std::uint64_t size() const = 0;
  /// Fills `block` from its beginning and returns how much, at least 1. An error before the first
  /// byte was sent is answered with 500 and its message; a later one, or 0, cuts the connection, so
  /// that the client sees a short body instead of wrong bytes.
  virtual Result<std::size_t> Read(std::span<char> block) = 0;
};

/// A reply. The server adds Content-Length, Date and Connection; for HEAD it sends the header
/// alone.
struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  /// Where it is set, the body comes from here and `body` is not sent.
  std::unique_ptr<BodySource> source = nullptr;
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
