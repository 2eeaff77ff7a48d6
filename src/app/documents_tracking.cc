// SPDX-License-Identifier: Apache-2.0
// The answers of `models`.
#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "app/artifact_files.h"
#include "app/documents.h"
#include "base/json.h"
#include "base/nearest_name.h"
#include "base/number_format.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

Json VersionJson(const tracking::ModelVersion& version) {
  return {{"name", version.name},
          {"version", version.version},
          {"run_id", version.run_id},
          {"model_id", version.model_id},
          {"source", version.source},
          {"storage_location", version.storage_location},
          {"aliases", version.aliases},
          {"tags", version.tags},
          {"creation_time", version.creation_time_ms}};
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "@" : ", @") + word;
  }
  return text;
}

std::string TagText(const tracking::ModelVersion& version, const std::string& name) {
  const auto found = version.tags.find(name);
  return found == version.tags.end() ? "-" : found->second;
}

}  // namespace

Result<cli::Document> ModelsList(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(const std::vector<tracking::RegisteredModel> models,
                        environment.registry().ListModels());
  cli::Document document;
  cli::TextTable table{"", {"model", "latest version", "aliases"}, {}};
  Json json = Json::array();
  for (const tracking::RegisteredModel& model : models) {
    std::string aliases;
    for (const auto& [alias, version] : model.aliases) {
      aliases += (aliases.empty() ? "@" : ", @") + alias + " = version " + std::to_string(version);
    }
    table.rows.push_back({model.name, std::to_string(model.latest_version), aliases});
    json.push_back({{"name", model.name},
                    {"latest_version", model.latest_version},
                    {"aliases", model.aliases},
                    {"tags", model.tags}});
  }
  if (models.empty()) {
    document.lines.emplace_back("no models yet; train one with: millrace run");
  } else {
    document.tables.push_back(std::move(table));
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<cli::Document> ModelsShow(Environment& environment, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const tracking::RegisteredModel model,
                        environment.registry().GetModel(name));
  MILL_ASSIGN_OR_RETURN(const std::vector<tracking::ModelVersion> versions,
                        environment.registry().ListVersions(name));
  cli::Document document;
  cli::TextTable table{"Model " + model.name,
                       {"version", "aliases", "learner", "test ROC AUC", "run", "folder"},
                       {}};
  Json json = Json::array();
  for (const tracking::ModelVersion& version : versions) {
    const std::string auc = TagText(version, "test_auc");
    table.rows.push_back(
        {std::to_string(version.version), Joined(version.aliases), TagText(version, "learner"),
         auc == "-" ? auc : base::FormatFixed(std::strtod(auc.c_str(), nullptr), 4),
         version.run_id.substr(0, 8),
         ShownPlace(environment, ModelLocation(environment, version))});
    json.push_back(VersionJson(version));
  }
  document.tables.push_back(std::move(table));
  document.json = base::DumpJson(
      {{"name", model.name}, {"aliases", model.aliases}, {"versions", std::move(json)}});
  return document;
}

}  // namespace millrace::app
