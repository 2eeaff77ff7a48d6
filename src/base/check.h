// SPDX-License-Identifier: Apache-2.0
// Checks of broken invariants. Never for user input: that gets a Result.
#pragma once

#include <sstream>
#include <string>
#include <string_view>

namespace millrace::base::internal {

/// Prints the failed condition with both operands and ends the program.
[[noreturn]] void CheckFailed(const char* file, int line, std::string_view condition,
                              std::string_view detail);

template <typename A, typename B>
std::string Operands(const A& a, const B& b) {
  std::ostringstream text;
  text << a << " against " << b;
  return text.str();
}

}  // namespace millrace::base::internal

#define MILL_CHECK(condition)                                                      \
  do {                                                                             \
    if (!(condition)) [[unlikely]] {                                               \
      ::millrace::base::internal::CheckFailed(__FILE__, __LINE__, #condition, ""); \
    }                                                                              \
  } while (false)

#define MILL_CHECK_OP(a, op, b)                                                                \
  do {                                                                                         \
    if (!((a)op(b))) [[unlikely]] {                                                            \
      ::millrace::base::internal::CheckFailed(__FILE__, __LINE__, #a " " #op " " #b,           \
                                              ::millrace::base::internal::Operands((a), (b))); \
    }                                                                                          \
  } while (false)
#define MILL_CHECK_EQ(a, b) MILL_CHECK_OP(a, ==, b)
#define MILL_CHECK_LT(a, b) MILL_CHECK_OP(a, <, b)
#define MILL_CHECK_LE(a, b) MILL_CHECK_OP(a, <=, b)

#define MILL_CHECK_OK(result)                                                       \
  do {                                                                              \
    if (!(result).ok()) [[unlikely]] {                                              \
      ::millrace::base::internal::CheckFailed(__FILE__, __LINE__, #result " is ok", \
                                              (result).error().ToString());         \
    }                                                                               \
  } while (false)

#ifdef NDEBUG
#define MILL_DCHECK(condition) static_cast<void>(0)
#else
#define MILL_DCHECK(condition) MILL_CHECK(condition)
#endif
