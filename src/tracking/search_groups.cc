// SPDX-License-Identifier: Apache-2.0
// Groups the words of filters and order_by texts: identifiers, operations, comparisons.
#include <cstddef>

#include "tracking/internal/search_tokens.h"

namespace millrace::tracking::internal {
namespace {

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
