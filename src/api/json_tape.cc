// SPDX-License-Identifier: Apache-2.0
// The parser of request bodies (RFC 8259).
#include "api/internal/json_tape.h"

#include <charconv>
#include <cstdlib>
#include <limits>

#include "api/internal/json_writer.h"

namespace millrace::api::internal {

namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kKeptNodes = 1 << 18;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Four hex digits at `at`, or -1.
int ReadHex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) {
    return -1;
  }
  int value = 0;
  const char* const first = text.data() + at;
  const auto read = std::from_chars(first, first + 4, value, 16);
  return read.ec == std::errc() && read.ptr == first + 4 && *first != '-' ? value : -1;
}

void AppendUtf8(std::uint32_t code, std::string& out) {
  const auto byte = [](std::uint32_t bits) {
    return static_cast<char>(static_cast<unsigned char>(bits));
  };
  if (code < 0x80) {
    out.push_back(byte(code));
  } else if (code < 0x800) {
    out.push_back(byte(0xC0 | code >> 6));
    out.push_back(byte(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out.push_back(byte(0xE0 | code >> 12));
    out.push_back(byte(0x80 | (code >> 6 & 0x3F)));
    out.push_back(byte(0x80 | (code & 0x3F)));
  } else {
    out.push_back(byte(0xF0 | code >> 18));
    out.push_back(byte(0x80 | (code >> 12 & 0x3F)));
    out.push_back(byte(0x80 | (code >> 6 & 0x3F)));
    out.push_back(byte(0x80 | (code & 0x3F)));
  }
}

// Decodes "\uXXXX" at `at` (behind the u), a pair of surrogates as one character; a lone surrogate
// becomes U+FFFD.
std::size_t DecodeUnicode(std::string_view raw, std::size_t at, std::string& out) {
  std::uint32_t code = static_cast<std::uint32_t>(ReadHex4(raw, at));
  at += 4;
  if (code >= 0xD800 && code < 0xDC00 && raw.substr(at).starts_with("\\u")) {
    const int low = ReadHex4(raw, at + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      AppendUtf8(0x10000 + ((code - 0xD800) << 10) + (static_cast<std::uint32_t>(low) - 0xDC00),
                 out);
      return at + 6;
    }
  }
  AppendUtf8(code >= 0xD800 && code < 0xE000 ? 0xFFFD : code, out);
  return at;
}

}  // namespace

std::string_view JsonValue::raw() const {
  const JsonTape::Node& node = tape_->nodes_[index_];
  return tape_->text_.substr(node.begin, node.end - node.begin);
}

std::string_view JsonValue::Text(std::string& scratch) const {
  const std::string_view text = raw();
  if (!tape_->nodes_[index_].has_escapes) {
    return text;
  }
  scratch.clear();
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != '\\') {
      scratch.push_back(text[i++]);
      continue;
    }
    const char c = text[i + 1];
    i += 2;
    switch (c) {
      case 'b':
        scratch.push_back('\b');
        break;
      case 'f':
        scratch.push_back('\f');
        break;
      case 'n':
        scratch.push_back('\n');
        break;
      case 'r':
        scratch.push_back('\r');
        break;
      case 't':
        scratch.push_back('\t');
        break;
      case 'u':
        i = DecodeUnicode(text, i, scratch);
        break;
      default:
        scratch.push_back(c);
    }
  }
  return scratch;
}

double JsonValue::Number() const {
  switch (kind()) {
    case JsonKind::kNaN:
      return std::numeric_limits<double>::quiet_NaN();
    case JsonKind::kInfinity:
      return std::numeric_limits<double>::infinity();
    case JsonKind::kMinusInfinity:
      return -std::numeric_limits<double>::infinity();
    default:
      break;
  }
  const std::string_view token = raw();
  double value = 0.0;
  if (std::from_chars(token.data(), token.data() + token.size(), value).ec ==
      std::errc::result_out_of_range) {
    // from_chars leaves the value alone there; strtod says 0 or an infinity.
    value = std::strtod(std::string(token).c_str(), nullptr);
  }
  return value;
}

JsonField FindField(const JsonValue& object, std::string_view key) {
  JsonField field{false, object};
  std::string scratch;
  for (auto i = object.begin(); i != object.end(); ++i) {
    const bool is_it = (*i).Text(scratch) == key;
    ++i;
    if (is_it) {
      field = {true, *i};
    }
  }
  return field;
}

Error JsonTape::Bad(std::string_view what) const {
  return base::InvalidArgument("the request's body is no valid JSON: " + std::string(what) +
                               " at byte " + std::to_string(at_))
      .Hint("send one JSON object");
}

void JsonTape::SkipBlanks() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

void JsonTape::AddScalar(JsonKind kind, std::size_t begin, std::size_t end) {
  Node node;
  node.kind = kind;
  node.begin = static_cast<std::uint32_t>(begin);
  node.end = static_cast<std::uint32_t>(end);
  node.next = static_cast<std::uint32_t>(nodes_.size() + 1);
  nodes_.push_back(node);
}

Result<void> JsonTape::Parse(std::string_view text) {
  if (nodes_.capacity() > kKeptNodes) {
    std::vector<Node>().swap(nodes_);
  }
  nodes_.clear();
  text_ = text;
  at_ = 0;
  if (text.size() >= std::numeric_limits<std::uint32_t>::max() / 2) {
    return Bad("more than 2 GB");
  }
  MILL_RETURN_IF_ERROR(ParseValue(0));
  SkipBlanks();
  if (at_ != text_.size()) {
    return Bad("it goes on after its value");
  }
  return {};
}

bool JsonTape::TakeWord(std::string_view word, JsonKind kind) {
  if (!text_.substr(at_).starts_with(word)) {
    return false;
  }
  AddScalar(kind, at_, at_ + word.size());
  at_ += word.size();
  return true;
}

Result<void> JsonTape::ParseValue(int depth) {
  SkipBlanks();
  if (at_ >= text_.size()) {
    return Bad("it ends too early");
  }
  bool is_known = false;
  switch (text_[at_]) {
    case '{':
      return ParseContainer(true, depth);
    case '[':
      return ParseContainer(false, depth);
    case '"':
      return ParseString();
    case 'n':
      is_known = TakeWord("null", JsonKind::kNull);
      break;
    case 't':
      is_known = TakeWord("true", JsonKind::kTrue);
      break;
    case 'f':
      is_known = TakeWord("false", JsonKind::kFalse);
      break;
    case 'N':
      is_known = TakeWord("NaN", JsonKind::kNaN);
      break;
    case 'I':
      is_known = TakeWord("Infinity", JsonKind::kInfinity);
      break;
    case '-':
      if (TakeWord("-Infinity", JsonKind::kMinusInfinity)) {
        return {};
      }
      return ParseNumber();
    default:
      return IsDigit(text_[at_]) ? ParseNumber() : Result<void>(Bad("a value was expected"));
  }
  return is_known ? Result<void>() : Result<void>(Bad("a value was expected"));
}

Result<void> JsonTape::ParseContainer(bool is_object, int depth) {
  if (depth >= kMaxDepth) {
    return Bad("nesting deeper than " + std::to_string(kMaxDepth));
  }
  const std::size_t own = nodes_.size();
  AddScalar(is_object ? JsonKind::kObject : JsonKind::kArray, at_, at_);
  const char close = is_object ? '}' : ']';
  ++at_;
  SkipBlanks();
  bool is_first = true;
  while (at_ >= text_.size() || text_[at_] != close) {
    if (!is_first) {
      if (at_ >= text_.size() || text_[at_] != ',') {
        return Bad(at_ >= text_.size() ? "it ends too early" : "a comma was expected");
      }
      ++at_;
    }
    is_first = false;
    if (is_object) {
      SkipBlanks();
      if (at_ >= text_.size() || text_[at_] != '"') {
        return Bad("a key in quotes was expected");
      }
      MILL_RETURN_IF_ERROR(ParseString());
      SkipBlanks();
      if (at_ >= text_.size() || text_[at_] != ':') {
        return Bad("a colon was expected");
      }
      ++at_;
    }
    MILL_RETURN_IF_ERROR(ParseValue(depth + 1));
    SkipBlanks();
  }
  ++at_;
  nodes_[own].end = static_cast<std::uint32_t>(at_);
  nodes_[own].next = static_cast<std::uint32_t>(nodes_.size());
  return {};
}

Result<void> JsonTape::ParseString() {
  const std::size_t begin = ++at_;
  bool has_escapes = false;
  for (;;) {
    if (at_ >= text_.size()) {
      return Bad("a text is not closed");
    }
    const char c = text_[at_];
    if (c == '"') {
      break;
    }
    if (c == '\\') {
      has_escapes = true;
      const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      const bool is_known =
          next == 'u'
              ? ReadHex4(text_, at_ + 2) >= 0
              : next != '\0' && std::string_view("\"\\/bfnrt").find(next) != std::string_view::npos;
      if (!is_known) {
        return Bad("an unknown escape");
      }
      at_ += next == 'u' ? 6 : 2;
      continue;
    }
    const std::size_t n = static_cast<unsigned char>(c) < 0x80 ? 1 : Utf8Length(text_, at_);
    if (n == 0 || static_cast<unsigned char>(c) < 0x20) {
      return Bad(n == 0 ? "a byte that is no UTF-8" : "a control character in a text");
    }
    at_ += n;
  }
  AddScalar(JsonKind::kString, begin, at_);
  nodes_.back().has_escapes = has_escapes;
  ++at_;
  return {};
}

Result<void> JsonTape::ParseNumber() {
  const std::size_t begin = at_;
  const auto digits = [this] {
    const std::size_t first = at_;
    while (at_ < text_.size() && IsDigit(text_[at_])) {
      ++at_;
    }
    return at_ - first;
  };
  at_ += text_[at_] == '-' ? 1 : 0;
  const std::size_t whole = at_;
  const std::size_t n_whole = digits();
  if (n_whole == 0 || (n_whole > 1 && text_[whole] == '0')) {
    return Bad("a number was expected");
  }
  if (at_ < text_.size() && text_[at_] == '.') {
    ++at_;
    if (digits() == 0) {
      return Bad("a digit was expected");
    }
  }
  if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    at_ += at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-') ? 1 : 0;
    if (digits() == 0) {
      return Bad("a digit was expected");
    }
  }
  AddScalar(JsonKind::kNumber, begin, at_);
  return {};
}

}  // namespace millrace::api::internal
