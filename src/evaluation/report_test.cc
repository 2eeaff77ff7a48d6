// SPDX-License-Identifier: Apache-2.0
// The report page: complete, self-contained, escaped, deterministic; pictures as files; drift added
// later.
#include "evaluation/report.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/rng.h"

namespace millrace::evaluation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "report_test_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

double Logistic(double x) {
  return 1 / (1 + std::exp(-x));
}

DriftSection MakeDrift() {
  DriftSection drift;
  drift.reference = "training, 21,034 rows, as-of 2010-06-01 to 2010-12-01";
  drift.current = "scoring, 4,282 rows, as-of 2011-12-01";
  drift.summary = "1 of 3 columns drifted, 1 to watch.";
  drift.rows.push_back({"tenure_days", 0.61, 0.8, 0.31, 0.0, 0, 0, "drift",
                        "psi 0.610 >= 0.25, wasserstein 0.800 >= 0.3, ks 0.310 >= 0.2"});
  drift.rows.push_back(
      {"amount_last_90d", 0.12, 0.05, 0.06, 0.00002, 0.1, 0.12, "warn", "psi 0.120 >= 0.1"});
  drift.rows.push_back({"score", 0.01, 0.03, 0.02, 0.41, 0, 0, "ok", "below every limit"});
  return drift;
}

void AddEvaluation(ReportData& data) {
  base::Rng rng(11);
  std::vector<double> model;
  std::vector<double> recency;
  std::vector<std::uint8_t> labels;
  for (int i = 0; i < 4000; ++i) {
    const double x = rng.Normal();
    const double noise = rng.Normal();
    const double p = Logistic(0.4 + 1.5 * x);
    labels.push_back(rng.Uniform() < p ? 1 : 0);
    model.push_back(Logistic(0.35 + 1.3 * x + 0.5 * noise));
    recency.push_back(Logistic(0.8 * x + 1.2 * rng.Normal()));
  }
  EvaluateOptions options;
  // Acting costs 10 either way, a lost customer 25.
  options.costs = {10, 10, 25, 0, "GBP"};
  options.threshold = 0.41;
  data.test = *EvaluateBinary({}, model, labels, options);
  Grouping countries{"country", {"home", "<abroad>", "far"}, {}};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    countries.group_of.push_back(i % 50 == 0 ? 2 : i % 3 == 0 ? 1 : 0);
  }
  GroupOptions grouped;
  grouped.threshold = 0.41;
  data.segments = {*MeasureGroups(model, labels, countries, grouped)};
  data.fairness = data.segments;
  data.fairness[0].measures = MeasureFairness(data.fairness[0].groups);
  data.validation =
      *EvaluateBinary({}, std::span(model).first(1500), std::span(labels).first(1500), options);
  data.baselines.push_back(*CompareWithBaseline(
      "recency only", "Days since the last purchase, nothing else.", model, recency, labels));
  data.baselines.push_back(*CompareWithBaseline("majority",
                                                "Everybody gets the share of churners in training.",
                                                model, *MajorityScores(labels, 4000), labels));
  data.learners.push_back({"lightgbm", 0.7812, data.test.roc_auc, data.test.pr_auc,
                           *data.test.log_loss, *data.test.brier, 214, true});
  data.learners.push_back(
      {"xgboost", 0.7798, data.baselines[0].baseline, 0.74, 0.58, 0.199, 180, false});
  data.learners.push_back(
      {"random_forest", 0.7761, data.baselines[0].baseline, 0.73, 0.585, 0.201, 0, false});
}

ReportData MakeReport() {
  ReportData data;
  data.project = "churn";
  data.title = "Which customers stop buying?";
  data.question =
      "Predicts for every customer with a purchase in the last 365 days whether the "
      "next 90 days bring none.";
  data.chosen_learner = "lightgbm";
  AddEvaluation(data);
  data.splits = {{"train", "as-of 2010-06-01 to 2010-12-01", 21034, 11823},
                 {"validation", "as-of 2011-03-01 to 2011-04-01", 8410, 5011},
                 {"test", "as-of 2011-07-01 to 2011-09-01", 12877, 6820}};
  const char* names[] = {"days_since_last_purchase",
                         "total_transactions",
                         "amount_last_90d",
                         "active_months",
                         "tenure_days",
                         "avg_amount",
                         "unique_products",
                         "amount_trend"};
  base::Rng rng(3);
  data.distribution_groups = {"stays", "churns"};
  double share = 0.3;
  for (const char* name : names) {
    data.importance.push_back({name, share, share / 12, 0.001});
    share *= 0.72;
    std::vector<std::vector<double>> groups(2);
    for (int i = 0; i < 600; ++i) {
      groups[0].push_back(std::exp(rng.Normal()) * 20);
      groups[1].push_back(i % 9 == 0 ? std::numeric_limits<double>::quiet_NaN()
                                     : std::exp(rng.Normal() + 0.6) * 20);
    }
    data.distributions.push_back(*MakeDistribution(name, groups));
  }
  data.expectations = {{"transactions", "column_values_to_not_be_null", "customer_id", "0 null", 0,
                        0, "error", true},
                       {"transactions", "column_values_to_be_between", "quantity", "1 to 80,995",
                        12, 0.0001, "warn", false}};
  data.gates = {{"minimum AUC", ">= 0.70", "0.784", true},
                {"better than champion", "> 0.781", "0.784", true}};
  data.data_facts = {{"transactions", "805,549 rows from 2009-12-01 to 2011-12-09"},
                     {"label", "no purchase within 90 days after the as-of time"}};
  data.lineage = {{"training set", "5a1c0f6e2b7d4c3f9e8a7b6c5d4e3f2a"}, {"seed", "42"}};
  data.reproduce = {"millrace run examples/churn"};
  return data;
}

TEST(HtmlReport, HoldsEverySectionAndTheVerdict) {
  const std::string html = RenderHtmlReport(MakeReport());
  for (const char* id :
       {"data", "learners", "baselines", "ranking", "calibration", "decision", "segments",
        "fairness", "importance", "features", "checks", "gates", "lineage"}) {
    EXPECT_THAT(html, HasSubstr("<section id=\"" + std::string(id) + "\">"));
    EXPECT_THAT(html, HasSubstr("<a href=\"#" + std::string(id) + "\">"));
  }
  EXPECT_THAT(html, HasSubstr("beats every baseline"));
  EXPECT_THAT(html, HasSubstr("beaten, intervals apart"));
  EXPECT_THAT(html, HasSubstr("GBP saved"));
  EXPECT_THAT(html, Not(HasSubstr("id=\"drift\"")));
}

TEST(HtmlReport, LoadsNothingFromOutside) {
  std::string html = RenderHtmlReport(MakeReport());
  // The name space of SVG is a name, not an address to load.
  const std::string name_space = "http://www.w3.org/2000/svg";
  for (std::size_t at = html.find(name_space); at != std::string::npos;
       at = html.find(name_space)) {
    html.erase(at, name_space.size());
  }
  for (const char* text : {"http:", "https:", "src=", "@import", "url(http", "<link"}) {
    EXPECT_THAT(html, Not(HasSubstr(text)));
  }
}

TEST(HtmlReport, TheSameDataGivesTheSameBytes) {
  EXPECT_EQ(RenderHtmlReport(MakeReport()), RenderHtmlReport(MakeReport()));
}

TEST(HtmlReport, EscapesTextsOfTheData) {
  ReportData data = MakeReport();
  data.title = "<script>alert(1)</script>";
  data.distributions[0].feature = "a<b";
  data.expectations[0].observed = "\"<img onerror=x>\"";
  const std::string html = RenderHtmlReport(data);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, HasSubstr("a&lt;b"));
}

TEST(HtmlReport, EmptyPartsAreLeftOut) {
  ReportData data;
  data.project = "p";
  data.test = MakeReport().test;
  const std::string html = RenderHtmlReport(data);
  EXPECT_THAT(html, Not(HasSubstr("id=\"features\"")));
  EXPECT_THAT(html, Not(HasSubstr("id=\"baselines\"")));
  EXPECT_THAT(html, HasSubstr("id=\"ranking\""));
}

TEST(HtmlReport, MarksTheDecisionInTheThresholdTable) {
  ReportData data = MakeReport();
  EXPECT_THAT(RenderHtmlReport(data), HasSubstr("<tr class=\"chosen\"><td class=\"n\">0.410</td>"));
  data.test.decision.threshold = std::numeric_limits<double>::infinity();
  EXPECT_THAT(RenderHtmlReport(data),
              HasSubstr("<tr class=\"chosen\"><td class=\"n\">nobody</td>"));
}

TEST(WithDriftSection, AddsAndReplacesTheSection) {
  const std::string page = RenderHtmlReport(MakeReport());
  const std::string once = *WithDriftSection(page, MakeDrift());
  EXPECT_THAT(once, HasSubstr("<section id=\"drift\">"));
  EXPECT_THAT(once, HasSubstr("<a href=\"#drift\">"));
  EXPECT_THAT(once, HasSubstr("tenure_days"));
  EXPECT_EQ(*WithDriftSection(once, MakeDrift()), once);
  ReportData data = MakeReport();
  data.drift = MakeDrift();
  EXPECT_EQ(RenderHtmlReport(data), once);
}

TEST(WithDriftSection, RefusesAnotherPage) {
  EXPECT_THAT(WithDriftSection("<html></html>", MakeDrift()).error().ToString(),
              HasSubstr("no place for a drift section"));
}

// Set MILLRACE_REPORT_DIR to keep the page and look at it.
TEST(WritePlots, WritesEachPictureAsSvgAndPng) {
  const Folder folder;
  const char* kept = std::getenv("MILLRACE_REPORT_DIR");
  const std::filesystem::path dir = kept == nullptr ? folder.path() : std::filesystem::path(kept);
  ReportData data = MakeReport();
  const auto paths = WritePlots(dir / "plots", data);
  ASSERT_TRUE(paths.ok()) << paths.error().ToString();
  EXPECT_EQ(paths->size(), 24U);
  for (const std::filesystem::path& path : *paths) {
    EXPECT_GT(std::filesystem::file_size(path), 1000U) << path;
  }
  EXPECT_EQ(WriteDriftPlots(dir / "plots", MakeDrift())->size(), 2U);
  data.drift = MakeDrift();
  ASSERT_TRUE(WriteHtmlReport(dir / "report.html", data).ok());
  EXPECT_EQ(*base::ReadFile(dir / "report.html"), RenderHtmlReport(data));
}

TEST(WriteHtmlReport, AnUnwritableFolderIsAnErrorThatNamesThePath) {
  const Result<void> result = WriteHtmlReport("/proc/none/report.html", MakeReport());
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().ToString(), HasSubstr("/proc/none"));
}

}  // namespace
}  // namespace millrace::evaluation
