// SPDX-License-Identifier: Apache-2.0
// Splits filters and order_by texts into words, with the rules of sqlparse 0.6 that MLflow's
// clients can notice.
#include "tracking/internal/search_tokens.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace millrace::tracking::internal {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
// Bytes of characters outside ASCII count as letters.
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool IsWordByte(char c) {
  return IsLetter(c) || IsDigit(c) || c == '_';
}
char Upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

// Words that are never a name on their own. sqlparse knows some 800; these are the ones that people
// write in filters.
constexpr std::array<std::string_view, 30> kKeywords = {
    "ALL", "AND",    "ANY",   "AS",     "BETWEEN", "CASE", "CREATE", "DELETE", "DROP",    "ELSE",
    "END", "EXISTS", "FALSE", "FROM",   "GROUP",   "IN",   "INSERT", "IS",     "KEY",     "LIMIT",
    "NOT", "NULL",   "OR",    "SELECT", "TRUE",    "TYPE", "UNION",  "UPDATE", "VERSION", "WHERE"};
constexpr std::array<std::string_view, 6> kBuiltins = {"DATE", "FLOAT",     "INT",
                                                       "TEXT", "TIMESTAMP", "VARCHAR"};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {
    for (std::size_t i = 0; i < kQuotes.size(); ++i) {
      last_quote_[i] = text.rfind(kQuotes[i]);
    }
  }

  std::vector<Token> Run() {
    while (at_ < text_.size()) {
      const Token token = Next();
      at_ += token.text.size();
      tokens_.push_back(token);
    }
    return std::move(tokens_);
  }

 private:
  char Peek(std::size_t ahead) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  Token Make(TokenKind kind, std::size_t size) const { return {kind, text_.substr(at_, size)}; }

  Token Next() {
    const char c = text_[at_];
    if (IsBlank(c)) {
      std::size_t n = 1;
      while (IsBlank(Peek(n))) {
        ++n;
      }
      return Make(TokenKind::kBlank, n);
    }
    if (c == '-' && Peek(1) == '-') {
      return Make(TokenKind::kOther, std::min(text_.find('\n', at_), text_.size()) - at_);
    }
    if (c == '`' || c == '"' || c == '\'') {
      return Quoted(c);
    }
    // "metrics.1e5" and ".5": a number may begin at the dot, but not with "-" behind an operand
    // without a blank; sqlparse takes the sign in any case, and so does this.
    if (const std::size_t n = NumberSize(); n != 0) {
      return Make(number_kind_, n);
    }
    if (IsWordByte(c)) {
      return Word();
    }
    switch (c) {
      case '.':
        return Make(TokenKind::kDot, 1);
      case '(':
        return Make(TokenKind::kOpen, 1);
      case ')':
        return Make(TokenKind::kClose, 1);
      case ';':
        return Make(TokenKind::kSemicolon, 1);
      case '<':
      case '>':
      case '=':
      case '~':
      case '!':
        return Make(TokenKind::kComparator, Run("<>=~!"));
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
      case '&':
      case '|':
      case '^':
        return Make(TokenKind::kOperator, 1);
      default:
        return Make(TokenKind::kOther, 1);
    }
  }

  std::size_t Run(std::string_view bytes) const {
    std::size_t n = 0;
    while (at_ + n < text_.size() && bytes.find(text_[at_ + n]) != std::string_view::npos) {
      ++n;
    }
    return n;
  }

  // A doubled quote stays inside. In '...' and "..." a backslash before the quote keeps it inside
  // too, unless no other quote follows.
  Token Quoted(char quote) const {
    // Looked up once: a text of a million quotes is no reason to search a million times.
    const std::size_t last_quote = last_quote_[kQuotes.find(quote)];
    std::size_t end = 0;
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '\\' && quote != '`' && i + 1 < text_.size() && text_[i + 1] == quote) {
        if (last_quote < i + 2) {
          end = i + 2;
          break;
        }
        ++i;
      } else if (text_[i] == quote) {
        if (i + 1 < text_.size() && text_[i + 1] == quote && last_quote >= i + 2) {
          ++i;
        } else {
          end = i + 1;
          break;
        }
      }
    }
    if (end == 0) {
      return Make(TokenKind::kOther, 1);
    }
    const TokenKind kind = quote == '`'   ? TokenKind::kName
                           : quote == '"' ? TokenKind::kSymbol
                                          : TokenKind::kString;
    return Make(kind, end - at_);
  }

  std::size_t Digits(std::size_t from) const {
    std::size_t n = from;
    while (IsDigit(Peek(n))) {
      ++n;
    }
    return n - from;
  }

  // The size of the number here, 0 for none; sets number_kind_.
  std::size_t NumberSize() {
    const std::size_t sign = Peek(0) == '-' ? 1 : 0;
    if (Peek(sign) == '0' && Upper(Peek(sign + 1)) == 'X') {
      std::size_t n = sign + 2;
      while (IsDigit(Peek(n)) || (Upper(Peek(n)) >= 'A' && Upper(Peek(n)) <= 'F')) {
        ++n;
      }
      number_kind_ = TokenKind::kOther;
      return n > sign + 2 ? n : 0;
    }
    const std::size_t whole = Digits(sign);
    std::size_t n = sign + whole;
    if (whole == 0) {
      if (Peek(n) != '.' || Digits(n + 1) == 0) {
        return 0;
      }
      n += 1 + Digits(n + 1);
      number_kind_ = TokenKind::kFloat;
      return EndsNumber(n) ? n : 0;
    }
    std::size_t fraction = 0;
    if (Peek(n) == '.') {
      fraction = 1 + Digits(n + 1);
    }
    // An exponent wants digits behind the point, if there is a point.
    const std::size_t before = fraction == 1 ? 0 : n + fraction;
    if (before != 0 && Upper(Peek(before)) == 'E') {
      const std::size_t exponent_sign = Peek(before + 1) == '-' ? 1 : 0;
      if (const std::size_t digits = Digits(before + 1 + exponent_sign); digits > 0) {
        number_kind_ = TokenKind::kFloat;
        return before + 1 + exponent_sign + digits;
      }
    }
    if (fraction > 0 && EndsNumber(n + fraction)) {
      number_kind_ = TokenKind::kFloat;
      return n + fraction;
    }
    number_kind_ = TokenKind::kInteger;
    return EndsNumber(n) ? n : 0;
  }
  bool EndsNumber(std::size_t n) const { return Peek(n) != '_' && !IsLetter(Peek(n)); }

  Token Word() const {
    std::size_t n = 1;
    while (IsWordByte(Peek(n)) || Peek(n) == '$' || Peek(n) == '#') {
      ++n;
    }
    const std::string_view word = text_.substr(at_, n);
    // Beside a dot, and before "(" unless it is IN or AS, every word is a name.
    std::size_t next = n;
    while (IsBlank(Peek(next))) {
      ++next;
    }
    const bool is_before_dot = Peek(next) == '.' && !IsDigit(Peek(next + 1));
    const bool is_behind_dot = !tokens_.empty() && tokens_.back().kind == TokenKind::kDot;
    const bool is_operator_word = EqualsIgnoringCase(word, "IN") ||
                                  EqualsIgnoringCase(word, "AS") ||
                                  EqualsIgnoringCase(word, "CASE");
    if (!is_operator_word && (is_before_dot || is_behind_dot || Peek(n) == '(')) {
      return Make(TokenKind::kName, n);
    }
    return KeywordOrName(word);
  }

  Token KeywordOrName(std::string_view word) const {
    const auto is = [&](std::string_view keyword) { return EqualsIgnoringCase(word, keyword); };
    const std::size_t n = word.size();
    if (is("LIKE") || is("ILIKE") || is("RLIKE") || is("REGEXP")) {
      return Make(TokenKind::kComparator, n);
    }
    if (is("NOT")) {
      const auto [size, second] = WordAfter(n);
      if (EqualsIgnoringCase(second, "NULL")) {
        return Make(TokenKind::kKeyword, size);
      }
      for (const std::string_view like : {"LIKE", "ILIKE", "RLIKE", "REGEXP"}) {
        if (EqualsIgnoringCase(second, like)) {
          return Make(TokenKind::kComparator, size);
        }
      }
    }
    if (is("ASC") || is("DESC")) {
      const auto [nulls_size, nulls] = WordAfter(n);
      if (EqualsIgnoringCase(nulls, "NULLS")) {
        const auto [size, place] = WordAfter(nulls_size);
        if (EqualsIgnoringCase(place, "FIRST") || EqualsIgnoringCase(place, "LAST")) {
          return Make(TokenKind::kOrder, size);
        }
      }
      return Make(TokenKind::kOrder, n);
    }
    if (std::any_of(kKeywords.begin(), kKeywords.end(), is)) {
      return Make(TokenKind::kKeyword, n);
    }
    if (std::any_of(kBuiltins.begin(), kBuiltins.end(), is)) {
      return Make(TokenKind::kBuiltin, n);
    }
    return Make(TokenKind::kName, n);
  }

  // The word behind the blanks that begin n bytes ahead, and the bytes ahead at which it ends.
  std::pair<std::size_t, std::string_view> WordAfter(std::size_t n) const {
    const std::size_t blank = n;
    while (IsBlank(Peek(n))) {
      ++n;
    }
    const std::size_t begin = n;
    while (n > blank && IsWordByte(Peek(n))) {
      ++n;
    }
    return {n, text_.substr(std::min(at_ + begin, text_.size()), n - begin)};
  }

  static constexpr std::string_view kQuotes = "`\"'";
  std::string_view text_;
  std::array<std::size_t, 3> last_quote_{};
  std::size_t at_ = 0;
  TokenKind number_kind_ = TokenKind::kInteger;
  std::vector<Token> tokens_;
};

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Upper(x) == Upper(y); });
}

std::vector<Token> Tokenize(std::string_view text) {
  return Lexer(text).Run();
}

}  // namespace millrace::tracking::internal
