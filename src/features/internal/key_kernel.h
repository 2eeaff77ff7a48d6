// SPDX-License-Identifier: Apache-2.0
// The kernel: all aggregates of one key at all its as-of times in one sweep over its events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "features/aggregates.h"
#include "features/internal/events.h"
#include "features/plan.h"

namespace millrace::features::internal {

/// Where a kernel writes: one vector per aggregate, and 1 for each row that is not all null.
struct KernelOutput {
  std::vector<std::vector<double>> aggregates;
  std::vector<std::uint8_t> is_alive;
};

/// Evaluates keys one after another; holds the scratch memory of one thread. Rows of different keys
/// never meet, so that kernels of several threads write into one output.
class KeyKernel {
 public:
  KeyKernel(const Events& events, const ViewPlan& plan, std::span<const std::int64_t> as_of,
            KernelOutput& output)
      : events_(events), plan_(plan), as_of_(as_of), output_(output) {}

  /// @param requests  rows that ask for this key, by as-of ascending.
  void Run(std::size_t key, std::span<const std::uint32_t> requests);

 private:
  /// The events [begin, end) of the key that a window of a row sees.
  struct Range {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  void FindRanges();
  void RunLookups(std::span<const std::uint32_t> requests);
  void RunPassCounts(const AggregateProgram& program, std::vector<double>& out);
  void RunDistinct(const AggregateProgram& program, std::vector<double>& out);
  void RunSums(int channel);
  template <bool kIsMax>
  void RunExtreme(const AggregateProgram& program, std::vector<double>& out);
  template <bool kIsMax>
  void RunSlidingExtreme(const AggregateProgram& program, std::vector<double>& out);
  void RunFirst(const AggregateProgram& program, std::vector<double>& out);
  void RunLast(const AggregateProgram& program, std::vector<double>& out);
  void RunStddev(const AggregateProgram& program, std::vector<double>& out);
  void Store(std::vector<double>& out, std::size_t i, const AggregateProgram& program,
             double value) const;

  /// Keys with events known later than they happened: each row looks at what was known then.
  void RunLateKey(std::span<const std::uint32_t> requests);
  double OverKnown(const AggregateProgram& program, std::span<const std::uint32_t> positions) const;

  std::span<const double> Values(int channel) const {
    return std::span(events_.value_channels[static_cast<std::size_t>(channel)].values)
        .subspan(begin_, n_);
  }

  const Events& events_;
  const ViewPlan& plan_;
  std::span<const std::int64_t> as_of_;
  KernelOutput& output_;

  // The key at hand.
  std::size_t begin_ = 0;
  std::size_t n_ = 0;
  std::span<const std::int64_t> time_;
  /// Rows that are alive, by as-of, and their ranges: ranges_[window][i].
  std::vector<std::uint32_t> rows_;
  std::vector<std::vector<Range>> ranges_;
  std::vector<SumState> prefix_;
  std::vector<std::uint32_t> deque_;
};

}  // namespace millrace::features::internal
