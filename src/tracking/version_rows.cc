// SPDX-License-Identifier: Apache-2.0
// Reads and writes rows of models, versions and their tags.
#include "tracking/internal/version_rows.h"

#include <map>

#include "base/nearest_name.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/registry.h"

namespace millrace::tracking::internal {

Error NoSuchModel(store::Metadata& metadata, const std::string& name) {
  const auto known = metadata.Query("SELECT name FROM registered_models ORDER BY name");
  if (!known.ok()) {
    return known.error();
  }
  std::vector<std::string> names;
  for (const store::Row& row : *known) {
    names.push_back(Text(row[0]));
  }
  return base::NotFound("Registered Model with name=" + name + " not found")
      .Hint(names.empty() ? "no model is registered yet"
                          : "registered" + base::DidYouMean(name, names));
}

Result<void> CheckModelExists(store::Metadata& metadata, const std::string& name) {
  MILL_RETURN_IF_ERROR(CheckModelName(name));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> found,
                        metadata.Query("SELECT 1 FROM registered_models WHERE name = ?", {name}));
  if (found.empty()) {
    return NoSuchModel(metadata, name);
  }
  return {};
}

Result<void> TouchModel(store::Metadata& metadata, const std::string& name, std::int64_t now) {
  MILL_RETURN_IF_ERROR(CheckModelExists(metadata, name));
  return metadata.Execute("UPDATE registered_models SET last_updated_time = ? WHERE name = ?",
                          {now, name});
}

Result<bool> IsPrompt(store::Metadata& metadata, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT value FROM registered_model_tags WHERE name = ? AND key = ?",
                     {name, std::string(kIsPromptTag)}));
  return !rows.empty() && EqualIgnoringCase(Text(rows[0][0]), "true");
}

Result<RegisteredModel> ModelFromRow(store::Metadata& metadata, const store::Row& row) {
  RegisteredModel model;
  model.name = Text(row[0]);
  model.description = Text(row[1]);
  model.creation_time_ms = Int(row[2]);
  model.last_update_time_ms = Int(row[3]);
  model.latest_version = Int(row[4]);
  MILL_ASSIGN_OR_RETURN(model.tags, ReadPairs(metadata, "registered_model_tags", "name", row[0]));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> aliases,
      metadata.Query(
          "SELECT alias, version FROM registered_model_aliases WHERE name = ? ORDER BY alias",
          {row[0]}));
  for (const store::Row& alias : aliases) {
    model.aliases[Text(alias[0])] = Int(alias[1]);
  }
  MILL_ASSIGN_OR_RETURN(model.latest_versions, ReadLatestVersions(metadata, model.name));
  return model;
}

ModelVersion VersionFromRow(const store::Row& row) {
  ModelVersion version;
  version.name = Text(row[0]);
  version.version = Int(row[1]);
  version.source = Text(row[2]);
  version.storage_location = Text(row[3]);
  version.run_id = Text(row[4]);
  version.model_id = Text(row[5]);
  version.description = Text(row[6]);
  version.run_link = Text(row[7]);
  version.stage = Text(row[8]);
  version.creation_time_ms = Int(row[9]);
  version.last_update_time_ms = Int(row[10]);
  return version;
}

Result<void> ReadVersionTags(store::Metadata& metadata, std::span<ModelVersion> versions) {
  std::map<std::string, std::map<std::int64_t, ModelVersion*>> wanted;
  for (ModelVersion& version : versions) {
    wanted[version.name][version.version] = &version;
  }
  for (const auto& [name, numbers] : wanted) {
    // From the least to the greatest number asked for: a page of a long list reads few others.
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> rows,
        metadata.Query("SELECT version, key, value FROM model_version_tags WHERE name = ? "
                       "AND version >= ? AND version <= ?",
                       {name, numbers.begin()->first, numbers.rbegin()->first}));
    for (const store::Row& row : rows) {
      if (const auto found = numbers.find(Int(row[0])); found != numbers.end()) {
        found->second->tags[Text(row[1])] = Text(row[2]);
      }
    }
  }
  return {};
}

Result<void> ReadVersionAliases(store::Metadata& metadata, ModelVersion& version) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> aliases,
                        metadata.Query("SELECT alias FROM registered_model_aliases WHERE name = ? "
                                       "AND version = ? ORDER BY alias",
                                       {version.name, version.version}));
  version.aliases.clear();
  for (const store::Row& alias : aliases) {
    version.aliases.push_back(Text(alias[0]));
  }
  return {};
}

Result<std::vector<ModelVersion>> ReadLatestVersions(store::Metadata& metadata,
                                                     const std::string& name) {
  // Stages in the order in which they were first reached, as MLflow lists them.
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT " + std::string(kVersionColumns) +
                         " FROM model_versions AS v JOIN (SELECT stage, MAX(version) AS newest, "
                         "MIN(version) AS oldest FROM model_versions WHERE name = ? GROUP BY "
                         "stage) AS s ON v.version = s.newest WHERE v.name = ? ORDER BY s.oldest",
                     {name, name}));
  std::vector<ModelVersion> versions;
  for (const store::Row& row : rows) {
    versions.push_back(VersionFromRow(row));
  }
  MILL_RETURN_IF_ERROR(ReadVersionTags(metadata, versions));
  return versions;
}

namespace {

Result<void> CheckTag(const std::string& key, const std::string& value) {
  MILL_RETURN_IF_ERROR(CheckKey("tag", key));
  if (CheckLength("value", value, kMaxRegistryTagValue).ok()) {
    return {};
  }
  const std::string most = std::to_string(kMaxRegistryTagValue) + " characters";
  return base::InvalidArgument(key == "mlflow.prompt.text"
                                   ? "Prompt text exceeds max length of " + most + "."
                                   : "'value' exceeds the maximum length of " + most);
}

}  // namespace

Result<void> PutModelTag(store::Metadata& metadata, const std::string& name, const std::string& key,
                         const std::string& value) {
  MILL_RETURN_IF_ERROR(CheckTag(key, value));
  return metadata.Execute(
      "INSERT INTO registered_model_tags (name, key, value) VALUES (?, ?, ?) "
      "ON CONFLICT (name, key) DO UPDATE SET value = excluded.value",
      {name, key, value});
}

Result<void> PutVersionTag(store::Metadata& metadata, const std::string& name, std::int64_t version,
                           const std::string& key, const std::string& value) {
  MILL_RETURN_IF_ERROR(CheckTag(key, value));
  return metadata.Execute(
      "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (name, version, key) DO UPDATE SET value = excluded.value",
      {name, version, key, value});
}

}  // namespace millrace::tracking::internal
