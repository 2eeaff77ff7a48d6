// SPDX-License-Identifier: Apache-2.0
// Matrix from the columns of a table.
#include "data/matrix.h"

#include "data/table.h"

namespace millrace::data {

Result<Matrix> ToMatrix(const Table& table, std::span<const std::string> columns) {
  Matrix matrix;
  matrix.names.assign(columns.begin(), columns.end());
  matrix.rows = static_cast<std::size_t>(table.rows());
  matrix.values.resize(matrix.rows * columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    MILL_ASSIGN_OR_RETURN(const std::vector<double> values, table.Doubles(columns[c]));
    for (std::size_t row = 0; row < values.size(); ++row) {
      matrix.values[row * columns.size() + c] = values[row];
    }
  }
  return matrix;
}

}  // namespace millrace::data
