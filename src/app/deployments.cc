// SPDX-License-Identifier: Apache-2.0
// Which endpoints are deployed in a workspace, kept in its metadata; and the resolver that a server
// follows.
#include "app/deployments.h"

#include <array>

#include <nlohmann/json.hpp>

#include "app/artifact_files.h"
#include "base/json.h"
#include "models/mlflow_layout.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

Result<void> MigrateDeployments(store::Metadata& metadata) {
  static const std::array<store::Migration, 1> kMigrations = {{
      {"deployments", 1, "CREATE TABLE deployments (name TEXT PRIMARY KEY, spec TEXT NOT NULL)"},
  }};
  return metadata.Migrate(kMigrations);
}

Json ToJson(const serving::EndpointSpec& spec) {
  Json json = {{"name", spec.name},   {"description", spec.description}, {"model", spec.model},
               {"alias", spec.alias}, {"entity", spec.entity},           {"key", spec.key},
               {"views", spec.views}};
  if (spec.as_of) {
    json["as_of"] = base::FormatTimestamp(*spec.as_of);
  }
  return json;
}

Result<serving::EndpointSpec> FromJson(const std::string& text) {
  MILL_ASSIGN_OR_RETURN(const Json json, base::ParseJson(text, "deployed endpoint"));
  serving::EndpointSpec spec;
  try {
    spec.name = json.at("name").get<std::string>();
    spec.description = json.at("description").get<std::string>();
    spec.model = json.at("model").get<std::string>();
    spec.alias = json.at("alias").get<std::string>();
    spec.entity = json.at("entity").get<std::string>();
    spec.key = json.at("key").get<std::string>();
    spec.views = json.at("views").get<std::vector<std::string>>();
    if (json.contains("as_of")) {
      MILL_ASSIGN_OR_RETURN(spec.as_of, base::ParseTimestamp(json.at("as_of").get<std::string>()));
    }
  } catch (const Json::exception& error) {
    return base::DataLoss(std::string("deployed endpoint: ") + error.what());
  }
  return spec;
}

}  // namespace

Result<void> SaveDeployment(store::Metadata& metadata, const serving::EndpointSpec& spec) {
  MILL_RETURN_IF_ERROR(MigrateDeployments(metadata));
  const std::array<store::Value, 2> values = {store::Value(spec.name),
                                              store::Value(base::DumpJson(ToJson(spec)))};
  return metadata.Execute(
      "INSERT INTO deployments (name, spec) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET spec = "
      "excluded.spec",
      values);
}

Result<std::vector<serving::EndpointSpec>> ListDeployments(store::Metadata& metadata) {
  MILL_RETURN_IF_ERROR(MigrateDeployments(metadata));
  MILL_ASSIGN_OR_RETURN(const auto rows,
                        metadata.Query("SELECT spec FROM deployments ORDER BY name", {}));
  std::vector<serving::EndpointSpec> specs;
  for (const store::Row& row : rows) {
    MILL_ASSIGN_OR_RETURN(serving::EndpointSpec spec, FromJson(std::get<std::string>(row[0])));
    specs.push_back(std::move(spec));
  }
  return specs;
}

Result<models::Model> LoadVersion(Environment& environment, const tracking::ModelVersion& version) {
  MILL_ASSIGN_OR_RETURN(const std::filesystem::path folder,
                        FetchArtifacts(environment, ModelLocation(environment, version)));
  return models::LoadModel(folder);
}

Result<std::vector<serving::EndpointSpec>> RegistryResolver::Endpoints() {
  return ListDeployments(environment_.metadata());
}

Result<serving::ModelVersion> RegistryResolver::Resolve(const std::string& model,
                                                        const std::string& alias) {
  MILL_ASSIGN_OR_RETURN(const auto found, environment_.registry().FindByAlias(model, alias));
  if (!found) {
    return base::NotFound("model \"" + model + "\" has no version with the alias \"" + alias + "\"")
        .Hint("train and register one with: millrace run");
  }
  return serving::ModelVersion{found->name, static_cast<int>(found->version), found->model_id,
                               ModelLocation(environment_, *found)};
}

Result<models::Model> RegistryResolver::Load(const serving::ModelVersion& version) {
  MILL_ASSIGN_OR_RETURN(const std::filesystem::path folder,
                        FetchArtifacts(environment_, version.location));
  return models::LoadModel(folder);
}

}  // namespace millrace::app
