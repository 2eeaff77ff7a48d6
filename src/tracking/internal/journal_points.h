// SPDX-License-Identifier: Apache-2.0
// Metric points in a journal that all runs share, beside SQLite; sorted into segments as it grows.
// docs/design/tracking.md, docs/formats/metric_journal.md.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/journal_file.h"
#include "tracking/internal/journal_folder.h"
#include "tracking/internal/metric_points.h"
#include "tracking/internal/point_merge.h"
#include "tracking/internal/point_segment.h"
#include "tracking/internal/point_table.h"

namespace millrace::tracking::internal {

struct JournalOptions {
  store::Durability durability = store::Durability::kDisk;
  /// The active journal is compacted where it is larger; about 8 bytes a point.
  std::uint64_t active_bytes = 4 << 20;
  /// That many segments of about the same size become one.
  std::size_t merged_segments = 4;
  /// Segments of this size are merged no more.
  std::uint64_t segment_bytes = std::uint64_t{1} << 30;
  std::uint32_t block_points = 2048;
  /// False: only Compact compacts.
  bool compacts_by_itself = true;
  /// For tests: called before each step that reaches disk; what it returns other than 0 is taken
  /// for the errno of that step.
  std::function<int(std::string_view step)> fault = {};
};

/// The series touched by appends, in order, the last of them.
class ChangedSeries {
 public:
  void Add(Series series);
  /// Everything may have changed.
  void Forget();
  bool Since(std::uint64_t& cursor, std::vector<Series>& changed);

 private:
  static constexpr std::size_t kMost = 262'144;
  std::deque<Series> series_;
  /// Number of the first that is kept; above 0, the cursor of a beginner.
  std::uint64_t begin_ = 1;
  /// The newest cursor handed out: a series that repeats is listed once up to there, once after it.
  std::uint64_t read_ = 1;
};

/// See MetricPoints. Lock order: group_mutex_, the folder's lock, metadata, mutex_; never metadata
/// while mutex_ is held.
class JournalPoints final : public MetricPoints {
 public:
  /// Takes the folder's lock for a moment, cuts what a dead writer left, reads the journals.
  static Result<std::unique_ptr<JournalPoints>> Open(const std::filesystem::path& dir,
                                                     store::Metadata& metadata,
                                                     const JournalOptions& options);
  ~JournalPoints() override;

  Result<std::unique_ptr<PointGroup>> BeginGroup() override;
  Result<std::unique_ptr<PointGroup>> TryBeginGroup() override;
  Result<std::vector<MetricPoint>> History(Series series, std::int64_t offset,
                                           std::int64_t limit) override;
  Result<std::vector<SeriesPoint>> Latest(std::span<const std::int64_t> run_keys) override;
  Result<std::vector<MetricPoint>> Range(Series series, std::int64_t first_step,
                                         std::int64_t last_step) override;
  Result<std::vector<MetricPoint>> Downsampled(Series series, std::int64_t first_step,
                                               std::int64_t last_step, int n_buckets) override;
  Result<bool> ChangedSince(std::uint64_t& cursor, std::vector<Series>& changed) override;
  /// Not inside a group or a transaction.
  Result<void> Erase(std::span<const std::int64_t> run_keys) override;

  /// Writes all points into segments, merges segments, removes what is no longer needed. Does
  /// nothing where another process is at it.
  Result<void> Compact() override;
  std::uint64_t SizeOnDisk() const override { return folder_.SizeOnDisk(); }
  /// Of the files that count, for tests and figures.
  PointManifest manifest();

 private:
  friend class JournalGroup;
  struct Active {
    JournalFile file;
    JournalCursor at;
    std::shared_ptr<PointTable> table;
  };
  struct Frozen {
    FrozenJournal journal;
    std::shared_ptr<const PointTable> table;
  };

  JournalPoints(JournalFolder folder, store::Metadata& metadata, const JournalOptions& options);

  // Under both locks.
  Result<std::unique_ptr<PointGroup>> BeginLocked(std::unique_lock<std::mutex> lock);
  Result<void> Enter();
  Result<void> Recover();
  Result<void> Rotate();
  Result<JournalCursor> Append(const JournalRecord& record);
  void Publish(JournalCursor end, const std::function<void(PointTable&)>& add);

  // Under mutex_.
  Result<void> CatchUp();
  Result<void> Reload();
  Result<void> LoadManifest(const PointManifest& manifest);
  Result<void> ReadOn(JournalFile& file, JournalCursor& at, PointTable& table, std::uint64_t limit,
                      bool must_reach);

  SeriesSources SourcesOf(Series series);
  Result<void> AddStoredLatest(std::span<const std::int64_t> run_keys,
                               std::vector<SeriesPoint>& latest);

  // Compaction: journal_compaction.cc.
  void WakeCompactor();
  void CompactUntilStopped(const std::stop_token& stop);
  /// False where another process is at it.
  Result<bool> CompactOnce(std::uint64_t more_than, const std::stop_token& stop);
  Result<void> CompactUnderLock(std::uint64_t more_than, const std::stop_token& stop);
  Result<void> FreezeActive(std::uint64_t more_than);
  Result<void> FlushFrozen(const Frozen& frozen, const std::stop_token& stop);
  Result<void> StoreLatest(const Frozen& frozen, const std::stop_token& stop);
  bool IsErasedAfter(std::int64_t run_key, std::uint64_t journal);
  Result<bool> MergeSegments(const std::stop_token& stop);
  /// Under both locks, as the folder's next manifest.
  Result<void> ReplaceManifest(const std::function<void(PointManifest&)>& change);

  Result<void> Fault(std::string_view step) const;

  const JournalOptions options_;
  store::Metadata& metadata_;
  JournalFolder folder_;
  /// Held by the group that is open.
  std::mutex group_mutex_;
  /// A sync failed: what the disk holds is not known. Under group_mutex_.
  bool is_broken_ = false;

  base::Mutex mutex_;
  PointManifest manifest_ MILL_GUARDED_BY(mutex_);
  std::optional<Active> active_ MILL_GUARDED_BY(mutex_);
  std::vector<Frozen> frozen_ MILL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<const Segment>> segments_ MILL_GUARDED_BY(mutex_);
  ChangedSeries changes_ MILL_GUARDED_BY(mutex_);

  /// One compaction at a time in this process.
  std::mutex compaction_mutex_;
  bool is_swept_ = false;
  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  bool is_awake_ = false;
  std::jthread compactor_;
};

/// The points of a workspace, in `dir` (made where it is not). `metadata` outlives them.
Result<std::unique_ptr<MetricPoints>> OpenJournalPoints(const std::filesystem::path& dir,
                                                        store::Metadata& metadata,
                                                        store::Durability durability);

}  // namespace millrace::tracking::internal
