// SPDX-License-Identifier: Apache-2.0
// Expressions over columns, evaluated a block of rows at a time: filters over events, derived
// features over rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "features/expression.h"

namespace millrace::features::internal {

/// A column that an expression reads: numbers (NaN is null), or codes of texts (-1 is null) with
/// their values.
struct VectorColumn {
  const double* numbers = nullptr;
  const std::int32_t* codes = nullptr;
  const std::vector<std::string>* texts = nullptr;
};

/// An expression bound to columns; `Expression::number` of each kName is the index of its column.
/// Values are doubles, null is NaN, conditions are 1, 0 or null with SQL's three-valued logic. Null
/// goes through arithmetic; a division by zero, and every result that is not finite, is null.
/// greatest and least skip nulls (as in Spark, PostgreSQL and DuckDB); if takes its third argument
/// when the condition is null. Thread-safe.
class VectorExpression {
 public:
  VectorExpression(const Expression& expression, std::span<const VectorColumn> columns);

  /// Values of rows [begin, begin + n) into out.
  void Evaluate(std::size_t begin, std::size_t n, double* out) const;

 private:
  struct Node {
    Operator op = Operator::kNumber;
    double number = 0;
    VectorColumn column;
    bool is_text_condition = false;
    /// For conditions on one text column and literals: the answer by code.
    std::vector<std::uint8_t> answers;
    std::vector<Node> arguments;
  };

  static Node Bind(const Expression& expression, std::span<const VectorColumn> columns);
  static bool BindTextCondition(const Expression& expression, std::span<const VectorColumn> columns,
                                Node& node);
  static void Run(const Node& node, std::size_t begin, std::size_t n, double* out);
  static void RunTexts(const Node& node, std::size_t begin, std::size_t n, double* out);
  static void RunMany(const Node& node, std::size_t begin, std::size_t n, double* out);

  Node root_;
};

}  // namespace millrace::features::internal
