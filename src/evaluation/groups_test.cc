// SPDX-License-Identifier: Apache-2.0
// Groups of rows: cases by hand, Fairlearn's and scikit-learn's values, what is undefined, and the
// files.
#include "evaluation/groups.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "evaluation/group_evaluation.h"

namespace millrace::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

GroupColumnSpec Column(const std::string& name, std::vector<double> edges = {}) {
  GroupColumnSpec spec;
  spec.column.value = name;
  spec.edges = std::move(edges);
  return spec;
}

TEST(GroupTexts, StandByFallingSizeAndMissingLast) {
  const std::vector<std::int32_t> codes = {2, 0, -1, 2, 1, 2, 1};
  const std::vector<std::string> values = {"FR", "DE", "UK", "unused"};
  const Grouping grouping = GroupTexts("country", codes, values);
  EXPECT_THAT(grouping.names, ElementsAre("UK", "DE", "FR", "(missing)"));
  EXPECT_THAT(grouping.group_of, ElementsAre(0, 2, 3, 0, 1, 0, 1));
}

TEST(GroupTexts, RareValuesShareOneGroup) {
  std::vector<std::int32_t> codes;
  std::vector<std::string> values;
  for (int i = 0; i < 30; ++i) {
    values.push_back("v" + std::to_string(100 + i));
    codes.insert(codes.end(), static_cast<std::size_t>(30 - i), i);
  }
  const Grouping grouping = GroupTexts("city", codes, values);
  ASSERT_EQ(grouping.names.size(), 21U);
  EXPECT_EQ(grouping.names[19], "v119");
  EXPECT_EQ(grouping.names[20], "(10 other values)");
  EXPECT_EQ(grouping.group_of.back(), 20U);
}

TEST(GroupNumbers, AnEdgeBelongsToTheGroupAbove) {
  const Grouping grouping =
      *GroupNumbers(std::vector<double>{29.9, 30, 49, 50, kNaN}, Column("age", {30, 50}));
  EXPECT_THAT(grouping.names,
              ElementsAre("under 30", "30 to under 50", "50 and over", "(missing)"));
  EXPECT_THAT(grouping.group_of, ElementsAre(0, 1, 1, 2, 3));
}

TEST(GroupNumbers, FewValuesAreTheirOwnGroups) {
  const Grouping grouping = *GroupNumbers(std::vector<double>{1, 0, 1, 2.5}, Column("plan"));
  EXPECT_THAT(grouping.names, ElementsAre("0", "1", "2.5"));
  EXPECT_THAT(grouping.group_of, ElementsAre(1, 0, 1, 2));
}

TEST(GroupNumbers, ManyValuesAreCutAtQuantiles) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) {
    values.push_back(i);
  }
  const Grouping grouping = *GroupNumbers(values, Column("amount"));
  EXPECT_THAT(grouping.names, ElementsAre("under 249.8", "249.8 to under 499.5",
                                          "499.5 to under 749.2", "749.2 and over"));
  EXPECT_EQ(std::count(grouping.group_of.begin(), grouping.group_of.end(), 2U), 250);
}

TEST(GroupNumbers, EqualQuantilesFallTogether) {
  std::vector<double> values(900, 0.0);
  for (int i = 1; i <= 100; ++i) {
    values.push_back(i);
  }
  // Three quarters are 0, so no cut remains.
  EXPECT_THAT(GroupNumbers(values, Column("amount"))->names, ElementsAre("all"));
}

TEST(GroupNumbers, EdgesMustRise) {
  const auto refused = GroupNumbers(std::vector<double>{1}, Column("age", {50, 30}));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("column \"age\": 30 stands after 50"));
}

TEST(GroupTimes, StandByDayOrByMonthWhereThereAreMany) {
  constexpr std::int64_t kDay = 86400LL * 1000000;
  std::vector<std::int64_t> days = {40 * kDay, 0, 40 * kDay + 5, 2 * kDay};
  const Grouping grouping = GroupTimes("as_of", days);
  EXPECT_THAT(grouping.names, ElementsAre("1970-01-01", "1970-01-03", "1970-02-10"));
  EXPECT_THAT(grouping.group_of, ElementsAre(2, 0, 2, 1));
  for (int i = 0; i < 40; ++i) {
    days.push_back(i * kDay);
  }
  EXPECT_THAT(GroupTimes("as_of", days).names, ElementsAre("1970-01", "1970-02"));
}

// The generator of tests/golden/fairness/make_golden.py.
struct Sample {
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;
  std::vector<double> members;
};

Sample MakeSample(const nlohmann::json& want) {
  std::uint64_t x = want.at("seed").get<std::uint64_t>();
  const auto uniform = [&] {
    x = (1103515245 * x + 12345) % 2147483648U;
    return static_cast<double>(x) / 2147483648.0;
  };
  const double groups = want.at("groups").get<double>();
  Sample sample;
  for (int i = 0; i < want.at("rows").get<int>(); ++i) {
    const double u = uniform();
    const double v = uniform();
    const double w = uniform();
    const double group = std::floor(v * v * groups);
    sample.members.push_back(group);
    sample.scores.push_back(0.8 * u + 0.2 * group / groups);
    sample.labels.push_back(w < 0.1 + 0.6 * u + 0.1 * group / groups ? 1 : 0);
  }
  return sample;
}

nlohmann::json Golden() {
  const std::string path = std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/fairness/golden.json";
  auto text = base::ReadFile(path);
  EXPECT_TRUE(text.ok()) << text.error().ToString();
  auto json = base::ParseJson(text.ok() ? *text : std::string("{}"), path);
  EXPECT_TRUE(json.ok());
  return *json;
}

TEST(MeasureGroups, MatchesFairlearnAndScikitLearn) {
  const nlohmann::json golden = Golden();
  ASSERT_EQ(golden.at("cases").size(), 4U);
  for (const nlohmann::json& want : golden.at("cases")) {
    SCOPED_TRACE("seed " + want.at("seed").dump());
    const Sample sample = MakeSample(want);
    const Grouping grouping = *GroupNumbers(sample.members, Column("group"));
    GroupOptions options;
    options.threshold = want.at("threshold").get<double>();
    options.minimum_rows = 1;
    const GroupTable table = *MeasureGroups(sample.scores, sample.labels, grouping, options);
    std::vector<double> targets;
    for (std::size_t i = 0; i < sample.scores.size(); ++i) {
      targets.push_back(static_cast<double>(i) / static_cast<double>(sample.scores.size()));
    }
    const GroupTable errors = *MeasureRegressionGroups(sample.scores, targets, grouping, 1);
    ASSERT_EQ(table.groups.size(), want.at("by_group").size());
    for (std::size_t g = 0; g < table.groups.size(); ++g) {
      const nlohmann::json& row = want.at("by_group")[g];
      const auto number = [&](const char* key) { return row.at(key).get<double>(); };
      const GroupMetrics& seen = table.groups[g];
      EXPECT_EQ(seen.group, row.at("group").dump());
      EXPECT_EQ(seen.rows, row.at("rows").get<std::int64_t>());
      EXPECT_EQ(seen.positives, row.at("positives").get<std::int64_t>());
      EXPECT_NEAR(seen.roc_auc->auc, number("roc_auc"), 1e-13);
      EXPECT_NEAR(*seen.log_loss, number("log_loss"), 1e-12);
      EXPECT_NEAR(*seen.brier, number("brier"), 1e-13);
      EXPECT_NEAR(seen.selection_rate->value, number("selection_rate"), 1e-15);
      EXPECT_NEAR(seen.true_positive_rate->value, number("true_positive_rate"), 1e-15);
      EXPECT_NEAR(seen.false_positive_rate->value, number("false_positive_rate"), 1e-15);
      EXPECT_NEAR(seen.precision->value, number("precision"), 1e-15);
      EXPECT_NEAR(seen.accuracy->value, number("accuracy"), 1e-15);
      EXPECT_NEAR(*errors.groups[g].rmse, number("rmse"), 1e-13);
      EXPECT_NEAR(*errors.groups[g].mae, number("mae"), 1e-13);
    }
    const std::vector<FairnessMeasure> measures = MeasureFairness(table.groups);
    ASSERT_EQ(measures.size(), want.at("differences").size());
    for (const FairnessMeasure& measure : measures) {
      SCOPED_TRACE(measure.name);
      ASSERT_TRUE(measure.value.has_value());
      EXPECT_NEAR(*measure.value, want.at("differences").at(measure.name).get<double>(), 1e-14);
      EXPECT_EQ(measure.note, "");
    }
  }
}

/// Two groups of 4 rows and one of 1; group b has no positive row.
GroupTable SmallTable(std::int64_t minimum_rows) {
  const std::vector<double> scores = {0.9, 0.2, 0.8, 0.1, 0.7, 0.2, 0.3, 0.4, 0.9};
  const std::vector<std::uint8_t> labels = {1, 1, 0, 0, 0, 0, 0, 0, 1};
  const Grouping grouping{"plan", {"a", "b", "c"}, {0, 0, 0, 0, 1, 1, 1, 1, 2}};
  GroupOptions options;
  options.minimum_rows = minimum_rows;
  GroupTable table = *MeasureGroups(scores, labels, grouping, options);
  table.measures = MeasureFairness(table.groups);
  return table;
}

TEST(MeasureGroups, LeavesEmptyWhatAGroupHasNoRowsFor) {
  const GroupTable table = SmallTable(2);
  EXPECT_EQ(table.groups[0].true_positive_rate->value, 0.5);
  EXPECT_EQ(table.groups[0].selection_rate->value, 0.5);
  EXPECT_TRUE(table.groups[0].is_judged);
  EXPECT_FALSE(table.groups[1].roc_auc.has_value());
  EXPECT_FALSE(table.groups[1].true_positive_rate.has_value());
  EXPECT_EQ(table.groups[1].false_positive_rate->value, 0.25);
  EXPECT_EQ(table.groups[1].precision->value, 0.0);
  EXPECT_TRUE(table.groups[1].log_loss.has_value());
  EXPECT_FALSE(table.groups[2].is_judged);
  EXPECT_FALSE(table.groups[2].false_positive_rate.has_value());
}

TEST(MeasureGroups, AnInfiniteThresholdSelectsNobody) {
  const Grouping grouping{"plan", {"a", "empty"}, {0, 0}};
  GroupOptions options;
  options.threshold = std::numeric_limits<double>::infinity();
  const GroupTable table = *MeasureGroups(std::vector<double>{0.5, 1.0},
                                          std::vector<std::uint8_t>{0, 1}, grouping, options);
  EXPECT_EQ(table.groups[0].selection_rate->value, 0.0);
  EXPECT_FALSE(table.groups[0].precision.has_value());
  EXPECT_FALSE(table.groups[1].selection_rate.has_value());
  EXPECT_FALSE(table.groups[1].brier.has_value());
}

TEST(MeasureFairness, SaysWhatItCannotJudge) {
  const GroupTable table = SmallTable(2);
  const FairnessMeasure& parity = table.measures[0];
  EXPECT_EQ(parity.name, "demographic_parity_difference");
  EXPECT_EQ(*parity.value, 0.25);
  EXPECT_EQ(parity.lowest, "b");
  EXPECT_EQ(parity.highest, "a");
  EXPECT_EQ(parity.note, "not judged: c");
  const FairnessMeasure& odds = table.measures[2];
  EXPECT_EQ(odds.name, "equalized_odds_difference");
  EXPECT_FALSE(odds.value.has_value());
  EXPECT_EQ(odds.note,
            "undefined: 1 group can be judged, two are needed; not judged: c; no positive row: b");
}

TEST(MeasureFairness, RareValuesGatheredInOneGroupAreNotJudged) {
  std::vector<std::int32_t> codes;
  std::vector<std::string> values;
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;
  for (int i = 0; i < 30; ++i) {
    values.push_back("v" + std::to_string(100 + i));
    for (int row = 0; row < 4; ++row) {
      codes.push_back(i);
      scores.push_back(i < 20 ? 0.9 : 0.1);
      labels.push_back(row % 2 == 0 ? 1 : 0);
    }
  }
  GroupOptions options;
  options.minimum_rows = 4;
  const GroupTable table =
      *MeasureGroups(scores, labels, GroupTexts("city", codes, values), options);
  ASSERT_EQ(table.groups.size(), 21U);
  EXPECT_FALSE(table.groups[20].is_judged);
  const std::vector<FairnessMeasure> measures = MeasureFairness(table.groups);
  EXPECT_EQ(*measures[0].value, 0.0);
  EXPECT_EQ(measures[0].note, "not judged: (10 other values)");
}

TEST(MeasureFairness, ARatioOfRatesThatAreAllZeroIsUndefined) {
  const std::vector<double> scores = {0.1, 0.2, 0.1, 0.2};
  const std::vector<std::uint8_t> labels = {0, 1, 0, 1};
  GroupOptions options;
  options.minimum_rows = 1;
  const GroupTable table =
      *MeasureGroups(scores, labels, Grouping{"plan", {"a", "b"}, {0, 0, 1, 1}}, options);
  const std::vector<FairnessMeasure> measures = MeasureFairness(table.groups);
  EXPECT_EQ(*measures[0].value, 0.0);
  EXPECT_FALSE(measures[1].value.has_value());
  EXPECT_EQ(measures[1].note, "undefined: the rate is 0 in every group");
}

TEST(GroupTables, ComeBackFromTheirFile) {
  GroupTable table = SmallTable(2);
  const std::string text = GroupTablesToJson({&table, 1});
  const std::vector<GroupTable> back = *ParseGroupTables(text, "fairness.json");
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(GroupTablesToJson(back), text);
  EXPECT_FALSE(back[0].groups[1].roc_auc.has_value());
  EXPECT_EQ(back[0].measures[2].note, table.measures[2].note);
  table.threshold = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(std::isinf(
      *ParseGroupTables(GroupTablesToJson({&table, 1}), "fairness.json")->front().threshold));
}

TEST(GroupTables, RefuseAnotherFile) {
  for (const char* text : {R"([{"segment": "as of 2011"}])", R"({"a": 1})", "[1]", R"([{"a")"}) {
    const auto refused = ParseGroupTables(text, "segments.json");
    ASSERT_FALSE(refused.ok()) << text;
    EXPECT_THAT(refused.error().message() + refused.error().where().file,
                HasSubstr("segments.json"));
  }
}

TEST(MeasureGroups, NamesTheRowThatIsWrong) {
  const Grouping grouping{"plan", {"a"}, {0, 0}};
  const auto message = [&](std::vector<double> scores, std::vector<std::uint8_t> labels) {
    const auto result = MeasureGroups(scores, labels, grouping, {});
    return result.ok() ? std::string("ok") : result.error().message();
  };
  EXPECT_EQ(message({0.1, kNaN}, {0, 1}), "score of row 1 is NaN; wanted: a number");
  EXPECT_EQ(message({0.1, 0.2}, {0, 3}), "label of row 1 is 3; wanted: 0 or 1");
  EXPECT_THAT(message({0.1}, {0}), HasSubstr("has groups for 2 rows; there are 1 scores"));
  EXPECT_THAT(message({0.1, 1.2}, {0, 1}), HasSubstr("probability in [0, 1]"));
}

}  // namespace
}  // namespace millrace::evaluation
