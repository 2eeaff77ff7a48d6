// SPDX-License-Identifier: Apache-2.0
// The bytes of entries, and the key-value store in memory.
#include "store/key_value.h"

#include <array>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "store/internal/entry_codec.h"

namespace millrace::store {
namespace internal {
namespace {

constexpr std::size_t kHeaderSize = 1 + 3 * 8;

void AppendInt(std::string& out, std::int64_t value) {
  for (int shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xFF);
  }
}

std::int64_t ReadInt(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::string EncodeEntry(const Version& version, std::string_view value) {
  std::string bytes;
  bytes.reserve(kHeaderSize + value.size());
  bytes += kEntryFormat;
  AppendInt(bytes, version.event_time);
  AppendInt(bytes, version.created_time);
  AppendInt(bytes, version.sequence);
  bytes += value;
  return bytes;
}

Result<Version> DecodeVersion(std::string_view bytes) {
  if (bytes.size() < kHeaderSize || bytes[0] != kEntryFormat) {
    return base::DataLoss("a stored entry of " + std::to_string(bytes.size()) +
                          " bytes is damaged or of a newer format")
        .Hint("publish the values again");
  }
  return Version{ReadInt(bytes.substr(1)), ReadInt(bytes.substr(9)), ReadInt(bytes.substr(17))};
}

Result<Entry> DecodeEntry(std::string_view bytes) {
  MILL_ASSIGN_OR_RETURN(const Version version, DecodeVersion(bytes));
  return Entry{version, std::string(bytes.substr(kHeaderSize))};
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) {
    end.pop_back();
  }
  if (!end.empty()) {
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  }
  return end;
}

Result<void> CheckKeys(std::span<const Put> puts) {
  for (const Put& put : puts) {
    if (put.key.empty()) {
      return base::InvalidArgument("a key is empty, wanted at least one byte");
    }
  }
  return {};
}

}  // namespace internal

namespace {

class MemoryKeyValue final : public KeyValue {
 public:
  Result<void> PutMany(std::span<const Put> puts) override {
    MILL_RETURN_IF_ERROR(internal::CheckKeys(puts));
    const base::MutexLock lock(mutex_);
    for (const Put& put : puts) {
      const auto found = entries_.find(put.key);
      if (found == entries_.end()) {
        entries_.emplace(put.key, Entry{put.version, put.value});
      } else if (put.version >= found->second.version) {
        found->second = {put.version, put.value};
      }
    }
    return {};
  }

  Result<std::vector<std::optional<Entry>>> GetMany(
      std::span<const std::string> keys) const override {
    const base::MutexLock lock(mutex_);
    std::vector<std::optional<Entry>> found;
    found.reserve(keys.size());
    for (const std::string& key : keys) {
      const auto entry = entries_.find(key);
      found.push_back(entry == entries_.end() ? std::nullopt : std::optional(entry->second));
    }
    return found;
  }

  Result<void> Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view, const Entry&)>& visit) const override {
    // A copy: the visitor may call back into the store.
    std::vector<std::pair<std::string, Entry>> snapshot;
    {
      const base::MutexLock lock(mutex_);
      for (auto entry = entries_.lower_bound(prefix);
           entry != entries_.end() && entry->first.starts_with(prefix); ++entry) {
        snapshot.emplace_back(entry->first, entry->second);
      }
    }
    for (const auto& [key, entry] : snapshot) {
      if (!visit(key, entry)) {
        break;
      }
    }
    return {};
  }

  Result<void> DeletePrefix(std::string_view prefix) override {
    if (prefix.empty()) {
      return base::InvalidArgument("the prefix to delete is empty, wanted at least one byte");
    }
    const base::MutexLock lock(mutex_);
    auto entry = entries_.lower_bound(prefix);
    while (entry != entries_.end() && entry->first.starts_with(prefix)) {
      entry = entries_.erase(entry);
    }
    return {};
  }

 private:
  mutable base::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ MILL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<KeyValue> MakeMemoryKeyValue() {
  return std::make_unique<MemoryKeyValue>();
}

}  // namespace millrace::store
