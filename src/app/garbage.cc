// SPDX-License-Identifier: Apache-2.0
// Collects runs by the tracking store, artifacts by the artifact store.
#include "app/garbage.h"

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

/// The folder of a run's artifacts and, above it, the run's own; empty where they lie elsewhere.
std::string RunFolder(const tracking::RunInfo& run) {
  const Result<std::string> path = tracking::ArtifactPath(run.artifact_uri);
  if (!path.ok()) {
    return {};
  }
  const std::string end = run.run_id + "/artifacts";
  return path->ends_with("/" + end)
             ? path->substr(0, path->size() - std::string("/artifacts").size())
             : *path;
}

std::string Megabytes(std::uint64_t n_bytes) {
  return std::to_string((n_bytes + 999'999) / 1'000'000) + " MB";
}

}  // namespace

Result<cli::Document> CollectGarbage(Environment& environment, const cli::GarbageOptions& options) {
  tracking::TrackingStore& tracking = environment.tracking();
  MILL_ASSIGN_OR_RETURN(store::ArtifactStore * artifacts, environment.Artifacts());
  MILL_ASSIGN_OR_RETURN(const std::vector<tracking::RunInfo> runs,
                        tracking.DeletedRuns(options.older_than));
  cli::TextTable table;
  table.columns = {"run", "name", "experiment", "files", "size"};
  Json listed = Json::array();
  std::int64_t n_runs = 0;
  Counted total;
  for (const tracking::RunInfo& run : runs) {
    const std::string folder = RunFolder(run);
    Counted counted;
    if (!folder.empty()) {
      MILL_RETURN_IF_ERROR(Count(*artifacts, folder, counted));
    }
    if (options.is_meant) {
      // The run first: where somebody has restored it, its artifacts stay too.
      const Result<void> erased = tracking.EraseRuns({run.run_id});
      if (!erased.ok() && erased.error().code() == ErrorCode::kFailedPrecondition) {
        continue;
      }
      MILL_RETURN_IF_ERROR(erased);
      const Result<void> removed = folder.empty() ? Result<void>() : artifacts->Remove(folder);
      if (!removed.ok() && removed.error().code() != ErrorCode::kNotFound) {
        return removed.error();
      }
    }
    ++n_runs;
    total.n_files += counted.n_files;
    total.n_bytes += counted.n_bytes;
    table.rows.push_back({run.run_id, run.run_name, run.experiment_id,
                          std::to_string(counted.n_files), Megabytes(counted.n_bytes)});
    listed.push_back({{"run_id", run.run_id},
                      {"run_name", run.run_name},
                      {"experiment_id", run.experiment_id},
                      {"artifact_uri", run.artifact_uri},
                      {"files", counted.n_files},
                      {"bytes", counted.n_bytes}});
  }
  store::GarbageOptions blobs;
  blobs.remove = options.is_meant;
  MILL_ASSIGN_OR_RETURN(const store::Garbage garbage, artifacts->CollectGarbage(blobs));

  cli::Document document;
  if (!table.rows.empty()) {
    document.tables.push_back(std::move(table));
  }
  document.lines.push_back(std::string(options.is_meant ? "removed " : "would remove ") +
                           std::to_string(n_runs) + " deleted runs with " +
                           std::to_string(total.n_files) + " files (" + Megabytes(total.n_bytes) +
                           "), " + std::to_string(garbage.n_blobs) +
                           " contents that nothing names (" + Megabytes(garbage.n_bytes) + "), " +
                           std::to_string(garbage.n_uploads) + " unfinished uploads");
  if (!options.is_meant) {
    document.lines.push_back("nothing was removed; do it with: millrace gc --yes");
  }
  document.json = base::DumpJson({{"removed", options.is_meant},
                                  {"runs", std::move(listed)},
                                  {"contents", garbage.n_blobs},
                                  {"content_bytes", garbage.n_bytes},
                                  {"uploads", garbage.n_uploads}});
  return document;
}

}  // namespace millrace::app
