// SPDX-License-Identifier: Apache-2.0
// The small closed grammar of feature texts: lexer, parser, typed trees, and their canonical form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/result.h"

namespace millrace::features {

/// What a node of an expression does. kNumber and kText are literals, kName a column (in filters)
/// or a feature (in derived).
enum class Operator {
  kNumber,
  kText,
  kName,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kNegate,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kNot,
  kIn,
  kIsNull,
  kGreatest,
  kLeast,
  kCoalesce,
  kAbs,
  kLn,
  kLog1p,
  kSqrt,
  kIf,
};

/// A tree as parsed. `where` is the place of its first character in the project file.
struct Expression {
  Operator op = Operator::kNumber;
  double number = 0;
  /// The text of kText, the name of kName.
  std::string text;
  std::vector<Expression> arguments;
  base::SourceLocation where;
};

/// The text of one feature as parsed: `function(argument) [where filter] [over window]` in either
/// order of the two.
struct ParsedAggregate {
  /// "count", "sum", ..., "days_since_max", "days_since_min", "count_distinct_month".
  std::string function;
  /// The argument column; empty for count(*).
  std::string column;
  base::SourceLocation column_where;
  std::optional<Expression> filter;
  /// The window in microseconds; 0 = all history.
  std::int64_t window_micros = 0;
};

/// Reads a feature text. Errors carry the file, line and column inside the text and name the
/// nearest known word.
Result<ParsedAggregate> ParseAggregate(std::string_view text, const base::SourceLocation& where);
/// Reads an expression over features (`derived`), or a condition over columns (a filter on its
/// own).
Result<Expression> ParseExpression(std::string_view text, const base::SourceLocation& where);

/// The one text of a tree's meaning: fully parenthesised, one blank between words, shortest
/// numbers. Two texts that differ in blanks, letter case of words, or superfluous parentheses have
/// one canonical form.
std::string CanonicalText(const Expression& expression);

}  // namespace millrace::features
