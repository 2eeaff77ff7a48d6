// SPDX-License-Identifier: Apache-2.0
// What follows from a decision threshold: confusion counts, costs, and lift by slices.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

#include "base/number_format.h"
#include "metrics/binary.h"
#include "metrics/internal/ranked.h"

namespace millrace::metrics {
namespace {

using internal::Ranking;
using internal::ScoreGroup;

double Share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Result<void> CheckCosts(const Costs& costs) {
  const std::pair<const char*, double> named[] = {{"true_positive", costs.true_positive},
                                                  {"false_positive", costs.false_positive},
                                                  {"false_negative", costs.false_negative},
                                                  {"true_negative", costs.true_negative}};
  for (const auto& [name, cost] : named) {
    if (!std::isfinite(cost)) {
      return base::InvalidArgument(std::string("cost ") + name + " is " + base::FormatDouble(cost) +
                                   "; a finite number is needed");
    }
  }
  return {};
}

ThresholdRow MakeRow(double threshold, const ConfusionMatrix& counts, const Costs& costs) {
  ThresholdRow row;
  row.threshold = threshold;
  row.counts = counts;
  row.precision = counts.Precision();
  row.recall = counts.Recall();
  row.f1 = counts.F1();
  row.total_cost = static_cast<double>(counts.true_positives) * costs.true_positive +
                   static_cast<double>(counts.false_positives) * costs.false_positive +
                   static_cast<double>(counts.false_negatives) * costs.false_negative +
                   static_cast<double>(counts.true_negatives) * costs.true_negative;
  row.mean_cost = row.total_cost / static_cast<double>(counts.rows());
  return row;
}

ConfusionMatrix CountsOf(const Ranking& ranking, std::int64_t true_positives,
                         std::int64_t false_positives) {
  return {true_positives, false_positives, ranking.positives - true_positives,
          ranking.negatives - false_positives};
}

// The confusion at "nobody" and at every distinct score, from the highest threshold down.
std::vector<ThresholdRow> AllThresholds(const Ranking& ranking, const Costs& costs) {
  std::vector<ThresholdRow> rows;
  rows.reserve(ranking.groups.size() + 1);
  rows.push_back(MakeRow(std::numeric_limits<double>::infinity(), CountsOf(ranking, 0, 0), costs));
  std::int64_t true_positives = 0;
  std::int64_t false_positives = 0;
  for (const ScoreGroup& group : ranking.groups) {
    true_positives += group.positives;
    false_positives += group.negatives;
    rows.push_back(MakeRow(group.score, CountsOf(ranking, true_positives, false_positives), costs));
  }
  return rows;
}

}  // namespace

void ConfusionMatrix::Add(bool predicted, bool label) {
  if (label) {
    ++(predicted ? true_positives : false_negatives);
  } else {
    ++(predicted ? false_positives : true_negatives);
  }
}

void ConfusionMatrix::Merge(const ConfusionMatrix& other) {
  true_positives += other.true_positives;
  false_positives += other.false_positives;
  false_negatives += other.false_negatives;
  true_negatives += other.true_negatives;
}

double ConfusionMatrix::Accuracy() const {
  return Share(true_positives + true_negatives, rows());
}
double ConfusionMatrix::Precision() const {
  return Share(true_positives, true_positives + false_positives);
}
double ConfusionMatrix::Recall() const {
  return Share(true_positives, true_positives + false_negatives);
}
double ConfusionMatrix::Specificity() const {
  return Share(true_negatives, true_negatives + false_positives);
}
double ConfusionMatrix::F1() const {
  return Share(2 * true_positives, 2 * true_positives + false_positives + false_negatives);
}

Result<ConfusionMatrix> Confusion(std::span<const double> scores,
                                  std::span<const std::uint8_t> labels, double threshold) {
  MILL_RETURN_IF_ERROR(internal::CheckRows(scores, labels));
  if (std::isnan(threshold)) {
    return base::InvalidArgument("the decision threshold is NaN; a number is needed");
  }
  ConfusionMatrix counts;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    counts.Add(scores[i] >= threshold, labels[i] == 1);
  }
  return counts;
}

Result<ThresholdRow> AtThreshold(std::span<const double> scores,
                                 std::span<const std::uint8_t> labels, const Costs& costs,
                                 double threshold) {
  MILL_RETURN_IF_ERROR(CheckCosts(costs));
  MILL_ASSIGN_OR_RETURN(const ConfusionMatrix counts, Confusion(scores, labels, threshold));
  return MakeRow(threshold, counts, costs);
}

Result<ThresholdTableResult> ThresholdTable(std::span<const double> scores,
                                            std::span<const std::uint8_t> labels,
                                            const Costs& costs,
                                            std::span<const double> thresholds) {
  MILL_RETURN_IF_ERROR(CheckCosts(costs));
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, internal::Rank(scores, labels));
  const std::vector<ThresholdRow> all = AllThresholds(ranking, costs);
  ThresholdTableResult result;
  result.cheapest = all.front();
  result.best_f1 = all.front();
  for (const ThresholdRow& row : all) {
    if (row.total_cost < result.cheapest.total_cost) {
      result.cheapest = row;
    }
    if (row.f1 > result.best_f1.f1) {
      result.best_f1 = row;
    }
  }
  for (const double threshold : thresholds) {
    if (std::isnan(threshold)) {
      return base::InvalidArgument("a threshold of the table is NaN; a number is needed");
    }
    // The last row whose score is not below the threshold holds everybody who is decided positive.
    const auto after = std::partition_point(all.begin(), all.end(), [&](const ThresholdRow& row) {
      return row.threshold >= threshold;
    });
    const ConfusionMatrix counts = after == all.begin() ? all.front().counts : (after - 1)->counts;
    result.rows.push_back(MakeRow(threshold, counts, costs));
  }
  return result;
}

std::vector<double> DefaultThresholds() {
  std::vector<double> thresholds;
  for (int percent = 5; percent < 100; percent += 5) {
    thresholds.push_back(percent / 100.0);
  }
  return thresholds;
}

Result<std::vector<LiftRow>> LiftTable(std::span<const double> scores,
                                       std::span<const std::uint8_t> labels, int n_slices) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, internal::RankBothClasses(scores, labels));
  const std::int64_t n = ranking.rows();
  if (n_slices < 1 || n_slices > n) {
    return base::InvalidArgument("lift table with " + std::to_string(n_slices) + " slices of " +
                                 std::to_string(n) + " rows; 1 to the number of rows are possible");
  }
  std::vector<LiftRow> table;
  const double base_rate = Share(ranking.positives, n);
  std::size_t group = 0;
  std::int64_t taken_of_group = 0;
  std::int64_t rows_before = 0;
  double positives_before = 0;
  for (int slice = 1; slice <= n_slices; ++slice) {
    LiftRow row;
    row.slice = slice;
    row.rows = n / n_slices + (slice <= n % n_slices ? 1 : 0);
    std::int64_t missing = row.rows;
    while (missing > 0) {
      const ScoreGroup& tied = ranking.groups[group];
      const std::int64_t size = tied.positives + tied.negatives;
      const std::int64_t taken = std::min(missing, size - taken_of_group);
      row.positives += Share(tied.positives, size) * static_cast<double>(taken);
      row.lowest_score = tied.score;
      missing -= taken;
      taken_of_group += taken;
      if (taken_of_group == size) {
        ++group;
        taken_of_group = 0;
      }
    }
    rows_before += row.rows;
    positives_before += row.positives;
    row.rate = row.positives / static_cast<double>(row.rows);
    row.lift = row.rate / base_rate;
    row.cumulative_rows_share = Share(rows_before, n);
    row.cumulative_gain = positives_before / static_cast<double>(ranking.positives);
    row.cumulative_lift = row.cumulative_gain / row.cumulative_rows_share;
    table.push_back(row);
  }
  return table;
}

}  // namespace millrace::metrics
