// SPDX-License-Identifier: Apache-2.0
// Counts of rows that were looked at and that broke an expectation, with the first few of them.
#pragma once

#include <cstdint>
#include <vector>

#include "quality/suite.h"

namespace millrace::quality::internal {

struct RowCounts {
  std::int64_t elements = 0;
  /// Rows left out because of nulls.
  std::int64_t missing = 0;
  std::int64_t unexpected = 0;
  std::vector<BadRow> examples;

  /// `show()` gives the text of the value; it is called for the first few only.
  template <typename Show>
  void AddBad(std::int64_t first_row, std::size_t i, const Show& show) {
    ++unexpected;
    if (examples.size() < kMaxExamples) {
      examples.push_back({first_row + static_cast<std::int64_t>(i) + 1, show()});
    }
  }
  void Merge(const RowCounts& next);
  /// Fills the counts, the examples and the verdict: success if the share of `counted` rows that
  /// hold is at least `mostly`, or if no row counts.
  void Judge(double mostly, std::int64_t counted, ExpectationResult& result) const;
};

}  // namespace millrace::quality::internal
