// SPDX-License-Identifier: Apache-2.0
// The answers of `runs` and `models`.
#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "app/deployments.h"
#include "app/documents.h"
#include "base/json.h"
#include "base/nearest_name.h"
#include "base/number_format.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

std::string TimeText(std::int64_t milliseconds) {
  return base::FormatTimestamp(Timestamp{milliseconds / 1000 * base::kMicrosPerSecond});
}

std::string MetricText(const tracking::Run& run, const std::string& name) {
  const auto found = run.metrics.find(name);
  return found == run.metrics.end() ? "-" : base::FormatFixed(found->second.value, 4);
}

std::string ParamText(const tracking::Run& run, const std::string& name) {
  const auto found = run.params.find(name);
  return found == run.params.end() ? "-" : found->second;
}

Json RunJson(const tracking::Run& run) {
  Json metrics = Json::object();
  for (const auto& [name, metric] : run.metrics) {
    metrics[name] = metric.value;
  }
  Json models = Json::array();
  for (const tracking::ModelOutput& output : run.outputs) {
    models.push_back(output.model_id);
  }
  return {{"run_id", run.info.run_id},
          {"run_name", run.info.run_name},
          {"experiment_id", run.info.experiment_id},
          {"status", std::string(tracking::RunStatusName(run.info.status))},
          {"start_time", run.info.start_time_ms},
          {"artifact_uri", run.info.artifact_uri},
          {"params", run.params},
          {"metrics", std::move(metrics)},
          {"tags", run.tags},
          {"models", std::move(models)}};
}

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

Result<cli::Document> RunsList(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(const std::vector<tracking::Run> runs, environment.tracking().ListRuns());
  cli::Document document;
  cli::TextTable table{"", {"run id", "name", "status", "started", "learner", "test ROC AUC"}, {}};
  Json json = Json::array();
  for (const tracking::Run& run : runs) {
    table.rows.push_back({run.info.run_id, run.info.run_name,
                          std::string(tracking::RunStatusName(run.info.status)),
                          TimeText(run.info.start_time_ms), ParamText(run, "learner"),
                          MetricText(run, "test_roc_auc")});
    json.push_back(RunJson(run));
  }
  if (runs.empty()) {
    document.lines.emplace_back("no runs yet; make one with: millrace run");
  } else {
    document.tables.push_back(std::move(table));
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<cli::Document> RunsShow(Environment& environment, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment.tracking().GetRun(run_id));
  cli::Document document;
  cli::TextTable facts{"Run " + run.info.run_id, {"field", "value"}, {}};
  facts.rows = {{"name", run.info.run_name},
                {"experiment", run.info.experiment_id},
                {"status", std::string(tracking::RunStatusName(run.info.status))},
                {"started", TimeText(run.info.start_time_ms)},
                {"artifacts", run.info.artifact_uri}};
  for (const tracking::ModelOutput& output : run.outputs) {
    facts.rows.push_back({"model", output.model_id});
  }
  cli::TextTable params{"Parameters", {"name", "value"}, {}};
  for (const auto& [name, value] : run.params) {
    params.rows.push_back({name, value});
  }
  cli::TextTable metrics{"Metrics", {"name", "value"}, {}};
  for (const auto& [name, metric] : run.metrics) {
    metrics.rows.push_back({name, base::FormatDouble(metric.value)});
  }
  cli::TextTable tags{"Tags", {"name", "value"}, {}};
  for (const auto& [name, value] : run.tags) {
    tags.rows.push_back({name, value});
  }
  document.tables = {std::move(facts), std::move(params), std::move(metrics), std::move(tags)};
  document.json = base::DumpJson(RunJson(run));
  return document;
}

Result<cli::Document> RunsCompare(Environment& environment,
                                  const std::vector<std::string>& run_ids) {
  std::vector<tracking::Run> runs;
  std::set<std::string> params;
  std::set<std::string> metrics;
  Json json = Json::array();
  for (const std::string& id : run_ids) {
    MILL_ASSIGN_OR_RETURN(tracking::Run run, environment.tracking().GetRun(id));
    for (const auto& [name, value] : run.params) {
      params.insert(name);
    }
    for (const auto& [name, value] : run.metrics) {
      metrics.insert(name);
    }
    json.push_back(RunJson(run));
    runs.push_back(std::move(run));
  }
  cli::Document document;
  const auto add_table = [&](const char* title, const std::set<std::string>& names,
                             const auto& text_of) {
    cli::TextTable table{title, {"name"}, {}};
    for (const tracking::Run& run : runs) {
      table.columns.push_back(run.info.run_id.substr(0, 8));
    }
    table.columns.emplace_back("differs");
    for (const std::string& name : names) {
      std::vector<std::string> row = {name};
      for (const tracking::Run& run : runs) {
        row.push_back(text_of(run, name));
      }
      const bool differs = std::any_of(row.begin() + 2, row.end(),
                                       [&](const std::string& cell) { return cell != row[1]; });
      row.emplace_back(differs ? "*" : "");
      table.rows.push_back(std::move(row));
    }
    document.tables.push_back(std::move(table));
  };
  add_table("Parameters", params, ParamText);
  add_table("Metrics", metrics, MetricText);
  document.json = base::DumpJson(json);
  return document;
}

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
         version.run_id.substr(0, 8), ModelFolder(environment, version).string()});
    json.push_back(VersionJson(version));
  }
  document.tables.push_back(std::move(table));
  document.json = base::DumpJson(
      {{"name", model.name}, {"aliases", model.aliases}, {"versions", std::move(json)}});
  return document;
}

}  // namespace millrace::app
