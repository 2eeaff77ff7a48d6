// SPDX-License-Identifier: Apache-2.0
// The stages that train and choose.
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "app/stages.h"
#include "app/trained_model.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "data/parquet.h"
#include "evaluation/binary_evaluation.h"

namespace millrace::app {

using Json = nlohmann::json;

Result<StageOutput> TrainLearner(const Context& context, const learners::Learner& learner,
                                 const learners::Params& params, const std::string& shown_as,
                                 const std::string& label, const std::vector<std::string>& features,
                                 const std::filesystem::path& training_set,
                                 const std::filesystem::path& out) {
  MILL_ASSIGN_OR_RETURN(const data::Table table, data::ReadParquet(context, training_set));
  MILL_ASSIGN_OR_RETURN(const SetRows train, ReadSet(table, "train", label, features));
  MILL_ASSIGN_OR_RETURN(const SetRows validation, ReadSet(table, "validation", label, features));
  const learners::TrainingData data{train.features, train.labels, validation.features,
                                    validation.labels};
  auto trained = learner.Train(context, data, params);
  if (!trained.ok()) {
    return std::move(trained).error().With("training " + shown_as + " on label " + label);
  }
  MILL_RETURN_IF_ERROR(WriteTrained(out, shown_as, learner.info().name, *trained, context.seed));
  StageOutput output;
  output.rows = static_cast<std::int64_t>(train.labels.size());
  output.metrics[shown_as + "_validation_auc"] = trained->validation_auc;
  output.metrics[shown_as + "_iterations"] = trained->best_iteration;
  for (const std::string& note : trained->notes) {
    output.notes.push_back(shown_as + ": " + note);
  }
  return output;
}

Result<StageOutput> ChooseLearner(const Context& context, const TrainingSpec& training,
                                  const std::vector<TrainedDir>& trained,
                                  const std::filesystem::path& training_set,
                                  const std::filesystem::path& out) {
  std::vector<TrainedModel> models;
  cli::TextTable table{
      "Learners on validation", {"learner", "ROC AUC", "iterations", "chosen"}, {}};
  std::size_t best = 0;
  for (const TrainedDir& dir : trained) {
    MILL_ASSIGN_OR_RETURN(TrainedModel model, ReadTrained(dir.dir));
    models.push_back(std::move(model));
    // The first of equals is kept: the order of the training file decides, never chance.
    if (models.back().validation_auc > models[best].validation_auc) {
      best = models.size() - 1;
    }
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    table.rows.push_back({models[i].name, base::FormatFixed(models[i].validation_auc, 4),
                          std::to_string(models[i].best_iteration), i == best ? "yes" : ""});
  }
  const models::Estimator& estimator = *models[best].estimator;
  MILL_ASSIGN_OR_RETURN(const data::Table rows, data::ReadParquet(context, training_set));
  MILL_ASSIGN_OR_RETURN(const SetRows validation, ReadSet(rows, "validation", training.label.name,
                                                          estimator.feature_names()));
  MILL_ASSIGN_OR_RETURN(
      const evaluation::BinaryEvaluation measured,
      evaluation::EvaluateBinary(context, PredictAll(estimator, validation.features),
                                 validation.labels, training.costs));
  const Json choice = {{"learner", models[best].name},
                       {"validation_auc", models[best].validation_auc},
                       {"threshold", measured.cheapest.threshold}};
  MILL_RETURN_IF_ERROR(base::WriteFileAtomic(out / "choice.json", base::DumpJsonPretty(choice)));
  StageOutput output;
  output.rows = static_cast<std::int64_t>(validation.labels.size());
  output.metrics["validation_auc"] = models[best].validation_auc;
  const bool acts = std::isfinite(measured.cheapest.threshold);
  if (acts) {  // "nobody" has no finite threshold; metrics are numbers
    output.metrics["threshold"] = measured.cheapest.threshold;
  }
  output.tables.push_back(std::move(table));
  output.notes.push_back(
      "chosen: " + models[best].name + "; cheapest decision threshold on validation " +
      (acts ? base::FormatFixed(measured.cheapest.threshold, 3) : "none: nobody"));
  return output;
}

}  // namespace millrace::app
