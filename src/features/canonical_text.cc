// SPDX-License-Identifier: Apache-2.0
// The canonical text of expressions.
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "base/number_format.h"
#include "features/expression.h"
#include "features/internal/functions.h"

namespace millrace::features {
namespace {

using internal::FunctionInfo;
using internal::kFunctions;

std::string Joined(std::span<const std::string> texts) {
  std::string joined;
  for (const std::string& text : texts) {
    joined += (joined.empty() ? "" : ", ") + text;
  }
  return joined;
}

std::string Quoted(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) {
    quoted.append(c == quote ? 2 : 1, c);
  }
  return quoted + quote;
}

std::string NameText(std::string_view name) {
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  return is_plain && !name.empty() && !(name[0] >= '0' && name[0] <= '9') ? std::string(name)
                                                                          : Quoted(name, '"');
}

std::string_view InfixSign(Operator op) {
  switch (op) {
    case Operator::kAdd:
      return " + ";
    case Operator::kSubtract:
      return " - ";
    case Operator::kMultiply:
      return " * ";
    case Operator::kDivide:
      return " / ";
    case Operator::kEqual:
      return " = ";
    case Operator::kNotEqual:
      return " != ";
    case Operator::kLess:
      return " < ";
    case Operator::kLessEqual:
      return " <= ";
    case Operator::kGreater:
      return " > ";
    case Operator::kGreaterEqual:
      return " >= ";
    case Operator::kAnd:
      return " and ";
    case Operator::kOr:
      return " or ";
    default:
      return {};
  }
}

}  // namespace

std::string CanonicalText(const Expression& expression) {
  std::vector<std::string> arguments;
  arguments.reserve(expression.arguments.size());
  for (const Expression& argument : expression.arguments) {
    arguments.push_back(CanonicalText(argument));
  }
  if (const std::string_view sign = InfixSign(expression.op); !sign.empty()) {
    return "(" + arguments[0] + std::string(sign) + arguments[1] + ")";
  }
  switch (expression.op) {
    case Operator::kNumber:
      return base::FormatDouble(expression.number);
    case Operator::kText:
      return Quoted(expression.text, '\'');
    case Operator::kName:
      return NameText(expression.text);
    case Operator::kNegate:
      return "(-" + arguments[0] + ")";
    case Operator::kNot:
      return "(not " + arguments[0] + ")";
    case Operator::kIn:
      // The order of the list has no meaning.
      std::sort(arguments.begin() + 1, arguments.end());
      arguments.erase(std::unique(arguments.begin() + 1, arguments.end()), arguments.end());
      return "(" + arguments[0] + " in (" + Joined(std::span(arguments).subspan(1)) + "))";
    default:
      break;
  }
  const auto* function = std::find_if(kFunctions.begin(), kFunctions.end(),
                                      [&](const FunctionInfo& f) { return f.op == expression.op; });
  return std::string(function->name) + "(" + Joined(arguments) + ")";
}

}  // namespace millrace::features
