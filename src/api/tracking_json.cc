// SPDX-License-Identifier: Apache-2.0
// MLflow's messages as JSON. Which fields are there and in which order follows MLflow 3.17.2.
#include "api/internal/tracking_json.h"

#include <string>

namespace millrace::api::internal {

tracking::Tags ReadTags(const Object& object, std::string_view name) {
  tracking::Tags tags;
  for (const Object& tag : object.Objects(name)) {
    tags[tag.Text("key")] = tag.Text("value");
  }
  return tags;
}

void WritePairs(std::string_view name, const tracking::Tags& pairs, JsonWriter& out) {
  out.List(name, pairs, [&](const auto& pair) {
    out.BeginObject();
    out.Text("key", pair.first);
    out.Text("value", pair.second);
    out.EndObject();
  });
}

void WriteExperiment(const tracking::Experiment& experiment, JsonWriter& out) {
  out.BeginObject();
  out.Text("experiment_id", experiment.id);
  out.Text("name", experiment.name);
  out.Text("artifact_location", experiment.artifact_location);
  out.Text("lifecycle_stage", tracking::LifecycleName(experiment.lifecycle));
  out.Int("last_update_time", experiment.last_update_time_ms);
  out.Int("creation_time", experiment.creation_time_ms);
  WritePairs("tags", experiment.tags, out);
  out.Text("workspace", "default");
  out.EndObject();
}

void WriteRunInfo(const tracking::RunInfo& info, JsonWriter& out) {
  out.BeginObject();
  out.Text("run_uuid", info.run_id);
  out.Text("experiment_id", info.experiment_id);
  out.Text("run_name", info.run_name);
  out.Text("user_id", info.user_id);
  out.Text("status", tracking::RunStatusName(info.status));
  out.Int("start_time", info.start_time_ms);
  if (info.end_time_ms) {
    out.Int("end_time", *info.end_time_ms);
  }
  out.Text("artifact_uri", info.artifact_uri);
  out.Text("lifecycle_stage", tracking::LifecycleName(info.lifecycle));
  out.Text("run_id", info.run_id);
  out.EndObject();
}

namespace {

void WriteMetricFields(const tracking::Metric& metric, JsonWriter& out) {
  out.Text("key", metric.key);
  out.Double("value", metric.value);
  out.Int("timestamp", metric.timestamp_ms);
  out.Int("step", metric.step);
  out.TextIfAny("dataset_name", metric.dataset_name);
  out.TextIfAny("dataset_digest", metric.dataset_digest);
  out.TextIfAny("model_id", metric.model_id);
}

void WriteDatasetInput(const tracking::DatasetInput& input, JsonWriter& out) {
  const tracking::Dataset& dataset = input.dataset;
  out.BeginObject();
  WritePairs("tags", input.tags, out);
  out.Key("dataset");
  out.BeginObject();
  out.Text("name", dataset.name);
  out.Text("digest", dataset.digest);
  out.Text("source_type", dataset.source_type);
  out.Text("source", dataset.source);
  out.TextIfAny("schema", dataset.schema.value_or(""));
  out.TextIfAny("profile", dataset.profile.value_or(""));
  out.EndObject();
  out.EndObject();
}

void WriteInputsAndOutputs(const tracking::Run& run, JsonWriter& out) {
  out.Key("inputs");
  out.BeginObject();
  out.List("dataset_inputs", run.dataset_inputs,
           [&](const tracking::DatasetInput& input) { WriteDatasetInput(input, out); });
  out.List("model_inputs", run.model_inputs, [&](const tracking::ModelInput& input) {
    out.BeginObject();
    out.Text("model_id", input.model_id);
    out.EndObject();
  });
  out.EndObject();
  out.Key("outputs");
  out.BeginObject();
  out.List("model_outputs", run.outputs, [&](const tracking::ModelOutput& output) {
    out.BeginObject();
    out.Text("model_id", output.model_id);
    out.Int("step", output.step);
    out.EndObject();
  });
  out.EndObject();
}

}  // namespace

void WriteMetric(const tracking::Metric& metric, JsonWriter& out) {
  out.BeginObject();
  WriteMetricFields(metric, out);
  out.EndObject();
}

void WritePoint(const tracking::MetricPoint& point, std::string_view key, std::string_view run_id,
                JsonWriter& out) {
  out.BeginObject();
  out.Text("key", key);
  out.Double("value", point.value);
  out.Int("timestamp", point.timestamp_ms);
  out.Int("step", point.step);
  out.TextIfAny("run_id", run_id);
  out.EndObject();
}

void WriteRun(const tracking::Run& run, JsonWriter& out) {
  out.BeginObject();
  out.Key("info");
  WriteRunInfo(run.info, out);
  out.Key("data");
  out.BeginObject();
  out.List("metrics", run.metrics, [&](const auto& metric) { WriteMetric(metric.second, out); });
  WritePairs("params", run.params, out);
  WritePairs("tags", run.tags, out);
  out.EndObject();
  WriteInputsAndOutputs(run, out);
  out.EndObject();
}

void WriteLoggedModel(const tracking::LoggedModel& model, JsonWriter& out) {
  out.BeginObject();
  out.Key("info");
  out.BeginObject();
  out.Text("model_id", model.model_id);
  out.Text("experiment_id", model.experiment_id);
  out.Text("name", model.name);
  out.Int("creation_timestamp_ms", model.creation_time_ms);
  out.Int("last_updated_timestamp_ms", model.last_update_time_ms);
  out.Text("artifact_uri", model.artifact_location);
  out.Text("status", tracking::LoggedModelStatusName(model.status));
  out.Text("model_type", model.model_type);
  out.Text("source_run_id", model.source_run_id);
  WritePairs("tags", model.tags, out);
  out.EndObject();
  out.Key("data");
  out.BeginObject();
  WritePairs("params", model.params, out);
  out.List("metrics", model.metrics, [&](const tracking::LoggedModelMetric& metric) {
    out.BeginObject();
    WriteMetricFields(metric.metric, out);
    out.TextIfAny("run_id", metric.run_id);
    out.EndObject();
  });
  out.EndObject();
  out.EndObject();
}

void WriteModelVersion(const tracking::ModelVersion& version, JsonWriter& out) {
  out.BeginObject();
  out.Text("name", version.name);
  out.Text("version", std::to_string(version.version));
  out.Int("creation_timestamp", version.creation_time_ms);
  out.Int("last_updated_timestamp", version.last_update_time_ms);
  out.Text("current_stage", version.stage);
  out.Text("description", version.description);
  out.Text("source", version.source);
  out.Text("run_id", version.run_id);
  out.Text("status", "READY");
  WritePairs("tags", version.tags, out);
  out.Text("run_link", version.run_link);
  out.List("aliases", version.aliases, [&](const std::string& alias) { out.Text(alias); });
  out.EndObject();
}

void WriteRegisteredModel(const tracking::RegisteredModel& model, JsonWriter& out) {
  out.BeginObject();
  out.Text("name", model.name);
  out.Int("creation_timestamp", model.creation_time_ms);
  out.Int("last_updated_timestamp", model.last_update_time_ms);
  out.TextIfAny("description", model.description);
  out.List("latest_versions", model.latest_versions,
           [&](const tracking::ModelVersion& version) { WriteModelVersion(version, out); });
  WritePairs("tags", model.tags, out);
  out.List("aliases", model.aliases, [&](const auto& alias) {
    out.BeginObject();
    out.Text("alias", alias.first);
    out.Text("version", std::to_string(alias.second));
    out.EndObject();
  });
  out.EndObject();
}

}  // namespace millrace::api::internal
