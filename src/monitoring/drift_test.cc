// SPDX-License-Identifier: Apache-2.0
// Drift of tables: verdicts and their reasons, threads, declaration, bad input.
#include "monitoring/drift.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "data/table.h"

namespace millrace::monitoring {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Normal(std::uint64_t seed, int rows, double mean) {
  base::Rng rng(seed);
  std::vector<double> values;
  for (int i = 0; i < rows; ++i) {
    values.push_back(rng.Normal() + mean);
  }
  return values;
}

data::Table MakeTable(std::uint64_t seed, int rows, double shift) {
  data::TableBuilder builder;
  builder.AddDoubles("same", Normal(seed, rows, 0));
  builder.AddDoubles("shifted", Normal(seed + 100, rows, shift));
  std::vector<double> holes = Normal(seed + 200, rows, 0);
  for (int i = 0; shift > 0 && i < rows / 2; ++i) {
    holes[static_cast<std::size_t>(i)] = kNaN;
  }
  builder.AddDoubles("holes", std::move(holes));
  builder.AddStrings("text", std::vector<std::string>(static_cast<std::size_t>(rows), "x"));
  return *builder.Finish();
}

std::string Message(const auto& result) {
  return result.ok() ? std::string("ok") : result.error().ToString();
}

TEST(CompareColumn, TheSameDistributionIsOk) {
  const ColumnDrift column =
      *CompareColumn("x", Normal(1, 5000, 0), Normal(2, 4000, 0), DriftThresholds{});
  EXPECT_EQ(column.verdict, Verdict::kOk);
  EXPECT_EQ(column.reason, "below every limit");
}

TEST(CompareColumn, AShiftedDistributionDriftsWithItsReasons) {
  const ColumnDrift column =
      *CompareColumn("x", Normal(1, 5000, 0), Normal(2, 4000, 1), DriftThresholds{});
  EXPECT_EQ(column.verdict, Verdict::kDrift);
  EXPECT_THAT(column.reason, HasSubstr("psi "));
  EXPECT_THAT(column.reason, HasSubstr(">= 0.25"));
  EXPECT_THAT(column.reason, HasSubstr("wasserstein "));
  EXPECT_THAT(column.reason, HasSubstr("ks "));
}

TEST(CompareColumn, OneVoteIsAWarningAndVotesCanBeSet) {
  DriftThresholds thresholds;
  thresholds.psi = {10, 20};
  thresholds.ks = {1.1, 1.2};
  const std::vector<double> reference = Normal(1, 5000, 0);
  const std::vector<double> current = Normal(2, 4000, 1);
  EXPECT_EQ(CompareColumn("x", reference, current, thresholds)->verdict, Verdict::kWarn);
  thresholds.votes = 1;
  EXPECT_EQ(CompareColumn("x", reference, current, thresholds)->verdict, Verdict::kDrift);
}

TEST(CompareColumn, MoreMissingValuesDrift) {
  std::vector<double> current = Normal(2, 4000, 0);
  for (std::size_t i = 0; i < 2000; ++i) {
    current[i * 2] = kNaN;
  }
  const ColumnDrift column = *CompareColumn("x", Normal(1, 5000, 0), current, DriftThresholds{});
  EXPECT_EQ(column.verdict, Verdict::kDrift);
  EXPECT_THAT(column.reason, HasSubstr("missing share moved by 0.500"));
}

TEST(CompareColumn, EveryValueMissingOnOneSideIsDriftOnBothIsOk) {
  const std::vector<double> gone(200, kNaN);
  const ColumnDrift one = *CompareColumn("x", Normal(1, 200, 0), gone, DriftThresholds{});
  EXPECT_EQ(one.verdict, Verdict::kDrift);
  EXPECT_THAT(one.reason, HasSubstr("every value is missing in the current rows"));
  EXPECT_EQ(CompareColumn("x", gone, gone, DriftThresholds{})->verdict, Verdict::kOk);
}

TEST(CompareColumn, AConstantFeatureThatChangesDrifts) {
  const std::vector<double> five(200, 5);
  const std::vector<double> six(200, 6);
  EXPECT_EQ(CompareColumn("x", five, five, DriftThresholds{})->verdict, Verdict::kOk);
  EXPECT_EQ(CompareColumn("x", five, six, DriftThresholds{})->verdict, Verdict::kDrift);
}

TEST(CompareColumn, TooFewRowsGiveNoVerdict) {
  const ColumnDrift column =
      *CompareColumn("x", Normal(1, 5000, 0), Normal(2, 20, 3), DriftThresholds{});
  EXPECT_EQ(column.verdict, Verdict::kOk);
  EXPECT_THAT(column.reason, HasSubstr("too few rows (20 of 100)"));
  EXPECT_GT(column.psi, 1);
}

TEST(ComputeDrift, IsTheSameAtAnyThreadCountAndInTheOrderAsked) {
  const data::Table reference = MakeTable(1, 3000, 0);
  const data::Table current = MakeTable(2, 1000, 1);
  const std::vector<std::string> columns = {"shifted", "same", "holes"};
  std::vector<std::string> tables;
  for (const int threads : {0, 1, 3}) {
    Context context;
    std::optional<base::ThreadPool> pool;
    if (threads > 0) {
      pool.emplace("drift", threads);
      context.cpu = &*pool;
    }
    const auto report = ComputeDrift(context, reference, current, columns, DriftThresholds{});
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->columns[0].column, "shifted");
    EXPECT_EQ(report->verdict, Verdict::kDrift);
    EXPECT_EQ(report->CountOf(Verdict::kDrift), 2);
    EXPECT_EQ(report->Summary(), "2 of 3 columns drifted (shifted, holes).");
    tables.push_back(FormatDriftTable(*report));
  }
  EXPECT_EQ(tables[0], tables[1]);
  EXPECT_EQ(tables[0], tables[2]);
}

TEST(ComputeDrift, ReportSectionHasTheWorstColumnsFirst) {
  const std::vector<std::string> columns = {"same", "shifted"};
  const DriftReport report =
      *ComputeDrift({}, MakeTable(1, 3000, 0), MakeTable(2, 1000, 1), columns, DriftThresholds{});
  const evaluation::DriftSection section = ToReportSection(report, "training", "scoring");
  ASSERT_EQ(section.rows.size(), 2U);
  EXPECT_EQ(section.rows[0].column, "shifted");
  EXPECT_EQ(section.rows[0].verdict, "drift");
  EXPECT_EQ(section.rows[1].verdict, "ok");
  EXPECT_EQ(section.current, "scoring");
}

TEST(ComputeDrift, RefusesBadInput) {
  const data::Table table = MakeTable(1, 300, 0);
  const data::Table empty = table.Slice(0, 0);
  const std::vector<std::string> same = {"same"};
  const DriftThresholds thresholds;
  EXPECT_THAT(Message(ComputeDrift({}, empty, table, same, thresholds)),
              HasSubstr("the reference table has no rows"));
  EXPECT_THAT(Message(ComputeDrift({}, table, empty, same, thresholds)),
              HasSubstr("the current table has no rows"));
  EXPECT_THAT(Message(ComputeDrift({}, table, table, {}, thresholds)), HasSubstr("no column"));
  const std::vector<std::string> unknown = {"sane"};
  EXPECT_THAT(Message(ComputeDrift({}, table, table, unknown, thresholds)), HasSubstr("same"));
  const std::vector<std::string> text = {"text"};
  EXPECT_THAT(Message(ComputeDrift({}, table, table, text, thresholds)), HasSubstr("\"text\""));
}

MonitorSpec Read(std::string_view text, base::ErrorList& errors) {
  auto node = base::YamlNode::Parse(text, "monitors/churn.yaml");
  EXPECT_TRUE(node.ok());
  return MonitorSpec::Declared().Read(*node, errors);
}

TEST(MonitorSpec, IsReadWithItsDefaults) {
  base::ErrorList errors;
  const MonitorSpec spec = Read(
      "name: churn\nendpoint: churn\ncolumns: [a, b]\n"
      "thresholds:\n  psi: {warn: 0.2, drift: 0.5}\n  votes: 1\n",
      errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(spec.reference, "training");
  EXPECT_EQ(spec.current, "scoring");
  EXPECT_EQ(spec.columns.size(), 2U);
  EXPECT_EQ(spec.thresholds.psi.drift, 0.5);
  EXPECT_EQ(spec.thresholds.ks.drift, 0.2);
  EXPECT_EQ(spec.thresholds.votes, 1);
  EXPECT_EQ(spec.minimum_rows, 100);
}

TEST(MonitorSpec, MistakesAreToldWithLineAndNearestName) {
  base::ErrorList errors;
  Read("name: churn\nendpoint: churn\nthreshold:\n  psi: {warn: 0.2, drift: 0.5}\n", errors);
  ASSERT_FALSE(errors.empty());
  EXPECT_THAT(errors.ToError().ToString(), HasSubstr("thresholds"));
  EXPECT_THAT(errors.ToError().ToString(), HasSubstr("churn.yaml:3"));
}

TEST(FormatDriftTable, HasALinePerColumn) {
  const std::vector<std::string> columns = {"same", "holes"};
  const DriftReport report =
      *ComputeDrift({}, MakeTable(1, 3000, 0), MakeTable(2, 1000, 1), columns, DriftThresholds{});
  const std::string table = FormatDriftTable(report);
  EXPECT_THAT(table, HasSubstr("holes   drift"));
  EXPECT_THAT(table, HasSubstr("0.0>50.0%"));
  EXPECT_THAT(table, Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace millrace::monitoring
