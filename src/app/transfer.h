// SPDX-License-Identifier: Apache-2.0
// Copies experiments, runs, metric histories, models and artifacts between this program's store and
// MLflow's: its server, its folder of files (mlruns), its SQLite database.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/environment.h"
#include "base/context.h"
#include "base/result.h"
#include "cli/document.h"
#include "tracking/evaluation_datasets.h"
#include "tracking/issues.h"
#include "tracking/scorers.h"
#include "tracking/trace_links.h"
#include "tracking/traces.h"
#include "tracking/types.h"
#include "tracking/webhooks.h"

namespace millrace::app {

/// A run with the whole history of its metrics. `run.metrics` is not used.
struct TransferRun {
  tracking::Run run;
  std::vector<std::pair<std::string, std::vector<tracking::MetricPoint>>> histories = {};
};

/// A registered model with its versions, oldest first.
struct TransferModel {
  tracking::RegisteredModel model;
  std::vector<tracking::ModelVersion> versions;
};

/// A trace with its spans, and what it is linked to.
struct TransferTrace {
  tracking::TraceInfo info;
  std::vector<tracking::Span> spans = {};
  tracking::TraceLinks links = {};
};

struct TransferDataset {
  tracking::EvaluationDataset dataset;
  std::vector<std::string> experiment_ids;
  std::vector<tracking::ImportedRecord> records;
};

/// Something that stays behind, and why. Equal ones are counted together.
struct TransferSkip {
  std::string what;
  std::string why;
  /// 0: nobody counted.
  std::int64_t n = 0;
};

/// What the sources and sinks share: they tell what they leave out.
class TransferStore {
 public:
  virtual ~TransferStore() = default;
  const std::vector<TransferSkip>& skips() const { return skips_; }

 protected:
  void Skip(std::string_view what, std::string_view why, std::int64_t n);

 private:
  std::vector<TransferSkip> skips_;
};

/// What MLflow 3 keeps beside runs and models: traces, what judges them, and webhooks.
class GenaiSource : public TransferStore {
 public:
  /// Every trace of the experiment, one at a time.
  virtual Result<void> ForEachTrace(const tracking::Experiment& experiment,
                                    const std::function<Result<void>(TransferTrace)>& take) = 0;
  virtual Result<std::vector<tracking::Issue>> Issues(const tracking::Experiment& experiment) = 0;
  /// All versions of all scorers, by name and version.
  virtual Result<std::vector<tracking::ScorerVersion>> Scorers(
      const tracking::Experiment& experiment) = 0;
  virtual Result<void> ForEachDataset(const std::function<Result<void>(TransferDataset)>& take) = 0;
  virtual Result<std::vector<tracking::Webhook>> Webhooks() = 0;
};

/// Each Put is durable on return, and repeating one changes nothing. False (nothing for a trace):
/// it takes none, which skips() tells.
class GenaiSink : public TransferStore {
 public:
  /// Where the trace's artifacts go.
  virtual Result<std::optional<std::string>> PutTrace(const tracking::Experiment& there,
                                                      const TransferTrace& trace) = 0;
  virtual Result<bool> PutIssue(const tracking::Experiment& there,
                                const tracking::Issue& issue) = 0;
  /// @param versions  of one scorer, oldest first
  virtual Result<bool> PutScorer(const tracking::Experiment& there,
                                 const std::vector<tracking::ScorerVersion>& versions) = 0;
  /// The experiments' ids are already those of the sink.
  virtual Result<bool> PutDataset(const TransferDataset& dataset) = 0;
  /// Switched off already: nobody wants to be told twice.
  virtual Result<bool> PutWebhook(const tracking::Webhook& webhook) = 0;
};

/// Where is read from. Locations of artifacts are those of the runs and models it gives.
class TransferSource : public TransferStore {
 public:
  /// Deleted ones too.
  virtual Result<std::vector<tracking::Experiment>> Experiments() = 0;
  /// For the progress bar; 0: nobody knows.
  virtual Result<std::uint64_t> CountRuns(const tracking::Experiment& /*experiment*/) { return 0; }
  /// Every run of the experiment, deleted ones too, one at a time.
  virtual Result<void> ForEachRun(const tracking::Experiment& experiment,
                                  const std::function<Result<void>(TransferRun)>& take) = 0;
  virtual Result<std::vector<tracking::LoggedModel>> LoggedModels(
      const tracking::Experiment& experiment) = 0;
  virtual Result<std::vector<TransferModel>> Models() = 0;
  /// Relative paths of the files below a location; none where there are no files. kUnimplemented
  /// for a location that only its own clients can read (s3://...).
  virtual Result<std::vector<std::string>> Files(const std::string& location) = 0;
  /// A local file with the content: the original, or a copy in `scratch`.
  virtual Result<std::filesystem::path> Fetch(const std::string& location, const std::string& path,
                                              const std::filesystem::path& scratch) = 0;
  virtual GenaiSource& genai() = 0;
};

/// Where is written to. Each Put is durable on return, and repeating one changes nothing, so that
/// a transfer that was cut off can be run again.
class TransferSink : public TransferStore {
 public:
  /// The experiment as it is there: the same id where that is free or of the same name, otherwise
  /// another one with the old id as the tag kOldExperimentTag. Made active also where the original
  /// is deleted: Finish deletes it.
  virtual Result<tracking::Experiment> PutExperiment(const tracking::Experiment& experiment) = 0;
  /// Where the run's artifacts go.
  virtual Result<std::string> PutRun(const tracking::Experiment& there, const TransferRun& run) = 0;
  virtual Result<std::string> PutLoggedModel(const tracking::Experiment& there,
                                             const tracking::LoggedModel& model) = 0;
  /// The versions' storage locations are already those of the sink where their artifacts moved.
  virtual Result<void> PutModel(const TransferModel& model) = 0;
  virtual Result<void> PutFile(const std::string& location, const std::string& path,
                               const std::filesystem::path& file) = 0;
  virtual Result<void> Finish(const tracking::Experiment& there, bool is_deleted) = 0;
  virtual GenaiSink& genai() = 0;
};

inline constexpr const char* kOldExperimentTag = "millrace.imported.experiment_id";

struct TransferCounts {
  std::int64_t experiments = 0;
  std::int64_t runs = 0;
  std::int64_t points = 0;
  std::int64_t logged_models = 0;
  std::int64_t models = 0;
  std::int64_t versions = 0;
  std::int64_t traces = 0;
  std::int64_t spans = 0;
  std::int64_t assessments = 0;
  std::int64_t datasets = 0;
  std::int64_t records = 0;
  /// Their versions.
  std::int64_t scorers = 0;
  std::int64_t issues = 0;
  std::int64_t webhooks = 0;
  std::int64_t files = 0;
  /// Locations whose files stay where they are, because only their own clients can read them.
  std::vector<std::string> left_files = {};
  std::vector<TransferSkip> skips = {};
};

/// Copies everything.
/// @param scratch  a folder for files on their way; not given: files are counted, not copied
Result<TransferCounts> Transfer(const Context& context, TransferSource& source, TransferSink& sink,
                                const std::optional<std::filesystem::path>& scratch);
/// Takes nothing, for counting what would be copied.
std::unique_ptr<TransferSink> MakeDrySink();

/// "http://host:port" (a tracking server), "sqlite:///path.db" or the path of a database file,
/// "file:///path" or the path of a folder (mlruns). Sources must exist; a sink's folder or file may
/// not hold anything else.
Result<std::unique_ptr<TransferSource>> OpenMlflowSource(const std::string& where);
Result<std::unique_ptr<TransferSink>> OpenMlflowSink(const std::string& where);
Result<std::unique_ptr<TransferSource>> MakeWorkspaceSource(Environment& environment);
Result<std::unique_ptr<TransferSink>> MakeWorkspaceSink(Environment& environment);

/// The commands `import mlflow` and `export mlflow`.
Result<cli::Document> ImportMlflow(Environment& environment, const std::string& from);
Result<cli::Document> ExportMlflow(Environment& environment, const std::string& to);
/// What ImportMlflow would copy; needs no workspace.
Result<cli::Document> CountImport(const Context& context, const std::string& from);
/// What ExportMlflow would copy.
Result<cli::Document> CountExport(Environment& environment);

}  // namespace millrace::app
