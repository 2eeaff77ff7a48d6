// SPDX-License-Identifier: Apache-2.0
// Column blocks from slices of tables.
#include "quality/internal/column_block.h"

#include <bit>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/number_format.h"

namespace millrace::quality::internal {

std::uint64_t DoubleBits(double value) {
  return std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
}

std::string ShowText(const std::string& text) {
  static constexpr std::size_t kShown = 40;
  if (text.size() <= kShown) {
    return "\"" + text + "\"";
  }
  // Not through the middle of a UTF-8 sequence.
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return "\"" + text.substr(0, end) + "...\"";
}

std::string ShowBits(data::ColumnType type, std::uint64_t bits) {
  const auto integer = static_cast<std::int64_t>(bits);
  switch (type) {
    case data::ColumnType::kBool:
      return integer != 0 ? "true" : "false";
    case data::ColumnType::kInt64:
      return std::to_string(integer);
    case data::ColumnType::kTimestamp:
      return base::FormatTimestamp(Timestamp{integer});
    default:
      return base::FormatDouble(std::bit_cast<double>(bits));
  }
}

std::uint64_t ColumnBlock::Bits(std::size_t i) const {
  return type == data::ColumnType::kDouble ? DoubleBits(numbers[i])
                                           : static_cast<std::uint64_t>(integers[i]);
}

std::string ColumnBlock::Show(std::size_t i) const {
  if (missing[i] != 0) {
    return "null";
  }
  return is_text() ? ShowText(Text(i)) : ShowBits(type, Bits(i));
}

Result<ColumnBlock> ReadColumnBlock(const data::Table& slice, const std::string& column,
                                    std::int64_t first_row) {
  ColumnBlock block;
  block.first_row = first_row;
  block.rows = static_cast<std::size_t>(slice.rows());
  MILL_ASSIGN_OR_RETURN(block.type, slice.TypeOf(column));
  block.missing.resize(block.rows);
  if (block.is_text()) {
    MILL_ASSIGN_OR_RETURN(block.texts, slice.Strings(column));
    for (std::size_t i = 0; i < block.rows; ++i) {
      block.missing[i] = block.texts.codes[i] < 0 ? 1 : 0;
    }
  } else if (block.type == data::ColumnType::kDouble) {
    MILL_ASSIGN_OR_RETURN(block.numbers, slice.Doubles(column));
    for (std::size_t i = 0; i < block.rows; ++i) {
      block.missing[i] = std::isnan(block.numbers[i]) ? 1 : 0;
    }
  } else {
    MILL_ASSIGN_OR_RETURN(data::Int64Column values, block.type == data::ColumnType::kTimestamp
                                                        ? slice.Timestamps(column)
                                                        : slice.Int64s(column));
    block.integers = std::move(values.values);
    if (!values.is_null.empty()) {
      block.missing = std::move(values.is_null);
    }
    block.numbers.resize(block.rows);
    for (std::size_t i = 0; i < block.rows; ++i) {
      block.numbers[i] = static_cast<double>(block.integers[i]);
    }
  }
  for (const std::uint8_t missing : block.missing) {
    block.n_missing += missing;
  }
  return block;
}

}  // namespace millrace::quality::internal
