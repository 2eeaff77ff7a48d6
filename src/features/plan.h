// SPDX-License-Identifier: Apache-2.0
// ViewPlan: what a feature view compiles to, typed and hashed. History, stream and request
// evaluation consume the same plan.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "data/table.h"
#include "features/expression.h"
#include "features/spec.h"

namespace millrace::features {

enum class AggregateFunction {
  kCountRows,
  kCount,
  kSum,
  kAvg,
  kMin,
  kMax,
  kStddev,
  kCountDistinct,
  /// Distinct calendar year-months (UTC) of a timestamp column.
  kCountDistinctMonths,
  /// (as-of - max(t)) in days as a double: microseconds / 86,400e6.
  kDaysSinceMax,
  kDaysSinceMin,
  /// First and last value that is not null, by (event time, created, sequence).
  kFirst,
  kLast,
  /// The value, null or not, of the row that rule 1 of time looks up; no filter, no window.
  kLatest,
};

/// One aggregate of a view. Indices point into the ViewPlan.
struct Aggregate {
  AggregateFunction function = AggregateFunction::kCountRows;
  /// Index into ViewPlan::inputs, -1 for count(*).
  int input = -1;
  /// Index into ViewPlan::filters, -1 for none.
  int filter = -1;
  /// Microseconds, 0 for all history.
  std::int64_t window_micros = 0;
};

/// A column of the evaluated view.
struct FeatureColumn {
  std::string name;
  /// kInt64 for counts, otherwise kDouble.
  data::ColumnType type = data::ColumnType::kDouble;
  /// The canonical text of what it computes.
  std::string definition;
  bool is_derived = false;
  /// Index into ViewPlan::aggregates, or into ViewPlan::derived.
  int index = 0;
};

/// A compiled feature view. Immutable once compiled; copyable.
struct ViewPlan {
  std::string name;
  std::string description;
  std::string entity;
  /// The key column and its type, kInt64 or kString.
  std::string key;
  data::ColumnType key_type = data::ColumnType::kInt64;
  std::string source;
  std::string time;
  /// Empty if the view has none.
  std::string created;
  bool as_known_then = true;
  bool lookup_includes_now = true;
  bool include_now = false;
  /// 0 = no limit.
  std::int64_t ttl_micros = 0;

  /// Source columns that aggregates and filters read, each once.
  std::vector<data::ColumnInfo> inputs;
  /// Conditions over inputs, type-checked, each distinct one once.
  std::vector<Expression> filters;
  std::vector<Aggregate> aggregates;
  /// Expressions over columns; a kName's `number` is the index into `columns`. In the order in
  /// which they can be computed.
  std::vector<Expression> derived;
  /// Outputs in file order: features, then derived.
  std::vector<FeatureColumn> columns;

  /// Hash over the meaning: names, source, column types, rules of time, canonical texts.
  /// Descriptions, blanks and file places do not enter.
  ContentHash hash;

  std::vector<std::string> ColumnNames() const;
};

/// Finds the columns of a source or table by its name; an unknown name is an error that the caller
/// words.
using SchemaOf = std::function<Result<std::vector<data::ColumnInfo>>(std::string_view source)>;

/// Compiles every view of a file. All mistakes of the file are told at once (`Error::others`), each
/// with file, line, column inside the text and the nearest name: unknown columns and functions,
/// types that do not fit, a cycle of derived features, a name given twice, a ttl or window that is
/// not positive.
Result<std::vector<ViewPlan>> CompileFeatures(const FeatureFile& file, const SchemaOf& schema_of);

}  // namespace millrace::features
