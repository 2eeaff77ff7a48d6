// SPDX-License-Identifier: Apache-2.0
// The points of one journal in memory, found by series and by run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "tracking/internal/metric_points.h"

namespace millrace::tracking::internal {

/// 32 bytes a point and about 80 a series. Not thread-safe while it grows.
class PointTable {
 public:
  void Add(Series series, std::span<const MetricPoint> points);
  /// Forgets the run's points so far, here and in everything older than this table.
  void Erase(std::int64_t run_key);

  /// In the order of History, each once; empty where there is none.
  std::vector<MetricPoint> Points(Series series) const;
  /// Appends the latest value of each series of the run.
  void AppendLatest(std::int64_t run_key, std::vector<SeriesPoint>& latest) const;
  /// Every series that has points, sorted, with its latest value.
  std::vector<SeriesPoint> SortedLatest() const;
  /// True where older tables and segments no longer count for the run.
  bool HidesOlder(std::int64_t run_key) const { return erased_.contains(run_key); }
  const std::unordered_set<std::int64_t>& erased() const { return erased_; }
  std::size_t n_points() const { return n_points_; }

 private:
  static constexpr std::uint32_t kNone = 0xFFFF'FFFF;
  static constexpr std::size_t kBlock = 4096;
  struct Node {
    MetricPoint point;
    std::uint32_t before;
  };
  struct Entry {
    Series series;
    MetricPoint latest;
    std::uint32_t last_node;
    std::uint32_t n_points;
    /// The series of the same run that came before this one.
    std::uint32_t same_run;
  };
  /// Open addressing over entries; grows at half full.
  class Slots {
   public:
    /// The slot of the entry for which `is_equal` holds, or the free one where it would be.
    template <typename IsEqual>
    std::uint32_t& Find(std::uint64_t hash, const IsEqual& is_equal) {
      const std::size_t mask = slots_.size() - 1;
      std::size_t at = hash & mask;
      while (slots_[at] != kNone && !is_equal(slots_[at])) {
        at = (at + 1) & mask;
      }
      return slots_[at];
    }
    template <typename HashOf>
    void GrowFor(std::size_t n_used, const HashOf& hash_of) {
      if (n_used * 2 < slots_.size()) {
        return;
      }
      std::vector<std::uint32_t> old(std::max<std::size_t>(64, slots_.size() * 2), kNone);
      old.swap(slots_);
      for (const std::uint32_t entry : old) {
        if (entry != kNone) {
          Find(hash_of(entry), [](std::uint32_t) { return false; }) = entry;
        }
      }
    }
    bool empty() const { return slots_.empty(); }

   private:
    std::vector<std::uint32_t> slots_;
  };

  std::uint32_t EntryOf(Series series);
  std::uint32_t FindEntry(Series series) const;
  std::uint32_t FindRun(std::int64_t run_key) const;
  const Node& NodeAt(std::uint32_t index) const { return nodes_[index / kBlock][index % kBlock]; }

  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<Node[]>> nodes_;
  std::uint32_t n_nodes_ = 0;
  std::size_t n_points_ = 0;
  mutable Slots by_series_;
  /// Slots hold the newest entry of each run.
  mutable Slots by_run_;
  std::size_t n_runs_ = 0;
  std::unordered_set<std::int64_t> erased_;
};

}  // namespace millrace::tracking::internal
