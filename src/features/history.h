// SPDX-License-Identifier: Apache-2.0
// History: a view's events sorted once by (key, time, created, sequence), and the view's features
// at any keys and as-of times.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/context.h"
#include "base/result.h"
#include "data/table.h"
#include "features/key.h"
#include "features/plan.h"

namespace millrace::features {

/// The events of one source, ready to evaluate one view over history. Immutable, thread-safe, cheap
/// to copy.
class History {
 public:
  /// Reads the plan's columns from the source and sorts them. Rows with a null (or NaN) key match
  /// nothing and are left out.
  ///   - kInvalidArgument names a column that is missing or has another type than the plan's, or
  ///   the first row with a null
  ///     event time.
  /// Cost: O(rows) when the source is in order of time, O(rows log rows) otherwise. Work is spread
  /// over `context.cpu`.
  static Result<History> Make(const Context& context, const ViewPlan& plan,
                              const data::Table& source);

  /// The view's columns, one row per request row, in order.
  ///
  /// @param keys          n keys of the plan's key type; a null key gives nulls.
  /// @param as_of_micros  n as-of times, UTC microseconds.
  /// @return counts as int64, the rest as double; nulls by the rules of time: every column of a row
  /// is null if the key has no
  ///         event before the as-of time or its newest one is older than the ttl.
  /// Sums are exact to the last bit or the one beside it. The same bytes at any number of threads.
  /// Cost: O(events + requests) for all aggregates except windowed stddev, which reads each window
  /// anew.
  Result<data::Table> Evaluate(const Context& context, const KeyColumn& keys,
                               std::span<const std::int64_t> as_of_micros) const;

  /// Every key of the source once, ascending.
  KeyColumn Keys() const;
  /// The keys whose row at `as_of` is not all null: those with an event before it that the ttl has
  /// not ended. Ascending.
  KeyColumn KeysAlive(Timestamp as_of) const;
  std::int64_t events() const;

 private:
  struct Impl;
  explicit History(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace millrace::features
