// SPDX-License-Identifier: Apache-2.0
// Registered models, their tags and aliases.
#include "tracking/registry.h"

#include "base/nearest_name.h"
#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Transaction;

constexpr std::string_view kColumns =
    "SELECT name, description, creation_time, last_updated_time, "
    "(SELECT COALESCE(MAX(version), 0) FROM model_versions AS v WHERE v.name = m.name) FROM "
    "registered_models AS m ";

Result<RegisteredModel> FromRow(store::Metadata& metadata, const store::Row& row) {
  RegisteredModel model;
  model.name = Text(row[0]);
  model.description = Text(row[1]);
  model.creation_time_ms = Int(row[2]);
  model.last_update_time_ms = Int(row[3]);
  model.latest_version = Int(row[4]);
  MILL_ASSIGN_OR_RETURN(model.tags,
                        internal::ReadPairs(metadata, "registered_model_tags", "name", row[0]));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> aliases,
      metadata.Query(
          "SELECT alias, version FROM registered_model_aliases WHERE name = ? ORDER BY alias",
          {row[0]}));
  for (const store::Row& alias : aliases) {
    model.aliases[Text(alias[0])] = Int(alias[1]);
  }
  return model;
}

Result<void> PutModelTag(store::Metadata& metadata, const std::string& name, const std::string& key,
                         const std::string& value) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  MILL_RETURN_IF_ERROR(
      internal::CheckLength("value of tag \"" + key + "\"", value, internal::kMaxRegistryTagValue));
  return metadata.Execute(
      "INSERT INTO registered_model_tags (name, key, value) VALUES (?, ?, ?) "
      "ON CONFLICT (name, key) DO UPDATE SET value = excluded.value",
      {name, key, value});
}

}  // namespace

namespace internal {

Result<void> TouchModel(store::Metadata& metadata, const std::string& name, std::int64_t now) {
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata.ExecuteCounted("UPDATE registered_models SET last_updated_time = ? WHERE name = ?",
                              {now, name}));
  if (changed > 0) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> known,
                        metadata.Query("SELECT name FROM registered_models ORDER BY name"));
  std::vector<std::string> names;
  for (const store::Row& row : known) {
    names.push_back(Text(row[0]));
  }
  return base::NotFound("Registered Model with name=" + name + " not found")
      .Hint(names.empty() ? "no model is registered yet"
                          : "registered" + base::DidYouMean(name, names));
}

}  // namespace internal

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
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t made,
      metadata_.ExecuteCounted(
          "INSERT INTO registered_models (name, description, creation_time, last_updated_time, "
          "last_version) VALUES (?, ?, ?, ?, 0) ON CONFLICT (name) DO NOTHING",
          {name, description, now, now}));
  if (made == 0) {
    return base::AlreadyExists("Registered Model (name=" + name + ") already exists.");
  }
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(PutModelTag(metadata_, name, key, value));
  }
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
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query(std::string(kColumns) + "WHERE name = ?", {name}));
  if (rows.empty()) {
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> known,
                          metadata_.Query("SELECT name FROM registered_models ORDER BY name"));
    std::vector<std::string> names;
    for (const store::Row& row : known) {
      names.push_back(Text(row[0]));
    }
    auto error = base::NotFound("Registered Model with name=" + name + " not found");
    return names.empty() ? error
                         : std::move(error).Hint("registered" + base::DidYouMean(name, names));
  }
  return FromRow(metadata_, rows[0]);
}

Result<std::vector<RegisteredModel>> Registry::ListModels() {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query(std::string(kColumns) + "ORDER BY name"));
  std::vector<RegisteredModel> models;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(RegisteredModel model, FromRow(metadata_, row));
    models.push_back(std::move(model));
  }
  return models;
}

Result<RegisteredModel> Registry::RenameModel(const std::string& name,
                                              const std::string& new_name) {
  MILL_RETURN_IF_ERROR(internal::CheckModelName(new_name));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetModel(name));
  if (new_name != name) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> taken,
        metadata_.Query("SELECT 1 FROM registered_models WHERE name = ?", {new_name}));
    if (!taken.empty()) {
      return base::AlreadyExists("Registered Model (name=" + new_name + ") already exists.");
    }
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "UPDATE registered_models SET name = ?, last_updated_time = ? WHERE name = ?",
        {new_name, NowMs(), name}));
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetModel(new_name);
}

Result<RegisteredModel> Registry::UpdateModel(const std::string& name,
                                              const std::string& description) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, NowMs()));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE registered_models SET description = ? WHERE name = ?", {description, name}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetModel(name);
}

Result<void> Registry::DeleteModel(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetModel(name));
  MILL_RETURN_IF_ERROR(metadata_.Execute("DELETE FROM registered_models WHERE name = ?", {name}));
  return transaction.Commit();
}

Result<void> Registry::SetModelTag(const std::string& name, const std::string& key,
                                   const std::string& value) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, NowMs()));
  MILL_RETURN_IF_ERROR(PutModelTag(metadata_, name, key, value));
  return transaction.Commit();
}

Result<void> Registry::DeleteModelTag(const std::string& name, const std::string& key) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, NowMs()));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "DELETE FROM registered_model_tags WHERE name = ? AND key = ?", {name, key}));
  return transaction.Commit();
}

Result<void> Registry::SetAlias(const std::string& name, const std::string& alias,
                                std::int64_t version) {
  MILL_RETURN_IF_ERROR(internal::CheckAlias(alias));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, NowMs()));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?) "
      "ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version",
      {name, alias, version}));
  return transaction.Commit();
}

Result<void> Registry::DeleteAlias(const std::string& name, const std::string& alias) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::TouchModel(metadata_, name, NowMs()));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "DELETE FROM registered_model_aliases WHERE name = ? AND alias = ?", {name, alias}));
  return transaction.Commit();
}

Result<ModelVersion> Registry::GetByAlias(const std::string& name, const std::string& alias) {
  MILL_ASSIGN_OR_RETURN(const RegisteredModel model, GetModel(name));
  const auto found = model.aliases.find(alias);
  if (found == model.aliases.end()) {
    std::vector<std::string> known;
    for (const auto& [other, version] : model.aliases) {
      known.push_back(other);
    }
    auto error = base::InvalidArgument("Registered model alias " + alias + " not found for model " +
                                       name + ".");
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
