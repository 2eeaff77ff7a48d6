// SPDX-License-Identifier: Apache-2.0
// Evaluation of expressions block by block.
#include "features/internal/vector_expression.h"

#include <cmath>

#include "features/aggregates.h"

namespace millrace::features::internal {
namespace {

bool Compare(Operator op, int order) {
  switch (op) {
    case Operator::kEqual:
      return order == 0;
    case Operator::kNotEqual:
      return order != 0;
    case Operator::kLess:
      return order < 0;
    case Operator::kLessEqual:
      return order <= 0;
    case Operator::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Operator Mirrored(Operator op) {
  switch (op) {
    case Operator::kLess:
      return Operator::kGreater;
    case Operator::kLessEqual:
      return Operator::kGreaterEqual;
    case Operator::kGreater:
      return Operator::kLess;
    case Operator::kGreaterEqual:
      return Operator::kLessEqual;
    default:
      return op;
  }
}

bool IsComparison(Operator op) {
  using enum Operator;
  return op == kEqual || op == kNotEqual || op == kLess || op == kLessEqual || op == kGreater ||
         op == kGreaterEqual;
}

double Finite(double value) {
  return std::isfinite(value) ? value : kNull;
}
double Condition(bool value) {
  return value ? 1.0 : 0.0;
}

/// One operation on two numbers, either of which may be null.
double Binary(Operator op, double a, double b) {
  if (op == Operator::kAnd) {
    return a == 0 || b == 0 ? 0.0 : std::isnan(a) || std::isnan(b) ? kNull : 1.0;
  }
  if (op == Operator::kOr) {
    const bool is_true = (!std::isnan(a) && a != 0) || (!std::isnan(b) && b != 0);
    return is_true ? 1.0 : std::isnan(a) || std::isnan(b) ? kNull : 0.0;
  }
  if (std::isnan(a) || std::isnan(b)) {
    return kNull;
  }
  switch (op) {
    case Operator::kAdd:
      return Finite(a + b);
    case Operator::kSubtract:
      return Finite(a - b);
    case Operator::kMultiply:
      return Finite(a * b);
    case Operator::kDivide:
      return Finite(a / b);
    default:
      return Condition(Compare(op, a < b ? -1 : a > b ? 1 : 0));
  }
}

double Unary(Operator op, double a) {
  if (op == Operator::kIsNull) {
    return Condition(std::isnan(a));
  }
  if (std::isnan(a)) {
    return kNull;
  }
  switch (op) {
    case Operator::kNegate:
      return -a;
    case Operator::kNot:
      return Condition(a == 0);
    case Operator::kAbs:
      return std::fabs(a);
    case Operator::kLn:
      return Finite(std::log(a));
    case Operator::kLog1p:
      return Finite(std::log1p(a));
    default:
      return Finite(std::sqrt(a));
  }
}

}  // namespace

VectorExpression::VectorExpression(const Expression& expression,
                                   std::span<const VectorColumn> columns)
    : root_(Bind(expression, columns)) {
}

/// A comparison of one text column with literals, or its test for null, is answered once per
/// distinct text.
bool VectorExpression::BindTextCondition(const Expression& expression,
                                         std::span<const VectorColumn> columns, Node& node) {
  const auto text_column = [&](const Expression& e) -> const VectorColumn* {
    if (e.op != Operator::kName) {
      return nullptr;
    }
    const VectorColumn& column = columns[static_cast<std::size_t>(e.number)];
    return column.codes != nullptr ? &column : nullptr;
  };
  const bool is_in = expression.op == Operator::kIn;
  if (!IsComparison(expression.op) && !is_in) {
    return false;
  }
  const bool is_mirrored = !is_in && expression.arguments[0].op == Operator::kText;
  const VectorColumn* column = text_column(expression.arguments[is_mirrored ? 1 : 0]);
  if (column == nullptr || (!is_mirrored && expression.arguments[1].op != Operator::kText)) {
    return false;
  }
  node.column = *column;
  node.is_text_condition = true;
  node.answers.reserve(column->texts->size());
  for (const std::string& text : *column->texts) {
    bool answer = false;
    if (is_in) {
      for (std::size_t i = 1; i < expression.arguments.size(); ++i) {
        answer = answer || text == expression.arguments[i].text;
      }
    } else {
      const std::string& literal = expression.arguments[is_mirrored ? 0 : 1].text;
      answer =
          Compare(is_mirrored ? Mirrored(expression.op) : expression.op, text.compare(literal));
    }
    node.answers.push_back(answer ? 1 : 0);
  }
  return true;
}

VectorExpression::Node VectorExpression::Bind(const Expression& expression,
                                              std::span<const VectorColumn> columns) {
  Node node;
  node.op = expression.op;
  if (BindTextCondition(expression, columns, node)) {
    return node;
  }
  if (expression.op == Operator::kName) {
    node.column = columns[static_cast<std::size_t>(expression.number)];
    return node;
  }
  if (expression.op == Operator::kText) {
    // Only a literal beside a timestamp is left here; the compiler put its microseconds into
    // `number`.
    node.op = Operator::kNumber;
  }
  node.number = expression.number;
  for (const Expression& argument : expression.arguments) {
    node.arguments.push_back(Bind(argument, columns));
  }
  // Two text columns beside each other, or the test of one for null.
  node.is_text_condition = (IsComparison(node.op) || node.op == Operator::kIsNull) &&
                           node.arguments[0].op == Operator::kName &&
                           node.arguments[0].column.codes != nullptr;
  return node;
}

void VectorExpression::Evaluate(std::size_t begin, std::size_t n, double* out) const {
  Run(root_, begin, n, out);
}

/// Conditions on texts: by the prepared answers, or two text columns with each other.
void VectorExpression::RunTexts(const Node& node, std::size_t begin, std::size_t n, double* out) {
  if (node.arguments.empty()) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t code = node.column.codes[begin + i];
      out[i] = code < 0 ? kNull : node.answers[static_cast<std::size_t>(code)];
    }
    return;
  }
  const VectorColumn& a = node.arguments[0].column;
  if (node.op == Operator::kIsNull) {
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = Condition(a.codes[begin + i] < 0);
    }
    return;
  }
  const VectorColumn& b = node.arguments[1].column;
  for (std::size_t i = 0; i < n; ++i) {
    const std::int32_t x = a.codes[begin + i];
    const std::int32_t y = b.codes[begin + i];
    out[i] = x < 0 || y < 0
                 ? kNull
                 : Condition(Compare(node.op, (*a.texts)[static_cast<std::size_t>(x)].compare(
                                                  (*b.texts)[static_cast<std::size_t>(y)])));
  }
}

/// Functions of any number of arguments, folded from the left; and if and in.
void VectorExpression::RunMany(const Node& node, std::size_t begin, std::size_t n, double* out) {
  Run(node.arguments[0], begin, n, out);
  std::vector<double> second(n);
  if (node.op == Operator::kIf) {
    std::vector<double> third(n);
    Run(node.arguments[1], begin, n, second.data());
    Run(node.arguments[2], begin, n, third.data());
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = !std::isnan(out[i]) && out[i] != 0 ? second[i] : third[i];
    }
    return;
  }
  const std::vector<double> first =
      node.op == Operator::kIn ? std::vector<double>(out, out + n) : std::vector<double>();
  for (std::size_t k = 1; k < node.arguments.size(); ++k) {
    Run(node.arguments[k], begin, n, second.data());
    for (std::size_t i = 0; i < n; ++i) {
      const double next = second[i];
      switch (node.op) {
        case Operator::kIn: {
          const double so_far = k == 1 ? 0.0 : out[i];
          out[i] = std::isnan(first[i]) ? kNull : Condition(so_far != 0 || first[i] == next);
          break;
        }
        case Operator::kCoalesce:
          out[i] = std::isnan(out[i]) ? next : out[i];
          break;
        case Operator::kGreatest:
          out[i] = std::isnan(out[i]) || next > out[i] ? next : out[i];
          break;
        default:
          out[i] = std::isnan(out[i]) || next < out[i] ? next : out[i];
          break;
      }
    }
  }
}

void VectorExpression::Run(const Node& node, std::size_t begin, std::size_t n, double* out) {
  if (node.is_text_condition) {
    RunTexts(node, begin, n, out);
    return;
  }
  switch (node.op) {
    case Operator::kNumber:
      for (std::size_t i = 0; i < n; ++i) {
        out[i] = node.number;
      }
      return;
    case Operator::kName:
      for (std::size_t i = 0; i < n; ++i) {
        out[i] = node.column.numbers[begin + i];
      }
      return;
    case Operator::kIf:
    case Operator::kIn:
    case Operator::kCoalesce:
    case Operator::kGreatest:
    case Operator::kLeast:
      RunMany(node, begin, n, out);
      return;
    default:
      break;
  }
  Run(node.arguments[0], begin, n, out);
  if (node.arguments.size() == 1) {
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = Unary(node.op, out[i]);
    }
    return;
  }
  std::vector<double> right(n);
  Run(node.arguments[1], begin, n, right.data());
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = Binary(node.op, out[i], right[i]);
  }
}

}  // namespace millrace::features::internal
