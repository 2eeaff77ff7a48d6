// SPDX-License-Identifier: Apache-2.0
// SqlEngine on an in-memory DuckDB, through its C API; data crosses as Arrow arrays.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/cast.h>

#include "data/csv.h"
#include "data/internal/arrow_status.h"
#include "data/internal/duckdb_handles.h"
#include "data/internal/normalize.h"
#include "data/internal/sql_names.h"
#include "data/parquet.h"
#include "data/sql_engine.h"

namespace millrace::data {
namespace {

using internal::Check;
using internal::Guarded;

// DuckDB's vectors hold this many rows; an appended chunk may not be longer.
constexpr std::int64_t kVectorRows = 2048;

std::string Quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    out.append(c == quote ? 2 : 1, c);
  }
  out.push_back(quote);
  return out;
}

// Cuts DuckDB's text ("Parser Error: syntax error ...\n\nLINE 3: SELECT\n   ^") into a sentence and
// the line it points to.
Error FromDuckDb(duckdb_error_type type, std::string_view text) {
  int line = 0;
  const std::size_t mark = text.find("\nLINE ");
  if (mark != std::string_view::npos) {
    const std::string_view number = text.substr(mark + 6);
    std::from_chars(number.data(), number.data() + number.size(), line);
    text = text.substr(0, mark);
  }
  std::string message;
  for (const char c : text) {
    if (c != '\n') {
      message.push_back(c);
    } else if (!message.empty() && message.back() != ' ') {
      message.push_back(' ');
    }
  }
  while (!message.empty() && message.back() == ' ') {
    message.pop_back();
  }
  ErrorCode code = ErrorCode::kInvalidArgument;
  if (type == DUCKDB_ERROR_CATALOG && message.find("Table with name") != std::string::npos) {
    code = ErrorCode::kNotFound;
  } else if (type == DUCKDB_ERROR_OUT_OF_MEMORY) {
    code = ErrorCode::kResourceExhausted;
  } else if (type == DUCKDB_ERROR_IO) {
    code = ErrorCode::kUnavailable;
  } else if (type == DUCKDB_ERROR_INTERRUPT) {
    code = ErrorCode::kCancelled;
  } else if (type == DUCKDB_ERROR_INTERNAL || type == DUCKDB_ERROR_FATAL) {
    code = ErrorCode::kInternal;
  }
  Error error(code, std::move(message));
  return line > 0 ? std::move(error).At({"SQL", line, 0}) : error;
}

// DuckDB checks for an interrupt between vectors. One that arrives before the query has begun is
// lost, hence the repetition.
class Interrupter {
 public:
  Interrupter(const Context& context, duckdb_connection connection) {
    if (!context.stop.stop_possible() && !context.deadline.has_value()) {
      return;
    }
    thread_ = std::jthread([this, &context, connection] {
      std::unique_lock<std::mutex> lock(mutex_);
      while (!finished_.wait_for(lock, std::chrono::milliseconds(10), [this] { return done_; })) {
        if (!context.Check().ok()) {
          duckdb_interrupt(connection);
        }
      }
    });
  }
  ~Interrupter() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
    }
    finished_.notify_all();
  }
  Interrupter(const Interrupter&) = delete;
  Interrupter& operator=(const Interrupter&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable finished_;
  bool done_ = false;
  std::jthread thread_;  // last: joins before the members that it uses are gone
};

Error FromErrorData(duckdb_error_data data, std::string_view doing) {
  const internal::OwnedErrorData owned(data);
  return base::Internal(std::string(doing) + ": " + duckdb_error_data_message(owned.get()));
}

// SUM over integers is a 128-bit integer in DuckDB, which Arrow shows as a decimal: here it becomes
// int64 again.
Result<std::shared_ptr<arrow::Table>> NarrowHugeInts(std::shared_ptr<arrow::Table> table,
                                                     const std::vector<bool>& is_huge_int) {
  for (int c = 0; c < table->num_columns(); ++c) {
    if (!is_huge_int[static_cast<std::size_t>(c)]) {
      continue;
    }
    const std::string name = table->field(c)->name();
    MILL_RETURN_IF_ERROR(internal::StartCompute());
    MILL_ASSIGN_OR_RETURN(
        const arrow::Datum cast,
        Check(arrow::compute::Cast(arrow::Datum(table->column(c)), arrow::int64()),
              "converting a 128-bit integer to int64 in column", "\"" + name + "\""));
    MILL_ASSIGN_OR_RETURN(
        table, Check(table->SetColumn(c, arrow::field(name, arrow::int64()), cast.chunked_array()),
                     "converting column", name));
  }
  return table;
}

Result<Table> ToTable(duckdb_result* result) {
  const idx_t n_columns = duckdb_column_count(result);
  std::vector<std::unique_ptr<internal::OwnedLogicalType>> owners;
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  std::vector<bool> is_huge_int;
  for (idx_t c = 0; c < n_columns; ++c) {
    owners.push_back(
        std::make_unique<internal::OwnedLogicalType>(duckdb_column_logical_type(result, c)));
    types.push_back(owners.back()->get());
    names.push_back(duckdb_column_name(result, c));
    is_huge_int.push_back(duckdb_get_type_id(types.back()) == DUCKDB_TYPE_HUGEINT);
  }
  const internal::OwnedArrowOptions options(duckdb_result_get_arrow_options(result));
  ArrowSchema c_schema{};
  if (duckdb_error_data error =
          duckdb_to_arrow_schema(options.get(), types.data(), names.data(), n_columns, &c_schema);
      error != nullptr) {
    return FromErrorData(error, "reading the columns of a SQL result");
  }
  MILL_ASSIGN_OR_RETURN(
      const std::shared_ptr<arrow::Schema> schema,
      Check(arrow::ImportSchema(&c_schema), "reading the columns of a SQL result", ""));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  while (true) {
    const internal::OwnedChunk chunk(duckdb_fetch_chunk(*result));
    if (chunk.get() == nullptr) {
      break;
    }
    ArrowArray c_array{};
    if (duckdb_error_data error = duckdb_data_chunk_to_arrow(options.get(), chunk.get(), &c_array);
        error != nullptr) {
      return FromErrorData(error, "reading a SQL result");
    }
    MILL_ASSIGN_OR_RETURN(
        std::shared_ptr<arrow::RecordBatch> batch,
        Check(arrow::ImportRecordBatch(&c_array, schema), "reading a SQL result", ""));
    batches.push_back(std::move(batch));
  }
  MILL_ASSIGN_OR_RETURN(
      std::shared_ptr<arrow::Table> table,
      Check(arrow::Table::FromRecordBatches(schema, batches), "reading a SQL result", ""));
  MILL_ASSIGN_OR_RETURN(table, NarrowHugeInts(std::move(table), is_huge_int));
  return Table::FromArrow(std::move(table));
}

std::string SqlType(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return "BOOLEAN";
    case ColumnType::kInt64:
      return "BIGINT";
    case ColumnType::kDouble:
      return "DOUBLE";
    case ColumnType::kString:
      return "VARCHAR";
    case ColumnType::kTimestamp:
      return "TIMESTAMP";
  }
  return "VARCHAR";
}

class DuckDb final : public SqlEngine {
 public:
  Result<void> Open(const DuckDbOptions& options) {
    internal::OwnedConfig config;
    duckdb_create_config(config.out());
    const std::filesystem::path spill =
        std::filesystem::temp_directory_path() / ("millrace-duckdb-" + std::to_string(getpid()));
    const std::vector<std::pair<const char*, std::string>> settings = {
        {"threads", std::to_string(options.threads)}, {"memory_limit", options.memory_limit},
        {"preserve_insertion_order", "true"},         {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},       {"temp_directory", spill.string()},
    };
    for (const auto& [name, value] : settings) {
      if (duckdb_set_config(config.get(), name, value.c_str()) != DuckDBSuccess) {
        return base::InvalidArgument("DuckDB refuses the setting " + std::string(name) + " = \"" +
                                     value + "\"");
      }
    }
    char* message = nullptr;
    if (duckdb_open_ext(nullptr, database_.out(), config.get(), &message) != DuckDBSuccess) {
      const std::string text = message != nullptr ? message : "no reason given";
      duckdb_free(message);
      return base::InvalidArgument("cannot start DuckDB: " + text)
          .Hint("check threads and memory_limit");
    }
    if (duckdb_connect(*database_.out(), connection_.out()) != DuckDBSuccess) {
      return base::Internal("cannot connect to the in-memory DuckDB");
    }
    // Only a build with the ICU extension has the setting; one without it knows no other zone than
    // UTC.
    internal::OwnedResult ignored;
    duckdb_query(connection_.get(), "SET TimeZone = 'UTC'", ignored.out());
    return {};
  }

  Result<void> AddFiles(std::string_view name,
                        std::span<const std::filesystem::path> files) override {
    if (files.empty()) {
      return base::InvalidArgument("\"" + std::string(name) +
                                   "\" has no files; wanted at least one");
    }
    const bool is_local_parquet =
        std::all_of(files.begin(), files.end(), [](const std::filesystem::path& file) {
          return file.extension() == ".parquet" && file.string().find("://") == std::string::npos;
        });
    if (!is_local_parquet) {
      return AddLoadedFiles(name, files);
    }
    std::string list;
    std::vector<std::string> columns;
    for (const std::filesystem::path& file : files) {
      // Read by us first: DuckDB would fill a missing column with nulls, and says less about a
      // damaged file.
      MILL_ASSIGN_OR_RETURN(const ParquetInfo info, ParquetSchema(file));
      std::vector<std::string> names;
      for (const ColumnInfo& column : info.columns) {
        names.push_back(column.name);
      }
      std::sort(names.begin(), names.end());
      if (columns.empty()) {
        columns = names;
      }
      if (names != columns) {
        return DifferentColumns(files[0], columns, file, names);
      }
      list += (list.empty() ? "" : ", ") + Quoted(file.string(), '\'');
    }
    MILL_RETURN_IF_ERROR(Drop(name));
    return Run("CREATE VIEW " + Quoted(name, '"') + " AS SELECT * FROM read_parquet([" + list +
               "], union_by_name = true, hive_partitioning = false)")
        .With("reading the files of \"" + std::string(name) + "\"");
  }

  Result<void> AddTable(std::string_view name, const Table& table) override {
    MILL_RETURN_IF_ERROR(Drop(name));
    std::string columns;
    for (const ColumnInfo& column : table.columns()) {
      columns +=
          (columns.empty() ? "" : ", ") + Quoted(column.name, '"') + " " + SqlType(column.type);
    }
    if (columns.empty()) {
      return base::InvalidArgument("table \"" + std::string(name) +
                                   "\" has no columns; SQL needs at least one");
    }
    MILL_RETURN_IF_ERROR(Run("CREATE TABLE " + Quoted(name, '"') + " (" + columns + ")"));
    return Guarded("loading", name, [&] { return Append(std::string(name), table); });
  }

  Result<Table> Query(const Context& context, std::string_view sql) override {
    MILL_RETURN_IF_ERROR(context.Check());
    return Guarded("running", "SQL", [&]() -> Result<Table> {
      internal::OwnedResult result;
      duckdb_state state = DuckDBError;
      {
        const Interrupter interrupter(context, connection_.get());
        state = duckdb_query(connection_.get(), std::string(sql).c_str(), result.out());
      }
      if (state != DuckDBSuccess) {
        MILL_RETURN_IF_ERROR(context.Check());
        return ErrorOf(result.out());
      }
      if (duckdb_result_return_type(*result.out()) != DUCKDB_RESULT_TYPE_QUERY_RESULT) {
        return Table();
      }
      return ToTable(result.out());
    });
  }

  Result<std::vector<ColumnInfo>> Describe(std::string_view sql) override {
    std::string_view trimmed = sql;
    while (!trimmed.empty() &&
           std::string_view(" \t\r\n;").find(trimmed.back()) != std::string_view::npos) {
      trimmed.remove_suffix(1);
    }
    // A view is bound like the query itself; its result without rows has the types that a run would
    // give.
    MILL_RETURN_IF_ERROR(
        Run("CREATE OR REPLACE TEMP VIEW millrace_described AS\n" + std::string(trimmed)));
    auto described = Query(Context{}, "SELECT * FROM millrace_described LIMIT 0");
    MILL_RETURN_IF_ERROR(Run("DROP VIEW millrace_described"));
    if (!described.ok()) {
      return std::move(described).error();
    }
    return described.value().columns();
  }

  Result<std::vector<std::string>> TablesOf(std::string_view sql) {
    const std::string text(sql);
    internal::OwnedStatements statements;
    const idx_t n = duckdb_extract_statements(connection_.get(), text.c_str(), statements.out());
    if (n == 0) {
      const char* message = duckdb_extract_statements_error(statements.get());
      if (message != nullptr && *message != '\0') {
        return FromDuckDb(DUCKDB_ERROR_PARSER, message);
      }
    }
    if (n != 1) {
      return base::InvalidArgument("SQL: " + std::to_string(n) + " statements; wanted one SELECT");
    }
    internal::OwnedResult result;
    const std::string query = "SELECT json_serialize_sql(" + Quoted(text, '\'') + ")";
    if (duckdb_query(connection_.get(), query.c_str(), result.out()) != DuckDBSuccess) {
      return ErrorOf(result.out());
    }
    MILL_ASSIGN_OR_RETURN(const Table table, ToTable(result.out()));
    MILL_ASSIGN_OR_RETURN(const StringColumn tree, table.Strings(table.names()[0]));
    return internal::TablesInTree(tree.values.at(0));
  }

 private:
  static Error ErrorOf(duckdb_result* result) {
    const char* message = duckdb_result_error(result);
    return FromDuckDb(duckdb_result_error_type(result),
                      message != nullptr ? message : "no reason given");
  }

  static Error DifferentColumns(const std::filesystem::path& first,
                                const std::vector<std::string>& wanted,
                                const std::filesystem::path& file,
                                const std::vector<std::string>& seen) {
    std::vector<std::string> missing;
    std::set_difference(wanted.begin(), wanted.end(), seen.begin(), seen.end(),
                        std::back_inserter(missing));
    std::vector<std::string> extra;
    std::set_difference(seen.begin(), seen.end(), wanted.begin(), wanted.end(),
                        std::back_inserter(extra));
    const std::string what = missing.empty() ? "has the column \"" + extra[0] + "\", which "
                                             : "lacks the column \"" + missing[0] + "\", which ";
    return base::InvalidArgument(file.string() + " " + what + first.string() +
                                 (missing.empty() ? " lacks" : " has"))
        .Hint(
            "files of one source must have the same columns; declare two sources and bring them "
            "together by SQL");
  }

  Result<void> AddLoadedFiles(std::string_view name, std::span<const std::filesystem::path> files) {
    std::vector<Table> tables;
    for (const std::filesystem::path& file : files) {
      MILL_ASSIGN_OR_RETURN(const Location location, Location::Parse(file.string()));
      MILL_ASSIGN_OR_RETURN(Table table, ReadAny(Context{}, location));
      tables.push_back(std::move(table));
    }
    MILL_ASSIGN_OR_RETURN(
        const Table all,
        Table::Concatenate(tables).With("reading the files of \"" + std::string(name) + "\""));
    return AddTable(name, all);
  }

  Result<void> Append(const std::string& name, const Table& table) {
    ArrowSchema c_schema{};
    MILL_RETURN_IF_ERROR(
        Check(arrow::ExportSchema(*table.arrow()->schema(), &c_schema), "loading", name));
    internal::OwnedConvertedSchema schema;
    duckdb_error_data error = duckdb_schema_from_arrow(connection_.get(), &c_schema, schema.out());
    if (c_schema.release != nullptr) {
      c_schema.release(&c_schema);
    }
    if (error != nullptr) {
      return FromErrorData(error, "loading " + name);
    }
    internal::OwnedAppender appender;
    if (duckdb_appender_create(connection_.get(), nullptr, name.c_str(), appender.out()) !=
        DuckDBSuccess) {
      return AppenderError(appender.get(), name);
    }
    arrow::TableBatchReader reader(*table.arrow());
    reader.set_chunksize(kVectorRows);
    while (true) {
      MILL_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::RecordBatch> batch,
                            Check(reader.Next(), "loading", name));
      if (batch == nullptr) {
        break;
      }
      ArrowArray c_array{};
      MILL_RETURN_IF_ERROR(Check(arrow::ExportRecordBatch(*batch, &c_array), "loading", name));
      internal::OwnedChunk chunk;
      error = duckdb_data_chunk_from_arrow(connection_.get(), &c_array, schema.get(), chunk.out());
      if (error != nullptr) {
        return FromErrorData(error, "loading " + name);
      }
      if (duckdb_append_data_chunk(appender.get(), chunk.get()) != DuckDBSuccess) {
        return AppenderError(appender.get(), name);
      }
    }
    if (duckdb_appender_close(appender.get()) != DuckDBSuccess) {
      return AppenderError(appender.get(), name);
    }
    return {};
  }

  static Error AppenderError(duckdb_appender appender, const std::string& name) {
    return FromErrorData(duckdb_appender_error_data(appender), "loading " + name);
  }

  // A name may stand for a view or a table, and DuckDB wants to be told which.
  Result<void> Drop(std::string_view name) {
    const std::string quoted = Quoted(name, '"');
    if (!Run("DROP VIEW IF EXISTS " + quoted).ok()) {
      return Run("DROP TABLE IF EXISTS " + quoted);
    }
    if (!Run("DROP TABLE IF EXISTS " + quoted).ok()) {
      return Run("DROP VIEW IF EXISTS " + quoted);
    }
    return {};
  }

  Result<void> Run(const std::string& sql) {
    internal::OwnedResult result;
    if (duckdb_query(connection_.get(), sql.c_str(), result.out()) != DuckDBSuccess) {
      return ErrorOf(result.out());
    }
    return {};
  }

  internal::OwnedDatabase database_;
  internal::OwnedConnection connection_;
};

}  // namespace

Result<std::unique_ptr<SqlEngine>> OpenDuckDb(const DuckDbOptions& options) {
  auto engine = std::make_unique<DuckDb>();
  MILL_RETURN_IF_ERROR(engine->Open(options));
  return std::unique_ptr<SqlEngine>(std::move(engine));
}

Result<std::vector<std::string>> ReferencedTables(std::string_view sql) {
  // One engine for all calls: starting DuckDB costs more than reading a statement. It is never
  // destroyed, because at exit DuckDB's own statics go first (closing a database after them
  // corrupts the heap).
  static std::mutex mutex;
  static DuckDb* engine = nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  if (engine == nullptr) {
    auto opened = std::make_unique<DuckDb>();
    MILL_RETURN_IF_ERROR(opened->Open({.threads = 1, .memory_limit = "256MB"}));
    engine = opened.release();
  }
  return engine->TablesOf(sql);
}

}  // namespace millrace::data
