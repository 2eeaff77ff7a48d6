// SPDX-License-Identifier: Apache-2.0
// The project files that belong to no single module: millrace.yaml, training/*.yaml and
// pipelines/*.yaml.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config.h"
#include "evaluation/binary_evaluation.h"
#include "evaluation/groups.h"
#include "features/label.h"
#include "tracking/gates.h"

namespace millrace::app {

/// millrace.yaml: the project's name, and settings that the team shares.
struct ProjectFile {
  std::string name;
  std::string description;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> workspace;
  std::optional<std::string> backend_store_uri;
  std::optional<std::string> artifacts_destination;
  std::optional<std::string> default_artifact_root;
  std::optional<std::string> deployments_target;
  std::optional<std::string> durability;
  std::optional<std::int64_t> threads;
  std::optional<std::string> log_level;
  std::optional<std::string> host;
  std::optional<std::int64_t> port;

  static const base::Declaration<ProjectFile>& Declared();
};

/// A model of few features that the real one has to beat.
struct BaselineSpec {
  base::Located<std::string> learner;
  std::vector<base::Located<std::string>> features;

  static const base::Declaration<BaselineSpec>& Declared();
};

/// training/*.yaml: the label, the split by time, the learners and what the result must show.
struct TrainingSpec {
  base::Located<std::string> name;
  std::string description;
  base::Located<std::string> entity;
  std::vector<base::Located<std::string>> views;
  features::LabelSpec label;
  features::SplitSpec split;
  /// Learner name to its parameters, a map of numbers and texts.
  base::OrderedMap<base::YamlNode> learners;
  /// The validation metric by which a learner is chosen.
  std::string choose = "roc_auc";
  base::OrderedMap<BaselineSpec> baselines;
  evaluation::CostSpec costs;
  evaluation::EvaluationSpec evaluation;
  /// Empty: pipelines judge by the defaults, and nothing is kept with the model.
  std::optional<tracking::GateSpec> gates;

  static const base::Declaration<TrainingSpec>& Declared();
};

/// pipelines/*.yaml: which training, endpoint and monitor the stages work on.
struct PipelineSpec {
  base::Located<std::string> name;
  std::string description;
  base::Located<std::string> training;
  base::Located<std::string> endpoint;
  base::Located<std::string> monitor;
  /// Views whose values are published to the online store.
  std::vector<base::Located<std::string>> publish;
  /// HTTP requests of the score stage.
  std::int64_t requests = 1000;
  std::vector<base::Located<std::string>> stages;

  static const base::Declaration<PipelineSpec>& Declared();
};

/// The stages that a pipeline can have, in the order in which they must stand.
const std::vector<std::string>& StageNames();

}  // namespace millrace::app
