// SPDX-License-Identifier: Apache-2.0
// Signature: the columns that a model reads and gives, with MLflow's types and its JSON form.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::models {

/// One column of a signature.
struct ColumnSpec {
  /// On disk these are MLflow's names "double", "long" and "string".
  enum class Type { kDouble, kLong, kString };

  std::string name;
  Type type = Type::kDouble;
  /// False if a caller may leave the column out; it then counts as missing.
  bool required = true;

  bool operator==(const ColumnSpec&) const = default;
};

/// What a model reads, in the order of its features, and what it answers.
///
/// A column whose values may be null should be kDouble: MLflow has no null in "long" and refuses
/// NaN there.
struct Signature {
  std::vector<ColumnSpec> inputs;
  /// One column named `probability` unless said otherwise.
  std::vector<ColumnSpec> outputs = {{"probability", ColumnSpec::Type::kDouble, true}};

  /// Position of an input column, or nothing.
  std::optional<std::size_t> Find(std::string_view name) const;
  bool operator==(const Signature&) const = default;
};

/// MLflow's name of a column type: "double", "long", "string".
std::string_view ColumnTypeName(ColumnSpec::Type type);
/// The JSON list that an MLmodel file holds as text:
/// `[{"name":"a","required":true,"type":"double"}]`.
std::string ColumnsToJson(const std::vector<ColumnSpec>& columns);
/// Reads that list; kInvalidArgument names `source`, the entry and what is wrong (tensor and nested
/// types are refused).
Result<std::vector<ColumnSpec>> ColumnsFromJson(std::string_view json, std::string_view source);

}  // namespace millrace::models
