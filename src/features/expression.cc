// SPDX-License-Identifier: Apache-2.0
// The parser of feature texts: recursive descent.
#include "features/expression.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/clock.h"
#include "base/nearest_name.h"
#include "features/internal/functions.h"
#include "features/internal/lexer.h"

namespace millrace::features {
namespace {

using internal::FunctionInfo;
using internal::kFunctions;
using internal::kMany;
using internal::Token;

constexpr std::array<std::string_view, 11> kAggregateNames = {
    "count",          "sum",       "avg", "min", "max", "stddev", "first", "last", "latest",
    "count_distinct", "days_since"};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lower;
}

/// Reads tokens from left to right; the first mistake stops it and is kept.
class Parser {
 public:
  Parser(std::vector<Token> tokens, base::SourceLocation where)
      : tokens_(std::move(tokens)), where_(std::move(where)) {}

  Result<ParsedAggregate> Aggregate();
  Result<Expression> Whole();

 private:
  // Deep enough for people, shallow enough for the stack.
  static constexpr int kMaximumDepth = 64;

  const Token& Peek() const { return tokens_[at_]; }
  Token Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool IsWord(std::string_view word) const {
    return Peek().kind == Token::Kind::kName && Lower(Peek().text) == word;
  }
  bool IsSign(std::string_view sign) const {
    return Peek().kind == Token::Kind::kSign && Peek().text == sign;
  }
  bool TakeWord(std::string_view word) { return IsWord(word) && (Take(), true); }
  bool TakeSign(std::string_view sign) { return IsSign(sign) && (Take(), true); }
  base::SourceLocation Here() const { return internal::PlaceOf(where_, Peek().offset); }

  std::string Seen() const {
    return Peek().kind == Token::Kind::kEnd ? "the end of the text" : "\"" + Peek().text + "\"";
  }
  Error Wanted(std::string_view wanted) const {
    return base::InvalidArgument("expected " + std::string(wanted) + ", found " + Seen())
        .At(Here());
  }
  Result<void> Expect(std::string_view sign) {
    return TakeSign(sign) ? Result<void>() : Wanted("\"" + std::string(sign) + "\"");
  }

  Result<void> Argument(ParsedAggregate& out);
  Result<void> Wrapped(ParsedAggregate& out);
  Result<std::string> ColumnName(ParsedAggregate& out);
  Result<void> Tail(ParsedAggregate& out);

  Result<Expression> Or(int depth);
  Result<Expression> And(int depth);
  Result<Expression> Not(int depth);
  Result<Expression> Comparison(int depth);
  Result<Expression> InList(Expression left);
  Result<Expression> Sum(int depth);
  Result<Expression> Product(int depth);
  Result<Expression> Unary(int depth);
  Result<Expression> Primary(int depth);
  Result<Expression> Call(const Token& name, int depth);

  static Expression Node(Operator op, base::SourceLocation where,
                         std::vector<Expression> arguments) {
    return {op, 0, {}, std::move(arguments), std::move(where)};
  }
  static Expression Binary(Operator op, Expression left, Expression right) {
    base::SourceLocation where = left.where;
    std::vector<Expression> arguments;
    arguments.push_back(std::move(left));
    arguments.push_back(std::move(right));
    return Node(op, std::move(where), std::move(arguments));
  }

  std::vector<Token> tokens_;
  base::SourceLocation where_;
  std::size_t at_ = 0;
};

Result<std::string> Parser::ColumnName(ParsedAggregate& out) {
  if (Peek().kind != Token::Kind::kName && Peek().kind != Token::Kind::kQuotedName) {
    return Wanted("a column name");
  }
  out.column_where = Here();
  return Take().text;
}

/// days_since(max(t)) and days_since(min(t)).
Result<void> Parser::Wrapped(ParsedAggregate& out) {
  const base::SourceLocation here = Here();
  const std::string inner = Lower(Peek().text);
  if (Peek().kind != Token::Kind::kName || (inner != "max" && inner != "min")) {
    return Wanted("max(column) or min(column)");
  }
  Take();
  MILL_RETURN_IF_ERROR(Expect("("));
  MILL_ASSIGN_OR_RETURN(out.column, ColumnName(out));
  out.function = "days_since_" + inner;
  return Expect(")");
}

Result<void> Parser::Argument(ParsedAggregate& out) {
  if (out.function == "days_since") {
    return Wrapped(out);
  }
  if (IsSign("*")) {
    if (out.function != "count") {
      return Wanted("a column name in " + out.function + "(...): only count takes *");
    }
    Take();
    return {};
  }
  MILL_ASSIGN_OR_RETURN(std::string name, ColumnName(out));
  if (!IsSign("(")) {
    out.column = std::move(name);
    return {};
  }
  if (out.function != "count_distinct" || Lower(name) != "month") {
    return base::InvalidArgument(out.function + "(" + name +
                                 "(...)): an aggregate takes a column, not an expression")
        .At(out.column_where)
        .Hint(
            "the two nested forms are count_distinct(month(t)) and days_since(max(t)); compute "
            "other values in the table's SQL");
  }
  Take();
  out.function = "count_distinct_month";
  MILL_ASSIGN_OR_RETURN(out.column, ColumnName(out));
  return Expect(")");
}

/// `where` and `over`, in either order, each at most once.
Result<void> Parser::Tail(ParsedAggregate& out) {
  while (Peek().kind != Token::Kind::kEnd) {
    const base::SourceLocation here = Here();
    if (TakeWord("where")) {
      if (out.filter.has_value()) {
        return base::InvalidArgument("a second where").At(here).Hint("join conditions with and");
      }
      MILL_ASSIGN_OR_RETURN(out.filter, Or(0));
    } else if (TakeWord("over")) {
      if (out.window_micros != 0) {
        return base::InvalidArgument("a second over").At(here).Hint("one feature has one window");
      }
      if (Peek().kind != Token::Kind::kDuration) {
        return Wanted("a window such as 30d, 12h or 15m");
      }
      const base::SourceLocation place = Here();
      Result<Duration> window = base::ParseDuration(Take().text);
      if (!window.ok()) {
        return std::move(window).error().At(place);
      }
      if (window->micros <= 0) {
        return base::InvalidArgument("a window must be longer than 0").At(place);
      }
      out.window_micros = window->micros;
    } else {
      return Wanted("where, over, or the end of the text");
    }
  }
  return {};
}

Result<ParsedAggregate> Parser::Aggregate() {
  ParsedAggregate out;
  const base::SourceLocation start = Here();
  if (Peek().kind != Token::Kind::kName) {
    return Wanted("an aggregate such as count(*) or sum(column)");
  }
  const std::string written = Take().text;
  out.function = Lower(written);
  if (std::find(kAggregateNames.begin(), kAggregateNames.end(), out.function) ==
      kAggregateNames.end()) {
    const std::vector<std::string> known(kAggregateNames.begin(), kAggregateNames.end());
    return base::InvalidArgument("unknown aggregate \"" + written + "\"" +
                                 base::DidYouMean(out.function, known))
        .At(start);
  }
  MILL_RETURN_IF_ERROR(Expect("("));
  MILL_RETURN_IF_ERROR(Argument(out));
  MILL_RETURN_IF_ERROR(Expect(")"));
  MILL_RETURN_IF_ERROR(Tail(out));
  return out;
}

Result<Expression> Parser::Whole() {
  MILL_ASSIGN_OR_RETURN(Expression whole, Or(0));
  if (Peek().kind != Token::Kind::kEnd) {
    return Wanted("an operator or the end of the text");
  }
  return whole;
}

Result<Expression> Parser::Or(int depth) {
  MILL_ASSIGN_OR_RETURN(Expression left, And(depth));
  while (TakeWord("or")) {
    MILL_ASSIGN_OR_RETURN(Expression right, And(depth));
    left = Binary(Operator::kOr, std::move(left), std::move(right));
  }
  return left;
}

Result<Expression> Parser::And(int depth) {
  MILL_ASSIGN_OR_RETURN(Expression left, Not(depth));
  while (TakeWord("and")) {
    MILL_ASSIGN_OR_RETURN(Expression right, Not(depth));
    left = Binary(Operator::kAnd, std::move(left), std::move(right));
  }
  return left;
}

Result<Expression> Parser::Not(int depth) {
  const base::SourceLocation here = Here();
  if (!TakeWord("not")) {
    return Comparison(depth);
  }
  if (depth >= kMaximumDepth) {
    return base::InvalidArgument("the expression is nested deeper than 64 levels").At(here);
  }
  MILL_ASSIGN_OR_RETURN(Expression inner, Not(depth + 1));
  std::vector<Expression> arguments;
  arguments.push_back(std::move(inner));
  return Node(Operator::kNot, here, std::move(arguments));
}

Result<Expression> Parser::InList(Expression left) {
  base::SourceLocation where = left.where;
  std::vector<Expression> arguments;
  arguments.push_back(std::move(left));
  MILL_RETURN_IF_ERROR(Expect("("));
  do {
    const bool is_negative = TakeSign("-");
    if (Peek().kind != Token::Kind::kNumber && (is_negative || Peek().kind != Token::Kind::kText)) {
      return Wanted("a number or a text in single quotes");
    }
    MILL_ASSIGN_OR_RETURN(Expression item, Primary(0));
    item.number = is_negative ? -item.number : item.number;
    arguments.push_back(std::move(item));
  } while (TakeSign(","));
  MILL_RETURN_IF_ERROR(Expect(")"));
  return Node(Operator::kIn, std::move(where), std::move(arguments));
}

Result<Expression> Parser::Comparison(int depth) {
  MILL_ASSIGN_OR_RETURN(Expression left, Sum(depth));
  static constexpr std::array<std::pair<std::string_view, Operator>, 6> kComparisons = {
      {{"=", Operator::kEqual},
       {"!=", Operator::kNotEqual},
       {"<", Operator::kLess},
       {"<=", Operator::kLessEqual},
       {">", Operator::kGreater},
       {">=", Operator::kGreaterEqual}}};
  for (const auto& [sign, op] : kComparisons) {
    if (TakeSign(sign)) {
      MILL_ASSIGN_OR_RETURN(Expression right, Sum(depth));
      return Binary(op, std::move(left), std::move(right));
    }
  }
  if (TakeWord("is")) {
    const bool is_not = TakeWord("not");
    if (!TakeWord("null")) {
      return Wanted("null");
    }
    base::SourceLocation where = left.where;
    std::vector<Expression> arguments;
    arguments.push_back(std::move(left));
    Expression test = Node(Operator::kIsNull, where, std::move(arguments));
    if (!is_not) {
      return test;
    }
    std::vector<Expression> inner;
    inner.push_back(std::move(test));
    return Node(Operator::kNot, where, std::move(inner));
  }
  const base::SourceLocation here = Here();
  const bool is_not = TakeWord("not");
  if (!TakeWord("in")) {
    return is_not ? Result<Expression>(Wanted("in")) : Result<Expression>(std::move(left));
  }
  MILL_ASSIGN_OR_RETURN(Expression test, InList(std::move(left)));
  if (!is_not) {
    return test;
  }
  std::vector<Expression> inner;
  inner.push_back(std::move(test));
  return Node(Operator::kNot, here, std::move(inner));
}

Result<Expression> Parser::Sum(int depth) {
  MILL_ASSIGN_OR_RETURN(Expression left, Product(depth));
  while (IsSign("+") || IsSign("-")) {
    const Operator op = Take().text == "+" ? Operator::kAdd : Operator::kSubtract;
    MILL_ASSIGN_OR_RETURN(Expression right, Product(depth));
    left = Binary(op, std::move(left), std::move(right));
  }
  return left;
}

Result<Expression> Parser::Product(int depth) {
  MILL_ASSIGN_OR_RETURN(Expression left, Unary(depth));
  while (IsSign("*") || IsSign("/")) {
    const Operator op = Take().text == "*" ? Operator::kMultiply : Operator::kDivide;
    MILL_ASSIGN_OR_RETURN(Expression right, Unary(depth));
    left = Binary(op, std::move(left), std::move(right));
  }
  return left;
}

Result<Expression> Parser::Unary(int depth) {
  const base::SourceLocation here = Here();
  if (depth >= kMaximumDepth) {
    return base::InvalidArgument("the expression is nested deeper than 64 levels").At(here);
  }
  if (!TakeSign("-")) {
    return Primary(depth);
  }
  MILL_ASSIGN_OR_RETURN(Expression inner, Unary(depth + 1));
  if (inner.op == Operator::kNumber) {
    inner.number = -inner.number;
    inner.where = here;
    return inner;
  }
  std::vector<Expression> arguments;
  arguments.push_back(std::move(inner));
  return Node(Operator::kNegate, here, std::move(arguments));
}

Result<Expression> Parser::Call(const Token& name, int depth) {
  const base::SourceLocation here = internal::PlaceOf(where_, name.offset);
  const std::string lower = Lower(name.text);
  const auto* function = std::find_if(kFunctions.begin(), kFunctions.end(),
                                      [&](const FunctionInfo& f) { return f.name == lower; });
  if (function == kFunctions.end()) {
    std::vector<std::string> known;
    for (const FunctionInfo& f : kFunctions) {
      known.emplace_back(f.name);
    }
    return base::InvalidArgument("unknown function \"" + name.text + "\"" +
                                 base::DidYouMean(lower, known))
        .At(here);
  }
  Take();
  std::vector<Expression> arguments;
  do {
    MILL_ASSIGN_OR_RETURN(Expression argument, Or(depth + 1));
    arguments.push_back(std::move(argument));
  } while (TakeSign(","));
  MILL_RETURN_IF_ERROR(Expect(")"));
  if (arguments.size() < function->minimum || arguments.size() > function->maximum) {
    return base::InvalidArgument(
               lower + " takes " + std::to_string(function->minimum) +
               (function->maximum == kMany ? " or more arguments, found " : " arguments, found ") +
               std::to_string(arguments.size()))
        .At(here);
  }
  return Node(function->op, here, std::move(arguments));
}

Result<Expression> Parser::Primary(int depth) {
  const base::SourceLocation here = Here();
  if (TakeSign("(")) {
    MILL_ASSIGN_OR_RETURN(Expression inner, Or(depth + 1));
    MILL_RETURN_IF_ERROR(Expect(")"));
    return inner;
  }
  const Token::Kind kind = Peek().kind;
  if (kind == Token::Kind::kNumber) {
    return Expression{Operator::kNumber, Take().number, {}, {}, here};
  }
  if (kind == Token::Kind::kText) {
    return Expression{Operator::kText, 0, Take().text, {}, here};
  }
  static constexpr std::array<std::string_view, 7> kWords = {"and", "or",    "not", "in",
                                                             "is",  "where", "over"};
  if (kind == Token::Kind::kName &&
      std::find(kWords.begin(), kWords.end(), Lower(Peek().text)) == kWords.end()) {
    const Token name = Take();
    if (IsSign("(")) {
      return Call(name, depth);
    }
    return Expression{Operator::kName, 0, name.text, {}, here};
  }
  if (kind == Token::Kind::kQuotedName) {
    return Expression{Operator::kName, 0, Take().text, {}, here};
  }
  return Wanted("a name, a number, a text in single quotes, or \"(\"");
}

}  // namespace

Result<ParsedAggregate> ParseAggregate(std::string_view text, const base::SourceLocation& where) {
  MILL_ASSIGN_OR_RETURN(std::vector<Token> tokens, internal::Lex(text, where));
  return Parser(std::move(tokens), where).Aggregate();
}

Result<Expression> ParseExpression(std::string_view text, const base::SourceLocation& where) {
  MILL_ASSIGN_OR_RETURN(std::vector<Token> tokens, internal::Lex(text, where));
  return Parser(std::move(tokens), where).Whole();
}

}  // namespace millrace::features
