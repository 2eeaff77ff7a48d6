// SPDX-License-Identifier: Apache-2.0
// Table: reading columns out of Arrow, and tables out of tables.
#include "data/table.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include <arrow/api.h>
#include <arrow/compute/api_vector.h>

#include "base/nearest_name.h"
#include "data/internal/arrow_status.h"
#include "data/internal/normalize.h"

namespace millrace::data {
namespace {

using internal::Check;

// Every column of a Table has one of the five Arrow types, so that the casts below are safe.
ColumnType TypeOfField(const arrow::Field& field) {
  return *internal::TargetType(*field.type());
}

// Calls visit(array, first_row) for each chunk of a column.
template <typename Array, typename Visit>
void ForChunks(const arrow::ChunkedArray& column, const Visit& visit) {
  std::size_t first_row = 0;
  for (const std::shared_ptr<arrow::Array>& chunk : column.chunks()) {
    visit(static_cast<const Array&>(*chunk), first_row);
    first_row += static_cast<std::size_t>(chunk->length());
  }
}

template <typename Array>
std::vector<double> ToDoubles(const arrow::ChunkedArray& column) {
  std::vector<double> out(static_cast<std::size_t>(column.length()));
  ForChunks<Array>(column, [&](const Array& array, std::size_t first_row) {
    const bool has_nulls = array.null_count() > 0;
    for (std::int64_t i = 0; i < array.length(); ++i) {
      const double value = static_cast<double>(array.Value(i));
      out[first_row + static_cast<std::size_t>(i)] =
          has_nulls && array.IsNull(i) ? std::numeric_limits<double>::quiet_NaN() : value;
    }
  });
  return out;
}

template <typename Array>
Int64Column ToInt64s(const arrow::ChunkedArray& column) {
  Int64Column out;
  out.values.resize(static_cast<std::size_t>(column.length()));
  if (column.null_count() > 0) {
    out.is_null.resize(out.values.size());
  }
  ForChunks<Array>(column, [&](const Array& array, std::size_t first_row) {
    const bool has_nulls = array.null_count() > 0;
    for (std::int64_t i = 0; i < array.length(); ++i) {
      const std::size_t row = first_row + static_cast<std::size_t>(i);
      if (has_nulls && array.IsNull(i)) {
        out.is_null[row] = 1;
      } else {
        out.values[row] = static_cast<std::int64_t>(array.Value(i));
      }
    }
  });
  return out;
}

StringColumn ToStrings(const arrow::ChunkedArray& column) {
  StringColumn out;
  out.codes.resize(static_cast<std::size_t>(column.length()));
  // The views point into the column's buffers, which outlive the map.
  std::unordered_map<std::string_view, std::int32_t> code_of;
  ForChunks<arrow::StringArray>(
      column, [&](const arrow::StringArray& array, std::size_t first_row) {
        for (std::int64_t i = 0; i < array.length(); ++i) {
          std::int32_t code = -1;
          if (array.IsValid(i)) {
            const std::string_view text = array.GetView(i);
            const auto [entry, is_new] =
                code_of.try_emplace(text, static_cast<std::int32_t>(out.values.size()));
            if (is_new) {
              out.values.emplace_back(text);
            }
            code = entry->second;
          }
          out.codes[first_row + static_cast<std::size_t>(i)] = code;
        }
      });
  return out;
}

}  // namespace

std::string_view ColumnTypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return "bool";
    case ColumnType::kInt64:
      return "int64";
    case ColumnType::kDouble:
      return "double";
    case ColumnType::kString:
      return "string";
    case ColumnType::kTimestamp:
      return "timestamp";
  }
  return "unknown";
}

Error UnknownColumn(std::string_view column, std::span<const std::string> existing) {
  return base::InvalidArgument(
      "unknown column \"" + std::string(column) + "\"" +
      (existing.empty() ? "; the table has no columns" : base::DidYouMean(column, existing)));
}

Table::Table()
    : table_(
          arrow::Table::Make(arrow::schema(arrow::FieldVector{}), arrow::ChunkedArrayVector{}, 0)) {
}

Result<Table> Table::FromArrow(std::shared_ptr<arrow::Table> table) {
  MILL_ASSIGN_OR_RETURN(
      std::shared_ptr<arrow::Table> normalized,
      internal::Guarded("converting", "a table", [&] { return internal::Normalize(table); }));
  return Table(std::move(normalized));
}

std::int64_t Table::rows() const {
  return table_->num_rows();
}

std::vector<std::string> Table::names() const {
  return table_->ColumnNames();
}

std::vector<ColumnInfo> Table::columns() const {
  std::vector<ColumnInfo> out;
  for (const std::shared_ptr<arrow::Field>& field : table_->fields()) {
    out.push_back({field->name(), TypeOfField(*field)});
  }
  return out;
}

bool Table::Has(std::string_view name) const {
  return table_->schema()->GetFieldIndex(std::string(name)) >= 0;
}

Result<int> Table::IndexOf(std::string_view name) const {
  const int index = table_->schema()->GetFieldIndex(std::string(name));
  if (index < 0) {
    return UnknownColumn(name, names());
  }
  return index;
}

Error Table::WrongType(std::string_view name, std::string_view wanted) const {
  const Result<ColumnType> type = TypeOf(name);
  return base::InvalidArgument("column \"" + std::string(name) + "\" holds " +
                               std::string(ColumnTypeName(type.value())) + " values; wanted " +
                               std::string(wanted))
      .Hint("convert it by SQL (CAST) in the table that makes it");
}

Result<ColumnType> Table::TypeOf(std::string_view name) const {
  MILL_ASSIGN_OR_RETURN(const int index, IndexOf(name));
  return TypeOfField(*table_->field(index));
}

Result<std::vector<double>> Table::Doubles(std::string_view name) const {
  MILL_ASSIGN_OR_RETURN(const int index, IndexOf(name));
  const arrow::ChunkedArray& column = *table_->column(index);
  switch (TypeOfField(*table_->field(index))) {
    case ColumnType::kDouble:
      return ToDoubles<arrow::DoubleArray>(column);
    case ColumnType::kInt64:
      return ToDoubles<arrow::Int64Array>(column);
    case ColumnType::kBool:
      return ToDoubles<arrow::BooleanArray>(column);
    default:
      return WrongType(name, "numbers");
  }
}

Result<Int64Column> Table::Int64s(std::string_view name) const {
  MILL_ASSIGN_OR_RETURN(const int index, IndexOf(name));
  const arrow::ChunkedArray& column = *table_->column(index);
  switch (TypeOfField(*table_->field(index))) {
    case ColumnType::kInt64:
      return ToInt64s<arrow::Int64Array>(column);
    case ColumnType::kBool:
      return ToInt64s<arrow::BooleanArray>(column);
    default:
      return WrongType(name, "int64 or bool");
  }
}

Result<Int64Column> Table::Timestamps(std::string_view name) const {
  MILL_ASSIGN_OR_RETURN(const int index, IndexOf(name));
  if (TypeOfField(*table_->field(index)) != ColumnType::kTimestamp) {
    return WrongType(name, "timestamps");
  }
  return ToInt64s<arrow::TimestampArray>(*table_->column(index));
}

Result<StringColumn> Table::Strings(std::string_view name) const {
  MILL_ASSIGN_OR_RETURN(const int index, IndexOf(name));
  if (TypeOfField(*table_->field(index)) != ColumnType::kString) {
    return WrongType(name, "strings");
  }
  return ToStrings(*table_->column(index));
}

Result<Table> Table::Select(std::span<const std::string> columns) const {
  std::vector<int> indices;
  for (const std::string& name : columns) {
    MILL_ASSIGN_OR_RETURN(const int index, IndexOf(name));
    indices.push_back(index);
  }
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Table> selected,
                        Check(table_->SelectColumns(indices), "selecting columns", ""));
  return Table(std::move(selected));
}

Table Table::Slice(std::int64_t offset, std::int64_t n) const {
  const std::int64_t begin = std::clamp<std::int64_t>(offset, 0, rows());
  return Table(table_->Slice(begin, std::clamp<std::int64_t>(n, 0, rows() - begin)));
}

Result<Table> Table::Take(std::span<const std::int64_t> row_indices) const {
  for (const std::int64_t index : row_indices) {
    if (index < 0 || index >= rows()) {
      return base::InvalidArgument("row " + std::to_string(index) + " is outside the table of " +
                                   std::to_string(rows()) + " rows");
    }
  }
  return internal::Guarded("taking rows of", "a table", [&]() -> Result<Table> {
    MILL_RETURN_IF_ERROR(internal::StartCompute());
    const auto n = static_cast<std::int64_t>(row_indices.size());
    auto indices = std::make_shared<arrow::Int64Array>(
        n,
        std::make_shared<arrow::Buffer>(reinterpret_cast<const std::uint8_t*>(row_indices.data()),
                                        n * static_cast<std::int64_t>(sizeof(std::int64_t))));
    // One chunk per column first: Arrow's kernel looks every index up in the list of chunks
    // otherwise.
    MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Table> flat,
                          Check(table_->CombineChunks(), "copying", "a table"));
    MILL_ASSIGN_OR_RETURN(arrow::Datum taken,
                          Check(arrow::compute::Take(arrow::Datum(flat), arrow::Datum(indices),
                                                     arrow::compute::TakeOptions::NoBoundsCheck()),
                                "taking rows", ""));
    return Table(taken.table());
  });
}

Result<Table> Table::Concatenate(std::span<const Table> tables) {
  if (tables.empty()) {
    return Table();
  }
  const std::vector<std::string> names = tables[0].names();
  std::vector<std::shared_ptr<arrow::Table>> parts;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    if (tables[i].table_->num_columns() != tables[0].table_->num_columns()) {
      return base::InvalidArgument("table " + std::to_string(i + 1) + " has " +
                                   std::to_string(tables[i].table_->num_columns()) +
                                   " columns; the first has " + std::to_string(names.size()));
    }
    MILL_ASSIGN_OR_RETURN(const Table ordered, tables[i].Select(names));
    for (int c = 0; c < ordered.table_->num_columns(); ++c) {
      const ColumnType first = TypeOfField(*tables[0].table_->field(c));
      const ColumnType type = TypeOfField(*ordered.table_->field(c));
      if (first != type) {
        return base::InvalidArgument("column \"" + ordered.table_->field(c)->name() + "\" holds " +
                                     std::string(ColumnTypeName(type)) + " values in table " +
                                     std::to_string(i + 1) + " but " +
                                     std::string(ColumnTypeName(first)) + " values in the first");
      }
    }
    parts.push_back(ordered.table_);
  }
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Table> all,
                        Check(arrow::ConcatenateTables(parts), "putting tables together", ""));
  return Table(std::move(all));
}

}  // namespace millrace::data
