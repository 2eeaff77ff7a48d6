// SPDX-License-Identifier: Apache-2.0
// Entity keys: one key, and a column of keys as requests carry it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "data/table.h"

namespace millrace::features {

/// The value that identifies an entity. An integer and its text are different keys.
using EntityKey = std::variant<std::int64_t, std::string>;

/// The key as people read it: 12346 or "22423".
std::string KeyText(const EntityKey& key);

/// A column of keys, integers or texts, with nulls. Copyable; immutable.
class KeyColumn {
 public:
  KeyColumn() = default;
  static KeyColumn Int64s(data::Int64Column column);
  static KeyColumn Int64s(std::vector<std::int64_t> values);
  static KeyColumn Strings(data::StringColumn column);
  static KeyColumn Strings(std::span<const std::string> values);
  /// An int64 or string column of a table; a double column is accepted if every value is a whole
  /// number or null (NaN is null).
  static Result<KeyColumn> FromTable(const data::Table& table, std::string_view column);

  std::size_t size() const { return is_text_ ? strings_.codes.size() : int64s_.values.size(); }
  data::ColumnType type() const {
    return is_text_ ? data::ColumnType::kString : data::ColumnType::kInt64;
  }
  bool IsNull(std::size_t i) const { return is_text_ ? strings_.codes[i] < 0 : int64s_.IsNull(i); }
  /// The key at i, which is not null.
  EntityKey At(std::size_t i) const;

  const data::Int64Column& int64s() const { return int64s_; }
  const data::StringColumn& strings() const { return strings_; }
  /// Adds the column to a table under construction.
  void AddTo(data::TableBuilder& builder, std::string name) const;

 private:
  bool is_text_ = false;
  data::Int64Column int64s_;
  data::StringColumn strings_;
};

}  // namespace millrace::features
