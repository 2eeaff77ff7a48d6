// SPDX-License-Identifier: Apache-2.0
// Arrow's Status and Result as ours; third-party exceptions end here too.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <arrow/result.h>
#include <arrow/status.h>

#include "base/result.h"

namespace millrace::data::internal {

/// An error of Arrow as ours. `doing` says what was done, `path` what it was done to (may be
/// empty). Errors of the operating system keep their meaning (no such file, disk full, permission).
Error ToError(const arrow::Status& status, std::string_view doing, std::string_view path);

inline Result<void> Check(const arrow::Status& status, std::string_view doing,
                          std::string_view path) {
  if (status.ok()) {
    return {};
  }
  return ToError(status, doing, path);
}

template <typename T>
Result<T> Check(arrow::Result<T> result, std::string_view doing, std::string_view path) {
  if (result.ok()) {
    return std::move(result).ValueUnsafe();
  }
  return ToError(result.status(), doing, path);
}

/// Runs `body`, which returns a Result, and turns what third-party code throws into an error.
template <typename Body>
auto Guarded(std::string_view doing, std::string_view path, const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return base::ResourceExhausted(std::string(doing) + " " + std::string(path) +
                                   ": out of memory");
  } catch (const std::exception& e) {
    return base::Internal(std::string(doing) + " " + std::string(path) + ": " + e.what());
  }
}

}  // namespace millrace::data::internal
