// SPDX-License-Identifier: Apache-2.0
// CSV files, plain or compressed by gzip, to tables: types are found or declared, null marks and
// timestamps by rule.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "data/location.h"
#include "data/table.h"

namespace millrace::data {

struct CsvOptions {
  char delimiter = ',';
  /// Texts that mean null, in every column; quoted or not.
  std::vector<std::string> missing_values = {"", "NA", "N/A", "NaN", "nan", "null", "NULL"};
  /// Columns whose type is declared; all others are found from the values.
  std::vector<ColumnInfo> types;
};

/// Reads a CSV file with a header line. Timestamps are ISO 8601 ("2010-06-01", "2010-06-01
/// 08:00:00", with T, zone, fraction);
/// `.gz` files are decompressed.
///   - kNotFound if there is no such file; kInvalidArgument if it is empty, a row has another
///   number of fields than the header
///     (names both numbers and the row), a header name stands twice, a declared column does not
///     exist, or a value does not fit its declared type.
Result<Table> ReadCsv(const Context& context, const Location& location,
                      const CsvOptions& options = {});

/// Reads by the ending of the name: .parquet, .csv or .csv.gz; kInvalidArgument otherwise.
Result<Table> ReadAny(const Context& context, const Location& location);

}  // namespace millrace::data
