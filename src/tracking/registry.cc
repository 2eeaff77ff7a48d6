// SPDX-License-Identifier: Apache-2.0
// Registered models, their tags and aliases.
#include "tracking/registry.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "base/nearest_name.h"
#include "store/metadata.h"
#include "tracking/internal/change.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"

namespace millrace::tracking {
namespace {

using internal::Change;
using internal::Int;
using internal::ModelObject;
using internal::Text;
using internal::VersionObject;
using store::Transaction;
using Json = nlohmann::json;

bool IsTrue(const Tags& tags, std::string_view key) {
  const auto tag = tags.find(std::string(key));
  return tag != tags.end() && internal::EqualIgnoringCase(tag->second, "true");
}

/// A model and a prompt never share a name; the message says which of the two has it.
Error NameIsTaken(store::Metadata& metadata, const std::string& name, bool wants_prompt) {
  const Result<bool> asked = internal::IsPrompt(metadata, name);
  if (!asked.ok()) {
    return asked.error();
  }
  const bool has_prompt = *asked;
  const auto kind = [](bool is_prompt) { return is_prompt ? "prompt" : "registered model"; };
  if (has_prompt == wants_prompt) {
    return base::AlreadyExists(std::string(has_prompt ? "Prompt" : "Registered Model") +
                               " (name=" + name + ") already exists.");
  }
  return base::AlreadyExists(
      std::string("Tried to create a ") + kind(wants_prompt) + " with name '" + name +
      "', but the name is already taken by a " + kind(has_prompt) +
      ". MLflow does not allow creating a model and a prompt with the same name.");
}

}  // namespace

Result<std::unique_ptr<Registry>> Registry::Open(store::Metadata& metadata,
                                                 const base::Clock& clock,
                                                 const RegistryOptions& options) {
  MILL_RETURN_IF_ERROR(internal::MigrateAll(metadata).With("making the tables of the registry"));
  return std::make_unique<Registry>(metadata, clock, options);
}

Registry Registry::As(std::string actor) const {
  Registry other = *this;
  other.actor_ = std::move(actor);
  return other;
}

std::int64_t Registry::NowMs() const {
  return clock_.Now().micros / 1000;
}

Result<RegisteredModel> Registry::CreateModel(const std::string& name,
                                              const std::string& description, const Tags& tags) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(name));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  const std::int64_t now = NowMs();
  const bool is_prompt = IsTrue(tags, kIsPromptTag);
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t made,
      metadata_.ExecuteCounted(
          "INSERT INTO registered_models (name, description, creation_time, last_updated_time, "
          "last_version) VALUES (?, ?, ?, ?, 0) ON CONFLICT (name) DO NOTHING",
          {name, description, now, now}));
  if (made == 0) {
    return NameIsTaken(metadata_, name, is_prompt);
  }
  Tags told = tags;
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(internal::PutModelTag(metadata_, name, key, value));
  }
  if (is_prompt) {
    told.erase(std::string(kIsPromptTag));
    told.erase("_mlflow_prompt_type");
  }
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_,
      {now, actor_, is_prompt ? "prompt.created" : "registered_model.created", ModelObject(name),
       Json{{"name", name}, {"tags", told}, {"description", description}}}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetModel(name);
}

Result<RegisteredModel> Registry::EnsureModel(const std::string& name) {
  Result<RegisteredModel> model = GetModel(name);
  if (!model.ok() && model.error().code() == ErrorCode::kNotFound) {
    model = CreateModel(name);
    if (!model.ok() && model.error().code() == ErrorCode::kAlreadyExists) {
      return GetModel(name);  // Another process was faster.
    }
  }
  return model;
}

Result<RegisteredModel> Registry::GetModel(const std::string& name) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(name));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("SELECT " + std::string(internal::kModelColumns) +
                                            " FROM registered_models AS m WHERE m.name = ?",
                                        {name}));
  if (rows.empty()) {
    return internal::NoSuchModel(metadata_, name);
  }
  return internal::ModelFromRow(metadata_, rows[0]);
}

Result<std::vector<RegisteredModel>> Registry::ListModels() {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("SELECT " + std::string(internal::kModelColumns) +
                                        " FROM registered_models AS m ORDER BY m.name"));
  std::vector<RegisteredModel> models;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(RegisteredModel model, internal::ModelFromRow(metadata_, row));
    models.push_back(std::move(model));
  }
  return models;
}

Result<RegisteredModel> Registry::RenameModel(const std::string& name,
                                              const std::string& new_name) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(new_name, "new_name"));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  if (new_name != name) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> taken,
        metadata_.Query("SELECT 1 FROM registered_models WHERE name = ?", {new_name}));
    if (!taken.empty()) {
      return base::AlreadyExists("Registered Model (name=" + new_name + ") already exists.");
    }
    const std::int64_t now = NowMs();
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "UPDATE registered_models SET name = ?, last_updated_time = ? WHERE name = ?",
        {new_name, now, name}));
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "UPDATE model_versions SET last_updated_time = ? WHERE name = ?", {now, new_name}));
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_, {now, actor_, "registered_model.renamed", ModelObject(name),
                    Json{{"name", name}, {"new_name", new_name}}}));
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetModel(new_name);
}

Result<RegisteredModel> Registry::UpdateModel(const std::string& name,
                                              const std::string& description) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, now));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE registered_models SET description = ? WHERE name = ?", {description, name}));
  MILL_RETURN_IF_ERROR(
      internal::RecordChange(metadata_, {now, actor_, "registered_model.updated", ModelObject(name),
                                         Json{{"name", name}, {"description", description}}}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetModel(name);
}

Result<void> Registry::DeleteModel(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const RegisteredModel model, GetModel(name));
  MILL_RETURN_IF_ERROR(metadata_.Execute("DELETE FROM registered_models WHERE name = ?", {name}));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_,
      {NowMs(), actor_, "registered_model.deleted", ModelObject(name),
       Json{
           {"name", name}, {"latest_version", model.latest_version}, {"aliases", model.aliases}}}));
  return transaction.Commit();
}

Result<void> Registry::SetModelTag(const std::string& name, const std::string& key,
                                   const std::string& value) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_RETURN_IF_ERROR(internal::PutModelTag(metadata_, name, key, value));
  MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata_, name));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {NowMs(), actor_, is_prompt ? "prompt_tag.set" : "registered_model_tag.set",
                  ModelObject(name), Json{{"name", name}, {"key", key}, {"value", value}}}));
  return transaction.Commit();
}

Result<void> Registry::DeleteModelTag(const std::string& name, const std::string& key) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata_, name));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t deleted,
      metadata_.ExecuteCounted("DELETE FROM registered_model_tags WHERE name = ? AND key = ?",
                               {name, key}));
  if (deleted > 0) {
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_,
        {NowMs(), actor_, is_prompt ? "prompt_tag.deleted" : "registered_model_tag.deleted",
         ModelObject(name), Json{{"name", name}, {"key", key}}}));
  }
  return transaction.Commit();
}

Result<void> Registry::SetAlias(const std::string& name, const std::string& alias,
                                std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  if (alias == kChampionAlias) {
    if (Result<void> may = CheckPromotion(name, version, "@" + alias); !may.ok()) {
      MILL_RETURN_IF_ERROR(transaction.Commit());
      return may;
    }
  }
  MILL_RETURN_IF_ERROR(PutAlias(name, alias, version));
  return transaction.Commit();
}

Result<void> Registry::PutAlias(const std::string& name, const std::string& alias,
                                std::int64_t version) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(name));
  MILL_RETURN_IF_ERROR(internal::CheckAlias(alias));
  MILL_RETURN_IF_ERROR(internal::CheckAliasIsFree(alias));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?) "
      "ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
      {name, alias, version}));
  MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata_, name));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_,
      {NowMs(), actor_, is_prompt ? "prompt_alias.created" : "model_version_alias.created",
       VersionObject(name, version),
       Json{{"name", name}, {"alias", alias}, {"version", std::to_string(version)}}}));
  return transaction.Commit();
}

Result<void> Registry::DeleteAlias(const std::string& name, const std::string& alias) {
  MILL_RETURN_IF_ERROR(internal::CheckAlias(alias));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> deleted,
      metadata_.Query("DELETE FROM registered_model_aliases WHERE name = ? AND alias = ? "
                      "RETURNING version",
                      {name, alias}));
  if (!deleted.empty()) {
    MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata_, name));
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_,
        {NowMs(), actor_, is_prompt ? "prompt_alias.deleted" : "model_version_alias.deleted",
         VersionObject(name, Int(deleted[0][0])), Json{{"name", name}, {"alias", alias}}}));
  }
  return transaction.Commit();
}

Result<ModelVersion> Registry::GetByAlias(const std::string& name, const std::string& alias) {
  MILL_RETURN_IF_ERROR(internal::CheckAlias(alias));
  MILL_ASSIGN_OR_RETURN(const RegisteredModel model, GetModel(name));
  if (internal::EqualIgnoringCase(alias, "latest")) {
    if (model.latest_version == 0) {
      return base::NotFound("Latest version not found for model " + name + ".");
    }
    return GetVersion(name, model.latest_version);
  }
  const auto found = model.aliases.find(alias);
  if (found == model.aliases.end()) {
    std::vector<std::string> known;
    for (const auto& [other, version] : model.aliases) {
      known.push_back(other);
    }
    auto error = base::InvalidArgument("Registered model alias " + alias + " not found.");
    return known.empty()
               ? std::move(error).Hint("the model has no aliases")
               : std::move(error).Hint("aliases of the model" + base::DidYouMean(alias, known));
  }
  return GetVersion(name, found->second);
}

Result<std::optional<ModelVersion>> Registry::FindByAlias(const std::string& name,
                                                          const std::string& alias) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query("SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?",
                      {name, alias}));
  if (rows.empty()) {
    return std::optional<ModelVersion>();
  }
  MILL_ASSIGN_OR_RETURN(ModelVersion version, GetVersion(name, Int(rows[0][0])));
  return std::optional<ModelVersion>(std::move(version));
}

}  // namespace millrace::tracking
