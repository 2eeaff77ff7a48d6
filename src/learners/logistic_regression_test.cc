// SPDX-License-Identifier: Apache-2.0
// Logistic regression against scikit-learn's coefficients and by hand. Reference:
// tests/data/telco_churn/make_reference.py, which fits SimpleImputer(median), StandardScaler,
// LogisticRegression(solver="newton-cholesky", tol=1e-12) of scikit-learn 1.9.1.
#include "models/logistic_regression.h"

#include <cmath>

#include <gtest/gtest.h>

#include "learners/internal/test_data.h"
#include "learners/registry.h"

namespace millrace::learners {
namespace {

using internal::kNaN;
using internal::Set;
using internal::Telco;
using internal::TestContext;
using internal::TrainOn;

/// Shares of the absolute standardised weights.
std::vector<double> SharesOf(const std::vector<double>& weights) {
  double sum = 0;
  std::vector<double> shares;
  for (const double weight : weights) {
    shares.push_back(std::abs(weight));
    sum += std::abs(weight);
  }
  for (double& share : shares) {
    share /= sum;
  }
  return shares;
}

struct Golden {
  double c;
  std::vector<double> weights;
  std::vector<double> test_probabilities;
};

const std::vector<Golden>& Goldens() {
  static const std::vector<Golden> goldens = {
      {1.0,
       {-0.03512831166154514, 0.09786783569229911, 0.022734116192008852, -0.10173805868797207,
        -1.3781272511974862, -0.32613939482625454, 0.03782988716113525, 0.15126871639443695,
        -0.20690648388442506, -0.1549048633919599, -0.11918805634192532, -0.22838167671086662,
        -0.005113663187015008, 0.0007699699879054014, -0.5652010110381143, 0.1844610161686701,
        0.03422369993583525, 0.6729242147404197, 0.6664250091611787},
       {0.6155304792728131, 0.7373917278565238, 0.24455131681582506}},
      {0.01,
       {-0.03288002322543952, 0.10567367017452646, -0.011847390577979504, -0.10475363385377208,
        -0.5331471876059586, -0.14679023649138448, 0.07385208062996647, 0.0579964650444255,
        -0.2113772356544653, -0.1412313107200717, -0.10544296861854928, -0.2266634332292879,
        0.030739551901973163, 0.03757951059370521, -0.4777558454696721, 0.18997579966721936,
        0.05080691452002023, 0.5496312380833916, -0.08603810346163146},
       {0.48001770993541193, 0.7165821690705805, 0.2705692641924565}},
  };
  return goldens;
}

TEST(LogisticRegression, FindsScikitLearnsCoefficients) {
  const Set test = Telco(0, 0);
  for (const Golden& golden : Goldens()) {
    TestContext context(2);
    const Result<Trained> trained = TrainOn(*MakeLogisticRegressionLearner(), context.context,
                                            Telco(2, 4), Telco(1, 1), {{"C", golden.c}});
    ASSERT_TRUE(trained.ok()) << trained.error().ToString();
    const std::vector<double> importance = trained->estimator->GainImportance();
    ASSERT_EQ(importance.size(), golden.weights.size());
    const std::vector<double> shares = SharesOf(golden.weights);
    for (std::size_t j = 0; j < importance.size(); ++j) {
      EXPECT_NEAR(importance[j], std::abs(golden.weights[j]), 1e-6) << test.rows.names[j];
      EXPECT_NEAR(trained->gain[j], shares[j], 1e-6);
    }
    // The probabilities hold the signs of the weights and the intercept.
    std::vector<double> probabilities(3);
    trained->estimator->MakeEngine()->Predict(test.rows.values.data(), 3, probabilities.data());
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(probabilities[i], golden.test_probabilities[i], 1e-7);
    }
  }
}

TEST(LogisticRegression, LossFallsAtEveryStep) {
  TestContext context(1);
  const Result<Trained> trained =
      TrainOn(*MakeLogisticRegressionLearner(), context.context, Telco(2, 4), Telco(1, 1));
  ASSERT_TRUE(trained.ok());
  ASSERT_GE(trained->curve.size(), 3U);
  for (std::size_t i = 1; i < trained->curve.size(); ++i) {
    EXPECT_LT(trained->curve[i], trained->curve[i - 1]);
  }
  EXPECT_EQ(trained->curve_metric, "objective");
}

TEST(LogisticRegression, SymmetricRowsGiveTheInterceptOfTheOdds) {
  // Half of the rows are positive and the column is symmetric around 0: the intercept is 0, so the
  // middle has probability 1/2.
  Set set;
  set.rows = {{"x"}, 4, {-1, -1, 1, 1}};
  set.labels = {0, 1, 0, 1};
  set.rows.values[0] = -2;
  set.rows.values[3] = 2;
  TestContext context(1);
  const Result<Trained> trained =
      TrainOn(*MakeLogisticRegressionLearner(), context.context, set, set);
  ASSERT_TRUE(trained.ok());
  const double middle = 0;
  double probability = 0;
  trained->estimator->MakeEngine()->Predict(&middle, 1, &probability);
  EXPECT_NEAR(probability, 0.5, 1e-12);
}

TEST(LogisticRegression, MissingValuesScoreAsTheMedian) {
  Set set;
  set.rows = {{"x", "y"}, 6, {1, 0, 2, 1, 3, 0, 10, 1, kNaN, 0, 20, 1}};
  set.labels = {0, 0, 1, 0, 1, 1};
  TestContext context(1);
  const Result<Trained> trained =
      TrainOn(*MakeLogisticRegressionLearner(), context.context, set, set);
  ASSERT_TRUE(trained.ok());
  const std::vector<double> rows = {kNaN, 1, 3, 1};  // The median of 1, 2, 3, 10, 20 is 3.
  std::vector<double> scores(2);
  trained->estimator->MakeEngine()->Predict(rows.data(), 2, scores.data());
  EXPECT_EQ(scores[0], scores[1]);
}

TEST(LogisticRegression, SaysWhenItDidNotConverge) {
  TestContext context(1);
  const Result<Trained> trained = TrainOn(*MakeLogisticRegressionLearner(), context.context,
                                          Telco(2, 4), Telco(1, 1), {{"max_iter", 1.0}});
  ASSERT_TRUE(trained.ok());
  ASSERT_EQ(trained->notes.size(), 1U);
  EXPECT_NE(trained->notes[0].find("stopped after 1 steps"), std::string::npos)
      << trained->notes[0];
  EXPECT_NE(trained->notes[0].find("raise max_iter or lower C"), std::string::npos);
}

TEST(LogisticRegression, SeparableRowsStayFinite) {
  Set set;
  set.rows.names = {"x"};
  for (int i = 0; i < 40; ++i) {
    set.rows.values.push_back(i);
    set.labels.push_back(i < 20 ? 0 : 1);
  }
  set.rows.rows = 40;
  TestContext context(1);
  const Result<Trained> trained = TrainOn(*MakeLogisticRegressionLearner(), context.context, set,
                                          set, {{"C", 1e6}, {"max_iter", 200.0}});
  ASSERT_TRUE(trained.ok()) << trained.error().ToString();
  EXPECT_EQ(trained->validation_auc, 1);
  EXPECT_TRUE(std::isfinite(trained->estimator->GainImportance()[0]));
}

TEST(LogisticRegression, ColumnsBeyondSquaresOfDoublesGetNoWeight) {
  Set set = internal::Synthetic(200, 3, 9);
  for (std::size_t i = 0; i < set.rows.rows; ++i) {
    set.rows.Row(i)[1] = i % 2 == 0 ? 1e200 : -1e200;
  }
  TestContext context(1);
  const Result<Trained> trained =
      TrainOn(*MakeLogisticRegressionLearner(), context.context, set, set);
  ASSERT_TRUE(trained.ok()) << trained.error().ToString();
  EXPECT_TRUE(std::isfinite(trained->estimator->GainImportance()[0]));
  EXPECT_TRUE(std::isfinite(trained->estimator->GainImportance()[1]));
}

}  // namespace
}  // namespace millrace::learners
