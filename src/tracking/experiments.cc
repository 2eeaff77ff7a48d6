// SPDX-License-Identifier: Apache-2.0
// The experiments of TrackingStore.
#include <utility>

#include "base/nearest_name.h"
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

constexpr std::string_view kColumns =
    "SELECT experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
    "last_update_time FROM experiments ";

Experiment FromRow(const store::Row& row) {
  Experiment experiment;
  experiment.id = std::to_string(Int(row[0]));
  experiment.name = Text(row[1]);
  experiment.artifact_location = Text(row[2]);
  experiment.lifecycle =
      Text(row[3]) == "active" ? LifecycleStage::kActive : LifecycleStage::kDeleted;
  experiment.creation_time_ms = Int(row[4]);
  experiment.last_update_time_ms = Int(row[5]);
  return experiment;
}

Result<Experiment> WithTags(store::Metadata& metadata, const store::Row& row) {
  Experiment experiment = FromRow(row);
  MILL_ASSIGN_OR_RETURN(experiment.tags,
                        internal::ReadPairs(metadata, "experiment_tags", "experiment_id", row[0]));
  return experiment;
}

Result<void> PutTag(store::Metadata& metadata, std::int64_t id, const std::string& key,
                    const std::string& value) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  MILL_RETURN_IF_ERROR(internal::CheckLength("value", value, internal::kMaxExperimentTagValue));
  return metadata.Execute(
      "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?) "
      "ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value",
      {id, key, value});
}

Result<std::optional<Experiment>> FindByName(store::Metadata& metadata, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata.Query(std::string(kColumns) + "WHERE name = ?", {name}));
  if (rows.empty()) {
    return std::optional<Experiment>();
  }
  MILL_ASSIGN_OR_RETURN(Experiment experiment, WithTags(metadata, rows[0]));
  return std::optional<Experiment>(std::move(experiment));
}

Error AlreadyThere(const Experiment& taken) {
  auto error = base::AlreadyExists("Experiment(name=" + taken.name + ") already exists.");
  if (taken.lifecycle == LifecycleStage::kDeleted) {
    return std::move(error).Hint("it is deleted; restore it or take another name");
  }
  return error;
}

Result<void> SetStage(store::Metadata& sql, WriteScope& scope, std::int64_t id,
                      std::string_view stage, std::int64_t now) {
  MILL_RETURN_IF_ERROR(sql.Execute(
      "UPDATE experiments SET lifecycle_stage = ?, last_update_time = ? WHERE experiment_id = ?",
      {std::string(stage), now, id}));
  if (stage == "active") {
    return sql.Execute(
        "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL, change = ? WHERE "
        "experiment_id = ? AND lifecycle_stage = 'deleted'",
        {scope.change(), id});
  }
  // A deleted run answers no idempotency key: the step that made it may run again.
  return sql.Execute(
      "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = ?, idempotency_key = NULL, "
      "change = ? WHERE experiment_id = ? AND lifecycle_stage = 'active'",
      {now, scope.change(), id});
}

}  // namespace

namespace internal {

Result<void> CheckActive(const Experiment& experiment) {
  if (experiment.lifecycle == LifecycleStage::kDeleted) {
    return base::FailedPrecondition("The experiment " + experiment.id +
                                    " must be in the 'active' state. Current state is deleted.");
  }
  return {};
}

Result<Experiment> ReadExperiment(store::Metadata& metadata, const std::string& id) {
  MILL_ASSIGN_OR_RETURN(const long long number, ParseExperimentId(id));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query(std::string(kColumns) + "WHERE experiment_id = ?", {std::int64_t{number}}));
  if (rows.empty()) {
    return base::NotFound("No Experiment with id=" + id + " exists");
  }
  return FromRow(rows[0]);
}

Result<std::vector<Experiment>> ReadExperiments(store::Metadata& metadata, ViewType view) {
  std::string sql(kColumns);
  if (view != ViewType::kAll) {
    sql += view == ViewType::kActiveOnly ? "WHERE lifecycle_stage = 'active' "
                                         : "WHERE lifecycle_stage = 'deleted' ";
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata.Query(sql + "ORDER BY experiment_id"));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> tags,
      metadata.Query("SELECT experiment_id, key, value FROM experiment_tags ORDER BY "
                     "experiment_id, key"));
  std::vector<Experiment> experiments;
  experiments.reserve(rows.size());
  auto tag = tags.begin();
  for (const store::Row& row : rows) {
    Experiment experiment = FromRow(row);
    while (tag != tags.end() && Int((*tag)[0]) < Int(row[0])) {
      ++tag;
    }
    for (; tag != tags.end() && Int((*tag)[0]) == Int(row[0]); ++tag) {
      experiment.tags.emplace(Text((*tag)[1]), Text((*tag)[2]));
    }
    experiments.push_back(std::move(experiment));
  }
  return experiments;
}

}  // namespace internal

Result<Experiment> TrackingStore::CreateExperiment(const std::string& name, const Tags& tags,
                                                   const std::string& given_location) {
  MILL_RETURN_IF_ERROR(internal::CheckExperimentName(name));
  MILL_RETURN_IF_ERROR(internal::CheckArtifactLocation(given_location));
  const std::string artifact_location = AbsoluteLocation(given_location);
  Experiment made;
  Result<void> written =
      impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
        MILL_ASSIGN_OR_RETURN(const std::optional<Experiment> taken, FindByName(sql, name));
        if (taken.has_value()) {
          return AlreadyThere(*taken);
        }
        MILL_ASSIGN_OR_RETURN(
            const std::vector<store::Row> next,
            sql.Query("SELECT COALESCE(MAX(experiment_id), -1) + 1 FROM experiments"));
        const std::int64_t id = Int(next[0][0]);
        const std::int64_t now = impl_->NowMs();
        made = {.id = std::to_string(id),
                .name = name,
                .artifact_location = artifact_location.empty()
                                         ? JoinUri(impl_->options.artifact_root, std::to_string(id))
                                         : artifact_location,
                .creation_time_ms = now,
                .last_update_time_ms = now,
                .tags = tags};
        MILL_RETURN_IF_ERROR(
            sql.Execute("INSERT INTO experiments (experiment_id, name, artifact_location, "
                        "lifecycle_stage, creation_time, last_update_time) "
                        "VALUES (?, ?, ?, 'active', ?, ?)",
                        {id, name, made.artifact_location, now, now}));
        for (const auto& [key, value] : tags) {
          MILL_RETURN_IF_ERROR(PutTag(sql, id, key, value));
        }
        return {};
      });
  MILL_RETURN_IF_ERROR(std::move(written));
  return made;
}

Result<Experiment> TrackingStore::GetExperiment(const std::string& id) {
  MILL_ASSIGN_OR_RETURN(Experiment experiment, internal::ReadExperiment(impl_->metadata, id));
  MILL_ASSIGN_OR_RETURN(experiment.tags,
                        internal::ReadPairs(impl_->metadata, "experiment_tags", "experiment_id",
                                            std::int64_t{std::stoll(experiment.id)}));
  return experiment;
}

Result<Experiment> TrackingStore::GetExperimentByName(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(std::optional<Experiment> found, FindByName(impl_->metadata, name));
  if (found.has_value()) {
    return *std::move(found);
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> known,
      impl_->metadata.Query("SELECT name FROM experiments ORDER BY experiment_id LIMIT 1000"));
  std::vector<std::string> names;
  names.reserve(known.size());
  for (const store::Row& row : known) {
    names.push_back(Text(row[0]));
  }
  return base::NotFound("Could not find experiment with name '" + name + "'" +
                        base::DidYouMean(name, names));
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

Result<void> TrackingStore::RenameExperiment(const std::string& id, const std::string& name) {
  MILL_RETURN_IF_ERROR(internal::CheckExperimentName(name));
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const Experiment experiment, internal::ReadExperiment(sql, id));
    if (experiment.lifecycle == LifecycleStage::kDeleted) {
      return base::FailedPrecondition("Cannot rename a non-active experiment.")
          .Hint("restore experiment " + id + " first");
    }
    MILL_ASSIGN_OR_RETURN(const std::optional<Experiment> taken, FindByName(sql, name));
    if (taken.has_value() && taken->id != experiment.id) {
      return AlreadyThere(*taken);
    }
    return sql.Execute(
        "UPDATE experiments SET name = ?, last_update_time = ? WHERE experiment_id = ?",
        {name, impl_->NowMs(), std::int64_t{std::stoll(experiment.id)}});
  });
}

Result<void> TrackingStore::DeleteExperiment(const std::string& id) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const Experiment experiment, internal::ReadExperiment(sql, id));
    if (experiment.lifecycle == LifecycleStage::kDeleted) {
      return base::NotFound("No Experiment with id=" + id + " exists")
          .Hint("it is deleted already");
    }
    impl_->run_keys.ForgetRuns();
    return SetStage(sql, scope, std::stoll(experiment.id), "deleted", impl_->NowMs());
  });
}

Result<void> TrackingStore::RestoreExperiment(const std::string& id) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const Experiment experiment, internal::ReadExperiment(sql, id));
    if (experiment.lifecycle == LifecycleStage::kActive) {
      return base::NotFound("No Experiment with id=" + id + " exists")
          .Hint("there is none that is deleted; it is active already");
    }
    impl_->run_keys.ForgetRuns();
    return SetStage(sql, scope, std::stoll(experiment.id), "active", impl_->NowMs());
  });
}

Result<void> TrackingStore::SetExperimentTag(const std::string& id, const std::string& key,
                                             const std::string& value) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const Experiment experiment, internal::ReadExperiment(sql, id));
    MILL_RETURN_IF_ERROR(internal::CheckActive(experiment));
    const std::int64_t number = std::stoll(experiment.id);
    return PutTag(sql, number, key, value);
  });
}

Result<void> TrackingStore::DeleteExperimentTag(const std::string& id, const std::string& key) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const Experiment experiment, internal::ReadExperiment(sql, id));
    MILL_RETURN_IF_ERROR(internal::CheckActive(experiment));
    const std::int64_t number = std::stoll(experiment.id);
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t deleted,
        sql.ExecuteCounted("DELETE FROM experiment_tags WHERE experiment_id = ? AND key = ?",
                           {number, key}));
    if (deleted == 0) {
      return base::NotFound("No tag with name: " + key + " in experiment with id " + id);
    }
    return {};
  });
}

}  // namespace millrace::tracking
