// SPDX-License-Identifier: Apache-2.0
// The versions of registered models.
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "store/metadata.h"
#include "tracking/internal/change.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"
#include "tracking/registry.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::kVersionColumns;
using internal::Text;
using internal::VersionObject;
using store::Transaction;
using Json = nlohmann::json;

/// Fills what the request leaves to the logged model.
Result<void> FillFromLoggedModel(store::Metadata& metadata, VersionRequest* request) {
  if (request->model_id.empty() && request->source.starts_with("models:/m-")) {
    request->model_id = request->source.substr(std::string_view("models:/").size());
  }
  if (request->model_id.empty()) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query(
          "SELECT source_run_id, artifact_location FROM logged_models WHERE model_id = ?",
          {request->model_id}));
  if (rows.empty()) {
    return base::NotFound("Logged model with ID '" + request->model_id + "' not found.");
  }
  if (request->run_id.empty()) {
    request->run_id = Text(rows[0][0]);
  }
  if (request->source.empty()) {
    request->source = "models:/" + request->model_id;
  }
  const bool is_uri = request->source.starts_with("models:/");
  if (request->storage_location.empty() && is_uri) {
    request->storage_location = Text(rows[0][1]);
  }
  return {};
}

/// What the webhook model_version.created (prompt_version.created) carries.
Json CreatedPayload(const VersionRequest& request, std::int64_t number, bool is_prompt) {
  Tags tags = request.tags;
  Json json = {{"name", request.name},
               {"version", std::to_string(number)},
               {"description", request.description.empty() ? Json() : Json(request.description)}};
  if (is_prompt) {
    const auto text = tags.find("mlflow.prompt.text");
    json["template"] = text == tags.end() ? Json() : Json(text->second);
    for (const char* key :
         {"mlflow.prompt.text", "mlflow.prompt.is_prompt", "_mlflow_prompt_type"}) {
      tags.erase(key);
    }
  } else {
    json["source"] = request.source;
    json["run_id"] = request.run_id.empty() ? Json() : Json(request.run_id);
  }
  json["tags"] = tags;
  return json;
}

}  // namespace

Result<ModelVersion> Registry::RegisterVersion(const VersionRequest& given) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(given.name));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  if (!given.idempotency_key.empty()) {
    MILL_ASSIGN_OR_RETURN(std::optional<ModelVersion> made,
                          FindVersionByKey(given.idempotency_key));
    if (made.has_value()) {
      return *std::move(made);
    }
  }
  VersionRequest request = given;
  MILL_RETURN_IF_ERROR(FillFromLoggedModel(metadata_, &request));
  if (request.source.empty()) {
    return base::InvalidArgument("Missing value for required parameter 'source': a version of " +
                                 request.name + " needs a source or a model id");
  }
  if (request.storage_location.empty()) {
    request.storage_location = request.source;
  }
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, request.name, now));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("UPDATE registered_models SET last_version = last_version "
                                        "+ 1 WHERE name = ? RETURNING last_version",
                                        {request.name}));
  const std::int64_t number = Int(rows[0][0]);
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO model_versions (name, version, source, storage_location, run_id, model_id, "
      "description, run_link, stage, creation_time, last_updated_time, idempotency_key) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'None', ?, ?, ?)",
      {request.name, number, request.source, request.storage_location, request.run_id,
       request.model_id, request.description, request.run_link, now, now,
       internal::OrNull(request.idempotency_key)}));
  for (const auto& [key, value] : request.tags) {
    MILL_RETURN_IF_ERROR(internal::PutVersionTag(metadata_, request.name, number, key, value));
  }
  const auto prompt = request.tags.find(std::string(kIsPromptTag));
  const bool is_prompt =
      prompt != request.tags.end() && internal::EqualIgnoringCase(prompt->second, "true");
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_,
      {now, actor_, is_prompt ? "prompt_version.created" : "model_version.created",
       VersionObject(request.name, number), CreatedPayload(request, number, is_prompt)}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetVersion(request.name, number);
}

Result<ModelVersion> Registry::GetVersion(const std::string& name, std::int64_t version) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(name));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("SELECT " + std::string(kVersionColumns) +
                                            " FROM model_versions AS v WHERE v.name = ? AND "
                                            "v.version = ?",
                                        {name, version}));
  if (rows.empty()) {
    return base::NotFound("Model Version (name=" + name + ", version=" + std::to_string(version) +
                          ") not found");
  }
  ModelVersion found = internal::VersionFromRow(rows[0]);
  MILL_RETURN_IF_ERROR(internal::ReadVersionTags(metadata_, {&found, 1}));
  MILL_RETURN_IF_ERROR(internal::ReadVersionAliases(metadata_, found));
  return found;
}

Result<std::optional<ModelVersion>> Registry::FindVersionByKey(const std::string& idempotency_key) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query("SELECT name, version FROM model_versions WHERE idempotency_key = ?",
                      {idempotency_key}));
  if (rows.empty()) {
    return std::optional<ModelVersion>();
  }
  MILL_ASSIGN_OR_RETURN(ModelVersion version, GetVersion(Text(rows[0][0]), Int(rows[0][1])));
  return std::optional<ModelVersion>(std::move(version));
}

Result<std::vector<ModelVersion>> Registry::ListVersions(const std::string& name) {
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query("SELECT " + std::string(kVersionColumns) +
                          " FROM model_versions AS v WHERE v.name = ? ORDER BY v.version DESC",
                      {name}));
  std::vector<ModelVersion> versions;
  for (const store::Row& row : rows) {
    versions.push_back(internal::VersionFromRow(row));
    MILL_RETURN_IF_ERROR(internal::ReadVersionAliases(metadata_, versions.back()));
  }
  MILL_RETURN_IF_ERROR(internal::ReadVersionTags(metadata_, versions));
  return versions;
}

Result<std::vector<ModelVersion>> Registry::LatestVersions(const std::string& name,
                                                           const std::vector<std::string>& stages) {
  std::vector<std::string> wanted;
  for (const std::string& stage : stages) {
    MILL_ASSIGN_OR_RETURN(wanted.emplace_back(), internal::CanonicalStage(stage));
  }
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_ASSIGN_OR_RETURN(std::vector<ModelVersion> versions,
                        internal::ReadLatestVersions(metadata_, name));
  std::erase_if(versions, [&](const ModelVersion& version) {
    return !wanted.empty() &&
           std::find(wanted.begin(), wanted.end(), version.stage) == wanted.end();
  });
  for (ModelVersion& version : versions) {
    MILL_RETURN_IF_ERROR(internal::ReadVersionAliases(metadata_, version));
  }
  return versions;
}

Result<std::string> Registry::DownloadUri(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(ModelVersion found, GetVersion(name, version));
  return std::move(found.storage_location);
}

Result<ModelVersion> Registry::UpdateVersion(const std::string& name, std::int64_t version,
                                             const std::string& description) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("UPDATE model_versions SET description = ?, last_updated_time = ? "
                        "WHERE name = ? AND version = ?",
                        {description, now, name, version}));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_,
      {now, actor_, "model_version.updated", VersionObject(name, version),
       Json{{"name", name}, {"version", std::to_string(version)}, {"description", description}}}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetVersion(name, version);
}

Result<void> Registry::DeleteVersion(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const ModelVersion gone, GetVersion(name, version));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, now));
  // Aliases and tags go along by their foreign keys; the number stays used by last_version, and the
  // audit log keeps what the version was.
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "DELETE FROM model_versions WHERE name = ? AND version = ?", {name, version}));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {now, actor_, "model_version.deleted", VersionObject(name, version),
                  Json{{"name", name},
                       {"version", std::to_string(version)},
                       {"source", gone.source},
                       {"run_id", gone.run_id},
                       {"stage", gone.stage},
                       {"aliases", gone.aliases}}}));
  return transaction.Commit();
}

Result<void> Registry::SetVersionTag(const std::string& name, std::int64_t version,
                                     const std::string& key, const std::string& value) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const ModelVersion tagged, GetVersion(name, version));
  MILL_RETURN_IF_ERROR(CheckEvidence(tagged, key, value));
  MILL_RETURN_IF_ERROR(internal::PutVersionTag(metadata_, name, version, key, value));
  MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata_, name));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_,
      {NowMs(), actor_, is_prompt ? "prompt_version_tag.set" : "model_version_tag.set",
       VersionObject(name, version),
       Json{
           {"name", name}, {"version", std::to_string(version)}, {"key", key}, {"value", value}}}));
  return transaction.Commit();
}

Result<void> Registry::DeleteVersionTag(const std::string& name, std::int64_t version,
                                        const std::string& key) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const ModelVersion tagged, GetVersion(name, version));
  MILL_RETURN_IF_ERROR(CheckEvidence(tagged, key, ""));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t deleted,
      metadata_.ExecuteCounted(
          "DELETE FROM model_version_tags WHERE name = ? AND version = ? AND key = ?",
          {name, version, key}));
  if (deleted > 0) {
    MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata_, name));
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_,
        {NowMs(), actor_, is_prompt ? "prompt_version_tag.deleted" : "model_version_tag.deleted",
         VersionObject(name, version),
         Json{{"name", name}, {"version", std::to_string(version)}, {"key", key}}}));
  }
  return transaction.Commit();
}

Result<ModelVersion> Registry::TransitionStage(const std::string& name, std::int64_t version,
                                               const std::string& stage,
                                               bool archive_existing_versions) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  if (internal::EqualIgnoringCase(stage, kProductionStage)) {
    const std::string to = "stage " + std::string(kProductionStage);
    if (Result<void> may = CheckPromotion(name, version, to); !may.ok()) {
      MILL_RETURN_IF_ERROR(transaction.Commit());
      return std::move(may).error();
    }
  }
  MILL_ASSIGN_OR_RETURN(ModelVersion moved,
                        PutStage(name, version, stage, archive_existing_versions));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return moved;
}

Result<ModelVersion> Registry::PutStage(const std::string& name, std::int64_t version,
                                        const std::string& stage, bool archive_existing_versions) {
  MILL_ASSIGN_OR_RETURN(const std::string canonical, internal::CanonicalStage(stage));
  if (archive_existing_versions && canonical != "Staging" && canonical != "Production") {
    return base::InvalidArgument(
        "Model version transition cannot archive existing model versions because '" + stage +
        "' is not an Active stage. Valid stages are ['Staging', 'Production']");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const ModelVersion before, GetVersion(name, version));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, now));
  Json archived = Json::array();
  if (archive_existing_versions) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> rows,
        metadata_.Query("UPDATE model_versions SET stage = 'Archived', last_updated_time = ? "
                        "WHERE name = ? AND stage = ? AND version <> ? RETURNING version",
                        {now, name, canonical, version}));
    for (const store::Row& row : rows) {
      archived.push_back(Int(row[0]));
    }
  }
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE model_versions SET stage = ?, last_updated_time = ? WHERE name = ? AND version = ?",
      {canonical, now, name, version}));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {now, actor_, "model_version.stage_changed", VersionObject(name, version),
                  Json{{"name", name},
                       {"version", std::to_string(version)},
                       {"from", before.stage},
                       {"to", canonical},
                       {"archived", archived}}}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetVersion(name, version);
}

}  // namespace millrace::tracking
