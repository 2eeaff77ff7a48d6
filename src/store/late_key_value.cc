// SPDX-License-Identifier: Apache-2.0
// A key-value store that is made on disk when the first value arrives: most servers never publish
// one, and an empty RocksDB costs a dozen syncs, a folder and memory.
#include <atomic>
#include <utility>

#include "base/mutex.h"
#include "store/key_value.h"

namespace millrace::store {
namespace {

class LateKeyValue final : public KeyValue {
 public:
  explicit LateKeyValue(std::filesystem::path dir) : dir_(std::move(dir)) {}

  Result<void> PutMany(std::span<const Put> puts) override {
    MILL_ASSIGN_OR_RETURN(KeyValue * made, Make());
    return made->PutMany(puts);
  }
  Result<std::vector<std::optional<Entry>>> GetMany(
      std::span<const std::string> keys) const override {
    return Present().GetMany(keys);
  }
  Result<void> Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, const Entry& entry)>& visit) const override {
    return Present().Scan(prefix, visit);
  }
  Result<void> DeletePrefix(std::string_view prefix) override {
    return Present().DeletePrefix(prefix);
  }

 private:
  KeyValue& Present() const {
    KeyValue* const made = made_.load();
    return made == nullptr ? *nothing_ : *made;
  }
  Result<KeyValue*> Make() {
    const base::MutexLock lock(mutex_);
    if (disk_ == nullptr) {
      MILL_ASSIGN_OR_RETURN(disk_, OpenRocksDb(dir_, /*read_only=*/false));
      made_ = disk_.get();
    }
    return disk_.get();
  }

  const std::filesystem::path dir_;
  /// Answers what an empty store answers.
  const std::unique_ptr<KeyValue> nothing_ = MakeMemoryKeyValue();
  base::Mutex mutex_;
  std::unique_ptr<KeyValue> disk_ MILL_GUARDED_BY(mutex_);
  /// disk_, once it is there.
  std::atomic<KeyValue*> made_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<KeyValue>> OpenRocksDbLate(const std::filesystem::path& dir) {
  if (HasRocksDb(dir)) {
    return OpenRocksDb(dir, /*read_only=*/false);
  }
  return std::unique_ptr<KeyValue>(std::make_unique<LateKeyValue>(dir));
}

}  // namespace millrace::store
