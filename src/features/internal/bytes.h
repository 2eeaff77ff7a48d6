// SPDX-License-Identifier: Apache-2.0
// Fixed-width little-endian values in byte strings: saved states and online rows.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::features::internal {

static_assert(std::endian::native == std::endian::little, "stored bytes are little-endian");

template <typename T>
void AppendBytes(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

/// Takes a T from the front; false if there are too few bytes.
template <typename T>
bool TakeBytes(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof(T)) {
    return false;
  }
  std::memcpy(&value, bytes.data(), sizeof(T));
  bytes.remove_prefix(sizeof(T));
  return true;
}

}  // namespace millrace::features::internal
