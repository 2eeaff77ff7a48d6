// SPDX-License-Identifier: Apache-2.0
// Splits filters and order_by texts into words, and words into groups, with the rules of sqlparse
// 0.6 that MLflow's clients can notice.
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

NodeKind KindOf(TokenKind kind) {
  switch (kind) {
    case TokenKind::kName:
    case TokenKind::kSymbol:
      return NodeKind::kIdentifier;
    case TokenKind::kString:
      return NodeKind::kString;
    case TokenKind::kInteger:
      return NodeKind::kInteger;
    case TokenKind::kFloat:
      return NodeKind::kFloat;
    case TokenKind::kComparator:
      return NodeKind::kComparator;
    case TokenKind::kKeyword:
      return NodeKind::kKeyword;
    case TokenKind::kOrder:
      return NodeKind::kOrder;
    case TokenKind::kBuiltin:
      return NodeKind::kBuiltin;
    case TokenKind::kSemicolon:
      return NodeKind::kSemicolon;
    default:
      return NodeKind::kOther;
  }
}

std::string_view Span(std::string_view text, std::string_view first, std::string_view last) {
  return text.substr(static_cast<std::size_t>(first.data() - text.data()),
                     static_cast<std::size_t>(last.data() + last.size() - first.data()));
}

bool IsName(TokenKind kind) {
  return kind == TokenKind::kName || kind == TokenKind::kSymbol;
}

// Index of the next token that is no blank, or tokens.size().
std::size_t SkipBlanks(const std::vector<Token>& tokens, std::size_t i) {
  while (i < tokens.size() && tokens[i].kind == TokenKind::kBlank) {
    ++i;
  }
  return i;
}

// For each "(", the index of its ")"; tokens.size() where there is none.
std::vector<std::size_t> MatchParentheses(const std::vector<Token>& tokens) {
  std::vector<std::size_t> closes(tokens.size(), tokens.size());
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].kind == TokenKind::kOpen) {
      open.push_back(i);
    } else if (tokens[i].kind == TokenKind::kClose && !open.empty()) {
      closes[open.back()] = i;
      open.pop_back();
    }
  }
  return closes;
}

bool IsOperand(NodeKind kind) {
  switch (kind) {
    case NodeKind::kIdentifier:
    case NodeKind::kString:
    case NodeKind::kInteger:
    case NodeKind::kFloat:
    case NodeKind::kParenthesis:
    case NodeKind::kFunction:
    case NodeKind::kOperation:
      return true;
    default:
      return false;
  }
}

bool IsNull(const Node& node) {
  return node.kind == NodeKind::kKeyword && EqualsIgnoringCase(node.text, "NULL");
}

bool IsOperator(const Node& node) {
  return node.kind == NodeKind::kOther && node.text.size() == 1 &&
         std::string_view("+-*/%&|^").find(node.text[0]) != std::string_view::npos;
}

bool IsKeyword(const Phrase& phrase, std::string_view word) {
  return phrase.node.kind == NodeKind::kKeyword && EqualsIgnoringCase(phrase.node.text, word);
}

Phrase Compare(std::string_view text, const Node& left, std::string_view comparator,
               const Node& right, const Node& last) {
  return {{NodeKind::kComparison, Span(text, left.text, last.text)}, left, comparator, right};
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Upper(x) == Upper(y); });
}

std::vector<Token> Tokenize(std::string_view text) {
  return Lexer(text).Run();
}

std::vector<Node> GroupNodes(std::string_view text, const std::vector<Token>& tokens) {
  const std::vector<std::size_t> closes = MatchParentheses(tokens);
  std::vector<Node> nodes;
  for (std::size_t i = SkipBlanks(tokens, 0); i < tokens.size(); i = SkipBlanks(tokens, i + 1)) {
    Node node{KindOf(tokens[i].kind), tokens[i].text};
    if (tokens[i].kind == TokenKind::kOpen && closes[i] < tokens.size()) {
      node = {NodeKind::kParenthesis, Span(text, tokens[i].text, tokens[closes[i]].text)};
      i = closes[i];
    } else if (IsName(tokens[i].kind)) {
      std::size_t last = i;
      for (std::size_t dot = SkipBlanks(tokens, i + 1);
           dot < tokens.size() && tokens[dot].kind == TokenKind::kDot;
           dot = SkipBlanks(tokens, last + 1)) {
        last = dot;
        const std::size_t next = SkipBlanks(tokens, dot + 1);
        if (next < tokens.size() &&
            (IsName(tokens[next].kind) || tokens[next].kind == TokenKind::kString)) {
          last = next;
        }
      }
      node = {NodeKind::kIdentifier, Span(text, tokens[i].text, tokens[last].text)};
      const std::size_t open = SkipBlanks(tokens, last + 1);
      if (tokens[last].kind == TokenKind::kName && open < tokens.size() &&
          tokens[open].kind == TokenKind::kOpen && closes[open] < tokens.size()) {
        node = {NodeKind::kFunction, Span(text, tokens[i].text, tokens[closes[open]].text)};
        last = closes[open];
      }
      i = last;
    }
    // `operand operator operand` becomes one operand.
    const std::size_t n = nodes.size();
    if (n >= 2 && IsOperand(node.kind) && IsOperator(nodes[n - 1]) &&
        IsOperand(nodes[n - 2].kind)) {
      nodes[n - 2] = {NodeKind::kOperation, Span(text, nodes[n - 2].text, node.text)};
      nodes.pop_back();
    } else {
      nodes.push_back(node);
    }
  }
  return nodes;
}

namespace {

// `x = 1`, then a name behind a comparison or an operand, which SQL reads as its alias.
std::vector<Phrase> GroupComparators(std::string_view text, const std::vector<Node>& nodes,
                                     bool is_trace_search) {
  std::vector<Phrase> phrases;
  const auto is_operand = [](const Node& node) { return IsOperand(node.kind) || IsNull(node); };
  // The bare word "timestamp" names a type in SQL; traces compare it with whole numbers only.
  const auto is_timestamp = [&](const Node& node, const Node& value) {
    return is_trace_search && node.kind == NodeKind::kBuiltin &&
           EqualsIgnoringCase(node.text, "timestamp") && value.kind == NodeKind::kInteger;
  };
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (i + 2 < nodes.size() && nodes[i + 1].kind == NodeKind::kComparator &&
        (is_operand(nodes[i]) || is_timestamp(nodes[i], nodes[i + 2])) &&
        is_operand(nodes[i + 2])) {
      phrases.push_back(Compare(text, nodes[i], nodes[i + 1].text, nodes[i + 2], nodes[i + 2]));
      i += 2;
      // `1 < x < 5` is a comparison whose left side is one.
      while (i + 2 < nodes.size() && nodes[i + 1].kind == NodeKind::kComparator &&
             is_operand(nodes[i + 2])) {
        const Node whole = phrases.back().node;
        phrases.back() = Compare(text, whole, nodes[i + 1].text, nodes[i + 2], nodes[i + 2]);
        i += 2;
      }
    } else {
      phrases.push_back({nodes[i], {}, {}, {}});
    }
  }
  std::vector<Phrase> aliased;
  bool may_take_alias = false;
  for (const Phrase& phrase : phrases) {
    const NodeKind kind = phrase.node.kind;
    if (may_take_alias && kind == NodeKind::kIdentifier) {
      aliased.back().node = {NodeKind::kIdentifier,
                             Span(text, aliased.back().node.text, phrase.node.text)};
      may_take_alias = false;
      continue;
    }
    aliased.push_back(phrase);
    may_take_alias = kind == NodeKind::kComparison || kind == NodeKind::kString
                         ? kind == NodeKind::kComparison
                         : IsOperand(kind);
  }
  return aliased;
}

}  // namespace

std::vector<Phrase> GroupPhrases(std::string_view text, const std::vector<Node>& nodes,
                                 bool is_trace_search) {
  const std::vector<Phrase> phrases = GroupComparators(text, nodes, is_trace_search);
  std::vector<Phrase> joined;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    const std::size_t left = phrases.size() - i - 1;
    const Node& node = phrases[i].node;
    if (node.kind == NodeKind::kIdentifier && left >= 2) {
      const Phrase& second = phrases[i + 1];
      const Phrase& third = phrases[i + 2];
      if (IsKeyword(second, "IN") && third.node.kind == NodeKind::kParenthesis) {
        joined.push_back(Compare(text, node, "IN", third.node, third.node));
        i += 2;
        continue;
      }
      if (IsKeyword(second, "IS") && IsKeyword(third, "NULL")) {
        joined.push_back(Compare(text, node, "IS NULL", {}, third.node));
        i += 2;
        continue;
      }
      if (IsKeyword(second, "IS") && third.node.kind == NodeKind::kKeyword &&
          third.node.text.size() > 4 && EqualsIgnoringCase(third.node.text.substr(0, 3), "NOT")) {
        joined.push_back(Compare(text, node, "IS NOT NULL", {}, third.node));
        i += 2;
        continue;
      }
      if (left >= 3 && IsKeyword(second, "NOT") && IsKeyword(third, "IN") &&
          phrases[i + 3].node.kind == NodeKind::kParenthesis) {
        joined.push_back(Compare(text, node, "NOT IN", phrases[i + 3].node, phrases[i + 3].node));
        i += 3;
        continue;
      }
    }
    joined.push_back(phrases[i]);
  }
  return joined;
}

}  // namespace millrace::tracking::internal
