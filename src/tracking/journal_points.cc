// SPDX-License-Identifier: Apache-2.0
// Appending to the journal, and following what other processes append.
#include "tracking/internal/journal_points.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void ChangedSeries::Add(Series series) {
  if (series_.empty() || series_.back() != series || read_ == begin_ + series_.size()) {
    series_.push_back(series);
  }
  if (series_.size() > kMost) {
    series_.pop_front();
    ++begin_;
  }
}

void ChangedSeries::Forget() {
  begin_ += series_.size() + 1;
  series_.clear();
}

bool ChangedSeries::Since(std::uint64_t& cursor, std::vector<Series>& changed) {
  changed.clear();
  const std::uint64_t end = begin_ + series_.size();
  const bool is_known = cursor >= begin_ && cursor <= end;
  if (is_known) {
    changed.assign(series_.begin() + static_cast<std::ptrdiff_t>(cursor - begin_), series_.end());
    std::sort(changed.begin(), changed.end());
    changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  }
  cursor = end;
  read_ = end;
  return is_known;
}

/// Holds both locks from its making to its publishing or its end.
class JournalGroup final : public PointGroup {
 public:
  JournalGroup(JournalPoints& journal, std::unique_lock<std::mutex> lock)
      : journal_(journal), lock_(std::move(lock)) {}
  ~JournalGroup() override { Leave(); }

  Result<void> Append(std::span<const SeriesPoint> points) override {
    points_.insert(points_.end(), points.begin(), points.end());
    return {};
  }
  std::size_t size() const override { return points_.size(); }
  void RollbackTo(std::size_t size) override { points_.resize(std::min(size, points_.size())); }

  Result<void> Write(std::int64_t commit_number) override {
    if (points_.empty()) {
      return {};
    }
    const std::string payload = EncodePoints(points_);
    MILL_ASSIGN_OR_RETURN(end_,
                          journal_.Append({RecordKind::kPoints, commit_number,
                                           static_cast<std::uint32_t>(points_.size()), payload}));
    is_written_ = true;
    return {};
  }

  void Publish() override {
    if (is_written_) {
      journal_.Publish(end_, [this](PointTable& table) { AddTo(table); });
    }
    Leave();
    if (is_written_) {
      journal_.WakeCompactor();
    }
  }

 private:
  void AddTo(PointTable& table) {
    std::vector<MetricPoint> points;
    for (std::size_t begin = 0, end = 0; begin < points_.size(); begin = end) {
      points.clear();
      for (end = begin; end < points_.size() && points_[end].series == points_[begin].series;
           ++end) {
        points.push_back(points_[end].point);
      }
      table.Add(points_[begin].series, points);
      journal_.changes_.Add(points_[begin].series);
    }
  }

  void Leave() {
    if (lock_.owns_lock()) {
      journal_.folder_.Unlock();
      lock_.unlock();
    }
  }

  JournalPoints& journal_;
  std::unique_lock<std::mutex> lock_;
  std::vector<SeriesPoint> points_;
  bool is_written_ = false;
  JournalCursor end_;
};

JournalPoints::JournalPoints(JournalFolder folder, store::Metadata& metadata,
                             const JournalOptions& options)
    : options_(options), metadata_(metadata), folder_(std::move(folder)) {
}

Result<std::unique_ptr<JournalPoints>> JournalPoints::Open(const std::filesystem::path& dir,
                                                           store::Metadata& metadata,
                                                           const JournalOptions& options) {
  MILL_ASSIGN_OR_RETURN(JournalFolder folder, JournalFolder::Open(dir));
  std::unique_ptr<JournalPoints> points(new JournalPoints(std::move(folder), metadata, options));
  MILL_RETURN_IF_ERROR(points->folder_.Lock());
  Result<void> opened = [&]() -> Result<void> {
    if (!points->folder_.IsPageOfThisBoot()) {
      points->folder_.SetPosition({});
      points->folder_.SetGeneration(0);
      points->folder_.SetPageOfThisBoot();
    }
    {
      const base::MutexLock lock(points->mutex_);
      MILL_RETURN_IF_ERROR(points->Reload());
    }
    return points->Recover();
  }();
  points->folder_.Unlock();
  if (!opened.ok()) {
    return std::move(opened).error();
  }
  return points;
}

Result<std::unique_ptr<MetricPoints>> OpenJournalPoints(const std::filesystem::path& dir,
                                                        store::Metadata& metadata,
                                                        store::Durability durability) {
  JournalOptions options;
  options.durability = durability;
  Result<std::unique_ptr<JournalPoints>> points = JournalPoints::Open(dir, metadata, options);
  if (!points.ok()) {
    return std::move(points).error().With("opening the metric journal");
  }
  return std::unique_ptr<MetricPoints>(*std::move(points));
}

Result<void> JournalPoints::Fault(std::string_view step) const {
  const int error = options_.fault ? options_.fault(step) : 0;
  if (error != 0) {
    return JournalError(error, step, folder_.dir());
  }
  return {};
}

// ---- Following the files. ----

Result<void> JournalPoints::CatchUp() {
  if (folder_.generation() > manifest_.generation) {
    MILL_RETURN_IF_ERROR(Reload());
  }
  const JournalPosition position = folder_.position();
  if (position.number > manifest_.active) {
    // Another process is just moving to a new journal.
    return Reload();
  }
  if (active_ && position.number == manifest_.active && position.offset > active_->at.offset) {
    return ReadOn(active_->file, active_->at, *active_->table, position.offset, true);
  }
  return {};
}

Result<void> JournalPoints::ReadOn(JournalFile& file, JournalCursor& at, PointTable& table,
                                   std::uint64_t limit, bool must_reach) {
  MILL_ASSIGN_OR_RETURN(
      at,
      file.Scan(at, limit,
                [&](const JournalRecord& record, JournalCursor, JournalCursor) -> Result<void> {
                  if (record.kind == RecordKind::kPoints) {
                    return DecodePoints(record.payload,
                                        [&](Series series, std::span<const MetricPoint> points) {
                                          table.Add(series, points);
                                          changes_.Add(series);
                                        });
                  }
                  if (record.kind != RecordKind::kErase) {
                    return base::FailedPrecondition("the metric journal has a record of kind " +
                                                    std::to_string(static_cast<int>(record.kind)))
                        .Hint("use the Millrace that wrote it, or a newer one");
                  }
                  MILL_ASSIGN_OR_RETURN(const std::vector<std::int64_t> run_keys,
                                        DecodeRunKeys(record.payload));
                  for (const std::int64_t run_key : run_keys) {
                    table.Erase(run_key);
                  }
                  changes_.Forget();
                  return {};
                }));
  if (must_reach && at.offset != limit) {
    return base::DataLoss("\"" + folder_.JournalPath(file.number()).string() +
                          "\" is damaged at byte " + std::to_string(at.offset) + " of " +
                          std::to_string(limit))
        .Hint(
            "restore it from a copy of the workspace; or remove the file \"state\" beside it and "
            "lose what follows that byte");
  }
  return {};
}

Result<void> JournalPoints::Reload() {
  // Between reading the manifest and opening its files another process may replace both.
  constexpr int kMostAttempts = 100;
  for (int attempt = 1;; ++attempt) {
    MILL_ASSIGN_OR_RETURN(const PointManifest manifest, folder_.ReadManifest());
    Result<void> loaded = LoadManifest(manifest);
    if (loaded.ok() || loaded.error().code() != base::ErrorCode::kNotFound ||
        attempt == kMostAttempts) {
      return loaded;
    }
  }
}

Result<void> JournalPoints::LoadManifest(const PointManifest& manifest) {
  std::vector<std::shared_ptr<const Segment>> segments;
  for (const std::uint64_t number : manifest.segments) {
    const auto known =
        std::find_if(segments_.begin(), segments_.end(),
                     [number](const auto& segment) { return segment->number() == number; });
    if (known != segments_.end()) {
      segments.push_back(*known);
    } else {
      MILL_ASSIGN_OR_RETURN(segments.emplace_back(),
                            Segment::Open(folder_.SegmentPath(number), number));
    }
  }
  std::optional<Active> next;
  const bool is_same_active = active_ && active_->file.number() == manifest.active;
  if (manifest.active != 0 && !is_same_active) {
    MILL_ASSIGN_OR_RETURN(JournalFile file,
                          JournalFile::Open(folder_.JournalPath(manifest.active), manifest.active));
    const JournalCursor begin = file.begin();
    next = Active{std::move(file), begin, std::make_shared<PointTable>()};
  }
  std::vector<Frozen> frozen;
  std::uint64_t n_followed = 0;
  bool is_own_frozen = false;
  for (const FrozenJournal& journal : manifest.frozen) {
    const auto known = std::find_if(frozen_.begin(), frozen_.end(), [&](const Frozen& at) {
      return at.journal.number == journal.number;
    });
    if (known != frozen_.end()) {
      frozen.push_back(*known);
    } else if (active_ && active_->file.number() == journal.number) {
      MILL_RETURN_IF_ERROR(ReadOn(active_->file, active_->at, *active_->table, journal.end, true));
      frozen.push_back({journal, active_->table});
      is_own_frozen = true;
    } else {
      MILL_ASSIGN_OR_RETURN(JournalFile file,
                            JournalFile::Open(folder_.JournalPath(journal.number), journal.number));
      JournalCursor at = file.begin();
      auto table = std::make_shared<PointTable>();
      MILL_RETURN_IF_ERROR(ReadOn(file, at, *table, journal.end, true));
      frozen.push_back({journal, std::move(table)});
      ++n_followed;
    }
  }
  // What went into segments before it was seen here can still be read from the open file for the
  // list of changes; journals that came and went in between cannot.
  if (active_ && !is_same_active) {
    if (!is_own_frozen) {
      PointTable unused;
      MILL_RETURN_IF_ERROR(ReadOn(active_->file, active_->at, unused, kNoLimit, false));
    }
    if (manifest.rotations > manifest_.rotations + 1 + n_followed) {
      changes_.Forget();
    }
  } else if (!active_ && manifest.rotations > n_followed) {
    changes_.Forget();
  }
  const JournalPosition position = folder_.position();
  if (next && position.number == manifest.active) {
    MILL_RETURN_IF_ERROR(ReadOn(next->file, next->at, *next->table, position.offset, true));
  }
  if (!is_same_active) {
    active_ = std::move(next);
  }
  frozen_ = std::move(frozen);
  segments_ = std::move(segments);
  manifest_ = manifest;
  return {};
}

// ---- Under the folder's lock. ----

Result<void> JournalPoints::Enter() {
  if (is_broken_) {
    return base::Unavailable("the metric journal in \"" + folder_.dir().string() +
                             "\" could not be synced before, so nothing more is written")
        .Hint("check the disk, then start again");
  }
  const bool is_dirty = folder_.dirty();
  {
    const base::MutexLock lock(mutex_);
    MILL_RETURN_IF_ERROR(is_dirty ? Reload() : CatchUp());
  }
  return is_dirty ? Recover() : Result<void>();
}

/// Decides about what a writer left behind the position: a record counts if it is whole and its SQL
/// transaction was committed.
Result<void> JournalPoints::Recover() {
  JournalPosition position;
  std::uint64_t generation = 0;
  if (active_) {
    JournalCursor last_begin = active_->at;
    std::int64_t last_commit = 0;
    // Each record was decided on before the next was written, so only the last one is open.
    MILL_ASSIGN_OR_RETURN(JournalCursor end,
                          active_->file.Scan(active_->at, kNoLimit,
                                             [&](const JournalRecord& record, JournalCursor begin,
                                                 JournalCursor) -> Result<void> {
                                               last_begin = begin;
                                               last_commit = record.commit_number;
                                               return {};
                                             }));
    if (last_commit > 0) {
      MILL_ASSIGN_OR_RETURN(const std::int64_t committed, ReadNumber(metadata_, kChangeCounter));
      if (committed < last_commit) {
        end = last_begin;
      }
    }
    MILL_RETURN_IF_ERROR(active_->file.Cut(end));
    const base::MutexLock lock(mutex_);
    MILL_RETURN_IF_ERROR(ReadOn(active_->file, active_->at, *active_->table, end.offset, true));
    position = {manifest_.active, end.offset};
    generation = manifest_.generation;
  }
  folder_.SetPosition(position);
  folder_.SetGeneration(generation);
  folder_.SetDirty(false);
  return {};
}

Result<std::unique_ptr<PointGroup>> JournalPoints::BeginGroup() {
  std::unique_lock<std::mutex> lock(group_mutex_);
  MILL_RETURN_IF_ERROR(folder_.Lock());
  return BeginLocked(std::move(lock));
}

Result<std::unique_ptr<PointGroup>> JournalPoints::TryBeginGroup() {
  std::unique_lock<std::mutex> lock(group_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    return std::unique_ptr<PointGroup>();
  }
  MILL_ASSIGN_OR_RETURN(const bool is_locked, folder_.TryLock());
  return is_locked ? BeginLocked(std::move(lock)) : std::unique_ptr<PointGroup>();
}

Result<std::unique_ptr<PointGroup>> JournalPoints::BeginLocked(std::unique_lock<std::mutex> lock) {
  Result<void> entered = Enter();
  if (!entered.ok()) {
    folder_.Unlock();
    return std::move(entered).error();
  }
  return std::unique_ptr<PointGroup>(std::make_unique<JournalGroup>(*this, std::move(lock)));
}

Result<JournalCursor> JournalPoints::Append(const JournalRecord& record) {
  if (!active_) {
    MILL_RETURN_IF_ERROR(Rotate());
  }
  folder_.SetDirty(true);
  Result<JournalCursor> end = [&]() -> Result<JournalCursor> {
    MILL_RETURN_IF_ERROR(Fault("journal.write"));
    MILL_ASSIGN_OR_RETURN(const JournalCursor written, active_->file.Append(active_->at, record));
    MILL_RETURN_IF_ERROR(Fault("journal.sync"));
    if (options_.durability == store::Durability::kDisk) {
      Result<void> synced = active_->file.Sync();
      if (!synced.ok()) {
        // After a failed sync the kernel may forget which pages were not written.
        is_broken_ = synced.error().code() != base::ErrorCode::kResourceExhausted;
        return std::move(synced).error();
      }
    }
    MILL_RETURN_IF_ERROR(Fault("journal.done"));
    return written;
  }();
  if (!end.ok() && !is_broken_ && active_->file.Cut(active_->at).ok()) {
    folder_.SetDirty(false);
  }
  return end;
}

void JournalPoints::Publish(JournalCursor end, const std::function<void(PointTable&)>& add) {
  {
    const base::MutexLock lock(mutex_);
    add(*active_->table);
    active_->at = end;
  }
  folder_.SetPosition({active_->file.number(), end.offset});
  folder_.SetDirty(false);
}

Result<void> JournalPoints::Rotate() {
  folder_.SetDirty(true);
  PointManifest manifest = manifest_;
  if (active_) {
    manifest.frozen.push_back({active_->file.number(), active_->at.offset});
    ++manifest.rotations;
  }
  ++manifest.active;
  ++manifest.generation;
  MILL_RETURN_IF_ERROR(Fault("rotate.journal"));
  MILL_ASSIGN_OR_RETURN(JournalFile file,
                        JournalFile::Create(folder_.JournalPath(manifest.active), manifest.active));
  MILL_RETURN_IF_ERROR(Fault("rotate.manifest"));
  MILL_RETURN_IF_ERROR(folder_.ReplaceManifest(manifest));
  MILL_RETURN_IF_ERROR(Fault("rotate.state"));
  const JournalCursor begin = file.begin();
  {
    const base::MutexLock lock(mutex_);
    if (active_) {
      frozen_.push_back({manifest.frozen.back(), active_->table});
    }
    active_ = Active{std::move(file), begin, std::make_shared<PointTable>()};
    manifest_ = manifest;
  }
  folder_.SetPosition({manifest.active, begin.offset});
  folder_.SetGeneration(manifest.generation);
  folder_.SetDirty(false);
  return {};
}

Result<void> JournalPoints::Erase(std::span<const std::int64_t> run_keys) {
  if (run_keys.empty()) {
    return {};
  }
  const std::lock_guard<std::mutex> lock(group_mutex_);
  MILL_RETURN_IF_ERROR(folder_.Lock());
  Result<void> erased = [&]() -> Result<void> {
    MILL_RETURN_IF_ERROR(Enter());
    const std::string payload = EncodeRunKeys(run_keys);
    MILL_ASSIGN_OR_RETURN(const JournalCursor end, Append({RecordKind::kErase, 0, 0, payload}));
    Publish(end, [&](PointTable& table) {
      for (const std::int64_t run_key : run_keys) {
        table.Erase(run_key);
      }
      changes_.Forget();
    });
    return {};
  }();
  folder_.Unlock();
  return erased;
}

}  // namespace millrace::tracking::internal
