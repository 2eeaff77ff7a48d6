// SPDX-License-Identifier: Apache-2.0
// Which fields each kind of thing has, and how each may be compared.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tracking/search.h"

namespace millrace::tracking::internal {

using Names = std::span<const std::string_view>;

/// The rules of one target. The lists are sorted, as messages print them.
struct FieldRules {
  SearchTarget target = SearchTarget::kRuns;
  Names attributes = {};
  Names order_attributes = {};
  Names numeric = {};
  /// Attributes that may be compared with a list.
  Names lists = {};
  /// The value's type is checked after the comparator's: registry and traces.
  bool is_loose = false;
  bool allows_numbers = false;
  /// Numeric attributes are whole numbers, and may come as texts.
  bool wants_whole_numbers = false;
  bool quotes_invalid_clauses = false;

  bool IsNumeric(std::string_view key) const;
  /// `[entity.]key`, as written: quotes removed, aliases kept.
  Result<Field> ReadField(std::string_view identifier) const;
  Result<Field> ReadOrderField(std::string_view identifier) const;
  Result<void> CheckListKey(std::string_view key) const;
  Result<void> CheckNullTest(const Field& field) const;
  /// @param comparator  in upper case
  Result<void> CheckComparator(const Field& field, const std::string& comparator) const;
};

const FieldRules& RulesOf(SearchTarget target);
/// Replaces aliases: "created" by "start_time".
void Canonicalise(const FieldRules& rules, Field& field);
/// "parameter", "tag", ...
std::string_view EntityName(FieldKind kind);
std::optional<Comparator> ParseComparator(std::string_view upper_case);
/// "NOT IN".
std::string_view ComparatorName(Comparator comparator);

/// "{'a', 'b'}".
std::string PythonSet(Names names);
/// A text as Python's repr writes it.
std::string PythonText(std::string_view text);
/// A number as Python's str writes it: 1.0, 1e+16.
std::string PythonFloat(double number);
std::optional<std::int64_t> ParseWhole(std::string_view text);
/// Without the double or single quotes around it, if there are any.
std::string_view StripQuotes(std::string_view text);
std::string_view TrimBackticks(std::string_view text);
std::string UpperCase(std::string_view text);

}  // namespace millrace::tracking::internal
