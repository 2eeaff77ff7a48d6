// SPDX-License-Identifier: Apache-2.0
// The columns that a view's texts may name, and the types of its filters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/config.h"
#include "data/table.h"
#include "features/expression.h"

namespace millrace::features::internal {

/// What an expression in a filter yields.
enum class ValueType { kNumber, kBoolean, kText, kTimestamp };

/// "a number", "a condition", "a text" or "a timestamp".
std::string_view ValueTypeName(ValueType type);

/// The columns of one source. Mistakes go to the list of the whole file.
class ColumnScope {
 public:
  ColumnScope(std::vector<data::ColumnInfo> schema, std::string source, base::ErrorList& errors)
      : schema_(std::move(schema)), source_(std::move(source)), errors_(errors) {}

  /// The column, or null with an error that names the nearest one.
  const data::ColumnInfo* Find(const std::string& name, const base::SourceLocation& where,
                               std::string_view role);
  /// The column's index in `inputs`, where it is added if it is new.
  int InputIndex(const data::ColumnInfo& column);
  /// Binds the names of an expression to inputs and finds its type; nullopt after an error.
  std::optional<ValueType> TypeOf(Expression& e);
  /// Every column that was named so far, once.
  const std::vector<data::ColumnInfo>& inputs() const { return inputs_; }

 private:
  std::optional<ValueType> TypeOfName(Expression& e);
  std::optional<ValueType> TypeOfComparison(Expression& e, const std::vector<ValueType>& types);

  std::vector<data::ColumnInfo> schema_;
  std::string source_;
  base::ErrorList& errors_;
  std::vector<data::ColumnInfo> inputs_;
};

}  // namespace millrace::features::internal
