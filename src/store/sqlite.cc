// SPDX-License-Identifier: Apache-2.0
// SQLite as the metadata database: a connection with its cache of prepared statements.
#include <cerrno>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include <sqlite3.h>

#include "base/file.h"
#include "store/internal/database.h"

namespace millrace::store {
namespace {

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

struct ConnectionOptions {
  bool is_read_only = false;
  int busy_timeout_ms = 0;
  /// Of this connection's page cache.
  int cache_kib = 0;
  std::size_t most_statements = 0;
  Durability durability = Durability::kDisk;
};

class Sqlite final : public internal::Connection {
 public:
  static Result<std::unique_ptr<internal::Connection>> Open(const std::filesystem::path& path,
                                                            const ConnectionOptions& options);
  ~Sqlite() override {
    for (const auto& [sql, cached] : statements_) {
      sqlite3_finalize(cached.statement);
    }
    sqlite3_close(db_);
  }

  Result<std::int64_t> Run(std::string_view sql, std::span<const Value> params,
                           const RowFunction* row) override;

  Result<void> Begin() override {
    // IMMEDIATE takes the write lock now: a read that later wants to write could not wait for its
    // turn.
    return Script("BEGIN IMMEDIATE");
  }
  Result<void> Commit() override { return Script("COMMIT"); }
  bool is_in_transaction() const override { return sqlite3_get_autocommit(db_) == 0; }
  bool is_alive() const override { return true; }

  Result<std::uint64_t> DataVersion() override {
    std::int64_t version = 0;
    const RowFunction take = [&version](RowView row) { version = IntOr(row[0], 0); };
    MILL_ASSIGN_OR_RETURN([[maybe_unused]] const auto n, Run("PRAGMA data_version", {}, &take));
    return static_cast<std::uint64_t>(version);
  }

  std::string_view table_query() const override {
    return "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?";
  }

 private:
  struct Cached {
    sqlite3_stmt* statement = nullptr;
    std::uint64_t last_use = 0;
  };
  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  Sqlite(sqlite3* db, std::filesystem::path path, std::size_t most_statements)
      : db_(db), path_(std::move(path)), most_statements_(most_statements) {}

  Result<void> Prepare(const ConnectionOptions& options);
  Result<void> Script(const char* sql) {
    MILL_ASSIGN_OR_RETURN([[maybe_unused]] const std::int64_t changes, Run(sql, {}, nullptr));
    return {};
  }
  /// Null for a text of several statements.
  Result<sqlite3_stmt*> StatementOf(std::string_view sql);
  void ForgetLeastUsed();
  Result<void> BindAll(sqlite3_stmt* statement, std::string_view sql,
                       std::span<const Value> params) const;
  Error Failed(std::string_view sql) const;

  sqlite3* const db_;
  const std::filesystem::path path_;
  const std::size_t most_statements_;
  std::uint64_t n_uses_ = 0;
  std::unordered_map<std::string, Cached, TextHash, std::equal_to<>> statements_;
};

Error Sqlite::Failed(std::string_view sql) const {
  Error error = ErrorOf(db_, path_);
  if (error.code() == base::ErrorCode::kInternal) {
    return std::move(error).With("SQL " + std::string(sql.substr(0, 200)));
  }
  return error;
}

// The settings that every connection needs; outside the constructor, because they can fail.
Result<void> Sqlite::Prepare(const ConnectionOptions& options) {
  sqlite3_busy_timeout(db_, options.busy_timeout_ms);
  std::string settings =
      "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -" + std::to_string(options.cache_kib) + ";";
  if (!options.is_read_only) {
    settings += std::string("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; ") +
                "PRAGMA wal_autocheckpoint = 1000; PRAGMA synchronous = " +
                (options.durability == Durability::kDisk ? "FULL" : "NORMAL");
  }
  // SQLite does not wait here by itself: while another process makes the file a WAL database, or
  // closes its last connection and clears the log away, this fails at once as busy.
  const auto give_up =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(options.busy_timeout_ms);
  for (;;) {
    Result<void> prepared = Script(settings.c_str());
    if (prepared.ok() || prepared.error().code() != base::ErrorCode::kUnavailable ||
        std::chrono::steady_clock::now() >= give_up) {
      return prepared;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Result<std::unique_ptr<internal::Connection>> Sqlite::Open(const std::filesystem::path& path,
                                                           const ConnectionOptions& options) {
  // Counting its bytes would take one lock of the whole process at each of SQLite's allocations.
  // Fails where SQLite is in use already, which does no harm.
  static std::once_flag configured;
  std::call_once(configured, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
  sqlite3* db = nullptr;
  // A connection is used by one thread at a time, so SQLite's mutexes are not needed.
  const int flags =
      (options.is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
      SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &db, flags, nullptr) != SQLITE_OK) {
    Error error = db != nullptr ? ErrorOf(db, path) : base::ResourceExhausted("out of memory");
    sqlite3_close(db);
    return error;
  }
  auto connection = std::unique_ptr<Sqlite>(new Sqlite(db, path, options.most_statements));
  MILL_RETURN_IF_ERROR(connection->Prepare(options));
  return std::unique_ptr<internal::Connection>(std::move(connection));
}

void Sqlite::ForgetLeastUsed() {
  auto oldest = statements_.end();
  for (auto it = statements_.begin(); it != statements_.end(); ++it) {
    if (sqlite3_stmt_busy(it->second.statement) == 0 &&
        (oldest == statements_.end() || it->second.last_use < oldest->second.last_use)) {
      oldest = it;
    }
  }
  if (oldest != statements_.end()) {
    sqlite3_finalize(oldest->second.statement);
    statements_.erase(oldest);
  }
}

Result<sqlite3_stmt*> Sqlite::StatementOf(std::string_view sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) {
    found->second.last_use = ++n_uses_;
    return found->second.statement;
  }
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, &tail) != SQLITE_OK) {
    return Failed(sql);
  }
  const std::string_view rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
  if (statement == nullptr || rest.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    sqlite3_finalize(statement);
    return static_cast<sqlite3_stmt*>(nullptr);
  }
  if (statements_.size() >= most_statements_) {
    ForgetLeastUsed();
  }
  statements_.emplace(std::string(sql), Cached{statement, ++n_uses_});
  return statement;
}

// The texts live until the statement has run, so SQLite needs no copies.
int Bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return sqlite3_bind_double(statement, index, *real);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, index);
}

Result<void> Sqlite::BindAll(sqlite3_stmt* statement, std::string_view sql,
                             std::span<const Value> params) const {
  const int wanted = sqlite3_bind_parameter_count(statement);
  if (wanted != static_cast<int>(params.size())) {
    return base::InvalidArgument("SQL with " + std::to_string(wanted) + " parameters got " +
                                 std::to_string(params.size()) + ": " + std::string(sql));
  }
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (Bind(statement, static_cast<int>(i) + 1, params[i]) != SQLITE_OK) {
      return Failed(sql);
    }
  }
  return {};
}

ValueView Column(sqlite3_stmt* statement, int index) {
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
      return size == 0 ? std::string_view("")
                       : std::string_view(static_cast<const char*>(bytes), size);
    }
  }
}

Result<std::int64_t> Sqlite::Run(std::string_view sql, std::span<const Value> params,
                                 const RowFunction* row) {
  const std::int64_t before = sqlite3_total_changes64(db_);
  MILL_ASSIGN_OR_RETURN(sqlite3_stmt* const statement, StatementOf(sql));
  if (statement == nullptr) {
    if (row != nullptr || !params.empty()) {
      return base::Internal("SQL with parameters or rows must be one statement: " +
                            std::string(sql));
    }
    if (sqlite3_exec(db_, std::string(sql).c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      return Failed(sql);
    }
    return sqlite3_total_changes64(db_) - before;
  }
  MILL_CHECK_EQ(sqlite3_stmt_busy(statement), 0);
  Result<void> result = BindAll(statement, sql, params);
  std::vector<ValueView> values(static_cast<std::size_t>(sqlite3_column_count(statement)));
  while (result.ok()) {
    const int status = sqlite3_step(statement);
    if (status == SQLITE_ROW) {
      if (row != nullptr) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          values[i] = Column(statement, static_cast<int>(i));
        }
        (*row)(values);
      }
    } else if (status == SQLITE_DONE) {
      break;
    } else {
      result = Failed(sql);
    }
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  MILL_RETURN_IF_ERROR(std::move(result));
  return sqlite3_total_changes64(db_) - before;
}

}  // namespace

Result<bool> internal::SqliteFileHasTable(const std::filesystem::path& path,
                                          const std::string& name) {
  MILL_ASSIGN_OR_RETURN(
      const auto connection,
      Sqlite::Open(path, {.is_read_only = true, .busy_timeout_ms = 10'000, .most_statements = 1}));
  bool is_there = false;
  const RowFunction take = [&is_there](RowView) { is_there = true; };
  const Value param = name;
  MILL_ASSIGN_OR_RETURN([[maybe_unused]] const auto n,
                        connection->Run(connection->table_query(), std::span(&param, 1), &take));
  return is_there;
}

Result<std::unique_ptr<Metadata>> OpenSqlite(const std::filesystem::path& path,
                                             const SqliteOptions& options) {
  if (!options.is_read_only) {
    MILL_RETURN_IF_ERROR(base::MakeDirectories(path.has_parent_path() ? path.parent_path() : "."));
  }
  MILL_ASSIGN_OR_RETURN(auto writer, Sqlite::Open(path, {.is_read_only = options.is_read_only,
                                                         .busy_timeout_ms = options.busy_timeout_ms,
                                                         .cache_kib = 8000,
                                                         .most_statements = 256,
                                                         .durability = options.durability}));
  // SQLite empties a reader's page cache at each commit, so a large one would only cost memory.
  const ConnectionOptions reader = {.is_read_only = true,
                                    .busy_timeout_ms = options.busy_timeout_ms,
                                    .cache_kib = 1000,
                                    .most_statements = 64};
  return std::unique_ptr<Metadata>(std::make_unique<internal::Database>(
      std::move(writer), [path, reader] { return Sqlite::Open(path, reader); }, path));
}

}  // namespace millrace::store
