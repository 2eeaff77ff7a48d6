// SPDX-License-Identifier: Apache-2.0
// The names of tables in the syntax tree of a SELECT.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::data::internal {

/// @param tree  what DuckDB's json_serialize_sql returns for one statement
/// @return the tables that it reads, sorted, without the names that its WITH clauses define.
///         - kInvalidArgument if the statement is no SELECT.
Result<std::vector<std::string>> TablesInTree(std::string_view tree);

}  // namespace millrace::data::internal
