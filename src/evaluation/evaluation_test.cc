// SPDX-License-Identifier: Apache-2.0
// Evaluation numbers: agreement with the metrics, thresholds from outside, baselines,
// distributions, bad input.
#include <cmath>
#include <limits>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "evaluation/binary_evaluation.h"
#include "evaluation/report.h"

namespace millrace::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Sample {
  std::vector<double> model;
  std::vector<double> weak;
  std::vector<std::uint8_t> labels;
};

Sample MakeSample(int rows) {
  base::Rng rng(7);
  Sample sample;
  for (int i = 0; i < rows; ++i) {
    const double p = rng.Uniform();
    sample.model.push_back(p);
    sample.weak.push_back(0.2 * p + 0.8 * rng.Uniform());
    sample.labels.push_back(rng.Uniform() < p ? 1 : 0);
  }
  return sample;
}

std::string Message(const auto& result) {
  return result.ok() ? std::string("ok") : result.error().ToString();
}

TEST(EvaluateBinary, NumbersAreThoseOfTheMetrics) {
  const Sample sample = MakeSample(2000);
  const BinaryEvaluation result = *EvaluateBinary({}, sample.model, sample.labels, CostSpec{});
  EXPECT_EQ(result.rows, 2000);
  EXPECT_EQ(result.roc_auc.auc, *metrics::RocAuc(sample.model, sample.labels));
  EXPECT_EQ(result.pr_auc, *metrics::PrAuc(sample.model, sample.labels));
  EXPECT_EQ(*result.log_loss, *metrics::LogLoss(sample.model, sample.labels));
  EXPECT_EQ(*result.ece_equal_width, *metrics::Ece(sample.model, sample.labels));
  EXPECT_EQ(result.lift.size(), 10U);
  EXPECT_EQ(result.thresholds.size(), 19U);
  double shares = 0;
  for (const double share : result.score_shares_positive) {
    shares += share;
  }
  EXPECT_NEAR(shares, 1.0, 1e-12);
}

TEST(EvaluateBinary, UsesTheThresholdChosenElsewhere) {
  const Sample sample = MakeSample(500);
  EvaluateOptions options;
  options.threshold = 0.7;
  const BinaryEvaluation result = *EvaluateBinary({}, sample.model, sample.labels, options);
  EXPECT_EQ(result.decision.threshold, 0.7);
  EXPECT_NE(result.cheapest.threshold, 0.7);
  EXPECT_LE(result.cheapest.total_cost, result.decision.total_cost);
}

TEST(EvaluateBinary, LeavesLossesOutForScoresThatOnlyRank) {
  const Sample sample = MakeSample(500);
  std::vector<double> days;
  for (const double p : sample.model) {
    days.push_back(p * 365);
  }
  EXPECT_THAT(Message(EvaluateBinary({}, days, sample.labels, CostSpec{})),
              HasSubstr("probability in [0, 1]"));
  EvaluateOptions options;
  options.is_probability = false;
  const BinaryEvaluation result = *EvaluateBinary({}, days, sample.labels, options);
  EXPECT_FALSE(result.log_loss.has_value());
  EXPECT_TRUE(result.calibration.empty());
  EXPECT_EQ(result.roc_auc.auc, *metrics::RocAuc(sample.model, sample.labels));
}

TEST(EvaluateBinary, NamedMetricsAreFinite) {
  const Sample sample = MakeSample(300);
  CostSpec free;
  free.false_positive = 0;
  free.false_negative = 0;
  const BinaryEvaluation result = *EvaluateBinary({}, sample.model, sample.labels, free);
  EXPECT_TRUE(std::isinf(result.decision.threshold));
  for (const auto& [name, value] : result.Metrics()) {
    EXPECT_TRUE(std::isfinite(value)) << name;
  }
}

TEST(EvaluateBinary, RefusesBadInput) {
  const std::vector<std::uint8_t> labels = {0, 1};
  EXPECT_THAT(Message(EvaluateBinary({}, std::vector<double>{0.1, kNaN}, labels, CostSpec{})),
              HasSubstr("score of row 1 is NaN"));
  EXPECT_THAT(Message(EvaluateBinary({}, std::vector<double>{0.1}, labels, CostSpec{})),
              HasSubstr("1 scores but 2 labels"));
  EXPECT_THAT(Message(EvaluateBinary({}, std::vector<double>{0.1, 0.2},
                                     std::vector<std::uint8_t>{0, 0}, CostSpec{})),
              HasSubstr("all 2 labels are 0"));
  EXPECT_THAT(
      Message(EvaluateBinary({}, std::vector<double>{}, std::vector<std::uint8_t>{}, CostSpec{})),
      HasSubstr("no rows"));
}

TEST(EvaluateBinary, StopsWhenAskedTo) {
  const Sample sample = MakeSample(100);
  std::stop_source source;
  source.request_stop();
  Context context;
  context.stop = source.get_token();
  EXPECT_FALSE(EvaluateBinary(context, sample.model, sample.labels, CostSpec{}).ok());
}

TEST(MajorityScores, AreTheShareOfTrainingPositives) {
  EXPECT_THAT(*MajorityScores(std::vector<std::uint8_t>{1, 0, 0, 0}, 2), ElementsAre(0.25, 0.25));
  EXPECT_THAT(Message(MajorityScores({}, 2)), HasSubstr("no training labels"));
}

TEST(CompareWithBaseline, AConstantScoreIsBeatenByAnInformativeOne) {
  const Sample sample = MakeSample(1000);
  const std::vector<double> constant(1000, 0.5);
  const BaselineComparison comparison =
      *CompareWithBaseline("majority", "", sample.model, constant, sample.labels);
  EXPECT_EQ(comparison.baseline.auc, 0.5);
  EXPECT_TRUE(comparison.is_beaten);
  EXPECT_FALSE(comparison.intervals_touch);
  EXPECT_LT(comparison.paired.p_value, 1e-6);
}

TEST(CompareWithBaseline, AModelDoesNotBeatItself) {
  const Sample sample = MakeSample(1000);
  const BaselineComparison comparison =
      *CompareWithBaseline("same", "", sample.model, sample.model, sample.labels);
  EXPECT_FALSE(comparison.is_beaten);
  EXPECT_TRUE(comparison.intervals_touch);
  EXPECT_EQ(comparison.paired.p_value, 1.0);
}

TEST(CompareWithBaseline, AnErrorNamesTheBaseline) {
  const Sample sample = MakeSample(10);
  EXPECT_THAT(Message(CompareWithBaseline("recency", "", sample.model, {}, sample.labels)),
              HasSubstr("recency"));
}

TEST(CostSpec, IsReadFromItsDeclaration) {
  base::ErrorList errors;
  auto node = base::YamlNode::Parse("false_negative: 40\nfalse_positive: 5\nunit: GBP\n", "t.yaml");
  ASSERT_TRUE(node.ok());
  const CostSpec spec = CostSpec::Declared().Read(*node, errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(spec.false_negative, 40);
  EXPECT_EQ(spec.ToCosts().false_positive, 5);
  EXPECT_EQ(spec.unit, "GBP");
}

TEST(MakeDistribution, SharesAndMissingSumToOne) {
  const std::vector<std::vector<double>> groups = {{1, 2, 3, kNaN}, {2, 2, 100, 5}};
  const FeatureDistribution result = *MakeDistribution("visits", groups);
  for (std::size_t g = 0; g < 2; ++g) {
    double sum = result.missing[g];
    for (const double share : result.shares[g]) {
      sum += share;
    }
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
  EXPECT_EQ(result.missing[0], 0.25);
}

TEST(MakeDistribution, FewWholeValuesGetABinEach) {
  const std::vector<std::vector<double>> groups = {{0, 1, 1, 2}};
  const FeatureDistribution result = *MakeDistribution("visits", groups);
  EXPECT_THAT(result.edges, ElementsAre(-0.5, 0.5, 1.5, 2.5));
  EXPECT_THAT(result.shares[0], ElementsAre(0.25, 0.5, 0.25));
}

TEST(MakeDistribution, HandlesAConstantAndRefusesNothingPresent) {
  const std::vector<std::vector<double>> constant = {{5, 5}, {}};
  EXPECT_THAT(MakeDistribution("c", constant)->shares[0], ElementsAre(1.0));
  const std::vector<std::vector<double>> missing = {{kNaN}};
  EXPECT_THAT(Message(MakeDistribution("gone", missing)), HasSubstr("feature \"gone\""));
}

}  // namespace
}  // namespace millrace::evaluation
