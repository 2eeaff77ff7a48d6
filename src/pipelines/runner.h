// SPDX-License-Identifier: Apache-2.0
// Runs a graph: cached steps are skipped, independent ones run side by side, a killed run continues
// where it was.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "pipelines/graph.h"
#include "pipelines/step.h"

namespace millrace::pipelines {

/// kSkipped: a step before it failed, or the run was stopped. Texts: "ran", "cached", "failed",
/// "skipped".
enum class StepStatus { kRan, kCached, kFailed, kSkipped };
std::string_view StepStatusName(StepStatus status);

/// What became of one step.
struct StepReport {
  std::string name;
  std::string stage;
  StepStatus status = StepStatus::kSkipped;
  /// Time of this run, not of the one that filled the cache.
  double seconds = 0;
  StepResult result;
  std::vector<Artifact> outputs;
  /// Where a step failed.
  std::optional<Error> error;
  /// Why the step was not taken from the cache ("first run", "input labels changed"); empty if it
  /// was.
  std::string reason;
};

/// What became of a run; `steps` in the order of the graph.
struct RunReport {
  /// Of the journal; kept when a killed run is continued.
  std::string run_id;
  bool is_resumed = false;
  double seconds = 0;
  std::vector<StepReport> steps;

  /// Of the first failed step in the order of the graph, with the step's name as context; nullopt
  /// if all went well.
  std::optional<Error> error;

  const StepReport* Find(std::string_view step) const;
  /// The artifact of a step that ran or was cached; nullptr otherwise.
  const Artifact* FindArtifact(std::string_view name) const;
};

/// Hears of steps as they go. Calls never overlap, but come from several threads.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  virtual void OnStepStart(const StepInfo& step) = 0;
  virtual void OnStepEnd(const StepReport& report) = 0;
};

struct RunOptions {
  /// Cache entries, `<cache_dir>/steps/<step>/<key>/out/`, and links `<cache_dir>/latest/<step>` to
  /// what the last run used.
  std::filesystem::path cache_dir;
  /// One journal file per run.
  std::filesystem::path journal_dir;
  /// Steps that run at once.
  int threads = 2;
  /// Ignores cache entries.
  bool is_forced = false;
  /// Newest entries kept per step when the run ends; at least 1.
  int kept_entries = 3;
  RunObserver* observer = nullptr;
  /// Called at named points of the crash-safe publication ("claimed", "ran", "recorded",
  /// "published"); for tests that kill.
  std::function<void(std::string_view point, const std::string& step)> on_point;
};

/// Runs every step of the graph whose result is not in the cache yet.
///
/// The cache key of a step is a hash over its name, version and parameters, the seed, and the names
/// and contents of its inputs. An entry counts only if its outputs still have the recorded content
/// (size and modification time unchanged stand for that). After a failure no further step starts;
/// what does not depend on it and already runs is finished and kept.
///
/// @return a report even when a step failed (see `RunReport::error`). An error means that no step
/// could be run:
///         - kInvalidArgument: the graph is not well-formed.
///         - kFailedPrecondition: another process runs a pipeline in this cache; names its pid.
///         - kPermissionDenied, kResourceExhausted: the cache or the journal cannot be written.
Result<RunReport> RunGraph(const Context& context, const Graph& graph, const RunOptions& options);

}  // namespace millrace::pipelines
