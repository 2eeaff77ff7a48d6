// SPDX-License-Identifier: Apache-2.0
// What the parser keeps of a request.
#include "net/internal/request_parser.h"

#include <algorithm>

#include "net/http_message.h"

namespace millrace::net::internal {

namespace {

std::string_view ToStd(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

void RequestText::Clear() {
  arena.clear();
  fields.clear();
  body.clear();
  GiveBack(body);
  method = target = {};
  has_host = has_transfer_encoding = wants_continue = is_streamed = false;
}

RequestText::Span RequestText::Keep(std::string_view text) {
  const Span span{arena.size(), text.size()};
  arena.append(text);
  return span;
}

RequestParser::RequestParser(RequestText& text, std::size_t max_header_bytes) : text_(text) {
  text_.Clear();
  header_limit(static_cast<std::uint32_t>(max_header_bytes));
  body_limit(boost::none);
}

void RequestParser::on_request_impl(http::verb, boost::beast::string_view method_text,
                                    boost::beast::string_view target, int version, error_code& ec) {
  text_.version = version;
  text_.method = text_.Keep(ToStd(method_text));
  text_.target = text_.Keep(ToStd(target));
  ec = {};
}

void RequestParser::on_field_impl(http::field name, boost::beast::string_view name_text,
                                  boost::beast::string_view value, error_code& ec) {
  ec = {};
  if (in_trailer_) {
    return;
  }
  const auto name_span = text_.Keep(ToStd(name_text));
  text_.fields.emplace_back(name_span, text_.Keep(ToStd(value)));
  if (name == http::field::host) {
    text_.has_host = true;
  } else if (name == http::field::transfer_encoding) {
    text_.has_transfer_encoding = true;
  } else if (name == http::field::expect) {
    text_.wants_continue = EqualsIgnoringCase(ToStd(value), "100-continue");
  }
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& content_length,
                                      error_code& ec) {
  ec = {};
  in_trailer_ = true;
  if (content_length) {
    // The claimed length is not trusted with more memory than has been received.
    const std::size_t most = text_.is_streamed ? kBlockBytes : kKeptBytes;
    text_.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*content_length, most)));
  }
}

std::size_t RequestParser::on_body_impl(boost::beast::string_view body, error_code& ec) {
  ec = {};
  text_.body.append(body.data(), body.size());
  return body.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, boost::beast::string_view body,
                                              error_code& ec) {
  return on_body_impl(body, ec);
}

}  // namespace millrace::net::internal
