// SPDX-License-Identifier: Apache-2.0
// The declaration of suites and the list of kinds.
#include "quality/suite.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/nearest_name.h"
#include "base/regex.h"

namespace millrace::quality {
namespace {

constexpr std::string_view kPrefix = "expect_";

// Every field that only some kinds read, and whether an expectation gives it.
const std::map<std::string, std::function<bool(const Expectation&)>>& FieldIsGiven() {
  static const std::map<std::string, std::function<bool(const Expectation&)>> fields = {
      {"column", [](const Expectation& e) { return !e.column.value.empty(); }},
      {"column_a", [](const Expectation& e) { return !e.column_a.value.empty(); }},
      {"column_b", [](const Expectation& e) { return !e.column_b.value.empty(); }},
      {"column_list", [](const Expectation& e) { return !e.column_list.empty(); }},
      {"column_set", [](const Expectation& e) { return !e.column_set.empty(); }},
      {"min", [](const Expectation& e) { return e.min.has_value(); }},
      {"max", [](const Expectation& e) { return e.max.has_value(); }},
      {"strict_min", [](const Expectation& e) { return e.strict_min; }},
      {"strict_max", [](const Expectation& e) { return e.strict_max; }},
      {"value", [](const Expectation& e) { return e.value.has_value(); }},
      {"value_set", [](const Expectation& e) { return !e.value_set.empty(); }},
      {"regex", [](const Expectation& e) { return !e.regex.empty(); }},
      {"type", [](const Expectation& e) { return !e.type.empty(); }},
      {"mostly", [](const Expectation& e) { return e.mostly != 1.0; }},
      {"strictly", [](const Expectation& e) { return e.strictly; }},
      {"or_equal", [](const Expectation& e) { return e.or_equal; }},
      {"exact_match", [](const Expectation& e) { return !e.exact_match; }},
      {"ignore_row_if", [](const Expectation& e) { return !e.ignore_row_if.empty(); }},
  };
  return fields;
}

std::vector<KindInfo> MakeKinds() {
  const std::vector<std::string> bounds = {"min", "max", "strict_min", "strict_max"};
  std::vector<std::string> bounds_mostly = bounds;
  bounds_mostly.emplace_back("mostly");
  std::vector<KindInfo> kinds = {
      {"column_to_exist", "The table has the column.", {"column"}, {}},
      {"table_columns_to_match_set",
       "The table has the named columns in any order, and no others unless exact_match is false.",
       {"column_set|value_set"},
       {"exact_match"}},
      {"table_columns_to_match_ordered_list",
       "The table has exactly these columns in this order.",
       {"column_list"},
       {}},
      {"table_row_count_to_be_between", "The number of rows lies in a range.", {"min|max"}, bounds},
      {"table_row_count_to_equal", "The number of rows.", {"value"}, {}},
      {"table_column_count_to_be_between",
       "The number of columns lies in a range.",
       {"min|max"},
       bounds},
      {"table_column_count_to_equal", "The number of columns.", {"value"}, {}},
      {"column_values_to_be_of_type", "The column holds this type.", {"column", "type"}, {}},
      {"column_values_to_be_null", "Values are null.", {"column"}, {"mostly"}},
      {"column_values_to_not_be_null", "Values are not null.", {"column"}, {"mostly"}},
      {"column_values_to_be_unique",
       "No value stands twice; all copies count.",
       {"column"},
       {"mostly"}},
      {"column_values_to_be_in_set", "Values are in the set.", {"column", "value_set"}, {"mostly"}},
      {"column_values_to_not_be_in_set",
       "Values are not in the set.",
       {"column", "value_set"},
       {"mostly"}},
      {"column_values_to_be_between",
       "Values lie in a range.",
       {"column", "min|max"},
       bounds_mostly},
      {"column_values_to_match_regex",
       "The pattern is found in the text.",
       {"column", "regex"},
       {"mostly"}},
      {"column_values_to_not_match_regex",
       "The pattern is not found in the text.",
       {"column", "regex"},
       {"mostly"}},
      {"column_values_to_be_increasing",
       "No value is below the one before.",
       {"column"},
       {"strictly", "mostly"}},
      {"column_values_to_be_decreasing",
       "No value is above the one before.",
       {"column"},
       {"strictly", "mostly"}},
      {"column_value_lengths_to_be_between",
       "Lengths of texts in characters.",
       {"column", "min|max"},
       bounds_mostly},
      {"column_value_lengths_to_equal",
       "Length of each text in characters.",
       {"column", "value"},
       {"mostly"}},
      {"column_mean_to_be_between", "The mean lies in a range.", {"column", "min|max"}, bounds},
      {"column_min_to_be_between",
       "The smallest value lies in a range.",
       {"column", "min|max"},
       bounds},
      {"column_max_to_be_between",
       "The greatest value lies in a range.",
       {"column", "min|max"},
       bounds},
      {"column_sum_to_be_between", "The sum lies in a range.", {"column", "min|max"}, bounds},
      {"column_median_to_be_between", "The median lies in a range.", {"column", "min|max"}, bounds},
      {"column_stdev_to_be_between",
       "The standard deviation (n - 1) lies in a range.",
       {"column", "min|max"},
       bounds},
      {"column_unique_value_count_to_be_between",
       "The number of distinct values.",
       {"column", "min|max"},
       bounds},
      {"column_proportion_of_unique_values_to_be_between",
       "Distinct values divided by values that are not null.",
       {"column", "min|max"},
       bounds},
      {"column_distinct_values_to_be_in_set",
       "Every distinct value is in the set.",
       {"column", "value_set"},
       {}},
      {"column_distinct_values_to_contain_set",
       "Every value of the set is seen.",
       {"column", "value_set"},
       {}},
      {"column_distinct_values_to_equal_set",
       "Distinct values and set are the same.",
       {"column", "value_set"},
       {}},
      {"column_pair_values_a_to_be_greater_than_b",
       "In each row a is greater than b.",
       {"column_a", "column_b"},
       {"or_equal", "ignore_row_if", "mostly"}},
      {"column_pair_values_to_be_equal",
       "In each row a equals b.",
       {"column_a", "column_b"},
       {"ignore_row_if", "mostly"}},
      {"compound_columns_to_be_unique",
       "No combination of these columns stands twice.",
       {"column_list"},
       {"ignore_row_if", "mostly"}},
  };
  std::sort(kinds.begin(), kinds.end(),
            [](const KindInfo& a, const KindInfo& b) { return a.name < b.name; });
  return kinds;
}

const KindInfo* FindKind(const std::string& name) {
  const std::vector<KindInfo>& kinds = Kinds();
  const auto place =
      std::lower_bound(kinds.begin(), kinds.end(), name,
                       [](const KindInfo& kind, const std::string& n) { return kind.name < n; });
  return place != kinds.end() && place->name == name ? &*place : nullptr;
}

bool Lists(const std::vector<std::string>& fields, const std::string& name) {
  return std::any_of(fields.begin(), fields.end(), [&](const std::string& field) {
    const std::size_t bar = field.find('|');
    return field == name || (bar != std::string::npos &&
                             (field.substr(0, bar) == name || field.substr(bar + 1) == name));
  });
}

bool IsGiven(const Expectation& expectation, const std::string& required) {
  const std::size_t bar = required.find('|');
  if (bar != std::string::npos) {
    return IsGiven(expectation, required.substr(0, bar)) ||
           IsGiven(expectation, required.substr(bar + 1));
  }
  return FieldIsGiven().at(required)(expectation);
}

std::string Alternatives(std::string required) {
  const std::size_t bar = required.find('|');
  return bar == std::string::npos ? required : required.replace(bar, 1, " or ");
}

void CheckIgnore(const Expectation& e, base::ErrorList& errors) {
  if (e.ignore_row_if.empty()) {
    return;
  }
  const bool is_pair = e.Kind() != "compound_columns_to_be_unique";
  const std::vector<std::string> known =
      is_pair ? std::vector<std::string>{"both_values_are_missing", "either_value_is_missing",
                                         "neither"}
              : std::vector<std::string>{"all_values_are_missing", "any_value_is_missing", "never"};
  if (std::find(known.begin(), known.end(), e.ignore_row_if) == known.end()) {
    errors.Add(base::InvalidArgument("ignore_row_if \"" + e.ignore_row_if + "\" is unknown to " +
                                     e.Kind() + base::DidYouMean(e.ignore_row_if, known))
                   .At(e.expect.where));
  }
}

}  // namespace

std::string Expectation::Kind() const {
  return expect.value.starts_with(kPrefix) ? expect.value.substr(kPrefix.size()) : expect.value;
}

const std::vector<KindInfo>& Kinds() {
  static const std::vector<KindInfo> kinds = MakeKinds();
  return kinds;
}

const base::Declaration<Expectation>& Expectation::Fields() {
  static const base::Declaration<Expectation> declared =
      base::Declaration<Expectation>("expectation", "One thing that must hold for a table.")
          .Field("expect", &Expectation::expect,
                 "What is expected, by Great Expectations' name, with or without expect_ in front.",
                 {.required = true})
          .Field("column", &Expectation::column, "The column that it is about.")
          .Field("column_a", &Expectation::column_a, "The first column of a pair.")
          .Field("column_b", &Expectation::column_b, "The second column of a pair.")
          .Field("column_list", &Expectation::column_list, "Columns, in order where order matters.")
          .Field("column_set", &Expectation::column_set, "Columns in any order.")
          .Field("min", &Expectation::min,
                 "Lower bound: a number, a text, or a date or instant; included.")
          .Field("max", &Expectation::max,
                 "Upper bound: a number, a text, or a date or instant; included.")
          .Field("strict_min", &Expectation::strict_min, "The lower bound is not included.")
          .Field("strict_max", &Expectation::strict_max, "The upper bound is not included.")
          .Field("value", &Expectation::value, "What a count or length must equal.", {.minimum = 0})
          .Field("value_set", &Expectation::value_set, "The values of a set.")
          .Field("regex", &Expectation::regex,
                 "A pattern in Python's syntax, searched anywhere in the text.")
          .Field("type", &Expectation::type, "bool, int64, double, string or timestamp.")
          .Field("mostly", &Expectation::mostly, "The share of values that must hold.",
                 {.minimum = 0, .maximum = 1})
          .Field("strictly", &Expectation::strictly, "Equal neighbours do not hold.")
          .Field("or_equal", &Expectation::or_equal, "a may equal b.")
          .Field("exact_match", &Expectation::exact_match,
                 "Columns that are not named are mistakes.")
          .Field("ignore_row_if", &Expectation::ignore_row_if,
                 "Rows to leave out. Pairs: both_values_are_missing, either_value_is_missing or "
                 "neither; compounds: "
                 "all_values_are_missing, any_value_is_missing or never.")
          .Field("severity", &Expectation::severity,
                 "error stops what needs the table; warn reports only.",
                 {.one_of = {"error", "warn"}})
          .Field("description", &Expectation::description, "Why this is expected.");
  return declared;
}

const base::Declaration<Suite>& Suite::Declared() {
  static const base::Declaration<Suite> declared =
      base::Declaration<Suite>("suite", "What must hold for a table (quality/*.yaml).")
          .Field("table", &Suite::table, "The table or source that is checked.", {.required = true})
          .Field("description", &Suite::description, "What the suite is for.")
          .Field("expectations", &Suite::expectations,
                 "What must hold, in the order of the report.", {.required = true});
  return declared;
}

void ValidateExpectation(const Expectation& expectation, base::ErrorList& errors) {
  const std::string name = expectation.Kind();
  const KindInfo* kind = FindKind(name);
  if (kind == nullptr) {
    std::vector<std::string> known;
    for (const KindInfo& info : Kinds()) {
      known.push_back(info.name);
    }
    errors.Add(base::InvalidArgument("unknown expectation \"" + expectation.expect.value + "\"" +
                                     base::DidYouMean(name, known))
                   .At(expectation.expect.where));
    return;
  }
  for (const std::string& required : kind->required) {
    if (!IsGiven(expectation, required)) {
      errors.Add(base::InvalidArgument(name + " needs " + Alternatives(required))
                     .At(expectation.expect.where));
    }
  }
  for (const auto& [field, is_given] : FieldIsGiven()) {
    if (is_given(expectation) && !Lists(kind->required, field) && !Lists(kind->optional, field)) {
      std::string known;
      for (const std::vector<std::string>* fields : {&kind->required, &kind->optional}) {
        for (const std::string& f : *fields) {
          known += (known.empty() ? "" : ", ") + Alternatives(f);
        }
      }
      errors.Add(base::InvalidArgument(name + " does not read " + field + "; it reads " + known)
                     .At(expectation.expect.where));
    }
  }
  if (!expectation.regex.empty()) {
    if (auto regex = base::Regex::Compile(expectation.regex); !regex.ok()) {
      errors.Add(std::move(regex).error().At(expectation.expect.where));
    }
  }
  CheckIgnore(expectation, errors);
}

}  // namespace millrace::quality

namespace millrace::base {

void ConfigType<quality::Expectation>::Read(const YamlNode& node, quality::Expectation& out,
                                            const FieldOptions&, ErrorList& errors) {
  const std::size_t before = errors.errors().size();
  quality::Expectation::Fields().schema().Read(node, &out, errors);
  if (errors.errors().size() == before) {
    quality::ValidateExpectation(out, errors);
  }
}

std::string ConfigType<quality::Expectation>::SchemaJson(const FieldOptions&) {
  return quality::Expectation::Fields().schema().JsonSchemaText();
}

std::string ConfigType<quality::Expectation>::ToJson(const quality::Expectation& value) {
  return quality::Expectation::Fields().schema().ToJson(&value);
}

}  // namespace millrace::base
