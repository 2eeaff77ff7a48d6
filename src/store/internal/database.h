// SPDX-License-Identifier: Apache-2.0
// What SQLite and PostgreSQL share: one connection that writes under a lock which a transaction
// keeps, and a pool of connections that only read.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"

namespace millrace::store::internal {

/// One connection. Used by one thread at a time.
class Connection {
 public:
  virtual ~Connection() = default;
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Runs a statement, or several where there are neither parameters nor `row`. Returns the number
  /// of changed rows.
  /// @param row  gets the rows; null where they are not wanted
  virtual Result<std::int64_t> Run(std::string_view sql, std::span<const Value> params,
                                   const RowFunction* row) = 0;
  /// Begins a transaction that no other may write beside.
  virtual Result<void> Begin() = 0;
  /// Commits the outermost transaction.
  virtual Result<void> Commit() = 0;
  virtual bool is_in_transaction() const = 0;
  /// False once the connection is lost for good.
  virtual bool is_alive() const = 0;
  /// See Metadata::DataVersion; numbers of one connection are comparable.
  virtual Result<std::uint64_t> DataVersion() = 0;
  /// Returns a row if there is a table of the name that is its parameter.
  virtual std::string_view table_query() const = 0;
};

/// True for a statement that only reads: SELECT, VALUES, and WITH around neither INSERT, UPDATE nor
/// DELETE.
bool OnlyReads(std::string_view sql);

/// Looks into an SQLite file without changing a byte of it (OpenSqlite would make it a WAL
/// database).
Result<bool> SqliteFileHasTable(const std::filesystem::path& path, const std::string& name);

class Database final : public Metadata {
 public:
  using Connect = std::function<Result<std::unique_ptr<Connection>>()>;

  /// @param connect_reader  opens a connection that reads; called from any thread
  /// @param file  see Metadata
  Database(std::unique_ptr<Connection> writer, Connect connect_reader,
           std::filesystem::path file = {})
      : connect_reader_(std::move(connect_reader)),
        file_(std::move(file)),
        writer_(std::move(writer)) {}

  using Metadata::Execute;
  using Metadata::ExecuteCounted;
  using Metadata::ForEach;

  Result<void> Execute(std::string_view sql, std::span<const Value> params) override;
  Result<std::int64_t> ExecuteCounted(std::string_view sql, std::span<const Value> params) override;
  Result<void> ForEach(std::string_view sql, std::span<const Value> params,
                       const RowFunction& row) override;
  Result<std::uint64_t> DataVersion() override;
  Result<bool> HasTable(const std::string& name) override;
  const std::filesystem::path& file() const override { return file_; }

 private:
  // As many connections read at once as this; others wait. More would not be faster, and
  // PostgreSQL allows 100 to all its clients.
  static constexpr std::size_t kMostReaders = 16;

  // The lock taken in Begin is kept until Commit or Rollback; both run in the same thread.
  Result<void> Begin() override;
  Result<void> Commit() override;
  void Rollback() override;
  void EndTransaction();
  /// Fails where an error has ended the open transaction: what follows would be committed alone.
  Result<void> CheckTransaction() const;
  Result<void> RunOnWriter(std::string_view sql);

  Result<std::unique_ptr<Connection>> TakeReader();
  void GiveBack(std::unique_ptr<Connection> reader);
  void ForgetIdleReaders();

  const Connect connect_reader_;
  const std::filesystem::path file_;

  std::recursive_mutex writer_mutex_;
  const std::unique_ptr<Connection> writer_;
  int depth_ = 0;
  /// The thread with an open transaction.
  std::atomic<std::thread::id> owner_ = std::thread::id();

  std::mutex pool_mutex_;
  std::condition_variable reader_is_free_;
  std::vector<std::unique_ptr<Connection>> idle_readers_;
  std::size_t n_taken_ = 0;

  std::mutex watcher_mutex_;
  /// Only asked for DataVersion: its numbers count per connection.
  std::unique_ptr<Connection> watcher_;
  /// Numbers of an earlier watcher stay below those of the present one.
  std::uint64_t n_watchers_ = 0;
};

}  // namespace millrace::store::internal
