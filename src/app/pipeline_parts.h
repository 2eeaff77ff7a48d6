// SPDX-License-Identifier: Apache-2.0
// What the steps of a pipeline run share, resolved from the project; and where their results are
// linked to.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "app/environment.h"
#include "app/project.h"
#include "features/plan.h"

namespace millrace::app {

/// What the steps of a run share; outlives the graph.
struct PipelineParts {
  Environment* environment = nullptr;
  const Project* project = nullptr;
  const PipelineSpec* pipeline = nullptr;
  const TrainingSpec* training = nullptr;
  const serving::EndpointSpec* endpoint = nullptr;
  const monitoring::MonitorSpec* monitor = nullptr;
  /// All views of the project.
  std::vector<features::ViewPlan> plans;

  const features::ViewPlan& Plan(const std::string& view) const;
  /// The views that are computed and published: those of the training and those to be published,
  /// each once.
  std::vector<const features::ViewPlan*> PublishedPlans() const;
  std::vector<const features::ViewPlan*> TrainingPlans() const;
};

/// The parts of a pipeline: every name resolved, every view compiled.
///   - kFailedPrecondition if the endpoint of a pipeline that deploys has no `as_of`.
Result<PipelineParts> ResolveParts(Environment& environment, const Project& project,
                                   const PipelineSpec& pipeline);

/// Where a step's artifact is linked to, relative to the workspace, so that its path stays the same
/// from run to run; artifact to path.
std::map<std::string, std::filesystem::path> StablePaths(const PipelineParts& parts);

}  // namespace millrace::app
