// SPDX-License-Identifier: Apache-2.0
// This program's own store as source and sink of transfers.
#include <algorithm>
#include <iterator>

#include "app/artifact_files.h"
#include "app/internal/transfer_forms.h"
#include "app/local_files.h"
#include "app/transfer.h"
#include "base/hash.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostParams = 100;
constexpr std::size_t kMostMetrics = 1000;

class WorkspaceSource final : public TransferSource {
 public:
  WorkspaceSource(Environment& environment, std::unique_ptr<GenaiSource> genai)
      : environment_(environment), genai_(std::move(genai)) {}

  Result<std::vector<tracking::Experiment>> Experiments() override {
    std::vector<tracking::Experiment> experiments;
    tracking::ExperimentSearch search;
    search.view = tracking::ViewType::kAll;
    search.order_by = {"experiment_id ASC"};
    do {
      MILL_ASSIGN_OR_RETURN(tracking::Page<tracking::Experiment> page,
                            environment_.tracking().SearchExperiments(search));
      std::move(page.items.begin(), page.items.end(), std::back_inserter(experiments));
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return experiments;
  }

  Result<void> ForEachRun(const tracking::Experiment& experiment,
                          const std::function<Result<void>(TransferRun)>& take) override {
    tracking::RunSearch search;
    search.experiment_ids = {experiment.id};
    search.view = tracking::ViewType::kAll;
    search.order_by = {"start_time ASC"};
    do {
      MILL_ASSIGN_OR_RETURN(tracking::Page<tracking::Run> page,
                            environment_.tracking().SearchRuns(search));
      for (tracking::Run& run : page.items) {
        TransferRun read{std::move(run), {}};
        for (const auto& [key, unused] : read.run.metrics) {
          MILL_ASSIGN_OR_RETURN(auto points, History(read.run.info.run_id, key));
          read.histories.emplace_back(key, std::move(points));
        }
        MILL_RETURN_IF_ERROR(take(std::move(read)));
      }
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return {};
  }

  Result<std::vector<tracking::LoggedModel>> LoggedModels(
      const tracking::Experiment& experiment) override {
    std::vector<tracking::LoggedModel> models;
    tracking::LoggedModelSearch search;
    search.experiment_ids = {experiment.id};
    do {
      MILL_ASSIGN_OR_RETURN(tracking::Page<tracking::LoggedModel> page,
                            environment_.tracking().SearchLoggedModels(search));
      std::move(page.items.begin(), page.items.end(), std::back_inserter(models));
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return models;
  }

  Result<std::vector<TransferModel>> Models() override {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::RegisteredModel> models,
                          environment_.registry().ListModels());
    std::vector<TransferModel> read;
    for (const tracking::RegisteredModel& model : models) {
      MILL_ASSIGN_OR_RETURN(std::vector<tracking::ModelVersion> versions,
                            environment_.registry().ListVersions(model.name));
      std::reverse(versions.begin(), versions.end());
      read.push_back({model, std::move(versions)});
    }
    return read;
  }

  Result<std::vector<std::string>> Files(const std::string& location) override {
    return ArtifactFiles(environment_, location);
  }

  Result<fs::path> Fetch(const std::string& location, const std::string& path,
                         const fs::path& scratch) override {
    if (LocalFolder(location)) {
      return LocalFetch(location, path);
    }
    fs::path file = scratch / base::HashText(location + "/" + path).Hex();
    MILL_RETURN_IF_ERROR(CopyArtifact(environment_, location, path, file));
    return file;
  }

  GenaiSource& genai() override { return *genai_; }

 private:
  Result<std::vector<tracking::MetricPoint>> History(const std::string& run_id,
                                                     const std::string& key) {
    std::vector<tracking::MetricPoint> points;
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(const tracking::Page<tracking::MetricPoint> page,
                            environment_.tracking().MetricHistory(run_id, key, 25'000, token));
      points.insert(points.end(), page.items.begin(), page.items.end());
      token = page.next_page_token;
    } while (!token.empty());
    return points;
  }

  Environment& environment_;
  std::unique_ptr<GenaiSource> genai_;
};

class WorkspaceSink final : public TransferSink {
 public:
  WorkspaceSink(Environment& environment, std::unique_ptr<GenaiSink> genai)
      : environment_(environment), genai_(std::move(genai)) {}

  Result<tracking::Experiment> PutExperiment(const tracking::Experiment& experiment) override {
    return environment_.tracking().ImportExperiment(experiment, kOldExperimentTag);
  }

  Result<std::string> PutRun(const tracking::Experiment& there, const TransferRun& run) override {
    tracking::TrackingStore& store = environment_.tracking();
    tracking::RunInfo info = run.run.info;
    info.experiment_id = there.id;
    MILL_ASSIGN_OR_RETURN(const tracking::RunInfo made, store.ImportRun(info, run.run.tags));
    if (made.lifecycle == tracking::LifecycleStage::kDeleted) {
      return made.artifact_uri;  // Deleting is the last step: it is complete.
    }
    MILL_RETURN_IF_ERROR(PutParams(info.run_id, run.run.params));
    for (const auto& [key, points] : run.histories) {
      MILL_RETURN_IF_ERROR(PutHistory(info.run_id, key, points));
    }
    MILL_RETURN_IF_ERROR(
        store.LogInputs(info.run_id, run.run.dataset_inputs, run.run.model_inputs));
    MILL_RETURN_IF_ERROR(store.LogOutputs(info.run_id, run.run.outputs));
    if (info.lifecycle == tracking::LifecycleStage::kDeleted) {
      MILL_RETURN_IF_ERROR(store.DeleteRun(info.run_id));
    }
    return made.artifact_uri;
  }

  Result<std::string> PutLoggedModel(const tracking::Experiment& there,
                                     const tracking::LoggedModel& model) override {
    tracking::LoggedModel moved = model;
    moved.experiment_id = there.id;
    MILL_ASSIGN_OR_RETURN(const tracking::LoggedModel made,
                          environment_.tracking().ImportLoggedModel(moved));
    // The run's points are there already, and repeating one changes nothing.
    for (const tracking::LoggedModelMetric& metric : model.metrics) {
      Result<void> logged = environment_.tracking().LogMetric(metric.run_id, metric.metric);
      const bool is_gone =
          !logged.ok() && (logged.error().code() == base::ErrorCode::kNotFound ||
                           logged.error().code() == base::ErrorCode::kFailedPrecondition);
      if (!is_gone) {
        MILL_RETURN_IF_ERROR(logged);
      }
    }
    return made.artifact_location;
  }

  Result<void> PutModel(const TransferModel& model) override {
    return environment_.registry().ImportModel(model.model, model.versions);
  }

  Result<void> PutFile(const std::string& location, const std::string& path,
                       const fs::path& file) override {
    return PutArtifact(environment_, location, path, file);
  }

  Result<void> Finish(const tracking::Experiment& there, bool is_deleted) override {
    return is_deleted ? environment_.tracking().DeleteExperiment(there.id) : Result<void>();
  }

  GenaiSink& genai() override { return *genai_; }

 private:
  Result<void> PutParams(const std::string& run_id, const tracking::Tags& params) {
    std::vector<tracking::Param> some;
    for (auto it = params.begin(); it != params.end();) {
      some.push_back({it->first, it->second});
      ++it;
      if (some.size() == kMostParams || it == params.end()) {
        MILL_RETURN_IF_ERROR(environment_.tracking().LogBatch(run_id, {}, some));
        some.clear();
      }
    }
    return {};
  }

  Result<void> PutHistory(const std::string& run_id, const std::string& key,
                          const std::vector<tracking::MetricPoint>& points) {
    std::vector<tracking::Metric> some;
    for (std::size_t i = 0; i < points.size(); ++i) {
      some.push_back({key, points[i].value, points[i].timestamp_ms, points[i].step});
      if (some.size() == kMostMetrics || i + 1 == points.size()) {
        MILL_RETURN_IF_ERROR(environment_.tracking().LogBatch(run_id, some, {}));
        some.clear();
      }
    }
    return {};
  }

  Environment& environment_;
  std::unique_ptr<GenaiSink> genai_;
};

}  // namespace

Result<std::unique_ptr<TransferSource>> MakeWorkspaceSource(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(auto genai, internal::MakeWorkspaceGenaiSource(environment));
  return std::unique_ptr<TransferSource>(
      std::make_unique<WorkspaceSource>(environment, std::move(genai)));
}

Result<std::unique_ptr<TransferSink>> MakeWorkspaceSink(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(auto genai, internal::MakeWorkspaceGenaiSink(environment));
  return std::unique_ptr<TransferSink>(
      std::make_unique<WorkspaceSink>(environment, std::move(genai)));
}

}  // namespace millrace::app
