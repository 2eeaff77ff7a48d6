// SPDX-License-Identifier: Apache-2.0
// The experiments of TrackingStore.
#include "base/nearest_name.h"
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
    "SELECT experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
    "last_update_time FROM experiments ";

Result<Experiment> FromRow(store::Metadata& metadata, const store::Row& row) {
  Experiment experiment;
  experiment.id = std::to_string(Int(row[0]));
  experiment.name = Text(row[1]);
  experiment.artifact_location = Text(row[2]);
  experiment.lifecycle =
      Text(row[3]) == "active" ? LifecycleStage::kActive : LifecycleStage::kDeleted;
  experiment.creation_time_ms = Int(row[4]);
  experiment.last_update_time_ms = Int(row[5]);
  MILL_ASSIGN_OR_RETURN(experiment.tags,
                        internal::ReadPairs(metadata, "experiment_tags", "experiment_id", row[0]));
  return experiment;
}

Result<void> PutTag(store::Metadata& metadata, std::int64_t id, const std::string& key,
                    const std::string& value) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  MILL_RETURN_IF_ERROR(internal::CheckLength("value of tag \"" + key + "\"", value,
                                             internal::kMaxExperimentTagValue));
  return metadata.Execute(
      "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?) "
      "ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value",
      {id, key, value});
}

/// Inserts with the next free id; within a transaction.
Result<std::int64_t> Insert(store::Metadata& metadata, const store::Workspace& workspace,
                            const std::string& name, std::int64_t now) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT COALESCE(MAX(experiment_id), -1) + 1 FROM experiments"));
  const std::int64_t id = Int(rows[0][0]);
  const std::string location = (workspace.ArtifactsDir() / std::to_string(id)).string();
  MILL_RETURN_IF_ERROR(
      metadata.Execute("INSERT INTO experiments (experiment_id, name, artifact_location, "
                       "lifecycle_stage, creation_time, last_update_time) "
                       "VALUES (?, ?, ?, 'active', ?, ?)",
                       {id, name, location, now, now}));
  return id;
}

}  // namespace

Result<std::unique_ptr<TrackingStore>> TrackingStore::Open(store::Metadata& metadata,
                                                           const store::Workspace& workspace,
                                                           const base::Clock& clock) {
  MILL_RETURN_IF_ERROR(internal::MigrateAll(metadata).With("making the tables of tracking"));
  auto tracking = std::make_unique<TrackingStore>(metadata, workspace, clock);
  // Looked at first without a transaction: commands that only read must not take the write lock.
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> any,
                        metadata.Query("SELECT 1 FROM experiments LIMIT 1"));
  if (any.empty()) {
    MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata));
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> still,
                          metadata.Query("SELECT 1 FROM experiments LIMIT 1"));
    if (still.empty()) {
      MILL_RETURN_IF_ERROR(Insert(metadata, workspace, "Default", tracking->NowMs()));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
  }
  return tracking;
}

std::int64_t TrackingStore::NowMs() const {
  return clock_.Now().micros / 1000;
}

Result<Experiment> TrackingStore::CreateExperiment(const std::string& name, const Tags& tags) {
  MILL_RETURN_IF_ERROR(internal::CheckExperimentName(name));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> taken,
      metadata_.Query("SELECT lifecycle_stage FROM experiments WHERE name = ?", {name}));
  if (!taken.empty()) {
    auto error = base::AlreadyExists("Experiment(name=" + name + ") already exists.");
    if (Text(taken[0][0]) == "deleted") {
      return std::move(error).Hint("it is deleted; restore it or take another name");
    }
    return error;
  }
  MILL_ASSIGN_OR_RETURN(const std::int64_t id, Insert(metadata_, workspace_, name, NowMs()));
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(PutTag(metadata_, id, key, value));
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetExperiment(std::to_string(id));
}

Result<Experiment> TrackingStore::GetExperiment(const std::string& id) {
  MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(std::string(kColumns) + "WHERE experiment_id = ?", {std::int64_t{number}}));
  if (rows.empty()) {
    return base::NotFound("No Experiment with id=" + id + " exists");
  }
  return FromRow(metadata_, rows[0]);
}

Result<Experiment> TrackingStore::GetExperimentByName(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query(std::string(kColumns) + "WHERE name = ?", {name}));
  if (rows.empty()) {
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> known,
                          metadata_.Query("SELECT name FROM experiments ORDER BY experiment_id"));
    std::vector<std::string> names;
    for (const store::Row& row : known) {
      names.push_back(Text(row[0]));
    }
    return base::NotFound("Could not find experiment with name '" + name + "'" +
                          base::DidYouMean(name, names));
  }
  return FromRow(metadata_, rows[0]);
}

Result<Experiment> TrackingStore::EnsureExperiment(const std::string& name) {
  Result<Experiment> found = GetExperimentByName(name);
  if (!found.ok() && found.error().code() == ErrorCode::kNotFound) {
    found = CreateExperiment(name);
    if (!found.ok() && found.error().code() == ErrorCode::kAlreadyExists) {
      found = GetExperimentByName(name);  // Another process was faster.
    }
  }
  if (found.ok() && found->lifecycle == LifecycleStage::kDeleted) {
    return base::FailedPrecondition("experiment \"" + name + "\" (id " + found->id +
                                    ") is deleted; an active one is wanted")
        .Hint("restore it or take another name");
  }
  return found;
}

Result<std::vector<Experiment>> TrackingStore::ListExperiments(ViewType view) {
  std::string sql(kColumns);
  if (view != ViewType::kAll) {
    sql += view == ViewType::kActiveOnly ? "WHERE lifecycle_stage = 'active' "
                                         : "WHERE lifecycle_stage = 'deleted' ";
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query(sql + "ORDER BY experiment_id"));
  std::vector<Experiment> experiments;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(Experiment experiment, FromRow(metadata_, row));
    experiments.push_back(std::move(experiment));
  }
  return experiments;
}

Result<void> TrackingStore::RenameExperiment(const std::string& id, const std::string& name) {
  MILL_RETURN_IF_ERROR(internal::CheckExperimentName(name));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const Experiment experiment, GetExperiment(id));
  if (experiment.lifecycle == LifecycleStage::kDeleted) {
    return base::FailedPrecondition("Cannot rename experiment " + id +
                                    ": it is deleted; it must be in the 'active' state");
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> taken,
      metadata_.Query("SELECT experiment_id FROM experiments WHERE name = ? AND experiment_id <> ?",
                      {name, std::int64_t{std::stoll(experiment.id)}}));
  if (!taken.empty()) {
    return base::AlreadyExists("Experiment(name=" + name + ") already exists.");
  }
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE experiments SET name = ?, last_update_time = ? WHERE experiment_id = ?",
      {name, NowMs(), std::int64_t{std::stoll(experiment.id)}}));
  return transaction.Commit();
}

Result<void> TrackingStore::DeleteExperiment(const std::string& id) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const Experiment experiment, GetExperiment(id));
  if (experiment.lifecycle == LifecycleStage::kDeleted) {
    return base::NotFound("No Experiment with id=" + id + " exists").Hint("it is deleted already");
  }
  const std::int64_t number = std::stoll(experiment.id);
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("UPDATE experiments SET lifecycle_stage = 'deleted', last_update_time = ? "
                        "WHERE experiment_id = ?",
                        {NowMs(), number}));
  // A deleted run answers no idempotency key: the step that made it may run again.
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE runs SET lifecycle_stage = 'deleted', idempotency_key = NULL WHERE experiment_id = ?",
      {number}));
  return transaction.Commit();
}

Result<void> TrackingStore::RestoreExperiment(const std::string& id) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const Experiment experiment, GetExperiment(id));
  if (experiment.lifecycle == LifecycleStage::kActive) {
    return base::NotFound("No deleted Experiment with id=" + id + " exists")
        .Hint("it is active already");
  }
  const std::int64_t number = std::stoll(experiment.id);
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("UPDATE experiments SET lifecycle_stage = 'active', last_update_time = ? "
                        "WHERE experiment_id = ?",
                        {NowMs(), number}));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE runs SET lifecycle_stage = 'active' WHERE experiment_id = ?", {number}));
  return transaction.Commit();
}

Result<void> TrackingStore::SetExperimentTag(const std::string& id, const std::string& key,
                                             const std::string& value) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const Experiment experiment, GetExperiment(id));
  if (experiment.lifecycle == LifecycleStage::kDeleted) {
    return base::FailedPrecondition("experiment " + id +
                                    " is deleted; it must be in the 'active' state");
  }
  MILL_RETURN_IF_ERROR(PutTag(metadata_, std::stoll(experiment.id), key, value));
  return transaction.Commit();
}

}  // namespace millrace::tracking
