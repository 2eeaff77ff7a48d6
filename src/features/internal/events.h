// SPDX-License-Identifier: Apache-2.0
// The events of one view, sorted by (key, event time, created, sequence), and what its aggregates
// read of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "data/table.h"
#include "features/internal/dense_codes.h"
#include "features/key.h"
#include "features/plan.h"

namespace millrace::features::internal {

/// The distinct keys of a source, numbered in ascending order.
class KeyIndex {
 public:
  /// Numbers the keys; `row_keys` gets the number of each row, -1 for a null key.
  void Build(const KeyColumn& keys, std::vector<std::int32_t>& row_keys);
  /// The number of each request's key, -1 if it is null or unknown. The column must have the type
  /// of the index.
  std::vector<std::int32_t> Find(const KeyColumn& keys) const;
  std::size_t size() const { return is_text_ ? texts_.size() : numbers_.size(); }
  data::ColumnType type() const {
    return is_text_ ? data::ColumnType::kString : data::ColumnType::kInt64;
  }
  /// The keys with these numbers, as a column.
  KeyColumn Column(const std::vector<std::int32_t>& numbers) const;

 private:
  bool is_text_ = false;
  std::vector<std::int64_t> numbers_;
  DenseCodes codes_;
  /// Rank of each code of `codes_`.
  std::vector<std::int32_t> ranks_;
  std::vector<std::string> texts_;
};

/// Values of an input where the filter holds, NaN elsewhere and for nulls. Timestamps are
/// microseconds.
struct ValueChannel {
  int input = -1;
  int filter = -1;
  std::vector<double> values;
};

/// 1 where the filter holds and the input is not null. The prefix of a count.
struct PassChannel {
  int input = -1;
  int filter = -1;
  std::vector<std::uint8_t> passes;
};

/// For each event the neighbours with an equal value in the same key, among those that pass. With
/// these a window knows its distinct values by comparing positions, without a table.
struct DistinctChannel {
  int input = -1;
  int filter = -1;
  bool by_month = false;
  /// Position (in the key) after the previous equal event, 0 = none, kSkip for events that do not
  /// pass.
  std::vector<std::uint32_t> previous_end;
  /// Position of the next equal event, kNoNext = none, 0 for events that do not pass.
  std::vector<std::uint32_t> next;
  /// The value's code, -1 where the event does not pass.
  std::vector<std::int32_t> codes;

  static constexpr std::uint32_t kSkip = 0xFFFFFFFF;
  static constexpr std::uint32_t kNoNext = 0xFFFFFFFF;
};

/// Which channel an aggregate reads.
struct AggregateProgram {
  AggregateFunction function = AggregateFunction::kCountRows;
  std::int64_t window_micros = 0;
  int window = -1;
  /// Index into the channel vector of the function's kind; -1 for an unfiltered count(*).
  int channel = -1;
};

struct Events {
  KeyIndex keys;
  /// keys.size() + 1 offsets into everything below.
  std::vector<std::size_t> key_begin;
  std::vector<std::int64_t> time;
  /// When the event became known; empty if every event is known at its own time or as_corrected is
  /// wanted.
  std::vector<std::int64_t> known;
  /// 1 for keys with an event known later than its time: only these need a look at `known`.
  std::vector<std::uint8_t> has_late;
  std::vector<ValueChannel> value_channels;
  std::vector<PassChannel> pass_channels;
  std::vector<DistinctChannel> distinct_channels;
  std::vector<AggregateProgram> programs;
  /// The distinct windows of the plan, 0 for all history.
  std::vector<std::int64_t> windows;

  static Result<Events> Load(const Context& context, const ViewPlan& plan,
                             const data::Table& source);
};

}  // namespace millrace::features::internal
