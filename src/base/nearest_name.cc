// SPDX-License-Identifier: Apache-2.0
// Damerau-Levenshtein distance (adjacent transpositions cost one) between a misspelt name and the
// known ones.
#include "base/nearest_name.h"

#include <algorithm>
#include <vector>

namespace millrace::base {
namespace {

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::size_t Distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> cost((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return cost[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) {
    at(i, 0) = i;
  }
  for (std::size_t j = 0; j <= b.size(); ++j) {
    at(0, j) = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool is_same = Lower(a[i - 1]) == Lower(b[j - 1]);
      at(i, j) =
          std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (is_same ? 0 : 1)});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
          Lower(a[i - 2]) == Lower(b[j - 1])) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

}  // namespace

std::optional<std::string> NearestName(std::string_view seen,
                                       std::span<const std::string> candidates) {
  // Longer texts are no misspelt names, and the table is quadratic.
  constexpr std::size_t kLongestName = 200;
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(seen.size(), candidate.size());
    if (longer > kLongestName) {
      continue;
    }
    const std::size_t distance = Distance(seen, candidate);
    const std::size_t allowed = std::max<std::size_t>(1, longer / 3);
    if (distance <= allowed && (!best || distance < best_distance)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view seen, std::span<const std::string> candidates) {
  if (const std::optional<std::string> nearest = NearestName(seen, candidates)) {
    return "; did you mean \"" + *nearest + "\"?";
  }
  if (candidates.empty()) {
    return "";
  }
  constexpr std::size_t kMostNames = 12;
  std::string text = "; known: ";
  for (std::size_t i = 0; i < std::min(candidates.size(), kMostNames); ++i) {
    text += (i > 0 ? ", " : "") + candidates[i];
  }
  if (candidates.size() > kMostNames) {
    text += ", and " + std::to_string(candidates.size() - kMostNames) + " more";
  }
  return text;
}

}  // namespace millrace::base
