// SPDX-License-Identifier: Apache-2.0
// Which segments become one, and how.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "tracking/internal/point_segment.h"

namespace millrace::tracking::internal {

/// Neighbours [begin, end) of the list of segments, oldest first; empty: nothing to do.
struct MergeChoice {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool empty() const { return begin == end; }
};

struct MergeLimits {
  /// At least so many segments of about the same size.
  std::size_t n_segments = 4;
  /// Larger ones stay as they are.
  std::uint64_t segment_bytes = 0;
  /// Smaller ones count as if they were so large.
  std::uint64_t least_bytes = 0;
};

/// First those with points that a newer one erases; then the newest ones, as long as the next older
/// one is no larger than all of them: a point is written again when the size doubles, so about ten
/// times on its way into a segment that is merged no more.
MergeChoice ChooseMerge(std::span<const std::shared_ptr<const Segment>> segments,
                        const MergeLimits& limits);

/// Writes the points of the segments (oldest first), each once, without those that a newer segment
/// among them erases. `goes_on` is asked now and then; kCancelled where it says no.
Result<void> MergeInto(SegmentWriter& writer,
                       std::span<const std::shared_ptr<const Segment>> segments,
                       const std::function<bool()>& goes_on);

}  // namespace millrace::tracking::internal
