// SPDX-License-Identifier: Apache-2.0
// Segments are merged in one pass over all of them, in memory for a block of each.
#include "tracking/internal/segment_merge.h"

#include <algorithm>
#include <optional>

#include "tracking/internal/point_codec.h"

namespace millrace::tracking::internal {
namespace {

/// True if a block of the segment may hold points of the run.
bool MayHold(const Segment& segment, std::int64_t run_key) {
  const auto block = std::partition_point(
      segment.blocks().begin(), segment.blocks().end(),
      [run_key](const BlockInfo& info) { return info.last_series.run_key < run_key; });
  return block != segment.blocks().end() && block->first_series.run_key <= run_key;
}

bool MayHoldOneOf(const Segment& segment, std::span<const std::int64_t> run_keys) {
  return std::any_of(run_keys.begin(), run_keys.end(),
                     [&segment](std::int64_t run_key) { return MayHold(segment, run_key); });
}

/// Goes through a segment point by point.
class SegmentCursor {
 public:
  explicit SegmentCursor(const Segment& segment) : segment_(segment) {}

  /// False at the end.
  Result<bool> Settle() {
    while (at_ == points_.size()) {
      if (block_ == segment_.blocks().size()) {
        return false;
      }
      points_.clear();
      at_ = 0;
      MILL_RETURN_IF_ERROR(segment_.ReadBlock(block_++, points_));
    }
    return true;
  }
  const SeriesPoint& head() const { return points_[at_]; }
  void Advance() { ++at_; }

 private:
  const Segment& segment_;
  std::size_t block_ = 0;
  std::vector<SeriesPoint> points_;
  std::size_t at_ = 0;
};

bool Less(const SeriesPoint& a, const SeriesPoint& b) {
  return a.series != b.series ? a.series < b.series : PointLess(a.point, b.point);
}

}  // namespace

MergeChoice ChooseMerge(std::span<const std::shared_ptr<const Segment>> segments,
                        const MergeLimits& limits) {
  for (std::size_t i = segments.size(); i-- > 1;) {
    for (std::size_t older = 0; older < i; ++older) {
      if (MayHoldOneOf(*segments[older], segments[i]->erased())) {
        return {older, i + 1};
      }
    }
  }
  if (segments.empty()) {
    return {};
  }
  std::size_t begin = segments.size();
  std::uint64_t total = 0;
  while (begin > 0 && segments[begin - 1]->size_bytes() < limits.segment_bytes &&
         (begin == segments.size() ||
          segments[begin - 1]->size_bytes() <= std::max(total, limits.least_bytes))) {
    --begin;
    total += std::max(segments[begin]->size_bytes(), limits.least_bytes);
  }
  if (segments.size() - begin < limits.n_segments) {
    return {};
  }
  return {begin, segments.size()};
}

Result<void> MergeInto(SegmentWriter& writer,
                       std::span<const std::shared_ptr<const Segment>> segments,
                       const std::function<bool()>& goes_on) {
  constexpr std::size_t kPiece = 4096;
  std::vector<SegmentCursor> cursors;
  for (const auto& segment : segments) {
    cursors.emplace_back(*segment);
  }
  std::vector<MetricPoint> piece;
  std::optional<SeriesPoint> last;
  for (;;) {
    std::size_t least = cursors.size();
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      MILL_ASSIGN_OR_RETURN(const bool is_open, cursors[i].Settle());
      if (is_open && (least == cursors.size() || Less(cursors[i].head(), cursors[least].head()))) {
        least = i;
      }
    }
    const bool is_end = least == cursors.size();
    const bool is_new_series = is_end || (last && last->series != cursors[least].head().series);
    if (!piece.empty() && (is_new_series || piece.size() >= kPiece)) {
      if (!goes_on()) {
        return base::Cancelled("merging segments was stopped");
      }
      MILL_RETURN_IF_ERROR(writer.Add(last->series, piece));
      piece.clear();
    }
    if (is_end) {
      return {};
    }
    const SeriesPoint point = cursors[least].head();
    cursors[least].Advance();
    const bool is_erased = std::any_of(
        segments.begin() + static_cast<std::ptrdiff_t>(least) + 1, segments.end(),
        [&point](const auto& newer) { return newer->HidesOlder(point.series.run_key); });
    if (!is_erased && (!last || Less(*last, point))) {
      piece.push_back(point.point);
      last = point;
    }
  }
}

}  // namespace millrace::tracking::internal
