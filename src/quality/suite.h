// SPDX-License-Identifier: Apache-2.0
// Suites of expectations about a table: declared in quality/*.yaml under Great Expectations' names,
// checked in one scan.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/context.h"
#include "base/result.h"
#include "quality/scalar.h"

namespace millrace::data {
class Table;
}  // namespace millrace::data

namespace millrace::quality {

/// One expectation. Which fields a kind reads is told by `Kinds()`; the meaning is that of Great
/// Expectations 1.x: nulls (and NaN) are left out except by the two null kinds, `mostly` is the
/// share of the others that must hold, no such value is a success; an aggregate over no value is a
/// failure.
struct Expectation {
  /// A name out of `Kinds()`, with or without "expect_" in front.
  base::Located<std::string> expect;
  base::Located<std::string> column;
  base::Located<std::string> column_a;
  base::Located<std::string> column_b;
  std::vector<base::Located<std::string>> column_list;
  std::vector<std::string> column_set;
  /// Bounds of a range, both ends included unless `strict_*`: numbers, texts, or instants for
  /// timestamp columns.
  std::optional<Scalar> min;
  std::optional<Scalar> max;
  bool strict_min = false;
  bool strict_max = false;
  /// What a count or length must equal.
  std::optional<std::int64_t> value;
  std::vector<Scalar> value_set;
  std::string regex;
  std::string type;
  double mostly = 1.0;
  /// Increasing and decreasing: equal neighbours are mistakes.
  bool strictly = false;
  /// Pairs: a may equal b.
  bool or_equal = false;
  /// Sets of column names: no others may exist.
  bool exact_match = true;
  /// Rows that a kind over several columns leaves out. Pairs: "both_values_are_missing" (default),
  /// "either_value_is_missing", "neither"; compounds: "all_values_are_missing" (default),
  /// "any_value_is_missing", "never".
  std::string ignore_row_if;
  /// "error" stops what needs the table, "warn" reports only.
  std::string severity = "error";
  std::string description;

  /// The kind without "expect_".
  std::string Kind() const;
  /// Named Fields and not Declared: reading one checks the whole, see ConfigType below.
  static const base::Declaration<Expectation>& Fields();
};

/// A file of quality/.
struct Suite {
  base::Located<std::string> table;
  std::string description;
  std::vector<Expectation> expectations;

  static const base::Declaration<Suite>& Declared();
};

/// What a kind is and what it needs.
struct KindInfo {
  std::string name;
  /// A sentence for the reference page.
  std::string summary;
  /// Names of the fields that must be given; "min|max" means at least one of them.
  std::vector<std::string> required;
  /// Names of further fields that it reads.
  std::vector<std::string> optional;
};

/// Every kind, sorted by name.
const std::vector<KindInfo>& Kinds();

/// Adds what is wrong with an expectation apart from any table: an unknown kind, a field that is
/// missing or that the kind does not read, a regular expression that does not compile.
void ValidateExpectation(const Expectation& expectation, base::ErrorList& errors);

/// Reads a Great Expectations suite (JSON of 1.x, or of 0.x with `expectation_type`). Its
/// `critical` is our error, `warning` and `info` our warn. The table is `table`, or the suite's
/// name where that is empty.
///   - kInvalidArgument for a malformed file or unknown kind, kUnimplemented for row conditions and
///   parameters.
Result<Suite> ReadGreatExpectations(std::string_view json, std::string_view file_name,
                                    std::string_view table = "");

/// A row that breaks an expectation.
struct BadRow {
  /// From 1.
  std::int64_t row = 0;
  std::string value;
};

struct ExpectationResult {
  std::string kind;
  /// What it is about: a column, "a, b" for several, empty for the table.
  std::string subject;
  /// What was wanted, in words: "between 1 and 100000 for 99.9% of values".
  std::string wanted;
  /// What was seen, in words: "12 of 804,000 values (0.0015%)", "mean 3.27".
  std::string observed;
  std::string severity;
  bool success = false;
  /// Why it could not be checked: an unknown column, a type that the kind cannot read. Empty
  /// otherwise; never with success.
  std::string problem;
  /// The aggregate or count where there is one.
  std::optional<double> observed_value;
  /// Rows looked at, those of them with null, and those that broke the expectation (0 for
  /// aggregates).
  std::int64_t element_count = 0;
  std::int64_t missing_count = 0;
  std::int64_t unexpected_count = 0;
  /// Of the rows that count, in [0, 100].
  double unexpected_percent = 0;
  /// The first of the rows that broke it, at most kMaxExamples.
  std::vector<BadRow> examples;
};

inline constexpr std::size_t kMaxExamples = 5;

struct SuiteResult {
  std::string table;
  std::int64_t rows = 0;
  /// In the order of the suite.
  std::vector<ExpectationResult> results;

  int passed() const;
  /// Failed with severity error, and with severity warn.
  int failed() const;
  int warned() const;
  /// No expectation of severity error failed.
  bool success() const { return failed() == 0; }
};

/// Checks every expectation in one scan of the table, in blocks on the context's `cpu` pool (or
/// here if it is null). The result does not depend on the number of threads. Expectations that
/// cannot be checked are failures with a `problem`, not errors.
///   - kCancelled or kDeadlineExceeded as the context says.
Result<SuiteResult> Check(const Context& context, const Suite& suite, const data::Table& table);

}  // namespace millrace::quality

namespace millrace::base {

/// Reads the fields and checks that they make an expectation.
template <>
struct ConfigType<quality::Expectation> {
  static void Read(const YamlNode& node, quality::Expectation& out, const FieldOptions& options,
                   ErrorList& errors);
  static std::string SchemaJson(const FieldOptions& options);
  static std::string ToJson(const quality::Expectation& value);
};

}  // namespace millrace::base
