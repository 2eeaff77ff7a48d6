// SPDX-License-Identifier: Apache-2.0
// The lexer of feature texts.
#include "features/internal/lexer.h"

#include <charconv>
#include <system_error>

namespace millrace::features::internal {
namespace {

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Reads a text in quotes that starts at `at`; a doubled quote stands for one. Returns the byte
/// after it, npos if it is not closed.
std::size_t ReadQuoted(std::string_view text, std::size_t at, std::string& out) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] != quote) {
      out.push_back(text[i]);
    } else if (i + 1 < text.size() && text[i + 1] == quote) {
      out.push_back(quote);
      ++i;
    } else {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

/// Reads a number, or a duration where letters follow at once. Returns the byte after it, npos if
/// it is neither.
std::size_t ReadNumber(std::string_view text, std::size_t at, Token& token) {
  const char* begin = text.data() + at;
  const char* end = text.data() + text.size();
  std::size_t digits_end = at;
  while (digits_end < text.size() && IsDigit(text[digits_end])) {
    ++digits_end;
  }
  const bool has_unit = digits_end < text.size() && IsNameStart(text[digits_end]);
  const bool is_exponent = has_unit && (text[digits_end] == 'e' || text[digits_end] == 'E');
  if (digits_end > at && has_unit && !is_exponent) {
    std::size_t unit_end = digits_end;
    while (unit_end < text.size() && (IsNameStart(text[unit_end]) || IsDigit(text[unit_end]))) {
      ++unit_end;
    }
    token.kind = Token::Kind::kDuration;
    token.text = std::string(text.substr(at, unit_end - at));
    return unit_end;
  }
  const auto [stop, code] = std::from_chars(begin, end, token.number);
  if (code != std::errc()) {
    return std::string_view::npos;
  }
  token.kind = Token::Kind::kNumber;
  const std::size_t next = at + static_cast<std::size_t>(stop - begin);
  token.text = std::string(text.substr(at, next - at));
  return next < text.size() && IsNameStart(text[next]) ? std::string_view::npos : next;
}

std::size_t ReadSign(std::string_view text, std::size_t at, Token& token) {
  token.kind = Token::Kind::kSign;
  const std::string_view two = text.substr(at, 2);
  if (two == "!=" || two == "<=" || two == ">=") {
    token.text = std::string(two);
    return at + 2;
  }
  if (two == "<>") {
    token.text = "!=";
    return at + 2;
  }
  if (two == "==") {
    token.text = "=";
    return at + 2;
  }
  if (std::string_view("(),+-*/=<>").find(text[at]) == std::string_view::npos) {
    return std::string_view::npos;
  }
  token.text = std::string(1, text[at]);
  return at + 1;
}

}  // namespace

base::SourceLocation PlaceOf(const base::SourceLocation& where, std::size_t offset) {
  base::SourceLocation place = where;
  if (place.column > 0) {
    place.column += static_cast<int>(offset);
  }
  return place;
}

Result<std::vector<Token>> Lex(std::string_view text, const base::SourceLocation& where) {
  std::vector<Token> tokens;
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && IsBlank(text[at])) {
      ++at;
    }
    Token token;
    token.offset = at;
    if (at >= text.size()) {
      tokens.push_back(std::move(token));
      return tokens;
    }
    const char c = text[at];
    std::size_t next = at;
    if (IsNameStart(c)) {
      while (next < text.size() && (IsNameStart(text[next]) || IsDigit(text[next]))) {
        ++next;
      }
      token.kind = Token::Kind::kName;
      token.text = std::string(text.substr(at, next - at));
    } else if (c == '\'' || c == '"') {
      token.kind = c == '"' ? Token::Kind::kQuotedName : Token::Kind::kText;
      next = ReadQuoted(text, at, token.text);
      if (next == std::string_view::npos) {
        return base::InvalidArgument(std::string("a text that starts with ") + c + " is not closed")
            .At(PlaceOf(where, at));
      }
    } else if (IsDigit(c) || (c == '.' && at + 1 < text.size() && IsDigit(text[at + 1]))) {
      next = ReadNumber(text, at, token);
    } else {
      next = ReadSign(text, at, token);
    }
    if (next == std::string_view::npos) {
      return base::InvalidArgument("unexpected \"" + std::string(text.substr(at, 12)) +
                                   "\"; expected a name, a number, a text in single quotes, or one "
                                   "of ( ) , + - * / = != < <= > >=")
          .At(PlaceOf(where, at));
    }
    tokens.push_back(std::move(token));
    at = next;
  }
}

}  // namespace millrace::features::internal
