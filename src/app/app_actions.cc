// SPDX-License-Identifier: Apache-2.0
// The commands of the command line, fulfilled: opens what a command needs and calls it.
#include "app/app_actions.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/doctor.h"
#include "app/documents.h"
#include "app/environment.h"
#include "app/garbage.h"
#include "app/internal/ask.h"
#include "app/predict.h"
#include "app/project.h"
#include "app/project_checks.h"
#include "app/serve.h"
#include "app/starter.h"
#include "app/train_pipeline.h"
#include "app/transfer.h"
#include "base/json.h"
#include "base/progress.h"

namespace millrace::app {
using internal::Ask;

namespace {

Result<std::filesystem::path> RequireProject(const std::optional<std::filesystem::path>& root) {
  if (!root) {
    return base::NotFound("the current folder has no millrace.yaml")
        .Hint("name the folder of a project, or make one with: millrace init DIR");
  }
  return *root;
}

}  // namespace

Result<cli::Document> AppActions::Init(const std::filesystem::path& dir) {
  return InitProject(dir);
}

Result<void> AppActions::Run(const cli::Invocation& invocation, const cli::RunOptions& options,
                             cli::RunListener& listener, cli::RunReport& report) {
  std::optional<std::filesystem::path> root;
  MILL_ASSIGN_OR_RETURN(const cli::Settings settings, LoadSettings(invocation, root));
  MILL_ASSIGN_OR_RETURN(const std::filesystem::path project_root, RequireProject(root));
  // A mistake in a project file is told before a workspace is made.
  learners::LearnerRegistry learners;
  MILL_RETURN_IF_ERROR(learners::RegisterBuiltinLearners(learners));
  MILL_ASSIGN_OR_RETURN(const Project project, LoadProject(project_root, learners));
  MILL_ASSIGN_OR_RETURN(const auto environment,
                        Environment::Open(invocation, /*create=*/true, stop_));
  MILL_RETURN_IF_ERROR(environment->workspace().CheckWritable());
  return RunPipeline(*environment, project, options, listener, report);
}

Result<cli::Document> AppActions::Validate(const cli::Invocation& invocation) {
  MILL_ASSIGN_OR_RETURN(const auto root, FindProject(invocation.project));
  MILL_ASSIGN_OR_RETURN(const std::filesystem::path project_root, RequireProject(root));
  learners::LearnerRegistry learners;
  MILL_RETURN_IF_ERROR(learners::RegisterBuiltinLearners(learners));
  MILL_ASSIGN_OR_RETURN(const Project project, LoadProject(project_root, learners));
  MILL_ASSIGN_OR_RETURN(const auto engine, OpenProjectEngine(Context{}, project, 1));
  MILL_ASSIGN_OR_RETURN(const auto plans, CompileProjectFeatures(project, *engine));
  MILL_RETURN_IF_ERROR(CheckAgainstData(project, *engine, plans));
  cli::Document document;
  nlohmann::json views = nlohmann::json::object();
  for (const features::ViewPlan& plan : plans) {
    views[plan.name] = plan.hash.Hex();
  }
  document.lines.push_back("project " + project.file.name + ": " + std::to_string(project.n_files) +
                           " files, " + std::to_string(project.tables.size()) + " tables, " +
                           std::to_string(plans.size()) + " feature views, no mistakes");
  document.json = base::DumpJson(
      {{"project", project.file.name}, {"files", project.n_files}, {"views", std::move(views)}});
  return document;
}

Result<void> AppActions::Serve(const cli::Invocation& invocation,
                               const cli::ServeOptions& options) {
  MILL_ASSIGN_OR_RETURN(const auto environment,
                        Environment::Open(invocation, /*create=*/true, stop_));
  return app::Serve(*environment, options, stop_);
}

Result<cli::Document> AppActions::Predict(const cli::Invocation& invocation,
                                          const cli::PredictOptions& options) {
  return Ask(invocation,
             [&](Environment& environment) { return app::Predict(environment, options); });
}

Result<cli::Document> AppActions::FeaturesShow(const cli::Invocation& invocation,
                                               const std::string& view,
                                               const std::vector<std::string>& keys) {
  return Ask(invocation,
             [&](Environment& environment) { return app::FeaturesShow(environment, view, keys); });
}

Result<cli::Document> AppActions::ModelsList(const cli::Invocation& invocation) {
  return Ask(invocation, app::ModelsList);
}

Result<cli::Document> AppActions::ModelsShow(const cli::Invocation& invocation,
                                             const std::string& name) {
  return Ask(invocation,
             [&](Environment& environment) { return app::ModelsShow(environment, name); });
}

Result<cli::Document> AppActions::ImportMlflow(const cli::Invocation& invocation,
                                               const std::string& from, bool is_dry_run) {
  if (is_dry_run) {
    const auto progress = base::MakeTerminalProgress();
    Context context;
    context.stop = stop_;
    context.progress = progress.get();
    return app::CountImport(context, from);
  }
  MILL_ASSIGN_OR_RETURN(const auto environment,
                        Environment::Open(invocation, /*create=*/true, stop_));
  return app::ImportMlflow(*environment, from);
}

Result<cli::Document> AppActions::ExportMlflow(const cli::Invocation& invocation,
                                               const std::string& to, bool is_dry_run) {
  MILL_ASSIGN_OR_RETURN(const auto environment,
                        Environment::Open(invocation, /*create=*/false, stop_));
  return is_dry_run ? app::CountExport(*environment) : app::ExportMlflow(*environment, to);
}

Result<cli::Document> AppActions::CollectGarbage(const cli::Invocation& invocation,
                                                 const cli::GarbageOptions& options) {
  return Ask(invocation, [&options](Environment& environment) {
    return app::CollectGarbage(environment, options);
  });
}

Result<cli::Document> AppActions::ConfigShow(const cli::Invocation& invocation) {
  std::optional<std::filesystem::path> root;
  MILL_ASSIGN_OR_RETURN(const cli::Settings settings, LoadSettings(invocation, root));
  return app::ConfigShow(settings, WorkspacePath(settings, root));
}

Result<cli::Document> AppActions::Doctor(const cli::Invocation& invocation) {
  return app::Doctor(invocation);
}

Result<cli::Document> AppActions::Schema(const std::string& kind) {
  learners::LearnerRegistry learners;
  MILL_RETURN_IF_ERROR(learners::RegisterBuiltinLearners(learners));
  return app::Schema(kind, learners);
}

cli::Document AppActions::Version() {
  return app::Version();
}

}  // namespace millrace::app
