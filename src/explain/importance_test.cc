// SPDX-License-Identifier: Apache-2.0
// Importance on models whose dependence is known by construction.
#include "explain/importance.h"

#include <memory>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "data/matrix.h"
#include "models/logistic_regression.h"

namespace millrace::explain {
namespace {

/// The score is 3 a - 1 b + 0 c.
std::shared_ptr<const models::Estimator> Linear() {
  models::LogisticData model;
  model.feature_names = {"c", "b", "a"};
  model.impute = {0, 0, 0};
  model.mean = {0, 0, 0};
  model.scale = {1, 1, 1};
  model.weights = {0, -1, 3};
  return models::MakeLogisticRegression(model).value();
}

struct Rows {
  data::Matrix rows;
  std::vector<std::uint8_t> labels;
};

Rows Draw(std::size_t n) {
  base::Rng rng(5);
  Rows drawn;
  drawn.rows.names = {"c", "b", "a"};
  drawn.rows.rows = n;
  for (std::size_t i = 0; i < n; ++i) {
    const double c = rng.Normal();
    const double b = rng.Normal();
    const double a = rng.Normal();
    drawn.rows.values.insert(drawn.rows.values.end(), {c, b, a});
    drawn.labels.push_back(3 * a - b > 0 ? 1 : 0);
  }
  return drawn;
}

Result<std::vector<FeatureImportance>> Permute(const Rows& drawn, int threads,
                                               const PermutationOptions& options = {}) {
  base::ThreadPool pool("cpu", threads);
  Context context;
  context.cpu = &pool;
  context.seed = 42;
  return PermutationImportance(context, *Linear(), drawn.rows, drawn.labels, options);
}

TEST(GainImportance, SharesSumToOneAndFall) {
  const std::vector<FeatureImportance> features = GainImportance(*Linear());
  ASSERT_EQ(features.size(), 3U);
  EXPECT_EQ(features[0].name, "a");
  EXPECT_DOUBLE_EQ(features[0].importance, 0.75);
  EXPECT_EQ(features[1].name, "b");
  EXPECT_DOUBLE_EQ(features[1].importance, 0.25);
  EXPECT_EQ(features[2].name, "c");
  EXPECT_EQ(features[2].importance, 0);
}

TEST(PermutationImportance, RanksByWhatTheModelUses) {
  const Result<std::vector<FeatureImportance>> features = Permute(Draw(4000), 2);
  ASSERT_TRUE(features.ok()) << features.error().ToString();
  EXPECT_EQ((*features)[0].name, "a");
  // The whole model is perfect. A score whose correlation with the latent value is rho has AUC 1/2
  // + (2 / pi) asin(rho / sqrt(2)) (orthant probability of three normals); shuffling a leaves rho =
  // 1/10, shuffling b leaves 9/10.
  EXPECT_NEAR((*features)[0].importance, 0.45495, 0.02);
  EXPECT_EQ((*features)[1].name, "b");
  EXPECT_NEAR((*features)[1].importance, 0.06090, 0.01);
  EXPECT_GT((*features)[1].deviation, 0);
  EXPECT_EQ((*features)[2].name, "c");
  EXPECT_EQ((*features)[2].importance, 0) << "an unused column loses exactly nothing";
}

TEST(PermutationImportance, IsTheSameAtAnyThreadCount) {
  const Rows drawn = Draw(1000);
  const std::vector<FeatureImportance> one = Permute(drawn, 1).value();
  const std::vector<FeatureImportance> three = Permute(drawn, 3).value();
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].name, three[i].name);
    EXPECT_EQ(one[i].importance, three[i].importance);
    EXPECT_EQ(one[i].deviation, three[i].deviation);
  }
}

TEST(PermutationImportance, ThinnedRowsComeCloseToAll) {
  const Rows drawn = Draw(4000);
  const std::vector<FeatureImportance> all =
      Permute(drawn, 1, {.repeats = 5, .max_rows = 0}).value();
  const std::vector<FeatureImportance> some =
      Permute(drawn, 1, {.repeats = 5, .max_rows = 1000}).value();
  EXPECT_NE(all[0].importance, some[0].importance);
  EXPECT_NEAR(all[0].importance, some[0].importance, 0.03);
}

TEST(PermutationImportance, RefusesRowsThatDoNotFit) {
  Rows drawn = Draw(100);
  EXPECT_FALSE(Permute(drawn, 1, {.repeats = 0}).ok());
  drawn.rows.names[0] = "other";
  EXPECT_FALSE(Permute(drawn, 1).ok());
  drawn = Draw(100);
  drawn.labels.pop_back();
  EXPECT_FALSE(Permute(drawn, 1).ok());
  drawn = Draw(100);
  std::fill(drawn.labels.begin(), drawn.labels.end(), std::uint8_t{1});
  const Result<std::vector<FeatureImportance>> one_class = Permute(drawn, 1);
  ASSERT_FALSE(one_class.ok());
  EXPECT_EQ(one_class.error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::explain
