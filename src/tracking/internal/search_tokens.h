// SPDX-License-Identifier: Apache-2.0
// The words of a filter or order_by text, grouped as SQL groups them: identifiers with dots,
// parentheses, operations. What they mean is not known here.
#pragma once

#include <string_view>
#include <vector>

namespace millrace::tracking::internal {

enum class TokenKind {
  kBlank,
  /// A bare or back-ticked word.
  kName,
  /// A text in double quotes.
  kSymbol,
  /// A text in single quotes.
  kString,
  kInteger,
  kFloat,
  /// "=", "<>", "LIKE", "NOT ILIKE", any run of <>=~!
  kComparator,
  kKeyword,
  /// "ASC", "DESC NULLS LAST"
  kOrder,
  /// Names of SQL types: never an identifier of their own.
  kBuiltin,
  kDot,
  kOpen,
  kClose,
  kSemicolon,
  kOperator,
  kOther
};

/// A piece of the text, which must outlive it.
struct Token {
  TokenKind kind = TokenKind::kOther;
  std::string_view text;
};

/// Cost: O(n). Every byte is in exactly one token, in order.
std::vector<Token> Tokenize(std::string_view text);

enum class NodeKind {
  kIdentifier,
  kString,
  kInteger,
  kFloat,
  kComparator,
  kKeyword,
  kOrder,
  kBuiltin,
  kParenthesis,
  kFunction,
  kOperation,
  kComparison,
  kSemicolon,
  kOther
};

/// A group of tokens without the blanks around it.
struct Node {
  NodeKind kind = NodeKind::kOther;
  std::string_view text;
};

/// A node, or `left comparator right` where kind is kComparison; `right` is empty for IS NULL.
struct Phrase {
  Node node;
  Node left;
  std::string_view comparator;
  Node right;
};

/// Identifiers, numbers, texts, parentheses, functions, operations; no comparisons yet.
std::vector<Node> GroupNodes(std::string_view text, const std::vector<Token>& tokens);
/// The nodes with comparisons grouped, IN and IS among them.
/// @param is_trace_search  the built-in word "timestamp" is a field there
std::vector<Phrase> GroupPhrases(std::string_view text, const std::vector<Node>& nodes,
                                 bool is_trace_search);

bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace millrace::tracking::internal
