// SPDX-License-Identifier: Apache-2.0
// SQLite as the metadata database: one connection, serialised by a lock that a transaction keeps.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <sqlite3.h>

#include "base/file.h"
#include "store/metadata.h"

namespace millrace::store {
namespace {

class Sqlite final : public Metadata {
 public:
  Sqlite(sqlite3* db, std::filesystem::path path) : db_(db), path_(std::move(path)) {}
  ~Sqlite() override {
    for (const auto& [sql, statement] : statements_) {
      sqlite3_finalize(statement);
    }
    sqlite3_close(db_);
  }

  using Metadata::Execute;
  using Metadata::ExecuteCounted;
  using Metadata::Query;

  Result<void> Execute(std::string_view sql, std::span<const Value> params) override {
    MILL_ASSIGN_OR_RETURN([[maybe_unused]] const std::int64_t changes, ExecuteCounted(sql, params));
    return {};
  }

  Result<std::int64_t> ExecuteCounted(std::string_view sql,
                                      std::span<const Value> params) override {
    const std::lock_guard lock(mutex_);
    const std::int64_t before = sqlite3_total_changes64(db_);
    if (params.empty()) {
      const std::string text(sql);
      if (sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        return Failed(sql);
      }
    } else {
      MILL_ASSIGN_OR_RETURN([[maybe_unused]] const std::vector<Row> rows, Run(sql, params));
    }
    return sqlite3_total_changes64(db_) - before;
  }

  Result<std::vector<Row>> Query(std::string_view sql, std::span<const Value> params) override {
    const std::lock_guard lock(mutex_);
    return Run(sql, params);
  }

  /// The settings that every connection needs; outside the constructor, because they can fail.
  Result<void> Prepare(const SqliteOptions& options) {
    sqlite3_busy_timeout(db_, options.busy_timeout_ms);
    // SQLite does not wait here by itself: while another process makes the file a WAL database, or
    // closes its last connection and clears the log away, this fails at once as busy.
    const auto give_up =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(options.busy_timeout_ms);
    for (;;) {
      Result<void> prepared = RunScript(
          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
          "PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_size = -8000; "
          "PRAGMA temp_store = MEMORY");
      if (prepared.ok() || prepared.error().code() != base::ErrorCode::kUnavailable ||
          std::chrono::steady_clock::now() >= give_up) {
        return prepared;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

 private:
  Result<void> RunScript(std::string_view sql) { return Execute(sql, std::span<const Value>()); }

  // The lock taken in Begin is kept until Commit or Rollback; both run in the same thread.
  Result<void> Begin() override {
    mutex_.lock();
    // IMMEDIATE takes the write lock now: a read that later wants to write could not wait for its
    // turn.
    const std::string sql =
        depth_ == 0 ? "BEGIN IMMEDIATE" : "SAVEPOINT nested_" + std::to_string(depth_);
    Result<void> begun = RunScript(sql);
    if (!begun.ok()) {
      mutex_.unlock();
      return begun;
    }
    ++depth_;
    return {};
  }

  Result<void> Commit() override {
    const std::string sql = depth_ == 1 ? "COMMIT" : "RELEASE nested_" + std::to_string(depth_ - 1);
    Result<void> committed = RunScript(sql);
    if (!committed.ok()) {
      Rollback();
      return committed;
    }
    --depth_;
    mutex_.unlock();
    return {};
  }

  void Rollback() override {
    if (depth_ > 1) {
      const std::string name = "nested_" + std::to_string(depth_ - 1);
      static_cast<void>(RunScript("ROLLBACK TO " + name + "; RELEASE " + name));
    } else if (sqlite3_get_autocommit(db_) == 0) {
      // Some errors (a full disk) have rolled back already; then there is nothing to do.
      static_cast<void>(RunScript("ROLLBACK"));
    }
    --depth_;
    mutex_.unlock();
  }

  Result<sqlite3_stmt*> StatementOf(std::string_view sql) {
    constexpr std::size_t kMostStatements = 256;
    if (const auto found = statements_.find(sql); found != statements_.end()) {
      return found->second;
    }
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, &tail) !=
        SQLITE_OK) {
      return Failed(sql);
    }
    const std::string_view rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
    if (statement == nullptr || rest.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
      sqlite3_finalize(statement);
      return base::Internal("SQL with parameters or rows must be one statement: " +
                            std::string(sql));
    }
    if (statements_.size() >= kMostStatements) {
      for (const auto& [text, old] : statements_) {
        sqlite3_finalize(old);
      }
      statements_.clear();
    }
    statements_.emplace(std::string(sql), statement);
    return statement;
  }

  static int Bind(sqlite3_stmt* statement, int index, const Value& value) {
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      return sqlite3_bind_int64(statement, index, *integer);
    }
    if (const auto* real = std::get_if<double>(&value)) {
      return sqlite3_bind_double(statement, index, *real);
    }
    if (const auto* text = std::get_if<std::string>(&value)) {
      return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    }
    return sqlite3_bind_null(statement, index);
  }

  static Value Column(sqlite3_stmt* statement, int index) {
    switch (sqlite3_column_type(statement, index)) {
      case SQLITE_INTEGER:
        return static_cast<std::int64_t>(sqlite3_column_int64(statement, index));
      case SQLITE_FLOAT:
        return sqlite3_column_double(statement, index);
      case SQLITE_NULL:
        return std::monostate();
      default: {
        const void* bytes = sqlite3_column_blob(statement, index);
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
        return size == 0 ? std::string() : std::string(static_cast<const char*>(bytes), size);
      }
    }
  }

  Result<std::vector<Row>> Run(std::string_view sql, std::span<const Value> params) {
    MILL_ASSIGN_OR_RETURN(sqlite3_stmt * statement, StatementOf(sql));
    if (sqlite3_bind_parameter_count(statement) != static_cast<int>(params.size())) {
      return base::InvalidArgument(
          "SQL with " + std::to_string(sqlite3_bind_parameter_count(statement)) +
          " parameters got " + std::to_string(params.size()) + ": " + std::string(sql));
    }
    for (std::size_t i = 0; i < params.size(); ++i) {
      if (Bind(statement, static_cast<int>(i) + 1, params[i]) != SQLITE_OK) {
        return Failed(sql);
      }
    }
    std::vector<Row> rows;
    int status = SQLITE_OK;
    while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
      Row row;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        row.push_back(Column(statement, i));
      }
      rows.push_back(std::move(row));
    }
    std::optional<Error> error;
    if (status != SQLITE_DONE) {
      error = Failed(sql);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (error) {
      return *std::move(error);
    }
    return rows;
  }

  Error Failed(std::string_view sql) const;

  sqlite3* const db_;
  const std::filesystem::path path_;
  std::recursive_mutex mutex_;
  int depth_ = 0;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

Error ErrorOf(sqlite3* db, const std::filesystem::path& path) {
  const std::string message = "metadata database \"" + path.string() + "\": " + sqlite3_errmsg(db);
  const int extended = sqlite3_extended_errcode(db);
  switch (extended & 0xFF) {
    case SQLITE_CONSTRAINT:
      if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
          extended == SQLITE_CONSTRAINT_ROWID) {
        return base::AlreadyExists(message);
      }
      return base::FailedPrecondition(message);
    case SQLITE_FULL:
      return base::ResourceExhausted(message).Hint(
          "free disk space, then run the same command again");
    case SQLITE_IOERR:
      if (sqlite3_system_errno(db) == ENOSPC || sqlite3_system_errno(db) == EDQUOT) {
        return base::ResourceExhausted(message).Hint(
            "free disk space, then run the same command again");
      }
      return base::Unavailable(message).Hint(
          "check free space, limits and health of the disk, then try again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return Error(base::ErrorCode::kPermissionDenied, message)
          .Hint(
              "give this user the right to write the workspace, or choose another with --workspace "
              "DIR");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return base::Unavailable(message).Hint("another process is writing; try again");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return base::DataLoss(message).Hint("restore the file from a copy");
    default:
      return base::Internal(message);
  }
}

Error Sqlite::Failed(std::string_view sql) const {
  Error error = ErrorOf(db_, path_);
  if (error.code() == base::ErrorCode::kInternal) {
    return std::move(error).With("SQL " + std::string(sql.substr(0, 200)));
  }
  return error;
}

}  // namespace

Result<std::unique_ptr<Metadata>> OpenSqlite(const std::filesystem::path& path,
                                             const SqliteOptions& options) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(path.has_parent_path() ? path.parent_path() : "."));
  sqlite3* db = nullptr;
  // Our own lock serialises, so SQLite's mutexes are not needed.
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &db, flags, nullptr) != SQLITE_OK) {
    Error error = db != nullptr ? ErrorOf(db, path) : base::ResourceExhausted("out of memory");
    sqlite3_close(db);
    return error;
  }
  auto metadata = std::make_unique<Sqlite>(db, path);
  MILL_RETURN_IF_ERROR(metadata->Prepare(options));
  return std::unique_ptr<Metadata>(std::move(metadata));
}

}  // namespace millrace::store
