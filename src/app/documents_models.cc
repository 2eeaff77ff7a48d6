// SPDX-License-Identifier: Apache-2.0
// Governs registered models from the command line.
#include "app/documents_models.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "app/deployments.h"
#include "app/model_facts.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "tracking/artifact_uri.h"
#include "tracking/audit.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

std::string TimeText(std::int64_t milliseconds) {
  return base::FormatTimestamp(Timestamp{milliseconds / 1000 * base::kMicrosPerSecond});
}

std::string Named(const std::string& name, std::int64_t version) {
  return "version " + std::to_string(version) + " of " + name;
}

cli::Document Said(const std::string& sentence, Json json) {
  cli::Document document;
  document.lines.push_back(sentence);
  document.json = base::DumpJson(json);
  return document;
}

/// The registry as the person who was named, or the one who runs the command.
tracking::Registry RegistryOf(Environment& environment, const cli::ModelsOptions& options) {
  return options.by.empty() ? environment.registry() : environment.registry().As(options.by);
}

/// Writes the text where a file was asked for; otherwise it becomes the answer's lines.
Result<cli::Document> TextOrFile(const cli::ModelsOptions& options, const std::string& text,
                                 Json json) {
  cli::Document document;
  if (options.output) {
    MILL_RETURN_IF_ERROR(base::WriteFileAtomic(*options.output, text));
    document.lines.push_back("written: " + options.output->string());
    json["file"] = options.output->string();
  } else {
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      document.lines.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<tracking::ModelVersion> Promoted(Environment& environment, const cli::ModelsOptions& options,
                                        tracking::Promotion promotion) {
  tracking::Registry registry = RegistryOf(environment, options);
  promotion.name = options.name;
  promotion.version = options.version;
  promotion.override_reason = options.override_reason;
  promotion.evidence = options.evidence;
  MILL_ASSIGN_OR_RETURN(const tracking::ModelVersion candidate,
                        registry.GetVersion(options.name, options.version));
  MILL_ASSIGN_OR_RETURN(const auto declared, GatesOf(environment, options.name));
  if (declared) {
    MILL_RETURN_IF_ERROR(registry.SetGates(options.name, declared));
  }
  MILL_ASSIGN_OR_RETURN(const auto gates, registry.Gates(options.name));
  promotion.decision.promote = true;
  if (gates) {
    MILL_ASSIGN_OR_RETURN(
        const auto champion,
        registry.FindByAlias(options.name, std::string(tracking::kChampionAlias)));
    promotion.decision = JudgeRecorded(*gates, candidate, champion);
  }
  return registry.Promote(promotion);
}

}  // namespace

Result<cli::Document> ModelsRegister(Environment& environment, const cli::ModelsOptions& options) {
  tracking::Registry registry = RegistryOf(environment, options);
  tracking::VersionRequest request;
  request.name = options.name;
  request.description = options.description;
  request.run_id = options.run_id;
  request.source = options.source;
  if (options.source.find(":/") == std::string::npos) {
    std::error_code error;
    request.source = fs::absolute(options.source, error).lexically_normal().string();
  } else if (options.source.starts_with("runs:/")) {
    const std::string rest = options.source.substr(6);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    MILL_ASSIGN_OR_RETURN(const tracking::Run run,
                          environment.tracking().GetRun(rest.substr(0, slash)));
    request.run_id = run.info.run_id;
    const fs::path below = fs::path(rest.substr(std::min(slash + 1, rest.size())));
    if (below.is_absolute() || below.lexically_normal().string().starts_with("..")) {
      return base::InvalidArgument("source \"" + options.source +
                                   "\" leads out of the run's artifacts");
    }
    request.storage_location =
        tracking::JoinUri(run.info.artifact_uri, below.lexically_normal().string());
  }
  // What is registered here is what the server loads and the card shows: refused without a
  // signature before anything is made.
  tracking::ModelVersion candidate;
  candidate.storage_location =
      request.storage_location.empty() ? request.source : request.storage_location;
  if (request.source.starts_with("models:/m-")) {
    candidate.model_id = request.source.substr(8);
  }
  const fs::path folder = LocalModelFolder(environment, candidate);
  if (folder.empty()) {
    return base::NotFound("source \"" + options.source + "\" has no MLmodel file here")
        .Hint("name the folder of a logged model, models:/m-<id> or runs:/<run id>/<path>");
  }
  MILL_RETURN_IF_ERROR(CheckSignatureAndExample(folder));
  MILL_RETURN_IF_ERROR(registry.EnsureModel(options.name));
  MILL_ASSIGN_OR_RETURN(const tracking::ModelVersion version, registry.RegisterVersion(request));
  return Said("registered " + Named(version.name, version.version),
              {{"name", version.name}, {"version", version.version}, {"source", version.source}});
}

Result<cli::Document> ModelsPromote(Environment& environment, const cli::ModelsOptions& options) {
  tracking::Promotion promotion;
  promotion.stage = options.stage;
  promotion.archive_existing_versions = !options.stage.empty();
  if (options.stage.empty()) {
    promotion.alias = options.alias.empty() ? std::string(tracking::kChampionAlias) : options.alias;
  }
  MILL_ASSIGN_OR_RETURN(const tracking::ModelVersion version,
                        Promoted(environment, options, promotion));
  return Said(Named(version.name, version.version) + " is now " +
                  (options.stage.empty() ? "@" + promotion.alias : "in stage " + version.stage),
              {{"name", version.name},
               {"version", version.version},
               {"aliases", version.aliases},
               {"stage", version.stage}});
}

Result<cli::Document> ModelsAlias(Environment& environment, const cli::ModelsOptions& options) {
  tracking::Registry registry = RegistryOf(environment, options);
  if (options.is_delete) {
    MILL_RETURN_IF_ERROR(registry.DeleteAlias(options.name, options.alias));
    return Said("model " + options.name + " has no alias @" + options.alias + " any more",
                {{"name", options.name}, {"alias", options.alias}, {"version", Json()}});
  }
  if (options.version == 0) {
    return base::InvalidArgument("alias \"" + options.alias + "\" of " + options.name +
                                 " needs the number of a version")
        .Hint("millrace models alias " + options.name + " " + options.alias +
              " VERSION, or --delete");
  }
  if (options.alias == tracking::kChampionAlias) {
    tracking::Promotion promotion;
    promotion.alias = options.alias;
    MILL_RETURN_IF_ERROR(Promoted(environment, options, promotion));
  } else {
    MILL_RETURN_IF_ERROR(registry.SetAlias(options.name, options.alias, options.version));
  }
  return Said(Named(options.name, options.version) + " is now @" + options.alias,
              {{"name", options.name}, {"alias", options.alias}, {"version", options.version}});
}

Result<cli::Document> ModelsApprove(Environment& environment, const cli::ModelsOptions& options) {
  tracking::Registry registry = RegistryOf(environment, options);
  if (options.is_delete) {
    MILL_RETURN_IF_ERROR(registry.WithdrawApproval(options.name, options.version, options.reason));
  } else {
    MILL_RETURN_IF_ERROR(
        registry.Approve(options.name, options.version, options.reason, options.evidence));
  }
  MILL_ASSIGN_OR_RETURN(const auto approvals, registry.Approvals(options.name, options.version));
  MILL_ASSIGN_OR_RETURN(auto gates, GatesOf(environment, options.name));
  if (!gates) {
    MILL_ASSIGN_OR_RETURN(gates, registry.Gates(options.name));
  }
  const int required = gates ? gates->required_approvals : 0;
  Json list = Json::array();
  for (const tracking::Approval& approval : approvals) {
    list.push_back({{"approver", approval.approver},
                    {"time", approval.time_ms},
                    {"reason", approval.reason},
                    {"evidence", approval.evidence}});
  }
  return Said(Named(options.name, options.version) + " has " + std::to_string(approvals.size()) +
                  " of " + std::to_string(required) + " approvals",
              {{"approvals", list}, {"required", required}});
}

Result<cli::Document> ModelsGates(Environment& environment, const cli::ModelsOptions& options) {
  tracking::Registry registry = RegistryOf(environment, options);
  MILL_ASSIGN_OR_RETURN(auto gates, registry.Gates(options.name));
  const bool changes = options.minimum_auc || options.better_than_champion || options.approvals;
  if (options.is_delete) {
    gates.reset();
  } else if (changes) {
    // Only what was asked for: a model without gates gets no other one along.
    tracking::GateSpec spec = gates.value_or(tracking::GateSpec{.better_than_champion = false});
    spec.minimum_auc = options.minimum_auc.value_or(spec.minimum_auc);
    spec.better_than_champion = options.better_than_champion.value_or(spec.better_than_champion);
    spec.required_approvals = options.approvals.value_or(spec.required_approvals);
    gates = spec;
  }
  if (changes || options.is_delete) {
    MILL_RETURN_IF_ERROR(registry.SetGates(options.name, gates));
  }
  if (!gates) {
    return Said("model " + options.name + " has no gates", {{"gates", Json()}});
  }
  return Said("model " + options.name + ": test AUC at least " +
                  base::FormatDouble(gates->minimum_auc) +
                  (gates->better_than_champion ? ", above the champion's" : "") + ", " +
                  std::to_string(gates->required_approvals) + " approvals",
              {{"gates",
                {{"minimum_auc", gates->minimum_auc},
                 {"better_than_champion", gates->better_than_champion},
                 {"required_approvals", gates->required_approvals}}}});
}

Result<cli::Document> ModelsCard(Environment& environment, const cli::ModelsOptions& options) {
  MILL_ASSIGN_OR_RETURN(const ModelFacts facts,
                        ReadModelFacts(environment, options.name, options.version));
  const evaluation::ModelCard card = MakeModelCard(environment, facts);
  const bool is_html = options.output && options.output->extension() == ".html";
  std::string prefix;
  if (options.output && !is_html) {
    // Markdown cannot hold a picture: each lies beside it.
    prefix = options.output->stem().string() + "_";
    for (const evaluation::CardPicture& picture : evaluation::ModelCardPictures(card)) {
      const fs::path file = options.output->parent_path() / (prefix + picture.name + ".svg");
      MILL_RETURN_IF_ERROR(base::WriteFileAtomic(file, picture.svg));
    }
  }
  const std::string markdown = evaluation::ModelCardMarkdown(card, prefix);
  return TextOrFile(options, is_html ? evaluation::ModelCardHtml(card) : markdown,
                    {{"markdown", markdown}, {"warnings", card.warnings}});
}

namespace {

using Values = std::map<std::string, std::string>;

struct Side {
  Values data;
  Values features;
  Values parameters;
  Values metrics;
};

Side SideOf(const ModelFacts& facts) {
  Side side;
  for (std::size_t i = 0; i < facts.features.size(); ++i) {
    side.features[facts.features[i]] = "input " + std::to_string(i + 1);
  }
  if (facts.run) {
    for (const tracking::DatasetInput& input : facts.run->dataset_inputs) {
      side.data[input.dataset.name] = input.dataset.digest;
    }
    side.parameters = facts.run->params;
    for (const auto& [name, metric] : facts.run->metrics) {
      side.metrics[name] = base::FormatDouble(metric.value);
    }
  }
  return side;
}

}  // namespace

Result<cli::Document> ModelsDiff(Environment& environment, const cli::ModelsOptions& options) {
  MILL_ASSIGN_OR_RETURN(const ModelFacts first,
                        ReadModelFacts(environment, options.name, options.version));
  MILL_ASSIGN_OR_RETURN(const ModelFacts second,
                        ReadModelFacts(environment, options.name, options.other_version));
  const Side a = SideOf(first);
  const Side b = SideOf(second);
  const std::string name_a = "version " + std::to_string(options.version);
  const std::string name_b = "version " + std::to_string(options.other_version);
  cli::Document document;
  Json json = Json::object();
  bool is_same = true;
  const auto compare = [&](const char* title, const char* key, const Values& left,
                           const Values& right) {
    std::set<std::string> names;
    for (const Values* side : {&left, &right}) {
      for (const auto& [name, value] : *side) {
        names.insert(name);
      }
    }
    const auto cell = [](const Values& side, const std::string& name) {
      const auto found = side.find(name);
      return found == side.end() ? std::string("-") : found->second;
    };
    cli::TextTable table{title, {"name", name_a, name_b}, {}};
    Json rows = Json::object();
    for (const std::string& name : names) {
      const std::string before = cell(left, name);
      const std::string after = cell(right, name);
      if (before != after) {
        table.rows.push_back({name, before, after});
        rows[name] = {before, after};
      }
    }
    json[key] = rows;
    if (!table.rows.empty()) {
      is_same = false;
      document.tables.push_back(std::move(table));
    }
  };
  compare("Data", "data", a.data, b.data);
  compare("Features", "features", a.features, b.features);
  compare("Parameters", "parameters", a.parameters, b.parameters);
  compare("Metrics", "metrics", a.metrics, b.metrics);
  if (is_same) {
    document.lines.push_back(name_a + " and " + name_b +
                             " have the same data, features, parameters and metrics");
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<cli::Document> ModelsLineage(Environment& environment, const cli::ModelsOptions& options) {
  MILL_ASSIGN_OR_RETURN(const ModelFacts facts,
                        ReadModelFacts(environment, options.name, options.version));
  Json nodes = Json::array();
  for (const tracking::LineageNode& node : facts.lineage.nodes) {
    nodes.push_back({{"kind", std::string(tracking::LineageKindName(node.kind))},
                     {"name", node.name},
                     {"detail", node.detail}});
  }
  Json edges = Json::array();
  for (const auto& [from, to] : facts.lineage.edges) {
    edges.push_back({from, to});
  }
  std::string text;
  const std::string extension = options.output ? options.output->extension().string() : "";
  if (extension == ".svg") {
    text = tracking::LineageSvg(facts.lineage);
  } else if (extension == ".dot") {
    text = tracking::LineageDot(facts.lineage);
  } else {
    for (const std::string& line : tracking::LineageLines(facts.lineage)) {
      text += line + "\n";
    }
  }
  return TextOrFile(options, text, {{"nodes", nodes}, {"edges", edges}});
}

Result<cli::Document> ModelsAudit(Environment& environment, const cli::ModelsOptions& options) {
  store::Metadata& metadata = environment.metadata();
  if (options.is_verify) {
    MILL_ASSIGN_OR_RETURN(const tracking::AuditVerdict verdict,
                          tracking::VerifyAudit(metadata, options.head));
    if (!verdict.problems.empty()) {
      std::string all;
      for (const std::string& problem : verdict.problems) {
        all += (all.empty() ? "" : "; ") + problem;
      }
      return base::DataLoss("the audit log is damaged: " + all)
          .Hint("compare it with a backup of the metadata database");
    }
    return Said("the audit log is whole: " + std::to_string(verdict.n_entries) + " entries, head " +
                    verdict.head,
                {{"entries", verdict.n_entries}, {"head", verdict.head}});
  }
  tracking::AuditQuery query;
  query.max_results = options.limit;
  if (!options.name.empty()) {
    query.object = "models:/" + options.name +
                   (options.version == 0 ? "" : "/" + std::to_string(options.version));
  }
  MILL_ASSIGN_OR_RETURN(const auto entries, tracking::ReadAudit(metadata, query));
  cli::Document document;
  cli::TextTable table{"", {"#", "time", "who", "what", "object", "details", "evidence"}, {}};
  Json json = Json::array();
  for (const tracking::AuditEntry& entry : entries) {
    table.rows.push_back({std::to_string(entry.number), TimeText(entry.time_ms), entry.actor,
                          entry.action, entry.object, entry.details, entry.evidence});
    auto details = base::ParseJson(entry.details, "audit entry");
    json.push_back({{"number", entry.number},
                    {"time", entry.time_ms},
                    {"actor", entry.actor},
                    {"action", entry.action},
                    {"object", entry.object},
                    {"details", details.ok() ? *std::move(details) : Json(entry.details)},
                    {"evidence", entry.evidence},
                    {"previous_hash", entry.previous_hash},
                    {"hash", entry.hash}});
  }
  if (entries.empty()) {
    document.lines.emplace_back("nothing was changed yet");
  } else {
    document.tables.push_back(std::move(table));
  }
  document.json = base::DumpJson(json);
  return document;
}

}  // namespace millrace::app
