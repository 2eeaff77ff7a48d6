// SPDX-License-Identifier: Apache-2.0
// Owners for the handles of DuckDB's C API.
#pragma once

#include <duckdb.h>

namespace millrace::data::internal {

/// Owns a handle that `destroy(&handle)` frees.
template <typename Handle, void (*kDestroy)(Handle*)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  ~Owned() { kDestroy(&handle_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  Handle get() const { return handle_; }
  Handle* out() { return &handle_; }

 private:
  Handle handle_{};
};

inline void DestroyAppender(duckdb_appender* appender) {
  duckdb_appender_destroy(appender);
}

using OwnedDatabase = Owned<duckdb_database, duckdb_close>;
using OwnedConnection = Owned<duckdb_connection, duckdb_disconnect>;
using OwnedConfig = Owned<duckdb_config, duckdb_destroy_config>;
using OwnedResult = Owned<duckdb_result, duckdb_destroy_result>;
using OwnedChunk = Owned<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using OwnedLogicalType = Owned<duckdb_logical_type, duckdb_destroy_logical_type>;
using OwnedArrowOptions = Owned<duckdb_arrow_options, duckdb_destroy_arrow_options>;
using OwnedConvertedSchema =
    Owned<duckdb_arrow_converted_schema, duckdb_destroy_arrow_converted_schema>;
using OwnedErrorData = Owned<duckdb_error_data, duckdb_destroy_error_data>;
using OwnedAppender = Owned<duckdb_appender, DestroyAppender>;
using OwnedStatements = Owned<duckdb_extracted_statements, duckdb_destroy_extracted>;

}  // namespace millrace::data::internal
