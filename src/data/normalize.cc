// SPDX-License-Identifier: Apache-2.0
// Conversion of Arrow columns to the five column types.
#include "data/internal/normalize.h"

#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/initialize.h>

#include "data/internal/arrow_status.h"

namespace millrace::data::internal {
namespace {

Result<std::shared_ptr<arrow::ChunkedArray>> CastTo(
    const std::shared_ptr<arrow::ChunkedArray>& column,
    const std::shared_ptr<arrow::DataType>& type, const std::string& name) {
  MILL_RETURN_IF_ERROR(StartCompute());
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
  // Nanoseconds lose their last three digits; decimals and large integers round to the nearest
  // double.
  options.allow_time_truncate = true;
  options.allow_float_truncate = true;
  options.allow_decimal_truncate = true;
  MILL_ASSIGN_OR_RETURN(
      arrow::Datum cast,
      Check(arrow::compute::Cast(arrow::Datum(column), options),
            "converting from " + column->type()->ToString() + " to " + type->ToString(),
            "column \"" + name + "\""));
  return cast.chunked_array();
}

Result<std::shared_ptr<arrow::ChunkedArray>> Convert(
    const std::shared_ptr<arrow::ChunkedArray>& column, ColumnType target,
    const std::string& name) {
  const std::shared_ptr<arrow::DataType> type = ArrowType(target);
  if (column->type()->Equals(*type)) {
    return column;
  }
  if (column->type()->id() == arrow::Type::TIMESTAMP) {
    // First the unit, then the zone is dropped: Arrow stores zoned instants in UTC, so that their
    // numbers stay.
    const auto& zoned = static_cast<const arrow::TimestampType&>(*column->type());
    std::shared_ptr<arrow::ChunkedArray> micros = column;
    if (zoned.unit() != arrow::TimeUnit::MICRO) {
      MILL_ASSIGN_OR_RETURN(
          micros, CastTo(column, arrow::timestamp(arrow::TimeUnit::MICRO, zoned.timezone()), name));
    }
    return Check(micros->View(type), "converting to UTC", "column \"" + name + "\"");
  }
  if (column->type()->id() == arrow::Type::DICTIONARY) {
    const auto& dictionary = static_cast<const arrow::DictionaryType&>(*column->type());
    MILL_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::ChunkedArray> plain,
                          CastTo(column, dictionary.value_type(), name));
    return Convert(plain, target, name);
  }
  return CastTo(column, type, name);
}

}  // namespace

Result<void> StartCompute() {
  static std::once_flag once;
  static arrow::Status status;
  std::call_once(once, [] { status = arrow::compute::Initialize(); });
  return Check(status, "starting Arrow's compute kernels", "");
}

std::optional<ColumnType> TargetType(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return ColumnType::kBool;
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      return ColumnType::kInt64;
    case arrow::Type::NA:  // a column of nothing but nulls
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      return ColumnType::kDouble;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return ColumnType::kString;
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
    case arrow::Type::TIMESTAMP:
      return ColumnType::kTimestamp;
    case arrow::Type::DICTIONARY:
      return TargetType(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return std::nullopt;
  }
}

std::shared_ptr<arrow::DataType> ArrowType(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return arrow::boolean();
    case ColumnType::kInt64:
      return arrow::int64();
    case ColumnType::kDouble:
      return arrow::float64();
    case ColumnType::kString:
      return arrow::utf8();
    case ColumnType::kTimestamp:
      return arrow::timestamp(arrow::TimeUnit::MICRO);
  }
  return arrow::null();
}

Result<std::shared_ptr<arrow::Table>> Normalize(const std::shared_ptr<arrow::Table>& table) {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  std::unordered_set<std::string> seen;
  for (int i = 0; i < table->num_columns(); ++i) {
    const std::string& name = table->field(i)->name();
    if (!seen.insert(name).second) {
      return base::InvalidArgument("two columns are named \"" + name + "\"; names must differ")
          .Hint("rename one of them, for example by AS in SQL");
    }
    const std::optional<ColumnType> target = TargetType(*table->field(i)->type());
    if (!target.has_value()) {
      return base::InvalidArgument("column \"" + name + "\" has the type " +
                                   table->field(i)->type()->ToString() +
                                   "; wanted a boolean, integer, number, text, date or timestamp")
          .Hint("convert it by SQL (CAST) or leave it out");
    }
    MILL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::ChunkedArray> column,
                          Convert(table->column(i), *target, name));
    fields.push_back(arrow::field(name, ArrowType(*target)));
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns),
                            table->num_rows());
}

}  // namespace millrace::data::internal
