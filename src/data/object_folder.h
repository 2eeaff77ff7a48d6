// SPDX-License-Identifier: Apache-2.0
// A folder of an object store: objects are written whole or not at all, read anywhere, listed,
// removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/location.h"

namespace millrace::data {

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  /// Milliseconds since 1970 of the last change, by the store's clock.
  std::int64_t time_ms = 0;
};

/// Writes one object; it appears when Close succeeds and never if the writer is destroyed before.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  ObjectWriter() = default;
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;
  virtual Result<void> Write(std::string_view bytes) = 0;
  virtual Result<void> Close() = 0;
};

class ObjectReader {
 public:
  virtual ~ObjectReader() = default;
  ObjectReader() = default;
  ObjectReader(const ObjectReader&) = delete;
  ObjectReader& operator=(const ObjectReader&) = delete;
  virtual std::uint64_t size() const = 0;
  /// Fills `into` unless the object ends before; returns how much.
  virtual Result<std::size_t> ReadAt(std::uint64_t offset, std::span<char> into) = 0;
};

/// Keys are relative, with '/'. Errors: kUnavailable for a store that does not answer or refuses
/// the credentials, kNotFound for a missing object. Thread-safe; all calls block.
class ObjectFolder {
 public:
  /// @param location  of an object store: not a local path.
  explicit ObjectFolder(Location location) : location_(std::move(location)) {}

  const Location& location() const { return location_; }
  Result<std::unique_ptr<ObjectWriter>> Create(std::string_view key) const;
  Result<std::unique_ptr<ObjectReader>> Open(std::string_view key) const;
  /// Removing what is not there is no error.
  Result<void> Remove(std::string_view key) const;
  /// Every object whose key begins with `folder` and a slash.
  Result<std::vector<ObjectInfo>> List(std::string_view folder) const;

 private:
  std::string PathOf(std::string_view key) const;

  Location location_;
};

}  // namespace millrace::data
