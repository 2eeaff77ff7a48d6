// SPDX-License-Identifier: Apache-2.0
// The project files that belong to no single module: millrace.yaml, training/*.yaml and
// pipelines/*.yaml.
#include "app/project_files.h"

namespace millrace::app {

const base::Declaration<ProjectFile>& ProjectFile::Declared() {
  static const auto declaration =
      base::Declaration<ProjectFile>(
          "millrace", "millrace.yaml: the project's name, and settings that the team shares.")
          .Field("name", &ProjectFile::name, "Name of the project.", {.required = true})
          .Field("description", &ProjectFile::description,
                 "What the project is for, in one sentence.")
          .Field("seed", &ProjectFile::seed, "Start of every random choice.", {.minimum = 0})
          .Field("workspace", &ProjectFile::workspace,
                 "Folder for everything that is kept; relative to the project.")
          .Field("backend_store_uri", &ProjectFile::backend_store_uri,
                 "Database of experiments, runs and models: postgresql://user@host/database, "
                 "sqlite:///path, or empty for the workspace's own.")
          .Field("artifacts_destination", &ProjectFile::artifacts_destination,
                 "Where artifacts are kept: a folder, s3://bucket/folder, "
                 "abfss://container@account.dfs.core.windows.net/folder, or empty for the "
                 "workspace.")
          .Field("default_artifact_root", &ProjectFile::default_artifact_root,
                 "URI under which new experiments keep artifacts: mlflow-artifacts: (through "
                 "`serve`), a folder, s3://bucket/folder or "
                 "abfss://container@account.dfs.core.windows.net/folder.")
          .Field("deployments_target", &ProjectFile::deployments_target,
                 "URL of MLflow's deployments server, which `serve` asks for the prompt lab; "
                 "default: none.")
          .Field("durability", &ProjectFile::durability,
                 "What an acknowledged write survives: a power failure (disk), or only the end of "
                 "this program (process).",
                 {.one_of = {"disk", "process"}})
          .Field("threads", &ProjectFile::threads,
                 "Threads for features and training; 0 takes the number of cores.",
                 {.minimum = 0, .maximum = 1024})
          .Field("log_level", &ProjectFile::log_level, "Least level of log lines.",
                 {.one_of = {"debug", "info", "warn", "error"}})
          .Field("host", &ProjectFile::host, "Address that `serve` listens on.")
          .Field("port", &ProjectFile::port, "Port that `serve` listens on; 0 picks a free one.",
                 {.minimum = 0, .maximum = 65535});
  return declaration;
}

const base::Declaration<BaselineSpec>& BaselineSpec::Declared() {
  static const auto declaration =
      base::Declaration<BaselineSpec>("baseline",
                                      "A model of few features that the real one has to beat.")
          .Field("learner", &BaselineSpec::learner,
                 "One of the learners of this file; its parameters are used.", {.required = true})
          .Field("features", &BaselineSpec::features, "The features that the baseline may see.",
                 {.required = true});
  return declaration;
}

const base::Declaration<TrainingSpec>& TrainingSpec::Declared() {
  static const auto declaration =
      base::Declaration<TrainingSpec>(
          "training", "training/*.yaml: the label, the split by time, the learners and the gates.")
          .Field("name", &TrainingSpec::name, "Name of the registered model.", {.required = true})
          .Field("description", &TrainingSpec::description,
                 "What is predicted for whom, in one sentence.")
          .Field("entity", &TrainingSpec::entity, "What is predicted for; the entity of the views.",
                 {.required = true})
          .Field("views", &TrainingSpec::views, "Feature views whose columns the model sees.",
                 {.required = true})
          .Field("label", &TrainingSpec::label, "What is predicted, and as of when.",
                 {.required = true})
          .Field("split", &TrainingSpec::split, "Which as-of times train, validate and test.",
                 {.required = true})
          .Field("learners", &TrainingSpec::learners,
                 "Learner to its parameters; the best on validation is taken.", {.required = true})
          .Field("choose", &TrainingSpec::choose,
                 "The validation metric by which a learner is chosen.", {.one_of = {"roc_auc"}})
          .Field("baselines", &TrainingSpec::baselines,
                 "Models of few features that the chosen one has to beat.")
          .Field("costs", &TrainingSpec::costs,
                 "What right and wrong decisions cost; a gain is a negative cost.")
          .Field("evaluation", &TrainingSpec::evaluation,
                 "Which groups of the test rows are looked at apart: segments, and fairness.")
          .Field("gates", &TrainingSpec::gates,
                 "What a new version must show before it becomes champion.");
  return declaration;
}

const base::Declaration<PipelineSpec>& PipelineSpec::Declared() {
  static const auto declaration =
      base::Declaration<PipelineSpec>(
          "pipeline", "pipelines/*.yaml: the stages of a run, and what they work on.")
          .Field("name", &PipelineSpec::name, "Name of the pipeline.", {.required = true})
          .Field("description", &PipelineSpec::description,
                 "What the pipeline does, in one sentence.")
          .Field("training", &PipelineSpec::training, "Name of a training.", {.required = true})
          .Field("endpoint", &PipelineSpec::endpoint, "Name of an endpoint.", {.required = true})
          .Field("monitor", &PipelineSpec::monitor, "Name of a monitor.", {.required = true})
          .Field("publish", &PipelineSpec::publish,
                 "Views whose values go to the online store (those of the training always do).")
          .Field("requests", &PipelineSpec::requests, "HTTP requests of the score stage.",
                 {.minimum = 1, .maximum = 1000000})
          .Field("stages", &PipelineSpec::stages,
                 "The stages to run, in their order: ingest, validate, features, label, train, "
                 "evaluate, register, deploy, score, "
                 "monitor. A stage needs those before it.",
                 {.required = true});
  return declaration;
}

const std::vector<std::string>& StageNames() {
  static const std::vector<std::string> names = {"ingest", "validate", "features", "label",
                                                 "train",  "evaluate", "register", "deploy",
                                                 "score",  "monitor"};
  return names;
}

}  // namespace millrace::app
