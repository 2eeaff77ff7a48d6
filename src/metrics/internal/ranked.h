// SPDX-License-Identifier: Apache-2.0
// Checked input of the binary metrics, and rows grouped by equal score from the highest down.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace millrace::metrics::internal {

/// Rows of one score.
struct ScoreGroup {
  double score = 0;
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
};

/// Distinct scores from the highest down, with the totals of each class.
struct Ranking {
  std::vector<ScoreGroup> groups;
  std::int64_t positives = 0;
  std::int64_t negatives = 0;
  std::int64_t rows() const { return positives + negatives; }
};

/// Sizes equal and above 0, scores finite, labels 0 or 1.
Result<void> CheckRows(std::span<const double> scores, std::span<const std::uint8_t> labels);
/// The same, and scores in [0, 1].
Result<void> CheckProbabilities(std::span<const double> scores,
                                std::span<const std::uint8_t> labels);

/// Checks and groups; one class is allowed.
Result<Ranking> Rank(std::span<const double> scores, std::span<const std::uint8_t> labels);
/// Checks and groups; kInvalidArgument unless both classes are present.
Result<Ranking> RankBothClasses(std::span<const double> scores,
                                std::span<const std::uint8_t> labels);

}  // namespace millrace::metrics::internal
