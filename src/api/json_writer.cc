// SPDX-License-Identifier: Apache-2.0
// JSON texts and numbers.
#include "api/internal/json_writer.h"

#include <charconv>
#include <cmath>

namespace millrace::api::internal {

namespace {

// ASCII that stands for itself in a JSON string.
bool IsPlain(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x80 &&
         c != '"' && c != '\\';
}

}  // namespace

std::size_t Utf8Length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const std::size_t n = first < 0x80                    ? 1
                        : first >= 0xC2 && first < 0xE0 ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (n == 0 || at + n > text.size()) {
    return 0;
  }
  for (std::size_t i = 1; i < n; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  const bool is_overlong =
      (first == 0xE0 && byte(at + 1) < 0xA0) || (first == 0xF0 && byte(at + 1) < 0x90);
  const bool is_outside =
      (first == 0xED && byte(at + 1) > 0x9F) || (first == 0xF4 && byte(at + 1) > 0x8F);
  return is_overlong || is_outside ? 0 : n;
}

void AppendJsonString(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  std::size_t plain = 0;  // [plain, i) goes out as it is
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (IsPlain(c)) {
      ++i;
      continue;
    }
    const std::size_t n = Utf8Length(text, i);
    if (n > 1) {
      i += n;
      continue;
    }
    out.append(text.substr(plain, i - plain));
    plain = ++i;
    if (n == 0) {
      out.append("\xEF\xBF\xBD");
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else {
      out.append("\\u00");
      out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out.push_back(kHex[static_cast<unsigned char>(c) & 15]);
    }
  }
  out.append(text.substr(plain));
  out.push_back('"');
}

void AppendJsonDouble(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out.append("null");
    return;
  }
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void AppendJsonDoubles(std::span<const double> values, std::string& out) {
  out.push_back('[');
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    AppendJsonDouble(values[i], out);
  }
  out.push_back(']');
}

void AppendJsonInt(std::int64_t value, std::string& out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void JsonWriter::Separate() {
  const char last = out_.empty() ? '[' : out_.back();
  if (last != '{' && last != '[' && last != ':') {
    out_.push_back(',');
  }
}

void JsonWriter::BeginObject() {
  Separate();
  out_.push_back('{');
}

void JsonWriter::BeginList() {
  Separate();
  out_.push_back('[');
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  out_.push_back('"');
  out_.append(key);
  out_.append("\":");
}

void JsonWriter::Text(std::string_view value) {
  Separate();
  AppendJsonString(value, out_);
}

void JsonWriter::Int(std::int64_t value) {
  Separate();
  AppendJsonInt(value, out_);
}

void JsonWriter::Double(double value) {
  Separate();
  if (!std::isfinite(value)) {
    out_.append(std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    return;
  }
  const std::size_t begin = out_.size();
  AppendJsonDouble(value, out_);
  if (out_.find_first_of(".e", begin) == std::string::npos) {
    out_.append(".0");
  }
}

void JsonWriter::Text(std::string_view key, std::string_view value) {
  Key(key);
  AppendJsonString(value, out_);
}

void JsonWriter::TextIfAny(std::string_view key, std::string_view value) {
  if (!value.empty()) {
    Text(key, value);
  }
}

void JsonWriter::Int(std::string_view key, std::int64_t value) {
  Key(key);
  AppendJsonInt(value, out_);
}

void JsonWriter::Double(std::string_view key, double value) {
  Key(key);
  Double(value);
}

void JsonWriter::Bool(std::string_view key, bool value) {
  Key(key);
  out_.append(value ? "true" : "false");
}

}  // namespace millrace::api::internal
