// SPDX-License-Identifier: Apache-2.0
// `millrace run`: the stages of a pipeline as a graph of cached steps, their reports, and stable
// paths for their results.
#include "app/train_pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>

#include "app/artifact_files.h"
#include "app/lineage_sink.h"
#include "app/pipeline_graph.h"
#include "app/registration.h"
#include "app/step_result.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/nearest_name.h"
#include "pipelines/open_lineage.h"
#include "pipelines/runner.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// Stages whose steps each make rows of their own; in the others several steps look at the same
/// rows.
bool AddsRows(const std::string& stage) {
  return stage == "ingest" || stage == "features";
}

/// Turns reports of steps into reports of stages, and tells the listener of each stage when all
/// stages before it are done.
class StageTracker final : public pipelines::RunObserver {
 public:
  StageTracker(const pipelines::Graph& graph, const std::vector<std::string>& stages,
               Environment& environment, const std::map<std::string, fs::path>& stable_paths,
               cli::RunListener& listener, cli::RunReport& report)
      : environment_(environment),
        stable_paths_(stable_paths),
        listener_(listener),
        report_(report) {
    for (const std::string& name : stages) {
      stages_.push_back({});
      stages_.back().report.name = name;
    }
    for (const auto& step : graph.steps()) {
      ++Find(step->info().stage).open_steps;
    }
  }

  void OnStepStart(const pipelines::StepInfo& step) override {
    Stage& stage = Find(step.stage);
    if (!stage.start) {
      stage.start = Clock::now();
    }
    AnnounceNext();
  }

  void OnStepEnd(const pipelines::StepReport& step) override {
    Stage& stage = Find(step.stage);
    --stage.open_steps;
    Absorb(step, stage);
    TellFinished();
  }

  /// Stages that began but could not end: told as far as they came.
  void TellRest() {
    for (; told_ < stages_.size(); ++told_) {
      Stage& stage = stages_[told_];
      if (stage.report.status.empty()) {
        return;
      }
      Tell(stage);
    }
  }
  /// The first thing that could not be linked to its stable path.
  const std::optional<Error>& link_error() const { return link_error_; }

 private:
  struct Stage {
    cli::StageReport report;
    int open_steps = 0;
    std::optional<Clock::time_point> start;
  };

  Stage& Find(const std::string& name) {
    return *std::find_if(stages_.begin(), stages_.end(),
                         [&](const Stage& stage) { return stage.report.name == name; });
  }

  void Absorb(const pipelines::StepReport& step, Stage& stage) {
    cli::StageReport& report = stage.report;
    if (step.status == pipelines::StepStatus::kSkipped) {
      return;
    }
    const std::string status(pipelines::StepStatusName(step.status));
    if (report.status.empty() || report.status == "cached" || status == "failed") {
      report.status = status;
    }
    report.seconds = stage.start
                         ? std::chrono::duration<double>(Clock::now() - *stage.start).count()
                         : step.seconds;
    const StageOutput output = ToStageOutput(step.result);
    report.rows =
        AddsRows(report.name) ? report.rows + output.rows : std::max(report.rows, output.rows);
    report.metrics.insert(output.metrics.begin(), output.metrics.end());
    report.tables.insert(report.tables.end(), output.tables.begin(), output.tables.end());
    report.notes.insert(report.notes.end(), output.notes.begin(), output.notes.end());
    for (const pipelines::Artifact& artifact : step.outputs) {
      AddOutput(artifact, report);
    }
  }

  void AddOutput(const pipelines::Artifact& artifact, cli::StageReport& report) {
    if (artifact.name == "registered") {
      AddRegistered(artifact.file, report);
      return;
    }
    const auto stable = stable_paths_.find(artifact.name);
    if (stable == stable_paths_.end()) {
      return;
    }
    const fs::path path = environment_.workspace().root() / stable->second;
    const Result<void> linked = LinkInto(artifact.file, path);
    if (!linked.ok() && !link_error_) {
      link_error_ = linked.error();
    }
    AddPaths(artifact.file, path, report);
  }

  /// A file's path; for a folder those of the files in it, so that a reader finds each by name.
  static void AddPaths(const fs::path& published, const fs::path& stable,
                       cli::StageReport& report) {
    std::error_code error;
    if (!fs::is_directory(published, error)) {
      report.outputs.push_back(stable.string());
      return;
    }
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(published, error)) {
      if (entry.is_regular_file() && entry.path().extension() != ".svg" &&
          entry.path().extension() != ".png") {
        files.push_back((stable / entry.path().filename()).string());
      }
    }
    std::sort(files.begin(), files.end());
    report.outputs.insert(report.outputs.end(), files.begin(), files.end());
  }

  void AddRegistered(const fs::path& file, cli::StageReport& report) {
    const auto registered = ReadRegistered(file);
    if (!registered.ok()) {
      return;
    }
    report_.run_id = registered->run_id;
    report_.model_name = registered->model;
    report_.model_version = static_cast<int>(registered->version);
    report_.gate_failed = !registered->promoted;
    for (const auto& [learner, location] : registered->model_locations) {
      report.outputs.push_back(ShownPlace(environment_, location));
    }
  }

  /// Gives the published file or folder a second name under the stable path; a reader meets the old
  /// one or the new one.
  static Result<void> LinkInto(const fs::path& from, const fs::path& to) {
    std::error_code error;
    if (fs::is_directory(from, error)) {
      for (const auto& entry : fs::recursive_directory_iterator(from, error)) {
        if (entry.is_regular_file()) {
          MILL_RETURN_IF_ERROR(LinkInto(entry.path(), to / fs::relative(entry.path(), from)));
        }
      }
      return {};
    }
    if (fs::equivalent(from, to, error)) {
      return {};
    }
    MILL_RETURN_IF_ERROR(base::MakeDirectories(to.parent_path()));
    return base::ReplaceAtomic(to, [&](const fs::path& temporary) -> Result<void> {
      std::error_code failed;
      fs::create_hard_link(from, temporary, failed);
      if (failed) {
        fs::copy_file(from, temporary, failed);
      }
      return failed ? Result<void>(base::FromErrno(failed.value(), "linking result", to.string()))
                    : Result<void>();
    });
  }

  void AnnounceNext() {
    if (announced_ == told_ && told_ < stages_.size() && stages_[told_].start) {
      listener_.OnStageStart(stages_[told_].report.name);
      ++announced_;
    }
  }
  void Tell(Stage& stage) {
    if (announced_ == told_) {
      listener_.OnStageStart(stage.report.name);
      ++announced_;
    }
    // Steps end side by side, in any order; what is told does not depend on it.
    std::sort(stage.report.outputs.begin(), stage.report.outputs.end());
    listener_.OnStageEnd(stage.report);
    report_.stages.push_back(stage.report);
  }
  void TellFinished() {
    while (told_ < stages_.size() && stages_[told_].open_steps == 0 &&
           !stages_[told_].report.status.empty()) {
      Tell(stages_[told_]);
      ++told_;
    }
    AnnounceNext();
  }

  Environment& environment_;
  const std::map<std::string, fs::path>& stable_paths_;
  cli::RunListener& listener_;
  cli::RunReport& report_;
  std::vector<Stage> stages_;
  std::size_t announced_ = 0;
  std::size_t told_ = 0;
  std::optional<Error> link_error_;
};

Result<const PipelineSpec*> ChoosePipeline(const Project& project,
                                           const std::optional<std::string>& name) {
  std::vector<std::string> names;
  for (const PipelineSpec& pipeline : project.pipelines) {
    if (name && pipeline.name.value == *name) {
      return &pipeline;
    }
    names.push_back(pipeline.name.value);
  }
  if (name) {
    return base::NotFound("pipeline \"" + *name + "\" does not exist" +
                          base::DidYouMean(*name, names));
  }
  if (names.size() != 1) {
    return base::InvalidArgument("the project has " + std::to_string(names.size()) +
                                 " pipelines; wanted: one")
        .Hint(names.empty() ? "write pipelines/train.yaml"
                            : "name one with --pipeline" + base::DidYouMean("", names));
  }
  return &project.pipelines.front();
}

std::string StatusOf(const cli::RunReport& report, bool failed) {
  if (failed) {
    return "failed";
  }
  const bool all_cached =
      std::all_of(report.stages.begin(), report.stages.end(),
                  [](const cli::StageReport& stage) { return stage.status == "cached"; });
  return all_cached ? "cached" : "ran";
}

/// How the user can call this program again from here: by name if the shell finds it, otherwise by
/// its path.
std::string ProgramName() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const char* path =
      std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nothing in this program sets variables
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (fs::equivalent(fs::path(folder) / self.filename(), self, error)) {
      return self.filename();
    }
  }
  return self.lexically_proximate(fs::current_path(error));
}

/// A key that the endpoint can answer, as JSON; empty if nothing is stored.
std::string SomeKey(Environment& environment, const features::ViewPlan& plan) {
  const auto online = environment.Online();
  if (!online.ok()) {
    return "";
  }
  const auto rows = online->Rows(plan.hash, 1);
  if (!rows.ok() || rows->empty()) {
    return "";
  }
  return features::KeyText(rows->front().first);
}

void AddNextCommands(Environment& environment, const PipelineParts& parts, cli::RunReport& report) {
  const fs::path here = fs::current_path();
  const fs::path root = environment.project_root()->lexically_proximate(here);
  std::string project = root == "." ? "" : " " + root.string();
  if (const std::string& origin = environment.settings().resolved.at("workspace").origin;
      origin.starts_with("flag")) {
    project += " --workspace " + environment.settings().workspace;
  }
  const std::string program = ProgramName();
  const features::ViewPlan& plan = *parts.PublishedPlans().front();
  const fs::path page = environment.workspace().root() / StablePaths(parts).at("report");
  report.next_commands = {
      "xdg-open " + page.lexically_proximate(here).string(), program + " serve" + project,
      "curl -s http://127.0.0.1:" + std::to_string(environment.settings().port) +
          "/invocations -H 'Content-Type: application/json' -d '{\"dataframe_records\": [{\"" +
          parts.endpoint->key + "\": " + SomeKey(environment, plan) + "}]}'",
      program + " features show" + project + " --view " + plan.name,
      program + " runs list" + project};
}

/// Tables by their own names, views too; what else a step makes by the artifact's.
pipelines::LineageOptions LineageOf(const Project& project, const PipelineParts& parts) {
  pipelines::LineageOptions options;
  options.job_namespace = project.file.name;
  options.pipeline = parts.pipeline->name.value;
  options.producer = "urn:millrace:" MILLRACE_VERSION;
  for (const auto& table : project.tables) {
    options.dataset_names["table." + table.name] = table.name;
  }
  options.dataset_names["registered"] = "model." + parts.training->name.value;
  if (parts.endpoint != nullptr) {
    options.dataset_names["deployed"] = "endpoint." + parts.endpoint->name;
  }
  return options;
}

}  // namespace

Result<void> RunPipeline(Environment& environment, const Project& project,
                         const cli::RunOptions& options, cli::RunListener& listener,
                         cli::RunReport& report) {
  const auto start = Clock::now();
  MILL_ASSIGN_OR_RETURN(const PipelineSpec* pipeline, ChoosePipeline(project, options.pipeline));
  report.pipeline = pipeline->name.value;
  report.status = "failed";
  // A destination that does not answer shows now, not when everything is trained.
  MILL_RETURN_IF_ERROR(environment.Artifacts());
  MILL_ASSIGN_OR_RETURN(const PipelineParts parts, ResolveParts(environment, project, *pipeline));
  MILL_ASSIGN_OR_RETURN(const pipelines::Graph graph, MakeGraph(parts));
  std::vector<std::string> stages;
  for (const auto& stage : pipeline->stages) {
    stages.push_back(stage.value);
  }
  const std::map<std::string, fs::path> stable_paths = StablePaths(parts);
  StageTracker tracker(graph, stages, environment, stable_paths, listener, report);
  pipelines::RunOptions run_options;
  run_options.cache_dir = environment.workspace().CacheDir();
  run_options.journal_dir = environment.workspace().JournalDir();
  run_options.threads = environment.threads();
  run_options.is_forced = options.no_cache;
  const Context context = environment.MakeContext();
  const auto sink = MakeLineageSink(context, environment.workspace().root(), ReadVariable);
  pipelines::LineageObserver lineage(LineageOf(project, parts), graph, *sink, *context.clock,
                                     tracker);
  run_options.observer = &lineage;
  const auto finished = pipelines::RunGraph(context, graph, run_options);
  lineage.OnPipelineEnd(finished.ok() && !finished->error);
  if (!finished.ok()) {
    return finished.error();
  }
  const pipelines::RunReport& ran = *finished;
  tracker.TellRest();
  report.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  report.status = StatusOf(report, ran.error.has_value());
  if (ran.error) {
    return *ran.error;
  }
  if (tracker.link_error()) {
    return *tracker.link_error();
  }
  if (!report.model_name.empty()) {
    MILL_ASSIGN_OR_RETURN(
        const tracking::ModelVersion version,
        environment.registry().GetVersion(report.model_name, report.model_version));
    report.aliases = version.aliases;
  }
  if (pipeline->stages.size() == StageNames().size()) {
    AddNextCommands(environment, parts, report);
  }
  return {};
}

}  // namespace millrace::app
