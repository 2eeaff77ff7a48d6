// SPDX-License-Identifier: Apache-2.0
// simdjson's on-demand reader with our errors; included by the two sources that parse request bodies.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "api/internal/row_reader.h"
#include "base/result.h"

namespace millrace::api::internal {

namespace od = simdjson::ondemand;

/// The request's JSON. One per thread, used again: its buffers grow to the largest body seen, up to a limit.
class JsonBody {
 public:
  /// Copies the text behind padding that simdjson may read. kInvalidArgument if it is not UTF-8, empty or no JSON.
  Result<void> Open(std::string_view text) {
    if (buffer_.capacity() > kKeptBytes && text.size() < kKeptBytes) {
      std::string().swap(buffer_);
      parser_ = od::parser();
    }
    buffer_.reserve(text.size() + simdjson::SIMDJSON_PADDING);
    buffer_.assign(text);
    document_ = od::document();
    is_open_ = false;
    const auto error = parser_.iterate(buffer_.data(), buffer_.size(), buffer_.capacity()).get(document_);
    if (error) {
      return Bad(error);
    }
    is_open_ = true;
    return {};
  }
  od::document& document() { return document_; }

  /// True when nothing follows what has been read.
  bool IsAtEnd() {
    const char* place = nullptr;
    return document_.current_location().get(place) == simdjson::OUT_OF_BOUNDS;
  }

  Error Bad(simdjson::error_code error) {
    std::string text = "the request's body is not the JSON that was expected: ";
    text += simdjson::error_message(error);
    const char* place = nullptr;
    if (is_open_ && !document_.current_location().get(place) && place >= buffer_.data() && place <= buffer_.data() + buffer_.size()) {
      text += " (near byte " + std::to_string(place - buffer_.data()) + ")";
    }
    return base::InvalidArgument(std::move(text)).Hint("send one JSON object");
  }

 private:
  static constexpr std::size_t kKeptBytes = 4 * 1024 * 1024;
  std::string buffer_;
  od::parser parser_;
  od::document document_;
  // Where reading has not begun there is no place to ask for.
  bool is_open_ = false;
};

/// The text of a scalar (or the first character of a list, an object, a string) without blanks after it.
inline std::string_view Token(od::value& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t')) {
    token.remove_suffix(1);
  }
  return token;
}

/// Writes a JSON scalar to its target: numbers, null, and the NaN, Infinity and -Infinity that Python writes.
/// @param accept_nan_text  whether "NaN" in quotes counts as missing
inline Result<void> WriteScalar(JsonBody& json, od::value& value, std::size_t row, Target target, BlockWriter& writer,
                                bool accept_nan_text) {
  const std::string_view token = Token(value);
  const char first = token.empty() ? '\0' : token.front();
  if (first == '"') {
    std::string_view text;
    if (const auto error = value.get_string().get(text)) {
      return json.Bad(error);
    }
    if (accept_nan_text && text == "NaN" && !target.is_key) {
      return writer.SetNull(row, target);
    }
    return writer.SetText(row, target, text);
  }
  if (first == '-' || (first >= '0' && first <= '9')) {
    if (token == "-Infinity") {
      return writer.SetDouble(row, target, -std::numeric_limits<double>::infinity());
    }
    if (target.is_key && token.find_first_of(".eE") == std::string_view::npos) {
      std::int64_t whole = 0;
      if (const auto error = value.get_int64().get(whole)) {
        return error == simdjson::INCORRECT_TYPE || error == simdjson::NUMBER_OUT_OF_RANGE
                   ? Result<void>(writer.WrongType(row, target, token))
                   : Result<void>(json.Bad(error));
      }
      return writer.SetInt(row, target, whole);
    }
    double number = 0.0;
    if (const auto error = value.get_double().get(number)) {
      return json.Bad(error);
    }
    return writer.SetDouble(row, target, number);
  }
  if (token == "null" || token == "NaN") {
    return writer.SetNull(row, target);
  }
  if (token == "Infinity") {
    return writer.SetDouble(row, target, std::numeric_limits<double>::infinity());
  }
  if (first == '[' || first == '{') {
    return writer.WrongType(row, target, first == '[' ? "a list" : "an object");
  }
  if (token == "true" || token == "false") {
    return writer.WrongType(row, target, token);
  }
  return json.Bad(simdjson::TAPE_ERROR);
}

}  // namespace millrace::api::internal
