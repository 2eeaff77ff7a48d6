// SPDX-License-Identifier: Apache-2.0
// Input checks and the one sort that every ranking metric starts from.
#include "metrics/internal/ranked.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include "base/number_format.h"

namespace millrace::metrics::internal {

Result<void> CheckRows(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  if (scores.size() != labels.size()) {
    return base::InvalidArgument("there are " + std::to_string(scores.size()) + " scores but " +
                                 std::to_string(labels.size()) + " labels")
        .Hint("pass one score and one label per row");
  }
  if (scores.empty()) {
    return base::InvalidArgument("there are no rows; a metric needs at least one")
        .Hint("check the split: its period may hold no labels");
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return base::InvalidArgument("score of row " + std::to_string(i) + " is " +
                                   base::FormatDouble(scores[i]) + "; a finite number is needed")
          .Hint("find out why the model gave no score for this row");
    }
    if (labels[i] > 1) {
      return base::InvalidArgument("label of row " + std::to_string(i) + " is " +
                                   std::to_string(labels[i]) + "; 0 or 1 is needed");
    }
  }
  return {};
}

Result<void> CheckProbabilities(std::span<const double> scores,
                                std::span<const std::uint8_t> labels) {
  MILL_RETURN_IF_ERROR(CheckRows(scores, labels));
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] < 0 || scores[i] > 1) {
      return base::InvalidArgument("score of row " + std::to_string(i) + " is " +
                                   base::FormatDouble(scores[i]) +
                                   "; a probability in [0, 1] is needed")
          .Hint("turn raw scores into probabilities first, or use ranking metrics only");
    }
  }
  return {};
}

Result<Ranking> Rank(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  MILL_RETURN_IF_ERROR(CheckRows(scores, labels));
  std::vector<std::pair<double, std::uint8_t>> rows(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    rows[i] = {scores[i], labels[i]};
  }
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  Ranking ranking;
  for (const auto& [score, label] : rows) {
    // -0.0 and 0.0 are one score.
    if (ranking.groups.empty() || ranking.groups.back().score != score) {
      ranking.groups.push_back({score, 0, 0});
    }
    ScoreGroup& group = ranking.groups.back();
    group.positives += label;
    group.negatives += 1 - label;
  }
  for (const ScoreGroup& group : ranking.groups) {
    ranking.positives += group.positives;
    ranking.negatives += group.negatives;
  }
  return ranking;
}

Result<Ranking> RankBothClasses(std::span<const double> scores,
                                std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(Ranking ranking, Rank(scores, labels));
  if (ranking.positives == 0 || ranking.negatives == 0) {
    return base::InvalidArgument("all " + std::to_string(ranking.rows()) + " labels are " +
                                 (ranking.positives == 0 ? "0" : "1") +
                                 "; ranking metrics need rows of both classes")
        .Hint("choose a longer period or another definition of the label");
  }
  return ranking;
}

}  // namespace millrace::metrics::internal
