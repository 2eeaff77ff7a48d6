// SPDX-License-Identifier: Apache-2.0
// The engine against XGBoost itself: boosters trained here, scored by both, compared bit by bit;
// JSON and UBJSON.
#include "models/xgboost.h"

#include <nlohmann/json.hpp>
#include <xgboost/c_api.h>

#include "models/internal/ubjson.h"
#include "models/test_support.h"

namespace millrace::models {
namespace {

using testing::TrainingRows;

/// A matrix of XGBoost over rows that it reads once.
class Matrix {
 public:
  Matrix(const std::vector<double>& values, std::size_t n_features) {
    const auto address = reinterpret_cast<std::uintptr_t>(values.data());
    const std::string array = R"({"data":[)" + std::to_string(address) + R"(,true],"shape":[)" +
                              std::to_string(values.size() / n_features) + "," +
                              std::to_string(n_features) + R"(],"typestr":"<f8","version":3})";
    const int code =
        XGDMatrixCreateFromDense(array.c_str(), R"({"missing":NaN,"nthread":1})", &handle_);
    EXPECT_EQ(code, 0) << XGBGetLastError();
  }
  ~Matrix() { XGDMatrixFree(handle_); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  DMatrixHandle get() const { return handle_; }

 private:
  DMatrixHandle handle_ = nullptr;
};

using Parameters = std::vector<std::pair<std::string, std::string>>;

class Trained {
 public:
  Trained(const TrainingRows& rows, const Parameters& parameters, int n_iterations,
          bool has_category)
      : n_features_(rows.n_features), data_(rows.values, rows.n_features) {
    Check(XGDMatrixSetFloatInfo(data_.get(), "label", rows.labels.data(), rows.n_rows()));
    if (has_category) {
      std::vector<const char*> types(rows.n_features, "q");
      types.back() = "c";
      Check(XGDMatrixSetStrFeatureInfo(data_.get(), "feature_type", types.data(), types.size()));
    }
    const DMatrixHandle handle = data_.get();
    Check(XGBoosterCreate(&handle, 1, &booster_));
    Check(XGBoosterSetParam(booster_, "nthread", "1"));
    for (const auto& [key, value] : parameters) {
      Check(XGBoosterSetParam(booster_, key.c_str(), value.c_str()));
    }
    for (int i = 0; i < n_iterations; ++i) {
      Check(XGBoosterUpdateOneIter(booster_, i, data_.get()));
    }
  }
  ~Trained() { XGBoosterFree(booster_); }
  Trained(const Trained&) = delete;
  Trained& operator=(const Trained&) = delete;

  std::string Bytes(const std::string& format) const {
    bst_ulong size = 0;
    const char* bytes = nullptr;
    Check(XGBoosterSaveModelToBuffer(booster_, (R"({"format":")" + format + R"("})").c_str(), &size,
                                     &bytes));
    return std::string(bytes, size);
  }

  std::vector<double> Predict(const std::vector<double>& rows) const {
    const Matrix matrix(rows, n_features_);
    const bst_ulong* shape = nullptr;
    bst_ulong n_dims = 0;
    const float* result = nullptr;
    Check(XGBoosterPredictFromDMatrix(
        booster_, matrix.get(),
        R"({"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false})",
        &shape, &n_dims, &result));
    return std::vector<double>(result, result + rows.size() / n_features_);
  }

 private:
  static void Check(int code) { ASSERT_EQ(code, 0) << XGBGetLastError(); }

  std::size_t n_features_;
  Matrix data_;
  BoosterHandle booster_ = nullptr;
};

std::vector<testing::Split> Splits(const std::string& json_text) {
  std::vector<testing::Split> splits;
  const auto document = nlohmann::json::parse(json_text);
  for (const auto& tree : document["learner"]["gradient_booster"]["model"]["trees"]) {
    for (std::size_t i = 0; i < tree["left_children"].size(); ++i) {
      if (tree["left_children"][i].get<int>() >= 0 && tree["split_type"][i].get<int>() == 0) {
        splits.push_back({tree["split_indices"][i].get<std::size_t>(),
                          tree["split_conditions"][i].get<float>()});
      }
    }
  }
  return splits;
}

struct Case {
  const char* name;
  Parameters parameters;
  bool has_category = false;
};

class XgboostParity : public ::testing::TestWithParam<Case> {};

TEST_P(XgboostParity, ScoresHaveXgboostsBits) {
  const TrainingRows rows = testing::MakeTrainingRows(1500, 6, 40, 1);
  Parameters parameters = {{"objective", "binary:logistic"}, {"max_depth", "6"}};
  parameters.insert(parameters.end(), GetParam().parameters.begin(), GetParam().parameters.end());
  const Trained trained(rows, parameters, 40, GetParam().has_category);
  const std::string json_text = trained.Bytes("json");
  const auto splits = Splits(json_text);
  ASSERT_GT(splits.size(), 100U);
  auto edge = testing::EdgeRows(rows, splits, 3e38, false);
  if (GetParam().has_category) {
    // XGBoost refuses negative and large categories at prediction; a value between categories is
    // truncated.
    for (std::size_t i = 5; i < edge.size(); i += 6) {
      edge[i] = std::isnan(edge[i]) ? edge[i] : std::fmod(std::fabs(edge[i]), 60.0);
    }
  }
  const std::vector<double> theirs = trained.Predict(edge);
  const std::string ubj = trained.Bytes("ubj");
  for (const std::string& bytes : {json_text, ubj}) {
    const auto estimator = ParseXgboost(bytes);
    ASSERT_TRUE(estimator.ok()) << estimator.error().ToString();
    EXPECT_EQ((*estimator)->NativeBytes(), bytes);
    EXPECT_EQ((*estimator)->NativeFileName(), bytes == ubj ? "model.ubj" : "model.json");
    testing::ExpectSameBits(testing::PredictEveryWay(*(*estimator)->MakeEngine(), edge), theirs);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Options, XgboostParity,
    ::testing::Values(Case{"MissingValues", {}}, Case{"BaseScore", {{"base_score", "0.2"}}},
                      Case{"Exact", {{"tree_method", "exact"}}},
                      Case{"DeepTrees", {{"max_depth", "14"}, {"min_child_weight", "0"}}},
                      Case{"LossGuide", {{"grow_policy", "lossguide"}, {"max_leaves", "64"}}},
                      Case{"Pruned", {{"gamma", "2"}, {"tree_method", "exact"}}},
                      Case{"Forest", {{"num_parallel_tree", "5"}, {"subsample", "0.7"}}},
                      Case{"Dropout", {{"rate_drop", "0.3"}, {"one_drop", "1"}}},
                      Case{"Categories", {{"max_cat_to_onehot", "1"}}, true},
                      Case{"CategoriesOneHot", {{"max_cat_to_onehot", "100"}}, true}),
    [](const auto& case_info) { return std::string(case_info.param.name); });

TEST(XgboostParser, RefusesWhatWouldScoreDifferently) {
  const TrainingRows rows = testing::MakeTrainingRows(400, 3, 3, 4);
  for (const auto& [parameters, reason] : std::vector<std::pair<Parameters, std::string>>{
           {{{"objective", "reg:squarederror"}}, "reg:squarederror"},
           {{{"objective", "multi:softprob"}, {"num_class", "3"}}, "multi:softprob"},
           {{{"objective", "binary:logistic"}, {"booster", "gblinear"}}, "gblinear"}}) {
    const Trained trained(rows, parameters, 3, false);
    const auto estimator = ParseXgboost(trained.Bytes("ubj"));
    ASSERT_FALSE(estimator.ok()) << reason;
    EXPECT_EQ(estimator.error().code(), ErrorCode::kUnimplemented);
    EXPECT_NE(estimator.error().message().find(reason), std::string::npos)
        << estimator.error().ToString();
  }
}

TEST(XgboostParser, EveryTruncationIsAnError) {
  const TrainingRows rows = testing::MakeTrainingRows(300, 3, 3, 5);
  const Trained trained(rows, {{"objective", "binary:logistic"}, {"max_depth", "2"}}, 2, false);
  for (const char* format : {"json", "ubj"}) {
    const std::string bytes = trained.Bytes(format);
    for (std::size_t size = 0; size < bytes.size(); size += 5) {
      ASSERT_FALSE(ParseXgboost(std::string_view(bytes).substr(0, size)).ok())
          << format << " " << size;
    }
  }
}

TEST(XgboostParser, ChangedBytesNeverCrash) {
  const TrainingRows rows = testing::MakeTrainingRows(300, 3, 3, 5);
  const Trained trained(rows, {{"objective", "binary:logistic"}, {"max_depth", "2"}}, 2, false);
  const std::string bytes = trained.Bytes("ubj");
  base::Rng rng(11);
  for (int i = 0; i < 2000; ++i) {
    std::string changed = bytes;
    changed[rng.Below(changed.size())] = static_cast<char>(rng.Below(256));
    const auto estimator = ParseXgboost(changed);
    if (estimator.ok()) {
      double score = 0.0;
      std::vector<double> row((*estimator)->n_features(), 0.5);
      (*estimator)->MakeEngine()->Predict(row.data(), 1, &score);
    }
  }
}

TEST(Ubjson, ReadsEveryMarker) {
  constexpr char kBytes[] =
      "{i\x01"
      "ai\xff"
      "i\x01"
      "bU\xff"
      "i\x01"
      "cI\x01\x00"
      "i\x01"
      "dl\x00\x01\x00\x00"
      "i\x01"
      "e[$U#i\x03\x01\x02\x03"
      "i\x01"
      "f[TFZ]"
      "i\x01"
      "gSi\x02hi"
      "i\x01"
      "hd\x3f\x80\x00\x00"
      "i\x01"
      "iCx}";
  const auto value = internal::ParseUbjson(std::string_view(kBytes, sizeof(kBytes) - 1));
  ASSERT_TRUE(value.ok()) << value.error().ToString();
  EXPECT_EQ(
      *value,
      nlohmann::json::parse(
          R"({"a":-1,"b":255,"c":256,"d":65536,"e":[1,2,3],"f":[true,false,null],"g":"hi","h":1.0,"i":"x"})"));
}

TEST(Ubjson, RefusesWhatDoesNotFit) {
  const auto error_of = [](std::string_view bytes) {
    const auto value = internal::ParseUbjson(bytes);
    return value.ok() ? std::string("no error") : value.error().message();
  };
  EXPECT_NE(error_of("").find("end where a value should start"), std::string::npos);
  EXPECT_NE(error_of("Tx").find("1 bytes follow"), std::string::npos);
  EXPECT_NE(error_of("[$U#l\x7f\xff\xff\xff").find("elements, but"), std::string::npos);
  EXPECT_NE(error_of("[$UU\x01").find("without a count"), std::string::npos);
  EXPECT_NE(error_of(std::string_view("[#i\xff", 4)).find("a length of -1"), std::string::npos);
  EXPECT_NE(error_of("{U\x01"
                     "aTU\x01"
                     "aT}")
                .find("twice"),
            std::string::npos);
  EXPECT_NE(error_of("?").find("unknown marker"), std::string::npos);
  EXPECT_NE(error_of(std::string(200, '[')).find("nesting"), std::string::npos);
}

}  // namespace
}  // namespace millrace::models
