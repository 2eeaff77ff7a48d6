// SPDX-License-Identifier: Apache-2.0
// Merging by the smallest head; blocks are read only when a point of theirs is needed.
#include "tracking/internal/point_merge.h"

#include <algorithm>
#include <utility>

#include "tracking/internal/point_codec.h"

namespace millrace::tracking::internal {
namespace {

StepRange StepsOf(const BlockInfo& info) {
  return {info.summary.first.step, info.summary.last.step};
}

bool Overlaps(const StepRange& a, const StepRange& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

void SeriesSources::AddPoints(std::vector<MetricPoint> points) {
  if (!points.empty()) {
    streams_.emplace_back().points = std::move(points);
  }
}

void SeriesSources::AddSegment(std::shared_ptr<const Segment> segment) {
  const auto [begin, end] = segment->BlocksOf(series_);
  if (begin < end) {
    Stream& stream = streams_.emplace_back();
    stream.segment = std::move(segment);
    stream.block = begin;
    stream.end_block = end;
  }
}

Result<void> SeriesSources::LoadBlock(Stream& stream) {
  stream.points.clear();
  stream.at = 0;
  return stream.segment->ReadBlock(stream.block++, series_, stream.points);
}

Result<bool> SeriesSources::Settle(Stream& stream, const StepRange& steps) {
  while (!stream.HasPoints()) {
    if (stream.block == stream.end_block) {
      return false;
    }
    const BlockInfo& info = stream.segment->blocks()[stream.block];
    if (info.n_series > 1) {
      MILL_RETURN_IF_ERROR(LoadBlock(stream));
    } else if (Overlaps(StepsOf(info), steps)) {
      return true;
    } else {
      ++stream.block;
    }
  }
  return true;
}

const MetricPoint& SeriesSources::Head(const Stream& stream) {
  return stream.HasPoints() ? stream.points[stream.at]
                            : stream.segment->blocks()[stream.block].begin;
}

Result<void> SeriesSources::Merge(
    const StepRange& steps, std::uint64_t skip,
    const std::function<Result<bool>(std::span<const MetricPoint>)>& take) {
  std::optional<MetricPoint> passed;
  std::vector<MetricPoint> chosen;
  for (;;) {
    Stream* least = nullptr;
    const MetricPoint* next = nullptr;
    for (Stream& stream : streams_) {
      MILL_ASSIGN_OR_RETURN(const bool is_open, Settle(stream, steps));
      if (!is_open) {
        continue;
      }
      const MetricPoint& head = Head(stream);
      if (least == nullptr || PointLess(head, Head(*least))) {
        next = least == nullptr ? next : &Head(*least);
        least = &stream;
      } else if (next == nullptr || PointLess(head, *next)) {
        next = &head;
      }
    }
    if (least == nullptr) {
      return {};
    }
    if (!least->HasPoints()) {
      const BlockInfo& info = least->segment->blocks()[least->block];
      // Only where no other place has a point among the block's is its count what it adds.
      if (steps.IsAll() && skip >= info.n_points &&
          (next == nullptr || PointLess(info.end, *next)) &&
          (!passed || PointLess(*passed, info.begin))) {
        skip -= info.n_points;
        passed = info.end;
        ++least->block;
      } else {
        MILL_RETURN_IF_ERROR(LoadBlock(*least));
      }
      continue;
    }
    const auto begin = least->points.begin() + static_cast<std::ptrdiff_t>(least->at);
    auto end = next == nullptr ? least->points.end()
                               : std::lower_bound(begin, least->points.end(), *next, PointLess);
    end = std::max(end, begin + 1);
    std::span<const MetricPoint> run(begin, end);
    least->at += run.size();
    if (passed && !PointLess(*passed, run.front())) {
      run = run.subspan(1);
    }
    if (run.empty()) {
      continue;
    }
    passed = run.back();
    if (!steps.IsAll()) {
      chosen.clear();
      std::copy_if(run.begin(), run.end(), std::back_inserter(chosen),
                   [&](const MetricPoint& point) { return steps.Has(point.step); });
      run = chosen;
    }
    const std::uint64_t n_skipped = std::min<std::uint64_t>(skip, run.size());
    skip -= n_skipped;
    run = run.subspan(n_skipped);
    if (!run.empty()) {
      MILL_ASSIGN_OR_RETURN(const bool goes_on, take(run));
      if (!goes_on) {
        return {};
      }
    }
  }
}

template <typename IsEnough, typename Visit>
Result<void> SeriesSources::VisitSummaries(const StepRange& steps, const IsEnough& is_enough,
                                           const Visit& visit) const {
  std::vector<MetricPoint> points;
  for (const Stream& stream : streams_) {
    for (const MetricPoint& point : stream.points) {
      if (steps.Has(point.step)) {
        visit(PointSummary::Of(point));
      }
    }
    for (std::size_t block = stream.block; block < stream.end_block; ++block) {
      const BlockInfo& info = stream.segment->blocks()[block];
      if (info.n_series == 1) {
        const StepRange own = StepsOf(info);
        if (!Overlaps(own, steps)) {
          continue;
        }
        if (steps.Has(own.first) && steps.Has(own.last) && is_enough(own)) {
          visit(info.summary);
          continue;
        }
      }
      points.clear();
      MILL_RETURN_IF_ERROR(stream.segment->ReadBlock(block, series_, points));
      for (const MetricPoint& point : points) {
        if (steps.Has(point.step)) {
          visit(PointSummary::Of(point));
        }
      }
    }
  }
  return {};
}

Result<std::vector<PointSummary>> SeriesSources::Summaries(const StepRange& steps,
                                                           int n_buckets) const {
  std::optional<StepRange> used;
  MILL_RETURN_IF_ERROR(VisitSummaries(
      steps, [](const StepRange&) { return true; },
      [&used](const PointSummary& summary) {
        used = used ? StepRange{std::min(used->first, summary.first.step),
                                std::max(used->last, summary.last.step)}
                    : StepRange{summary.first.step, summary.last.step};
      }));
  std::vector<PointSummary> summaries;
  if (!used) {
    return summaries;
  }
  const auto first = static_cast<std::uint64_t>(used->first);
  const std::uint64_t width =
      (static_cast<std::uint64_t>(used->last) - first) / static_cast<std::uint64_t>(n_buckets) + 1;
  const auto bucket_of = [first, width](std::int64_t step) {
    return static_cast<std::size_t>((static_cast<std::uint64_t>(step) - first) / width);
  };
  std::vector<std::optional<PointSummary>> buckets(static_cast<std::size_t>(n_buckets));
  MILL_RETURN_IF_ERROR(VisitSummaries(
      *used, [&](const StepRange& own) { return bucket_of(own.first) == bucket_of(own.last); },
      [&](const PointSummary& summary) {
        std::optional<PointSummary>& bucket = buckets[bucket_of(summary.first.step)];
        if (bucket) {
          bucket->Merge(summary);
        } else {
          bucket = summary;
        }
      }));
  for (const std::optional<PointSummary>& bucket : buckets) {
    if (bucket) {
      summaries.push_back(*bucket);
    }
  }
  return summaries;
}

}  // namespace millrace::tracking::internal
