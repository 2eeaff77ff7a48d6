// SPDX-License-Identifier: Apache-2.0
// Names of statuses, comparison of field names, and the bytes of a reply.
#include "net/http_message.h"

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "net/internal/write_response.h"

namespace millrace::net {

namespace {

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// A field that could end the header early would let a value write its own reply.
bool IsSafeField(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void AppendField(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void AppendNumber(std::uint64_t value, std::string& out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (LowerAscii(a[i]) != LowerAscii(b[i])) {
      return false;
    }
  }
  return true;
}

std::string_view Request::Header(std::string_view name) const {
  for (const HeaderField& field : headers) {
    if (EqualsIgnoringCase(field.name, name)) {
      return field.value;
    }
  }
  return {};
}

std::string_view StatusText(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

namespace internal {

void AppendResponse(const Response& response, const ReplyFrame& frame, std::string& out) {
  const bool has_body = response.status >= 200 && response.status != 204 && response.status != 304;
  out.append("HTTP/1.1 ");
  AppendNumber(static_cast<std::uint64_t>(response.status), out);
  out.append(" ").append(StatusText(response.status)).append("\r\n");
  if (has_body && !response.content_type.empty() && IsSafeField(response.content_type)) {
    AppendField("Content-Type", response.content_type, out);
  }
  if (has_body) {
    out.append("Content-Length: ");
    AppendNumber(frame.streamed_bytes ? *frame.streamed_bytes
                 : response.source    ? response.source->size()
                                      : response.body.size(),
                 out);
    out.append("\r\n");
  }
  AppendField("Date", frame.date, out);
  if (!frame.keep_alive) {
    AppendField("Connection", "close", out);
  } else if (frame.is_http10) {
    AppendField("Connection", "keep-alive", out);
  }
  for (const auto& [name, value] : response.headers) {
    if (!name.empty() && IsSafeField(name) && IsSafeField(value)) {
      AppendField(name, value, out);
    }
  }
  out.append("\r\n");
  if (has_body && !frame.is_head && !frame.streamed_bytes && !response.source) {
    out.append(response.body);
  }
}

std::string HttpDate(std::int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = static_cast<std::time_t>(unix_seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  // Not strftime: its names follow the process's locale.
  const int n = std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                              kDays[parts.tm_wday % 7], parts.tm_mday, kMonths[parts.tm_mon % 12],
                              parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return std::string(text, static_cast<std::size_t>(n));
}

}  // namespace internal

}  // namespace millrace::net
