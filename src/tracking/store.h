// SPDX-License-Identifier: Apache-2.0
// Experiments, runs and logged models over the metadata database, with MLflow's semantics. The wire
// format lives in `api`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
class Workspace;
}  // namespace millrace::store

namespace millrace::tracking {

/// What CreateRun takes. Every member has an initialiser, so that callers may name only those they
/// set.
struct RunRequest {
  std::string experiment_id = "0";
  /// Empty: a name from the run id ("quiet-mill-312"), also kept as tag mlflow.runName.
  std::string run_name = {};
  std::string user_id = {};
  /// Not given: now.
  std::optional<std::int64_t> start_time_ms = {};
  Tags tags = {};
  /// Not empty: a second CreateRun with the same key returns the first run unchanged, so that a
  /// step repeated after a crash makes no second run. A deleted run gives its key back.
  std::string idempotency_key = {};
};

/// What UpdateRun changes; absent members stay.
struct RunUpdate {
  std::optional<RunStatus> status = {};
  std::optional<std::int64_t> end_time_ms = {};
  std::optional<std::string> run_name = {};
};

/// Which runs to list, newest start first, ties by run id.
struct RunQuery {
  /// Empty: all experiments.
  std::vector<std::string> experiment_ids = {};
  ViewType view = ViewType::kActiveOnly;
  /// 1 to 50,000.
  int max_results = 1000;
  std::int64_t offset = 0;
};

struct LoggedModelRequest {
  std::string experiment_id = "0";
  std::string name = {};
  std::string source_run_id = {};
  std::string model_type = {};
  std::map<std::string, std::string> params = {};
  Tags tags = {};
  /// As in RunRequest.
  std::string idempotency_key = {};
};

/// Experiments, runs, metrics, parameters, tags and logged models. Thread-safe; several processes
/// may hold one on the same database. Each call is one transaction. Errors of every call:
///   - kNotFound: "No Experiment with id=7 exists", "Run with id=... not found", "Logged model with
///   id=... not found"
///   - kInvalidArgument: a key, name or value outside MLflow's limits (keys up to 250 characters of
///   [/\w.\- :], normal paths);
///     too long values of parameters (6000) and tags (8000) are cut, as MLflow does
///   - kFailedPrecondition: a write to a deleted run or experiment ("must be in the 'active'
///   state")
///   - kUnavailable and others of store::Metadata
class TrackingStore {
 public:
  /// Migrates the tables and makes experiment 0, "Default", at the first open. The references
  /// outlive the store.
  static Result<std::unique_ptr<TrackingStore>> Open(store::Metadata& metadata,
                                                     const store::Workspace& workspace,
                                                     const base::Clock& clock);
  TrackingStore(store::Metadata& metadata, const store::Workspace& workspace,
                const base::Clock& clock)
      : metadata_(metadata), workspace_(workspace), clock_(clock) {}

  /// kAlreadyExists also for the name of a deleted experiment.
  Result<Experiment> CreateExperiment(const std::string& name, const Tags& tags = {});
  /// Deleted ones too.
  Result<Experiment> GetExperiment(const std::string& id);
  Result<Experiment> GetExperimentByName(const std::string& name);
  /// The experiment of that name, made if there is none; kFailedPrecondition if it is deleted.
  Result<Experiment> EnsureExperiment(const std::string& name);
  /// By rising id.
  Result<std::vector<Experiment>> ListExperiments(ViewType view = ViewType::kActiveOnly);
  Result<void> RenameExperiment(const std::string& id, const std::string& name);
  /// Deletes (restores) the experiment and all its runs; the name stays taken.
  Result<void> DeleteExperiment(const std::string& id);
  Result<void> RestoreExperiment(const std::string& id);
  Result<void> SetExperimentTag(const std::string& id, const std::string& key,
                                const std::string& value);

  Result<Run> CreateRun(const RunRequest& request);
  /// The run with the id, or with a unique prefix of it of at least 4 digits (for people); deleted
  /// ones too.
  Result<Run> GetRun(const std::string& run_id);
  Result<std::optional<Run>> FindRunByKey(const std::string& idempotency_key);
  Result<std::vector<Run>> ListRuns(const RunQuery& query = {});
  Result<RunInfo> UpdateRun(const std::string& run_id, const RunUpdate& update);
  Result<void> DeleteRun(const std::string& run_id);
  Result<void> RestoreRun(const std::string& run_id);

  Result<void> LogMetric(const std::string& run_id, const Metric& metric);
  /// The same value again is fine; another value for the same key is kInvalidArgument ("Changing
  /// param values is not allowed").
  Result<void> LogParam(const std::string& run_id, const std::string& key,
                        const std::string& value);
  Result<void> SetTag(const std::string& run_id, const std::string& key, const std::string& value);
  /// kNotFound if the run has no such tag.
  Result<void> DeleteTag(const std::string& run_id, const std::string& key);
  /// All or nothing (MLflow's own server is not atomic here): at most 1000 metrics, 100 params, 100
  /// tags, 1000 together.
  Result<void> LogBatch(const std::string& run_id, std::span<const Metric> metrics,
                        std::span<const Param> params, const Tags& tags = {});
  /// Ordered by timestamp, step, value; empty for an unknown key.
  Result<std::vector<Metric>> MetricHistory(const std::string& run_id, const std::string& key,
                                            int max_results = 25'000, std::int64_t offset = 0);
  /// Records logged models as outputs of the run; repeating one changes nothing.
  Result<void> LogOutputs(const std::string& run_id, std::span<const ModelOutput> outputs);

  Result<LoggedModel> CreateLoggedModel(const LoggedModelRequest& request);
  Result<LoggedModel> GetLoggedModel(const std::string& model_id);
  Result<LoggedModel> FinalizeLoggedModel(const std::string& model_id, LoggedModelStatus status);
  Result<void> SetLoggedModelTags(const std::string& model_id, const Tags& tags);
  /// Newest first; empty: all experiments.
  Result<std::vector<LoggedModel>> ListLoggedModels(
      const std::vector<std::string>& experiment_ids = {}, int max_results = 1000,
      std::int64_t offset = 0);

 private:
  std::int64_t NowMs() const;

  store::Metadata& metadata_;
  const store::Workspace& workspace_;
  const base::Clock& clock_;
};

}  // namespace millrace::tracking
