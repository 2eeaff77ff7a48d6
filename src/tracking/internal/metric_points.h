// SPDX-License-Identifier: Apache-2.0
// Where metric points are kept: a journal beside SQLite, a table in PostgreSQL.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

/// One metric of one run: `runs.run_key` and `names.name_id`.
struct Series {
  std::int64_t run_key = 0;
  std::int64_t name_id = 0;
  auto operator<=>(const Series&) const = default;
};

struct SeriesPoint {
  Series series;
  MetricPoint point;
};

/// True where `a` is a later value than `b`: MLflow's latest metric is the greatest (step,
/// timestamp, value); NaN counts as 0, as it is stored there.
bool IsLater(const MetricPoint& a, const MetricPoint& b);

/// The points of the writes that are committed together. One at a time among all threads and
/// processes. Dropped without Write: nothing was written.
class PointGroup {
 public:
  virtual ~PointGroup() = default;
  virtual Result<void> Append(std::span<const SeriesPoint> points) = 0;
  /// Number of points so far; RollbackTo drops those after it (a write of the group failed).
  virtual std::size_t size() const = 0;
  virtual void RollbackTo(std::size_t size) = 0;
  /// Appends the points, durable on return (as the durability setting says).
  /// @param commit_number  what the SQL transaction of this group raises the change counter to, or
  /// 0 where the group has no SQL
  virtual Result<void> Write(std::int64_t commit_number) = 0;
  /// Called after the SQL commit: makes the points visible to readers of this process.
  virtual void Publish() = 0;
};

/// Thread-safe. Readers see what was published here and what other processes committed before the
/// call.
class MetricPoints {
 public:
  virtual ~MetricPoints() = default;
  virtual Result<std::unique_ptr<PointGroup>> BeginGroup() = 0;
  /// Null where a thread or process that writes now, or a server elsewhere, would have to be waited
  /// for.
  virtual Result<std::unique_ptr<PointGroup>> TryBeginGroup() {
    return std::unique_ptr<PointGroup>();
  }
  /// True where PointGroup::Write puts the points into the metadata database: then it is called
  /// within the group's SQL transaction, and BeginGroup keeps no other process out.
  virtual bool is_in_database() const { return false; }

  /// Ordered by (timestamp, step, value), exact duplicates once; from `offset`, at most `limit`.
  virtual Result<std::vector<MetricPoint>> History(Series series, std::int64_t offset,
                                                   std::int64_t limit) = 0;
  /// The latest value of each metric of each run asked for.
  virtual Result<std::vector<SeriesPoint>> Latest(std::span<const std::int64_t> run_keys) = 0;
  /// Points with steps in [first_step, last_step], in the order of History.
  virtual Result<std::vector<MetricPoint>> Range(Series series, std::int64_t first_step,
                                                 std::int64_t last_step) = 0;
  /// For plots: at most 4 points (first, minimum, maximum, last) for each of `n_buckets` equal
  /// parts of the steps' range, in order of step. Reads summaries, not points, where there are
  /// many.
  virtual Result<std::vector<MetricPoint>> Downsampled(Series series, std::int64_t first_step,
                                                       std::int64_t last_step, int n_buckets) = 0;
  /// Series whose latest value may have changed since the last call with this cursor (0: the
  /// start); false where too many changed to list them, and everything must be read again.
  virtual Result<bool> ChangedSince(std::uint64_t& cursor, std::vector<Series>& changed) = 0;
  /// Forgets runs for good (garbage collection).
  virtual Result<void> Erase(std::span<const std::int64_t> run_keys) = 0;
  /// Gives back the space of erased runs where that does not happen by itself.
  virtual Result<void> Compact() { return {}; }
  /// Bytes of the files that hold points; 0 for points in the metadata database.
  virtual std::uint64_t SizeOnDisk() const { return 0; }
};

}  // namespace millrace::tracking::internal
