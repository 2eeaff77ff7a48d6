// SPDX-License-Identifier: Apache-2.0
// Beast's HTTP/1 parser with the text of a request kept in memory that is used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace millrace::net::internal {

namespace http = boost::beast::http;
using boost::system::error_code;

/// Larger buffers are given back after use, so that one large request does not stay in memory for
/// the life of a connection.
inline constexpr std::size_t kKeptBytes = 1024 * 1024;
/// Streamed bodies pass in blocks of this size, both ways.
inline constexpr std::size_t kBlockBytes = 256 * 1024;

inline void GiveBack(std::string& text) {
  if (text.capacity() > kKeptBytes) {
    std::string().swap(text);
  }
}

/// The text of a request while it is being received and answered.
struct RequestText {
  struct Span {
    std::size_t offset = 0;
    std::size_t size = 0;
  };
  std::string arena;
  Span method;
  Span target;
  std::vector<std::pair<Span, Span>> fields;
  std::string body;
  /// 11 for HTTP/1.1.
  int version = 11;
  bool has_host = false;
  bool has_transfer_encoding = false;
  bool wants_continue = false;
  /// The body goes to a sink in blocks: no memory is set aside for the whole.
  bool is_streamed = false;

  void Clear();
  Span Keep(std::string_view text);
  std::string_view View(Span span) const {
    return std::string_view(arena).substr(span.offset, span.size);
  }
};

/// Beast's HTTP/1 parser with fields kept in one string instead of one allocation each. It stops
/// behind the header (`eager` goes on) and has no limit of the body until `body_limit` sets one.
class RequestParser final : public http::basic_parser<true> {
 public:
  RequestParser(RequestText& text, std::size_t max_header_bytes);

 private:
  void on_request_impl(http::verb method, boost::beast::string_view method_text,
                       boost::beast::string_view target, int version, error_code& ec) override;
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
  void on_field_impl(http::field name, boost::beast::string_view name_text,
                     boost::beast::string_view value, error_code& ec) override;
  void on_header_impl(error_code& ec) override { ec = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& content_length,
                         error_code& ec) override;
  std::size_t on_body_impl(boost::beast::string_view body, error_code& ec) override;
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code& ec) override {
    ec = {};
  }
  std::size_t on_chunk_body_impl(std::uint64_t remain, boost::beast::string_view body,
                                 error_code& ec) override;
  void on_finish_impl(error_code& ec) override { ec = {}; }

  RequestText& text_;
  bool in_trailer_ = false;
};

}  // namespace millrace::net::internal
