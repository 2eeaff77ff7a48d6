// SPDX-License-Identifier: Apache-2.0
// Accumulators: what an expectation remembers of the rows that it has seen. Add blocks in order,
// Merge what follows, Finish once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "quality/internal/column_block.h"
#include "quality/suite.h"

namespace millrace::quality::internal {

/// The columns of a block that the suite reads; an accumulator knows its own by index.
struct Block {
  std::int64_t first_row = 0;
  std::size_t rows = 0;
  std::vector<ColumnBlock> columns;
};

class Accumulator {
 public:
  virtual ~Accumulator() = default;
  virtual void Add(const Block& block) = 0;
  /// `next` has the same type and saw the rows right after this one's.
  virtual void Merge(Accumulator& next) = 0;
  /// Fills observed, success and the counts.
  virtual void Finish(ExpectationResult& result) = 0;
};

/// Sets bad[i] to 1 for rows that break the expectation; the bad flags of missing rows are not
/// looked at.
using RowTest = std::function<void(const ColumnBlock& column, std::vector<std::uint8_t>& bad)>;
/// Judges a number: fills success.
using RangeTest = std::function<bool(double value)>;

/// Which rows an accumulator over several columns leaves out.
enum class IgnoreRows { kNever, kAllMissing, kAnyMissing };

/// How nulls count in a test of single values.
enum class NullRule { kLeaveOut, kAreBad, kAreWanted };

/// The numbers of a column in one figure.
enum class Metric { kMean, kMin, kMax, kSum, kStdev, kMedian };

/// The distinct values of a column in one verdict.
enum class DistinctRule { kCount, kProportion, kInSet, kContainSet, kEqualSet };

/// Wanted values as bits or texts, see ColumnBlock.
struct ValueSet {
  std::vector<std::uint64_t> bits;
  std::vector<std::string> texts;
};

std::unique_ptr<Accumulator> MakeRowTest(std::size_t column, RowTest test, NullRule nulls,
                                         double mostly);
std::unique_ptr<Accumulator> MakeOrder(std::size_t column, bool is_increasing, bool strictly,
                                       double mostly);
std::unique_ptr<Accumulator> MakeUnique(std::vector<std::size_t> columns, IgnoreRows ignore,
                                        double mostly);
/// @param or_equal  a == b is right; `only_equal`: nothing else is.
std::unique_ptr<Accumulator> MakePair(std::size_t a, std::size_t b, bool or_equal, bool only_equal,
                                      IgnoreRows ignore, double mostly);
std::unique_ptr<Accumulator> MakeMetric(std::size_t column, Metric metric, RangeTest range);
std::unique_ptr<Accumulator> MakeDistinct(std::size_t column, DistinctRule rule, RangeTest range,
                                          std::shared_ptr<const ValueSet> wanted);

}  // namespace millrace::quality::internal
