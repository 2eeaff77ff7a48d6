// SPDX-License-Identifier: Apache-2.0
// Table: named columns of equal length in memory, immutable and cheap to copy; Arrow inside, five
// column types outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/result.h"

// Declared here, not included: users of Table need no header of Arrow.
namespace arrow {
class Table;
}  // namespace arrow

namespace millrace::data {

/// What a column holds. Every other type is converted when a table is made: smaller integers to
/// kInt64, float and decimal to kDouble, date to kTimestamp at midnight UTC, timestamps of any unit
/// and zone to UTC microseconds, large and dictionary strings to kString.
enum class ColumnType { kBool, kInt64, kDouble, kString, kTimestamp };

/// "bool", "int64", "double", "string" or "timestamp".
std::string_view ColumnTypeName(ColumnType type);

/// A column's name and type.
struct ColumnInfo {
  std::string name;
  ColumnType type = ColumnType::kDouble;
  bool operator==(const ColumnInfo&) const = default;
};

/// Integers or UTC microseconds; where is_null[i] is 1 the value at i is 0 and means nothing.
struct Int64Column {
  std::vector<std::int64_t> values;
  /// Empty if no value is null, otherwise one 0 or 1 per value.
  std::vector<std::uint8_t> is_null;

  bool IsNull(std::size_t i) const { return !is_null.empty() && is_null[i] != 0; }
};

/// Texts as codes into their distinct values, numbered in the order of first appearance; code -1 is
/// null.
struct StringColumn {
  std::vector<std::int32_t> codes;
  std::vector<std::string> values;
};

/// An immutable table. Copies share the data. Thread-safe.
class Table {
 public:
  /// A table without columns and rows.
  Table();

  /// Takes an Arrow table and converts its columns to the five types.
  ///   - kInvalidArgument names a column of a type that has no counterpart (lists, structs,
  ///   binary), two columns of one name,
  ///     or a uint64 value that does not fit into int64.
  static Result<Table> FromArrow(std::shared_ptr<arrow::Table> table);

  const std::shared_ptr<arrow::Table>& arrow() const { return table_; }
  std::int64_t rows() const;
  std::vector<std::string> names() const;
  std::vector<ColumnInfo> columns() const;
  bool Has(std::string_view name) const;

  /// All readers of one column: kInvalidArgument names an unknown column with the nearest name, or
  /// a column of another type.
  Result<ColumnType> TypeOf(std::string_view name) const;
  /// bool, int64 and double columns; null and NaN are NaN; bool is 0 or 1.
  Result<std::vector<double>> Doubles(std::string_view name) const;
  /// bool and int64 columns.
  Result<Int64Column> Int64s(std::string_view name) const;
  /// Timestamp columns, UTC microseconds.
  Result<Int64Column> Timestamps(std::string_view name) const;
  /// String columns.
  Result<StringColumn> Strings(std::string_view name) const;

  /// The named columns in the given order.
  Result<Table> Select(std::span<const std::string> columns) const;
  /// Rows [offset, offset + n), cut at the end of the table; shares the data.
  Table Slice(std::int64_t offset, std::int64_t n) const;
  /// The rows in the given order; indices lie in [0, rows()).
  Result<Table> Take(std::span<const std::int64_t> row_indices) const;
  /// The rows of `tables` one after another; names and types must agree, the order of columns is
  /// that of the first.
  static Result<Table> Concatenate(std::span<const Table> tables);

  /// Hash over names, types, values and nulls in order; independent of chunks, of dictionary or
  /// file encoding, and of the bytes behind nulls. All NaN are equal and differ from null.
  ContentHash Hash() const;

 private:
  explicit Table(std::shared_ptr<arrow::Table> table) : table_(std::move(table)) {}
  Result<int> IndexOf(std::string_view name) const;
  Error WrongType(std::string_view name, std::string_view wanted) const;

  std::shared_ptr<arrow::Table> table_;
};

/// Makes a Table column by column. Mistakes (lengths that differ, a name given twice) are told by
/// Finish.
class TableBuilder {
 public:
  TableBuilder();
  ~TableBuilder();
  TableBuilder(TableBuilder&&) noexcept;
  TableBuilder& operator=(TableBuilder&&) noexcept;

  /// NaN is stored as null.
  TableBuilder& AddDoubles(std::string name, std::vector<double> values);
  /// `is_null` is empty or holds one 0 or 1 per value.
  TableBuilder& AddInt64s(std::string name, std::vector<std::int64_t> values,
                          const std::vector<std::uint8_t>& is_null = {});
  TableBuilder& AddInt64s(std::string name, Int64Column column);
  /// UTC microseconds.
  TableBuilder& AddTimestamps(std::string name, std::vector<std::int64_t> micros,
                              const std::vector<std::uint8_t>& is_null = {});
  TableBuilder& AddTimestamps(std::string name, Int64Column column);
  TableBuilder& AddStrings(std::string name, const StringColumn& column);
  TableBuilder& AddStrings(std::string name, const std::vector<std::string>& values,
                           const std::vector<std::uint8_t>& is_null = {});
  /// 0 is false, everything else true.
  TableBuilder& AddBools(std::string name, const std::vector<std::uint8_t>& values,
                         const std::vector<std::uint8_t>& is_null = {});
  /// A column of another table, shared.
  TableBuilder& AddColumn(const Table& table, std::string_view name);

  /// The table; the builder is empty afterwards.
  Result<Table> Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// An error about an unknown column: names it, the nearest existing name, and all names (the first
/// 20).
Error UnknownColumn(std::string_view column, std::span<const std::string> existing);

}  // namespace millrace::data
