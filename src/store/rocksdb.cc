// SPDX-License-Identifier: Apache-2.0
// RocksDB as the embedded key-value store, tuned for little memory: values are small and written in
// bursts, reads come by key.
#include <cstddef>
#include <map>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "base/file.h"
#include "base/mutex.h"
#include "store/internal/entry_codec.h"
#include "store/key_value.h"

namespace millrace::store {
namespace {

rocksdb::Slice ToSlice(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view FromSlice(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

Error FromStatus(const rocksdb::Status& status, std::string_view doing,
                 const std::filesystem::path& dir) {
  const std::string message =
      std::string(doing) + " the key-value store \"" + dir.string() + "\": " + status.ToString();
  if (status.IsNoSpace()) {
    return base::ResourceExhausted(message).Hint(
        "free disk space, then run the same command again");
  }
  if (status.IsCorruption()) {
    return base::DataLoss(message).Hint("remove the folder and publish the values again");
  }
  if (message.find("Permission denied") != std::string::npos ||
      message.find("Read-only file system") != std::string::npos) {
    return Error(base::ErrorCode::kPermissionDenied, message)
        .Hint(
            "give this user the right to write the workspace, or choose another with --workspace "
            "DIR");
  }
  if (message.find("While lock file") != std::string::npos ||
      message.find("lock hold by") != std::string::npos) {
    return base::FailedPrecondition(message).Hint(
        "another process has it open for writing; hand it the values or stop it");
  }
  return base::Unavailable(message);
}

rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = std::size_t{8} << 20;
  options.max_write_buffer_number = 2;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  // One that opens the few files, instead of sixteen started and ended at each open.
  options.max_file_opening_threads = 1;
  options.keep_log_file_num = 2;
  options.max_total_wal_size = std::uint64_t{32} << 20;
  options.compression = rocksdb::kLZ4Compression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(std::size_t{32} << 20);
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class RocksDb final : public KeyValue {
 public:
  RocksDb(std::unique_ptr<rocksdb::DB> db, std::filesystem::path dir, bool is_read_only)
      : db_(std::move(db)), dir_(std::move(dir)), is_read_only_(is_read_only) {}

  Result<void> PutMany(std::span<const Put> puts) override {
    MILL_RETURN_IF_ERROR(CheckWritable());
    MILL_RETURN_IF_ERROR(internal::CheckKeys(puts));
    // The newest Put of each key; the map also puts the keys in order, which RocksDB likes.
    std::map<std::string_view, const Put*> newest;
    for (const Put& put : puts) {
      const Put*& best = newest[put.key];
      if (best == nullptr || put.version >= best->version) {
        best = &put;
      }
    }
    // Reading the stored versions and writing over them must not be cut by another writer; the
    // process lock of RocksDB keeps other processes out.
    const base::MutexLock lock(write_mutex_);
    rocksdb::WriteBatch batch;
    for (const auto& [key, put] : newest) {
      rocksdb::PinnableSlice stored;
      const rocksdb::Status status =
          db_->Get(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), ToSlice(key), &stored);
      if (!status.ok() && !status.IsNotFound()) {
        return FromStatus(status, "reading", dir_);
      }
      if (status.ok()) {
        MILL_ASSIGN_OR_RETURN(const Version version, internal::DecodeVersion(FromSlice(stored)));
        if (put->version < version) {
          continue;
        }
      }
      batch.Put(ToSlice(key), internal::EncodeEntry(put->version, put->value));
    }
    return Write(batch);
  }

  Result<std::vector<std::optional<Entry>>> GetMany(
      std::span<const std::string> keys) const override {
    std::vector<std::optional<Entry>> found(keys.size());
    std::vector<rocksdb::Slice> slices;
    slices.reserve(keys.size());
    for (const std::string& key : keys) {
      slices.emplace_back(key);
    }
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_->MultiGet(rocksdb::ReadOptions(), db_->DefaultColumnFamily(), slices.size(), slices.data(),
                  values.data(), statuses.data());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (statuses[i].ok()) {
        MILL_ASSIGN_OR_RETURN(found[i], internal::DecodeEntry(FromSlice(values[i])));
      } else if (!statuses[i].IsNotFound()) {
        return FromStatus(statuses[i], "reading", dir_);
      }
    }
    return found;
  }

  Result<void> Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view, const Entry&)>& visit) const override {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
    for (at->Seek(ToSlice(prefix)); at->Valid() && at->key().starts_with(ToSlice(prefix));
         at->Next()) {
      MILL_ASSIGN_OR_RETURN(const Entry entry, internal::DecodeEntry(FromSlice(at->value())));
      if (!visit(FromSlice(at->key()), entry)) {
        return {};
      }
    }
    if (!at->status().ok()) {
      return FromStatus(at->status(), "reading", dir_);
    }
    return {};
  }

  Result<void> DeletePrefix(std::string_view prefix) override {
    MILL_RETURN_IF_ERROR(CheckWritable());
    if (prefix.empty()) {
      return base::InvalidArgument("the prefix to delete is empty, wanted at least one byte");
    }
    const base::MutexLock lock(write_mutex_);
    rocksdb::WriteBatch batch;
    const std::string end = internal::PrefixEnd(prefix);
    if (!end.empty()) {
      batch.DeleteRange(ToSlice(prefix), end);
    } else {
      const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(rocksdb::ReadOptions()));
      for (at->Seek(ToSlice(prefix)); at->Valid(); at->Next()) {
        batch.Delete(at->key());
      }
    }
    return Write(batch);
  }

 private:
  Result<void> CheckWritable() const {
    if (is_read_only_) {
      return base::FailedPrecondition("the key-value store \"" + dir_.string() +
                                      "\" is open for reading only");
    }
    return {};
  }

  Result<void> Write(rocksdb::WriteBatch& batch) MILL_REQUIRES(write_mutex_) {
    if (batch.Count() == 0) {
      return {};
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    rocksdb::Status status = db_->Write(options, &batch);
    if (!status.ok()) {
      Error error = FromStatus(status, "writing", dir_);
      // After a failed write RocksDB refuses all others until told that the cause is gone.
      db_->Resume().PermitUncheckedError();
      return error;
    }
    return {};
  }

  const std::unique_ptr<rocksdb::DB> db_;
  const std::filesystem::path dir_;
  const bool is_read_only_;
  base::Mutex write_mutex_;
};

}  // namespace

bool HasRocksDb(const std::filesystem::path& dir) {
  std::error_code ignored;
  return std::filesystem::exists(dir / "CURRENT", ignored);
}

Result<std::unique_ptr<KeyValue>> OpenRocksDb(const std::filesystem::path& dir, bool read_only) {
  rocksdb::DB* db = nullptr;
  if (!read_only) {
    MILL_RETURN_IF_ERROR(base::MakeDirectories(dir));
  }
  try {
    const rocksdb::Options options = MakeOptions();
    const rocksdb::Status status = read_only
                                       ? rocksdb::DB::OpenForReadOnly(options, dir.string(), &db)
                                       : rocksdb::DB::Open(options, dir.string(), &db);
    if (!status.ok()) {
      return FromStatus(status, "opening", dir);
    }
  } catch (const std::exception& error) {
    return base::Internal("opening the key-value store \"" + dir.string() + "\": " + error.what());
  }
  return std::unique_ptr<KeyValue>(
      std::make_unique<RocksDb>(std::unique_ptr<rocksdb::DB>(db), dir, read_only));
}

}  // namespace millrace::store
