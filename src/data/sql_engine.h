// SPDX-License-Identifier: Apache-2.0
// SqlEngine: SQL over files and tables. DuckDB is the embedded one; others take its place behind
// the same interface.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "data/table.h"

namespace millrace::data {

/// SQL over registered files and tables. Results keep the order of the query; without ORDER BY that
/// of the input. Times are UTC. One call at a time: not thread-safe.
class SqlEngine {
 public:
  virtual ~SqlEngine() = default;

  /// Makes `name` a view over the rows of the files, in the given order; all Parquet or all CSV.
  /// Columns are matched by name. The view replaces an earlier one of that name.
  virtual Result<void> AddFiles(std::string_view name,
                                std::span<const std::filesystem::path> files) = 0;
  /// Makes `name` a table with the rows of `table`; it replaces an earlier one of that name.
  virtual Result<void> AddTable(std::string_view name, const Table& table) = 0;
  /// Runs one statement; the result of a statement that returns nothing is an empty table.
  ///   - kInvalidArgument carries the engine's message for a mistake in the SQL or in the data;
  ///   - kNotFound for a table that does not exist (names those that do);
  ///   - kCancelled and kDeadlineExceeded as the context says: the query is interrupted.
  virtual Result<Table> Query(const Context& context, std::string_view sql) = 0;
  /// Columns of the result of a query, without running it.
  virtual Result<std::vector<ColumnInfo>> Describe(std::string_view sql) = 0;
};

struct DuckDbOptions {
  int threads = 2;
  std::string memory_limit = "4GB";
};

/// An in-memory DuckDB: UTC, insertion order kept, no download of extensions.
Result<std::unique_ptr<SqlEngine>> OpenDuckDb(const DuckDbOptions& options = {});

/// The tables that a SELECT statement reads, sorted; names that the statement itself defines (WITH)
/// are left out.
///   - kInvalidArgument for a syntax error: `where().line` is the line inside `sql`.
Result<std::vector<std::string>> ReferencedTables(std::string_view sql);

}  // namespace millrace::data
