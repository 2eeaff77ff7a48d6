// SPDX-License-Identifier: Apache-2.0
// From journals to segments, in a thread of its own or on demand. Each step leaves files that a
// reader and the next compaction understand; docs/formats/metric_journal.md lists the steps.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "tracking/internal/journal_points.h"
#include "tracking/internal/segment_merge.h"

namespace millrace::tracking::internal {
namespace {

/// Rows of latest_metrics to a transaction: others write in between.
constexpr std::size_t kRowsAtOnce = 500;
constexpr std::chrono::milliseconds kPauseAfterFailure{5'000};
constexpr std::chrono::milliseconds kPauseForOthers{200};

/// Change numbers are for points in the database; here the journal knows what changed.
constexpr std::string_view kStoreLatest =
    "INSERT INTO latest_metrics (run_key, name_id, value, timestamp, step, is_nan, change) "
    "SELECT ?, ?, ?, ?, ?, ?, 0 WHERE EXISTS (SELECT 1 FROM runs WHERE run_key = ?) "
    "ON CONFLICT (run_key, name_id) DO UPDATE SET value = excluded.value, "
    "timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan "
    "WHERE (excluded.step, excluded.timestamp, excluded.value) > "
    "(latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)";

void Remove(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

}  // namespace

JournalPoints::~JournalPoints() {
  {
    const std::lock_guard<std::mutex> lock(wake_mutex_);
    compactor_.request_stop();
  }
  if (compactor_.joinable()) {
    compactor_.join();
  }
}

void JournalPoints::WakeCompactor() {
  if (!options_.compacts_by_itself) {
    return;
  }
  {
    const base::MutexLock lock(mutex_);
    if (frozen_.empty() && (!active_ || active_->at.offset <= options_.active_bytes)) {
      return;
    }
  }
  const std::lock_guard<std::mutex> lock(wake_mutex_);
  is_awake_ = true;
  if (!compactor_.joinable()) {
    compactor_ = std::jthread([this](const std::stop_token& stop) { CompactUntilStopped(stop); });
  }
  wake_.notify_one();
}

void JournalPoints::CompactUntilStopped(const std::stop_token& stop) {
  std::unique_lock<std::mutex> lock(wake_mutex_);
  while (wake_.wait(lock, stop, [this] { return is_awake_; })) {
    is_awake_ = false;
    lock.unlock();
    const Result<bool> compacted = CompactOnce(options_.active_bytes, stop);
    lock.lock();
    // What failed (a full disk) is tried again with the next writes; nothing is lost meanwhile.
    if (!compacted.ok() || !*compacted) {
      wake_.wait_for(lock, stop, compacted.ok() ? kPauseForOthers : kPauseAfterFailure,
                     [] { return false; });
    }
  }
}

Result<void> JournalPoints::Compact() {
  MILL_ASSIGN_OR_RETURN([[maybe_unused]] const bool compacted,
                        CompactOnce(JournalFile::kHeaderSize, std::stop_token()));
  return {};
}

Result<bool> JournalPoints::CompactOnce(std::uint64_t more_than, const std::stop_token& stop) {
  const std::lock_guard<std::mutex> lock(compaction_mutex_);
  MILL_ASSIGN_OR_RETURN(const bool is_ours, folder_.TryLockCompaction());
  if (!is_ours) {
    return false;
  }
  Result<void> compacted = CompactUnderLock(more_than, stop);
  folder_.UnlockCompaction();
  if (!compacted.ok()) {
    return std::move(compacted).error().With("compacting metric points");
  }
  return true;
}

Result<void> JournalPoints::CompactUnderLock(std::uint64_t more_than, const std::stop_token& stop) {
  MILL_RETURN_IF_ERROR(FreezeActive(more_than));
  std::vector<Frozen> frozen;
  {
    const base::MutexLock lock(mutex_);
    frozen = frozen_;
  }
  for (const Frozen& journal : frozen) {
    MILL_RETURN_IF_ERROR(FlushFrozen(journal, stop));
  }
  for (bool goes_on = true; goes_on;) {
    MILL_ASSIGN_OR_RETURN(goes_on, MergeSegments(stop));
  }
  return {};
}

Result<void> JournalPoints::FreezeActive(std::uint64_t more_than) {
  const std::lock_guard<std::mutex> lock(group_mutex_);
  MILL_RETURN_IF_ERROR(folder_.Lock());
  Result<void> frozen = [&]() -> Result<void> {
    MILL_RETURN_IF_ERROR(Enter());
    if (!is_swept_) {
      // What a compaction that was killed has left; nobody makes files while both locks are held.
      folder_.RemoveStrangers(manifest_);
      is_swept_ = true;
    }
    return active_ && active_->at.offset > more_than ? Rotate() : Result<void>();
  }();
  folder_.Unlock();
  return frozen;
}

Result<void> JournalPoints::FlushFrozen(const Frozen& frozen, const std::stop_token& stop) {
  const PointTable& table = *frozen.table;
  const std::uint64_t number = manifest().last_segment + 1;
  const bool has_segment = table.n_points() > 0 || !table.erased().empty();
  if (has_segment) {
    MILL_RETURN_IF_ERROR(Fault("segment.write"));
    MILL_ASSIGN_OR_RETURN(
        const std::unique_ptr<SegmentWriter> writer,
        SegmentWriter::Create(folder_.SegmentPath(number), options_.block_points));
    for (const SeriesPoint& latest : table.SortedLatest()) {
      if (stop.stop_requested()) {
        return base::Cancelled("compaction was stopped");
      }
      MILL_RETURN_IF_ERROR(writer->Add(latest.series, table.Points(latest.series)));
    }
    MILL_RETURN_IF_ERROR(writer->Finish({table.erased().begin(), table.erased().end()}));
  }
  MILL_RETURN_IF_ERROR(Fault("latest.begin"));
  MILL_RETURN_IF_ERROR(StoreLatest(frozen, stop));
  MILL_RETURN_IF_ERROR(ReplaceManifest([&](PointManifest& manifest) {
    std::erase(manifest.frozen, frozen.journal);
    if (has_segment) {
      manifest.segments.push_back(number);
      manifest.last_segment = number;
    }
  }));
  MILL_RETURN_IF_ERROR(Fault("journal.remove"));
  Remove(folder_.JournalPath(frozen.journal.number));
  return {};
}

bool JournalPoints::IsErasedAfter(std::int64_t run_key, std::uint64_t journal) {
  return (active_ && active_->table->HidesOlder(run_key)) ||
         std::any_of(frozen_.begin(), frozen_.end(), [&](const Frozen& frozen) {
           return frozen.journal.number > journal && frozen.table->HidesOlder(run_key);
         });
}

Result<void> JournalPoints::StoreLatest(const Frozen& frozen, const std::stop_token& stop) {
  const std::vector<SeriesPoint> latest = frozen.table->SortedLatest();
  for (std::size_t begin = 0; begin < latest.size(); begin += kRowsAtOnce) {
    if (stop.stop_requested()) {
      return base::Cancelled("compaction was stopped");
    }
    MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
    std::vector<SeriesPoint> rows(
        latest.begin() + static_cast<std::ptrdiff_t>(begin),
        latest.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kRowsAtOnce, latest.size())));
    {
      // A run that is erased later than now loses its rows by a transaction after this one.
      const base::MutexLock lock(mutex_);
      MILL_RETURN_IF_ERROR(CatchUp());
      std::erase_if(rows, [&](const SeriesPoint& row) {
        return IsErasedAfter(row.series.run_key, frozen.journal.number);
      });
    }
    for (const auto& [series, point] : rows) {
      const bool is_nan = std::isnan(point.value);
      MILL_RETURN_IF_ERROR(metadata_.Execute(
          kStoreLatest, {series.run_key, series.name_id, is_nan ? 0.0 : point.value,
                         point.timestamp_ms, point.step, std::int64_t{is_nan}, series.run_key}));
    }
    MILL_RETURN_IF_ERROR(Fault("latest.commit"));
    MILL_RETURN_IF_ERROR(transaction.Commit());
  }
  return {};
}

Result<bool> JournalPoints::MergeSegments(const std::stop_token& stop) {
  std::vector<std::shared_ptr<const Segment>> segments;
  {
    const base::MutexLock lock(mutex_);
    segments = segments_;
  }
  const MergeChoice choice = ChooseMerge(
      segments, {options_.merged_segments, options_.segment_bytes, options_.active_bytes});
  if (choice.empty()) {
    return false;
  }
  const std::uint64_t number = manifest().last_segment + 1;
  MILL_RETURN_IF_ERROR(Fault("merge.write"));
  MILL_ASSIGN_OR_RETURN(const std::unique_ptr<SegmentWriter> writer,
                        SegmentWriter::Create(folder_.SegmentPath(number), options_.block_points));
  const std::span<const std::shared_ptr<const Segment>> merged =
      std::span(segments).subspan(choice.begin, choice.end - choice.begin);
  MILL_RETURN_IF_ERROR(MergeInto(*writer, merged, [&stop] { return !stop.stop_requested(); }));
  // Runs erased here matter as long as older segments may hold them; ChooseMerge begins with the
  // oldest that does, but what is merged for its size leaves older ones out.
  std::vector<std::int64_t> erased;
  for (const auto& segment : merged) {
    if (choice.begin > 0) {
      erased.insert(erased.end(), segment->erased().begin(), segment->erased().end());
    }
  }
  std::sort(erased.begin(), erased.end());
  erased.erase(std::unique(erased.begin(), erased.end()), erased.end());
  MILL_RETURN_IF_ERROR(writer->Finish(std::move(erased)));
  MILL_RETURN_IF_ERROR(ReplaceManifest([&](PointManifest& manifest) {
    const auto begin = manifest.segments.begin() + static_cast<std::ptrdiff_t>(choice.begin);
    const auto end = manifest.segments.begin() + static_cast<std::ptrdiff_t>(choice.end);
    manifest.segments.insert(manifest.segments.erase(begin, end), number);
    manifest.last_segment = number;
  }));
  MILL_RETURN_IF_ERROR(Fault("segments.remove"));
  for (const auto& segment : merged) {
    Remove(folder_.SegmentPath(segment->number()));
  }
  return true;
}

Result<void> JournalPoints::ReplaceManifest(const std::function<void(PointManifest&)>& change) {
  const std::lock_guard<std::mutex> lock(group_mutex_);
  MILL_RETURN_IF_ERROR(folder_.Lock());
  Result<void> replaced = [&]() -> Result<void> {
    MILL_RETURN_IF_ERROR(Enter());
    PointManifest manifest = manifest_;
    change(manifest);
    ++manifest.generation;
    MILL_RETURN_IF_ERROR(Fault("manifest.replace"));
    folder_.SetDirty(true);
    MILL_RETURN_IF_ERROR(folder_.ReplaceManifest(manifest));
    MILL_RETURN_IF_ERROR(Fault("manifest.replaced"));
    const base::MutexLock state(mutex_);
    MILL_RETURN_IF_ERROR(LoadManifest(manifest));
    folder_.SetGeneration(manifest.generation);
    folder_.SetDirty(false);
    return {};
  }();
  folder_.Unlock();
  return replaced;
}

}  // namespace millrace::tracking::internal
