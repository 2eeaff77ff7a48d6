// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known name nearest to what was written.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::base {

/// The candidate with the smallest Damerau-Levenshtein distance (ties: first), if it is close
/// enough to be meant (at most a third of the longer length, at least 1). Letter case is ignored.
std::optional<std::string> NearestName(std::string_view seen,
                                       std::span<const std::string> candidates);

/// "; did you mean \"x\"?" or, without a near one, "; known: a, b, c" (at most 12 names).
std::string DidYouMean(std::string_view seen, std::span<const std::string> candidates);

}  // namespace millrace::base
