// SPDX-License-Identifier: Apache-2.0
// The answers of `features show`, `config show`, `schema` and `version`.
#include "app/documents.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include <nlohmann/json.hpp>

#include "app/project.h"
#include "app/version.h"
#include "base/json.h"
#include "base/nearest_name.h"
#include "base/number_format.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownKeys = 5;

std::string ValueText(double value) {
  if (std::isnan(value)) {
    return "null";
  }
  return std::floor(value) == value && std::abs(value) < 1e15 ? base::FormatFixed(value, 0)
                                                              : base::FormatFixed(value, 4);
}

Json KeyJson(const features::EntityKey& key) {
  return std::holds_alternative<std::int64_t>(key) ? Json(std::get<std::int64_t>(key))
                                                   : Json(std::get<std::string>(key));
}

Json ValueJson(double value) {
  return std::isnan(value) ? Json(nullptr) : Json(value);
}

cli::Document ListViews(const std::vector<features::PublishedView>& views) {
  cli::Document document;
  cli::TextTable table{"", {"view", "entity", "key", "features", "keys", "as of", "hash"}, {}};
  Json json = Json::array();
  for (const features::PublishedView& view : views) {
    table.rows.push_back({view.name, view.entity, view.key, std::to_string(view.columns.size()),
                          base::FormatCount(view.keys), base::FormatTimestamp(view.as_of),
                          view.hash.Hex().substr(0, 12)});
    json.push_back({{"view", view.name},
                    {"entity", view.entity},
                    {"key", view.key},
                    {"keys", view.keys},
                    {"as_of", base::FormatTimestamp(view.as_of)},
                    {"hash", view.hash.Hex()}});
  }
  if (views.empty()) {
    document.lines.emplace_back("no view has been published; publish with: millrace run");
  } else {
    document.tables.push_back(std::move(table));
    document.lines = {"", "One view's values: millrace features show --view NAME --key KEY"};
  }
  document.json = base::DumpJson(json);
  return document;
}

/// The newest publication of a view of that name.
Result<features::PublishedView> FindByName(const std::vector<features::PublishedView>& views,
                                           const std::string& name) {
  const features::PublishedView* found = nullptr;
  std::vector<std::string> names;
  for (const features::PublishedView& view : views) {
    names.push_back(view.name);
    if (view.name == name && (found == nullptr || view.as_of >= found->as_of)) {
      found = &view;
    }
  }
  if (found == nullptr) {
    return base::NotFound("view \"" + name + "\" has not been published" +
                          base::DidYouMean(name, names))
        .Hint("publish it with: millrace run");
  }
  return *found;
}

Result<features::EntityKey> ParseKey(const std::string& text, data::ColumnType type) {
  if (type == data::ColumnType::kString) {
    return features::EntityKey(text);
  }
  std::int64_t number = 0;
  const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || stop != text.data() + text.size()) {
    return base::InvalidArgument("key \"" + text +
                                 "\" is no whole number; the view's keys are integers");
  }
  return features::EntityKey(number);
}

using KeyedRows = std::vector<std::pair<features::EntityKey, features::OnlineRow>>;

Result<KeyedRows> RowsOf(const features::OnlineStore& online, const features::PublishedView& view,
                         const std::vector<std::string>& keys) {
  if (keys.empty()) {
    return online.Rows(view.hash, kShownKeys);
  }
  KeyedRows rows;
  for (const std::string& text : keys) {
    MILL_ASSIGN_OR_RETURN(const features::EntityKey key, ParseKey(text, view.key_type));
    MILL_ASSIGN_OR_RETURN(auto row, online.Get(view.hash, key));
    if (!row) {
      return base::NotFound("view \"" + view.name + "\" has no values for " + view.key + " " + text)
          .Hint("millrace features show --view " + view.name + " shows some keys that it has");
    }
    rows.emplace_back(key, std::move(*row));
  }
  return rows;
}

}  // namespace

Result<cli::Document> FeaturesShow(Environment& environment, const std::string& name,
                                   const std::vector<std::string>& keys) {
  MILL_ASSIGN_OR_RETURN(const features::OnlineStore online, environment.OnlineForReading());
  MILL_ASSIGN_OR_RETURN(const std::vector<features::PublishedView> views, online.Views());
  if (name.empty()) {
    if (!keys.empty()) {
      return base::InvalidArgument("--key needs --view")
          .Hint("millrace features show lists the views");
    }
    return ListViews(views);
  }
  MILL_ASSIGN_OR_RETURN(const features::PublishedView view, FindByName(views, name));
  MILL_ASSIGN_OR_RETURN(const KeyedRows rows, RowsOf(online, view, keys));
  cli::Document document;
  cli::TextTable table{
      "View " + view.name + " as of " + base::FormatTimestamp(view.as_of), {"feature"}, {}};
  Json json_rows = Json::array();
  for (const auto& [key, row] : rows) {
    table.columns.push_back(KeyCell(key));
    Json values = Json::object();
    for (std::size_t c = 0; c < view.columns.size(); ++c) {
      values[view.columns[c].name] = ValueJson(row.values[c]);
    }
    json_rows.push_back({{"key", KeyJson(key)},
                         {"as_of", base::FormatTimestamp(row.as_of)},
                         {"values", std::move(values)}});
  }
  table.columns.emplace_back("definition");
  for (std::size_t c = 0; c < view.columns.size(); ++c) {
    std::vector<std::string> cells = {view.columns[c].name};
    for (const auto& [key, row] : rows) {
      cells.push_back(ValueText(row.values[c]));
    }
    cells.push_back(view.columns[c].definition);
    table.rows.push_back(std::move(cells));
  }
  document.tables.push_back(std::move(table));
  document.json = base::DumpJson({{"view", view.name},
                                  {"hash", view.hash.Hex()},
                                  {"key", view.key},
                                  {"rows", std::move(json_rows)}});
  return document;
}

std::string KeyCell(const features::EntityKey& key) {
  return std::holds_alternative<std::string>(key) ? std::get<std::string>(key)
                                                  : features::KeyText(key);
}

cli::Document ConfigShow(const cli::Settings& settings, const std::filesystem::path& workspace) {
  cli::Document document;
  cli::TextTable table{"", {"setting", "value", "origin", "meaning"}, {}};
  Json json = Json::object();
  for (const cli::SettingInfo& info : cli::SettingDeclarations()) {
    const cli::ResolvedSetting& resolved = settings.resolved.at(info.name);
    const std::string value = info.name == "workspace" ? workspace.string() : resolved.value;
    table.rows.push_back({info.name, value, resolved.origin, info.description});
    json[info.name] = {{"value", value}, {"origin", resolved.origin}};
  }
  document.tables.push_back(std::move(table));
  document.json = base::DumpJson(json);
  return document;
}

namespace {

Json RunReportSchema() {
  const Json text = {{"type", "string"}};
  const Json texts = {{"type", "array"}, {"items", text}};
  const Json stage = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"name", "status", "seconds", "rows", "metrics", "outputs"}},
      {"properties",
       {{"name", text},
        {"status", {{"enum", {"ran", "cached", "failed"}}}},
        {"seconds", {{"type", "number"}, {"minimum", 0}}},
        {"rows", {{"type", "integer"}, {"minimum", 0}}},
        {"metrics", {{"type", "object"}, {"additionalProperties", {{"type", "number"}}}}},
        {"outputs", texts}}}};
  const Json model = {
      {"type", "object"},
      {"required", {"name", "version", "aliases"}},
      {"additionalProperties", false},
      {"properties", {{"name", text}, {"version", {{"type", "integer"}}}, {"aliases", texts}}}};
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "run_report"},
          {"description", "The object that `millrace run --json` prints."},
          {"type", "object"},
          {"additionalProperties", false},
          {"required", {"pipeline", "status", "seconds", "stages", "run_id", "model"}},
          {"properties",
           {{"pipeline", text},
            {"status", {{"enum", {"ran", "cached", "failed"}}}},
            {"seconds", {{"type", "number"}, {"minimum", 0}}},
            {"stages", {{"type", "array"}, {"items", stage}}},
            {"run_id", text},
            {"model", model}}}};
}

/// The schema of training files, with the parameters of every learner spelled out.
Json TrainingSchema(const learners::LearnerRegistry& learners) {
  Json schema = TrainingSpec::Declared().schema().JsonSchema();
  Json properties = Json::object();
  for (const std::string& name : learners.Names()) {
    const auto learner = learners.Find(name);
    properties[name] = Json::parse(learners::ParamsJsonSchema((*learner)->info()));
  }
  schema["properties"]["learners"] = {
      {"type", "object"},
      {"description", "Learner to its parameters; the best on validation is taken."},
      {"additionalProperties", false},
      {"properties", std::move(properties)}};
  return schema;
}

}  // namespace

Result<cli::Document> Schema(const std::string& kind, const learners::LearnerRegistry& learners) {
  const std::vector<std::pair<std::string, std::function<Json()>>> kinds = {
      {"millrace", [] { return ProjectFile::Declared().schema().JsonSchema(); }},
      {"sources", [] { return data::SourcesFile::Declared().schema().JsonSchema(); }},
      {"features", [] { return features::FeatureFile::Declared().schema().JsonSchema(); }},
      {"quality", [] { return quality::Suite::Declared().schema().JsonSchema(); }},
      {"training", [&] { return TrainingSchema(learners); }},
      {"endpoint", [] { return serving::EndpointSpec::Declared().schema().JsonSchema(); }},
      {"monitor", [] { return monitoring::MonitorSpec::Declared().schema().JsonSchema(); }},
      {"pipeline", [] { return PipelineSpec::Declared().schema().JsonSchema(); }},
      {"run_report", RunReportSchema},
  };
  std::vector<std::string> names;
  for (const auto& [name, make] : kinds) {
    names.push_back(name);
    if (name == kind) {
      std::string text = base::DumpJsonPretty(make());
      if (!text.empty() && text.back() == '\n') {
        text.pop_back();
      }
      return cli::Document{{}, {text}, text};
    }
  }
  if (!kind.empty()) {
    return base::InvalidArgument("schema kind \"" + kind + "\" does not exist" +
                                 base::DidYouMean(kind, names));
  }
  return cli::Document{{}, names, base::DumpJson(Json(names))};
}

cli::Document Version() {
  return {{},
          {std::string("millrace ") + kVersion},
          base::DumpJson({{"name", "millrace"}, {"version", kVersion}})};
}

}  // namespace millrace::app
