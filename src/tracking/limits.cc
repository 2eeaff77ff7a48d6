// SPDX-License-Identifier: Apache-2.0
// Checks names, keys and values against MLflow's limits.
#include "tracking/internal/limits.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>

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

/// Whether the path is what POSIX normalisation makes of it, and stays inside.
bool IsNormalPath(std::string_view path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

}  // namespace

Result<void> CheckKey(std::string_view what, std::string_view key) {
  const std::string name = std::string(what) + " key \"" + Truncated(key, 250) + "\"";
  if (key.empty()) {
    return InvalidArgument("Missing value for required parameter 'key': a " + std::string(what) +
                           " key is empty");
  }
  if (Length(key) > 250) {
    return InvalidArgument(name + " has " + std::to_string(Length(key)) +
                           " characters; at most 250 are wanted");
  }
  const auto allowed = [](char c) {
    return IsWord(c) || std::string_view("/.- :").find(c) != std::string_view::npos;
  };
  if (!std::all_of(key.begin(), key.end(), allowed)) {
    return InvalidArgument("Invalid " + name +
                           "; letters, digits, underscores, dashes, periods, spaces, colons and "
                           "slashes are wanted");
  }
  if (!IsNormalPath(key)) {
    return InvalidArgument(
        "Invalid " + name +
        "; a normal relative path is wanted (no leading or double slash, no \"..\")");
  }
  return {};
}

Result<void> CheckExperimentName(std::string_view name) {
  if (IsBlank(name)) {
    return InvalidArgument("Invalid experiment name: '" + std::string(name) +
                           "'; a name that is not blank is wanted");
  }
  return CheckLength("experiment name", name, 500);
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
  if (!IsNormalPath(name)) {
    return InvalidArgument("Invalid value \"" + std::string(name) +
                           "\" for parameter 'name' supplied: Names may be treated as files in "
                           "certain cases, and must not resolve to other names when treated as "
                           "such. This name would resolve to '" +
                           std::string(name) + "'");
  }
  return CheckLength("registered model name", name, 256);
}

Result<void> CheckLoggedModelName(std::string_view name) {
  if (IsBlank(name) || name.find_first_of("/:.%\"'") != std::string_view::npos) {
    return InvalidArgument("Invalid model name (" + std::string(name) +
                           "); a name that is not blank and has none of / : . % \" ' is wanted");
  }
  return CheckLength("logged model name", name, 500);
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
  if (code != std::errc() || end != id.data() + id.size() || value < 0) {
    return InvalidArgument("Invalid experiment ID: '" + std::string(id) +
                           "'; a whole number is wanted");
  }
  return value;
}

Result<void> CheckLength(std::string_view what, std::string_view value, std::size_t most) {
  const std::size_t length = Length(value);
  if (length > most) {
    return InvalidArgument(std::string(what) + " has " + std::to_string(length) +
                           " characters; at most " + std::to_string(most) + " are wanted");
  }
  return {};
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
  static constexpr std::array<std::string_view, 16> kAdjectives = {
      "amber", "brisk", "calm",  "clear", "deep",  "eager", "fair",  "gentle",
      "keen",  "merry", "quiet", "ready", "stout", "swift", "tidal", "upland"};
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
