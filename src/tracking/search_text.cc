// SPDX-License-Identifier: Apache-2.0
// Names of fields and comparators, their aliases, and texts as Python prints them.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "tracking/internal/search_fields.h"

namespace millrace::tracking::internal {
namespace {

using View = std::string_view;

bool IsQuoted(View text, char quote) {
  return text.size() >= 2 && text.front() == quote && text.back() == quote;
}

std::string Lowered(View text) {
  std::string lowered(text);
  for (char& c : lowered) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return lowered;
}

void CanonicaliseTrace(Field& field) {
  if (field.kind == FieldKind::kSpan) {
    return;
  }
  const std::string key = Lowered(field.key);
  if (key == "name") {
    field = {FieldKind::kTag, "mlflow.traceName"};
  } else if (key == "prompt") {
    field = {FieldKind::kTag, "mlflow.linkedPrompts"};
  } else if (key == "run_id") {
    field = {FieldKind::kMetadata, "mlflow.sourceRun"};
  } else if (key == "text") {
    field = {FieldKind::kSpan, "content"};
  } else if (key == "timestamp" || key == "execution_time" || key == "end_time") {
    field.key = key + "_ms";
  }
}

}  // namespace

void Canonicalise(const FieldRules& rules, Field& field) {
  if (rules.target == SearchTarget::kTraces) {
    CanonicaliseTrace(field);
    return;
  }
  if (field.kind != FieldKind::kAttribute) {
    return;
  }
  if (rules.target == SearchTarget::kRuns) {
    if (field.key == "created" || field.key == "Created") {
      field.key = "start_time";
    } else if (field.key == "run name" || field.key == "Run name" || field.key == "Run Name") {
      field.key = "run_name";
    }
  } else if (rules.target == SearchTarget::kLoggedModels) {
    if (field.key == "creation_time") {
      field.key = "creation_timestamp";
    } else if (field.key == "last_updated_time") {
      field.key = "last_updated_timestamp";
    }
  } else if (rules.target == SearchTarget::kRegisteredModels && field.key == "timestamp") {
    field.key = "last_updated_timestamp";
  }
}

std::string_view EntityName(FieldKind kind) {
  constexpr std::array<View, 10> kNames = {
      "attribute",        "metric", "parameter", "tag",         "dataset",
      "request_metadata", "span",   "feedback",  "expectation", "issue"};
  return kNames.at(static_cast<std::size_t>(kind));
}

namespace {

constexpr std::array<View, 13> kComparators = {"=",      "!=",      "<",          "<=",    ">",
                                               ">=",     "LIKE",    "ILIKE",      "RLIKE", "IN",
                                               "NOT IN", "IS NULL", "IS NOT NULL"};

}  // namespace

std::optional<Comparator> ParseComparator(std::string_view upper_case) {
  const auto* found = std::find(kComparators.begin(), kComparators.end(), upper_case);
  if (found == kComparators.end()) {
    return std::nullopt;
  }
  return static_cast<Comparator>(found - kComparators.begin());
}

std::string_view ComparatorName(Comparator comparator) {
  return kComparators.at(static_cast<std::size_t>(comparator));
}

std::string PythonSet(Names names) {
  std::string set = "{";
  for (const View name : names) {
    set += (set.size() == 1 ? "'" : ", '") + std::string(name) + "'";
  }
  return set + "}";
}

std::string PythonText(std::string_view text) {
  const char quote = text.find('\'') != View::npos && text.find('"') == View::npos ? '"' : '\'';
  std::string printed(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      printed += '\\';
      printed += c;
    } else if (c == '\n') {
      printed += "\\n";
    } else if (c == '\t') {
      printed += "\\t";
    } else if (c == '\r') {
      printed += "\\r";
    } else {
      printed += c;
    }
  }
  return printed + quote;
}

std::string PythonFloat(double number) {
  if (std::isinf(number)) {
    return number < 0 ? "-inf" : "inf";
  }
  std::array<char, 64> buffer{};
  const double size = std::fabs(number);
  const bool is_plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                    is_plain ? std::chars_format::fixed : std::chars_format::scientific)
          .ptr;
  std::string text(buffer.data(), end);
  if (is_plain && text.find('.') == std::string::npos) {
    text += ".0";
  }
  return text;
}

std::optional<std::int64_t> ParseWhole(std::string_view text) {
  while (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  while (!text.empty() && text.back() == ' ') {
    text.remove_suffix(1);
  }
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return whole;
}

std::string_view StripQuotes(std::string_view text) {
  return IsQuoted(text, '\'') || IsQuoted(text, '"') ? text.substr(1, text.size() - 2) : text;
}

std::string_view TrimBackticks(std::string_view text) {
  return IsQuoted(text, '`') ? text.substr(1, text.size() - 2) : text;
}

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return upper;
}

}  // namespace millrace::tracking::internal
