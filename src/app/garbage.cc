// SPDX-License-Identifier: Apache-2.0
// Collects runs, models and experiments by the tracking store, artifacts by the artifact store.
#include "app/garbage.h"

#include <optional>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "store/artifacts.h"
#include "tracking/artifact_uri.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

struct Counted {
  std::int64_t n_files = 0;
  std::uint64_t n_bytes = 0;
};

Result<void> Count(store::ArtifactStore& artifacts, const std::string& folder, Counted& counted) {
  MILL_ASSIGN_OR_RETURN(const auto entries, artifacts.List(folder));
  for (const store::ArtifactEntry& entry : entries) {
    if (entry.is_dir) {
      MILL_RETURN_IF_ERROR(Count(artifacts, entry.path, counted));
    } else {
      ++counted.n_files;
      counted.n_bytes += entry.size;
    }
  }
  return {};
}

/// The folder of a run's or a model's artifacts and, above it, its own; empty where they lie
/// elsewhere.
std::string FolderOf(const std::string& artifact_uri, const std::string& id) {
  const Result<std::string> path = tracking::ArtifactPath(artifact_uri);
  if (!path.ok()) {
    return {};
  }
  const std::string end = id + "/artifacts";
  return path->ends_with("/" + end)
             ? path->substr(0, path->size() - std::string("/artifacts").size())
             : *path;
}

std::string Megabytes(std::uint64_t n_bytes) {
  return std::to_string((n_bytes + 999'999) / 1'000'000) + " MB";
}

/// What is deleted goes row first, then its files: where somebody has restored it, both stay.
/// Content that something else names stays too, until nothing does.
class Collector {
 public:
  Collector(tracking::TrackingStore& tracking, store::ArtifactStore& artifacts,
            const cli::GarbageOptions& options)
      : tracking_(tracking), artifacts_(artifacts), options_(options) {}

  Result<cli::Document> Run() {
    MILL_RETURN_IF_ERROR(Runs());
    MILL_RETURN_IF_ERROR(Models());
    MILL_RETURN_IF_ERROR(Experiments());
    store::GarbageOptions blobs;
    blobs.remove = options_.is_meant;
    MILL_ASSIGN_OR_RETURN(const store::Garbage garbage, artifacts_.CollectGarbage(blobs));
    std::uint64_t points = 0;
    if (options_.is_meant) {
      MILL_ASSIGN_OR_RETURN(points, tracking_.CompactPoints());
    }
    return Told(garbage, points);
  }

 private:
  Result<void> Runs() {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::RunInfo> runs,
                          tracking_.DeletedRuns(options_.older_than));
    for (const tracking::RunInfo& run : runs) {
      const auto erase = [&] { return tracking_.EraseRuns({run.run_id}); };
      MILL_ASSIGN_OR_RETURN(const auto counted,
                            Collect(FolderOf(run.artifact_uri, run.run_id), erase));
      if (counted) {
        table_.rows.push_back({"run", run.run_id, run.run_name, run.experiment_id,
                               std::to_string(counted->n_files), Megabytes(counted->n_bytes)});
        runs_.push_back({{"run_id", run.run_id},
                         {"run_name", run.run_name},
                         {"experiment_id", run.experiment_id},
                         {"artifact_uri", run.artifact_uri},
                         {"files", counted->n_files},
                         {"bytes", counted->n_bytes}});
      }
    }
    return {};
  }

  Result<void> Models() {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::LoggedModel> models,
                          tracking_.DeletedLoggedModels(options_.older_than));
    for (const tracking::LoggedModel& model : models) {
      const auto erase = [&] { return tracking_.EraseLoggedModel(model.model_id); };
      MILL_ASSIGN_OR_RETURN(const auto counted,
                            Collect(FolderOf(model.artifact_location, model.model_id), erase));
      if (counted) {
        table_.rows.push_back({"logged model", model.model_id, model.name, model.experiment_id,
                               std::to_string(counted->n_files), Megabytes(counted->n_bytes)});
        models_.push_back({{"model_id", model.model_id},
                           {"name", model.name},
                           {"experiment_id", model.experiment_id},
                           {"files", counted->n_files},
                           {"bytes", counted->n_bytes}});
      }
    }
    return {};
  }

  /// Their runs and models have gone before; one that still has some (of versions) stays.
  Result<void> Experiments() {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::Experiment> experiments,
                          tracking_.DeletedExperiments(options_.older_than));
    for (const tracking::Experiment& experiment : experiments) {
      if (options_.is_meant) {
        const Result<bool> erased = tracking_.EraseExperiment(experiment.id);
        if (!erased.ok() && erased.error().code() != ErrorCode::kFailedPrecondition) {
          return erased.error();
        }
        if (!erased.ok() || !*erased) {
          continue;
        }
        // Only its own folder: with a location that was chosen others may share it.
        const auto path = tracking::ArtifactPath(experiment.artifact_location);
        if (path.ok() && *path == experiment.id) {
          MILL_RETURN_IF_ERROR(RemoveFiles(*path));
        }
      }
      table_.rows.push_back({"experiment", experiment.id, experiment.name, "", "", ""});
      experiments_.push_back({{"experiment_id", experiment.id}, {"name", experiment.name}});
    }
    return {};
  }

  /// Nothing where it was restored meanwhile.
  template <typename Erase>
  Result<std::optional<Counted>> Collect(const std::string& folder, Erase erase) {
    Counted counted;
    if (!folder.empty()) {
      MILL_RETURN_IF_ERROR(Count(artifacts_, folder, counted));
    }
    if (options_.is_meant) {
      const Result<void> erased = erase();
      if (!erased.ok() && erased.error().code() == ErrorCode::kFailedPrecondition) {
        return std::optional<Counted>();
      }
      MILL_RETURN_IF_ERROR(erased);
      MILL_RETURN_IF_ERROR(folder.empty() ? Result<void>() : RemoveFiles(folder));
    }
    total_.n_files += counted.n_files;
    total_.n_bytes += counted.n_bytes;
    return std::optional(counted);
  }

  Result<void> RemoveFiles(const std::string& folder) {
    Result<void> removed = artifacts_.Remove(folder);
    return !removed.ok() && removed.error().code() == ErrorCode::kNotFound ? Result<void>()
                                                                           : removed;
  }

  cli::Document Told(const store::Garbage& garbage, std::uint64_t points) {
    cli::Document document;
    if (!table_.rows.empty()) {
      document.tables.push_back(std::move(table_));
    }
    document.lines.push_back(
        std::string(options_.is_meant ? "removed " : "would remove ") +
        std::to_string(runs_.size()) + " deleted runs, " + std::to_string(models_.size()) +
        " logged models and " + std::to_string(experiments_.size()) + " experiments with " +
        std::to_string(total_.n_files) + " files (" + Megabytes(total_.n_bytes) + "), " +
        std::to_string(garbage.n_blobs) + " contents that nothing names (" +
        Megabytes(garbage.n_bytes) + "), " + std::to_string(garbage.n_uploads) +
        " unfinished uploads" +
        (options_.is_meant ? "; metric points gave back " + Megabytes(points) : ""));
    if (!options_.is_meant) {
      document.lines.push_back("nothing was removed; do it with: millrace gc --yes");
    }
    document.json = base::DumpJson({{"removed", options_.is_meant},
                                    {"runs", std::move(runs_)},
                                    {"logged_models", std::move(models_)},
                                    {"experiments", std::move(experiments_)},
                                    {"contents", garbage.n_blobs},
                                    {"content_bytes", garbage.n_bytes},
                                    {"point_bytes", points},
                                    {"uploads", garbage.n_uploads}});
    return document;
  }

  tracking::TrackingStore& tracking_;
  store::ArtifactStore& artifacts_;
  const cli::GarbageOptions& options_;
  cli::TextTable table_{"", {"what", "id", "name", "experiment", "files", "size"}, {}};
  Json runs_ = Json::array();
  Json models_ = Json::array();
  Json experiments_ = Json::array();
  Counted total_;
};

}  // namespace

Result<cli::Document> CollectGarbage(Environment& environment, const cli::GarbageOptions& options) {
  MILL_ASSIGN_OR_RETURN(store::ArtifactStore * artifacts, environment.Artifacts());
  if (options.is_meant) {
    std::error_code ignored;  // copies that are fetched again when they are needed
    std::filesystem::remove_all(environment.workspace().CacheDir() / "artifacts", ignored);
  }
  return Collector(environment.tracking(), *artifacts, options).Run();
}

}  // namespace millrace::app
