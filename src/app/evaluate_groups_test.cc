// SPDX-License-Identifier: Apache-2.0
// Groups of test rows: only what was known at the as-of time counts, and mistakes have their place.
#include "app/evaluate_groups.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "data/parquet.h"

namespace millrace::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kDay = 86400LL * 1000000;

/// Customer 1 moved from DE to FR on day 5; 2 is known from day 20 on; 3 has no event.
class EvaluateGroups : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("groups_" + base::NewRunId());
    std::filesystem::create_directories(folder_);
    data::TableBuilder rows;
    rows.AddInt64s("customer", {1, 1, 1, 2, 3});
    rows.AddTimestamps("as_of", {5 * kDay, 6 * kDay, 30 * kDay, 10 * kDay, 10 * kDay});
    rows.AddDoubles("orders", {1, 2, 3, 1, 1});
    rows_ = *rows.Finish();
    data::TableBuilder events;
    events.AddInt64s("customer", {2, 1, 1, 1, 9});
    events.AddTimestamps("time", {20 * kDay, 5 * kDay, 2 * kDay, 2 * kDay, 0});
    events.AddStrings("country", {"UK", "FR", "AT", "DE", "US"});
    events.AddDoubles("amount", {7, 2, 3, 1, 9});
    events.AddBools("is_new", {1, 0, 1, 1, 1});
    tables_["events"] = Write("events", *events.Finish());
    data::TableBuilder people;
    people.AddInt64s("person", {3, 1});
    people.AddStrings("gender", {"f", "m"});
    tables_["people"] = Write("people", *people.Finish());
    training_.label.key.value = "customer";
    training_.label.time.value = "time";
    training_.evaluation.minimum_rows = 1;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(const std::string& name, const data::Table& table) {
    const std::filesystem::path file = folder_ / (name + ".parquet");
    EXPECT_TRUE(data::WriteParquet({}, table, file).ok());
    return file;
  }
  Result<GroupReport> Measure(const std::string& column, const std::string& table,
                              const std::string& key = "") {
    evaluation::GroupColumnSpec spec;
    spec.column = {column, {"training/x.yaml", 7, 3}};
    spec.table.value = table;
    spec.key.value = key;
    training_.evaluation.fairness.sensitive = {spec};
    const std::vector<double> scores = {0.1, 0.9, 0.2, 0.8, 0.7};
    const std::vector<std::uint8_t> labels = {0, 1, 0, 1, 0};
    return MeasureDeclaredGroups({}, training_, {rows_, scores, labels, 0.5}, tables_);
  }
  /// "name rows" of each group.
  std::vector<std::string> Groups(const std::string& column, const std::string& table,
                                  const std::string& key = "") {
    std::vector<std::string> names;
    const auto report = Measure(column, table, key);
    if (!report.ok()) {
      return {report.error().ToString()};
    }
    for (const evaluation::GroupMetrics& group : report->fairness.at(0).groups) {
      names.push_back(group.group + " " + std::to_string(group.rows));
    }
    return names;
  }

  std::filesystem::path folder_;
  data::Table rows_;
  std::map<std::string, std::filesystem::path> tables_;
  TrainingSpec training_;
};

TEST_F(EvaluateGroups, TakeTheLastValueBeforeTheAsOfTime) {
  // As of day 5 the move of that day is not yet known; of the two events of day 2 the later row
  // counts; the UK event of day 20 comes after customer 2's as-of time.
  EXPECT_THAT(Groups("country", "events"), ElementsAre("FR 2", "DE 1", "(missing) 2"));
  EXPECT_THAT(Groups("amount", "events"), ElementsAre("1 1", "2 2", "(missing) 2"));
  EXPECT_THAT(Groups("is_new", "events"), ElementsAre("false 2", "true 1", "(missing) 2"));
}

TEST_F(EvaluateGroups, ATableWithoutTimeHoldsAtAllTimes) {
  EXPECT_THAT(Groups("gender", "people", "person"), ElementsAre("m 3", "f 1", "(missing) 1"));
}

TEST_F(EvaluateGroups, ColumnsOfTheTrainingSetNeedNoTable) {
  EXPECT_THAT(Groups("orders", ""), ElementsAre("1 3", "2 1", "3 1"));
}

TEST_F(EvaluateGroups, AsOfTimesAreAlwaysSegments) {
  const GroupReport report = *Measure("orders", "");
  ASSERT_EQ(report.segments.size(), 1U);
  EXPECT_EQ(report.segments[0].column, "as_of");
  EXPECT_EQ(report.segments[0].groups.size(), 4U);
  EXPECT_EQ(report.segments[0].threshold, 0.5);
}

TEST_F(EvaluateGroups, MetricsAreNamedByColumnGroupAndMeasure) {
  GroupReport report = *Measure("country", "events");
  report.segments = report.fairness;
  // Both would be called "_ _".
  report.segments[0].groups[0].group = "\xc3\xa4";
  report.segments[0].groups[1].group = "\xc3\xb6";
  for (evaluation::GroupMetrics& group : report.segments[0].groups) {
    group.roc_auc = metrics::AucEstimate{0.75, 0.01, {0.7, 0.8}};
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : GroupMetricNames(report)) {
    names.push_back(name);
  }
  EXPECT_THAT(names,
              ElementsAre("fairness/country/demographic_parity_difference",
                          "fairness/country/demographic_parity_ratio",
                          "fairness/country/equal_opportunity_difference",
                          "fairness/country/equal_opportunity_ratio",
                          "fairness/country/equalized_odds_difference",
                          "fairness/country/equalized_odds_ratio", "segment/country/___/roc_auc",
                          "segment/country/____/roc_auc", "segment/country/_missing_/roc_auc"));
}

TEST_F(EvaluateGroups, MistakesHaveTheirPlace) {
  const auto message = [&](const std::string& column, const std::string& table) {
    const auto result = Measure(column, table);
    return result.ok() ? std::string("ok") : result.error().ToString();
  };
  EXPECT_THAT(message("contry", "events"), HasSubstr("country"));
  EXPECT_THAT(message("contry", "events"), HasSubstr("training/x.yaml:7:3"));
  EXPECT_THAT(message("time", "events"), HasSubstr("column \"time\" holds times"));
  EXPECT_THAT(message("gender", "people"), HasSubstr("customer"));
  EXPECT_THAT(message("gender", "persons"), HasSubstr("table \"persons\" is no table"));
}

}  // namespace
}  // namespace millrace::app
