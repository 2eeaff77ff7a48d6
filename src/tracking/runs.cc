// SPDX-License-Identifier: Apache-2.0
// The runs of TrackingStore: their life, and how they are read.
#include <limits>

#include "base/ids.h"
#include "store/metadata.h"
#include "store/workspace.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/run_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Transaction;

constexpr std::string_view kColumns =
    "SELECT run_id, run_name, experiment_id, user_id, status, start_time, end_time, artifact_uri, "
    "lifecycle_stage FROM "
    "(SELECT *, name AS run_name FROM runs) ";
constexpr std::string_view kRunNameTag = "mlflow.runName";

RunInfo InfoFromRow(const store::Row& row) {
  RunInfo info;
  info.run_id = Text(row[0]);
  info.run_name = Text(row[1]);
  info.experiment_id = std::to_string(Int(row[2]));
  info.user_id = Text(row[3]);
  info.status = static_cast<RunStatus>(Int(row[4]));
  info.start_time_ms = Int(row[5]);
  if (!store::IsNull(row[6])) {
    info.end_time_ms = Int(row[6]);
  }
  info.artifact_uri = Text(row[7]);
  info.lifecycle = Text(row[8]) == "active" ? LifecycleStage::kActive : LifecycleStage::kDeleted;
  return info;
}

Result<Run> FromRow(store::Metadata& metadata, const store::Row& row) {
  Run run;
  run.info = InfoFromRow(row);
  MILL_ASSIGN_OR_RETURN(run.params, internal::ReadPairs(metadata, "params", "run_id", row[0]));
  MILL_ASSIGN_OR_RETURN(run.tags, internal::ReadPairs(metadata, "tags", "run_id", row[0]));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> metrics,
                        metadata.Query("SELECT key, value, timestamp, step, is_nan FROM "
                                       "latest_metrics WHERE run_id = ? ORDER BY key",
                                       {row[0]}));
  for (const store::Row& metric : metrics) {
    run.metrics[Text(metric[0])] = internal::MetricFromRow(metric);
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> outputs,
      metadata.Query("SELECT model_id, step FROM run_outputs WHERE run_id = ? ORDER BY position",
                     {row[0]}));
  for (const store::Row& output : outputs) {
    run.outputs.push_back({Text(output[0]), Int(output[1])});
  }
  return run;
}

bool IsHex(const std::string& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

namespace internal {

Metric MetricFromRow(const store::Row& row) {
  Metric metric;
  metric.key = Text(row[0]);
  metric.value =
      Int(row[4]) != 0 ? std::numeric_limits<double>::quiet_NaN() : store::DoubleOr(row[1], 0);
  metric.timestamp_ms = Int(row[2]);
  metric.step = Int(row[3]);
  return metric;
}

Result<void> CheckActiveRun(store::Metadata& metadata, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT lifecycle_stage FROM runs WHERE run_id = ?", {run_id}));
  if (rows.empty()) {
    return base::NotFound("Run with id=" + run_id + " not found");
  }
  if (Text(rows[0][0]) != "active") {
    return base::FailedPrecondition("The run " + run_id +
                                    " must be in the 'active' state. Current state is deleted.");
  }
  return {};
}

}  // namespace internal

Result<Run> TrackingStore::CreateRun(const RunRequest& request) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  if (!request.idempotency_key.empty()) {
    MILL_ASSIGN_OR_RETURN(std::optional<Run> made, FindRunByKey(request.idempotency_key));
    if (made.has_value()) {
      return *std::move(made);
    }
  }
  MILL_ASSIGN_OR_RETURN(const Experiment experiment, GetExperiment(request.experiment_id));
  if (experiment.lifecycle == LifecycleStage::kDeleted) {
    return base::FailedPrecondition("The experiment " + experiment.id +
                                    " must be in the 'active' state. Current state is deleted.");
  }
  const auto tagged = request.tags.find(std::string(kRunNameTag));
  if (tagged != request.tags.end() && !request.run_name.empty() &&
      tagged->second != request.run_name) {
    return base::InvalidArgument(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different "
        "values (run_name='" +
        request.run_name + "', mlflow.runName='" + tagged->second + "').");
  }
  const std::string run_id = base::NewRunId();
  std::string name = tagged != request.tags.end() ? tagged->second : request.run_name;
  if (name.empty()) {
    name = internal::SpokenName(run_id);
  }
  const std::string uri = workspace_.ArtifactDir(experiment.id, run_id).string();
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, end_time, "
      "artifact_uri, lifecycle_stage, "
      "idempotency_key) VALUES (?, ?, ?, ?, ?, ?, NULL, ?, 'active', ?)",
      {run_id, std::int64_t{std::stoll(experiment.id)}, name, request.user_id,
       static_cast<std::int64_t>(RunStatus::kRunning), request.start_time_ms.value_or(NowMs()), uri,
       internal::OrNull(request.idempotency_key)}));
  Tags tags = request.tags;
  tags[std::string(kRunNameTag)] = name;
  MILL_RETURN_IF_ERROR(LogBatch(run_id, {}, {}, tags));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetRun(run_id);
}

Result<Run> TrackingStore::GetRun(const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(std::vector<store::Row> rows,
                        metadata_.Query(std::string(kColumns) + "WHERE run_id = ?", {run_id}));
  if (rows.empty() && run_id.size() >= 4 && run_id.size() < 32 && IsHex(run_id)) {
    MILL_ASSIGN_OR_RETURN(
        rows, metadata_.Query(std::string(kColumns) + "WHERE run_id >= ? AND run_id < ? LIMIT 2",
                              {run_id, run_id + "g"}));
    if (rows.size() > 1) {
      return base::InvalidArgument("several runs start with \"" + run_id + "\" (" +
                                   Text(rows[0][0]) + ", " + Text(rows[1][0]) +
                                   "); more digits are wanted");
    }
  }
  if (rows.empty()) {
    return base::NotFound("Run with id=" + run_id + " not found");
  }
  return FromRow(metadata_, rows[0]);
}

Result<std::optional<Run>> TrackingStore::FindRunByKey(const std::string& idempotency_key) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(std::string(kColumns) + "WHERE idempotency_key = ?", {idempotency_key}));
  if (rows.empty()) {
    return std::optional<Run>();
  }
  MILL_ASSIGN_OR_RETURN(Run run, FromRow(metadata_, rows[0]));
  return std::optional<Run>(std::move(run));
}

Result<std::vector<Run>> TrackingStore::ListRuns(const RunQuery& query) {
  if (query.max_results < 1 || query.max_results > 50'000) {
    return base::InvalidArgument(
        "Invalid value " + std::to_string(query.max_results) +
        " for parameter 'max_results' supplied: a number from 1 to 50000 is wanted");
  }
  if (query.offset < 0) {
    return base::InvalidArgument("offset is " + std::to_string(query.offset) +
                                 "; 0 or more is wanted");
  }
  std::string where = "WHERE 1 = 1";
  std::vector<store::Value> params;
  if (!query.experiment_ids.empty()) {
    where += " AND experiment_id IN (" + internal::Marks(query.experiment_ids.size()) + ")";
    for (const std::string& id : query.experiment_ids) {
      MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
      params.emplace_back(std::int64_t{number});
    }
  }
  if (query.view != ViewType::kAll) {
    where += " AND lifecycle_stage = ?";
    params.emplace_back(query.view == ViewType::kActiveOnly ? "active" : "deleted");
  }
  params.emplace_back(std::int64_t{query.max_results});
  params.emplace_back(query.offset);
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query(std::string(kColumns) + where +
                                            " ORDER BY start_time DESC, run_id LIMIT ? OFFSET ?",
                                        params));
  std::vector<Run> runs;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(Run run, FromRow(metadata_, row));
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<RunInfo> TrackingStore::UpdateRun(const std::string& run_id, const RunUpdate& update) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckActiveRun(metadata_, run_id));
  if (update.status.has_value()) {
    MILL_RETURN_IF_ERROR(metadata_.Execute("UPDATE runs SET status = ? WHERE run_id = ?",
                                           {static_cast<std::int64_t>(*update.status), run_id}));
  }
  if (update.end_time_ms.has_value()) {
    MILL_RETURN_IF_ERROR(metadata_.Execute("UPDATE runs SET end_time = ? WHERE run_id = ?",
                                           {*update.end_time_ms, run_id}));
  }
  if (update.run_name.has_value() && !update.run_name->empty()) {
    MILL_RETURN_IF_ERROR(LogBatch(run_id, {}, {}, {{std::string(kRunNameTag), *update.run_name}}));
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  MILL_ASSIGN_OR_RETURN(Run run, GetRun(run_id));
  return std::move(run.info);
}

Result<void> TrackingStore::DeleteRun(const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckActiveRun(metadata_, run_id));
  // A deleted run answers no idempotency key: the step that made it may run again.
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE runs SET lifecycle_stage = 'deleted', idempotency_key = NULL WHERE run_id = ?",
      {run_id}));
  return transaction.Commit();
}

Result<void> TrackingStore::RestoreRun(const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const Run run, GetRun(run_id));
  if (run.info.lifecycle == LifecycleStage::kActive) {
    return base::FailedPrecondition("The run " + run_id +
                                    " must be in the 'deleted' state. Current state is active.");
  }
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE runs SET lifecycle_stage = 'active' WHERE run_id = ?", {run.info.run_id}));
  return transaction.Commit();
}

Result<void> TrackingStore::LogOutputs(const std::string& run_id,
                                       std::span<const ModelOutput> outputs) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckActiveRun(metadata_, run_id));
  for (const ModelOutput& output : outputs) {
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "INSERT INTO run_outputs (run_id, model_id, step, position) "
        "SELECT ?, ?, ?, COALESCE(MAX(position), 0) + 1 FROM run_outputs WHERE run_id = ? "
        "ON CONFLICT (run_id, model_id, step) DO NOTHING",
        {run_id, output.model_id, output.step, run_id}));
  }
  return transaction.Commit();
}

}  // namespace millrace::tracking
