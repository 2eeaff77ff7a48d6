// SPDX-License-Identifier: Apache-2.0
// The metadata database behind an interface: SQL statements, transactions, migrations. SQLite is
// the embedded one.
#pragma once

#include <cstdint>
#include <filesystem>
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

/// One change of a module's tables. Never edited once released; a new change is a new version.
struct Migration {
  std::string module;
  int version = 0;
  /// One or more statements.
  std::string sql;
};

class Transaction;

/// A database connection. Thread-safe: statements are serialised, and a Transaction keeps other
/// threads out until it ends. Parameters are bound to `?` in order; a wrong number of them is
/// kInvalidArgument.
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
  /// Runs one statement and returns all its rows (SELECT, or INSERT ... RETURNING).
  virtual Result<std::vector<Row>> Query(std::string_view sql,
                                         std::span<const Value> params = {}) = 0;

  Result<void> Execute(std::string_view sql, std::initializer_list<Value> params) {
    return Execute(sql, std::span<const Value>(params.begin(), params.size()));
  }
  Result<std::int64_t> ExecuteCounted(std::string_view sql, std::initializer_list<Value> params) {
    return ExecuteCounted(sql, std::span<const Value>(params.begin(), params.size()));
  }
  Result<std::vector<Row>> Query(std::string_view sql, std::initializer_list<Value> params) {
    return Query(sql, std::span<const Value>(params.begin(), params.size()));
  }

  /// Brings each module's tables to its newest version, each migration in its own transaction.
  /// Versions of a module start at 1 and rise by 1. kFailedPrecondition if the database holds a
  /// newer version than is known here.
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
};

/// Opens or makes an SQLite database: WAL, synchronous=FULL, foreign keys on.
Result<std::unique_ptr<Metadata>> OpenSqlite(const std::filesystem::path& path,
                                             const SqliteOptions& options = {});

/// Reads of one column; NULL gives the fallback, another type than asked for is a broken invariant.
std::int64_t IntOr(const Value& value, std::int64_t fallback);
double DoubleOr(const Value& value, double fallback);
std::string TextOr(const Value& value, std::string_view fallback);
inline bool IsNull(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

}  // namespace millrace::store
