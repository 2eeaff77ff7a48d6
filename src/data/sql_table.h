// SPDX-License-Identifier: Apache-2.0
// SqlTable: a transformation in tables/*.sql, one SELECT under a header of comment lines.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/result.h"

namespace millrace::data {

/// A table defined by SQL. The header is the block of `-- name: value` lines at the top of the
/// file:
///
///     -- table: transactions
///     -- kind: materialized_view
///     -- description: Purchases after cleaning.
///     -- time: invoice_date
///     -- key: customer_id
///     SELECT ... FROM retail ...
struct SqlTable {
  /// A word of lower-case letters, digits and underscores.
  std::string name;
  /// "materialized_view": computed whole from its inputs.
  std::string kind;
  std::string description;
  /// The column of the event time and of the entity's key; empty if not stated.
  std::string time;
  std::string key;
  /// The tables and sources that the SELECT reads, found in the SQL; sorted.
  std::vector<std::string> depends;
  /// The whole file: SQL ignores the header.
  std::string sql;
  /// The line of `-- table:`.
  base::SourceLocation where;
};

/// Reads one file's text. Every error carries file and line: a missing `table` line, an unknown or
/// repeated header word (with the nearest one), an unknown kind, no statement, more than one, or a
/// mistake in its syntax.
Result<SqlTable> ParseSqlTable(std::string_view text, std::string_view file_name);

/// Every *.sql file of a folder in the order of names; none if there is no such folder. All errors
/// at once.
///   - kInvalidArgument also names two files that define one table.
Result<std::vector<SqlTable>> ReadSqlTables(const std::filesystem::path& dir);

/// The tables in an order in which each comes after those it depends on; ties in the order of
/// names.
///   - kInvalidArgument names the tables of a circle.
Result<std::vector<SqlTable>> OrderByDependency(std::vector<SqlTable> tables);

}  // namespace millrace::data
