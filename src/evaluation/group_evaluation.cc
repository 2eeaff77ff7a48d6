// SPDX-License-Identifier: Apache-2.0
// Measures groups of rows and the differences between them.
#include "evaluation/group_evaluation.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace millrace::evaluation {
namespace {

/// The rows of one group, copied out.
struct Members {
  std::vector<double> scores;
  std::vector<std::uint8_t> labels;
};

Error BadRow(const std::string& what, std::size_t row, const std::string& seen,
             const std::string& wanted) {
  return base::InvalidArgument(what + " of row " + std::to_string(row) + " is " + seen +
                               "; wanted: " + wanted);
}

Result<void> CheckSizes(std::size_t scores, std::size_t labels, const Grouping& grouping) {
  if (scores == labels && scores == grouping.group_of.size()) {
    return {};
  }
  return base::InvalidArgument("column \"" + grouping.column + "\" has groups for " +
                               std::to_string(grouping.group_of.size()) + " rows; there are " +
                               std::to_string(scores) + " scores and " + std::to_string(labels) +
                               " labels");
}

std::optional<GroupRate> RateOf(std::int64_t part, std::int64_t whole) {
  if (whole == 0) {
    return std::nullopt;
  }
  const auto n = static_cast<double>(whole);
  return GroupRate{static_cast<double>(part) / n,
                   metrics::WilsonInterval(static_cast<double>(part), n)};
}

void MeasureDecisions(const metrics::ConfusionMatrix& c, GroupMetrics& group) {
  const std::int64_t selected = c.true_positives + c.false_positives;
  group.selection_rate = RateOf(selected, c.rows());
  group.true_positive_rate = RateOf(c.true_positives, c.true_positives + c.false_negatives);
  group.false_positive_rate = RateOf(c.false_positives, c.false_positives + c.true_negatives);
  group.precision = RateOf(c.true_positives, selected);
  group.accuracy = RateOf(c.true_positives + c.true_negatives, c.rows());
}

Result<void> MeasureScores(const Members& members, const GroupOptions& options,
                           GroupMetrics& group) {
  if (group.positives > 0 && group.positives < group.rows) {
    MILL_ASSIGN_OR_RETURN(group.roc_auc,
                          metrics::RocAucWithInterval(members.scores, members.labels));
  }
  if (options.is_probability && group.rows > 0) {
    MILL_ASSIGN_OR_RETURN(group.log_loss, metrics::LogLoss(members.scores, members.labels));
    MILL_ASSIGN_OR_RETURN(group.brier, metrics::Brier(members.scores, members.labels));
  }
  return {};
}

using RateMember = std::optional<GroupRate> GroupMetrics::*;

/// How far a rate lies apart between the groups that have one.
struct Spread {
  std::optional<double> difference;
  std::optional<double> ratio;
  std::string lowest;
  std::string highest;
  std::string note;
};

void Say(std::string& note, const std::string& text) {
  note += (note.empty() ? "" : "; ") + text;
}

/// "a, b, c and 4 more".
std::string Listed(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, names.size()); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() <= kMost ? text
                               : text + " and " + std::to_string(names.size() - kMost) + " more";
}

Spread SpreadOf(const std::vector<GroupMetrics>& groups, RateMember rate,
                const std::string& lacking) {
  Spread spread;
  const GroupMetrics* low = nullptr;
  const GroupMetrics* high = nullptr;
  std::vector<std::string> not_judged;
  std::vector<std::string> undefined;
  int n_judged = 0;
  for (const GroupMetrics& group : groups) {
    if (!group.is_judged) {
      not_judged.push_back(group.group);
    } else if (!(group.*rate).has_value()) {
      undefined.push_back(group.group);
    } else {
      ++n_judged;
      low = low == nullptr || (group.*rate)->value < (low->*rate)->value ? &group : low;
      high = high == nullptr || (group.*rate)->value > (high->*rate)->value ? &group : high;
    }
  }
  if (n_judged < 2) {
    Say(spread.note, "undefined: " + std::to_string(n_judged) +
                         (n_judged == 1 ? " group" : " groups") + " can be judged, two are needed");
  } else {
    spread.lowest = low->group;
    spread.highest = high->group;
    spread.difference = (high->*rate)->value - (low->*rate)->value;
    if ((high->*rate)->value > 0) {
      spread.ratio = (low->*rate)->value / (high->*rate)->value;
    }
  }
  if (!not_judged.empty()) {
    Say(spread.note, "not judged: " + Listed(not_judged));
  }
  if (!undefined.empty()) {
    Say(spread.note, "no " + lacking + ": " + Listed(undefined));
  }
  return spread;
}

FairnessMeasure Difference(std::string name, const Spread& spread) {
  return {std::move(name), spread.difference, spread.lowest, spread.highest, spread.note};
}

FairnessMeasure Ratio(std::string name, const Spread& spread) {
  FairnessMeasure measure{std::move(name), spread.ratio, spread.lowest, spread.highest,
                          spread.note};
  if (spread.difference.has_value() && !spread.ratio.has_value()) {
    Say(measure.note, "undefined: the rate is 0 in every group");
  }
  return measure;
}

/// The worse of two; undefined where one of them is.
FairnessMeasure Worse(std::string name, FairnessMeasure a, FairnessMeasure b, bool is_ratio) {
  const bool takes_b =
      !b.value.has_value() ||
      (a.value.has_value() && (is_ratio ? *b.value < *a.value : *b.value > *a.value));
  FairnessMeasure worse = takes_b ? std::move(b) : std::move(a);
  worse.name = std::move(name);
  return worse;
}

}  // namespace

Result<GroupTable> MeasureGroups(std::span<const double> scores,
                                 std::span<const std::uint8_t> labels, const Grouping& grouping,
                                 const GroupOptions& options) {
  MILL_RETURN_IF_ERROR(CheckSizes(scores.size(), labels.size(), grouping));
  GroupTable table{grouping.column, options.minimum_rows, options.threshold, {}, {}};
  std::vector<Members> members(grouping.names.size());
  std::vector<metrics::ConfusionMatrix> decisions(grouping.names.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) {
      return BadRow("score", i, "NaN", "a number");
    }
    if (labels[i] > 1) {
      return BadRow("label", i, std::to_string(labels[i]), "0 or 1");
    }
    const std::size_t group = grouping.group_of[i];
    members[group].scores.push_back(scores[i]);
    members[group].labels.push_back(labels[i]);
    decisions[group].Add(scores[i] >= options.threshold, labels[i] == 1);
  }
  for (std::size_t g = 0; g < members.size(); ++g) {
    GroupMetrics& group = table.groups.emplace_back();
    group.group = grouping.names[g];
    group.rows = decisions[g].rows();
    group.positives = decisions[g].true_positives + decisions[g].false_negatives;
    group.is_judged = group.rows >= options.minimum_rows && grouping.gathered != g;
    MeasureDecisions(decisions[g], group);
    MILL_RETURN_IF_ERROR(MeasureScores(members[g], options, group)
                             .With("measuring " + grouping.column + " \"" + group.group + "\""));
  }
  return table;
}

Result<GroupTable> MeasureRegressionGroups(std::span<const double> predictions,
                                           std::span<const double> targets,
                                           const Grouping& grouping, std::int64_t minimum_rows) {
  MILL_RETURN_IF_ERROR(CheckSizes(predictions.size(), targets.size(), grouping));
  GroupTable table{grouping.column, minimum_rows, {}, {}, {}};
  std::vector<double> squares(grouping.names.size());
  std::vector<double> absolutes(grouping.names.size());
  for (const std::string& name : grouping.names) {
    table.groups.emplace_back().group = name;
  }
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const double error = predictions[i] - targets[i];
    if (std::isnan(error)) {
      return BadRow("prediction or target", i, "NaN", "a number");
    }
    const std::size_t group = grouping.group_of[i];
    ++table.groups[group].rows;
    squares[group] += error * error;
    absolutes[group] += std::abs(error);
  }
  for (std::size_t g = 0; g < table.groups.size(); ++g) {
    GroupMetrics& group = table.groups[g];
    group.is_judged = group.rows >= minimum_rows && grouping.gathered != g;
    if (group.rows > 0) {
      group.rmse = std::sqrt(squares[g] / static_cast<double>(group.rows));
      group.mae = absolutes[g] / static_cast<double>(group.rows);
    }
  }
  return table;
}

std::vector<FairnessMeasure> MeasureFairness(const std::vector<GroupMetrics>& groups) {
  const Spread selected = SpreadOf(groups, &GroupMetrics::selection_rate, "row");
  const Spread found = SpreadOf(groups, &GroupMetrics::true_positive_rate, "positive row");
  const Spread wrong = SpreadOf(groups, &GroupMetrics::false_positive_rate, "negative row");
  return {Difference("demographic_parity_difference", selected),
          Ratio("demographic_parity_ratio", selected),
          Worse("equalized_odds_difference", Difference("", found), Difference("", wrong), false),
          Worse("equalized_odds_ratio", Ratio("", found), Ratio("", wrong), true),
          Difference("equal_opportunity_difference", found),
          Ratio("equal_opportunity_ratio", found)};
}

}  // namespace millrace::evaluation
