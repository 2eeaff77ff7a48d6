// SPDX-License-Identifier: Apache-2.0
// The engine against LightGBM itself: boosters trained here, scored by both, compared bit by bit.
#include "models/lightgbm.h"

#include <charconv>
#include <sstream>

#include <LightGBM/c_api.h>

#include "models/test_support.h"

namespace millrace::models {
namespace {

using testing::TrainingRows;

/// A LightGBM booster and the text that it saves.
class Trained {
 public:
  Trained(const TrainingRows& rows, const std::string& parameters, int n_iterations) : rows_(rows) {
    const std::string all =
        "verbosity=-1 num_threads=1 deterministic=true min_data_in_leaf=5 " + parameters;
    Check(LGBM_DatasetCreateFromMat(
        rows.values.data(), C_API_DTYPE_FLOAT64, static_cast<int>(rows.n_rows()),
        static_cast<int>(rows.n_features), 1, all.c_str(), nullptr, &data_));
    Check(LGBM_DatasetSetField(data_, "label", rows.labels.data(), static_cast<int>(rows.n_rows()),
                               C_API_DTYPE_FLOAT32));
    Check(LGBM_BoosterCreate(data_, all.c_str(), &booster_));
    int is_finished = 0;
    for (int i = 0; i < n_iterations && is_finished == 0; ++i) {
      Check(LGBM_BoosterUpdateOneIter(booster_, &is_finished));
    }
  }
  ~Trained() {
    LGBM_BoosterFree(booster_);
    LGBM_DatasetFree(data_);
  }
  Trained(const Trained&) = delete;
  Trained& operator=(const Trained&) = delete;

  std::string Text() const {
    std::string text(1 << 24, '\0');
    std::int64_t size = 0;
    Check(LGBM_BoosterSaveModelToString(booster_, 0, -1, C_API_FEATURE_IMPORTANCE_GAIN,
                                        static_cast<std::int64_t>(text.size()), &size,
                                        text.data()));
    text.resize(static_cast<std::size_t>(size) - 1);
    return text;
  }

  std::vector<double> Predict(const std::vector<double>& rows) const {
    const std::size_t n_rows = rows.size() / rows_.n_features;
    std::vector<double> scores(n_rows);
    std::int64_t size = 0;
    Check(LGBM_BoosterPredictForMat(booster_, rows.data(), C_API_DTYPE_FLOAT64,
                                    static_cast<int>(n_rows), static_cast<int>(rows_.n_features), 1,
                                    C_API_PREDICT_NORMAL, 0, -1, "num_threads=1", &size,
                                    scores.data()));
    EXPECT_EQ(static_cast<std::size_t>(size), n_rows);
    return scores;
  }

  std::vector<double> Importance(int type) const {
    std::vector<double> values(rows_.n_features);
    Check(LGBM_BoosterFeatureImportance(booster_, 0, type, values.data()));
    return values;
  }

 private:
  static void Check(int code) { ASSERT_EQ(code, 0) << LGBM_GetLastError(); }

  TrainingRows rows_;
  DatasetHandle data_ = nullptr;
  BoosterHandle booster_ = nullptr;
};

/// All numbers of the lines that start with `key=`.
std::vector<double> LineNumbers(const std::string& text, const std::string& key) {
  std::vector<double> numbers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + "=")) {
      std::istringstream words(line.substr(key.size() + 1));
      for (std::string word; words >> word;) {
        numbers.push_back(std::stod(word));
      }
    }
  }
  return numbers;
}

/// Splits that are not categorical; a categorical one stands in the file with the number of its
/// set.
std::vector<testing::Split> Splits(const std::string& text) {
  const auto features = LineNumbers(text, "split_feature");
  const auto thresholds = LineNumbers(text, "threshold");
  const auto types = LineNumbers(text, "decision_type");
  std::vector<testing::Split> splits;
  for (std::size_t i = 0; i < features.size(); ++i) {
    if ((static_cast<int>(types[i]) & 1) == 0) {
      splits.push_back({static_cast<std::size_t>(features[i]), thresholds[i]});
    }
  }
  return splits;
}

struct Case {
  const char* name;
  const char* parameters;
};

class LightGbmParity : public ::testing::TestWithParam<Case> {};

TEST_P(LightGbmParity, ScoresHaveLightGbmsBits) {
  const TrainingRows rows = testing::MakeTrainingRows(1500, 6, 40, 1);
  const Trained trained(rows, GetParam().parameters, 40);
  const std::string text = trained.Text();
  const auto estimator = ParseLightGbm(text);
  ASSERT_TRUE(estimator.ok()) << estimator.error().ToString();
  EXPECT_EQ((*estimator)->n_features(), 6U);
  const std::vector<testing::Split> splits = Splits(text);
  ASSERT_GT(splits.size(), 100U);
  // Beyond int a category's cast is undefined in LightGBM, so categorical columns stop there.
  const bool has_categories = text.find("\nnum_cat=0") == std::string::npos ||
                              LineNumbers(text, "cat_threshold").size() > 0;
  const auto edge =
      testing::EdgeRows(rows, splits, has_categories ? 2147483647.0 : 1e300, !has_categories);
  const auto engine = (*estimator)->MakeEngine();
  testing::ExpectSameBits(testing::PredictEveryWay(*engine, edge), trained.Predict(edge));
  EXPECT_EQ((*estimator)->NativeBytes(), text);
}

INSTANTIATE_TEST_SUITE_P(
    Options, LightGbmParity,
    ::testing::Values(
        Case{"MissingValues", "objective=binary"},
        Case{"ZeroAsMissing", "objective=binary zero_as_missing=true"},
        Case{"NoMissingHandling", "objective=binary use_missing=false"},
        Case{"Categories",
             "objective=binary categorical_feature=5 max_cat_to_onehot=4 min_data_per_group=5"},
        Case{"CategoriesOneHot", "objective=binary categorical_feature=5 max_cat_to_onehot=100"},
        Case{"CategoriesZeroAsMissing",
             "objective=binary categorical_feature=5 zero_as_missing=true min_data_per_group=5"},
        Case{"RandomForest", "objective=binary boosting=rf bagging_freq=1 bagging_fraction=0.6"},
        Case{"Dart", "objective=binary boosting=dart"},
        Case{"Sigmoid2", "objective=binary sigmoid=2.5"},
        Case{"CrossEntropy", "objective=cross_entropy"},
        Case{"DeepTrees", "objective=binary num_leaves=255 min_data_in_leaf=1"}),
    [](const auto& case_info) { return std::string(case_info.param.name); });

TEST(LightGbmEstimator, ImportanceIsLightGbmsOwn) {
  const TrainingRows rows = testing::MakeTrainingRows(800, 5, 10, 2);
  const Trained trained(rows, "objective=binary", 20);
  const auto estimator = ParseLightGbm(trained.Text());
  ASSERT_TRUE(estimator.ok()) << estimator.error().ToString();
  EXPECT_EQ((*estimator)->SplitImportance(), trained.Importance(C_API_FEATURE_IMPORTANCE_SPLIT));
  const auto gains = (*estimator)->GainImportance();
  const auto theirs = trained.Importance(C_API_FEATURE_IMPORTANCE_GAIN);
  for (std::size_t j = 0; j < gains.size(); ++j) {
    // The text holds six digits of each gain.
    EXPECT_NEAR(gains[j], theirs[j], 1e-4 * (1 + theirs[j])) << j;
  }
}

/// The text with every threshold replaced by one next to zero, and without the line that counts its
/// bytes.
std::string WithThresholdsAtZero(const std::string& text) {
  const std::vector<std::string> values = {"0",
                                           "-0",
                                           "5e-36",
                                           "-5e-36",
                                           "1e-35",
                                           "-1e-35",
                                           "1.0000000180025095e-35",
                                           "-1.0000000180025095e-35",
                                           "1e-45",
                                           "-1e-34"};
  std::istringstream lines(text);
  std::string changed;
  std::size_t next = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("tree_sizes=")) {
      continue;
    }
    if (line.starts_with("threshold=")) {
      std::istringstream words(line.substr(10));
      line = "threshold=";
      for (std::string word; words >> word;) {
        line += (line.back() == '=' ? "" : " ") + values[next++ % values.size()];
      }
    }
    changed += line + "\n";
  }
  return changed;
}

TEST(LightGbmEstimator, ThresholdsNextToZeroDecideAsLightGbm) {
  // LightGBM counts values up to 1e-35 in size as 0 before it compares; trained thresholds seldom
  // lie inside that range.
  const TrainingRows rows = testing::MakeTrainingRows(800, 4, 5, 8);
  for (const char* parameters : {"objective=binary", "objective=binary use_missing=false",
                                 "objective=binary zero_as_missing=true"}) {
    const std::string text = WithThresholdsAtZero(Trained(rows, parameters, 20).Text());
    const auto estimator = ParseLightGbm(text);
    ASSERT_TRUE(estimator.ok()) << estimator.error().ToString();
    const std::vector<double> edge = testing::EdgeRows(rows, Splits(text), 1e300, true);
    int n_iterations = 0;
    BoosterHandle booster = nullptr;
    ASSERT_EQ(LGBM_BoosterLoadModelFromString(text.c_str(), &n_iterations, &booster), 0)
        << LGBM_GetLastError();
    EXPECT_EQ(n_iterations, 20);
    std::vector<double> theirs(edge.size() / 4);
    std::int64_t size = 0;
    ASSERT_EQ(LGBM_BoosterPredictForMat(booster, edge.data(), C_API_DTYPE_FLOAT64,
                                        static_cast<int>(theirs.size()), 4, 1, C_API_PREDICT_NORMAL,
                                        0, -1, "num_threads=1", &size, theirs.data()),
              0);
    LGBM_BoosterFree(booster);
    testing::ExpectSameBits(testing::PredictEveryWay(*(*estimator)->MakeEngine(), edge), theirs);
  }
}

TEST(LightGbmEstimator, UnsplitTreesScoreTheirConstant) {
  TrainingRows rows = testing::MakeTrainingRows(100, 3, 3, 3);
  const Trained trained(rows, "objective=binary min_data_in_leaf=1000", 2);
  const auto estimator = ParseLightGbm(trained.Text());
  ASSERT_TRUE(estimator.ok()) << estimator.error().ToString();
  testing::ExpectSameBits(testing::PredictEveryWay(*(*estimator)->MakeEngine(), rows.values),
                          trained.Predict(rows.values));
}

TEST(LightGbmParser, RefusesWhatWouldScoreDifferently) {
  const TrainingRows rows = testing::MakeTrainingRows(400, 3, 3, 4);
  for (const auto& [parameters, reason] : std::vector<std::pair<std::string, std::string>>{
           {"objective=binary linear_tree=true", "linear leaves"},
           {"objective=regression", "objective \"regression\""},
           {"objective=multiclass num_class=3", "3 classes"}}) {
    const Trained trained(rows, parameters, 3);
    const auto estimator = ParseLightGbm(trained.Text());
    ASSERT_FALSE(estimator.ok()) << parameters;
    EXPECT_EQ(estimator.error().code(), ErrorCode::kUnimplemented) << parameters;
    EXPECT_NE(estimator.error().message().find(reason), std::string::npos)
        << estimator.error().ToString();
  }
}

TEST(LightGbmParser, EveryTruncationIsAnError) {
  const TrainingRows rows = testing::MakeTrainingRows(300, 3, 3, 5);
  const std::string text = Trained(rows, "objective=binary num_leaves=4", 3).Text();
  const std::size_t end = text.find("end of trees");
  ASSERT_NE(end, std::string::npos);
  for (std::size_t size = 0; size < end; size += 7) {
    const auto estimator = ParseLightGbm(std::string_view(text).substr(0, size));
    ASSERT_FALSE(estimator.ok()) << size;
    EXPECT_FALSE(estimator.error().message().empty());
  }
}

TEST(LightGbmParser, ADamagedTreeIsNamed) {
  const TrainingRows rows = testing::MakeTrainingRows(300, 3, 3, 6);
  const std::string text = Trained(rows, "objective=binary num_leaves=4", 3).Text();
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string copy = text;
    const std::size_t at = copy.rfind(from, copy.find("end of trees"));
    copy.replace(at, from.size(), to);
    const auto estimator = ParseLightGbm(copy);
    return estimator.ok() ? std::string("no error") : estimator.error().ToString();
  };
  EXPECT_NE(changed("left_child=", "left_child=99 ").find("tree 2"), std::string::npos);
  EXPECT_NE(changed("threshold=", "threshold=x").find("not a number"), std::string::npos);
  EXPECT_NE(changed("leaf_value=", "leaf_valu=").find("\"leaf_value=\" is missing"),
            std::string::npos);
  EXPECT_NE(changed("num_leaves=4", "num_leaves=5").find("values, not"), std::string::npos);
}

}  // namespace
}  // namespace millrace::models
