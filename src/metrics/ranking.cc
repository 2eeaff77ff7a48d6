// SPDX-License-Identifier: Apache-2.0
// Metrics that look only at the order of scores: ROC AUC with DeLong's variance, average precision,
// curves.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "base/number_format.h"
#include "metrics/binary.h"
#include "metrics/internal/ranked.h"

namespace millrace::metrics {
namespace {

using internal::RankBothClasses;
using internal::Ranking;
using internal::ScoreGroup;

double AreaOf(const Ranking& ranking) {
  // Twice the Mann-Whitney count, in integers: exact for any number of rows that fits in memory.
  std::int64_t twice = 0;
  std::int64_t negatives_below = ranking.negatives;
  for (const ScoreGroup& group : ranking.groups) {
    negatives_below -= group.negatives;
    twice += group.positives * (2 * negatives_below + group.negatives);
  }
  return static_cast<double>(twice) / 2.0 / static_cast<double>(ranking.positives) /
         static_cast<double>(ranking.negatives);
}

// DeLong's structural components V10 (of positives) and V01 (of negatives), in row order.
struct Components {
  double auc = 0;
  std::vector<double> positives;
  std::vector<double> negatives;
};

Result<Components> ComponentsOf(std::span<const double> scores,
                                std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, RankBothClasses(scores, labels));
  Components components;
  components.auc = AreaOf(ranking);
  components.positives.reserve(static_cast<std::size_t>(ranking.positives));
  components.negatives.reserve(static_cast<std::size_t>(ranking.negatives));
  // Mid-ranks as counts of rows above each group; ties count one half.
  std::vector<double> positives_above(ranking.groups.size());
  std::vector<double> negatives_below(ranking.groups.size());
  double above = 0;
  double below = static_cast<double>(ranking.negatives);
  for (std::size_t g = 0; g < ranking.groups.size(); ++g) {
    const double p = static_cast<double>(ranking.groups[g].positives);
    const double q = static_cast<double>(ranking.groups[g].negatives);
    below -= q;
    positives_above[g] = above + p / 2;
    negatives_below[g] = below + q / 2;
    above += p;
  }
  const double m = static_cast<double>(ranking.positives);
  const double n = static_cast<double>(ranking.negatives);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto group = std::lower_bound(
        ranking.groups.begin(), ranking.groups.end(), scores[i],
        [](const ScoreGroup& candidate, double score) { return candidate.score > score; });
    const auto g = static_cast<std::size_t>(group - ranking.groups.begin());
    if (labels[i] == 1) {
      components.positives.push_back(negatives_below[g] / n);
    } else {
      components.negatives.push_back(positives_above[g] / m);
    }
  }
  return components;
}

// Sample covariance (divisor n - 1) around the known means; 0 for one row.
double Covariance(const std::vector<double>& a, double mean_a, const std::vector<double>& b,
                  double mean_b) {
  if (a.size() < 2) {
    return 0;
  }
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += (a[i] - mean_a) * (b[i] - mean_b);
  }
  return sum / static_cast<double>(a.size() - 1);
}

// Covariance of two estimated areas (DeLong et al. 1988, equation 4).
double AreaCovariance(const Components& a, const Components& b) {
  return Covariance(a.positives, a.auc, b.positives, b.auc) /
             static_cast<double>(a.positives.size()) +
         Covariance(a.negatives, a.auc, b.negatives, b.auc) /
             static_cast<double>(a.negatives.size());
}

Result<double> HalfWidthFactor(double level) {
  if (!(level > 0 && level < 1)) {
    return base::InvalidArgument("confidence level is " + base::FormatDouble(level) +
                                 "; a value between 0 and 1 is needed, for example 0.95");
  }
  return NormalQuantile(0.5 + level / 2);
}

}  // namespace

double NormalQuantile(double p) {
  if (!(p > 0 && p < 1)) {
    return p == 0   ? -std::numeric_limits<double>::infinity()
           : p == 1 ? std::numeric_limits<double>::infinity()
                    : std::numeric_limits<double>::quiet_NaN();
  }
  // Bisection keeps it simple and certain: erfc is monotone, and 80 halvings reach the last bit.
  const bool is_upper = p > 0.5;
  const double tail = is_upper ? 1 - p : p;
  double low = 0;
  double high = 40;
  for (int i = 0; i < 80; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::numbers::sqrt2) / 2 > tail ? low : high) = middle;
  }
  const double z = (low + high) / 2;
  return is_upper ? z : -z;
}

Interval WilsonInterval(double successes, double rows, double level) {
  if (!(rows > 0)) {
    return {0, 1};
  }
  const double z = NormalQuantile(0.5 + level / 2);
  const double p = successes / rows;
  const double center = (p + z * z / (2 * rows)) / (1 + z * z / rows);
  const double half =
      z / (1 + z * z / rows) * std::sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

Result<double> RocAuc(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, RankBothClasses(scores, labels));
  return AreaOf(ranking);
}

Result<AucEstimate> RocAucWithInterval(std::span<const double> scores,
                                       std::span<const std::uint8_t> labels, double level) {
  MILL_ASSIGN_OR_RETURN(const double z, HalfWidthFactor(level));
  MILL_ASSIGN_OR_RETURN(const Components components, ComponentsOf(scores, labels));
  AucEstimate estimate;
  estimate.auc = components.auc;
  estimate.level = level;
  estimate.standard_error = std::sqrt(std::max(0.0, AreaCovariance(components, components)));
  estimate.interval.lower = std::max(0.0, estimate.auc - z * estimate.standard_error);
  estimate.interval.upper = std::min(1.0, estimate.auc + z * estimate.standard_error);
  return estimate;
}

Result<AucDifference> CompareRocAuc(std::span<const double> scores_a,
                                    std::span<const double> scores_b,
                                    std::span<const std::uint8_t> labels, double level) {
  MILL_ASSIGN_OR_RETURN(const double factor, HalfWidthFactor(level));
  MILL_ASSIGN_OR_RETURN(const Components a, ComponentsOf(scores_a, labels));
  MILL_ASSIGN_OR_RETURN(const Components b, ComponentsOf(scores_b, labels));
  AucDifference result;
  result.auc_a = a.auc;
  result.auc_b = b.auc;
  result.difference = a.auc - b.auc;
  const double variance = AreaCovariance(a, a) + AreaCovariance(b, b) - 2 * AreaCovariance(a, b);
  // Rounding may leave a tiny negative number where the true variance is 0.
  result.standard_error = std::sqrt(std::max(0.0, variance));
  result.interval = {result.difference - factor * result.standard_error,
                     result.difference + factor * result.standard_error};
  if (result.standard_error > 0) {
    result.z = result.difference / result.standard_error;
  } else if (result.difference != 0) {
    result.z = std::copysign(std::numeric_limits<double>::infinity(), result.difference);
  }
  result.p_value = std::erfc(std::abs(result.z) / std::numbers::sqrt2);
  return result;
}

Result<double> PrAuc(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, RankBothClasses(scores, labels));
  double sum = 0;
  std::int64_t true_positives = 0;
  std::int64_t predicted = 0;
  for (const ScoreGroup& group : ranking.groups) {
    true_positives += group.positives;
    predicted += group.positives + group.negatives;
    sum += static_cast<double>(group.positives) * static_cast<double>(true_positives) /
           static_cast<double>(predicted);
  }
  return sum / static_cast<double>(ranking.positives);
}

Result<std::vector<RocPoint>> RocCurve(std::span<const double> scores,
                                       std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, RankBothClasses(scores, labels));
  struct Corner {
    std::int64_t false_positives;
    std::int64_t true_positives;
    double threshold;
  };
  std::vector<Corner> corners = {{0, 0, std::numeric_limits<double>::infinity()}};
  for (const ScoreGroup& group : ranking.groups) {
    const Corner next{corners.back().false_positives + group.negatives,
                      corners.back().true_positives + group.positives, group.score};
    if (corners.size() >= 2) {
      const Corner& last = corners.back();
      const Corner& before = corners[corners.size() - 2];
      const std::int64_t cross = (last.false_positives - before.false_positives) *
                                     (next.true_positives - last.true_positives) -
                                 (last.true_positives - before.true_positives) *
                                     (next.false_positives - last.false_positives);
      if (cross == 0) {
        corners.pop_back();
      }
    }
    // The popped corner's counts are contained in `next`, which was built before.
    corners.push_back(next);
  }
  std::vector<RocPoint> points;
  points.reserve(corners.size());
  for (const Corner& corner : corners) {
    points.push_back(
        {static_cast<double>(corner.false_positives) / static_cast<double>(ranking.negatives),
         static_cast<double>(corner.true_positives) / static_cast<double>(ranking.positives),
         corner.threshold});
  }
  return points;
}

Result<std::vector<PrPoint>> PrCurve(std::span<const double> scores,
                                     std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, RankBothClasses(scores, labels));
  std::vector<PrPoint> points = {{0, 1, std::numeric_limits<double>::infinity()}};
  points.reserve(ranking.groups.size() + 1);
  std::int64_t true_positives = 0;
  std::int64_t predicted = 0;
  for (const ScoreGroup& group : ranking.groups) {
    true_positives += group.positives;
    predicted += group.positives + group.negatives;
    points.push_back({static_cast<double>(true_positives) / static_cast<double>(ranking.positives),
                      static_cast<double>(true_positives) / static_cast<double>(predicted),
                      group.score});
  }
  return points;
}

Result<double> ClassSeparation(std::span<const double> scores,
                               std::span<const std::uint8_t> labels) {
  MILL_ASSIGN_OR_RETURN(const Ranking ranking, RankBothClasses(scores, labels));
  double greatest = 0;
  double true_positives = 0;
  double false_positives = 0;
  for (const ScoreGroup& group : ranking.groups) {
    true_positives += static_cast<double>(group.positives);
    false_positives += static_cast<double>(group.negatives);
    greatest = std::max(greatest, true_positives / static_cast<double>(ranking.positives) -
                                      false_positives / static_cast<double>(ranking.negatives));
  }
  return greatest;
}

}  // namespace millrace::metrics
