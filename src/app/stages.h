// SPDX-License-Identifier: Apache-2.0
// What the stages of a pipeline do, as functions from files to files: domain calls in the right
// order. The graph is made in train_pipeline.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/project.h"
#include "base/context.h"
#include "base/result.h"
#include "cli/document.h"
#include "data/table.h"
#include "features/plan.h"
#include "learners/registry.h"

namespace millrace::app {

/// What a step tells beside its files; cached with them, so it holds no ids and only times that
/// were asked for.
struct StageOutput {
  std::int64_t rows = 0;
  std::map<std::string, double> metrics;
  std::vector<cli::TextTable> tables;
  std::vector<std::string> notes;
  /// The logged model whose answers these are; empty where no champion was asked.
  std::string champion;
};

// Every function writes its files into `out`, a folder that exists. File names are part of
// docs/formats/pipeline_outputs.md.

/// ingest: <table>.parquet.
Result<StageOutput> ComputeSqlTable(const Context& context, data::SqlEngine& engine,
                                    const data::SqlTable& table, const std::filesystem::path& out);

/// validate: validation.json; kFailedPrecondition if an expectation of severity `error` fails (the
/// table is in `output` all the same).
Result<void> CheckQuality(const Context& context, const quality::Suite& suite,
                          const std::filesystem::path& table, const std::filesystem::path& out,
                          StageOutput& output);

/// features: <view>.parquet, columns key, as_of and the view's, a row for each key alive at each
/// as-of time.
Result<StageOutput> ComputeView(const Context& context, const features::ViewPlan& plan,
                                const std::filesystem::path& source,
                                const std::vector<std::int64_t>& as_of,
                                const std::filesystem::path& out);

/// label: labels.parquet, columns key, as_of, label and `split` ("train", "validation", "test" or
/// null).
Result<StageOutput> MakeLabels(const Context& context, const TrainingSpec& training,
                               const std::filesystem::path& source,
                               const std::filesystem::path& out);

/// A view and the Parquet file of its events.
struct ViewFile {
  const features::ViewPlan* plan = nullptr;
  std::filesystem::path source;
};

/// label: training_set.parquet, the label rows with every feature as of their time.
Result<StageOutput> JoinTrainingSet(const Context& context, const TrainingSpec& training,
                                    const std::filesystem::path& labels,
                                    const std::vector<ViewFile>& views,
                                    const std::filesystem::path& out);

/// train: the native model file and trained.json. `features` are the columns that the learner may
/// see.
Result<StageOutput> TrainLearner(const Context& context, const learners::Learner& learner,
                                 const learners::Params& params, const std::string& shown_as,
                                 const std::string& label, const std::vector<std::string>& features,
                                 const std::filesystem::path& training_set,
                                 const std::filesystem::path& out);

/// Baselines are trained under their name with this in front.
inline constexpr std::string_view kBaselinePrefix = "baseline_";

/// A trained learner's folder, by the name it is shown under.
struct TrainedDir {
  std::string name;
  std::filesystem::path dir;
};

/// train: choice.json, the best learner on validation and the decision threshold that is cheapest
/// there.
Result<StageOutput> ChooseLearner(const Context& context, const TrainingSpec& training,
                                  const std::vector<TrainedDir>& trained,
                                  const std::filesystem::path& training_set,
                                  const std::filesystem::path& out);

/// What evaluate reads beside the training set.
struct EvaluationInputs {
  std::vector<TrainedDir> trained;
  std::vector<TrainedDir> baselines;
  std::filesystem::path choice;
  std::filesystem::path training_set;
  std::vector<std::filesystem::path> validations;
  std::vector<const features::ViewPlan*> views;
  /// The Parquet file of each table that the training's `evaluation` names.
  std::map<std::string, std::filesystem::path> tables = {};
};

/// evaluate: metrics.json, segments.json, fairness.json, test_scores.parquet, reference.parquet
/// (what monitoring compares with), importance.json, evaluation.html, plots/.
Result<StageOutput> Evaluate(const Context& context, const Project& project,
                             const TrainingSpec& training, const EvaluationInputs& inputs,
                             const std::filesystem::path& out);

}  // namespace millrace::app
