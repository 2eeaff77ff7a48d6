// SPDX-License-Identifier: Apache-2.0
// The metadata database behind an interface: SQL statements, transactions, migrations; SQLite or
// PostgreSQL.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace::store {

/// NULL, INTEGER, REAL or TEXT; bytes are texts.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;
using Row = std::vector<Value>;
/// A Value without a copy of its text.
using ValueView = std::variant<std::monostate, std::int64_t, double, std::string_view>;
/// The columns of one row; valid until the row function returns.
using RowView = std::span<const ValueView>;
/// Gets each row of a result as it is read. It makes no calls of the same Metadata.
using RowFunction = std::function<void(RowView)>;

/// One change of a module's tables. Never edited once released; a new change is a new version.
struct Migration {
  std::string module;
  int version = 0;
  /// One or more statements.
  std::string sql;
};

class Transaction;

/// How much an acknowledged write survives: kDisk a power failure, kProcess only the death of this
/// program (kill -9).
enum class Durability { kDisk, kProcess };

/// A metadata database. Thread-safe. There is one writer: statements that write wait for each
/// other, and a Transaction keeps other writers out until it ends, those of other processes too.
/// Queries that only read wait for nobody; each sees what was committed before its call. In a
/// thread with an open Transaction they see what that has written. Parameters are bound to `?` in
/// order; a wrong number of them is kInvalidArgument.
///
/// After a failed statement an open Transaction (or nested one) may only be rolled back.
///
/// Errors of all calls: kAlreadyExists for a UNIQUE or PRIMARY KEY violation, kFailedPrecondition
/// for other constraints, kUnavailable when another process holds the database for longer than the
/// time allowed, kResourceExhausted for a full disk, kPermissionDenied for a read-only one,
/// kDataLoss for a damaged file, kInternal for SQL that is wrong.
class Metadata {
 public:
  virtual ~Metadata() = default;
  Metadata() = default;
  Metadata(const Metadata&) = delete;
  Metadata& operator=(const Metadata&) = delete;

  /// Runs a statement, or several where there are no parameters. Outside a Transaction each is
  /// durable on return.
  virtual Result<void> Execute(std::string_view sql, std::span<const Value> params = {}) = 0;
  /// The same; returns the number of rows that the statement changed.
  virtual Result<std::int64_t> ExecuteCounted(std::string_view sql,
                                              std::span<const Value> params = {}) = 0;
  /// Runs one statement and gives its rows to `row` one by one (SELECT, or INSERT ... RETURNING):
  /// no memory beyond a row, however many there are. A long one keeps the write-ahead log of SQLite
  /// from starting over.
  virtual Result<void> ForEach(std::string_view sql, std::span<const Value> params,
                               const RowFunction& row) = 0;
  /// The same; returns all rows.
  Result<std::vector<Row>> Query(std::string_view sql, std::span<const Value> params = {});
  /// A number that differs from an earlier one if anything was committed in between, by this
  /// process or another (it may differ without). For caches: ask before reading what is cached.
  /// Cost: about a microsecond with SQLite, a round trip with PostgreSQL.
  virtual Result<std::uint64_t> DataVersion() = 0;
  virtual Result<bool> HasTable(const std::string& name) = 0;
  /// The file of an embedded database; empty for one on a server, beside which nothing is kept on
  /// this disk.
  virtual const std::filesystem::path& file() const = 0;

  Result<void> Execute(std::string_view sql, std::initializer_list<Value> params) {
    return Execute(sql, std::span<const Value>(params.begin(), params.size()));
  }
  Result<std::int64_t> ExecuteCounted(std::string_view sql, std::initializer_list<Value> params) {
    return ExecuteCounted(sql, std::span<const Value>(params.begin(), params.size()));
  }
  Result<std::vector<Row>> Query(std::string_view sql, std::initializer_list<Value> params) {
    return Query(sql, std::span<const Value>(params.begin(), params.size()));
  }
  Result<void> ForEach(std::string_view sql, std::initializer_list<Value> params,
                       const RowFunction& row) {
    return ForEach(sql, std::span<const Value>(params.begin(), params.size()), row);
  }

  /// Brings each module's tables to its newest version, all of them in one transaction. Versions of
  /// a module start at 1 and rise by 1. kFailedPrecondition if the database holds a newer version
  /// than is known here.
  Result<void> Migrate(std::span<const Migration> migrations);

 private:
  friend class Transaction;
  virtual Result<void> Begin() = 0;
  virtual Result<void> Commit() = 0;
  virtual void Rollback() = 0;
};

/// All or nothing. One thread begins, uses and ends it; a second Begin in the same thread nests (a
/// savepoint). Rolls back unless committed. Lock order: take no other lock while holding one.
class Transaction {
 public:
  static Result<Transaction> Begin(Metadata& metadata);
  ~Transaction();
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Durable on return where it is the outermost. Ends the transaction also when it fails.
  Result<void> Commit();

 private:
  explicit Transaction(Metadata& metadata) : metadata_(&metadata) {}
  Metadata* metadata_;
};

struct SqliteOptions {
  /// How long a statement waits for another process.
  int busy_timeout_ms = 10'000;
  Durability durability = Durability::kDisk;
  /// For databases of others: nothing is made or changed, the journal's mode neither.
  bool is_read_only = false;
};

/// Opens or makes an SQLite database: WAL, foreign keys on, synchronous=FULL for kDisk and NORMAL
/// for kProcess. One connection writes; others, opened as they are needed, read.
Result<std::unique_ptr<Metadata>> OpenSqlite(const std::filesystem::path& path,
                                             const SqliteOptions& options = {});

struct PostgresOptions {
  /// How long a transaction waits for that of another process.
  int lock_timeout_ms = 10'000;
  /// kProcess is synchronous_commit = off.
  Durability durability = Durability::kDisk;
};

/// Opens a PostgreSQL database (12 or newer, encoding UTF8), which any number of processes may
/// share: one of them writes at a time. SQL is written as for SQLite and translated
/// (internal/postgres_dialect.h). A lost connection is made again: an open transaction fails with
/// kUnavailable, a read is tried once more.
///
/// @param uri  postgresql://user:password@host:port/database?sslmode=..., as libpq reads it
///   - kUnavailable if there is no server or no such database, or it refuses the password
///   - kInvalidArgument for another kind of URI; later for texts with NUL characters
Result<std::unique_ptr<Metadata>> OpenPostgres(std::string_view uri,
                                               const PostgresOptions& options = {});

/// Opens the database that a URI names.
///
/// @param uri           empty (SQLite at `default_path`), sqlite:///path (relative to the current
///                      folder; sqlite:////path from the root) or postgresql://...
///   - kInvalidArgument for another kind of URI
///   - kFailedPrecondition for a database of MLflow's own server
Result<std::unique_ptr<Metadata>> OpenMetadata(std::string_view uri,
                                               const std::filesystem::path& default_path,
                                               Durability durability);

/// Reads of one column; NULL gives the fallback, another type than asked for is a broken invariant.
std::int64_t IntOr(const Value& value, std::int64_t fallback);
double DoubleOr(const Value& value, double fallback);
std::string TextOr(const Value& value, std::string_view fallback);
inline bool IsNull(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}
std::int64_t IntOr(const ValueView& value, std::int64_t fallback);
double DoubleOr(const ValueView& value, double fallback);
std::string_view TextOr(const ValueView& value, std::string_view fallback);
inline bool IsNull(const ValueView& value) {
  return std::holds_alternative<std::monostate>(value);
}

}  // namespace millrace::store
