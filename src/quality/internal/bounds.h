// SPDX-License-Identifier: Apache-2.0
// Ranges and sets of an expectation, read with the type of the column they are compared with.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/table.h"
#include "quality/internal/accumulator.h"
#include "quality/suite.h"

namespace millrace::quality::internal {

/// A range of numbers (instants as microseconds).
struct NumberRange {
  std::optional<double> min;
  std::optional<double> max;
  bool strict_min = false;
  bool strict_max = false;

  bool Contains(double value) const {
    return (!min || (strict_min ? value > *min : value >= *min)) &&
           (!max || (strict_max ? value < *max : value <= *max));
  }
};

/// kInvalidArgument names a bound that is no number (or instant), or min above max.
Result<NumberRange> ReadRange(const Expectation& expectation, data::ColumnType type);
/// kInvalidArgument names a member that no value of the type can equal.
Result<std::shared_ptr<const ValueSet>> ReadSet(const Expectation& expectation,
                                                data::ColumnType type);

/// "between 1 and 5", "above 0", "at most 3", ...
std::string RangeInWords(const Expectation& expectation);
/// "in the set of 3: a, b, c".
std::string SetInWords(const Expectation& expectation);
/// " for at least 99.9% of values", or nothing where all must hold.
std::string MostlyInWords(double mostly);

}  // namespace millrace::quality::internal
