// SPDX-License-Identifier: Apache-2.0
// Matrix: the row-major doubles that learners and engines read, made from columns of a Table.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::data {

class Table;

/// rows x names.size() values, row by row; NaN means missing.
struct Matrix {
  std::vector<std::string> names;
  std::size_t rows = 0;
  std::vector<double> values;

  std::size_t columns() const { return names.size(); }
  const double* Row(std::size_t i) const { return values.data() + i * names.size(); }
  double* Row(std::size_t i) { return values.data() + i * names.size(); }
  double At(std::size_t row, std::size_t column) const {
    return values[row * names.size() + column];
  }
};

/// The named columns (bool, int64 or double) of a table as a matrix, in the given order.
///   - kInvalidArgument names a column that is unknown or not a number.
Result<Matrix> ToMatrix(const Table& table, std::span<const std::string> columns);

}  // namespace millrace::data
