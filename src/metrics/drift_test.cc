// SPDX-License-Identifier: Apache-2.0
// Drift statistics: cases by hand, then SciPy's and numpy's values, then properties, then bad
// input.
#include "metrics/drift.h"

#include <algorithm>
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

using Values = std::vector<double>;
using ::testing::HasSubstr;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

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

Values MakeValues(std::uint64_t seed, int rows, double scale, double shift, int levels) {
  Uniform uniform(seed);
  Values values;
  for (int i = 0; i < rows; ++i) {
    const double value = scale * uniform.Next() + shift;
    values.push_back(levels == 0 ? value : std::floor(value * levels));
  }
  return values;
}

nlohmann::json Golden() {
  const std::string path = std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/metrics/golden.json";
  auto text = base::ReadFile(path);
  EXPECT_TRUE(text.ok()) << text.error().ToString();
  auto json = base::ParseJson(text.ok() ? *text : std::string("{}"), path);
  EXPECT_TRUE(json.ok());
  return *json;
}

TEST(Psi, IsZeroForTheSameSampleByEveryRule) {
  const Values values = MakeValues(1, 500, 10, 0, 0);
  for (const PsiRule rule : {PsiRule::kQuantile, PsiRule::kEvidently, PsiRule::kAzure}) {
    EXPECT_EQ(*Psi(values, values, rule), 0.0) << PsiRuleName(rule);
  }
}

TEST(Psi, SeesAConstantThatBecameAnotherConstant) {
  for (const double other : {4.0, 6.0}) {
    // All mass moves from one bin to another: 2 (1 - 1e-4) ln(1e4).
    EXPECT_NEAR(*Psi(Values(50, 5.0), Values(50, other)), 2 * (1 - 1e-4) * std::log(1e4), 1e-9);
  }
  EXPECT_EQ(*Psi(Values(50, 5.0), Values(70, 5.0)), 0.0);
}

TEST(Psi, MissingValuesAreABinOfTheirOwn) {
  const Values reference = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  Values current = reference;
  current.insert(current.end(), 10, kNaN);
  // Each of 10 bins falls from 0.1 to 0.05, missing grows from the floor 1e-4 to 0.5.
  const double want = 10 * 0.05 * std::log(2.0) + (1e-4 - 0.5) * std::log(1e-4 / 0.5);
  EXPECT_NEAR(*Psi(reference, current), want, 1e-12);
}

TEST(Psi, OnlyMissingOnBothSidesIsNoDrift) {
  EXPECT_EQ(*Psi(Values(3, kNaN), Values(5, kNaN)), 0.0);
}

TEST(Psi, MatchesTheEvidentlyAndAzureRulesOnAGoldenSample) {
  // Computed from the definitions in Evidently 0.7.21 and azureml-assets 2026-07 (reference notes,
  // RNG-free sample).
  const Values reference = MakeValues(1, 2000, 10, 0, 0);
  Uniform uniform(7);
  Values current;
  for (int i = 0; i < 1500; ++i) {
    current.push_back(11 * std::pow(uniform.Next(), 1.2));
  }
  EXPECT_NEAR(*Psi(reference, current, PsiRule::kEvidently), 0.48352261326, 1e-10);
  EXPECT_NEAR(*Psi(reference, current, PsiRule::kAzure), 0.41465244438, 1e-10);
  EXPECT_NEAR(*Wasserstein(reference, current), 0.35826693166, 1e-10);
  EXPECT_NEAR(*WassersteinNormed(reference, current), 0.12491382612, 1e-10);
  const KsResult ks = *KolmogorovSmirnov(reference, current);
  EXPECT_NEAR(ks.statistic, 0.0845, 1e-12);
  EXPECT_NEAR(ks.p_value, 9.094134e-06, 1e-11);
  EXPECT_TRUE(ks.is_exact);
}

TEST(BinnedSample, MergedPartsEqualTheWhole) {
  const Values values = MakeValues(1, 1000, 10, 0, 2);
  BinnedSample whole = *BinnedSample::AtQuantiles(values);
  BinnedSample left = whole.EmptyCopy();
  BinnedSample right = whole.EmptyCopy();
  whole.Add(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    (i % 3 == 0 ? left : right).Add(values[i]);
  }
  right.Add(kNaN);
  whole.Add(kNaN);
  ASSERT_TRUE(left.Merge(right).ok());
  EXPECT_EQ(left.counts(), whole.counts());
  EXPECT_EQ(left.missing(), 1);
  EXPECT_EQ(left.rows(), 1001);
  EXPECT_EQ(*Psi(left, whole), 0.0);
}

TEST(BinnedSample, RefusesToMergeOtherBins) {
  BinnedSample one({1.0, 2.0});
  EXPECT_THAT(one.Merge(BinnedSample({1.0, 3.0})).error().ToString(), HasSubstr("different bins"));
}

TEST(Wasserstein, IsTheShiftOfAShiftedSample) {
  EXPECT_DOUBLE_EQ(*Wasserstein(Values{0, 1, 3}, Values{5, 6, 8}), 5.0);
  EXPECT_DOUBLE_EQ(*Wasserstein(Values{0, 1}, Values{0, 0, 1, 1}), 0.0);
}

TEST(Wasserstein, ScalesWithAConstantReferenceByTheFloor) {
  EXPECT_DOUBLE_EQ(*WassersteinNormed(Values{2, 2}, Values{3, 3}), 1000.0);
}

TEST(KolmogorovSmirnov, IsOneForSeparateSamplesAndZeroForTheSame) {
  const KsResult apart = *KolmogorovSmirnov(Values{1, 2, 3}, Values{4, 5, 6});
  EXPECT_EQ(apart.statistic, 1.0);
  EXPECT_NEAR(apart.p_value, 2.0 / 20, 1e-15);
  const KsResult same = *KolmogorovSmirnov(Values{1, 2, 2, 3}, Values{1, 2, 2, 3});
  EXPECT_EQ(same.statistic, 0.0);
  EXPECT_EQ(same.p_value, 1.0);
}

TEST(KolmogorovSmirnov, DropsMissingValues) {
  const KsResult with = *KolmogorovSmirnov(Values{1, kNaN, 2, 3}, Values{2, 3, 4});
  const KsResult without = *KolmogorovSmirnov(Values{1, 2, 3}, Values{2, 3, 4});
  EXPECT_EQ(with.statistic, without.statistic);
  EXPECT_EQ(with.p_value, without.p_value);
}

TEST(DriftStatistics, DoNotDependOnTheOrderOfRows) {
  Values reference = MakeValues(1, 700, 10, 0, 0);
  Values current = MakeValues(7, 400, 10, 0.4, 0);
  const double psi = *Psi(reference, current);
  const double distance = *WassersteinNormed(reference, current);
  const KsResult ks = *KolmogorovSmirnov(reference, current);
  std::reverse(reference.begin(), reference.end());
  std::rotate(current.begin(), current.begin() + 123, current.end());
  EXPECT_EQ(*Psi(reference, current), psi);
  EXPECT_EQ(*WassersteinNormed(reference, current), distance);
  EXPECT_EQ(KolmogorovSmirnov(reference, current)->p_value, ks.p_value);
}

TEST(DriftStatistics, MatchSciPyAndNumpy) {
  const nlohmann::json golden = Golden();
  ASSERT_EQ(golden.at("drift").size(), 9U);
  for (const nlohmann::json& want : golden.at("drift")) {
    const int rows = want.at("reference_rows").get<int>();
    const int other = want.at("current_rows").get<int>();
    SCOPED_TRACE(std::to_string(rows) + " against " + std::to_string(other));
    const int levels = want.at("levels").get<int>();
    const auto number = [&](const char* key) { return want.at(key).get<double>(); };
    const Values reference = MakeValues(1, rows, 10, 0, levels);
    const Values current = MakeValues(7, other, number("scale"), number("shift"), levels);
    const KsResult ks = *KolmogorovSmirnov(reference, current);
    EXPECT_NEAR(ks.statistic, number("ks"), 1e-13);
    EXPECT_EQ(ks.is_exact, rows <= 10000 && other <= 10000);
    EXPECT_NEAR(ks.p_value, number("ks_p_value"), 1e-13 + 1e-8 * number("ks_p_value"));
    EXPECT_NEAR(*Wasserstein(reference, current), number("wasserstein"), 1e-11);
    EXPECT_NEAR(*WassersteinNormed(reference, current), number("wasserstein_normed"), 1e-11);
    EXPECT_NEAR(*Psi(reference, current), number("psi_quantile"), 1e-11);
    EXPECT_NEAR(*Psi(reference, current, PsiRule::kEvidently), number("psi_evidently"), 1e-11);
    EXPECT_NEAR(*Psi(reference, current, PsiRule::kAzure), number("psi_azure"), 1e-11);
  }
}

TEST(KolmogorovSurvival, MatchesSciPyKstwo) {
  const nlohmann::json golden = Golden();
  ASSERT_GT(golden.at("kolmogorov_survival").size(), 80U);
  for (const nlohmann::json& row : golden.at("kolmogorov_survival")) {
    const double want = row[2].get<double>();
    const double got = KolmogorovSurvival(row[0].get<std::int64_t>(), row[1].get<double>());
    EXPECT_NEAR(got, want, 1e-12 + 1e-8 * want) << row.dump();
  }
}

TEST(Describe, CountsMissingAndUsesThePopulationDeviation) {
  const SampleShape shape = Describe(Values{1, kNaN, 3, std::numeric_limits<double>::infinity()});
  EXPECT_EQ(shape.rows, 4);
  EXPECT_EQ(shape.missing, 2);
  EXPECT_EQ(shape.MissingShare(), 0.5);
  EXPECT_EQ(shape.mean, 2.0);
  EXPECT_EQ(shape.standard_deviation, 1.0);
  EXPECT_EQ(shape.minimum, 1.0);
  EXPECT_EQ(shape.maximum, 3.0);
}

TEST(DriftBadInput, EachErrorNamesTheSide) {
  const auto message = [](const auto& result) {
    return result.ok() ? std::string("ok") : result.error().ToString();
  };
  EXPECT_THAT(message(Psi(Values{}, Values{1})), HasSubstr("reference sample has no rows"));
  EXPECT_THAT(message(Psi(Values{1}, Values{})), HasSubstr("current sample has no rows"));
  EXPECT_THAT(message(Wasserstein(Values{1}, Values{kNaN, kNaN})),
              HasSubstr("current sample has only missing values in 2 rows"));
  EXPECT_THAT(message(KolmogorovSmirnov(Values{}, Values{1})), HasSubstr("reference sample"));
  EXPECT_THAT(message(BinnedSample::AtQuantiles(Values{1}, 1)), HasSubstr("1 bins"));
}

}  // namespace
}  // namespace millrace::metrics
