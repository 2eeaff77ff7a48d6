// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. The return type of everything that can fail for reasons outside
// the program.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace millrace::base {

/// A value of type T or an Error. Reading the wrong side is a broken invariant and ends the
/// program.
template <typename T>
class [[nodiscard]] Result {
 public:
  using ValueType = T;

  // Implicit on purpose: `return value;` and `return InvalidArgument(...)` both read as they
  // should.
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& {
    MILL_CHECK_OK(*this);
    return std::get<0>(state_);
  }
  T& value() & {
    MILL_CHECK_OK(*this);
    return std::get<0>(state_);
  }
  T&& value() && {
    MILL_CHECK_OK(*this);
    return std::get<0>(std::move(state_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

  /// Adds context to the error, if there is one.
  Result With(std::string doing) && {
    if (ok()) {
      return std::move(*this);
    }
    return Result(std::move(std::get<1>(state_)).With(std::move(doing)));
  }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using ValueType = void;

  Result() = default;
  Result(Error error)
      : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor): as above

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

  Result With(std::string doing) && {
    if (ok()) {
      return {};
    }
    return Result(std::move(*error_).With(std::move(doing)));
  }

 private:
  std::optional<Error> error_;
};

}  // namespace millrace::base

namespace millrace {
using base::Error;
using base::ErrorCode;
using base::Result;
}  // namespace millrace

#define MILL_CONCAT_INNER(a, b) a##b
#define MILL_CONCAT(a, b) MILL_CONCAT_INNER(a, b)

/// Returns the error of `expr` (a Result<T> or Result<void>) from the current function, if it has
/// one.
#define MILL_RETURN_IF_ERROR(expr)           \
  do {                                       \
    auto mill_status = (expr);               \
    if (!mill_status.ok()) {                 \
      return std::move(mill_status).error(); \
    }                                        \
  } while (false)

/// `MILL_ASSIGN_OR_RETURN(auto x, F());` declares x with the value of F(), or returns its error.
#define MILL_ASSIGN_OR_RETURN(lhs, expr) \
  MILL_ASSIGN_OR_RETURN_INNER(MILL_CONCAT(mill_result_, __LINE__), lhs, expr)
#define MILL_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                                \
  if (!tmp.ok()) {                                  \
    return std::move(tmp).error();                  \
  }                                                 \
  lhs = std::move(tmp).value()
