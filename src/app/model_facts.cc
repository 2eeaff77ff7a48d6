// SPDX-License-Identifier: Apache-2.0
// Gathers what is known of a version.
#include "app/model_facts.h"

#include <algorithm>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "app/artifact_files.h"
#include "app/deployments.h"
#include "app/project.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "base/yaml.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

std::string TimeText(std::int64_t milliseconds) {
  return base::FormatTimestamp(Timestamp{milliseconds / 1000 * base::kMicrosPerSecond});
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

Result<base::YamlNode> ReadMlmodel(const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file));
  return base::YamlNode::Parse(text, file.string());
}

/// Names of the inputs in the signature of a folder; empty where there is none.
std::vector<std::string> SignatureNames(const fs::path& folder) {
  std::vector<std::string> names;
  const auto mlmodel = ReadMlmodel(folder / "MLmodel");
  const auto signature = mlmodel.ok() ? mlmodel->Find("signature") : std::nullopt;
  const auto inputs = signature ? signature->Find("inputs") : std::nullopt;
  const auto json = inputs ? base::ParseJson(inputs->text(), "signature") : Json::array();
  if (json.ok() && json->is_array()) {
    for (const Json& column : *json) {
      if (column.is_object() && column.contains("name")) {
        names.push_back(column.value("name", ""));
      }
    }
  }
  return names;
}

/// The groups in a file of the run's artifacts; a run without such a file, or with another's of the
/// same name, has none.
std::vector<evaluation::GroupTable> ReadGroups(const fs::path& file) {
  const auto text = base::ReadFile(file);
  auto tables = text.ok() ? evaluation::ParseGroupTables(*text, file.string())
                          : Result<std::vector<evaluation::GroupTable>>(text.error());
  return tables.ok() ? *std::move(tables) : std::vector<evaluation::GroupTable>();
}

evaluation::CardTable GateTable(const std::optional<tracking::AuditEntry>& promotion) {
  evaluation::CardTable table{"Gates", {"gate", "passed", "what it said"}, {}};
  const auto details = promotion ? base::ParseJson(promotion->details, "audit entry") : Json();
  if (!details.ok() || !details->is_object()) {
    return table;
  }
  for (const Json& gate : details->value("gates", Json::array())) {
    table.rows.push_back({gate.value("name", ""), gate.value("passed", false) ? "yes" : "NO",
                          gate.value("sentence", "")});
  }
  if (const std::string reason = details->value("override_reason", ""); !reason.empty()) {
    table.rows.push_back({"override", "by " + promotion->actor, reason});
  }
  return table;
}

void AddWarnings(const ModelFacts& facts, evaluation::ModelCard& card) {
  if (facts.folder.empty()) {
    card.warnings.push_back("the model's files are not on this machine: " +
                            facts.version.storage_location);
  } else if (const auto checked = CheckSignatureAndExample(facts.folder); !checked.ok()) {
    card.warnings.push_back(checked.error().message());
  }
  if (!facts.run) {
    card.warnings.emplace_back("no run is known: data, parameters and metrics cannot be shown");
  }
  if (facts.approvals.empty()) {
    card.warnings.emplace_back("nobody has approved this version");
  }
  if (card.fairness.empty()) {
    card.warnings.emplace_back("fairness was not measured");
  }
}

}  // namespace

fs::path LocalModelFolder(Environment& environment, const tracking::ModelVersion& version) {
  std::error_code error;
  const Result<fs::path> folder = FetchArtifacts(environment, ModelLocation(environment, version));
  return folder.ok() && fs::exists(*folder / "MLmodel", error) ? *folder : fs::path();
}

namespace {

/// @param where  how messages call the model
Result<void> CheckMlmodel(const fs::path& file, const std::string& where) {
  MILL_ASSIGN_OR_RETURN(const base::YamlNode mlmodel, ReadMlmodel(file));
  const auto signature = mlmodel.Find("signature");
  if (!signature || !signature->Find("inputs") || !signature->Find("outputs")) {
    return base::FailedPrecondition(where + " has no signature with inputs and outputs")
        .Hint("log the model with signature=mlflow.models.infer_signature(...)");
  }
  if (!mlmodel.Find("saved_input_example_info")) {
    return base::FailedPrecondition(where + " has no input example")
        .Hint("log the model with input_example=...");
  }
  return {};
}

}  // namespace

Result<void> CheckSignatureAndExample(const fs::path& folder) {
  return CheckMlmodel(folder / "MLmodel", "model folder \"" + folder.string() + "\"");
}

Result<void> CheckVersionFiles(Environment& environment, const tracking::ModelVersion& version) {
  const std::string location = ModelLocation(environment, version);
  Result<fs::path> file = FetchArtifacts(environment, location + "/MLmodel");
  const Result<void> checked =
      file.ok() ? CheckMlmodel(*file, "the model at " + location) : Result<void>(file.error());
  if (checked.ok()) {
    return {};
  }
  // In MLflow's clients a state that forbids a call is a server's error, which they try again.
  return base::InvalidArgument(checked.error().message() +
                               "; this server makes no version of such a model (--model-signature)")
      .Hint("log the model with a signature and an input example, then register it again");
}

Result<ModelFacts> ReadModelFacts(Environment& environment, const std::string& name,
                                  std::int64_t version) {
  ModelFacts facts;
  tracking::Registry& registry = environment.registry();
  MILL_ASSIGN_OR_RETURN(facts.model, registry.GetModel(name));
  MILL_ASSIGN_OR_RETURN(facts.version, registry.GetVersion(name, version));
  MILL_ASSIGN_OR_RETURN(facts.approvals, registry.Approvals(name, version));
  if (!facts.version.run_id.empty()) {
    auto run = environment.tracking().GetRun(facts.version.run_id);
    if (run.ok()) {
      facts.run = *std::move(run);
    }
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<tracking::AuditEntry> entries,
      tracking::ReadAudit(environment.metadata(),
                          {.object = "models:/" + name + "/" + std::to_string(version)}));
  for (const tracking::AuditEntry& entry : entries) {
    if (entry.action == "model_version.promoted") {
      facts.promotion = entry;
      break;
    }
  }
  facts.folder = LocalModelFolder(environment, facts.version);
  if (!facts.folder.empty()) {
    facts.features = SignatureNames(facts.folder);
  }
  std::vector<std::pair<std::string, std::string>> endpoints;
  MILL_ASSIGN_OR_RETURN(const auto deployed, ListDeployments(environment.metadata()));
  for (const serving::EndpointSpec& endpoint : deployed) {
    const auto& aliases = facts.version.aliases;
    if (endpoint.model == name &&
        std::find(aliases.begin(), aliases.end(), endpoint.alias) != aliases.end()) {
      endpoints.emplace_back(endpoint.name, endpoint.alias);
    }
  }
  facts.lineage = tracking::BuildLineage(facts.version, facts.run, endpoints);
  return facts;
}

evaluation::ModelCard MakeModelCard(Environment& environment, const ModelFacts& facts) {
  const tracking::ModelVersion& version = facts.version;
  evaluation::ModelCard card;
  card.title = version.name + ", version " + std::to_string(version.version);
  const auto tag = [&](const tracking::Tags& tags, const char* key) {
    const auto found = tags.find(key);
    return found == tags.end() ? std::string() : found->second;
  };
  card.intended_use = tag(version.tags, "intended_use");
  if (card.intended_use.empty()) {
    card.intended_use = tag(facts.model.tags, "intended_use");
  }
  card.description = version.description.empty() ? facts.model.description : version.description;
  card.identity = {{"model", version.name},
                   {"version", std::to_string(version.version)},
                   {"stage", version.stage},
                   {"aliases", Joined(version.aliases)},
                   {"source", version.source},
                   {"run", version.run_id},
                   {"registered", TimeText(version.creation_time_ms)}};
  std::erase_if(card.identity, [](const auto& fact) { return fact.second.empty(); });
  card.features = facts.features;
  card.data = {"Data", {"data set", "content hash", "features"}, {}};
  if (facts.run) {
    for (const tracking::DatasetInput& input : facts.run->dataset_inputs) {
      card.data.rows.push_back(
          {input.dataset.name, input.dataset.digest, Joined(tracking::FeaturesOf(input.dataset))});
    }
    card.parameters.assign(facts.run->params.begin(), facts.run->params.end());
    for (const auto& [name, metric] : facts.run->metrics) {
      card.metrics.emplace_back(name, base::FormatDouble(metric.value));
    }
    const auto groups = [&](const std::string& file) {
      const auto fetched =
          FetchArtifacts(environment, facts.run->info.artifact_uri + "/evaluation/" + file);
      return ReadGroups(fetched.ok() ? *fetched : fs::path());
    };
    card.segments = groups("segments.json");
    card.fairness = groups("fairness.json");
  }
  card.gates = GateTable(facts.promotion);
  card.approvals = {"Approvals", {"who", "when", "why", "evidence"}, {}};
  for (const tracking::Approval& approval : facts.approvals) {
    card.approvals.rows.push_back(
        {approval.approver, TimeText(approval.time_ms), approval.reason, approval.evidence});
  }
  card.lineage = tracking::LineageLines(facts.lineage);
  AddWarnings(facts, card);
  return card;
}

Result<std::optional<tracking::GateSpec>> GatesOf(Environment& environment,
                                                  const std::string& model) {
  if (!environment.project_root()) {
    return std::optional<tracking::GateSpec>();
  }
  MILL_ASSIGN_OR_RETURN(const Project project,
                        LoadProject(*environment.project_root(), environment.learners()));
  for (const TrainingSpec& training : project.trainings) {
    if (training.name.value == model) {
      return training.gates;
    }
  }
  return std::optional<tracking::GateSpec>();
}

}  // namespace millrace::app
