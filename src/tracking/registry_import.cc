// SPDX-License-Identifier: Apache-2.0
// Taking in registered models that another registry held, with their version numbers and times.
#include <nlohmann/json.hpp>

#include "store/metadata.h"
#include "tracking/internal/change.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"
#include "tracking/registry.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using Json = nlohmann::json;

Result<bool> IsThere(store::Metadata& metadata, std::string_view sql,
                     std::initializer_list<store::Value> params) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows, metadata.Query(sql, params));
  return !rows.empty();
}

Result<void> PutVersion(store::Metadata& metadata, const ModelVersion& version) {
  MILL_ASSIGN_OR_RETURN(const std::string stage,
                        internal::CanonicalStage(version.stage.empty() ? "None" : version.stage));
  constexpr std::string_view kModelScheme = "models:/m-";
  const std::string model_id = !version.model_id.empty() ? version.model_id
                               : version.source.starts_with(kModelScheme)
                                   ? version.source.substr(std::string_view("models:/").size())
                                   : "";
  MILL_RETURN_IF_ERROR(metadata.Execute(
      "INSERT INTO model_versions (name, version, source, storage_location, run_id, model_id, "
      "description, run_link, stage, creation_time, last_updated_time, idempotency_key) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
      {version.name, version.version, version.source,
       version.storage_location.empty() ? version.source : version.storage_location, version.run_id,
       model_id, version.description, version.run_link, stage, version.creation_time_ms,
       version.last_update_time_ms}));
  for (const auto& [key, value] : version.tags) {
    MILL_RETURN_IF_ERROR(
        internal::PutVersionTag(metadata, version.name, version.version, key, value));
  }
  return {};
}

}  // namespace

Result<void> Registry::ImportModel(const RegisteredModel& model,
                                   const std::vector<ModelVersion>& versions) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(model.name));
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(
      const bool has_model,
      IsThere(metadata_, "SELECT 1 FROM registered_models WHERE name = ?", {model.name}));
  if (!has_model) {
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "INSERT INTO registered_models (name, description, creation_time, last_updated_time, "
        "last_version) VALUES (?, ?, ?, ?, 0)",
        {model.name, model.description, model.creation_time_ms, model.last_update_time_ms}));
  }
  for (const auto& [key, value] : model.tags) {
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "INSERT INTO registered_model_tags (name, key, value) VALUES (?, ?, ?) ON CONFLICT (name, "
        "key) DO UPDATE SET value = excluded.value",
        {model.name, key, value}));
  }
  Json imported = Json::array();
  for (const ModelVersion& version : versions) {
    MILL_ASSIGN_OR_RETURN(
        const bool has_version,
        IsThere(metadata_, "SELECT 1 FROM model_versions WHERE name = ? AND version = ?",
                {version.name, version.version}));
    if (has_version) {
      continue;
    }
    MILL_RETURN_IF_ERROR(PutVersion(metadata_, version));
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "UPDATE registered_models SET last_version = ? WHERE name = ? AND last_version < ?",
        {version.version, model.name, version.version}));
    imported.push_back(version.version);
  }
  for (const auto& [alias, version] : model.aliases) {
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?) ON CONFLICT "
        "(name, alias) DO UPDATE SET version = excluded.version",
        {model.name, alias, version}));
  }
  if (!has_model || !imported.empty()) {
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_, {NowMs(), actor_, "registered_model.imported", internal::ModelObject(model.name),
                    Json{{"versions", std::move(imported)}, {"aliases", model.aliases}}}));
  }
  return transaction.Commit();
}

}  // namespace millrace::tracking
