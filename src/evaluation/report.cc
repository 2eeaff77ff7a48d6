// SPDX-License-Identifier: Apache-2.0
// The report page, section by section.
#include "evaluation/report.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/file.h"
#include "base/number_format.h"
#include "evaluation/internal/html.h"
#include "evaluation/internal/report_figures.h"
#include "evaluation/internal/report_groups.h"

namespace millrace::evaluation {
namespace {

using base::FormatCount;
using internal::Esc;
using internal::Fixed;
using internal::Grid;
using internal::HtmlTable;
using internal::Money;
using internal::Percent;
using internal::Pill;
using internal::PValue;
using internal::Section;
using internal::Strip;
using internal::Threshold;
using internal::Tile;
using internal::WithInterval;

double Share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string DefinitionList(const std::vector<std::pair<std::string, std::string>>& items,
                           bool is_code) {
  std::string html = "<dl>";
  for (const auto& [name, value] : items) {
    html += "<dt>" + Esc(name) + "</dt><dd>";
    html += is_code ? "<code>" + Esc(value) + "</code>" : Esc(value);
    html += "</dd>";
  }
  return html + "</dl>\n";
}

std::string Header(const ReportData& data) {
  std::string html = "<header><div class=\"wide\"><p class=\"kicker\">" + Esc(data.project) +
                     " · evaluation</p><h1>" + Esc(data.title) + "</h1><p>" + Esc(data.question) +
                     "</p>";
  std::string verdict = "Chosen on validation: <strong>" + Esc(data.chosen_learner) +
                        "</strong>. ROC AUC on the untouched test rows: <strong>" +
                        WithInterval(data.test.roc_auc) + "</strong>";
  const auto touching =
      std::count_if(data.baselines.begin(), data.baselines.end(),
                    [](const BaselineComparison& baseline) { return !baseline.is_beaten; });
  if (!data.baselines.empty()) {
    verdict += touching == 0 ? "; it beats every baseline, and the 95% intervals do not touch."
                             : "; it does not clearly beat " + std::to_string(touching) + " of " +
                                   std::to_string(data.baselines.size()) + " baselines.";
  } else {
    verdict += ".";
  }
  return html + "<p class=\"verdict\">" + verdict + "</p></div></header>\n";
}

std::string Tiles(const ReportData& data) {
  const BinaryEvaluation& test = data.test;
  std::string html = "<div class=\"wide\"><div class=\"tiles\">\n";
  html += Tile("Test ROC AUC", Fixed(test.roc_auc.auc),
               "95% interval " + Fixed(test.roc_auc.interval.lower) + " to " +
                   Fixed(test.roc_auc.interval.upper));
  html += Tile("Average precision", Fixed(test.pr_auc), "at random " + Fixed(test.positive_share));
  if (test.brier.has_value() && test.log_loss.has_value()) {
    html += Tile("Brier score", Fixed(*test.brier), "log loss " + Fixed(*test.log_loss));
  }
  if (test.ece_equal_width.has_value()) {
    html += Tile("Calibration error", Fixed(*test.ece_equal_width), "15 equal widths");
  }
  if (!test.lift.empty()) {
    html += Tile("Lift, first tenth", Fixed(test.lift.front().lift, 2) + "×",
                 Percent(test.lift.front().rate, 0) + " are positive");
  }
  html += Tile("Test rows", FormatCount(test.rows),
               Percent(test.positive_share) + " positive (" + data.positive_name + ")");
  return html + "</div></div>\n";
}

std::string DataSection(const ReportData& data) {
  if (data.splits.empty() && data.data_facts.empty()) {
    return "";
  }
  std::string body;
  if (!data.splits.empty()) {
    HtmlTable table({{"part"},
                     {"period"},
                     {"rows", true},
                     {"positives", true},
                     {"share", true},
                     {"class balance"}});
    for (const SplitRow& row : data.splits) {
      const double share = Share(row.positives, row.rows);
      table.AddRow({"<strong>" + Esc(row.name) + "</strong>", Esc(row.period),
                    FormatCount(row.rows), FormatCount(row.positives), Percent(share),
                    "<div class=\"balance\" title=\"" + Percent(share) + " " +
                        Esc(data.positive_name) + "\"><i style=\"width:" + Fixed(share * 100, 1) +
                        "%\"></i></div>"});
    }
    body += "<div class=\"key\"><span><i style=\"background:#d55e00\"></i>" +
            Esc(data.positive_name) + "</span><span><i style=\"background:#dbe8f1\"></i>" +
            Esc(data.negative_name) + "</span></div>" + table.ToHtml();
  }
  if (!data.data_facts.empty()) {
    body += "<h3>Where the rows come from</h3>" + DefinitionList(data.data_facts, false);
  }
  return Section("data", "Data and split",
                 "Rows are split by time, so that no label looks into a later part. The test part "
                 "was used once, for this page.",
                 body);
}

std::string LearnerSection(const ReportData& data) {
  if (data.learners.empty()) {
    return "";
  }
  HtmlTable table({{"learner"},
                   {"validation AUC", true},
                   {"test AUC", true},
                   {"95% interval", true},
                   {"test AP", true},
                   {"log loss", true},
                   {"Brier", true},
                   {"rounds", true}},
                  true);
  for (const LearnerRow& row : data.learners) {
    table.AddRow({Esc(row.name) + (row.is_chosen ? " " + Pill("note", "chosen") : ""),
                  Fixed(row.validation_auc, 4), Fixed(row.test_auc.auc, 4),
                  Fixed(row.test_auc.interval.lower) + " – " + Fixed(row.test_auc.interval.upper),
                  Fixed(row.test_pr_auc), Fixed(row.test_log_loss), Fixed(row.test_brier),
                  row.best_iteration > 0 ? FormatCount(row.best_iteration) : "–"},
                 row.is_chosen ? "chosen" : "");
  }
  return Section("learners", "Learners",
                 "The learner with the highest AUC on validation was chosen; the test columns were "
                 "not looked at for the choice. Click a heading to sort.",
                 table.ToHtml());
}

std::string BaselineSection(const ReportData& data) {
  if (data.baselines.empty()) {
    return "";
  }
  double low = data.test.roc_auc.interval.lower;
  for (const BaselineComparison& baseline : data.baselines) {
    low = std::min(low, baseline.baseline.interval.lower);
  }
  low = std::max(0.0, std::floor(low * 20 - 0.2) / 20);
  const double high = std::min(1.0, std::ceil(data.test.roc_auc.interval.upper * 20 + 0.2) / 20);
  HtmlTable table({{"score"},
                   {"test AUC [95% interval]", true},
                   {"from " + Fixed(low, 2) + " to " + Fixed(high, 2)},
                   {"model is better by", true},
                   {"paired p", true},
                   {"verdict"}});
  table.AddRow(
      {Esc(data.chosen_learner) + "<br><span style=\"font-weight:400\">the chosen model</span>",
       WithInterval(data.test.roc_auc),
       Strip(low, high, data.test.roc_auc.interval, data.test.roc_auc.auc, true), "", "", ""},
      "chosen");
  for (const BaselineComparison& row : data.baselines) {
    const std::string verdict = row.is_beaten ? Pill("ok", "beaten, intervals apart")
                                : row.paired.p_value < 0.05 && row.paired.difference > 0
                                    ? Pill("warn", "better, intervals touch")
                                    : Pill("bad", "not beaten");
    table.AddRow({"<strong>" + Esc(row.name) + "</strong><br>" + Esc(row.description),
                  WithInterval(row.baseline),
                  Strip(low, high, row.baseline.interval, row.baseline.auc, false),
                  Fixed(row.paired.difference) + " [" + Fixed(row.paired.interval.lower) + ", " +
                      Fixed(row.paired.interval.upper) + "]",
                  PValue(row.paired.p_value), verdict});
  }
  return Section("baselines", "Against baselines",
                 "Intervals are DeLong's; the difference and its p-value are DeLong's paired test "
                 "on the same test rows.",
                 table.ToHtml());
}

std::string RankingSection(const ReportData& data) {
  std::vector<std::string> figures = {
      internal::RocFigure(data).ToHtml(), internal::PrFigure(data).ToHtml(),
      internal::LiftFigure(data).ToHtml(), internal::GainFigure(data).ToHtml()};
  HtmlTable table({{"tenth", true},
                   {"rows", true},
                   {"lowest score", true},
                   {"positives", true},
                   {"rate", true},
                   {"lift", true},
                   {"found so far", true},
                   {"lift so far", true}});
  for (const metrics::LiftRow& row : data.test.lift) {
    table.AddRow({std::to_string(row.slice), FormatCount(row.rows), Fixed(row.lowest_score),
                  FormatCount(std::llround(row.positives)), Percent(row.rate), Fixed(row.lift, 2),
                  Percent(row.cumulative_gain), Fixed(row.cumulative_lift, 2)});
  }
  return Section(
      "ranking", "Does it put the right rows first?",
      "Curves on the test rows; the orange point is the decision threshold below.",
      Grid(figures) + "<h3>Tenths of the test rows by falling score</h3>" + table.ToHtml());
}

std::string CalibrationSection(const ReportData& data) {
  std::vector<std::string> figures;
  std::string intro = "Scores of the two true classes.";
  if (!data.test.calibration.empty()) {
    figures.push_back(internal::CalibrationFigure(data).ToHtml());
    intro = "A calibrated model says 30% where 30% turn out positive. Calibration error: " +
            Fixed(data.test.ece_equal_width.value_or(0)) + " over 15 equal widths, " +
            Fixed(data.test.ece_equal_mass.value_or(0)) + " over 15 bins of equal size.";
  }
  figures.push_back(internal::ScoreFigure(data).ToHtml());
  return Section("calibration", "Can its probabilities be believed?", intro, Grid(figures));
}

metrics::ThresholdRow EverybodyOrNobody(const BinaryEvaluation& test, bool is_everybody) {
  metrics::ThresholdRow row = test.decision;
  const std::int64_t negatives = test.rows - test.positives;
  row.counts = is_everybody ? metrics::ConfusionMatrix{test.positives, negatives, 0, 0}
                            : metrics::ConfusionMatrix{0, 0, test.positives, negatives};
  const metrics::Costs costs = test.costs.ToCosts();
  row.total_cost = static_cast<double>(row.counts.true_positives) * costs.true_positive +
                   static_cast<double>(row.counts.false_positives) * costs.false_positive +
                   static_cast<double>(row.counts.false_negatives) * costs.false_negative +
                   static_cast<double>(row.counts.true_negatives) * costs.true_negative;
  return row;
}

std::string ThresholdTableHtml(const ReportData& data) {
  HtmlTable table({{"threshold", true},
                   {"acted on", true},
                   {"precision", true},
                   {"recall", true},
                   {"F1", true},
                   {"true +", true},
                   {"false +", true},
                   {"missed", true},
                   {"total cost", true},
                   {"per row", true}},
                  true);
  const auto add = [&](const metrics::ThresholdRow& row, bool is_decision) {
    const metrics::ConfusionMatrix& c = row.counts;
    table.AddRow(
        {Threshold(row.threshold), FormatCount(c.true_positives + c.false_positives),
         Percent(row.precision), Percent(row.recall), Fixed(row.f1), FormatCount(c.true_positives),
         FormatCount(c.false_positives), FormatCount(c.false_negatives), Money(row.total_cost, ""),
         Fixed(row.mean_cost, 3)},
        is_decision ? "chosen" : "");
  };
  bool is_added = false;
  for (const metrics::ThresholdRow& row : data.test.thresholds) {
    if (!is_added && data.test.decision.threshold <= row.threshold) {
      add(data.test.decision, true);
      is_added = true;
    }
    if (row.threshold != data.test.decision.threshold) {
      add(row, false);
    }
  }
  if (!is_added) {
    add(data.test.decision, true);
  }
  return table.ToHtml();
}

std::string DecisionSection(const ReportData& data) {
  const BinaryEvaluation& test = data.test;
  const CostSpec& costs = test.costs;
  const double nobody = EverybodyOrNobody(test, false).total_cost;
  const double everybody = EverybodyOrNobody(test, true).total_cost;
  const double saved = std::min(nobody, everybody) - test.decision.total_cost;
  const std::string intro =
      "Costs per row: true positive " + Fixed(costs.true_positive, 2) + ", false positive " +
      Fixed(costs.false_positive, 2) + ", false negative " + Fixed(costs.false_negative, 2) +
      ", true negative " + Fixed(costs.true_negative, 2) +
      (costs.unit.empty() ? "" : " (" + Esc(costs.unit) + ")") + ". At threshold " +
      Threshold(test.decision.threshold) + " the test rows cost " +
      Money(test.decision.total_cost, costs.unit) + ", against " + Money(nobody, costs.unit) +
      " when nobody and " + Money(everybody, costs.unit) + " when everybody is acted on: " +
      (saved >= 0
           ? "<strong>" + Money(saved, costs.unit) + " saved</strong>."
           : "<strong>" + Money(-saved, costs.unit) + " more than the simpler rule</strong>.");
  return Section(
      "decision", "What follows from a threshold?", intro,
      Grid({internal::ConfusionFigure(data).ToHtml(), internal::CostFigure(data).ToHtml()}) +
          "<h3>Thresholds</h3>" + ThresholdTableHtml(data));
}

std::string SegmentSection(const ReportData& data) {
  std::string body;
  for (const GroupTable& table : data.segments) {
    body += internal::SegmentHtml(table);
  }
  return body.empty() ? ""
                      : Section("segments", "Is it as good for every part of the rows?",
                                internal::SegmentIntro(), body);
}

std::string FairnessSection(const ReportData& data) {
  std::string body;
  for (const GroupTable& table : data.fairness) {
    body += internal::FairnessHtml(table);
  }
  return body.empty() ? ""
                      : Section("fairness", "Does it treat groups alike?",
                                internal::FairnessIntro(data.fairness), body);
}

std::string ImportanceSection(const ReportData& data) {
  if (data.importance.empty()) {
    return "";
  }
  std::vector<std::string> figures;
  for (const plots::Figure& figure : internal::ImportanceFigures(data)) {
    figures.push_back(figure.ToHtml());
  }
  return Section("importance", "What does the model look at?",
                 "Share of the split gain in the trees, and the AUC that is lost when the values "
                 "of one feature are shuffled. Features that say the same share their importance.",
                 Grid(figures));
}

std::string DistributionSection(const ReportData& data) {
  if (data.distributions.empty()) {
    return "";
  }
  std::string key = "<div class=\"key\">";
  static constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#00946c", "#be6096"};
  for (std::size_t g = 0; g < data.distribution_groups.size(); ++g) {
    key += "<span><i style=\"background:" + std::string(kColors[g % 4]) + "\"></i>" +
           Esc(data.distribution_groups[g]) + "</span>";
  }
  std::vector<std::string> figures;
  figures.reserve(data.distributions.size());
  for (const FeatureDistribution& distribution : data.distributions) {
    figures.push_back(internal::DistributionFigure(data, distribution).ToHtml());
  }
  return Section("features", "How are the features distributed?",
                 "Shares of each group between the 1% and the 99% quantile; values outside are in "
                 "the outer bins.",
                 key + "</div>" + Grid(figures, "small"));
}

std::string ExpectationSection(const ReportData& data) {
  if (data.expectations.empty()) {
    return "";
  }
  HtmlTable table({{"table"},
                   {"expectation"},
                   {"column"},
                   {"observed"},
                   {"unexpected", true},
                   {"share", true},
                   {"verdict"}},
                  true);
  std::size_t failed = 0;
  for (const ExpectationRow& row : data.expectations) {
    failed += row.passed ? 0 : 1;
    const std::string verdict = row.passed ? Pill("ok", "holds")
                                           : Pill(row.severity == "warn" ? "warn" : "bad",
                                                  row.severity == "warn" ? "warning" : "failed");
    table.AddRow({Esc(row.table), Esc(row.expectation), Esc(row.column), Esc(row.observed),
                  FormatCount(row.unexpected), Percent(row.unexpected_share, 2), verdict});
  }
  return Section("checks", "Did the data keep its promises?",
                 std::to_string(data.expectations.size() - failed) + " of " +
                     std::to_string(data.expectations.size()) + " expectations hold.",
                 table.ToHtml());
}

std::string GateSection(const ReportData& data) {
  if (data.gates.empty()) {
    return "";
  }
  HtmlTable table({{"gate"}, {"wanted"}, {"seen"}, {"verdict"}});
  for (const GateRow& row : data.gates) {
    table.AddRow({Esc(row.name), Esc(row.wanted), Esc(row.seen),
                  row.passed ? Pill("ok", "passed") : Pill("bad", "failed")});
  }
  return Section("gates", "Gates", "What a version must show before it serves.", table.ToHtml());
}

std::string LineageSection(const ReportData& data) {
  if (data.lineage.empty() && data.reproduce.empty()) {
    return "";
  }
  std::string body = DefinitionList(data.lineage, true);
  if (!data.reproduce.empty()) {
    body += "<h3>Make this page again</h3><pre>";
    for (const std::string& command : data.reproduce) {
      body += Esc(command) + "\n";
    }
    body += "</pre>\n";
  }
  return Section("lineage", "Where it comes from",
                 "Content hashes: the same inputs and the same seed give the same bytes.", body);
}

std::string Navigation(const std::string& sections) {
  static constexpr std::pair<const char*, const char*> kLinks[] = {
      {"data", "Data"},         {"learners", "Learners"},       {"baselines", "Baselines"},
      {"ranking", "Ranking"},   {"calibration", "Calibration"}, {"decision", "Decision"},
      {"segments", "Segments"}, {"fairness", "Fairness"},       {"importance", "Importance"},
      {"features", "Features"}, {"checks", "Checks"},           {"gates", "Gates"},
      {"lineage", "Lineage"}};
  std::string html = "<nav aria-label=\"Sections\"><div class=\"wide\">";
  for (const auto& [id, name] : kLinks) {
    if (std::string_view(id) == "lineage") {
      html += std::string(internal::kNavBegin) + std::string(internal::kNavEnd);
    }
    if (sections.find("<section id=\"" + std::string(id) + "\">") != std::string::npos) {
      html += "<a href=\"#" + std::string(id) + "\">" + name + "</a>";
    }
  }
  return html + "</div></nav>\n";
}

}  // namespace

std::string RenderHtmlReport(const ReportData& data) {
  std::string sections = DataSection(data) + LearnerSection(data) + BaselineSection(data) +
                         RankingSection(data) + CalibrationSection(data) + DecisionSection(data) +
                         SegmentSection(data) + FairnessSection(data) + ImportanceSection(data) +
                         DistributionSection(data) + ExpectationSection(data) + GateSection(data);
  sections += std::string(internal::kDriftBegin) + std::string(internal::kDriftEnd);
  sections += LineageSection(data);
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>" +
      Esc(data.project) + ": " + Esc(data.title) + "</title>\n<style>" +
      std::string(internal::StyleSheet()) + "</style></head><body>\n" + Header(data) + Tiles(data) +
      Navigation(sections) + "<main class=\"wide\">\n" + sections +
      "<footer>Written by Millrace. This page needs no network.</footer></main>\n<script>" +
      std::string(internal::Script()) + "</script></body></html>\n";
  if (data.drift.has_value()) {
    Result<std::string> with_drift = WithDriftSection(page, *data.drift);
    return std::move(with_drift).value();  // The marks were written above.
  }
  return page;
}

Result<void> WriteHtmlReport(const std::filesystem::path& path, const ReportData& data) {
  return base::WriteFileAtomic(path, RenderHtmlReport(data)).With("writing the report");
}

Result<std::vector<std::filesystem::path>> WritePlots(const std::filesystem::path& dir,
                                                      const ReportData& data) {
  return internal::WriteFigures(dir, internal::AllFigures(data)).With("writing plots");
}

}  // namespace millrace::evaluation
