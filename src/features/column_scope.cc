// SPDX-License-Identifier: Apache-2.0
// Names and types in filters.
#include "features/internal/column_scope.h"

#include <algorithm>

#include "base/clock.h"
#include "base/nearest_name.h"

namespace millrace::features::internal {
namespace {

using base::InvalidArgument;
using data::ColumnInfo;
using data::ColumnType;

ValueType ValueTypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return ValueType::kBoolean;
    case ColumnType::kString:
      return ValueType::kText;
    case ColumnType::kTimestamp:
      return ValueType::kTimestamp;
    default:
      return ValueType::kNumber;
  }
}

std::vector<std::string> NamesOf(const std::vector<ColumnInfo>& columns) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const ColumnInfo& column : columns) {
    names.push_back(column.name);
  }
  return names;
}

}  // namespace

std::string_view ValueTypeName(ValueType type) {
  switch (type) {
    case ValueType::kNumber:
      return "a number";
    case ValueType::kBoolean:
      return "a condition";
    case ValueType::kText:
      return "a text";
    case ValueType::kTimestamp:
      return "a timestamp";
  }
  return "";
}

const ColumnInfo* ColumnScope::Find(const std::string& name, const base::SourceLocation& where,
                                    std::string_view role) {
  for (const ColumnInfo& column : schema_) {
    if (column.name == name) {
      return &column;
    }
  }
  errors_.Add(InvalidArgument(std::string(role) + " \"" + name + "\" is no column of source \"" +
                              source_ + "\"" + base::DidYouMean(name, NamesOf(schema_)))
                  .At(where));
  return nullptr;
}

int ColumnScope::InputIndex(const ColumnInfo& column) {
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i].name == column.name) {
      return static_cast<int>(i);
    }
  }
  inputs_.push_back(column);
  return static_cast<int>(inputs_.size()) - 1;
}

std::optional<ValueType> ColumnScope::TypeOfName(Expression& e) {
  const bool is_column = std::any_of(schema_.begin(), schema_.end(), [&](const ColumnInfo& column) {
    return column.name == e.text;
  });
  if (!is_column && (e.text == "true" || e.text == "false")) {
    e.op = Operator::kNumber;
    e.number = e.text == "true" ? 1 : 0;
    e.text.clear();
    return ValueType::kBoolean;
  }
  const ColumnInfo* column = Find(e.text, e.where, "column");
  if (column == nullptr) {
    return std::nullopt;
  }
  e.number = InputIndex(*column);
  return ValueTypeOf(column->type);
}

/// Two sides compare if both are numbers (a condition counts as 0 or 1), both texts, both
/// timestamps, or a timestamp and a text literal that reads as one.
std::optional<ValueType> ColumnScope::TypeOfComparison(Expression& e,
                                                       const std::vector<ValueType>& types) {
  if (std::all_of(e.arguments.begin(), e.arguments.end(),
                  [](const Expression& side) { return side.op == Operator::kText; })) {
    errors_.Add(InvalidArgument(CanonicalText(e) + " compares texts with each other and no column")
                    .At(e.where)
                    .Hint("column names stand without quotes or in double quotes"));
    return std::nullopt;
  }
  const auto is_numeric = [](ValueType type) {
    return type == ValueType::kNumber || type == ValueType::kBoolean;
  };
  for (std::size_t i = 1; i < types.size(); ++i) {
    if (types[0] == types[i] || (is_numeric(types[0]) && is_numeric(types[i]))) {
      continue;
    }
    Expression* literal = nullptr;
    if (types[0] == ValueType::kTimestamp && e.arguments[i].op == Operator::kText) {
      literal = &e.arguments[i];
    } else if (types[i] == ValueType::kTimestamp && e.arguments[0].op == Operator::kText) {
      literal = e.arguments.data();
    }
    if (literal == nullptr) {
      errors_.Add(InvalidArgument("cannot compare " + std::string(ValueTypeName(types[0])) +
                                  " with " + std::string(ValueTypeName(types[i])) + " in " +
                                  CanonicalText(e))
                      .At(e.arguments[i].where)
                      .Hint("texts stand in single quotes, numbers without"));
      return std::nullopt;
    }
    const Result<Timestamp> instant = base::ParseTimestamp(literal->text);
    if (!instant.ok()) {
      errors_.Add(Error(instant.error()).At(literal->where));
      return std::nullopt;
    }
    literal->number = static_cast<double>(instant->micros);
    literal->text = base::FormatTimestamp(*instant);
  }
  return ValueType::kBoolean;
}

std::optional<ValueType> ColumnScope::TypeOf(Expression& e) {
  if (e.op == Operator::kNumber) {
    return ValueType::kNumber;
  }
  if (e.op == Operator::kText) {
    return ValueType::kText;
  }
  if (e.op == Operator::kName) {
    return TypeOfName(e);
  }
  std::vector<ValueType> types;
  for (Expression& argument : e.arguments) {
    const std::optional<ValueType> type = TypeOf(argument);
    if (!type.has_value()) {
      return std::nullopt;
    }
    types.push_back(*type);
  }
  switch (e.op) {
    case Operator::kIsNull:
      return ValueType::kBoolean;
    case Operator::kEqual:
    case Operator::kNotEqual:
    case Operator::kLess:
    case Operator::kLessEqual:
    case Operator::kGreater:
    case Operator::kGreaterEqual:
    case Operator::kIn:
      return TypeOfComparison(e, types);
    default:
      break;
  }
  const bool is_logic = e.op == Operator::kAnd || e.op == Operator::kOr || e.op == Operator::kNot;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool fits =
        types[i] == ValueType::kBoolean || (!is_logic && types[i] == ValueType::kNumber);
    if (!fits) {
      errors_.Add(InvalidArgument(CanonicalText(e) + " wants " +
                                  (is_logic ? "a condition" : "a number") + ", found " +
                                  std::string(ValueTypeName(types[i])))
                      .At(e.arguments[i].where));
      return std::nullopt;
    }
  }
  return is_logic ? ValueType::kBoolean : ValueType::kNumber;
}

}  // namespace millrace::features::internal
