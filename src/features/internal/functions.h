// SPDX-License-Identifier: Apache-2.0
// The functions of derived expressions and conditions: names and how many arguments they take.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "features/expression.h"

namespace millrace::features::internal {

struct FunctionInfo {
  std::string_view name;
  Operator op;
  std::size_t minimum;
  std::size_t maximum;
};
inline constexpr std::size_t kMany = 64;
inline constexpr std::array kFunctions = {
    FunctionInfo{"greatest", Operator::kGreatest, 1, kMany},
    FunctionInfo{"least", Operator::kLeast, 1, kMany},
    FunctionInfo{"coalesce", Operator::kCoalesce, 1, kMany},
    FunctionInfo{"abs", Operator::kAbs, 1, 1},
    FunctionInfo{"ln", Operator::kLn, 1, 1},
    FunctionInfo{"log1p", Operator::kLog1p, 1, 1},
    FunctionInfo{"sqrt", Operator::kSqrt, 1, 1},
    FunctionInfo{"if", Operator::kIf, 3, 3},
    FunctionInfo{"is_null", Operator::kIsNull, 1, 1},
};

}  // namespace millrace::features::internal
