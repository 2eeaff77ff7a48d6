// SPDX-License-Identifier: Apache-2.0
// One scan for all expectations of a suite.
#include <algorithm>
#include <utility>

#include "base/thread_pool.h"
#include "data/table.h"
#include "quality/internal/compile.h"
#include "quality/suite.h"

namespace millrace::quality {
namespace {

using internal::Accumulator;
using internal::Block;
using internal::ColumnSet;
using internal::Compiled;

// Rows that are laid out at once: a few columns of them stay in the cache.
constexpr std::int64_t kBlockRows = 64 * 1024;
// Parts with their own accumulators. The cut depends on the number of rows alone, so that sums come
// out the same on any machine.
constexpr std::int64_t kMaxParts = 16;

using Accumulators = std::vector<std::unique_ptr<Accumulator>>;

Result<Block> ReadBlock(const data::Table& table, const std::vector<std::string>& columns,
                        std::int64_t first_row, std::int64_t n_rows) {
  const data::Table slice = table.Slice(first_row, n_rows);
  Block block;
  block.first_row = first_row;
  block.rows = static_cast<std::size_t>(slice.rows());
  for (const std::string& column : columns) {
    MILL_ASSIGN_OR_RETURN(internal::ColumnBlock read,
                          internal::ReadColumnBlock(slice, column, first_row));
    block.columns.push_back(std::move(read));
  }
  return block;
}

Result<void> ScanPart(const Context& context, const data::Table& table,
                      const std::vector<std::string>& columns, std::int64_t begin, std::int64_t end,
                      Accumulators& accumulators) {
  for (std::int64_t row = begin; row < end; row += kBlockRows) {
    MILL_RETURN_IF_ERROR(context.Check());
    MILL_ASSIGN_OR_RETURN(const Block block,
                          ReadBlock(table, columns, row, std::min(kBlockRows, end - row)));
    for (const std::unique_ptr<Accumulator>& accumulator : accumulators) {
      if (accumulator != nullptr) {
        accumulator->Add(block);
      }
    }
  }
  return {};
}

Accumulators MakeAll(const std::vector<Compiled>& compiled) {
  Accumulators out;
  for (const Compiled& one : compiled) {
    out.push_back(one.make ? one.make() : nullptr);
  }
  return out;
}

Result<Accumulators> Scan(const Context& context, const data::Table& table,
                          const std::vector<std::string>& columns,
                          const std::vector<Compiled>& compiled) {
  const std::int64_t rows = table.rows();
  const std::int64_t part_rows = std::max(kBlockRows, (rows + kMaxParts - 1) / kMaxParts);
  const auto n_parts =
      static_cast<std::size_t>(std::max<std::int64_t>(1, (rows + part_rows - 1) / part_rows));
  std::vector<Accumulators> parts(n_parts);
  const auto scan = [&](std::size_t first, std::size_t last) -> Result<void> {
    for (std::size_t part = first; part < last; ++part) {
      parts[part] = MakeAll(compiled);
      const std::int64_t begin = static_cast<std::int64_t>(part) * part_rows;
      MILL_RETURN_IF_ERROR(
          ScanPart(context, table, columns, begin, std::min(rows, begin + part_rows), parts[part]));
    }
    return {};
  };
  if (context.cpu != nullptr) {
    MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(context, n_parts, 1, scan));
  } else {
    MILL_RETURN_IF_ERROR(scan(0, n_parts));
  }
  for (std::size_t part = 1; part < n_parts; ++part) {
    for (std::size_t i = 0; i < compiled.size(); ++i) {
      if (parts[0][i] != nullptr) {
        parts[0][i]->Merge(*parts[part][i]);
        parts[part][i].reset();
      }
    }
  }
  return std::move(parts[0]);
}

int Count(const std::vector<ExpectationResult>& results, bool success, const char* severity) {
  return static_cast<int>(
      std::count_if(results.begin(), results.end(), [&](const ExpectationResult& result) {
        return result.success == success && (severity == nullptr || result.severity == severity);
      }));
}

}  // namespace

int SuiteResult::passed() const {
  return Count(results, true, nullptr);
}
int SuiteResult::failed() const {
  return Count(results, false, "error");
}
int SuiteResult::warned() const {
  return Count(results, false, "warn");
}

Result<SuiteResult> Check(const Context& context, const Suite& suite, const data::Table& table) {
  MILL_RETURN_IF_ERROR(context.Check());
  ColumnSet columns(table.columns());
  std::vector<Compiled> compiled;
  for (const Expectation& expectation : suite.expectations) {
    compiled.push_back(internal::Compile(expectation, table.rows(), columns));
  }
  MILL_ASSIGN_OR_RETURN(const Accumulators accumulators,
                        Scan(context, table, columns.used(), compiled));
  SuiteResult result;
  result.table = suite.table.value;
  result.rows = table.rows();
  for (std::size_t i = 0; i < compiled.size(); ++i) {
    if (accumulators[i] != nullptr) {
      accumulators[i]->Finish(compiled[i].result);
    }
    if (!compiled[i].result.problem.empty() && compiled[i].result.observed.empty()) {
      compiled[i].result.observed = "cannot be checked: " + compiled[i].result.problem;
    }
    result.results.push_back(std::move(compiled[i].result));
  }
  return result;
}

}  // namespace millrace::quality
