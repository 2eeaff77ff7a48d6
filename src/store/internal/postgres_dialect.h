// SPDX-License-Identifier: Apache-2.0
// The one place that knows how SQL written for SQLite differs for PostgreSQL.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::store::internal {

struct PostgresSql {
  std::string text;
  std::size_t n_params = 0;
};

/// The same statements for PostgreSQL. Keywords are recognised in capitals, as all our SQL has
/// them; texts in quotes and comments stay as they are.
///
///   - `?` becomes `$1`, `$2`, ...
///   - INTEGER is BIGINT, INTEGER PRIMARY KEY an identity column that takes given values too,
///     REAL is DOUBLE PRECISION
///   - TEXT columns have COLLATE "C": texts are compared by their bytes
///   - WITHOUT ROWID and STRICT are dropped
PostgresSql ToPostgres(std::string_view sql);

}  // namespace millrace::store::internal
