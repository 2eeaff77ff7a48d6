// SPDX-License-Identifier: Apache-2.0
// The versions of registered models.
#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"
#include "tracking/registry.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Transaction;

constexpr std::string_view kColumns =
    "SELECT name, version, source, storage_location, run_id, model_id, description, stage, "
    "creation_time, "
    "last_updated_time FROM model_versions ";

Result<ModelVersion> FromRow(store::Metadata& metadata, const store::Row& row) {
  ModelVersion version;
  version.name = Text(row[0]);
  version.version = Int(row[1]);
  version.source = Text(row[2]);
  version.storage_location = Text(row[3]);
  version.run_id = Text(row[4]);
  version.model_id = Text(row[5]);
  version.description = Text(row[6]);
  version.stage = Text(row[7]);
  version.creation_time_ms = Int(row[8]);
  version.last_update_time_ms = Int(row[9]);
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> tags,
      metadata.Query(
          "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ? ORDER BY key",
          {row[0], row[1]}));
  for (const store::Row& tag : tags) {
    version.tags[Text(tag[0])] = Text(tag[1]);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> aliases,
                        metadata.Query("SELECT alias FROM registered_model_aliases WHERE name = ? "
                                       "AND version = ? ORDER BY alias",
                                       {row[0], row[1]}));
  for (const store::Row& alias : aliases) {
    version.aliases.push_back(Text(alias[0]));
  }
  return version;
}

Result<void> PutVersionTag(store::Metadata& metadata, const std::string& name, std::int64_t version,
                           const std::string& key, const std::string& value) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  MILL_RETURN_IF_ERROR(
      internal::CheckLength("value of tag \"" + key + "\"", value, internal::kMaxRegistryTagValue));
  return metadata.Execute(
      "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value",
      {name, version, key, value});
}

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
  if (request->storage_location.empty()) {
    request->storage_location = Text(rows[0][1]);
  }
  if (request->source.empty()) {
    request->source = "models:/" + request->model_id;
  }
  return {};
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
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("INSERT INTO model_versions (name, version, source, storage_location, "
                        "run_id, model_id, description, stage, "
                        "creation_time, last_updated_time, idempotency_key) VALUES (?, ?, ?, ?, ?, "
                        "?, ?, 'None', ?, ?, ?)",
                        {request.name, number, request.source, request.storage_location,
                         request.run_id, request.model_id, request.description, now, now,
                         internal::OrNull(request.idempotency_key)}));
  for (const auto& [key, value] : request.tags) {
    MILL_RETURN_IF_ERROR(PutVersionTag(metadata_, request.name, number, key, value));
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetVersion(request.name, number);
}

Result<ModelVersion> Registry::GetVersion(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(std::string(kColumns) + "WHERE name = ? AND version = ?", {name, version}));
  if (rows.empty()) {
    return base::NotFound("Model Version (name=" + name + ", version=" + std::to_string(version) +
                          ") not found");
  }
  return FromRow(metadata_, rows[0]);
}

Result<std::optional<ModelVersion>> Registry::FindVersionByKey(const std::string& idempotency_key) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(std::string(kColumns) + "WHERE idempotency_key = ?", {idempotency_key}));
  if (rows.empty()) {
    return std::optional<ModelVersion>();
  }
  MILL_ASSIGN_OR_RETURN(ModelVersion version, FromRow(metadata_, rows[0]));
  return std::optional<ModelVersion>(std::move(version));
}

Result<std::vector<ModelVersion>> Registry::ListVersions(const std::string& name) {
  MILL_RETURN_IF_ERROR(GetModel(name));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(std::string(kColumns) + "WHERE name = ? ORDER BY version DESC", {name}));
  std::vector<ModelVersion> versions;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(ModelVersion version, FromRow(metadata_, row));
    versions.push_back(std::move(version));
  }
  return versions;
}

Result<ModelVersion> Registry::UpdateVersion(const std::string& name, std::int64_t version,
                                             const std::string& description) {
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("UPDATE model_versions SET description = ?, last_updated_time = ? "
                               "WHERE name = ? AND version = ?",
                               {description, NowMs(), name, version}));
  static_cast<void>(changed);  // GetVersion says what is missing.
  return GetVersion(name, version);
}

Result<void> Registry::DeleteVersion(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, NowMs()));
  // Aliases and tags go along by their foreign keys.
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "DELETE FROM model_versions WHERE name = ? AND version = ?", {name, version}));
  return transaction.Commit();
}

Result<void> Registry::SetVersionTag(const std::string& name, std::int64_t version,
                                     const std::string& key, const std::string& value) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  MILL_RETURN_IF_ERROR(PutVersionTag(metadata_, name, version, key, value));
  return transaction.Commit();
}

Result<void> Registry::DeleteVersionTag(const std::string& name, std::int64_t version,
                                        const std::string& key) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("DELETE FROM model_version_tags WHERE name = ? AND version = ? AND key = ?",
                        {name, version, key}));
  return transaction.Commit();
}

Result<ModelVersion> Registry::TransitionStage(const std::string& name, std::int64_t version,
                                               const std::string& stage,
                                               bool archive_existing_versions) {
  MILL_ASSIGN_OR_RETURN(const std::string canonical, internal::CanonicalStage(stage));
  if (archive_existing_versions && canonical != "Staging" && canonical != "Production") {
    return base::InvalidArgument(
        "Model version transition cannot archive existing model versions because '" + canonical +
        "' is not an Active stage. Valid stages are Staging, Production");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, now));
  if (archive_existing_versions) {
    MILL_RETURN_IF_ERROR(
        metadata_.Execute("UPDATE model_versions SET stage = 'Archived', last_updated_time = ? "
                          "WHERE name = ? AND stage = ? AND version <> ?",
                          {now, name, canonical, version}));
  }
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE model_versions SET stage = ?, last_updated_time = ? WHERE name = ? AND version = ?",
      {canonical, now, name, version}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetVersion(name, version);
}

}  // namespace millrace::tracking
