// SPDX-License-Identifier: Apache-2.0
// The tables of tracking and registry (docs/formats/tracking.md), and short readers of their rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

/// Brings both modules' tables to the newest version.
Result<void> MigrateAll(store::Metadata& metadata);
/// The tables of tracking as the first released version had them: for tests of what came later.
Result<void> MigrateToVersionOne(store::Metadata& metadata);

inline std::int64_t Int(const store::Value& value) {
  return store::IntOr(value, 0);
}
inline std::string Text(const store::Value& value) {
  return store::TextOr(value, "");
}
inline std::int64_t Int(const store::ValueView& value) {
  return store::IntOr(value, 0);
}
inline std::string Text(const store::ValueView& value) {
  return std::string(store::TextOr(value, ""));
}
/// NULL for an empty text: keys that need not be there are unique only where they are.
inline store::Value OrNull(const std::string& text) {
  return text.empty() ? store::Value{} : store::Value{text};
}

/// Key and value of all rows of a table with `WHERE column = id`.
Result<Tags> ReadPairs(store::Metadata& metadata, std::string_view table, std::string_view column,
                       const store::Value& id);

/// "?, ?, ?" for n values.
std::string Marks(std::size_t n);

/// Runs `<head>(?, ?, ...)<tail>` for all keys, some hundred at a time, and hands out each row.
Result<void> ForKeys(store::Metadata& metadata, std::span<const std::int64_t> keys,
                     std::string_view head, std::string_view tail, const store::RowFunction& take);
Result<void> ForKeys(store::Metadata& metadata, std::span<const std::string> keys,
                     std::string_view head, std::string_view tail, const store::RowFunction& take);

/// The counter that each writing transaction raises.
inline constexpr std::string_view kChangeCounter = "change";
/// A counter of table `counters`; 0 where it is not there.
Result<std::int64_t> ReadNumber(store::Metadata& metadata, std::string_view counter);
/// The next value of a counter of table `counters`; within a transaction. Never used twice.
Result<std::int64_t> NextNumber(store::Metadata& metadata, std::string_view counter);

}  // namespace millrace::tracking::internal
