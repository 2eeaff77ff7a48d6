// SPDX-License-Identifier: Apache-2.0
// The runs of TrackingStore: their life, and how they are found.
#include <utility>

#include "base/ids.h"
#include "store/metadata.h"
#include "tracking/artifact_uri.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/run_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::kRunNameTag;
using internal::Text;
using internal::WriteScope;

bool IsHex(const std::string& text) {
  return text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::vector<std::int64_t> Keys(const std::vector<store::Row>& rows) {
  std::vector<std::int64_t> keys;
  keys.reserve(rows.size());
  for (const store::Row& row : rows) {
    keys.push_back(Int(row[0]));
  }
  return keys;
}

Result<std::int64_t> FindKey(store::Metadata& metadata, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(std::vector<store::Row> rows,
                        metadata.Query("SELECT run_key FROM runs WHERE run_id = ?", {run_id}));
  if (rows.empty() && run_id.size() >= 4 && run_id.size() < 32 && IsHex(run_id)) {
    MILL_ASSIGN_OR_RETURN(
        rows, metadata.Query("SELECT run_key, run_id FROM runs WHERE run_id >= ? AND run_id < ? "
                             "ORDER BY run_id LIMIT 2",
                             {run_id, run_id + "g"}));
    if (rows.size() > 1) {
      return base::InvalidArgument("several runs start with \"" + run_id + "\" (" +
                                   Text(rows[0][1]) + ", " + Text(rows[1][1]) +
                                   "); more digits are wanted");
    }
  }
  if (rows.empty()) {
    return internal::RunNotFound(run_id);
  }
  return Int(rows[0][0]);
}

Result<Run> ReadOne(TrackingStore::Impl& impl, std::int64_t key, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(std::vector<Run> runs, internal::ReadRuns(impl, std::span(&key, 1)));
  if (runs.empty()) {
    return internal::RunNotFound(run_id);
  }
  return std::move(runs[0]);
}

Result<std::string> ChooseName(const RunRequest& request, const std::string& run_id) {
  const auto tagged = request.tags.find(std::string(kRunNameTag));
  const std::string tag = tagged == request.tags.end() ? "" : tagged->second;
  if (!tag.empty() && !request.run_name.empty() && tag != request.run_name) {
    return base::InvalidArgument(
        "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different "
        "values (run_name='" +
        request.run_name + "', mlflow.runName='" + tag + "').");
  }
  const std::string name = tag.empty() ? request.run_name : tag;
  return name.empty() ? internal::SpokenName(run_id) : name;
}

/// The run that a request asks for, before the database gives it a place.
Result<Run> Prepare(const RunRequest& request, std::int64_t now_ms) {
  for (const auto& [key, value] : request.tags) {
    MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  }
  Run run;
  run.info.run_id = base::NewRunId();
  MILL_ASSIGN_OR_RETURN(run.info.run_name, ChooseName(request, run.info.run_id));
  run.info.user_id = request.user_id;
  run.info.start_time_ms = request.start_time_ms.value_or(now_ms);
  for (const auto& [key, value] : request.tags) {
    run.tags[key] = internal::Truncated(value, internal::kMaxTagValue);
  }
  run.tags[std::string(kRunNameTag)] = run.info.run_name;
  return run;
}

Result<void> Insert(TrackingStore::Impl& impl, WriteScope& scope, const RunRequest& request,
                    Run& run) {
  MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
  MILL_ASSIGN_OR_RETURN(const Experiment experiment,
                        internal::ReadExperiment(*sql, request.experiment_id));
  MILL_RETURN_IF_ERROR(internal::CheckActive(experiment));
  run.info.experiment_id = experiment.id;
  run.info.artifact_uri = JoinUri(experiment.artifact_location, run.info.run_id + "/artifacts");
  MILL_ASSIGN_OR_RETURN(const std::int64_t key, internal::NextNumber(*sql, "run_key"));
  MILL_RETURN_IF_ERROR(sql->Execute(
      "INSERT INTO runs (run_key, run_id, experiment_id, name, user_id, status, start_time, "
      "end_time, artifact_uri, lifecycle_stage, idempotency_key, change) VALUES (?, ?, ?, ?, ?, "
      "?, ?, NULL, ?, 'active', ?, 0)",
      {key, run.info.run_id, std::int64_t{std::stoll(experiment.id)}, run.info.run_name,
       run.info.user_id, static_cast<std::int64_t>(run.info.status), run.info.start_time_ms,
       run.info.artifact_uri, internal::OrNull(request.idempotency_key)}));
  return internal::PutTagRows(impl.run_keys, scope, key, run.tags);
}

}  // namespace

Result<Run> TrackingStore::CreateRun(const RunRequest& request) {
  MILL_ASSIGN_OR_RETURN(Run run, Prepare(request, impl_->NowMs()));
  std::string made_before;
  Result<void> written = impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    if (!request.idempotency_key.empty()) {
      MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                            sql.Query("SELECT run_id FROM runs WHERE idempotency_key = ?",
                                      {request.idempotency_key}));
      if (!rows.empty()) {
        made_before = Text(rows[0][0]);
        return {};
      }
    }
    return Insert(*impl_, scope, request, run);
  });
  MILL_RETURN_IF_ERROR(std::move(written));
  if (!made_before.empty()) {
    return GetRun(made_before);
  }
  return run;
}

void TrackingStore::CreateRunAsync(RunRequest request, std::function<void(Result<Run>)> done) {
  MILL_CHECK(request.idempotency_key.empty());
  Result<Run> prepared = Prepare(request, impl_->NowMs());
  if (!prepared.ok()) {
    done(std::move(prepared));
    return;
  }
  // The write fills in what `done` gets.
  const auto run = std::make_shared<Run>(*std::move(prepared));
  impl_->writer->SubmitOrRun(
      [this, run, request = std::move(request)](WriteScope& scope) {
        return Insert(*impl_, scope, request, *run);
      },
      [run, done = std::move(done)](Result<void> written) {
        if (written.ok()) {
          done(std::move(*run));
        } else {
          done(std::move(written).error());
        }
      });
}

Result<Run> TrackingStore::GetRun(const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t key, FindKey(impl_->metadata, run_id));
  return ReadOne(*impl_, key, run_id);
}

Result<std::optional<Run>> TrackingStore::FindRunByKey(const std::string& idempotency_key) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        impl_->metadata.Query("SELECT run_key FROM runs WHERE idempotency_key = ?",
                                              {idempotency_key}));
  MILL_ASSIGN_OR_RETURN(std::vector<Run> runs, internal::ReadRuns(*impl_, Keys(rows)));
  return runs.empty() ? std::optional<Run>() : std::optional<Run>(std::move(runs[0]));
}

Result<std::vector<Run>> TrackingStore::ListRuns(const RunQuery& query) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(query.max_results));
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
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query("SELECT run_key FROM runs " + where +
                                " ORDER BY start_time DESC, run_id LIMIT ? OFFSET ?",
                            params));
  return internal::ReadRuns(*impl_, Keys(rows));
}

Result<RunInfo> TrackingStore::UpdateRun(const std::string& run_id, const RunUpdate& update) {
  std::int64_t run_key = 0;
  Result<void> written = impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const internal::RunKey key, impl_->run_keys.ActiveRun(run_id));
    run_key = key.run_key;
    if (update.status.has_value()) {
      MILL_RETURN_IF_ERROR(sql.Execute("UPDATE runs SET status = ? WHERE run_key = ?",
                                       {static_cast<std::int64_t>(*update.status), run_key}));
    }
    if (update.end_time_ms.has_value()) {
      MILL_RETURN_IF_ERROR(sql.Execute("UPDATE runs SET end_time = ? WHERE run_key = ?",
                                       {*update.end_time_ms, run_key}));
    }
    if (update.run_name.has_value() && !update.run_name->empty()) {
      MILL_RETURN_IF_ERROR(internal::PutTags(impl_->run_keys, scope, run_key,
                                             {{std::string(kRunNameTag), *update.run_name}}));
    }
    return internal::Touch(scope, run_key);
  });
  MILL_RETURN_IF_ERROR(std::move(written));
  MILL_ASSIGN_OR_RETURN(Run run, ReadOne(*impl_, run_key, run_id));
  return std::move(run.info);
}

Result<void> TrackingStore::DeleteRun(const std::string& run_id) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const internal::RunKey key, internal::ReadRunKey(sql, run_id));
    if (!key.is_active) {
      return {};
    }
    impl_->run_keys.ForgetRuns();
    // A deleted run answers no idempotency key: the step that made it may run again.
    return sql.Execute(
        "UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = ?, idempotency_key = NULL, "
        "change = ? WHERE run_key = ?",
        {impl_->NowMs(), scope.change(), key.run_key});
  });
}

Result<void> TrackingStore::RestoreRun(const std::string& run_id) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const internal::RunKey key, internal::ReadRunKey(sql, run_id));
    if (key.is_active) {
      return {};
    }
    impl_->run_keys.ForgetRuns();
    return sql.Execute(
        "UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL, change = ? WHERE "
        "run_key = ? AND lifecycle_stage = 'deleted'",
        {scope.change(), key.run_key});
  });
}

}  // namespace millrace::tracking
