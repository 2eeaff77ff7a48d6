// SPDX-License-Identifier: Apache-2.0
// Points as chains of nodes, one chain a series.
#include "tracking/internal/point_table.h"

#include <algorithm>

#include "base/check.h"
#include "tracking/internal/point_codec.h"

namespace millrace::tracking::internal {
namespace {

std::uint64_t Mix(std::uint64_t word) {
  word ^= word >> 32;
  word *= 0x9E37'79B9'7F4A'7C15U;
  return word ^ (word >> 29);
}

std::uint64_t HashOf(std::int64_t run_key) {
  return Mix(static_cast<std::uint64_t>(run_key));
}

std::uint64_t HashOf(Series series) {
  return Mix(HashOf(series.run_key) + static_cast<std::uint64_t>(series.name_id));
}

}  // namespace

std::uint32_t PointTable::FindEntry(Series series) const {
  if (by_series_.empty()) {
    return kNone;
  }
  return by_series_.Find(HashOf(series), [this, series](std::uint32_t entry) {
    return entries_[entry].series == series;
  });
}

std::uint32_t PointTable::FindRun(std::int64_t run_key) const {
  if (by_run_.empty()) {
    return kNone;
  }
  return by_run_.Find(HashOf(run_key), [this, run_key](std::uint32_t entry) {
    return entries_[entry].series.run_key == run_key;
  });
}

std::uint32_t PointTable::EntryOf(Series series) {
  by_series_.GrowFor(entries_.size() + 1,
                     [this](std::uint32_t entry) { return HashOf(entries_[entry].series); });
  std::uint32_t& slot = by_series_.Find(HashOf(series), [this, series](std::uint32_t entry) {
    return entries_[entry].series == series;
  });
  if (slot == kNone) {
    slot = static_cast<std::uint32_t>(entries_.size());
    by_run_.GrowFor(n_runs_ + 1,
                    [this](std::uint32_t entry) { return HashOf(entries_[entry].series.run_key); });
    std::uint32_t& run = by_run_.Find(HashOf(series.run_key), [this, series](std::uint32_t entry) {
      return entries_[entry].series.run_key == series.run_key;
    });
    n_runs_ += run == kNone ? 1 : 0;
    entries_.push_back({series, {}, kNone, 0, run});
    run = slot;
  }
  return slot;
}

void PointTable::Add(Series series, std::span<const MetricPoint> points) {
  Entry& entry = entries_[EntryOf(series)];
  for (const MetricPoint& point : points) {
    if (n_nodes_ % kBlock == 0) {
      nodes_.push_back(std::make_unique_for_overwrite<Node[]>(kBlock));
    }
    nodes_.back()[n_nodes_ % kBlock] = {point, entry.last_node};
    if (entry.n_points == 0 || IsLater(point, entry.latest)) {
      entry.latest = point;
    }
    entry.last_node = n_nodes_++;
    ++entry.n_points;
  }
  n_points_ += points.size();
  MILL_CHECK_LT(n_nodes_, kNone);
}

void PointTable::Erase(std::int64_t run_key) {
  erased_.insert(run_key);
  for (std::uint32_t at = FindRun(run_key); at != kNone; at = entries_[at].same_run) {
    n_points_ -= entries_[at].n_points;
    entries_[at].n_points = 0;
    entries_[at].last_node = kNone;
  }
}

std::vector<MetricPoint> PointTable::Points(Series series) const {
  std::vector<MetricPoint> points;
  const std::uint32_t found = FindEntry(series);
  if (found == kNone || entries_[found].n_points == 0) {
    return points;
  }
  points.resize(entries_[found].n_points);
  std::size_t at = points.size();
  for (std::uint32_t node = entries_[found].last_node; node != kNone; node = NodeAt(node).before) {
    points[--at] = NodeAt(node).point;
  }
  // Most series arrive in order.
  if (!std::is_sorted(points.begin(), points.end(), PointLess)) {
    std::stable_sort(points.begin(), points.end(), PointLess);
  }
  const auto is_same = [](const MetricPoint& a, const MetricPoint& b) { return !PointLess(a, b); };
  points.erase(std::unique(points.begin(), points.end(), is_same), points.end());
  return points;
}

void PointTable::AppendLatest(std::int64_t run_key, std::vector<SeriesPoint>& latest) const {
  for (std::uint32_t at = FindRun(run_key); at != kNone; at = entries_[at].same_run) {
    if (entries_[at].n_points > 0) {
      latest.push_back({entries_[at].series, entries_[at].latest});
    }
  }
}

std::vector<SeriesPoint> PointTable::SortedLatest() const {
  std::vector<SeriesPoint> all;
  all.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    if (entry.n_points > 0) {
      all.push_back({entry.series, entry.latest});
    }
  }
  std::sort(all.begin(), all.end(),
            [](const SeriesPoint& a, const SeriesPoint& b) { return a.series < b.series; });
  return all;
}

}  // namespace millrace::tracking::internal
