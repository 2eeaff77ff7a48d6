// SPDX-License-Identifier: Apache-2.0
// The nouns of tracking and registry, with MLflow's names and numbers. Times are milliseconds since
// 1970, UTC.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::tracking {

using Tags = std::map<std::string, std::string>;

/// MLflow's RunStatus; the numbers are on disk.
enum class RunStatus { kRunning = 1, kScheduled = 2, kFinished = 3, kFailed = 4, kKilled = 5 };
/// MLflow's LoggedModelStatus; the numbers are on disk.
enum class LoggedModelStatus { kPending = 1, kReady = 2, kUploadFailed = 3 };
/// On disk as "active" and "deleted".
enum class LifecycleStage { kActive, kDeleted };
/// Which lifecycle stages a list shows.
enum class ViewType { kActiveOnly = 1, kDeletedOnly = 2, kAll = 3 };

/// "RUNNING", "FINISHED", ...
std::string_view RunStatusName(RunStatus status);
Result<RunStatus> ParseRunStatus(std::string_view name);
/// "LOGGED_MODEL_READY", ...
std::string_view LoggedModelStatusName(LoggedModelStatus status);
/// "active", "deleted".
std::string_view LifecycleName(LifecycleStage stage);

struct Experiment {
  /// Decimal; "0" is Default.
  std::string id;
  std::string name;
  /// Folder of the experiment's artifacts.
  std::string artifact_location;
  LifecycleStage lifecycle = LifecycleStage::kActive;
  std::int64_t creation_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  Tags tags;
};

/// One value of a metric. NaN is kept as NaN; infinities are stored as the largest finite double,
/// as MLflow does.
struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  /// The logged model and the data set that the value is about; empty for none.
  std::string model_id = {};
  std::string dataset_name = {};
  std::string dataset_digest = {};
};

/// One value in the history of a metric.
struct MetricPoint {
  std::int64_t timestamp_ms = 0;
  std::int64_t step = 0;
  double value = 0;
  friend bool operator==(const MetricPoint&, const MetricPoint&) = default;
};

/// A data set that runs read.
struct Dataset {
  std::string name;
  std::string digest;
  std::string source_type;
  std::string source;
  std::optional<std::string> schema;
  std::optional<std::string> profile;
};

/// A data set as input of a run; the tag mlflow.data.context says what for.
struct DatasetInput {
  Dataset dataset;
  Tags tags;
};

struct ModelInput {
  std::string model_id;
};

struct Param {
  std::string key;
  std::string value;
};

struct RunInfo {
  /// uuid4, 32 lower-case hex digits.
  std::string run_id;
  std::string run_name;
  std::string experiment_id;
  std::string user_id;
  RunStatus status = RunStatus::kRunning;
  std::int64_t start_time_ms = 0;
  std::optional<std::int64_t> end_time_ms;
  std::string artifact_uri;
  LifecycleStage lifecycle = LifecycleStage::kActive;
};

struct ModelOutput {
  std::string model_id;
  std::int64_t step = 0;
};

struct Run {
  RunInfo info;
  /// The latest value of each metric: greatest (step, timestamp, value).
  std::map<std::string, Metric> metrics;
  std::map<std::string, std::string> params;
  Tags tags;
  std::vector<DatasetInput> dataset_inputs = {};
  std::vector<ModelInput> model_inputs = {};
  /// Logged models that the run made, in order.
  std::vector<ModelOutput> outputs = {};
};

/// A metric of a logged model.
struct LoggedModelMetric {
  Metric metric;
  std::string run_id;
};

/// A page of a list; the token is empty on the last page and otherwise asks for the next one.
template <typename T>
struct Page {
  std::vector<T> items;
  std::string next_page_token;
};

struct LoggedModel {
  /// "m-" and 32 lower-case hex digits.
  std::string model_id;
  std::string experiment_id;
  std::string name;
  std::string source_run_id;
  std::string artifact_location;
  std::string model_type;
  LoggedModelStatus status = LoggedModelStatus::kPending;
  std::int64_t creation_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  std::map<std::string, std::string> params;
  Tags tags;
  /// All values, by key, timestamp and step.
  std::vector<LoggedModelMetric> metrics = {};
};

struct ModelVersion {
  std::string name;
  std::int64_t version = 0;
  /// Where it was registered from: "models:/m-..." or a path.
  std::string source;
  /// The folder that `source` named at registration.
  std::string storage_location;
  std::string run_id;
  std::string model_id;
  std::string description;
  std::string run_link;
  /// "None", "Staging", "Production", "Archived".
  std::string stage = "None";
  std::int64_t creation_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  Tags tags;
  std::vector<std::string> aliases;
};

struct RegisteredModel {
  std::string name;
  std::string description;
  std::int64_t creation_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  Tags tags;
  /// Alias to version.
  std::map<std::string, std::int64_t> aliases;
  /// The greatest version; 0 if there is none.
  std::int64_t latest_version = 0;
  /// The newest version of each stage that has one, without aliases.
  std::vector<ModelVersion> latest_versions;
};

}  // namespace millrace::tracking
