// SPDX-License-Identifier: Apache-2.0
// Taking in what another store held, with its ids, times and states.
#include <utility>

#include "store/metadata.h"
#include "tracking/artifact_uri.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using internal::WriteScope;

// The id where it is free, otherwise the next one.
Result<std::int64_t> FreeExperimentId(store::Metadata& sql, const std::string& wanted) {
  MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(wanted));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        sql.Query("SELECT (SELECT COUNT(*) FROM experiments WHERE experiment_id = "
                                  "?), (SELECT MAX(experiment_id) FROM experiments)",
                                  {std::int64_t{number}}));
  return number >= 0 && Int(rows[0][0]) == 0 ? std::int64_t{number} : Int(rows[0][1]) + 1;
}

}  // namespace

Result<Experiment> TrackingStore::ImportExperiment(const Experiment& experiment,
                                                   const std::string& old_id_tag) {
  MILL_RETURN_IF_ERROR(internal::CheckExperimentName(experiment.name));
  std::int64_t id = 0;
  const auto write = [&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> taken,
        sql.Query("SELECT experiment_id FROM experiments WHERE name = ?", {experiment.name}));
    if (!taken.empty()) {
      id = Int(taken[0][0]);
      return {};
    }
    MILL_ASSIGN_OR_RETURN(id, FreeExperimentId(sql, experiment.id));
    return sql.Execute(
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
        "creation_time, last_update_time) VALUES (?, ?, ?, 'active', ?, ?)",
        {id, experiment.name, JoinUri(impl_->options.artifact_root, std::to_string(id)),
         experiment.creation_time_ms, experiment.last_update_time_ms});
  };
  MILL_RETURN_IF_ERROR(impl_->Write(write));
  const std::string there = std::to_string(id);
  MILL_ASSIGN_OR_RETURN(const Experiment made, GetExperiment(there));
  if (made.lifecycle == LifecycleStage::kDeleted) {
    MILL_RETURN_IF_ERROR(RestoreExperiment(there));
  }
  for (const auto& [key, value] : experiment.tags) {
    MILL_RETURN_IF_ERROR(SetExperimentTag(there, key, value));
  }
  if (there != experiment.id) {
    MILL_RETURN_IF_ERROR(SetExperimentTag(there, old_id_tag, experiment.id));
  }
  return GetExperiment(there);
}

Result<RunInfo> TrackingStore::ImportRun(const RunInfo& info, const Tags& tags) {
  if (info.run_id.empty() || info.run_id.size() > 64 ||
      info.run_id.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "_-") != std::string::npos) {
    return base::InvalidArgument("run id \"" + info.run_id.substr(0, 100) +
                                 "\" has characters other than letters, digits, _ and -");
  }
  const auto write = [&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> taken,
        sql.Query("SELECT lifecycle_stage FROM runs WHERE run_id = ?", {info.run_id}));
    if (!taken.empty()) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(const Experiment experiment,
                          internal::ReadExperiment(sql, info.experiment_id));
    MILL_ASSIGN_OR_RETURN(const std::int64_t key, internal::NextNumber(sql, "run_key"));
    MILL_RETURN_IF_ERROR(sql.Execute(
        "INSERT INTO runs (run_key, run_id, experiment_id, name, user_id, status, start_time, "
        "end_time, artifact_uri, lifecycle_stage, idempotency_key, change) VALUES (?, ?, ?, ?, ?, "
        "?, ?, ?, ?, 'active', NULL, 0)",
        {key, info.run_id, std::int64_t{std::stoll(experiment.id)}, info.run_name, info.user_id,
         static_cast<std::int64_t>(info.status), info.start_time_ms,
         info.end_time_ms ? store::Value{*info.end_time_ms} : store::Value{},
         JoinUri(experiment.artifact_location, info.run_id + "/artifacts")}));
    return internal::PutTags(impl_->run_keys, scope, key, tags);
  };
  MILL_RETURN_IF_ERROR(impl_->Write(write));
  MILL_ASSIGN_OR_RETURN(Run run, GetRun(info.run_id));
  return std::move(run.info);
}

Result<LoggedModel> TrackingStore::ImportLoggedModel(const LoggedModel& model) {
  const auto write = [&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> taken,
        sql.Query("SELECT 1 FROM logged_models WHERE model_id = ?", {model.model_id}));
    if (!taken.empty()) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(const Experiment experiment,
                          internal::ReadExperiment(sql, model.experiment_id));
    return sql.Execute(
        "INSERT INTO logged_models (model_id, experiment_id, name, source_run_id, "
        "artifact_location, model_type, status, creation_time, last_update_time) VALUES (?, ?, ?, "
        "?, ?, ?, ?, ?, ?)",
        {model.model_id, std::int64_t{std::stoll(experiment.id)}, model.name, model.source_run_id,
         JoinUri(experiment.artifact_location, "models/" + model.model_id + "/artifacts"),
         model.model_type, static_cast<std::int64_t>(model.status), model.creation_time_ms,
         model.last_update_time_ms});
  };
  MILL_RETURN_IF_ERROR(impl_->Write(write));
  std::vector<Param> params;
  for (const auto& [key, value] : model.params) {
    params.push_back({key, value});
  }
  MILL_RETURN_IF_ERROR(LogLoggedModelParams(model.model_id, params));
  MILL_RETURN_IF_ERROR(SetLoggedModelTags(model.model_id, model.tags));
  // Tags and parameters touched it.
  MILL_RETURN_IF_ERROR(
      impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
        return sql.Execute("UPDATE logged_models SET last_update_time = ? WHERE model_id = ?",
                           {model.last_update_time_ms, model.model_id});
      }));
  return GetLoggedModel(model.model_id);
}

}  // namespace millrace::tracking
