// SPDX-License-Identifier: Apache-2.0
// Checks names, keys and values against MLflow's limits.
#include "tracking/internal/limits.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::tracking::internal {
namespace {

using base::InvalidArgument;

bool IsWord(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}

/// Characters of UTF-8, not bytes.
std::size_t Length(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

/// The path as POSIX normalises it (Python's posixpath.normpath).
std::string Normal(std::string_view path) {
  const bool is_absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") {
      continue;
    }
    if (part != ".." || (!is_absolute && parts.empty()) ||
        (!parts.empty() && parts.back() == "..")) {
      parts.push_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  // Exactly two leading slashes stay.
  std::string normal =
      !is_absolute ? "" : (path.starts_with("//") && !path.starts_with("///") ? "//" : "/");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    normal += (i == 0 ? "" : "/") + std::string(parts[i]);
  }
  return normal.empty() ? "." : normal;
}

Error InvalidValue(std::string_view path, std::string_view value, const std::string& message) {
  return InvalidArgument("Invalid value " + base::DumpJson(std::string(value)) +
                         " for parameter '" + std::string(path) + "' supplied" +
                         (message.empty() ? "." : ": " + message));
}

Error TooLong(std::string_view what, std::size_t most) {
  return InvalidArgument("'" + std::string(what) + "' exceeds the maximum length of " +
                         std::to_string(most) + " characters");
}

Result<void> CheckNormalPath(std::string_view name, std::string_view path) {
  const std::string normal = Normal(name);
  if (normal != name || normal == "." || normal.starts_with("..") || normal.starts_with('/')) {
    return InvalidValue(path, name,
                        "Names may be treated as files in certain cases, and must not resolve to "
                        "other names when treated as such. This name would resolve to '" +
                            normal + "'");
  }
  return {};
}

}  // namespace

Result<void> CheckKey(std::string_view what, std::string_view key, std::string_view path) {
  const bool is_metric = what == "metric";
  if (path.empty()) {
    path = is_metric ? "name" : "key";
  }
  const auto allowed = [](char c) {
    return IsWord(c) || std::string_view("/.- :").find(c) != std::string_view::npos;
  };
  if (!std::all_of(key.begin(), key.end(), allowed)) {
    return InvalidValue(path, key,
                        "Names may only contain alphanumerics, underscores (_), dashes (-), "
                        "periods (.), spaces ( ), colon(:) and slashes (/).");
  }
  MILL_RETURN_IF_ERROR(CheckNormalPath(key, path));
  if (Length(key) > 250) {
    return TooLong(is_metric ? "Metric name" : what == "param" ? "Param key" : path, 250);
  }
  return {};
}

Result<void> CheckRunId(std::string_view run_id) {
  const auto allowed = [](char c) { return IsWord(c) || c == '-'; };
  if (run_id.empty() || std::isalnum(static_cast<unsigned char>(run_id[0])) == 0 ||
      Length(run_id) > 256 || !std::all_of(run_id.begin(), run_id.end(), allowed)) {
    return InvalidValue("run_id", run_id, "");
  }
  return {};
}

Result<void> CheckArtifactLocation(std::string_view location) {
  constexpr std::size_t kMost = 2048;
  if (Length(location) > kMost) {
    return InvalidArgument(
        "Invalid artifact path length. The length of the artifact path cannot "
        "be greater than " +
        std::to_string(kMost) + " characters.");
  }
  if (location.starts_with("runs:")) {
    return InvalidArgument("Artifact location cannot be a runs:/ URI. Given: '" +
                           std::string(location) + "'");
  }
  const std::size_t question = location.find('?');
  const bool has_dots = question != std::string_view::npos &&
                        location.substr(question).find("..") != std::string_view::npos;
  if (location.find_first_of("#;") != std::string_view::npos || has_dots) {
    return InvalidArgument("'artifact_location' URL can't include fragments or params.");
  }
  return {};
}

Result<void> CheckExperimentName(std::string_view name) {
  if (IsBlank(name)) {
    return InvalidArgument("Invalid experiment name: '" + std::string(name) + "'")
        .Hint("a name that is not blank is wanted");
  }
  return CheckLength("name", name, 500);
}

Result<void> CheckModelName(std::string_view name, std::string_view parameter) {
  if (IsBlank(name)) {
    return InvalidArgument("Missing value for required parameter '" + std::string(parameter) +
                           "'.");
  }
  if (name.find_first_of("/:") != std::string_view::npos) {
    return InvalidArgument("Invalid model name '" + std::string(name) +
                           "'. Names cannot contain '/' or ':'.");
  }
  MILL_RETURN_IF_ERROR(CheckNormalPath(name, "name"));
  return CheckLength("registered model name", name, 256);
}

Result<void> CheckLoggedModelName(std::string_view name) {
  if (name.empty() || name.find_first_of("/:.%\"'") != std::string_view::npos) {
    return InvalidArgument("Invalid model name ('" + std::string(name) +
                           "') provided. Model name must be a non-empty string and cannot contain "
                           "the following characters: ('/', ':', '.', '%', '\"', \"'\")");
  }
  return CheckLength("name", name, 500);
}

Result<void> CheckAlias(std::string_view alias) {
  if (alias.empty()) {
    return InvalidArgument("Registered model alias name cannot be empty.");
  }
  const bool words =
      std::all_of(alias.begin(), alias.end(), [](char c) { return IsWord(c) || c == '-'; });
  if (!words) {
    return InvalidArgument("Invalid alias name: '" + Truncated(alias, 255) +
                           "'. Names may only contain alphanumerics, underscores (_), and dashes "
                           "(-).");
  }
  if (Length(alias) > 255) {
    return InvalidArgument(
        "'Registered model alias name' exceeds the maximum length of 255 characters");
  }
  return {};
}

Result<void> CheckAliasIsFree(std::string_view alias) {
  if (EqualIgnoringCase(alias, "latest")) {
    return InvalidArgument("'latest' alias name (case insensitive) is reserved.");
  }
  const bool is_version = alias.size() > 1 && (alias[0] == 'v' || alias[0] == 'V') &&
                          alias.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if (is_version) {
    return InvalidArgument("Version alias name '" + std::string(alias) + "' is reserved.");
  }
  return {};
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

Result<long long> ParseExperimentId(std::string_view id) {
  long long value = 0;
  const auto [end, code] = std::from_chars(id.data(), id.data() + id.size(), value);
  if (code != std::errc() || end != id.data() + id.size()) {
    return InvalidArgument("Invalid experiment ID '" + std::string(id) +
                           "'. Experiment ID must be a valid integer.");
  }
  return value;
}

Result<void> CheckLength(std::string_view what, std::string_view value, std::size_t most) {
  return Length(value) > most ? Result<void>(TooLong(what, most)) : Result<void>();
}

Result<void> CheckMaxResults(int max_results) {
  constexpr int kMost = 50'000;
  if (max_results >= 1 && max_results <= kMost) {
    return {};
  }
  return InvalidArgument(
      "Invalid value " + std::to_string(max_results) +
      " for parameter 'max_results' supplied. It must be " +
      (max_results < 1 ? "a positive integer" : "at most " + std::to_string(kMost)));
}

std::string Truncated(std::string_view text, std::size_t most) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((text[i] & 0xC0) != 0x80 && ++characters > most) {
      return std::string(text.substr(0, i));
    }
  }
  return std::string(text);
}

Result<std::string> CanonicalStage(std::string_view stage) {
  for (const std::string_view known : {"None", "Staging", "Production", "Archived"}) {
    if (EqualIgnoringCase(known, stage)) {
      return std::string(known);
    }
  }
  return InvalidArgument("Invalid Model Version stage: " + std::string(stage) +
                         ". Value must be one of None, Staging, Production, Archived.");
}

std::string SpokenName(std::string_view id) {
  // Adjectives that MLflow's own names begin with, too: its tests look for them.
  static constexpr std::array<std::string_view, 16> kAdjectives = {
      "able",   "bold",   "bright",   "calm",   "clean",   "gentle", "merciful", "nimble",
      "placid", "polite", "peaceful", "silent", "sincere", "useful", "upbeat",   "wise"};
  static constexpr std::array<std::string_view, 16> kNouns = {
      "brook", "dam",    "ford",   "heron", "lock",  "mill", "otter",  "pond",
      "race",  "sluice", "spring", "trout", "wheel", "weir", "willow", "wagtail"};
  // FNV-1a: the name depends on the id alone.
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : id) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  std::string name(kAdjectives[(hash >> 8) % kAdjectives.size()]);
  name += "-";
  name += kNouns[(hash >> 24) % kNouns.size()];
  return name + "-" + std::to_string((hash >> 40) % 1000);
}

}  // namespace millrace::tracking::internal
