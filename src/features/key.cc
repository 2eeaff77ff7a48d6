// SPDX-License-Identifier: Apache-2.0
// Key columns from tables and vectors.
#include "features/key.h"

#include <cmath>
#include <utility>

namespace millrace::features {

std::string KeyText(const EntityKey& key) {
  if (const auto* number = std::get_if<std::int64_t>(&key)) {
    return std::to_string(*number);
  }
  return "\"" + std::get<std::string>(key) + "\"";
}

KeyColumn KeyColumn::Int64s(data::Int64Column column) {
  KeyColumn keys;
  keys.int64s_ = std::move(column);
  return keys;
}

KeyColumn KeyColumn::Int64s(std::vector<std::int64_t> values) {
  return Int64s(data::Int64Column{std::move(values), {}});
}

KeyColumn KeyColumn::Strings(data::StringColumn column) {
  KeyColumn keys;
  keys.is_text_ = true;
  keys.strings_ = std::move(column);
  return keys;
}

KeyColumn KeyColumn::Strings(std::span<const std::string> values) {
  data::StringColumn column;
  // Equal texts may have several codes here; readers compare the texts.
  column.values.assign(values.begin(), values.end());
  column.codes.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    column.codes.push_back(static_cast<std::int32_t>(i));
  }
  return Strings(std::move(column));
}

Result<KeyColumn> KeyColumn::FromTable(const data::Table& table, std::string_view column) {
  MILL_ASSIGN_OR_RETURN(const data::ColumnType type, table.TypeOf(column));
  if (type == data::ColumnType::kString) {
    MILL_ASSIGN_OR_RETURN(data::StringColumn texts, table.Strings(column));
    return Strings(std::move(texts));
  }
  if (type == data::ColumnType::kInt64) {
    MILL_ASSIGN_OR_RETURN(data::Int64Column numbers, table.Int64s(column));
    return Int64s(std::move(numbers));
  }
  if (type != data::ColumnType::kDouble) {
    return base::InvalidArgument("key column \"" + std::string(column) + "\" has type " +
                                 std::string(data::ColumnTypeName(type)) +
                                 ", wanted int64 or string");
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<double> values, table.Doubles(column));
  data::Int64Column numbers;
  numbers.values.resize(values.size());
  numbers.is_null.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      numbers.is_null[i] = 1;
      continue;
    }
    // Above 2^53 a double cannot hold every whole number, so two keys could become one.
    if (values[i] != std::trunc(values[i]) || std::fabs(values[i]) > 9007199254740992.0) {
      return base::InvalidArgument("key column \"" + std::string(column) +
                                   "\" has type double and holds " + std::to_string(values[i]) +
                                   " in row " + std::to_string(i) + ", wanted whole numbers")
          .Hint("cast the key to an integer or a string");
    }
    numbers.values[i] = static_cast<std::int64_t>(values[i]);
  }
  return Int64s(std::move(numbers));
}

EntityKey KeyColumn::At(std::size_t i) const {
  if (is_text_) {
    return strings_.values[static_cast<std::size_t>(strings_.codes[i])];
  }
  return int64s_.values[i];
}

void KeyColumn::AddTo(data::TableBuilder& builder, std::string name) const {
  if (is_text_) {
    builder.AddStrings(std::move(name), strings_);
  } else {
    builder.AddInt64s(std::move(name), int64s_.values, int64s_.is_null);
  }
}

}  // namespace millrace::features
