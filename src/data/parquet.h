// SPDX-License-Identifier: Apache-2.0
// Parquet files: read whole or by column, written atomically with bytes that depend on the table
// alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "data/location.h"
#include "data/table.h"

namespace millrace::data {

/// Reads a file, or only the named columns (empty means all), in the order asked for.
///   - kNotFound if there is no such file;
///   - kDataLoss if it is empty, truncated or no Parquet file: says what the first and last bytes
///   are and what they should be;
///   - kInvalidArgument names an unknown column with the nearest name.
Result<Table> ReadParquet(const Context& context, const Location& location,
                          std::span<const std::string> columns = {});

/// Writes a table: zstd, row groups of 128 Ki rows, dictionary encoding. The same table gives the
/// same bytes, however it was chunked. A crash leaves the old file or the new one.
Result<void> WriteParquet(const Context& context, const Table& table,
                          const std::filesystem::path& path);

/// What the footer of a file says.
struct ParquetInfo {
  std::vector<ColumnInfo> columns;
  std::int64_t rows = 0;
};

/// Reads the footer only; errors as ReadParquet.
Result<ParquetInfo> ParquetSchema(const Location& location);

}  // namespace millrace::data
