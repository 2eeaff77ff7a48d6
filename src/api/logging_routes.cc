// SPDX-License-Identifier: Apache-2.0
// Endpoints that log to runs: metrics, parameters, tags, batches, inputs and outputs. The first
// four answer from the writer's thread, when what was sent is durable.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "base/json.h"
#include "base/mutex.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using tracking::TrackingStore;
using enum FieldType;

constexpr Field kKey = {.name = "key", .is_required = true};
constexpr Field kMetricFields[] = {
    kKey,
    {.name = "value", .type = kDouble, .is_required = true},
    {.name = "timestamp", .type = kInt64, .is_required = true},
    {.name = "step", .type = kInt64},
    {.name = "model_id"},
    {.name = "dataset_name"},
    {.name = "dataset_digest"},
};
constexpr Field kLogMetric[] = {
    kRunId,           kMetricFields[0], kMetricFields[1], kMetricFields[2],
    kMetricFields[3], kMetricFields[4], kMetricFields[5], kMetricFields[6],
};
constexpr Field kLogPair[] = {kRunId, kKey, {.name = "value"}};
constexpr Field kLogBatch[] = {
    kRunId,
    {.name = "metrics", .type = kObjects, .fields = kMetricFields},
    {.name = "params", .type = kObjects, .fields = kPairFields},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
};
constexpr Field kDatasetFields[] = {
    {.name = "name"},   {.name = "digest"}, {.name = "source_type"},
    {.name = "source"}, {.name = "schema"}, {.name = "profile"},
};
constexpr Field kDatasetInputFields[] = {
    {.name = "tags", .type = kObjects, .fields = kPairFields},
    {.name = "dataset", .type = kObject, .is_required = true, .fields = kDatasetFields},
};
constexpr Field kModelInputFields[] = {{.name = "model_id", .is_required = true}};
constexpr Field kModelOutputFields[] = {{.name = "model_id", .is_required = true},
                                        {.name = "step", .type = kInt64}};
constexpr Field kLogInputs[] = {
    kRunId,
    {.name = "datasets", .type = kObjects, .fields = kDatasetInputFields},
    {.name = "models", .type = kObjects, .fields = kModelInputFields},
};
constexpr Field kLogOutputs[] = {
    kRunId,
    {.name = "models", .type = kObjects, .is_required = true, .fields = kModelOutputFields},
};
constexpr Field kLogModel[] = {kRunId, {.name = "model_json", .is_required = true}};

tracking::Metric ReadMetric(const Object& in) {
  return {.key = in.Text("key"),
          .value = in.Double("value"),
          .timestamp_ms = in.Int("timestamp"),
          .step = in.Int("step"),
          .model_id = in.Text("model_id"),
          .dataset_name = in.Text("dataset_name"),
          .dataset_digest = in.Text("dataset_digest")};
}

// Characters of a UTF-8 text.
std::size_t Length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Result<void> CheckLengths(const tracking::Batch& batch) {
  constexpr std::size_t kMaxParam = 6000;
  constexpr std::size_t kMaxTag = 8000;
  for (const tracking::Param& param : batch.params) {
    if (Length(param.value) > kMaxParam) {
      return base::InvalidArgument("'Param value' exceeds the maximum length of 6000 characters");
    }
  }
  for (const auto& [key, value] : batch.tags) {
    if (Length(value) > kMaxTag) {
      return base::InvalidArgument("'value' exceeds the maximum length of 8000 characters");
    }
  }
  return {};
}

tracking::Batch ReadMetricBatch(const Message& in) {
  tracking::Batch batch{.is_single = true};
  batch.metrics.push_back(ReadMetric(in));
  return batch;
}

tracking::Batch ReadParamBatch(const Message& in) {
  tracking::Batch batch{.is_single = true};
  batch.params.push_back({.key = in.Text("key"), .value = in.Text("value")});
  return batch;
}

tracking::Batch ReadTagBatch(const Message& in) {
  tracking::Batch batch{.is_single = true};
  batch.tags[in.Text("key")] = in.Text("value");
  return batch;
}

tracking::Batch ReadBatch(const Message& in) {
  tracking::Batch batch;
  const std::vector<Object> metrics = in.Objects("metrics");
  batch.metrics.reserve(metrics.size());
  for (const Object& metric : metrics) {
    batch.metrics.push_back(ReadMetric(metric));
  }
  for (const Object& param : in.Objects("params")) {
    batch.params.push_back({.key = param.Text("key"), .value = param.Text("value")});
  }
  batch.tags = ReadTags(in, "tags");
  return batch;
}

Result<void> LogInputs(TrackingStore& store, const Message& in) {
  std::vector<tracking::DatasetInput> datasets;
  for (const Object& input : in.Objects("datasets")) {
    const Object dataset = *input.ObjectIfSet("dataset");  // required
    datasets.push_back({.dataset = {.name = dataset.Text("name"),
                                    .digest = dataset.Text("digest"),
                                    .source_type = dataset.Text("source_type"),
                                    .source = dataset.Text("source"),
                                    .schema = dataset.TextIfSet("schema"),
                                    .profile = dataset.TextIfSet("profile")},
                        .tags = ReadTags(input, "tags")});
  }
  std::vector<tracking::ModelInput> models;
  for (const Object& model : in.Objects("models")) {
    models.push_back({model.Text("model_id")});
  }
  return store.LogInputs(in.RunId(), datasets, models);
}

Result<void> LogOutputs(TrackingStore& store, const Message& in) {
  std::vector<tracking::ModelOutput> outputs;
  for (const Object& model : in.Objects("models")) {
    outputs.push_back({.model_id = model.Text("model_id"), .step = model.Int("step")});
  }
  return store.LogOutputs(in.RunId(), outputs);
}

// What MLflow keeps of a model in the tag mlflow.log-model.history.
nlohmann::json HistoryEntry(const nlohmann::json& model) {
  nlohmann::json entry = nlohmann::json::object();
  for (const char* const key : {"run_id", "utc_time_created", "artifact_path", "model_uuid"}) {
    if (model.contains(key)) {
      entry[key] = model[key];
    }
  }
  entry["flavors"] = model.value("flavors", nlohmann::json::object());
  for (auto& flavor : entry["flavors"]) {
    if (flavor.is_object()) {
      flavor.erase("config");
    }
  }
  return entry;
}

Result<nlohmann::json> ReadModel(const std::string& text) {
  const Result<nlohmann::json> parsed = base::ParseJson(text, "model_json");
  if (!parsed.ok() || !parsed->is_object()) {
    return base::InvalidArgument("Malformed model info. \n " + text.substr(0, 2000) +
                                 " \n is not a valid JSON.");
  }
  std::string missing;
  for (const char* const key : {"artifact_path", "flavors", "run_id", "utc_time_created"}) {
    if (!parsed->contains(key)) {
      missing += (missing.empty() ? "'" : ", '") + std::string(key) + "'";
    }
  }
  if (!missing.empty()) {
    return base::InvalidArgument("Model json is missing mandatory fields: {" + missing + "}");
  }
  if (!(*parsed)["flavors"].is_object()) {
    return base::InvalidArgument("Model json: \"flavors\" is no object");
  }
  return *parsed;
}

// The tag is read, extended and written; the lock keeps two requests from losing an entry.
Result<void> LogModel(TrackingStore& store, base::Mutex& mutex, const Message& in) {
  constexpr const char* kHistoryTag = "mlflow.log-model.history";
  MILL_ASSIGN_OR_RETURN(const nlohmann::json model, ReadModel(in.Text("model_json")));
  const std::string run_id = in.RunId();
  const base::MutexLock lock(mutex);
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, store.GetRun(run_id));
  nlohmann::json history = nlohmann::json::array();
  if (const auto tag = run.tags.find(kHistoryTag); tag != run.tags.end()) {
    MILL_ASSIGN_OR_RETURN(history, base::ParseJson(tag->second, kHistoryTag));
    if (!history.is_array()) {
      return base::InvalidArgument(std::string("tag ") + kHistoryTag + " is no JSON list");
    }
  }
  history.push_back(HistoryEntry(model));
  return store.SetTag(run_id, kHistoryTag, base::DumpJson(history));
}

}  // namespace

void AddLoggingRoutes(TrackingStore& store, bool refuses_long_values, Router& router) {
  const Mount mount(router);
  const auto add = [&](std::string_view path, std::span<const Field> fields,
                       tracking::Batch (*read)(const Message&)) {
    mount.AddAsync("POST", path, fields,
                   [&store, refuses_long_values, read](const Message& in, Finish finish) {
                     tracking::Batch batch = read(in);
                     if (refuses_long_values) {
                       if (Result<void> fits = CheckLengths(batch); !fits.ok()) {
                         finish(std::move(fits));
                         return;
                       }
                     }
                     store.LogBatchAsync(in.RunId(), std::move(batch), std::move(finish));
                   });
  };
  add("/mlflow/runs/log-metric", kLogMetric, ReadMetricBatch);
  add("/mlflow/runs/log-parameter", kLogPair, ReadParamBatch);
  add("/mlflow/runs/set-tag", kLogPair, ReadTagBatch);
  add("/mlflow/runs/log-batch", kLogBatch, ReadBatch);
  mount.AddAction("POST", "/mlflow/runs/log-inputs", kLogInputs,
                  [&store](const Message& in) { return LogInputs(store, in); });
  mount.AddAction("POST", "/mlflow/runs/outputs", kLogOutputs,
                  [&store](const Message& in) { return LogOutputs(store, in); });
  const auto mutex = std::make_shared<base::Mutex>();
  mount.AddAction("POST", "/mlflow/runs/log-model", kLogModel,
                  [&store, mutex](const Message& in) { return LogModel(store, *mutex, in); });
}

}  // namespace millrace::api::internal
