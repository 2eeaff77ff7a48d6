// SPDX-License-Identifier: Apache-2.0
// The folder of a trained learner: its native model file and trained.json; and the sets of a
// training set.
#include "app/trained_model.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "models/lightgbm.h"
#include "models/logistic_regression.h"
#include "models/random_forest.h"
#include "models/xgboost.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

Result<std::shared_ptr<const models::Estimator>> ParseEstimator(const std::string& kind,
                                                                const std::string& bytes) {
  if (kind == "lightgbm") {
    return models::ParseLightGbm(bytes);
  }
  if (kind == "xgboost") {
    return models::ParseXgboost(bytes);
  }
  if (kind == "random_forest") {
    return models::ParseRandomForest(bytes);
  }
  if (kind == "logistic_regression") {
    return models::ParseLogisticRegression(bytes);
  }
  return base::DataLoss("trained.json names the kind \"" + kind +
                        "\", which this program does not know")
      .Hint("run with the program that trained it, or delete the workspace's cache");
}

}  // namespace

Result<void> WriteTrained(const std::filesystem::path& dir, const std::string& name,
                          const std::string& learner, const learners::Trained& trained,
                          std::uint64_t seed) {
  const models::Estimator& estimator = *trained.estimator;
  MILL_RETURN_IF_ERROR(
      base::WriteFileAtomic(dir / estimator.NativeFileName(), estimator.NativeBytes()));
  Json params = Json::object();
  for (const auto& [key, value] : trained.params) {
    params[key] = learners::ParamText(value);
  }
  const Json text = {{"name", name},
                     {"learner", learner},
                     {"kind", std::string(estimator.kind())},
                     {"file", estimator.NativeFileName()},
                     {"validation_auc", trained.validation_auc},
                     {"best_iteration", trained.best_iteration},
                     {"curve", trained.curve},
                     {"curve_metric", trained.curve_metric},
                     {"gain", trained.gain},
                     {"params", std::move(params)},
                     {"seed", seed}};
  return base::WriteFileAtomic(dir / "trained.json", base::DumpJsonPretty(text));
}

Result<TrainedModel> ReadTrained(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / "trained.json";
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
  MILL_ASSIGN_OR_RETURN(const Json json, base::ParseJson(text, path.string()));
  TrainedModel model;
  std::string kind;
  std::string file;
  try {
    model.name = json.at("name").get<std::string>();
    model.learner = json.at("learner").get<std::string>();
    kind = json.at("kind").get<std::string>();
    file = json.at("file").get<std::string>();
    model.validation_auc = json.at("validation_auc").get<double>();
    model.best_iteration = json.at("best_iteration").get<int>();
    model.gain = json.at("gain").get<std::vector<double>>();
    model.params = json.at("params").get<std::map<std::string, std::string>>();
    model.seed = json.at("seed").get<std::uint64_t>();
  } catch (const Json::exception& error) {
    return base::DataLoss("file \"" + path.string() + "\": " + error.what());
  }
  MILL_ASSIGN_OR_RETURN(const std::string bytes, base::ReadFile(dir / file));
  MILL_ASSIGN_OR_RETURN(model.estimator, ParseEstimator(kind, bytes));
  return model;
}

std::vector<double> PredictAll(const models::Estimator& estimator, const data::Matrix& rows) {
  std::vector<double> scores(rows.rows);
  estimator.MakeEngine()->Predict(rows.values.data(), rows.rows, scores.data());
  return scores;
}

std::int64_t SetRows::positives() const {
  return std::count(labels.begin(), labels.end(), std::uint8_t{1});
}

Result<SetRows> ReadSet(const data::Table& training_set, const std::string& set,
                        const std::string& label, std::span<const std::string> features) {
  MILL_ASSIGN_OR_RETURN(const data::StringColumn split, training_set.Strings("split"));
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < split.codes.size(); ++i) {
    if (split.codes[i] >= 0 && split.values[static_cast<std::size_t>(split.codes[i])] == set) {
      rows.push_back(static_cast<std::int64_t>(i));
    }
  }
  SetRows result;
  MILL_ASSIGN_OR_RETURN(result.table, training_set.Take(rows));
  MILL_ASSIGN_OR_RETURN(result.features, data::ToMatrix(result.table, features));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column labels, result.table.Int64s(label));
  std::transform(labels.values.begin(), labels.values.end(), std::back_inserter(result.labels),
                 [](std::int64_t value) { return static_cast<std::uint8_t>(value); });
  return result;
}

}  // namespace millrace::app
