// SPDX-License-Identifier: Apache-2.0
// One series out of several sorted places: what is in memory, and segments.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "tracking/internal/metric_points.h"
#include "tracking/internal/point_segment.h"

namespace millrace::tracking::internal {

struct StepRange {
  std::int64_t first = std::numeric_limits<std::int64_t>::min();
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  bool IsAll() const { return *this == StepRange(); }
  bool Has(std::int64_t step) const { return first <= step && step <= last; }
  friend bool operator==(const StepRange&, const StepRange&) = default;
};

/// The places where a series has points. For one thread.
class SeriesSources {
 public:
  explicit SeriesSources(Series series) : series_(series) {}

  /// Points in the order of History, each once.
  void AddPoints(std::vector<MetricPoint> points);
  void AddSegment(std::shared_ptr<const Segment> segment);
  bool empty() const { return streams_.empty(); }

  /// Gives the points in the order of History, each once, those of the steps asked for, without the
  /// first `skip`, in pieces, until `take` returns false. Blocks that are skipped whole are not
  /// read. To be called once.
  Result<void> Merge(const StepRange& steps, std::uint64_t skip,
                     const std::function<Result<bool>(std::span<const MetricPoint>)>& take);
  /// For each of n equal parts of the range of steps that has points: its summary, in order of
  /// step. Blocks inside one part are not read. Not after Merge.
  Result<std::vector<PointSummary>> Summaries(const StepRange& steps, int n_buckets) const;

 private:
  struct Stream {
    /// Points in memory, from `at` on.
    std::vector<MetricPoint> points;
    std::size_t at = 0;
    /// Then blocks [block, end_block).
    std::shared_ptr<const Segment> segment;
    std::size_t block = 0;
    std::size_t end_block = 0;

    bool HasPoints() const { return at < points.size(); }
  };
  /// Makes the stream's first point known; false at its end.
  Result<bool> Settle(Stream& stream, const StepRange& steps);
  Result<void> LoadBlock(Stream& stream);
  static const MetricPoint& Head(const Stream& stream);
  template <typename IsEnough, typename Visit>
  Result<void> VisitSummaries(const StepRange& steps, const IsEnough& is_enough,
                              const Visit& visit) const;

  Series series_;
  std::vector<Stream> streams_;
};

}  // namespace millrace::tracking::internal
