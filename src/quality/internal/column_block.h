// SPDX-License-Identifier: Apache-2.0
// A few ten thousand rows of one column, laid out for the kernels of expectations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/table.h"

namespace millrace::quality::internal {

/// Values of rows [first_row, first_row + rows). What is filled depends on the type.
struct ColumnBlock {
  data::ColumnType type = data::ColumnType::kDouble;
  std::int64_t first_row = 0;
  std::size_t rows = 0;
  /// 1 where null or NaN; always `rows` long.
  std::vector<std::uint8_t> missing;
  std::size_t n_missing = 0;
  /// All types but string; undefined where missing.
  std::vector<double> numbers;
  /// bool, int64, timestamp (microseconds).
  std::vector<std::int64_t> integers;
  /// string.
  data::StringColumn texts;

  bool is_text() const { return type == data::ColumnType::kString; }
  /// A value as 64 bits: equal values of a column, and only they, have equal bits. Not for strings.
  std::uint64_t Bits(std::size_t i) const;
  const std::string& Text(std::size_t i) const {
    return texts.values[static_cast<std::size_t>(texts.codes[i])];
  }
  /// A value for people: numbers, quoted texts of at most 40 characters, instants, null.
  std::string Show(std::size_t i) const;
};

/// The bits of a double by which it is compared: -0 is 0.
std::uint64_t DoubleBits(double value);
/// A value of a non-string column from its bits, for people.
std::string ShowBits(data::ColumnType type, std::uint64_t bits);
std::string ShowText(const std::string& text);

/// Reads the column of a slice of a table whose first row is row `first_row` of the whole.
Result<ColumnBlock> ReadColumnBlock(const data::Table& slice, const std::string& column,
                                    std::int64_t first_row);

}  // namespace millrace::quality::internal
