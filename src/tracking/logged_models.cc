// SPDX-License-Identifier: Apache-2.0
// The logged models of TrackingStore.
#include "base/ids.h"
#include "store/metadata.h"
#include "store/workspace.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Transaction;

constexpr std::string_view kColumns =
    "SELECT model_id, experiment_id, name, source_run_id, artifact_location, model_type, status, "
    "creation_time, "
    "last_update_time FROM logged_models ";

Result<LoggedModel> FromRow(store::Metadata& metadata, const store::Row& row) {
  LoggedModel model;
  model.model_id = Text(row[0]);
  model.experiment_id = std::to_string(Int(row[1]));
  model.name = Text(row[2]);
  model.source_run_id = Text(row[3]);
  model.artifact_location = Text(row[4]);
  model.model_type = Text(row[5]);
  model.status = static_cast<LoggedModelStatus>(Int(row[6]));
  model.creation_time_ms = Int(row[7]);
  model.last_update_time_ms = Int(row[8]);
  MILL_ASSIGN_OR_RETURN(model.params,
                        internal::ReadPairs(metadata, "logged_model_params", "model_id", row[0]));
  MILL_ASSIGN_OR_RETURN(model.tags,
                        internal::ReadPairs(metadata, "logged_model_tags", "model_id", row[0]));
  return model;
}

Result<void> PutTags(store::Metadata& metadata, const std::string& model_id, const Tags& tags) {
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
    MILL_RETURN_IF_ERROR(
        metadata.Execute("INSERT INTO logged_model_tags (model_id, key, value) VALUES (?, ?, ?) "
                         "ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
                         {model_id, key, internal::Truncated(value, internal::kMaxTagValue)}));
  }
  return {};
}

Result<void> Touch(store::Metadata& metadata, const std::string& model_id, std::int64_t now) {
  return metadata.Execute("UPDATE logged_models SET last_update_time = ? WHERE model_id = ?",
                          {now, model_id});
}

}  // namespace

Result<LoggedModel> TrackingStore::CreateLoggedModel(const LoggedModelRequest& request) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  if (!request.idempotency_key.empty()) {
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> made,
                          metadata_.Query(std::string(kColumns) + "WHERE idempotency_key = ?",
                                          {request.idempotency_key}));
    if (!made.empty()) {
      return FromRow(metadata_, made[0]);
    }
  }
  MILL_ASSIGN_OR_RETURN(const Experiment experiment, GetExperiment(request.experiment_id));
  if (experiment.lifecycle == LifecycleStage::kDeleted) {
    return base::FailedPrecondition("The experiment " + experiment.id +
                                    " must be in the 'active' state. Current state is deleted.");
  }
  const std::string model_id = base::NewLoggedModelId();
  const std::string name = request.name.empty() ? internal::SpokenName(model_id) : request.name;
  MILL_RETURN_IF_ERROR(internal::CheckLoggedModelName(name));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO logged_models (model_id, experiment_id, name, source_run_id, artifact_location, "
      "model_type, status, "
      "creation_time, last_update_time, idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {model_id, std::int64_t{std::stoll(experiment.id)}, name, request.source_run_id,
       workspace_.ModelDir(experiment.id, model_id).string(), request.model_type,
       static_cast<std::int64_t>(LoggedModelStatus::kPending), now, now,
       internal::OrNull(request.idempotency_key)}));
  for (const auto& [key, value] : request.params) {
    MILL_RETURN_IF_ERROR(internal::CheckKey("param", key));
    MILL_RETURN_IF_ERROR(
        metadata_.Execute("INSERT INTO logged_model_params (model_id, key, value) VALUES (?, ?, ?)",
                          {model_id, key, internal::Truncated(value, internal::kMaxParamValue)}));
  }
  MILL_RETURN_IF_ERROR(PutTags(metadata_, model_id, request.tags));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetLoggedModel(model_id);
}

Result<LoggedModel> TrackingStore::GetLoggedModel(const std::string& model_id) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query(std::string(kColumns) + "WHERE model_id = ?", {model_id}));
  if (rows.empty()) {
    return base::NotFound("Logged model with ID '" + model_id + "' not found.");
  }
  return FromRow(metadata_, rows[0]);
}

Result<LoggedModel> TrackingStore::FinalizeLoggedModel(const std::string& model_id,
                                                       LoggedModelStatus status) {
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted(
          "UPDATE logged_models SET status = ?, last_update_time = ? WHERE model_id = ?",
          {static_cast<std::int64_t>(status), NowMs(), model_id}));
  if (changed == 0) {
    return base::NotFound("Logged model with ID '" + model_id + "' not found.");
  }
  return GetLoggedModel(model_id);
}

Result<void> TrackingStore::SetLoggedModelTags(const std::string& model_id, const Tags& tags) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetLoggedModel(model_id));
  MILL_RETURN_IF_ERROR(PutTags(metadata_, model_id, tags));
  MILL_RETURN_IF_ERROR(Touch(metadata_, model_id, NowMs()));
  return transaction.Commit();
}

Result<std::vector<LoggedModel>> TrackingStore::ListLoggedModels(
    const std::vector<std::string>& experiment_ids, int max_results, std::int64_t offset) {
  std::string where;
  std::vector<store::Value> params;
  if (!experiment_ids.empty()) {
    where = "WHERE experiment_id IN (" + internal::Marks(experiment_ids.size()) + ") ";
    for (const std::string& id : experiment_ids) {
      MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
      params.emplace_back(std::int64_t{number});
    }
  }
  params.emplace_back(std::int64_t{max_results});
  params.emplace_back(offset);
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(
          std::string(kColumns) + where + "ORDER BY creation_time DESC, model_id LIMIT ? OFFSET ?",
          params));
  std::vector<LoggedModel> models;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(LoggedModel model, FromRow(metadata_, row));
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace millrace::tracking
