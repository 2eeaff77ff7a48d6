// SPDX-License-Identifier: Apache-2.0
// What MLflow's page for trying prompts out keeps: a run made of a prompt and its answer.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/internal/artifact_places.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "base/ids.h"
#include "base/json.h"
#include "models/mlflow_layout.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;
using tracking::TrackingStore;
using enum FieldType;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// Values come as texts or as numbers.
constexpr Field kValueFields[] = {{.name = "key", .is_required = true},
                                  {.name = "value", .type = kAny}};
// What must be there is looked at by the handler, which says it in other words.
constexpr Field kFields[] = {
    {.name = "experiment_id"},
    {.name = "run_name"},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
    {.name = "prompt_template"},
    {.name = "prompt_parameters", .type = kObjects, .fields = kValueFields},
    {.name = "model_route"},
    {.name = "model_parameters", .type = kObjects, .fields = kValueFields},
    {.name = "model_input"},
    {.name = "model_output"},
    {.name = "model_output_parameters", .type = kObjects, .fields = kValueFields},
    {.name = "mlflow_version"},
    {.name = "user_id"},
    {.name = "start_time", .type = kInt64},
};

Pairs ReadValues(const Message& in, std::string_view name) {
  Pairs pairs;
  for (const Object& pair : in.Objects(name)) {
    std::string value;
    if (const auto given = pair.Value("value"); given.has_value()) {
      std::string scratch;
      value = std::string(given->is_string() ? given->Text(scratch) : given->raw());
    }
    pairs.emplace_back(pair.Text("key"), std::move(value));
  }
  return pairs;
}

Result<void> CheckAll(const Message& in) {
  for (const char* const name : {"experiment_id", "prompt_template", "prompt_parameters",
                                 "model_route", "model_input", "mlflow_version"}) {
    const bool is_list = std::string_view(name) == "prompt_parameters";
    if (is_list ? in.Objects(name).empty() : in.Text(name).empty()) {
      return base::InvalidArgument(std::string("CreatePromptlabRun request must specify ") + name +
                                   ".");
    }
  }
  return {};
}

/// JSON that is YAML too: YAML takes no control characters as they are, not even in quotes.
std::string AsYaml(const json& document) {
  std::string yaml;
  const std::string text = base::DumpJsonPretty(document);
  constexpr std::string_view kHex = "0123456789abcdef";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const unsigned char next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1])
                                                   : static_cast<unsigned char>(0);
    const bool is_pair = c == 0xC2 && next >= 0x80 && next < 0xA0;
    if (c != 0x7F && !is_pair) {
      yaml += text[i];
      continue;
    }
    const unsigned char code = is_pair ? next : c;
    yaml += "\\u00";
    yaml += kHex[code >> 4U];
    yaml += kHex[code & 15U];
    i += is_pair ? 1 : 0;
  }
  return yaml;
}

json AsObject(const Pairs& pairs) {
  json object = json::object();
  for (const auto& [key, value] : pairs) {
    object[key] = value;
  }
  return object;
}

/// Which run the model belongs to, and when it was made.
struct Origin {
  std::string run_id;
  std::string model_uuid;
  std::string time;
};

std::string MlModel(const Origin& origin, const Pairs& prompt_parameters) {
  json inputs = json::array();
  for (const auto& parameter : prompt_parameters) {
    inputs.push_back({{"type", "string"}, {"name", parameter.first}, {"required", true}});
  }
  const json outputs = json::array({{{"type", "string"}, {"name", "output"}, {"required", true}}});
  const json pyfunc = {{"env", {{"conda", "conda.yaml"}, {"virtualenv", "python_env.yaml"}}},
                       {"loader_module", "mlflow.prompt.promptlab_model"},
                       {"parameters_path", "parameters.yaml"},
                       {"python_version", models::kPythonVersion}};
  return AsYaml({{"artifact_path", "model"},
                 {"flavors", {{"python_function", pyfunc}}},
                 {"is_signature_from_type_hint", false},
                 {"mlflow_version", models::kMlflowVersion},
                 {"model_id", nullptr},
                 {"model_uuid", origin.model_uuid},
                 {"prompts", nullptr},
                 {"run_id", origin.run_id},
                 {"saved_input_example_info",
                  {{"artifact_path", "input_example.json"},
                   {"serving_input_path", "serving_input_example.json"},
                   {"type", "json_object"}}},
                 {"signature",
                  {{"inputs", base::DumpJson(inputs)},
                   {"outputs", base::DumpJson(outputs)},
                   {"params", nullptr}}},
                 {"type_hint_from_example", false},
                 {"utc_time_created", origin.time}});
}

/// A folder that `mlflow.pyfunc` loads: the prompt, and whom to ask.
std::map<std::string, std::string> ModelFiles(const Message& in, const Origin& origin) {
  const Pairs parameters = ReadValues(in, "prompt_parameters");
  json example = {{"inputs", json::array()}};
  for (const auto& parameter : parameters) {
    example["inputs"].push_back(parameter.second);
  }
  const std::string requirement = std::string("mlflow[gateway]==") + models::kMlflowVersion;
  const std::string python(models::kPythonVersion);
  return {
      {"model/MLmodel", MlModel(origin, parameters)},
      {"model/parameters.yaml",
       AsYaml({{"model_parameters", AsObject(ReadValues(in, "model_parameters"))},
               {"model_route", in.Text("model_route")},
               {"prompt_parameters", AsObject(parameters)},
               {"prompt_template", in.Text("prompt_template")}})},
      {"model/input_example.json", base::DumpJson(example)},
      {"model/serving_input_example.json", base::DumpJsonPretty({{"inputs", example}})},
      {"model/requirements.txt", requirement + "\n"},
      {"model/conda.yaml", "channels:\n- conda-forge\ndependencies:\n- python=" + python +
                               "\n- pip\n- pip:\n  - " + requirement + "\nname: mlflow-env\n"},
      {"model/python_env.yaml", "python: " + python +
                                    "\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\n"
                                    "dependencies:\n- -r requirements.txt\n"},
  };
}

/// One row: the prompt's parameters, the prompt, the answer, what came with it.
std::string Table(const Message& in) {
  json columns = json::array();
  json row = json::array();
  const auto add = [&](const std::string& column, json value) {
    columns.push_back(column);
    row.push_back(std::move(value));
  };
  for (const auto& [key, value] : ReadValues(in, "prompt_parameters")) {
    add(key, value);
  }
  add("prompt", in.Text("model_input"));
  const auto output = in.TextIfSet("model_output");
  add("output", output ? json(*output) : json());
  for (const auto& [key, value] : ReadValues(in, "model_output_parameters")) {
    add(key, value);
  }
  return base::DumpJson({{"columns", columns}, {"data", json::array({row})}});
}

tracking::Batch BatchOf(const Message& in, const Origin& origin) {
  tracking::Batch batch;
  for (auto& [key, value] : ReadValues(in, "model_parameters")) {
    batch.params.push_back({std::move(key), std::move(value)});
  }
  batch.params.push_back({"model_route", in.Text("model_route")});
  batch.params.push_back({"prompt_template", in.Text("prompt_template")});
  const json history = {{"artifact_path", "model"},
                        {"flavors", json::object()},
                        {"model_uuid", origin.model_uuid},
                        {"run_id", origin.run_id},
                        {"utc_time_created", origin.time}};
  batch.tags = {
      {"mlflow.log-model.history", base::DumpJson(json::array({history}))},
      {"mlflow.loggedArtifacts", R"([{"path": "eval_results_table.json", "type": "table"}])"},
      {"mlflow.runSourceType", "PROMPT_ENGINEERING"},
  };
  return batch;
}

Result<void> PutFile(const ArtifactPlaces& places, std::string_view root, std::string_view path,
                     std::string_view bytes) {
  MILL_ASSIGN_OR_RETURN(const ArtifactPlace place, places.Find(root, path));
  MILL_ASSIGN_OR_RETURN(const auto writer, place.files->Create(place.path));
  MILL_RETURN_IF_ERROR(writer->Write(bytes));
  MILL_RETURN_IF_ERROR(writer->Commit());
  return {};
}

Result<void> Fill(TrackingStore& store, const ArtifactPlaces& places, const Message& in,
                  const tracking::RunInfo& run) {
  const Origin origin{run.run_id, base::NewRunId(), models::MlflowTime(base::SystemClock().Now())};
  const tracking::Batch batch = BatchOf(in, origin);
  MILL_RETURN_IF_ERROR(store.LogBatch(run.run_id, batch.metrics, batch.params, batch.tags));
  for (const auto& [name, bytes] : ModelFiles(in, origin)) {
    MILL_RETURN_IF_ERROR(PutFile(places, run.artifact_uri, name, bytes));
  }
  return PutFile(places, run.artifact_uri, "eval_results_table.json", Table(in));
}

// As in MLflow, a run that could not be filled is there and has failed; here it says why.
Result<std::string> Create(TrackingStore& store, const ArtifactPlaces& places, const Message& in) {
  MILL_RETURN_IF_ERROR(CheckAll(in));
  tracking::RunRequest request;
  request.experiment_id = in.Text("experiment_id");
  request.run_name = in.Text("run_name");
  request.user_id = in.TextIfSet("user_id").value_or("unknown");
  request.start_time_ms = in.IntIfSet("start_time");
  request.tags = ReadTags(in, "tags");
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, store.CreateRun(request));
  const Result<void> filled = Fill(store, places, in, run.info);
  if (!filled.ok()) {
    MILL_RETURN_IF_ERROR(store.SetTag(run.info.run_id, "millrace.error", filled.error().message()));
  }
  const tracking::RunUpdate update = {
      .status = filled.ok() ? tracking::RunStatus::kFinished : tracking::RunStatus::kFailed,
      .end_time_ms = base::SystemClock().Now().micros / 1000};
  MILL_RETURN_IF_ERROR(store.UpdateRun(run.info.run_id, update));
  MILL_ASSIGN_OR_RETURN(const tracking::Run done, store.GetRun(run.info.run_id));
  return WrappedJson("run", done, WriteRun);
}

}  // namespace

void AddPromptlabRoutes(TrackingStore& store, const ArtifactPlaces& places, Router& router) {
  const Mount mount(router);
  mount.Add("POST", "/mlflow/runs/create-promptlab-run", kFields,
            [&](const Message& in) { return Create(store, places, in); });
}

}  // namespace millrace::api::internal
