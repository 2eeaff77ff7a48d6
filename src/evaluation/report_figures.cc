// SPDX-License-Identifier: Apache-2.0
// Turns evaluation results into figures.
#include "evaluation/internal/report_figures.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/number_format.h"
#include "evaluation/internal/report_groups.h"

namespace millrace::evaluation::internal {
namespace {

using plots::Axis;
using plots::Dash;
using plots::Figure;
using plots::Panel;
using plots::SeriesStyle;
using plots::TickFormat;
namespace palette = plots::palette;

constexpr int kWidth = 480;
constexpr int kHeight = 350;
constexpr std::size_t kMostFeatures = 20;

const Axis kShareAxis{.label = "", .format = TickFormat::kPercent, .minimum = 0.0, .maximum = 1.0};

Axis ShareAxis(std::string label) {
  Axis axis = kShareAxis;
  axis.label = std::move(label);
  return axis;
}

std::string Fixed(double value, int digits = 3) {
  return base::FormatFixed(value, digits);
}

std::string Percent(double share, int digits = 1) {
  return Fixed(share * 100, digits) + "%";
}

void AddRoc(Panel& panel, const BinaryEvaluation& evaluation, SeriesStyle style) {
  std::vector<double> x;
  std::vector<double> y;
  for (const metrics::RocPoint& point : evaluation.roc) {
    x.push_back(point.false_positive_rate);
    y.push_back(point.true_positive_rate);
  }
  panel.Line(std::move(x), std::move(y), std::move(style));
}

void AddPr(Panel& panel, const BinaryEvaluation& evaluation, SeriesStyle style) {
  std::vector<double> x;
  std::vector<double> y;
  for (const metrics::PrPoint& point : evaluation.pr) {
    x.push_back(point.recall);
    y.push_back(point.precision);
  }
  panel.Line(std::move(x), std::move(y), std::move(style));
}

std::vector<double> WithMissing(const FeatureDistribution& distribution, std::size_t group) {
  return group < distribution.shares.size() ? distribution.shares[group] : std::vector<double>{};
}

Panel DistributionPanel(const ReportData& data, const FeatureDistribution& distribution,
                        bool has_legend) {
  Panel panel(distribution.feature);
  Axis x{.format = TickFormat::kCompact};
  double widest = 0;
  for (const double edge : distribution.edges) {
    widest = std::max(widest, std::abs(edge));
  }
  x.format = widest < 1000 ? TickFormat::kNumber : TickFormat::kCompact;
  panel.X(x).Y({.format = TickFormat::kPercent});
  for (std::size_t g = 0; g < distribution.shares.size(); ++g) {
    std::string label = g < data.distribution_groups.size() ? data.distribution_groups[g] : "";
    const double missing = g < distribution.missing.size() ? distribution.missing[g] : 0;
    if (missing > 0) {
      label += " (" + Percent(missing) + " missing)";
    }
    panel.Histogram(distribution.edges, WithMissing(distribution, g),
                    {.label = std::move(label),
                     .color = plots::SeriesColor(static_cast<int>(g)),
                     .fill_opacity = 0.16});
  }
  if (!has_legend) {
    panel.Legend(plots::LegendPlace::kNone);
  }
  return panel;
}

int ImportanceHeight(const ReportData& data) {
  return 60 + 24 * static_cast<int>(std::min(data.importance.size(), kMostFeatures));
}

// Share of gain, then loss by shuffling; each with its most important features and only where it is
// known.
std::vector<Panel> ImportancePanels(const ReportData& data) {
  std::vector<Panel> panels;
  for (const bool is_gain : {true, false}) {
    std::vector<std::pair<double, std::string>> rows;
    for (const ImportanceRow& row : data.importance) {
      const std::optional<double>& value = is_gain ? row.gain_share : row.permutation;
      if (value.has_value()) {
        rows.emplace_back(*value, row.feature);
      }
    }
    if (rows.empty()) {
      continue;
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    rows.resize(std::min(rows.size(), kMostFeatures));
    std::vector<std::string> names;
    std::vector<double> values;
    std::vector<std::string> texts;
    for (const auto& [value, name] : rows) {
      names.push_back(name);
      values.push_back(std::max(0.0, value));
      texts.push_back(is_gain ? Percent(value) : Fixed(value, 4));
    }
    Panel panel(is_gain ? "Share of split gain" : "AUC lost when shuffled");
    panel.HorizontalBars(std::move(names), std::move(values),
                         {.color = is_gain ? palette::kBlue : palette::kGreen}, std::move(texts));
    panels.push_back(std::move(panel));
  }
  return panels;
}

}  // namespace

Figure RocFigure(const ReportData& data) {
  Panel panel("ROC: test AUC " + Fixed(data.test.roc_auc.auc));
  panel.X(ShareAxis("false positive rate")).Y(ShareAxis("true positive rate"));
  panel.Line({0, 1}, {0, 1},
             {.label = "chance", .color = palette::kGray, .width = 1.2, .dash = Dash::kDashed});
  if (data.validation.has_value()) {
    AddRoc(panel, *data.validation,
           {.label = "validation " + Fixed(data.validation->roc_auc.auc),
            .color = palette::kAmber,
            .width = 1.4});
  }
  AddRoc(panel, data.test,
         {.label = "test " + Fixed(data.test.roc_auc.auc),
          .color = palette::kBlue,
          .width = 2.4,
          .fill_opacity = 0.07});
  const metrics::ConfusionMatrix& counts = data.test.decision.counts;
  panel.Scatter({1 - counts.Specificity()}, {counts.Recall()},
                {.label = "decision", .color = palette::kOrange, .width = 4.5});
  Figure figure("ROC curve", "True positive rate against false positive rate; the area is " +
                                 Fixed(data.test.roc_auc.auc) + " on the test period.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure PrFigure(const ReportData& data) {
  Panel panel("Precision and recall: test AP " + Fixed(data.test.pr_auc));
  panel.X(ShareAxis("recall")).Y(ShareAxis("precision"));
  if (data.validation.has_value()) {
    AddPr(panel, *data.validation,
          {.label = "validation " + Fixed(data.validation->pr_auc),
           .color = palette::kAmber,
           .width = 1.4});
  }
  AddPr(panel, data.test,
        {.label = "test " + Fixed(data.test.pr_auc),
         .color = palette::kBlue,
         .width = 2.4,
         .fill_opacity = 0.07});
  panel.Scatter({data.test.decision.recall}, {data.test.decision.precision},
                {.label = "decision", .color = palette::kOrange, .width = 4.5});
  panel.HorizontalLine(data.test.positive_share,
                       "share of positives " + Percent(data.test.positive_share));
  Figure figure("Precision-recall curve", "Precision against recall; the average precision is " +
                                              Fixed(data.test.pr_auc) + " on the test period.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure LiftFigure(const ReportData& data) {
  std::vector<std::string> names;
  std::vector<double> lifts;
  for (const metrics::LiftRow& row : data.test.lift) {
    names.push_back(std::to_string(row.slice));
    lifts.push_back(row.lift);
  }
  const double top = lifts.empty() ? 0 : lifts.front();
  Panel panel("Lift: the first tenth holds " + Fixed(top, 2) + " times the average");
  panel.X({.label = "tenth of rows by falling score"}).Y({.label = "lift"});
  panel.Bars(std::move(names), std::move(lifts), {.color = palette::kBlue});
  panel.HorizontalLine(1, "average", palette::kOrange);
  Figure figure("Lift by tenth",
                "Share of positives in each tenth of the test rows by falling "
                "score, over the average share.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure GainFigure(const ReportData& data) {
  std::vector<double> x = {0};
  std::vector<double> y = {0};
  for (const metrics::LiftRow& row : data.test.lift) {
    x.push_back(row.cumulative_rows_share);
    y.push_back(row.cumulative_gain);
  }
  Panel panel("Gain: positives found among the rows acted on");
  panel.X(ShareAxis("share of rows acted on")).Y(ShareAxis("share of positives found"));
  panel.Line({0, 1}, {0, 1},
             {.label = "at random", .color = palette::kGray, .width = 1.2, .dash = Dash::kDashed});
  panel.Line(
      {0, data.test.positive_share, 1}, {0, 1, 1},
      {.label = "perfect order", .color = palette::kGreen, .width = 1.2, .dash = Dash::kDotted});
  panel.Line(std::move(x), std::move(y),
             {.label = "model", .color = palette::kBlue, .width = 2.4, .fill_opacity = 0.07});
  Figure figure("Cumulative gain",
                "Share of all positives found among the rows with the highest scores.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure CalibrationFigure(const ReportData& data) {
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> lower;
  std::vector<double> upper;
  for (const metrics::CalibrationBin& bin : data.test.calibration) {
    x.push_back(bin.predicted);
    y.push_back(bin.observed);
    lower.push_back(bin.observed_interval.lower);
    upper.push_back(bin.observed_interval.upper);
  }
  Panel panel("Calibration: error " + Fixed(data.test.ece_equal_width.value_or(0)) +
              " (15 equal widths)");
  panel.X(ShareAxis("predicted probability")).Y(ShareAxis("observed share of positives"));
  panel.Line({0, 1}, {0, 1},
             {.label = "perfect", .color = palette::kGray, .width = 1.2, .dash = Dash::kDashed});
  panel.ErrorBars(x, std::move(lower), std::move(upper),
                  {.color = palette::kBlue.WithOpacity(0.6)});
  panel.Line(x, y, {.color = palette::kBlue, .width = 1.6});
  panel.Scatter(x, y,
                {.label = "tenths of rows, 95% interval", .color = palette::kBlue, .width = 3.5});
  Figure figure("Calibration",
                "Observed share of positives against predicted probability in ten "
                "bins of equal size, with 95% intervals.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure ScoreFigure(const ReportData& data) {
  Panel panel("Scores by true class");
  panel.X({.label = "score"}).Y({.label = "share of the class", .format = TickFormat::kPercent});
  panel.Histogram(data.test.score_edges, data.test.score_shares_negative,
                  {.label = data.negative_name, .color = palette::kBlue});
  panel.Histogram(data.test.score_edges, data.test.score_shares_positive,
                  {.label = data.positive_name, .color = palette::kOrange});
  if (std::isfinite(data.test.decision.threshold)) {
    panel.VerticalLine(data.test.decision.threshold,
                       "threshold " + Fixed(data.test.decision.threshold), palette::kInk);
  }
  Figure figure("Score distribution", "Distribution of scores of the two true classes.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure ConfusionFigure(const ReportData& data) {
  const metrics::ConfusionMatrix& c = data.test.decision.counts;
  const auto cell = [&](std::int64_t count) {
    return base::FormatCount(count) + "\n" +
           Percent(static_cast<double>(count) / static_cast<double>(c.rows())) + " of rows";
  };
  Panel panel("Confusion at threshold " + (std::isfinite(data.test.decision.threshold)
                                               ? Fixed(data.test.decision.threshold)
                                               : std::string("\"nobody\"")));
  panel.X({.label = "predicted"}).Y({.label = "true class"});
  panel.HeatMap({data.negative_name, data.positive_name}, {data.negative_name, data.positive_name},
                {static_cast<double>(c.true_negatives), static_cast<double>(c.false_positives),
                 static_cast<double>(c.false_negatives), static_cast<double>(c.true_positives)},
                {cell(c.true_negatives), cell(c.false_positives), cell(c.false_negatives),
                 cell(c.true_positives)});
  Figure figure("Confusion matrix", "Counts of true against predicted class.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

Figure CostFigure(const ReportData& data) {
  std::vector<double> x;
  std::vector<double> cost;
  for (const metrics::ThresholdRow& row : data.test.thresholds) {
    x.push_back(row.threshold);
    cost.push_back(row.mean_cost);
  }
  const std::string unit = data.test.costs.unit.empty() ? "" : " (" + data.test.costs.unit + ")";
  Panel panel("Cost per row" + unit + " over the threshold");
  panel.X({.label = "threshold", .minimum = 0.0, .maximum = 1.0}).Y({.label = "mean cost" + unit});
  panel.Line(x, cost, {.label = "test", .color = palette::kBlue, .width = 2.4});
  if (std::isfinite(data.test.decision.threshold)) {
    panel.Scatter(
        {data.test.decision.threshold}, {data.test.decision.mean_cost},
        {.label = "decision, chosen before the test", .color = palette::kOrange, .width = 4.5});
  }
  Figure figure("Cost over threshold", "Mean cost per row at each decision threshold.");
  return std::move(figure.Size(kWidth, kHeight).Add(std::move(panel)));
}

std::vector<Figure> ImportanceFigures(const ReportData& data) {
  std::vector<Figure> figures;
  figures.reserve(2);
  for (Panel& panel : ImportancePanels(data)) {
    Figure figure(panel.title(), "Features by " + panel.title() + ", the greatest on top.");
    figure.Size(kWidth, ImportanceHeight(data)).Add(std::move(panel));
    figures.push_back(std::move(figure));
  }
  return figures;
}

Figure AllImportanceFigure(const ReportData& data) {
  Figure figure("Importance of features",
                "Share of split gain, and loss of AUC when a feature is shuffled.");
  std::vector<Panel> panels = ImportancePanels(data);
  figure.Size(panels.size() > 1 ? 1040 : 560, 30 + ImportanceHeight(data));
  for (Panel& panel : panels) {
    figure.Add(std::move(panel));
  }
  return figure;
}

Figure DistributionFigure(const ReportData& data, const FeatureDistribution& distribution) {
  Figure figure(distribution.feature, "Distribution of " + distribution.feature + " by group.");
  return std::move(figure.Size(320, 220).Add(DistributionPanel(data, distribution, false)));
}

Figure AllDistributionsFigure(const ReportData& data) {
  Figure figure("Distributions of features", "One histogram per feature, by group.");
  constexpr int kColumns = 4;
  const int rows = (static_cast<int>(data.distributions.size()) + kColumns - 1) / kColumns;
  figure.Columns(kColumns).Size(1320, 60 + 250 * std::max(1, rows));
  for (const FeatureDistribution& distribution : data.distributions) {
    figure.Add(DistributionPanel(data, distribution, true));
  }
  return figure;
}

Figure DriftFigure(const DriftSection& drift) {
  std::vector<const DriftRow*> rows;
  rows.reserve(drift.rows.size());
  for (const DriftRow& row : drift.rows) {
    rows.push_back(&row);
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto* a, const auto* b) { return a->psi > b->psi; });
  rows.resize(std::min(rows.size(), kMostFeatures));
  std::vector<std::string> names;
  std::vector<double> values;
  std::vector<std::string> texts;
  for (const DriftRow* row : rows) {
    names.push_back(row->column);
    values.push_back(row->psi);
    texts.push_back(Fixed(row->psi));
  }
  Panel panel("Population stability index of the most changed columns");
  panel.HorizontalBars(std::move(names), std::move(values), {.color = palette::kPurple},
                       std::move(texts));
  Figure figure("Drift by column", "Population stability index of the columns that changed most.");
  return std::move(
      figure.Size(640, 90 + 24 * static_cast<int>(std::max<std::size_t>(1, rows.size())))
          .Add(std::move(panel)));
}

std::vector<NamedFigure> AllFigures(const ReportData& data) {
  std::vector<NamedFigure> figures;
  figures.push_back({"roc", RocFigure(data)});
  figures.push_back({"precision_recall", PrFigure(data)});
  figures.push_back({"lift", LiftFigure(data)});
  figures.push_back({"gain", GainFigure(data)});
  if (!data.test.calibration.empty()) {
    figures.push_back({"calibration", CalibrationFigure(data)});
  }
  figures.push_back({"scores", ScoreFigure(data)});
  figures.push_back({"confusion", ConfusionFigure(data)});
  figures.push_back({"cost", CostFigure(data)});
  if (auto segments = SegmentFigure(data.segments)) {
    figures.push_back({"segments", *std::move(segments)});
  }
  if (auto fairness = FairnessFigure(data.fairness)) {
    figures.push_back({"fairness", *std::move(fairness)});
  }
  if (!data.importance.empty()) {
    figures.push_back({"importance", AllImportanceFigure(data)});
  }
  if (!data.distributions.empty()) {
    figures.push_back({"feature_distributions", AllDistributionsFigure(data)});
  }
  return figures;
}

Result<std::vector<std::filesystem::path>> WriteFigures(const std::filesystem::path& dir,
                                                        const std::vector<NamedFigure>& figures) {
  std::vector<std::filesystem::path> paths;
  for (const NamedFigure& named : figures) {
    const std::filesystem::path svg = dir / (named.name + ".svg");
    const std::filesystem::path png = dir / (named.name + ".png");
    MILL_RETURN_IF_ERROR(base::WriteFileAtomic(svg, named.figure.ToSvg()));
    MILL_RETURN_IF_ERROR(named.figure.ToPng(png));
    paths.push_back(svg);
    paths.push_back(png);
  }
  return paths;
}

}  // namespace millrace::evaluation::internal
