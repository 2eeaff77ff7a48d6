// SPDX-License-Identifier: Apache-2.0
// Opening a TrackingStore: tables, points, writer, the experiment "Default", and what older
// versions left.
#include "tracking/store.h"

#include <limits>
#include <utility>

#include "store/workspace.h"
#include "tracking/artifact_uri.h"
#include "tracking/internal/journal_points.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/sql_points.h"
#include "tracking/internal/store_impl.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::WriteScope;

constexpr std::int64_t kRowsAtOnce = 10'000;

/// Beside the database, so that both move together.
std::filesystem::path PointsFolder(std::filesystem::path file) {
  file += ".points";
  return file;
}

/// Moves the rows of metrics_1 to where points are now, and drops that table: one write, so that a
/// crash leaves either all or nothing of it.
Result<void> CarryOldPoints(WriteScope& scope) {
  MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
  MILL_ASSIGN_OR_RETURN(const bool has, sql->HasTable("metrics_1"));
  if (!has) {
    return {};  // another process was faster
  }
  for (std::int64_t offset = 0;; offset += kRowsAtOnce) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> rows,
        sql->Query("SELECT runs.run_key, names.name_id, m.timestamp, m.step, m.value, m.is_nan "
                   "FROM metrics_1 m JOIN runs ON runs.run_id = m.run_id JOIN names ON names.name "
                   "= m.key ORDER BY m.run_id, m.key, m.timestamp, m.step, m.value, m.is_nan "
                   "LIMIT ? OFFSET ?",
                   {kRowsAtOnce, offset}));
    std::vector<internal::SeriesPoint> points;
    points.reserve(rows.size());
    for (const store::Row& row : rows) {
      const double value =
          Int(row[5]) != 0 ? std::numeric_limits<double>::quiet_NaN() : store::DoubleOr(row[4], 0);
      points.push_back({{Int(row[0]), Int(row[1])}, {Int(row[2]), Int(row[3]), value}});
    }
    MILL_RETURN_IF_ERROR(scope.points().Append(points));
    if (static_cast<std::int64_t>(rows.size()) < kRowsAtOnce) {
      break;
    }
  }
  MILL_RETURN_IF_ERROR(sql->Execute("DROP TABLE metrics_1"));
  return sql->Execute("DROP TABLE runs_1");
}

Result<void> MakeDefaultExperiment(store::Metadata& sql, const std::string& artifact_root,
                                   std::int64_t now) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> any,
                        sql.Query("SELECT 1 FROM experiments LIMIT 1"));
  if (!any.empty()) {
    return {};
  }
  return sql.Execute(
      "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
      "creation_time, last_update_time) VALUES (0, 'Default', ?, 'active', ?, ?)",
      {JoinUri(artifact_root, "0"), now, now});
}

}  // namespace

TrackingStore::TrackingStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}

TrackingStore::~TrackingStore() = default;

Result<std::unique_ptr<TrackingStore>> TrackingStore::Open(store::Metadata& metadata,
                                                           const store::Workspace& /*workspace*/,
                                                           const base::Clock& clock,
                                                           const StoreOptions& options) {
  MILL_RETURN_IF_ERROR(internal::MigrateAll(metadata).With("making the tables of tracking"));
  auto impl = std::make_unique<Impl>(metadata, clock, options);
  if (metadata.file().empty()) {
    impl->points = internal::MakeSqlPoints(metadata);
  } else {
    MILL_ASSIGN_OR_RETURN(impl->points, internal::OpenJournalPoints(PointsFolder(metadata.file()),
                                                                    metadata, options.durability));
  }
  impl->writer = internal::Writer::Start(metadata, *impl->points, &impl->run_keys);
  // Looked at first without a transaction: commands that only read must not take the write lock.
  MILL_ASSIGN_OR_RETURN(const bool has_old_points, metadata.HasTable("metrics_1"));
  if (has_old_points) {
    MILL_RETURN_IF_ERROR(
        impl->writer->Run(CarryOldPoints).With("moving the points of metrics to their new place"));
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> any,
                        metadata.Query("SELECT 1 FROM experiments LIMIT 1"));
  if (any.empty()) {
    MILL_RETURN_IF_ERROR(impl->Write([&](store::Metadata& sql, WriteScope& /*scope*/) {
      return MakeDefaultExperiment(sql, options.artifact_root, impl->NowMs());
    }));
  }
  return std::make_unique<TrackingStore>(std::move(impl));
}

Result<void> TrackingStore::Write(const std::function<Result<void>(store::Metadata&)>& write) {
  return impl_->Write(
      [&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> { return write(sql); });
}

Result<void> TrackingStore::Impl::Write(
    const std::function<Result<void>(store::Metadata&, WriteScope&)>& write) {
  return writer->Run([&](WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
    return write(*sql, scope);
  });
}

std::shared_ptr<internal::RunIndex> TrackingStore::Impl::Index() {
  const std::lock_guard lock(index_mutex);
  if (index == nullptr) {
    index = internal::RunIndex::Make(metadata, *points);
  }
  return index;
}

void TrackingStore::Impl::DropIndex() {
  const std::lock_guard lock(index_mutex);
  index.reset();
}

}  // namespace millrace::tracking
