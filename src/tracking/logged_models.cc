// SPDX-License-Identifier: Apache-2.0
// The logged models of TrackingStore.
#include <utility>

#include "base/ids.h"
#include "store/metadata.h"
#include "tracking/artifact_uri.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/model_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Text;
using internal::WriteScope;

Error ModelNotFound(const std::string& model_id) {
  return base::NotFound("Logged model with ID '" + model_id + "' not found.");
}

/// kNotFound for a deleted one too.
Result<void> CheckModel(store::Metadata& sql, const std::string& model_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      sql.Query("SELECT 1 FROM logged_models WHERE model_id = ? AND lifecycle_stage = 'active'",
                {model_id}));
  return rows.empty() ? Result<void>(ModelNotFound(model_id)) : Result<void>();
}

Result<void> PutTags(store::Metadata& sql, const std::string& model_id, const Tags& tags) {
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
    MILL_RETURN_IF_ERROR(
        sql.Execute("INSERT INTO logged_model_tags (model_id, key, value) VALUES (?, ?, ?) "
                    "ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
                    {model_id, key, internal::Truncated(value, internal::kMaxTagValue)}));
  }
  return {};
}

/// MLflow cannot log a parameter of a model twice; the last value stays.
Result<void> PutParams(store::Metadata& sql, const std::string& model_id,
                       std::span<const Param> params) {
  for (const Param& param : params) {
    MILL_RETURN_IF_ERROR(internal::CheckKey("param", param.key));
    MILL_RETURN_IF_ERROR(sql.Execute(
        "INSERT INTO logged_model_params (model_id, key, value) VALUES (?, ?, ?) "
        "ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
        {model_id, param.key, internal::Truncated(param.value, internal::kMaxParamValue)}));
  }
  return {};
}

Result<void> Touch(store::Metadata& sql, const std::string& model_id, std::int64_t now) {
  return sql.Execute("UPDATE logged_models SET last_update_time = ? WHERE model_id = ?",
                     {now, model_id});
}

Result<void> Insert(TrackingStore::Impl& impl, store::Metadata& sql,
                    const LoggedModelRequest& request, const std::string& model_id) {
  MILL_ASSIGN_OR_RETURN(const Experiment experiment,
                        internal::ReadExperiment(sql, request.experiment_id));
  MILL_RETURN_IF_ERROR(internal::CheckActive(experiment));
  const std::string name = request.name.empty() ? internal::SpokenName(model_id) : request.name;
  const std::int64_t now = impl.NowMs();
  MILL_RETURN_IF_ERROR(sql.Execute(
      "INSERT INTO logged_models (model_id, experiment_id, name, source_run_id, artifact_location, "
      "model_type, status, creation_time, last_update_time, idempotency_key) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {model_id, std::int64_t{std::stoll(experiment.id)}, name, request.source_run_id,
       JoinUri(experiment.artifact_location, "models/" + model_id + "/artifacts"),
       request.model_type, static_cast<std::int64_t>(LoggedModelStatus::kPending), now, now,
       internal::OrNull(request.idempotency_key)}));
  std::vector<Param> params;
  for (const auto& [key, value] : request.params) {
    params.push_back({key, value});
  }
  MILL_RETURN_IF_ERROR(PutParams(sql, model_id, params));
  return PutTags(sql, model_id, request.tags);
}

}  // namespace

Result<LoggedModel> TrackingStore::CreateLoggedModel(const LoggedModelRequest& request) {
  if (!request.name.empty()) {
    MILL_RETURN_IF_ERROR(internal::CheckLoggedModelName(request.name));
  }
  std::string model_id = base::NewLoggedModelId();
  Result<void> written =
      impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
        if (!request.idempotency_key.empty()) {
          MILL_ASSIGN_OR_RETURN(
              const std::vector<store::Row> made,
              sql.Query("SELECT model_id FROM logged_models WHERE idempotency_key = ?",
                        {request.idempotency_key}));
          if (!made.empty()) {
            model_id = Text(made[0][0]);
            return {};
          }
        }
        return Insert(*impl_, sql, request, model_id);
      });
  MILL_RETURN_IF_ERROR(std::move(written));
  return GetLoggedModel(model_id);
}

Result<LoggedModel> TrackingStore::GetLoggedModel(const std::string& model_id, ViewType view) {
  if (view != ViewType::kAll) {
    MILL_RETURN_IF_ERROR(CheckModel(impl_->metadata, model_id));
  }
  MILL_ASSIGN_OR_RETURN(std::vector<LoggedModel> models,
                        internal::ReadModelRows(impl_->metadata, std::span(&model_id, 1)));
  if (models.empty()) {
    return ModelNotFound(model_id);
  }
  MILL_RETURN_IF_ERROR(internal::ReadModelData(impl_->metadata, models));
  return std::move(models[0]);
}

Result<LoggedModel> TrackingStore::FinalizeLoggedModel(const std::string& model_id,
                                                       LoggedModelStatus status) {
  Result<void> written =
      impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
        MILL_RETURN_IF_ERROR(CheckModel(sql, model_id));
        return sql.Execute(
            "UPDATE logged_models SET status = ?, last_update_time = ? WHERE model_id = ?",
            {static_cast<std::int64_t>(status), impl_->NowMs(), model_id});
      });
  MILL_RETURN_IF_ERROR(std::move(written));
  return GetLoggedModel(model_id);
}

Result<void> TrackingStore::LogLoggedModelParams(const std::string& model_id,
                                                 std::span<const Param> params) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_RETURN_IF_ERROR(CheckModel(sql, model_id));
    return PutParams(sql, model_id, params);
  });
}

Result<void> TrackingStore::SetLoggedModelTags(const std::string& model_id, const Tags& tags) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_RETURN_IF_ERROR(CheckModel(sql, model_id));
    MILL_RETURN_IF_ERROR(PutTags(sql, model_id, tags));
    return Touch(sql, model_id, impl_->NowMs());
  });
}

Result<void> TrackingStore::DeleteLoggedModelTag(const std::string& model_id,
                                                 const std::string& key) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_RETURN_IF_ERROR(CheckModel(sql, model_id));
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t deleted,
        sql.ExecuteCounted("DELETE FROM logged_model_tags WHERE model_id = ? AND key = ?",
                           {model_id, key}));
    if (deleted == 0) {
      return base::NotFound("No tag with key '" + key + "' found for model with ID '" + model_id +
                            "'.");
    }
    return Touch(sql, model_id, impl_->NowMs());
  });
}

Result<void> TrackingStore::DeleteLoggedModel(const std::string& model_id) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& /*scope*/) -> Result<void> {
    MILL_RETURN_IF_ERROR(CheckModel(sql, model_id));
    // A deleted model answers no idempotency key.
    return sql.Execute(
        "UPDATE logged_models SET lifecycle_stage = 'deleted', last_update_time = ?, "
        "idempotency_key = NULL WHERE model_id = ?",
        {impl_->NowMs(), model_id});
  });
}

}  // namespace millrace::tracking
