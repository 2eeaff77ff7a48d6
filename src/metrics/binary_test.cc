// SPDX-License-Identifier: Apache-2.0
// Binary metrics: cases by hand, then scikit-learn's values, then properties, then bad input.
#include "metrics/binary.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace millrace::metrics {
namespace {

using Scores = std::vector<double>;
using Labels = std::vector<std::uint8_t>;
using ::testing::HasSubstr;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

// The generator of tests/golden/metrics/make_golden.py.
class Uniform {
 public:
  explicit Uniform(std::uint64_t seed) : x_(seed) {}
  double Next() {
    x_ = (1103515245 * x_ + 12345) % 2147483648U;
    return static_cast<double>(x_) / 2147483648.0;
  }

 private:
  std::uint64_t x_;
};

struct Sample {
  Scores first;
  Scores second;
  Labels labels;
};

Sample MakeSample(std::uint64_t seed, int rows, int levels) {
  Uniform uniform(seed);
  Sample sample;
  const auto rounded = [&](double value) {
    return levels == 0 ? value : std::floor(value * levels) / levels;
  };
  for (int i = 0; i < rows; ++i) {
    const double u = uniform.Next();
    const double v = uniform.Next();
    const double w = uniform.Next();
    sample.labels.push_back(w < 0.1 + 0.6 * u ? 1 : 0);
    sample.first.push_back(rounded(u));
    sample.second.push_back(rounded(0.5 * u + 0.5 * v));
  }
  return sample;
}

nlohmann::json Golden() {
  const std::string path = std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/metrics/golden.json";
  auto text = base::ReadFile(path);
  EXPECT_TRUE(text.ok()) << text.error().ToString();
  auto json = base::ParseJson(text.ok() ? *text : std::string("{}"), path);
  EXPECT_TRUE(json.ok());
  return *json;
}

TEST(RocAuc, IsOneForAPerfectAndZeroForAnInvertedOrder) {
  EXPECT_EQ(*RocAuc(Scores{0.1, 0.2, 0.8, 0.9}, Labels{0, 0, 1, 1}), 1.0);
  EXPECT_EQ(*RocAuc(Scores{0.1, 0.2, 0.8, 0.9}, Labels{1, 1, 0, 0}), 0.0);
}

TEST(RocAuc, TiesCountHalf) {
  EXPECT_EQ(*RocAuc(Scores{0.5, 0.5, 0.5, 0.5}, Labels{0, 1, 1, 0}), 0.5);
  // Pairs (0.5, 0.5) half, (0.5, 0.1) one, (0.9, both) one each.
  EXPECT_EQ(*RocAuc(Scores{0.5, 0.1, 0.5, 0.9}, Labels{0, 0, 1, 1}), 3.5 / 4);
}

TEST(RocAuc, PositiveAndNegativeZeroAreOneScore) {
  EXPECT_EQ(*RocAuc(Scores{0.0, -0.0}, Labels{0, 1}), 0.5);
}

TEST(RocAuc, IsTheSameUnderAnyMonotoneMapAndAnyOrderOfRows) {
  const Sample sample = MakeSample(17, 300, 25);
  Scores mapped;
  Labels reversed(sample.labels.rbegin(), sample.labels.rend());
  for (auto it = sample.first.rbegin(); it != sample.first.rend(); ++it) {
    mapped.push_back(std::exp(3 * *it) - 100);
  }
  EXPECT_EQ(*RocAuc(sample.first, sample.labels), *RocAuc(mapped, reversed));
}

TEST(RocAucWithInterval, HasNoWidthForAConstantScore) {
  const AucEstimate estimate =
      *RocAucWithInterval(Scores(10, 0.3), Labels{1, 0, 1, 0, 1, 0, 1, 0, 0, 0});
  EXPECT_EQ(estimate.auc, 0.5);
  EXPECT_EQ(estimate.standard_error, 0.0);
  EXPECT_EQ(estimate.interval.lower, 0.5);
  EXPECT_EQ(estimate.interval.upper, 0.5);
}

TEST(RocAucWithInterval, OneRowOfAClassGivesAFiniteInterval) {
  const AucEstimate estimate = *RocAucWithInterval(Scores{0.1, 0.7, 0.5}, Labels{0, 0, 1});
  EXPECT_EQ(estimate.auc, 0.5);
  EXPECT_TRUE(std::isfinite(estimate.standard_error));
  EXPECT_GE(estimate.interval.lower, 0.0);
  EXPECT_LE(estimate.interval.upper, 1.0);
}

TEST(CompareRocAuc, TheSameScoreTwiceDoesNotDiffer) {
  const Sample sample = MakeSample(17, 300, 0);
  const AucDifference difference = *CompareRocAuc(sample.first, sample.first, sample.labels);
  EXPECT_EQ(difference.difference, 0.0);
  EXPECT_EQ(difference.z, 0.0);
  EXPECT_EQ(difference.p_value, 1.0);
}

TEST(CompareRocAuc, APerfectScoreAgainstAnInvertedOneIsCertain) {
  const AucDifference difference =
      *CompareRocAuc(Scores{0.1, 0.2, 0.8, 0.9}, Scores{0.9, 0.8, 0.2, 0.1}, Labels{0, 0, 1, 1});
  EXPECT_EQ(difference.difference, 1.0);
  EXPECT_EQ(difference.p_value, 0.0);
  EXPECT_TRUE(std::isinf(difference.z));
}

TEST(PrAuc, StepsAtDistinctScoresOnly) {
  // All tied: one step, precision is the share of positives.
  EXPECT_EQ(*PrAuc(Scores{0.5, 0.5, 0.5, 0.5}, Labels{0, 1, 0, 0}), 0.25);
  EXPECT_EQ(*PrAuc(Scores{0.9, 0.8, 0.2}, Labels{1, 0, 1}), (1.0 + 2.0 / 3) / 2);
}

TEST(LogLoss, IsFiniteForACertainMistake) {
  EXPECT_NEAR(*LogLoss(Scores{1.0}, Labels{0}), -std::log(std::ldexp(1.0, -52)), 1e-12);
}

TEST(ProbabilityLoss, MergedPartsEqualTheWhole) {
  ProbabilityLoss whole;
  ProbabilityLoss left;
  ProbabilityLoss right;
  for (int i = 0; i < 8; ++i) {
    const double p = i / 8.0;
    whole.Add(p, i % 3 == 0);
    (i < 4 ? left : right).Add(p, i % 3 == 0);
  }
  left.Merge(right);
  EXPECT_EQ(left.Finish()->rows, 8);
  EXPECT_NEAR(left.Finish()->log_loss, whole.Finish()->log_loss, 1e-12);
  EXPECT_EQ(left.Finish()->brier, whole.Finish()->brier);
  EXPECT_FALSE(ProbabilityLoss().Finish().ok());
}

TEST(Ece, IsZeroForAPerfectlyCalibratedScore) {
  EXPECT_NEAR(*Ece(Scores{0.25, 0.25, 0.25, 0.25, 1, 1}, Labels{1, 0, 0, 0, 1, 1}), 0.0, 1e-15);
}

TEST(CalibrationCurve, AnEdgeBelongsToTheBinBelow) {
  const std::vector<CalibrationBin> curve =
      *CalibrationCurve(Scores{0.5, 0.50001, 0.0, 1.0}, Labels{1, 0, 0, 1}, 2);
  ASSERT_EQ(curve.size(), 2U);
  EXPECT_EQ(curve[0].rows, 2);
  EXPECT_EQ(curve[1].rows, 2);
}

TEST(CalibrationCurve, EqualMassBinsDifferByAtMostOneRow) {
  const Sample sample = MakeSample(5, 100, 0);
  const std::vector<CalibrationBin> curve =
      *CalibrationCurve(sample.first, sample.labels, 15, Binning::kEqualMass);
  ASSERT_EQ(curve.size(), 15U);
  for (const CalibrationBin& bin : curve) {
    EXPECT_TRUE(bin.rows == 6 || bin.rows == 7) << bin.rows;
  }
}

TEST(LiftTable, FirstSliceOfAPerfectScoreHoldsThePositives) {
  Scores scores;
  Labels labels;
  for (int i = 0; i < 20; ++i) {
    scores.push_back(i);
    labels.push_back(i >= 18 ? 1 : 0);
  }
  const std::vector<LiftRow> table = *LiftTable(scores, labels);
  ASSERT_EQ(table.size(), 10U);
  EXPECT_EQ(table[0].positives, 2.0);
  EXPECT_EQ(table[0].lift, 10.0);
  EXPECT_EQ(table[0].cumulative_gain, 1.0);
  EXPECT_EQ(table[9].cumulative_lift, 1.0);
  EXPECT_EQ(table[9].cumulative_rows_share, 1.0);
}

TEST(LiftTable, TiedRowsShareTheirPositives) {
  const std::vector<LiftRow> table = *LiftTable(Scores(4, 0.5), Labels{1, 1, 0, 0}, 4);
  for (const LiftRow& row : table) {
    EXPECT_EQ(row.positives, 0.5);
    EXPECT_EQ(row.lift, 1.0);
  }
}

TEST(LiftTable, SlicesHoldAllRowsWhereTheyDoNotDivide) {
  const Sample sample = MakeSample(5, 103, 0);
  std::int64_t rows = 0;
  double positives = 0;
  const std::vector<LiftRow> table = *LiftTable(sample.first, sample.labels, 10);
  for (const LiftRow& row : table) {
    rows += row.rows;
    positives += row.positives;
  }
  EXPECT_EQ(rows, 103);
  EXPECT_NEAR(table.back().cumulative_gain, 1.0, 1e-12);
}

TEST(ConfusionMatrix, SharesWithoutADenominatorAreZero) {
  const ConfusionMatrix empty;
  EXPECT_EQ(empty.Precision(), 0.0);
  EXPECT_EQ(empty.Recall(), 0.0);
  EXPECT_EQ(empty.F1(), 0.0);
}

TEST(ThresholdTable, TakesTheHigherThresholdWhereCostsAreEqual) {
  // Costs of 0 everywhere: "nobody" wins.
  const ThresholdTableResult table =
      *ThresholdTable(Scores{0.2, 0.8}, Labels{0, 1}, Costs{0, 0, 0, 0}, DefaultThresholds());
  EXPECT_TRUE(std::isinf(table.cheapest.threshold));
  EXPECT_EQ(table.best_f1.threshold, 0.8);
  EXPECT_EQ(table.rows.size(), 19U);
}

TEST(ThresholdTable, EachRowEqualsADirectCount) {
  const Sample sample = MakeSample(11, 500, 20);
  const Costs costs{-2, 1, 5, 0.25};
  const ThresholdTableResult table =
      *ThresholdTable(sample.first, sample.labels, costs, DefaultThresholds());
  for (const ThresholdRow& row : table.rows) {
    const ThresholdRow direct = *AtThreshold(sample.first, sample.labels, costs, row.threshold);
    EXPECT_EQ(row.counts.true_positives, direct.counts.true_positives) << row.threshold;
    EXPECT_EQ(row.counts.false_positives, direct.counts.false_positives) << row.threshold;
    EXPECT_EQ(row.total_cost, direct.total_cost) << row.threshold;
    EXPECT_LE(table.cheapest.total_cost, row.total_cost);
    EXPECT_GE(table.best_f1.f1, row.f1);
  }
}

TEST(RocCurve, RunsFromCornerToCornerWithoutPointsOnStraightLines) {
  const std::vector<RocPoint> curve =
      *RocCurve(Scores{0.9, 0.8, 0.7, 0.6, 0.5}, Labels{1, 1, 1, 0, 0});
  ASSERT_EQ(curve.size(), 3U);
  EXPECT_EQ(curve[0].true_positive_rate, 0.0);
  EXPECT_EQ(curve[1].true_positive_rate, 1.0);
  EXPECT_EQ(curve[1].false_positive_rate, 0.0);
  EXPECT_EQ(curve[1].threshold, 0.7);
  EXPECT_EQ(curve[2].false_positive_rate, 1.0);
}

TEST(RocCurve, ItsTrapezoidsAreTheArea) {
  for (const int levels : {0, 7}) {
    const Sample sample = MakeSample(23, 800, levels);
    const std::vector<RocPoint> curve = *RocCurve(sample.first, sample.labels);
    double area = 0;
    for (std::size_t i = 1; i < curve.size(); ++i) {
      area += (curve[i].false_positive_rate - curve[i - 1].false_positive_rate) *
              (curve[i].true_positive_rate + curve[i - 1].true_positive_rate) / 2;
    }
    EXPECT_NEAR(area, *RocAuc(sample.first, sample.labels), 1e-12);
  }
}

TEST(PrCurve, ItsStepsAreTheAveragePrecision) {
  const Sample sample = MakeSample(23, 800, 9);
  const std::vector<PrPoint> curve = *PrCurve(sample.first, sample.labels);
  double area = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].recall - curve[i - 1].recall) * curve[i].precision;
  }
  EXPECT_EQ(curve.back().recall, 1.0);
  EXPECT_NEAR(area, *PrAuc(sample.first, sample.labels), 1e-12);
}

TEST(NormalQuantile, MatchesSciPyPpf) {
  // scipy.stats.norm.ppf, SciPy 1.17.1.
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_NEAR(NormalQuantile(0.5), 0.0, 1e-15);
  EXPECT_NEAR(NormalQuantile(1e-9), -5.9978070150076869, 1e-12);
}

TEST(BinaryMetrics, MatchScikitLearn) {
  const nlohmann::json golden = Golden();
  ASSERT_EQ(golden.at("binary").size(), 4U);
  for (const nlohmann::json& want : golden.at("binary")) {
    SCOPED_TRACE("seed " + want.at("seed").dump());
    const Sample sample = MakeSample(want.at("seed").get<std::uint64_t>(),
                                     want.at("rows").get<int>(), want.at("levels").get<int>());
    const Scores& scores = sample.first;
    const Labels& labels = sample.labels;
    const auto number = [&](const char* key) { return want.at(key).get<double>(); };
    EXPECT_NEAR(*RocAuc(scores, labels), number("roc_auc"), 1e-14);
    EXPECT_NEAR(*PrAuc(scores, labels), number("average_precision"), 1e-13);
    EXPECT_NEAR(*LogLoss(scores, labels), number("log_loss"), 1e-12);
    EXPECT_NEAR(*Brier(scores, labels), number("brier"), 1e-13);
    EXPECT_NEAR(*Ece(scores, labels), number("ece_width"), 1e-12);
    EXPECT_NEAR(*Ece(scores, labels, 15, Binning::kEqualMass), number("ece_mass"), 1e-12);
    EXPECT_NEAR(*ClassSeparation(scores, labels), number("separation"), 1e-13);
    const std::vector<CalibrationBin> curve = *CalibrationCurve(scores, labels);
    ASSERT_EQ(curve.size(), want.at("observed").size());
    for (std::size_t b = 0; b < curve.size(); ++b) {
      EXPECT_NEAR(curve[b].observed, want.at("observed")[b].get<double>(), 1e-13);
      EXPECT_NEAR(curve[b].predicted, want.at("predicted")[b].get<double>(), 1e-12);
    }
    const ThresholdRow half = *AtThreshold(scores, labels, Costs{}, 0.5);
    const std::vector<std::int64_t> counts = {
        half.counts.true_positives, half.counts.false_positives, half.counts.false_negatives,
        half.counts.true_negatives};
    EXPECT_EQ(counts, want.at("confusion").get<std::vector<std::int64_t>>());
    EXPECT_NEAR(half.precision, number("precision"), 1e-15);
    EXPECT_NEAR(half.recall, number("recall"), 1e-15);
    EXPECT_NEAR(half.f1, number("f1"), 1e-15);
    EXPECT_NEAR(half.counts.Accuracy(), number("accuracy"), 1e-15);
    const Costs costs{
        .true_positive = 0, .false_positive = 1, .false_negative = 5, .true_negative = 0};
    const ThresholdRow cheapest = ThresholdTable(scores, labels, costs, {})->cheapest;
    EXPECT_EQ(cheapest.total_cost, number("cheapest_cost"));
    EXPECT_EQ(cheapest.threshold, number("cheapest_threshold"));
    const Interval wilson = WilsonInterval(number("positives"), number("rows"));
    EXPECT_NEAR(wilson.lower, want.at("wilson")[0].get<double>(), 1e-12);
    EXPECT_NEAR(wilson.upper, want.at("wilson")[1].get<double>(), 1e-12);
  }
}

TEST(DeLong, MatchesItsDefinitionInNumpy) {
  const nlohmann::json golden = Golden();
  for (const nlohmann::json& entry : golden.at("binary")) {
    const nlohmann::json& want = entry.at("delong");
    const Sample sample = MakeSample(entry.at("seed").get<std::uint64_t>(),
                                     entry.at("rows").get<int>(), entry.at("levels").get<int>());
    const auto number = [&](const char* key) { return want.at(key).get<double>(); };
    const AucEstimate estimate = *RocAucWithInterval(sample.first, sample.labels);
    EXPECT_NEAR(estimate.standard_error, number("standard_error"), 1e-12);
    EXPECT_NEAR(estimate.interval.lower, number("lower"), 1e-12);
    EXPECT_NEAR(estimate.interval.upper, number("upper"), 1e-12);
    const AucDifference paired = *CompareRocAuc(sample.first, sample.second, sample.labels);
    EXPECT_NEAR(paired.difference, number("difference"), 1e-12);
    EXPECT_NEAR(paired.standard_error, number("difference_error"), 1e-12);
    EXPECT_NEAR(paired.z, number("z"), 1e-9);
    EXPECT_NEAR(paired.p_value / number("p_value"), 1.0, 1e-8);
  }
}

TEST(BadInput, EachErrorNamesTheThing) {
  const auto message = [](const auto& result) {
    return result.ok() ? std::string("ok") : result.error().ToString();
  };
  EXPECT_THAT(message(RocAuc(Scores{0.1, kNaN}, Labels{0, 1})), HasSubstr("score of row 1 is NaN"));
  EXPECT_THAT(message(RocAuc(Scores{0.1}, Labels{0, 1})), HasSubstr("1 scores but 2 labels"));
  EXPECT_THAT(message(RocAuc(Scores{}, Labels{})), HasSubstr("no rows"));
  EXPECT_THAT(message(RocAuc(Scores{0.1, 0.2}, Labels{1, 1})), HasSubstr("all 2 labels are 1"));
  EXPECT_THAT(message(PrAuc(Scores{0.1, 0.2}, Labels{0, 0})), HasSubstr("all 2 labels are 0"));
  EXPECT_THAT(message(RocAuc(Scores{0.1, 0.2}, Labels{0, 2})), HasSubstr("label of row 1 is 2"));
  EXPECT_THAT(message(LogLoss(Scores{1.5}, Labels{1})), HasSubstr("probability in [0, 1]"));
  EXPECT_THAT(message(Ece(Scores{0.5}, Labels{1}, 1)), HasSubstr("1 bins"));
  EXPECT_THAT(message(LiftTable(Scores{0.5, 0.6}, Labels{1, 0}, 3)),
              HasSubstr("3 slices of 2 rows"));
  EXPECT_THAT(message(RocAucWithInterval(Scores{0.5, 0.6}, Labels{1, 0}, 95)),
              HasSubstr("confidence level is 95"));
  EXPECT_THAT(message(ThresholdTable(Scores{0.5}, Labels{1}, Costs{kNaN, 0, 0, 0}, {})),
              HasSubstr("cost true_positive is NaN"));
  EXPECT_THAT(message(Confusion(Scores{0.5}, Labels{1}, kNaN)), HasSubstr("threshold is NaN"));
}

}  // namespace
}  // namespace millrace::metrics
