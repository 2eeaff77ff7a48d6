// SPDX-License-Identifier: Apache-2.0
// Groups of rows as tables and pictures.
#include "evaluation/internal/report_groups.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/number_format.h"
#include "evaluation/internal/html.h"

namespace millrace::evaluation::internal {
namespace {

using base::FormatCount;
using plots::Figure;
using plots::Panel;
using plots::TickFormat;
namespace palette = plots::palette;

constexpr const char* kUndefined = "–";

struct RateColumn {
  const char* title;
  std::optional<GroupRate> GroupMetrics::* rate;
  plots::Color color;
};
constexpr RateColumn kRates[] = {
    {"selection rate", &GroupMetrics::selection_rate, palette::kBlue},
    {"true positive rate", &GroupMetrics::true_positive_rate, palette::kGreen},
    {"false positive rate", &GroupMetrics::false_positive_rate, palette::kOrange},
    {"precision", &GroupMetrics::precision, palette::kPurple},
    {"accuracy", &GroupMetrics::accuracy, palette::kSky}};
/// The first of these have a bar.
constexpr std::size_t kDrawnRates = 3;

std::string Number(const std::optional<double>& value, int digits = 3) {
  return value ? Fixed(*value, digits) : kUndefined;
}

std::string RateText(const std::optional<GroupRate>& rate) {
  return rate ? Percent(rate->value) + " [" + Percent(rate->interval.lower) + ", " +
                    Percent(rate->interval.upper) + "]"
              : kUndefined;
}

std::string AucText(const GroupMetrics& group) {
  return group.roc_auc ? WithInterval(*group.roc_auc) : kUndefined;
}

bool HasErrors(const GroupTable& table) {
  return std::any_of(table.groups.begin(), table.groups.end(),
                     [](const GroupMetrics& group) { return group.rmse.has_value(); });
}

std::vector<const GroupMetrics*> Judged(const GroupTable& table) {
  std::vector<const GroupMetrics*> judged;
  for (const GroupMetrics& group : table.groups) {
    if (group.is_judged) {
      judged.push_back(&group);
    }
  }
  return judged;
}

std::string GroupCell(const GroupMetrics& group) {
  return Esc(group.group) + (group.is_judged ? "" : " " + Pill("note", "not judged"));
}

std::string GroupWord(const GroupMetrics& group) {
  return group.group + (group.is_judged ? "" : " (not judged)");
}

/// Both ends of the strips that show the intervals.
std::pair<double, double> AucRange(const GroupTable& table) {
  double low = 1;
  double high = 0;
  for (const GroupMetrics& group : table.groups) {
    if (group.roc_auc) {
      low = std::min(low, group.roc_auc->interval.lower);
      high = std::max(high, group.roc_auc->interval.upper);
    }
  }
  return low < high ? std::pair{std::max(0.0, std::floor(low * 20 - 0.2) / 20),
                                std::min(1.0, std::ceil(high * 20 + 0.2) / 20)}
                    : std::pair{0.0, 1.0};
}

/// Bars of one rate with its whiskers, the `index`-th of `count` in each group.
void AddBars(Panel& panel, const std::vector<std::string>& names,
             const std::vector<std::optional<GroupRate>>& rates, const char* label,
             plots::Color color, double index, double count) {
  std::vector<double> values;
  std::vector<double> at;
  std::vector<double> lower;
  std::vector<double> upper;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    values.push_back(rates[i] ? rates[i]->value : std::nan(""));
    if (rates[i]) {
      // Bars of a group fill 76% of its place.
      at.push_back(static_cast<double>(i) + 0.12 + 0.76 * (index + 0.5) / count);
      lower.push_back(rates[i]->interval.lower);
      upper.push_back(rates[i]->interval.upper);
    }
  }
  panel.Bars(names, std::move(values), {.label = label, .color = color, .fill_opacity = 0.75});
  panel.ErrorBars(std::move(at), std::move(lower), std::move(upper), {.color = palette::kInk});
}

/// Wide enough for the names side by side, at about 7 pixels a letter.
int PanelWidth(const std::vector<std::string>& names) {
  std::size_t longest = 0;
  for (const std::string& name : names) {
    longest = std::max(longest, name.size());
  }
  return static_cast<int>(
      std::clamp<std::size_t>(names.size() * (7 * longest + 8) + 80, 460, 1400));
}

/// The panels of all columns under one title.
std::optional<Figure> Stacked(std::string title, std::string description,
                              std::vector<std::pair<int, Panel>> panels) {
  if (panels.empty()) {
    return std::nullopt;
  }
  int widest = 0;
  for (const auto& [width, panel] : panels) {
    widest = std::max(widest, width);
  }
  Figure figure(std::move(title), std::move(description));
  figure.Columns(1).Size(widest, 30 + 300 * static_cast<int>(panels.size()));
  for (auto& [width, panel] : panels) {
    figure.Add(std::move(panel));
  }
  return figure;
}

}  // namespace

std::string SegmentIntro() {
  return "The chosen model on parts of the test rows, with DeLong's 95% intervals. Groups of few "
         "rows, and what gathers rare values, are shown and not judged; \xe2\x80\x93 means that a "
         "group lacks the rows for a number.";
}

std::string FairnessIntro(std::span<const GroupTable> tables) {
  std::string threshold;
  if (!tables.empty() && tables.front().threshold) {
    threshold = " " + Threshold(*tables.front().threshold);
  }
  return "Decisions at the threshold" + threshold +
         " by group, with Wilson's 95% intervals, under Fairlearn's names. A difference of 0 and a "
         "ratio of 1 mean that all groups are treated alike; equalized odds is the worse of true "
         "and false positive rates. What a group lacks the rows for is undefined, not 0.";
}

std::string SegmentHtml(const GroupTable& table) {
  std::string html = "<h3>By " + Esc(table.column) + "</h3>";
  if (HasErrors(table)) {
    HtmlTable rows({{"group"}, {"rows", true}, {"RMSE", true}, {"MAE", true}});
    for (const GroupMetrics& group : table.groups) {
      rows.AddRow(
          {GroupCell(group), FormatCount(group.rows), Number(group.rmse, 4), Number(group.mae, 4)});
    }
    return html + rows.ToHtml();
  }
  if (const auto figure = SegmentFigure({&table, 1})) {
    html += "<div class=\"narrow\">" + figure->ToHtml() + "</div>";
  }
  const auto [low, high] = AucRange(table);
  HtmlTable rows({{"group"},
                  {"rows", true},
                  {"positives", true},
                  {"AUC [95% interval]", true},
                  {"log loss", true},
                  {"Brier", true},
                  {"AUC from " + Fixed(low, 2) + " to " + Fixed(high, 2)}});
  for (const GroupMetrics& group : table.groups) {
    rows.AddRow({GroupCell(group), FormatCount(group.rows), FormatCount(group.positives),
                 AucText(group), Number(group.log_loss), Number(group.brier),
                 group.roc_auc ? Strip(low, high, group.roc_auc->interval, group.roc_auc->auc,
                                       group.is_judged)
                               : ""});
  }
  return html + rows.ToHtml();
}

std::string FairnessHtml(const GroupTable& table) {
  std::string html = "<h3>By " + Esc(table.column) + "</h3>";
  if (const auto figure = FairnessFigure({&table, 1})) {
    html += "<div class=\"narrow\">" + figure->ToHtml() + "</div>";
  }
  HtmlTable measures({{"measure"}, {"value", true}, {"lowest"}, {"highest"}, {"note"}});
  for (const FairnessMeasure& measure : table.measures) {
    measures.AddRow({Esc(measure.name),
                     measure.value ? Fixed(*measure.value) : Pill("note", "undefined"),
                     Esc(measure.lowest), Esc(measure.highest), Esc(measure.note)});
  }
  std::vector<HtmlTable::Column> columns = {{"group"}, {"rows", true}, {"positives", true}};
  for (const RateColumn& column : kRates) {
    columns.push_back({column.title, true});
  }
  HtmlTable rows(std::move(columns));
  for (const GroupMetrics& group : table.groups) {
    std::vector<std::string> cells = {GroupCell(group), FormatCount(group.rows),
                                      FormatCount(group.positives)};
    for (const RateColumn& column : kRates) {
      cells.push_back(RateText(group.*column.rate));
    }
    rows.AddRow(std::move(cells));
  }
  return html + measures.ToHtml() + rows.ToHtml();
}

CardTable SegmentText(const GroupTable& table) {
  CardTable text{"Metrics by " + table.column, {}, {}};
  if (HasErrors(table)) {
    text.columns = {"group", "rows", "RMSE", "MAE"};
    for (const GroupMetrics& group : table.groups) {
      text.rows.push_back(
          {GroupWord(group), FormatCount(group.rows), Number(group.rmse, 4), Number(group.mae, 4)});
    }
    return text;
  }
  text.columns = {"group", "rows", "positives", "ROC AUC (95% interval)", "log loss", "Brier"};
  for (const GroupMetrics& group : table.groups) {
    text.rows.push_back({GroupWord(group), FormatCount(group.rows), FormatCount(group.positives),
                         AucText(group), Number(group.log_loss), Number(group.brier)});
  }
  return text;
}

CardTable FairnessGroupText(const GroupTable& table) {
  CardTable text{"Decisions by " + table.column, {"group", "rows", "positives"}, {}};
  if (table.threshold) {
    text.title += " at threshold " + Threshold(*table.threshold);
  }
  for (const RateColumn& column : kRates) {
    text.columns.emplace_back(column.title);
  }
  for (const GroupMetrics& group : table.groups) {
    std::vector<std::string> cells = {GroupWord(group), FormatCount(group.rows),
                                      FormatCount(group.positives)};
    for (const RateColumn& column : kRates) {
      cells.push_back(RateText(group.*column.rate));
    }
    text.rows.push_back(std::move(cells));
  }
  return text;
}

CardTable FairnessMeasureText(const GroupTable& table) {
  CardTable text{
      "Fairness by " + table.column, {"measure", "value", "lowest", "highest", "note"}, {}};
  for (const FairnessMeasure& measure : table.measures) {
    text.rows.push_back({measure.name, measure.value ? Fixed(*measure.value) : "undefined",
                         measure.lowest, measure.highest, measure.note});
  }
  return text;
}

std::optional<Figure> SegmentFigure(std::span<const GroupTable> tables) {
  std::vector<std::pair<int, Panel>> panels;
  for (const GroupTable& table : tables) {
    std::vector<std::string> names;
    std::vector<std::optional<GroupRate>> values;
    for (const GroupMetrics* group : Judged(table)) {
      if (group->roc_auc) {
        names.push_back(group->group);
        values.emplace_back(GroupRate{group->roc_auc->auc, group->roc_auc->interval});
      }
    }
    if (names.empty()) {
      continue;
    }
    Panel panel("ROC AUC by " + table.column + ", 95% intervals");
    panel.Y({.label = "ROC AUC", .minimum = 0.0, .maximum = 1.0});
    AddBars(panel, names, values, "", palette::kBlue, 0, 1);
    panel.HorizontalLine(0.5, "", palette::kGray);
    panels.emplace_back(PanelWidth(names), std::move(panel));
  }
  return Stacked("Metrics by segment", "ROC AUC of each group of test rows, with 95% intervals.",
                 std::move(panels));
}

std::optional<Figure> FairnessFigure(std::span<const GroupTable> tables) {
  std::vector<std::pair<int, Panel>> panels;
  for (const GroupTable& table : tables) {
    const std::vector<const GroupMetrics*> judged = Judged(table);
    if (judged.empty()) {
      continue;
    }
    std::vector<std::string> names;
    for (const GroupMetrics* group : judged) {
      names.push_back(group->group);
    }
    Panel panel("Decisions by " + table.column + ", 95% intervals");
    panel.Y({.format = TickFormat::kPercent, .minimum = 0.0, .maximum = 1.0});
    for (std::size_t r = 0; r < kDrawnRates; ++r) {
      std::vector<std::optional<GroupRate>> rates;
      for (const GroupMetrics* group : judged) {
        rates.push_back(group->*kRates[r].rate);
      }
      AddBars(panel, names, rates, kRates[r].title, kRates[r].color, static_cast<double>(r),
              static_cast<double>(kDrawnRates));
    }
    panels.emplace_back(PanelWidth(names), std::move(panel));
  }
  return Stacked("Decisions by group",
                 "Selection rate, true and false positive rate of each group, with 95% intervals.",
                 std::move(panels));
}

}  // namespace millrace::evaluation::internal
