// SPDX-License-Identifier: Apache-2.0
// Reading MLflow's SQLite database: what its source and its sink share.
#include "app/internal/transfer_sqlite.h"

namespace millrace::app::internal {

Result<tracking::Tags> Pairs(store::Metadata& database, std::string_view sql,
                             std::initializer_list<store::Value> params) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows, database.Query(sql, params));
  tracking::Tags pairs;
  for (const store::Row& row : rows) {
    pairs[Text(row[0])] = Text(row[1]);
  }
  return pairs;
}

Result<NameSet> ColumnsOf(store::Metadata& database, const std::string& table) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        database.Query("SELECT name FROM pragma_table_info(?)", {table}));
  NameSet columns;
  for (const store::Row& row : rows) {
    columns.insert(Text(row[0]));
  }
  return columns;
}

}  // namespace millrace::app::internal
