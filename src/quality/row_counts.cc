// SPDX-License-Identifier: Apache-2.0
// The verdict over counted rows.
#include "quality/internal/row_counts.h"

#include "base/number_format.h"

namespace millrace::quality::internal {
namespace {

// "0.0015%": two significant figures for small shares, so that few rows among many do not read as
// none.
std::string Percent(double percent) {
  int digits = 1;
  for (double limit = 1; percent > 0 && percent < limit && digits < 6; limit /= 10) {
    ++digits;
  }
  return base::FormatFixed(percent, digits) + "%";
}

}  // namespace

void RowCounts::Merge(const RowCounts& next) {
  elements += next.elements;
  missing += next.missing;
  unexpected += next.unexpected;
  for (const BadRow& row : next.examples) {
    if (examples.size() < kMaxExamples) {
      examples.push_back(row);
    }
  }
}

void RowCounts::Judge(double mostly, std::int64_t counted, ExpectationResult& result) const {
  result.element_count = elements;
  result.missing_count = missing;
  result.unexpected_count = unexpected;
  result.examples = examples;
  if (counted == 0) {
    result.success = true;
    result.observed = "no value to look at";
    return;
  }
  const auto total = static_cast<double>(counted);
  result.unexpected_percent = 100.0 * static_cast<double>(unexpected) / total;
  // The form of Great Expectations: rounding at the border must not differ.
  result.success = static_cast<double>(counted - unexpected) / total >= mostly;
  result.observed = unexpected == 0
                        ? "all " + base::FormatCount(counted) + " hold"
                        : base::FormatCount(unexpected) + " of " + base::FormatCount(counted) +
                              " do not hold (" + Percent(result.unexpected_percent) + ")";
}

}  // namespace millrace::quality::internal
