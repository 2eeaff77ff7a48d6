// SPDX-License-Identifier: Apache-2.0
// The key-value store of online values: get many, put many, and an older value never takes the
// place of a newer one.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::store {

/// What decides between two values of a key; times in UTC microseconds.
struct Version {
  std::int64_t event_time = 0;
  std::int64_t created_time = 0;
  std::int64_t sequence = 0;
  auto operator<=>(const Version&) const = default;
};

struct Put {
  std::string key;
  Version version;
  std::string value;
};

struct Entry {
  Version version;
  std::string value;
  bool operator==(const Entry&) const = default;
};

/// Keys and values are bytes; keys are not empty. Thread-safe.
class KeyValue {
 public:
  virtual ~KeyValue() = default;
  KeyValue() = default;
  KeyValue(const KeyValue&) = delete;
  KeyValue& operator=(const KeyValue&) = delete;

  /// Writes all of them or none, durable on return. A Put whose version is lower than the stored
  /// one is left out; an equal one overwrites. Among Puts of one key in `puts` the highest version
  /// wins, the last of equal ones.
  virtual Result<void> PutMany(std::span<const Put> puts) = 0;
  /// One entry per key, in order; nullopt where there is none.
  virtual Result<std::vector<std::optional<Entry>>> GetMany(
      std::span<const std::string> keys) const = 0;
  /// Visits the keys that start with `prefix` in the order of their bytes, as of the moment of the
  /// call, until `visit` returns false.
  virtual Result<void> Scan(
      std::string_view prefix,
      const std::function<bool(std::string_view key, const Entry& entry)>& visit) const = 0;
  /// Removes the keys that start with `prefix`, with their versions; durable on return. An empty
  /// prefix is kInvalidArgument.
  virtual Result<void> DeletePrefix(std::string_view prefix) = 0;
};

/// Opens or makes a RocksDB database in `dir`. One process may open it for writing
/// (kFailedPrecondition otherwise); any number with `read_only`, which see the state of the moment
/// they open it.
Result<std::unique_ptr<KeyValue>> OpenRocksDb(const std::filesystem::path& dir, bool read_only);

/// True if there is a database in `dir`.
bool HasRocksDb(const std::filesystem::path& dir);

/// The same as OpenRocksDb for writing, but where there is no database yet it is made by the first
/// PutMany, which then returns the errors of opening it.
Result<std::unique_ptr<KeyValue>> OpenRocksDbLate(const std::filesystem::path& dir);

/// Keeps everything in memory; for tests and for servers without a workspace.
std::unique_ptr<KeyValue> MakeMemoryKeyValue();

}  // namespace millrace::store
