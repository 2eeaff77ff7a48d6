// SPDX-License-Identifier: Apache-2.0
// A project in memory: every file read, checked by itself and against the others, all mistakes told
// at once.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/project_files.h"
#include "base/context.h"
#include "base/result.h"
#include "data/source.h"
#include "data/sql_engine.h"
#include "data/sql_table.h"
#include "features/plan.h"
#include "features/spec.h"
#include "learners/registry.h"
#include "monitoring/drift.h"
#include "quality/suite.h"
#include "serving/endpoint_spec.h"

namespace millrace::app {

/// Everything that a team wrote. Tables come after those they depend on.
struct Project {
  std::filesystem::path root;
  ProjectFile file;
  data::SourcesFile sources;
  std::vector<data::SqlTable> tables;
  std::vector<features::FeatureFile> features;
  std::vector<quality::Suite> suites;
  std::vector<TrainingSpec> trainings;
  std::vector<serving::EndpointSpec> endpoints;
  std::vector<monitoring::MonitorSpec> monitors;
  std::vector<PipelineSpec> pipelines;
  /// Number of files read.
  int n_files = 0;

  const TrainingSpec* FindTraining(std::string_view name) const;
  const serving::EndpointSpec* FindEndpoint(std::string_view name) const;
  const monitoring::MonitorSpec* FindMonitor(std::string_view name) const;
  const data::SourceSpec* FindSource(std::string_view name) const;
};

/// The folder of the project that a command means: the named one, which must hold millrace.yaml;
/// without a name the current folder if it does, otherwise none.
Result<std::optional<std::filesystem::path>> FindProject(const std::filesystem::path& named);

/// Reads millrace.yaml alone.
Result<ProjectFile> ReadProjectFile(const std::filesystem::path& root);

/// Reads and checks every file of the project; names that point nowhere are mistakes with the
/// nearest name. The error holds all mistakes (`Error::others`), each with its file (relative to
/// the project), line and column.
Result<Project> LoadProject(const std::filesystem::path& root,
                            const learners::LearnerRegistry& learners);

/// An engine with every source and table of the project as a view, for schemas and for computing
/// tables.
Result<std::unique_ptr<data::SqlEngine>> OpenProjectEngine(const Context& context,
                                                           const Project& project, int threads);

/// The plans of all views; mistakes in feature texts are told all at once.
Result<std::vector<features::ViewPlan>> CompileProjectFeatures(const Project& project,
                                                               data::SqlEngine& engine);

/// The parameters of a learner as declared in a training file. kInvalidArgument with the place in
/// the file.
Result<learners::Params> ReadLearnerParams(const base::YamlNode& node);

}  // namespace millrace::app
