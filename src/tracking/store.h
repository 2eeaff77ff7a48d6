// SPDX-License-Identifier: Apache-2.0
// Experiments, runs and logged models over the metadata database, with MLflow's semantics. The wire
// format lives in `api`.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::store {
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

/// A search as MLflow's clients write it: filter and order_by in MLflow's grammar (search.h).
struct Search {
  std::string filter = {};
  std::vector<std::string> order_by = {};
  /// Empty: the first page.
  std::string page_token = {};
  int max_results = 1000;
};

struct ExperimentSearch : Search {
  ViewType view = ViewType::kActiveOnly;
};

struct RunSearch : Search {
  /// Empty: nothing is found, as in MLflow.
  std::vector<std::string> experiment_ids = {};
  ViewType view = ViewType::kActiveOnly;
};

struct LoggedModelOrder {
  std::string field_name;
  bool ascending = true;
  std::string dataset_name = {};
  std::string dataset_digest = {};
};

struct LoggedModelSearch {
  std::vector<std::string> experiment_ids = {};
  std::string filter = {};
  /// Metrics of the filter count only on these data sets; empty: on all.
  std::vector<Dataset> datasets = {};
  std::vector<LoggedModelOrder> order_by = {};
  std::string page_token = {};
  int max_results = 50;
};

/// Points of several runs for one chart.
struct BulkHistory {
  std::vector<std::string> run_ids = {};
  std::string key = {};
  std::optional<std::int64_t> start_step = {};
  std::optional<std::int64_t> end_step = {};
  /// 1 to 2500, per chart: steps are sampled as MLflow does, minima, maxima and last steps kept.
  int max_results = 2500;
};

struct RunPoints {
  std::string run_id;
  std::vector<MetricPoint> points;
};

struct DatasetSummary {
  std::string experiment_id;
  std::string name;
  std::string digest;
  std::string context;
};

/// Everything of one logging call; see LogBatch.
struct Batch {
  std::vector<Metric> metrics = {};
  std::vector<Param> params = {};
  Tags tags = {};
  /// True where the call named one thing and no list: the words of its errors follow.
  bool is_single = false;
};

using Done = std::function<void(Result<void>)>;

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

struct StoreOptions {
  /// Of metric points; the database is opened with its own.
  store::Durability durability = store::Durability::kDisk;
  /// Where artifacts of new experiments go: "mlflow-artifacts:" (through this program; files lie in
  /// the workspace or where its artifact store says) or a URI that clients reach themselves.
  std::string artifact_root = "mlflow-artifacts:";
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
                                                     const base::Clock& clock,
                                                     const StoreOptions& options = {});
  ~TrackingStore();
  TrackingStore(const TrackingStore&) = delete;
  TrackingStore& operator=(const TrackingStore&) = delete;

  // Experiments.

  /// @param artifact_location  empty: <artifact root>/<id>
  ///   kAlreadyExists also for the name of a deleted experiment.
  Result<Experiment> CreateExperiment(const std::string& name, const Tags& tags = {},
                                      const std::string& artifact_location = "");
  /// Deleted ones too.
  Result<Experiment> GetExperiment(const std::string& id);
  Result<Experiment> GetExperimentByName(const std::string& name);
  /// The experiment of that name, made if there is none; kFailedPrecondition if it is deleted.
  Result<Experiment> EnsureExperiment(const std::string& name);
  Result<Page<Experiment>> SearchExperiments(const ExperimentSearch& search = {});
  Result<void> RenameExperiment(const std::string& id, const std::string& name);
  /// Deletes (restores) the experiment and all its runs; the name stays taken.
  Result<void> DeleteExperiment(const std::string& id);
  Result<void> RestoreExperiment(const std::string& id);
  Result<void> SetExperimentTag(const std::string& id, const std::string& key,
                                const std::string& value);
  Result<void> DeleteExperimentTag(const std::string& id, const std::string& key);
  /// Data sets that runs of these experiments read, each (name, digest, context) once; at most
  /// 1000.
  Result<std::vector<DatasetSummary>> SearchDatasets(
      const std::vector<std::string>& experiment_ids);

  // Runs.

  Result<Run> CreateRun(const RunRequest& request);
  /// The same without waiting, for requests without an idempotency key: `done` is called once, from
  /// another thread or before this returns, when the run is durable or has failed. It must be
  /// short.
  void CreateRunAsync(RunRequest request, std::function<void(Result<Run>)> done);
  /// The run with the id, or with a unique prefix of it of at least 4 digits (for people); deleted
  /// ones too.
  Result<Run> GetRun(const std::string& run_id);
  Result<std::optional<Run>> FindRunByKey(const std::string& idempotency_key);
  /// All experiments, newest start first.
  Result<std::vector<Run>> ListRuns(const RunQuery& query = {});
  Result<Page<Run>> SearchRuns(const RunSearch& search);
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
  /// The same without waiting: `done` is called once, from another thread or before this returns,
  /// when the batch is durable or has failed.
  void LogBatchAsync(std::string run_id, Batch batch, Done done);
  /// Ordered by timestamp, step, value; kNotFound for an unknown run, empty for an unknown key.
  Result<Page<MetricPoint>> MetricHistory(const std::string& run_id, const std::string& key,
                                          int max_results = 25'000,
                                          const std::string& page_token = "");
  /// In the order of run_ids; sampled as MLflow does. Runs that do not exist are left out.
  Result<std::vector<RunPoints>> MetricHistoryBulk(const BulkHistory& request);
  /// For plots: at most 4 * n_buckets points (first, minimum, maximum and last of equal parts of
  /// the range of steps); reads summaries, so that ten million points take milliseconds.
  Result<std::vector<MetricPoint>> MetricPlot(const std::string& run_id, const std::string& key,
                                              int n_buckets);
  Result<void> LogInputs(const std::string& run_id, std::span<const DatasetInput> datasets,
                         std::span<const ModelInput> models = {});
  /// Records logged models as outputs of the run; repeating one changes nothing.
  Result<void> LogOutputs(const std::string& run_id, std::span<const ModelOutput> outputs);

  // Logged models.

  Result<LoggedModel> CreateLoggedModel(const LoggedModelRequest& request);
  /// @param view  which stages count: kNotFound for a deleted one unless kAll
  Result<LoggedModel> GetLoggedModel(const std::string& model_id,
                                     ViewType view = ViewType::kActiveOnly);
  Result<LoggedModel> FinalizeLoggedModel(const std::string& model_id, LoggedModelStatus status);
  Result<void> LogLoggedModelParams(const std::string& model_id, std::span<const Param> params);
  Result<void> SetLoggedModelTags(const std::string& model_id, const Tags& tags);
  Result<void> DeleteLoggedModelTag(const std::string& model_id, const std::string& key);
  Result<void> DeleteLoggedModel(const std::string& model_id);
  Result<Page<LoggedModel>> SearchLoggedModels(const LoggedModelSearch& search);

  // Taking in what another store held. Each repeats without harm.

  /// The experiment of that name, made active; otherwise a new one with the id, or, where that is
  /// taken, another with the id given as the tag `old_id_tag`. Tags are set.
  Result<Experiment> ImportExperiment(const Experiment& experiment, const std::string& old_id_tag);
  /// A run with this id, name, user, times and status, active whatever `info.lifecycle` says, in
  /// experiment `info.experiment_id`; its artifact URI is one of this store. A run that is there is
  /// returned as it is.
  Result<RunInfo> ImportRun(const RunInfo& info, const Tags& tags);
  /// Without metrics: log them to the runs.
  Result<LoggedModel> ImportLoggedModel(const LoggedModel& model);

  // Upkeep.

  /// Runs a write of another part of this module in the same group commit, and waits until it is
  /// durable. All or nothing; not from within a write.
  Result<void> Write(const std::function<Result<void>(store::Metadata&)>& write);
  /// Ids of deleted runs, deleted at least `older_than` ago, that EraseRuns would erase.
  Result<std::vector<RunInfo>> DeletedRuns(std::chrono::milliseconds older_than);
  /// Erases deleted runs for good, with everything that was logged to them; artifacts are the
  /// caller's. kFailedPrecondition for a run that is not deleted.
  Result<void> EraseRuns(const std::vector<std::string>& run_ids);
  /// Logged models that are deleted, or whose experiment is, at least `older_than` ago, and that no
  /// registered version names. Without parameters, tags and metrics.
  Result<std::vector<LoggedModel>> DeletedLoggedModels(std::chrono::milliseconds older_than);
  /// Erases one of them for good; artifacts are the caller's. kFailedPrecondition for any other.
  Result<void> EraseLoggedModel(const std::string& model_id);
  /// Experiments deleted at least `older_than` ago, except those whose id a new one could get
  /// (the greatest) and the default one.
  Result<std::vector<Experiment>> DeletedExperiments(std::chrono::milliseconds older_than);
  /// Erases one of them for good, with its traces; false where runs or logged models are still in
  /// it, which have to go first. kFailedPrecondition for any other.
  Result<bool> EraseExperiment(const std::string& id);
  /// Rewrites the files of metric points without those of erased runs. Returns the bytes that were
  /// given back. Does nothing where another process is at it.
  Result<std::uint64_t> CompactPoints();
  /// Loads the columns of searches, so that the first one does not wait.
  Result<void> WarmUp();

  /// internal/store_impl.h
  struct Impl;
  explicit TrackingStore(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::tracking
