// SPDX-License-Identifier: Apache-2.0
// An immutable file of points sorted by (run, key, timestamp, step, value), with an index of blocks
// that plots can answer from. Bytes: docs/formats/metric_journal.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tracking/internal/metric_points.h"

namespace millrace::tracking::internal {

/// What a plot needs of some points of one series. Minimum and maximum by value, the rest by
/// (step, timestamp, value); a NaN is minimum or maximum only where there is nothing else.
struct PointSummary {
  MetricPoint first;
  MetricPoint last;
  MetricPoint minimum;
  MetricPoint maximum;

  static PointSummary Of(const MetricPoint& point) { return {point, point, point, point}; }
  void Merge(const PointSummary& other);
};

/// An entry of the index, as it is on disk.
struct BlockInfo {
  std::uint64_t offset;
  std::uint32_t size_bytes;
  std::uint32_t crc;
  std::uint32_t n_points;
  /// 1: a part of one series, and the points below say which; otherwise they are zeros.
  std::uint32_t n_series;
  Series first_series;
  Series last_series;
  /// First and last in the order of History.
  MetricPoint begin;
  MetricPoint end;
  PointSummary summary;
};
static_assert(sizeof(BlockInfo) == 200, "on disk");

/// Writes a segment. For one thread.
class SegmentWriter {
 public:
  /// @param block_points  points to a block; what is skipped or read at once
  static Result<std::unique_ptr<SegmentWriter>> Create(const std::filesystem::path& path,
                                                       std::uint32_t block_points);
  virtual ~SegmentWriter() = default;
  /// Series rise; points of a series come in the order of History, each once, in one or several
  /// calls.
  virtual Result<void> Add(Series series, std::span<const MetricPoint> points) = 0;
  /// Writes the index, and syncs. `erased`: runs whose points in older segments do not count.
  virtual Result<void> Finish(std::vector<std::int64_t> erased) = 0;
};

/// Reads a segment through a mapping. Thread-safe.
class Segment {
 public:
  /// kDataLoss for a file that is not whole.
  static Result<std::shared_ptr<const Segment>> Open(const std::filesystem::path& path,
                                                     std::uint64_t number);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  std::uint64_t number() const { return number_; }
  std::uint64_t size_bytes() const { return size_; }
  std::uint64_t n_points() const { return n_points_; }
  std::span<const BlockInfo> blocks() const { return blocks_; }
  std::span<const std::int64_t> erased() const { return erased_; }
  bool HidesOlder(std::int64_t run_key) const;
  /// Indices [first, second) of the blocks that may hold the series.
  std::pair<std::size_t, std::size_t> BlocksOf(Series series) const;
  /// Appends the block's points of the series.
  Result<void> ReadBlock(std::size_t block, Series series, std::vector<MetricPoint>& points) const;
  /// All series of the block with their points.
  Result<void> ReadBlock(std::size_t block, std::vector<SeriesPoint>& points) const;

 private:
  Segment() = default;
  template <typename Visit>
  Result<void> Decode(std::size_t block, const Visit& visit) const;
  base::Error Damaged(const std::string& what) const;

  std::filesystem::path path_;
  std::uint64_t number_ = 0;
  const char* bytes_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t n_points_ = 0;
  std::span<const BlockInfo> blocks_;
  /// Sorted.
  std::span<const std::int64_t> erased_;
};

}  // namespace millrace::tracking::internal
