// SPDX-License-Identifier: Apache-2.0
// MLflow's limits on names, keys and values (mlflow/utils/validation.py).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::tracking::internal {

inline constexpr std::size_t kMaxParamValue = 6000;
inline constexpr std::size_t kMaxTagValue = 8000;
inline constexpr std::size_t kMaxExperimentTagValue = 20'000;
inline constexpr std::size_t kMaxRegistryTagValue = 100'000;

/// Key of a metric, parameter or tag: 1 to 250 characters of [/\w.\- :], a normal relative path.
/// @param what  "metric", "param", "tag"
/// @param path  where the key stands in the request, for the message ("metrics[3].name"); empty:
///   "name" for metrics and otherwise "key"
Result<void> CheckKey(std::string_view what, std::string_view key, std::string_view path = "");
/// [a-zA-Z0-9][\w-]{0,255}
Result<void> CheckRunId(std::string_view run_id);
/// Up to 2048 characters; no runs:/ URI, fragment or parameters, no ".." in its query.
Result<void> CheckArtifactLocation(std::string_view location);
/// 1 to 500 characters, not only blanks.
Result<void> CheckExperimentName(std::string_view name);
/// Not blank, no '/' and no ':', no path that means another one.
/// @param parameter  what MLflow calls it: "name", "new_name"
Result<void> CheckModelName(std::string_view name, std::string_view parameter = "name");
/// Not blank, none of / : . % " '
Result<void> CheckLoggedModelName(std::string_view name);
/// 1 to 255 of [\w-].
Result<void> CheckAlias(std::string_view alias);
/// Neither "latest" nor "v" and digits.
Result<void> CheckAliasIsFree(std::string_view alias);
bool EqualIgnoringCase(std::string_view a, std::string_view b);
/// Decimal digits.
Result<long long> ParseExperimentId(std::string_view id);
Result<void> CheckLength(std::string_view what, std::string_view value, std::size_t most);
/// The first `most` characters (UTF-8) of the text.
std::string Truncated(std::string_view text, std::size_t most);
/// From 1 to 50,000.
Result<void> CheckMaxResults(int max_results);
/// Canonical stage name from any letter case.
Result<std::string> CanonicalStage(std::string_view stage);
/// A name that people can say, made from an id: "quiet-weir-312".
std::string SpokenName(std::string_view id);

}  // namespace millrace::tracking::internal
