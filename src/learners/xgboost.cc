// SPDX-License-Identifier: Apache-2.0
// Gradient-boosted trees by XGBoost's C API: one thread inside, so that the bytes do not depend on
// the machine.
#include "models/xgboost.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include <xgboost/c_api.h>

#include "base/check.h"
#include "data/matrix.h"
#include "learners/internal/training.h"
#include "learners/registry.h"

namespace millrace::learners {
namespace {

struct MatrixDeleter {
  void operator()(void* handle) const { XGDMatrixFree(handle); }
};
struct BoosterDeleter {
  void operator()(void* handle) const { XGBoosterFree(handle); }
};
using DMatrix = std::unique_ptr<void, MatrixDeleter>;
using Booster = std::unique_ptr<void, BoosterDeleter>;

Result<void> Checked(int code, std::string_view doing) {
  if (code == 0) {
    return {};
  }
  return base::Internal("XGBoost failed while " + std::string(doing) + ": " + XGBGetLastError());
}

LearnerInfo MakeInfo() {
  using internal::ChoiceParam;
  using internal::DoubleParam;
  using internal::IntegerParam;
  LearnerInfo info;
  info.name = "xgboost";
  info.summary = "Gradient-boosted trees, grown level by level (XGBoost, hist).";
  info.capabilities = {.native_missing = true, .early_stopping = true, .parallel = false};
  info.params = {
      IntegerParam("num_boost_round", 1000, 1, 100'000, "Most trees to grow."),
      DoubleParam("learning_rate", 0.05, 1e-5, 1, "Share of each tree that is added."),
      IntegerParam("max_depth", 6, 1, 64, "Most levels of a tree."),
      IntegerParam("max_leaves", 0, 0, 131'072, "Most leaves of a tree; 0 is no limit."),
      ChoiceParam("grow_policy", "depthwise", {"depthwise", "lossguide"},
                  "Which leaf is split next."),
      DoubleParam("min_child_weight", 1, 0, 1e9, "Smallest sum of second derivatives of a leaf."),
      DoubleParam("gamma", 0, 0, 1e9, "Smallest gain of a split."),
      DoubleParam("reg_lambda", 1, 0, 1e9, "L2 penalty of leaf values."),
      DoubleParam("reg_alpha", 0, 0, 1e9, "L1 penalty of leaf values."),
      DoubleParam("subsample", 1, 0.01, 1, "Share of the rows that each tree sees."),
      DoubleParam("colsample_bytree", 1, 0.01, 1, "Share of the columns that each tree may use."),
      DoubleParam("scale_pos_weight", 1, 1e-6, 1e6,
                  "Weight of positive rows; other than 1 it moves the probabilities."),
      IntegerParam("max_bin", 256, 2, 65'535, "Most bins of a column."),
      IntegerParam(
          "early_stopping_rounds", 50, 0, 100'000,
          "Iterations without a better validation metric before training stops; 0 never stops."),
      ChoiceParam("metric", "auc", {"auc", "logloss"},
                  "Validation metric that decides the best iteration."),
  };
  return info;
}

/// NumPy's array interface, by which XGBoost reads the caller's memory.
std::string ArrayInterface(const void* values, const char* type, std::size_t rows,
                           std::size_t columns) {
  return "{\"data\":[" + std::to_string(reinterpret_cast<std::uintptr_t>(values)) +
         ",true],\"shape\":[" + std::to_string(rows) +
         (columns > 0 ? "," + std::to_string(columns) : "") + "],\"typestr\":\"" + type +
         "\",\"version\":3}";
}

Result<DMatrix> MakeMatrix(const data::Matrix& rows, std::span<const std::uint8_t> labels) {
  const std::string values =
      ArrayInterface(rows.values.data(), "<f8", rows.rows, rows.names.size());
  DMatrixHandle handle = nullptr;
  MILL_RETURN_IF_ERROR(
      Checked(XGDMatrixCreateFromDense(values.c_str(), "{\"missing\":NaN,\"nthread\":1}", &handle),
              "reading the rows"));
  DMatrix matrix(handle);
  const std::vector<float> label(labels.begin(), labels.end());
  const std::string interface = ArrayInterface(label.data(), "<f4", label.size(), 0);
  MILL_RETURN_IF_ERROR(Checked(XGDMatrixSetInfoFromInterface(handle, "label", interface.c_str()),
                               "setting the labels"));
  return matrix;
}

Result<std::vector<const char*>> NamePointers(const std::vector<std::string>& names) {
  std::vector<const char*> pointers;
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_of("[]<") != std::string::npos) {
      return base::InvalidArgument(
                 "column \"" + name +
                 "\" cannot be named in an XGBoost model; a name without any of [ ] < is wanted")
          .Hint("rename the feature");
    }
    pointers.push_back(name.c_str());
  }
  return pointers;
}

Result<void> SetParams(const Context& context, const Params& params, void* booster) {
  std::vector<std::pair<std::string, std::string>> settings = {
      {"objective", "binary:logistic"},
      {"booster", "gbtree"},
      {"tree_method", "hist"},
      {"device", "cpu"},
      {"disable_default_eval_metric", "1"},
      {"verbosity", "0"},
      {"nthread", "1"},
      // XGBoost keeps a 64-bit seed; 31 bits are the same on every path that reads it.
      {"seed", std::to_string(context.seed & 0x7fffffffU)}};
  for (const auto& [name, value] : params) {
    if (name != "num_boost_round" && name != "early_stopping_rounds" && name != "metric") {
      settings.emplace_back(name, ParamText(value));
    }
  }
  for (const auto& [name, value] : settings) {
    MILL_RETURN_IF_ERROR(Checked(XGBoosterSetParam(booster, name.c_str(), value.c_str()),
                                 "setting parameter " + name));
  }
  return {};
}

Result<internal::EarlyStop> Boost(const Context& context, const TrainingData& data,
                                  const Params& params, void* booster, void* train,
                                  void* validation) {
  const int iterations = internal::Integer(params, "num_boost_round");
  const std::string& metric = internal::Text(params, "metric");
  internal::EarlyStop stop(metric == "auc", internal::Integer(params, "early_stopping_rounds"));
  internal::ProgressScope progress(context, "xgboost", static_cast<std::uint64_t>(iterations));
  std::vector<double> scores(data.validation.rows);
  for (int i = 0; i < iterations; ++i) {
    MILL_RETURN_IF_ERROR(context.Check());
    MILL_RETURN_IF_ERROR(Checked(XGBoosterUpdateOneIter(booster, i, train), "growing a tree"));
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* values = nullptr;
    // Whole-model predictions of a matrix that the booster knows are cached: each call adds the new
    // tree only.
    MILL_RETURN_IF_ERROR(
        Checked(XGBoosterPredictFromDMatrix(booster, validation,
                                            "{\"type\":0,\"training\":false,\"iteration_begin\":0,"
                                            "\"iteration_end\":0,\"strict_shape\":false}",
                                            &shape, &dimensions, &values),
                "scoring validation rows"));
    for (std::size_t row = 0; row < scores.size(); ++row) {
      scores[row] = static_cast<double>(values[row]);
    }
    MILL_ASSIGN_OR_RETURN(const double value,
                          internal::CurveValue(metric, scores, data.validation_labels));
    progress.Advance(1);
    if (stop.Add(value)) {
      break;
    }
  }
  return stop;
}

class XgboostLearner final : public Learner {
 public:
  XgboostLearner() : info_(MakeInfo()) {}
  const LearnerInfo& info() const override { return info_; }
  Result<Trained> Train(const Context& context, const TrainingData& data,
                        const Params& given) const override;

 private:
  LearnerInfo info_;
};

Result<Trained> XgboostLearner::Train(const Context& context, const TrainingData& data,
                                      const Params& given) const {
  Trained trained;
  MILL_ASSIGN_OR_RETURN(trained.params, CheckParams(info_, given));
  MILL_ASSIGN_OR_RETURN(trained.notes, internal::CheckTrainingData(data));
  MILL_RETURN_IF_ERROR(context.Check());
  MILL_ASSIGN_OR_RETURN(std::vector<const char*> names, NamePointers(data.train.names));
  MILL_ASSIGN_OR_RETURN(const DMatrix train, MakeMatrix(data.train, data.train_labels));
  MILL_ASSIGN_OR_RETURN(const DMatrix validation,
                        MakeMatrix(data.validation, data.validation_labels));
  const DMatrixHandle known[] = {train.get(), validation.get()};
  BoosterHandle handle = nullptr;
  MILL_RETURN_IF_ERROR(Checked(XGBoosterCreate(known, 2, &handle), "creating the booster"));
  const Booster booster(handle);
  MILL_RETURN_IF_ERROR(SetParams(context, trained.params, handle));

  MILL_ASSIGN_OR_RETURN(internal::EarlyStop stop, Boost(context, data, trained.params, handle,
                                                        train.get(), validation.get()));
  trained.best_iteration = stop.best_iteration();
  trained.curve = std::move(stop).TakeCurve();
  trained.curve_metric = internal::Text(trained.params, "metric");
  // The native booster predicts with all of its trees, so the saved one must hold no more than the
  // best iteration.
  BoosterHandle sliced = nullptr;
  MILL_RETURN_IF_ERROR(Checked(XGBoosterSlice(handle, 0, trained.best_iteration, 1, &sliced),
                               "slicing to the best iteration"));
  const Booster best(sliced);
  // A slice keeps no names.
  MILL_RETURN_IF_ERROR(
      Checked(XGBoosterSetStrFeatureInfo(sliced, "feature_name", names.data(), names.size()),
              "naming the columns"));
  bst_ulong length = 0;
  const char* bytes = nullptr;
  MILL_RETURN_IF_ERROR(
      Checked(XGBoosterSaveModelToBuffer(sliced, "{\"format\":\"ubj\"}", &length, &bytes),
              "saving the model"));
  MILL_ASSIGN_OR_RETURN(trained.estimator, models::ParseXgboost(std::string_view(bytes, length)));
  trained.gain = internal::Shares(trained.estimator->GainImportance());
  MILL_ASSIGN_OR_RETURN(trained.validation_auc, internal::ValidationAuc(*trained.estimator, data));
  return trained;
}

}  // namespace

std::unique_ptr<Learner> MakeXgboostLearner() {
  return std::make_unique<XgboostLearner>();
}

}  // namespace millrace::learners
