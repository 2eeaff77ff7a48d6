// SPDX-License-Identifier: Apache-2.0
// Erasing deleted runs, logged models and experiments for good.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "tracking/internal/access_rows.h"
#include "tracking/internal/model_rows.h"
#include "tracking/internal/run_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::WriteScope;

constexpr std::size_t kRunsAtOnce = 256;

/// Tables whose rows belong to a run, those that refer to others first.
constexpr std::array<std::string_view, 8> kTables = {
    "dataset_input_tags", "dataset_inputs", "run_model_inputs", "run_outputs", "params", "tags",
    "latest_metrics",     "metrics"};

// In three steps, so that no reader sees half a run and a crash leaves what a second call erases:
// the runs can no longer be restored; their points go, which must be before their rows do, because
// points move to other places by themselves; their rows go.
Result<void> EraseSome(TrackingStore::Impl& impl, std::span<const std::string> run_ids) {
  std::vector<std::int64_t> keys;
  Result<void> marked = impl.Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    for (const std::string& run_id : run_ids) {
      MILL_ASSIGN_OR_RETURN(const internal::RunKey run, internal::ReadRunKey(sql, run_id));
      if (run.is_active) {
        return base::FailedPrecondition("The run " + run_id +
                                        " must be in the 'deleted' state. Current state is active.")
            .Hint("delete it first");
      }
      keys.push_back(run.run_key);
      MILL_RETURN_IF_ERROR(
          sql.Execute("UPDATE runs SET lifecycle_stage = 'erased', change = ? WHERE run_key = ?",
                      {scope.change(), run.run_key}));
    }
    return {};
  });
  MILL_RETURN_IF_ERROR(std::move(marked));
  MILL_RETURN_IF_ERROR(impl.points->Erase(keys));
  return impl.Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      for (const std::string_view table : kTables) {
        MILL_RETURN_IF_ERROR(
            sql.Execute("DELETE FROM " + std::string(table) + " WHERE run_key = ?", {keys[i]}));
      }
      MILL_RETURN_IF_ERROR(
          sql.Execute("DELETE FROM logged_model_metrics WHERE run_id = ?", {run_ids[i]}));
      MILL_RETURN_IF_ERROR(sql.Execute("DELETE FROM runs WHERE run_key = ?", {keys[i]}));
    }
    impl.run_keys.ForgetRuns();
    // A run of the same id may be imported into another experiment.
    MILL_ASSIGN_OR_RETURN(const bool has_access, sql.HasTable("access_state"));
    return has_access ? internal::TouchAccess(sql) : Result<void>();
  });
}

constexpr std::string_view kDeletedModels =
    "SELECT m.model_id FROM logged_models m JOIN experiments e ON e.experiment_id = "
    "m.experiment_id WHERE (m.lifecycle_stage = 'deleted' OR e.lifecycle_stage = 'deleted') AND "
    "NOT EXISTS (SELECT 1 FROM model_versions v WHERE v.model_id = m.model_id) AND ";

// Ids are given after the greatest one: its row stays, so that no new experiment takes the id, and
// with it the permissions, of an old one.
constexpr std::string_view kDeletedExperiments =
    "SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'deleted' AND experiment_id > 0 "
    "AND experiment_id < (SELECT MAX(experiment_id) FROM experiments) AND ";

}  // namespace

Result<std::vector<RunInfo>> TrackingStore::DeletedRuns(std::chrono::milliseconds older_than) {
  // Runs that version 1 deleted have no time: they are older than any.
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query("SELECT run_key FROM runs WHERE lifecycle_stage <> 'active' AND "
                            "COALESCE(deleted_time, 0) <= ? ORDER BY deleted_time, run_id",
                            {impl_->NowMs() - older_than.count()}));
  std::vector<std::int64_t> keys;
  keys.reserve(rows.size());
  for (const store::Row& row : rows) {
    keys.push_back(Int(row[0]));
  }
  MILL_ASSIGN_OR_RETURN(std::vector<Run> runs, internal::ReadRuns(*impl_, keys));
  std::vector<RunInfo> infos;
  infos.reserve(runs.size());
  for (Run& run : runs) {
    infos.push_back(std::move(run.info));
  }
  return infos;
}

Result<void> TrackingStore::EraseRuns(const std::vector<std::string>& run_ids) {
  // Some at a time: other writes go in between.
  for (std::size_t begin = 0; begin < run_ids.size(); begin += kRunsAtOnce) {
    const std::size_t n = std::min(kRunsAtOnce, run_ids.size() - begin);
    MILL_RETURN_IF_ERROR(EraseSome(*impl_, std::span(run_ids).subspan(begin, n)));
  }
  impl_->DropIndex();
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) {
    return sql.Execute(
        "DELETE FROM datasets WHERE NOT EXISTS (SELECT 1 FROM dataset_inputs i WHERE "
        "i.dataset_key = datasets.dataset_key)");
  });
}

Result<std::vector<LoggedModel>> TrackingStore::DeletedLoggedModels(
    std::chrono::milliseconds older_than) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query(
          std::string(kDeletedModels) +
              "(CASE WHEN m.lifecycle_stage = 'deleted' THEN m.last_update_time ELSE "
              "e.last_update_time END) <= ? ORDER BY m.model_id",
          {impl_->NowMs() - older_than.count()}));
  std::vector<std::string> ids;
  ids.reserve(rows.size());
  for (const store::Row& row : rows) {
    ids.push_back(store::TextOr(row[0], ""));
  }
  return internal::ReadModelRows(impl_->metadata, ids);
}

Result<void> TrackingStore::EraseLoggedModel(const std::string& model_id) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> found,
                          sql.Query(std::string(kDeletedModels) + "m.model_id = ?", {model_id}));
    if (found.empty()) {
      return base::FailedPrecondition("The logged model " + model_id +
                                      " is not deleted, or a registered version names it")
          .Hint("delete it, or its version, first");
    }
    for (const std::string_view table :
         {"logged_model_params", "logged_model_tags", "logged_model_metrics", "run_outputs",
          "run_model_inputs", "logged_models"}) {
      MILL_RETURN_IF_ERROR(
          sql.Execute("DELETE FROM " + std::string(table) + " WHERE model_id = ?", {model_id}));
    }
    return {};
  });
}

Result<std::vector<Experiment>> TrackingStore::DeletedExperiments(
    std::chrono::milliseconds older_than) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        impl_->metadata.Query(std::string(kDeletedExperiments) +
                                                  "last_update_time <= ? ORDER BY experiment_id",
                                              {impl_->NowMs() - older_than.count()}));
  std::vector<Experiment> experiments;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(experiments.emplace_back(),
                          internal::ReadExperiment(impl_->metadata, std::to_string(Int(row[0]))));
  }
  return experiments;
}

Result<bool> TrackingStore::EraseExperiment(const std::string& id) {
  MILL_ASSIGN_OR_RETURN(const bool has_traces, impl_->metadata.HasTable("traces"));
  MILL_ASSIGN_OR_RETURN(const bool has_digests, impl_->metadata.HasTable("trace_digests"));
  bool is_erased = false;
  Result<void> written = impl_->Write([&](store::Metadata& sql, WriteScope&) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const Experiment experiment, internal::ReadExperiment(sql, id));
    const std::int64_t number = std::stoll(experiment.id);
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> deleted,
        sql.Query(std::string(kDeletedExperiments) + "experiment_id = ?", {number}));
    if (deleted.empty()) {
      return base::FailedPrecondition("The experiment " + id + " must be in the 'deleted' state")
          .Hint("delete it first");
    }
    for (const std::string_view table : {"runs", "logged_models"}) {
      MILL_ASSIGN_OR_RETURN(
          const std::vector<store::Row> rest,
          sql.Query("SELECT 1 FROM " + std::string(table) + " WHERE experiment_id = ? LIMIT 1",
                    {number}));
      if (!rest.empty()) {
        return {};
      }
    }
    if (has_traces) {
      MILL_RETURN_IF_ERROR(
          sql.Execute("DELETE FROM trace_runs WHERE trace_id IN (SELECT trace_id FROM traces WHERE "
                      "experiment_id = ?)",
                      {number}));
      MILL_RETURN_IF_ERROR(sql.Execute("DELETE FROM traces WHERE experiment_id = ?", {number}));
    }
    if (has_digests) {
      MILL_RETURN_IF_ERROR(
          sql.Execute("DELETE FROM trace_digests WHERE experiment_id = ?", {number}));
    }
    for (const std::string_view table : {"experiment_tags", "datasets", "experiments"}) {
      MILL_RETURN_IF_ERROR(
          sql.Execute("DELETE FROM " + std::string(table) + " WHERE experiment_id = ?", {number}));
    }
    is_erased = true;
    return {};
  });
  MILL_RETURN_IF_ERROR(std::move(written));
  return is_erased;
}

Result<std::uint64_t> TrackingStore::CompactPoints() {
  const std::uint64_t before = impl_->points->SizeOnDisk();
  MILL_RETURN_IF_ERROR(impl_->points->Compact());
  const std::uint64_t after = impl_->points->SizeOnDisk();
  return before > after ? before - after : 0;
}

}  // namespace millrace::tracking
