// SPDX-License-Identifier: Apache-2.0
// Copies experiments, runs, metric histories, models and artifacts between this program's store and
// MLflow's: its server, its folder of files (mlruns), its SQLite database.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/environment.h"
#include "base/context.h"
#include "base/result.h"
#include "cli/document.h"
#include "tracking/types.h"

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

/// Where is read from. Locations of artifacts are those of the runs and models it gives.
class TransferSource {
 public:
  virtual ~TransferSource() = default;
  /// Deleted ones too.
  virtual Result<std::vector<tracking::Experiment>> Experiments() = 0;
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
};

/// Where is written to. Each Put is durable on return, and repeating one changes nothing, so that
/// a transfer that was cut off can be run again.
class TransferSink {
 public:
  virtual ~TransferSink() = default;
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
};

inline constexpr const char* kOldExperimentTag = "millrace.imported.experiment_id";

struct TransferCounts {
  std::int64_t experiments = 0;
  std::int64_t runs = 0;
  std::int64_t points = 0;
  std::int64_t logged_models = 0;
  std::int64_t models = 0;
  std::int64_t versions = 0;
  std::int64_t files = 0;
  /// Locations whose files stay where they are, because only their own clients can read them.
  std::vector<std::string> left_files = {};
};

/// Copies everything. @param scratch  a folder for files on their way
Result<TransferCounts> Transfer(const Context& context, TransferSource& source, TransferSink& sink,
                                const std::filesystem::path& scratch);

/// "http://host:port" (a tracking server), "sqlite:///path.db" or the path of a database file,
/// "file:///path" or the path of a folder (mlruns). Sources must exist; a sink's folder or file may
/// not hold anything else.
Result<std::unique_ptr<TransferSource>> OpenMlflowSource(const std::string& where);
Result<std::unique_ptr<TransferSink>> OpenMlflowSink(const std::string& where);
std::unique_ptr<TransferSource> MakeWorkspaceSource(Environment& environment);
std::unique_ptr<TransferSink> MakeWorkspaceSink(Environment& environment);

/// The commands `import mlflow` and `export mlflow`.
Result<cli::Document> ImportMlflow(Environment& environment, const std::string& from);
Result<cli::Document> ExportMlflow(Environment& environment, const std::string& to);

}  // namespace millrace::app
