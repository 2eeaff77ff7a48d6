// SPDX-License-Identifier: Apache-2.0
// What the steps of a pipeline run share, resolved from the project; and where their results are
// linked to.
#include "app/pipeline_parts.h"

#include <algorithm>

#include "app/project_checks.h"
#include "base/check.h"

namespace millrace::app {

const features::ViewPlan& PipelineParts::Plan(const std::string& view) const {
  const auto found = std::find_if(plans.begin(), plans.end(), [&](const features::ViewPlan& plan) {
    return plan.name == view;
  });
  MILL_CHECK(found != plans.end());
  return *found;
}

std::vector<const features::ViewPlan*> PipelineParts::TrainingPlans() const {
  std::vector<const features::ViewPlan*> list;
  for (const auto& view : training->views) {
    list.push_back(&Plan(view.value));
  }
  return list;
}

std::vector<const features::ViewPlan*> PipelineParts::PublishedPlans() const {
  std::vector<const features::ViewPlan*> list = TrainingPlans();
  for (const auto& view : pipeline->publish) {
    const features::ViewPlan* plan = &Plan(view.value);
    if (std::find(list.begin(), list.end(), plan) == list.end()) {
      list.push_back(plan);
    }
  }
  return list;
}

Result<PipelineParts> ResolveParts(Environment& environment, const Project& project,
                                   const PipelineSpec& pipeline) {
  PipelineParts parts;
  parts.environment = &environment;
  parts.project = &project;
  parts.pipeline = &pipeline;
  parts.training = project.FindTraining(pipeline.training.value);
  parts.endpoint = project.FindEndpoint(pipeline.endpoint.value);
  parts.monitor = project.FindMonitor(pipeline.monitor.value);
  if (!parts.endpoint->as_of) {
    return base::FailedPrecondition("endpoint \"" + parts.endpoint->name +
                                    "\" has no as_of, and pipeline \"" + pipeline.name.value +
                                    "\" publishes features for it")
        .Hint("state the instant in endpoints/*.yaml, for example as_of: 2011-12-01");
  }
  MILL_ASSIGN_OR_RETURN(const auto engine, OpenProjectEngine(environment.MakeContext(), project,
                                                             environment.threads()));
  MILL_ASSIGN_OR_RETURN(parts.plans, CompileProjectFeatures(project, *engine));
  MILL_RETURN_IF_ERROR(CheckAgainstData(project, *engine, parts.plans));
  return parts;
}

std::map<std::string, std::filesystem::path> StablePaths(const PipelineParts& parts) {
  namespace fs = std::filesystem;
  std::map<std::string, fs::path> paths;
  for (const data::SqlTable& table : parts.project->tables) {
    paths["table." + table.name] = fs::path("offline") / table.name / (table.name + ".parquet");
  }
  for (const features::ViewPlan* plan : parts.PublishedPlans()) {
    paths["view." + plan->name] = fs::path("offline") / plan->name / (plan->name + ".parquet");
  }
  const fs::path training = fs::path("offline") / (parts.training->name.value + "_training");
  paths["labels"] = training / "labels.parquet";
  paths["training_set"] = training / "training_set.parquet";
  const fs::path reports = fs::path("reports") / parts.pipeline->name.value;
  for (const quality::Suite& suite : parts.project->suites) {
    paths["validation." + suite.table.value] =
        reports / ("validation_" + suite.table.value + ".json");
  }
  paths["choice"] = reports / "choice.json";
  paths["evaluation"] = reports / "evaluation";
  paths["scores"] = reports / "scores.parquet";
  paths["drift"] = reports / "drift.json";
  paths["drift_plots"] = reports / "drift_plots";
  paths["report"] = reports / "report.html";
  return paths;
}

}  // namespace millrace::app
