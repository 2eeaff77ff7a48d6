// SPDX-License-Identifier: Apache-2.0
// What SQLite and PostgreSQL share: who runs a statement where.
#include "store/internal/database.h"

#include <cctype>
#include <utility>

namespace millrace::store::internal {
namespace {

// The next word of letters from `position` on, in capitals; empty at the end.
std::string NextWord(std::string_view sql, std::size_t& position) {
  const auto is_letter = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
  while (position < sql.size() && !is_letter(sql[position])) {
    ++position;
  }
  std::string word;
  while (position < sql.size() && is_letter(sql[position])) {
    word += static_cast<char>(std::toupper(static_cast<unsigned char>(sql[position++])));
  }
  return word;
}

}  // namespace

bool OnlyReads(std::string_view sql) {
  std::size_t position = 0;
  std::string word = NextWord(sql, position);
  if (word != "WITH") {
    return word == "SELECT" || word == "VALUES";
  }
  while (!(word = NextWord(sql, position)).empty()) {
    if (word == "INSERT" || word == "UPDATE" || word == "DELETE") {
      return false;
    }
  }
  return true;
}

Result<void> Database::Execute(std::string_view sql, std::span<const Value> params) {
  MILL_ASSIGN_OR_RETURN([[maybe_unused]] const std::int64_t changes, ExecuteCounted(sql, params));
  return {};
}

Result<std::int64_t> Database::ExecuteCounted(std::string_view sql, std::span<const Value> params) {
  const std::lock_guard lock(writer_mutex_);
  MILL_RETURN_IF_ERROR(CheckTransaction());
  return writer_->Run(sql, params, nullptr);
}

Result<void> Database::ForEach(std::string_view sql, std::span<const Value> params,
                               const RowFunction& row) {
  if (owner_.load() == std::this_thread::get_id() || !OnlyReads(sql)) {
    const std::lock_guard lock(writer_mutex_);
    MILL_RETURN_IF_ERROR(CheckTransaction());
    MILL_ASSIGN_OR_RETURN([[maybe_unused]] const auto changes, writer_->Run(sql, params, &row));
    return {};
  }
  bool has_rows = false;
  const RowFunction counted = [&](RowView view) {
    has_rows = true;
    row(view);
  };
  for (bool is_first = true;; is_first = false) {
    MILL_ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, TakeReader());
    Result<std::int64_t> result = reader->Run(sql, params, &counted);
    const bool is_lost = !reader->is_alive();
    GiveBack(std::move(reader));
    if (result.ok()) {
      return {};
    }
    if (!is_lost || has_rows || !is_first) {
      return std::move(result).error();
    }
    // The server was started anew: the other idle connections are as dead as this one.
    ForgetIdleReaders();
  }
}

Result<std::uint64_t> Database::DataVersion() {
  const std::lock_guard lock(watcher_mutex_);
  for (bool is_first = true;; is_first = false) {
    if (watcher_ == nullptr || !watcher_->is_alive()) {
      MILL_ASSIGN_OR_RETURN(watcher_, connect_reader_());
      ++n_watchers_;
    }
    Result<std::uint64_t> version = watcher_->DataVersion();
    if (version.ok()) {
      return *version + (n_watchers_ << 48);
    }
    if (watcher_->is_alive() || !is_first) {
      return version;
    }
  }
}

Result<bool> Database::HasTable(const std::string& name) {
  bool is_there = false;
  MILL_RETURN_IF_ERROR(
      ForEach(writer_->table_query(), {name}, [&is_there](RowView) { is_there = true; }));
  return is_there;
}

Result<void> Database::CheckTransaction() const {
  if (depth_ > 0 && !writer_->is_in_transaction()) {
    return base::Unavailable("the transaction was rolled back by an earlier error")
        .Hint("try the whole of it again");
  }
  return {};
}

Result<void> Database::RunOnWriter(std::string_view sql) {
  MILL_RETURN_IF_ERROR(CheckTransaction());
  MILL_ASSIGN_OR_RETURN([[maybe_unused]] const auto changes, writer_->Run(sql, {}, nullptr));
  return {};
}

Result<void> Database::Begin() {
  writer_mutex_.lock();
  Result<void> begun =
      depth_ == 0 ? writer_->Begin() : RunOnWriter("SAVEPOINT nested_" + std::to_string(depth_));
  if (!begun.ok()) {
    writer_mutex_.unlock();
    return begun;
  }
  ++depth_;
  owner_ = std::this_thread::get_id();
  return {};
}

Result<void> Database::Commit() {
  Result<void> committed =
      depth_ == 1 ? writer_->Commit() : RunOnWriter("RELEASE nested_" + std::to_string(depth_ - 1));
  if (!committed.ok()) {
    Rollback();
    return committed;
  }
  EndTransaction();
  return {};
}

void Database::Rollback() {
  if (depth_ > 1) {
    const std::string name = "nested_" + std::to_string(depth_ - 1);
    static_cast<void>(RunOnWriter("ROLLBACK TO " + name));
    static_cast<void>(RunOnWriter("RELEASE " + name));
  } else if (writer_->is_in_transaction()) {
    // Some errors (a full disk) have rolled back already; then there is nothing to do.
    static_cast<void>(RunOnWriter("ROLLBACK"));
  }
  EndTransaction();
}

void Database::EndTransaction() {
  if (--depth_ == 0) {
    owner_ = std::thread::id();
  }
  writer_mutex_.unlock();
}

Result<std::unique_ptr<Connection>> Database::TakeReader() {
  {
    std::unique_lock lock(pool_mutex_);
    reader_is_free_.wait(lock, [this] { return n_taken_ < kMostReaders; });
    ++n_taken_;
    if (!idle_readers_.empty()) {
      // The last one given back: what it read is warm, and the others may rest.
      std::unique_ptr<Connection> reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
  }
  Result<std::unique_ptr<Connection>> reader = connect_reader_();
  if (!reader.ok()) {
    GiveBack(nullptr);
  }
  return reader;
}

void Database::GiveBack(std::unique_ptr<Connection> reader) {
  const std::lock_guard lock(pool_mutex_);
  --n_taken_;
  if (reader != nullptr && reader->is_alive()) {
    idle_readers_.push_back(std::move(reader));
  }
  reader_is_free_.notify_one();
}

void Database::ForgetIdleReaders() {
  std::vector<std::unique_ptr<Connection>> old;
  const std::lock_guard lock(pool_mutex_);
  old.swap(idle_readers_);
}

}  // namespace millrace::store::internal
