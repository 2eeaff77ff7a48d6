// SPDX-License-Identifier: Apache-2.0
// Suites: what is read, and each kind on tables small enough to check by hand.
#include "quality/suite.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "data/table.h"

namespace millrace::quality {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

data::Table Orders() {
  return data::TableBuilder()
      .AddInt64s("quantity", {1, 2, 2, 0, 9}, {0, 0, 0, 1, 0})
      .AddDoubles("price", {0.5, 1.5, kNaN, 2.5, 4.0})
      .AddStrings("country", std::vector<std::string>{"UK", "FR", "UK", "", "DÉ"}, {0, 0, 0, 1, 0})
      .AddTimestamps("at", {0, 1'000'000, 1'000'000, 3'000'000, 2'000'000})
      .Finish()
      .value();
}

// Reads one expectation in the form of a project file and checks it.
ExpectationResult CheckOne(const std::string& yaml, const data::Table& table) {
  const auto node = base::YamlNode::Parse("table: orders\nexpectations:\n  - {" + yaml + "}\n",
                                          "quality/orders.yaml");
  EXPECT_TRUE(node.ok()) << node.error().ToString();
  base::ErrorList errors;
  const Suite suite = Suite::Declared().Read(node.value(), errors);
  EXPECT_TRUE(errors.empty()) << errors.ToError().ToString();
  return Check(Context{}, suite, table).value().results.at(0);
}
ExpectationResult CheckOne(const std::string& yaml) {
  return CheckOne(yaml, Orders());
}

// The first error of a suite with one expectation.
std::string ErrorOf(const std::string& yaml) {
  const auto node = base::YamlNode::Parse("table: orders\nexpectations:\n  - {" + yaml + "}\n",
                                          "quality/orders.yaml");
  base::ErrorList errors;
  Suite::Declared().Read(node.value(), errors);
  return errors.empty() ? "" : errors.errors().front().ToString();
}

TEST(Suite, UnknownKindNamesTheNearestAndThePlace) {
  const std::string error = ErrorOf("expect: column_values_to_be_betwen, column: price, min: 1");
  EXPECT_THAT(error, HasSubstr("quality/orders.yaml:3:"));
  EXPECT_THAT(error, HasSubstr("column_values_to_be_between"));
}

TEST(Suite, FieldsMustFitTheKind) {
  EXPECT_THAT(ErrorOf("expect: column_values_to_be_between, column: price"),
              HasSubstr("needs min or max"));
  EXPECT_THAT(ErrorOf("expect: column_values_to_be_unique"), HasSubstr("needs column"));
  EXPECT_THAT(ErrorOf("expect: column_mean_to_be_between, column: price, min: 1, mostly: 0.5"),
              HasSubstr("does not read mostly; it reads column, min or max"));
  EXPECT_THAT(ErrorOf("expect: column_values_to_match_regex, column: country, regex: '(['"),
              HasSubstr("regular expression"));
  EXPECT_THAT(ErrorOf("expect: column_values_to_be_null, column: price, mostly: 2"),
              HasSubstr("mostly"));
  EXPECT_THAT(ErrorOf("expect: column_values_to_be_null, column: price, severity: fatal"),
              HasSubstr("severity"));
  EXPECT_THAT(ErrorOf("expect: column_values_to_be_null, colum: price"), HasSubstr("column"));
  EXPECT_THAT(
      ErrorOf("expect: compound_columns_to_be_unique, column_list: [a, b], ignore_row_if: nevr"),
      HasSubstr("never"));
}

TEST(Suite, PrefixOfGreatExpectationsIsAccepted) {
  EXPECT_TRUE(CheckOne("expect: expect_column_to_exist, column: price").success);
}

TEST(Suite, EveryKindIsImplemented) {
  for (const KindInfo& kind : Kinds()) {
    Suite suite;
    Expectation e;
    e.expect.value = kind.name;
    for (const std::string& field : kind.required) {
      if (field == "column")
        e.column.value = "country";
      if (field == "column_a")
        e.column_a.value = "price";
      if (field == "column_b")
        e.column_b.value = "quantity";
      if (field == "column_list")
        e.column_list = {{"price", {}}, {"quantity", {}}};
      if (field == "column_set|value_set")
        e.column_set = {"price"};
      if (field == "min|max")
        e.min = Scalar{"0"};
      if (field == "value")
        e.value = 5;
      if (field == "value_set")
        e.value_set = {Scalar{"UK"}};
      if (field == "regex")
        e.regex = "U";
      if (field == "type")
        e.type = "string";
    }
    suite.expectations = {e};
    const ExpectationResult result = Check(Context{}, suite, Orders()).value().results[0];
    EXPECT_EQ(result.kind, kind.name);
    EXPECT_FALSE(result.wanted.empty()) << kind.name;
    EXPECT_FALSE(result.observed.empty()) << kind.name;
  }
}

TEST(Check, TableShape) {
  EXPECT_TRUE(CheckOne("expect: table_row_count_to_be_between, min: 5, max: 5").success);
  EXPECT_FALSE(CheckOne("expect: table_row_count_to_be_between, min: 5, strict_min: true").success);
  EXPECT_TRUE(CheckOne("expect: table_row_count_to_equal, value: 5").success);
  EXPECT_TRUE(CheckOne("expect: table_column_count_to_equal, value: 4").success);
  EXPECT_FALSE(CheckOne("expect: table_column_count_to_be_between, max: 3").success);
  EXPECT_TRUE(CheckOne("expect: table_columns_to_match_ordered_list, column_list: [quantity, "
                       "price, country, at]")
                  .success);
  const auto set =
      CheckOne("expect: table_columns_to_match_set, column_set: [at, price, country, prize]");
  EXPECT_FALSE(set.success);
  EXPECT_EQ(set.observed, "4 columns; missing: prize; not wanted: quantity");
  EXPECT_TRUE(
      CheckOne("expect: table_columns_to_match_set, column_set: [at], exact_match: false").success);
  EXPECT_FALSE(CheckOne("expect: column_to_exist, column: prize").success);
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_be_of_type, column: at, type: datetime64").success);
  EXPECT_FALSE(CheckOne("expect: column_values_to_be_of_type, column: price, type: int64").success);
}

TEST(Check, NullKindsCountAllRows) {
  const auto present = CheckOne("expect: column_values_to_not_be_null, column: price");
  EXPECT_FALSE(present.success);
  EXPECT_EQ(present.unexpected_count, 1);
  EXPECT_EQ(present.unexpected_percent, 20.0);
  ASSERT_THAT(present.examples, SizeIs(1));
  EXPECT_EQ(present.examples[0].row, 3);
  EXPECT_TRUE(CheckOne("expect: column_values_to_not_be_null, column: price, mostly: 0.8").success);
  EXPECT_FALSE(
      CheckOne("expect: column_values_to_not_be_null, column: price, mostly: 0.81").success);
  EXPECT_EQ(CheckOne("expect: column_values_to_be_null, column: price").unexpected_count, 4);
}

TEST(Check, NullsAreLeftOutOfOtherKinds) {
  const auto result = CheckOne(
      "expect: column_values_to_be_between, column: quantity, min: 1, max: 2, mostly: 0.75");
  EXPECT_TRUE(result.success);
  EXPECT_EQ(result.element_count, 5);
  EXPECT_EQ(result.missing_count, 1);
  EXPECT_EQ(result.unexpected_count, 1);
  EXPECT_EQ(result.unexpected_percent, 25.0);
  EXPECT_EQ(result.examples[0].row, 5);
  EXPECT_EQ(result.examples[0].value, "9");
  EXPECT_EQ(result.wanted, "between 1 and 2 for at least 75% of values");
}

TEST(Check, RangesOfTextsAndTimes) {
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_be_between, column: at, min: 1970-01-01, max: 1970-01-02")
          .success);
  EXPECT_FALSE(
      CheckOne("expect: column_values_to_be_between, column: at, min: 1970-01-01, strict_min: true")
          .success);
  EXPECT_EQ(CheckOne("expect: column_values_to_be_between, column: country, min: E, max: V")
                .unexpected_count,
            1);
  EXPECT_THAT(CheckOne("expect: column_values_to_be_between, column: at, min: soon").problem,
              HasSubstr("\"soon\""));
  EXPECT_THAT(CheckOne("expect: column_values_to_be_between, column: price, min: a").problem,
              HasSubstr("a number"));
  EXPECT_THAT(
      CheckOne("expect: column_values_to_be_between, column: price, min: 2, max: 1").problem,
      HasSubstr("above"));
}

TEST(Check, SetsAreReadWithTheTypeOfTheColumn) {
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_be_in_set, column: quantity, value_set: [1, 2.0, 9]")
          .success);
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_be_in_set, column: price, value_set: [0.5, 1.5, 2.5, 4]")
          .success);
  EXPECT_EQ(CheckOne("expect: column_values_to_not_be_in_set, column: country, value_set: [UK]")
                .unexpected_count,
            2);
  EXPECT_THAT(
      CheckOne("expect: column_values_to_be_in_set, column: quantity, value_set: [one]").problem,
      HasSubstr("\"one\""));
}

TEST(Check, RegexIsSearchedNotMatchedWhole) {
  EXPECT_EQ(
      CheckOne("expect: column_values_to_match_regex, column: country, regex: K").unexpected_count,
      2);
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_not_match_regex, column: country, regex: '^K'").success);
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_match_regex, column: country, regex: '^\\w\\w$'").success);
  EXPECT_THAT(CheckOne("expect: column_values_to_match_regex, column: price, regex: K").problem,
              HasSubstr("holds double values; wanted string"));
}

TEST(Check, LengthsCountCharactersNotBytes) {
  EXPECT_TRUE(CheckOne("expect: column_value_lengths_to_equal, column: country, value: 2").success);
  EXPECT_FALSE(
      CheckOne("expect: column_value_lengths_to_be_between, column: country, min: 3").success);
}

TEST(Check, AllCopiesOfADuplicateCount) {
  const auto result = CheckOne("expect: column_values_to_be_unique, column: quantity");
  EXPECT_FALSE(result.success);
  EXPECT_EQ(result.unexpected_count, 2);
  ASSERT_THAT(result.examples, SizeIs(1));
  EXPECT_EQ(result.examples[0].row, 2);
  EXPECT_EQ(result.examples[0].value, "2 (2 times)");
  EXPECT_EQ(CheckOne("expect: column_values_to_be_unique, column: country").unexpected_count, 2);
}

TEST(Check, CompoundsCompareWholeRows) {
  EXPECT_TRUE(
      CheckOne("expect: compound_columns_to_be_unique, column_list: [quantity, at, country]")
          .success);
  const data::Table table =
      data::TableBuilder()
          .AddStrings("a", std::vector<std::string>{"x", "x", "xy", "x"}, {0, 0, 0, 0})
          .AddStrings("b", std::vector<std::string>{"yz", "yz", "z", ""}, {0, 0, 0, 1})
          .Finish()
          .value();
  const auto result = CheckOne("expect: compound_columns_to_be_unique, column_list: [a, b]", table);
  EXPECT_EQ(result.unexpected_count, 2);
  EXPECT_EQ(result.examples[0].row, 1);
}

TEST(Check, OrderSkipsNullsAndAllowsTies) {
  const auto result = CheckOne("expect: column_values_to_be_increasing, column: at");
  EXPECT_EQ(result.unexpected_count, 1);
  EXPECT_EQ(result.examples[0].row, 5);
  EXPECT_EQ(CheckOne("expect: column_values_to_be_increasing, column: at, strictly: true")
                .unexpected_count,
            2);
  EXPECT_TRUE(CheckOne("expect: column_values_to_be_increasing, column: quantity").success);
  EXPECT_EQ(CheckOne("expect: column_values_to_be_decreasing, column: price").unexpected_count, 3);
}

TEST(Check, Figures) {
  EXPECT_EQ(CheckOne("expect: column_mean_to_be_between, column: quantity, min: 3").observed_value,
            3.5);
  EXPECT_EQ(CheckOne("expect: column_sum_to_be_between, column: price, min: 0").observed_value,
            8.5);
  EXPECT_EQ(
      CheckOne("expect: column_median_to_be_between, column: quantity, min: 0").observed_value,
      2.0);
  EXPECT_EQ(CheckOne("expect: column_median_to_be_between, column: price, min: 0").observed_value,
            2.0);
  EXPECT_NEAR(
      *CheckOne("expect: column_stdev_to_be_between, column: quantity, min: 0").observed_value,
      3.696845502136472, 1e-15);  // numpy.std([1, 2, 2, 9], ddof=1)
  EXPECT_TRUE(
      CheckOne("expect: column_max_to_be_between, column: at, max: 1970-01-01T00:00:03").success);
  EXPECT_FALSE(
      CheckOne("expect: column_min_to_be_between, column: price, min: 0.5, strict_min: true")
          .success);
  EXPECT_THAT(CheckOne("expect: column_mean_to_be_between, column: at, min: 0").problem,
              HasSubstr("timestamp"));
}

TEST(Check, DistinctValues) {
  EXPECT_EQ(CheckOne("expect: column_unique_value_count_to_be_between, column: country, min: 3")
                .observed_value,
            3.0);
  EXPECT_EQ(
      CheckOne("expect: column_proportion_of_unique_values_to_be_between, column: country, max: 1")
          .observed_value,
      0.75);
  EXPECT_TRUE(
      CheckOne(
          "expect: column_distinct_values_to_be_in_set, column: quantity, value_set: [1, 2, 3, 9]")
          .success);
  const auto equal = CheckOne(
      "expect: column_distinct_values_to_equal_set, column: quantity, value_set: [1, 2, 3]");
  EXPECT_FALSE(equal.success);
  EXPECT_EQ(equal.observed, "3 distinct values; not in the set: 9; never seen: 3");
  EXPECT_TRUE(
      CheckOne("expect: column_distinct_values_to_contain_set, column: country, value_set: [UK]")
          .success);
}

TEST(Check, PairsWithOneSideMissingDoNotHold) {
  // Rows (quantity, price): (1, 0.5) (2, 1.5) (2, null) (null, 2.5) (9, 4.0).
  const auto result = CheckOne(
      "expect: column_pair_values_a_to_be_greater_than_b, column_a: quantity, column_b: price");
  EXPECT_EQ(result.unexpected_count, 2);
  EXPECT_EQ(result.examples[0].value, "2, null");
  EXPECT_TRUE(
      CheckOne(
          "expect: column_pair_values_a_to_be_greater_than_b, column_a: quantity, column_b: price, "
          "ignore_row_if: either_value_is_missing")
          .success);
  EXPECT_FALSE(CheckOne("expect: column_pair_values_to_be_equal, column_a: at, column_b: price")
                   .problem.empty());
}

TEST(Check, EmptyTableHoldsForValuesAndFailsForFigures) {
  const data::Table empty = Orders().Slice(0, 0);
  EXPECT_TRUE(
      CheckOne("expect: column_values_to_be_between, column: price, min: 1", empty).success);
  EXPECT_TRUE(CheckOne("expect: column_values_to_not_be_null, column: price", empty).success);
  EXPECT_TRUE(CheckOne("expect: column_values_to_be_unique, column: country", empty).success);
  const auto mean = CheckOne("expect: column_mean_to_be_between, column: price, min: 0", empty);
  EXPECT_FALSE(mean.success);
  EXPECT_EQ(mean.observed, "no mean: 0 values");
  EXPECT_FALSE(mean.observed_value.has_value());
}

TEST(Check, OneValueHasNoDeviation) {
  EXPECT_FALSE(
      CheckOne("expect: column_stdev_to_be_between, column: price, min: 0", Orders().Slice(0, 1))
          .success);
}

TEST(Check, ProblemsAreFailuresAndTheRestIsStillChecked) {
  const auto node = base::YamlNode::Parse(
      "table: orders\nexpectations:\n"
      "  - {expect: column_values_to_not_be_null, column: prize}\n"
      "  - {expect: column_to_exist, column: nothing, severity: warn}\n"
      "  - {expect: column_to_exist, column: price}\n",
      "q.yaml");
  base::ErrorList errors;
  const SuiteResult result =
      Check(Context{}, Suite::Declared().Read(node.value(), errors), Orders()).value();
  EXPECT_THAT(result.results[0].problem, HasSubstr("\"price\""));
  EXPECT_FALSE(result.success());
  EXPECT_EQ(result.passed(), 1);
  EXPECT_EQ(result.failed(), 1);
  EXPECT_EQ(result.warned(), 1);
}

TEST(Check, ExamplesAreTheFirstFive) {
  const data::Table table =
      data::TableBuilder().AddInt64s("x", {1, 1, 1, 1, 1, 1, 1}).Finish().value();
  const auto result = CheckOne("expect: column_values_to_be_between, column: x, max: 0", table);
  ASSERT_THAT(result.examples, SizeIs(kMaxExamples));
  EXPECT_EQ(result.examples.back().row, 5);
  EXPECT_EQ(result.unexpected_count, 7);
}

// More rows than one block and one part, so that accumulators are merged.
data::Table Long(std::int64_t n) {
  std::vector<std::int64_t> id;
  std::vector<double> x;
  std::vector<std::string> text;
  for (std::int64_t i = 0; i < n; ++i) {
    id.push_back(i);
    x.push_back(i % 13 == 0 ? kNaN : static_cast<double>(i * 7919 % 1009) / 7);
    text.push_back("t" + std::to_string(i % 1000));
  }
  // A duplicate and a step down whose other halves lie in other parts.
  id[static_cast<std::size_t>(n) - 1] = 3;
  return data::TableBuilder()
      .AddInt64s("id", id)
      .AddDoubles("x", x)
      .AddStrings("text", text)
      .Finish()
      .value();
}

Suite LongSuite() {
  const auto node = base::YamlNode::Parse(
      "table: long\nexpectations:\n"
      "  - {expect: column_values_to_be_unique, column: id}\n"
      "  - {expect: column_values_to_be_increasing, column: id}\n"
      "  - {expect: column_mean_to_be_between, column: x, min: 0}\n"
      "  - {expect: column_stdev_to_be_between, column: x, min: 0}\n"
      "  - {expect: column_median_to_be_between, column: x, min: 0}\n"
      "  - {expect: column_unique_value_count_to_be_between, column: text, min: 1000, max: 1000}\n"
      "  - {expect: compound_columns_to_be_unique, column_list: [id, text]}\n"
      "  - {expect: column_values_to_match_regex, column: text, regex: '^t[0-9]{1,3}$'}\n",
      "q.yaml");
  base::ErrorList errors;
  return Suite::Declared().Read(node.value(), errors);
}

TEST(Check, PartsAreMergedInOrder) {
  const std::int64_t n = 150'000;
  const SuiteResult result = Check(Context{}, LongSuite(), Long(n)).value();
  EXPECT_EQ(result.results[0].unexpected_count, 2);
  EXPECT_EQ(result.results[0].examples[0].row, 4);
  EXPECT_EQ(result.results[1].unexpected_count, 1);
  EXPECT_EQ(result.results[1].examples[0].row, n);
  EXPECT_TRUE(result.results[5].success);
  EXPECT_TRUE(result.results[6].success);
  EXPECT_TRUE(result.results[7].success);
}

TEST(Check, IsTheSameAtAnyThreadCount) {
  const data::Table table = Long(150'000);
  const SuiteResult alone = Check(Context{}, LongSuite(), table).value();
  base::ThreadPool pool("cpu", 2);
  Context context;
  context.cpu = &pool;
  const SuiteResult together = Check(context, LongSuite(), table).value();
  for (std::size_t i = 0; i < alone.results.size(); ++i) {
    EXPECT_EQ(alone.results[i].observed, together.results[i].observed);
    EXPECT_EQ(alone.results[i].observed_value, together.results[i].observed_value);
  }
}

TEST(Check, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  Context context;
  context.stop = stop.get_token();
  EXPECT_EQ(Check(context, LongSuite(), Orders()).error().code(), ErrorCode::kCancelled);
}

TEST(GreatExpectations, BothFormsOfFilesAreRead) {
  const auto suite = ReadGreatExpectations(
      R"({"name": "orders", "expectations": [
           {"type": "expect_column_values_to_be_between", "severity": "warning", "meta": {},
            "kwargs": {"column": "price", "min_value": 0.5, "max_value": null, "strict_min": true}},
           {"expectation_type": "expect_column_pair_values_a_to_be_greater_than_b",
            "kwargs": {"column_A": "quantity", "column_B": "price", "or_equal": true, "result_format": "BASIC"}}],
          "meta": {"great_expectations_version": "1.24.1"}})",
      "orders.json");
  ASSERT_TRUE(suite.ok()) << suite.error().ToString();
  EXPECT_EQ(suite.value().table.value, "orders");
  const Expectation& first = suite.value().expectations[0];
  EXPECT_EQ(first.Kind(), "column_values_to_be_between");
  EXPECT_EQ(first.min->text, "0.5");
  EXPECT_FALSE(first.max.has_value());
  EXPECT_TRUE(first.strict_min);
  EXPECT_EQ(first.severity, "warn");
  EXPECT_TRUE(suite.value().expectations[1].or_equal);
}

TEST(GreatExpectations, WhatCannotBeHonouredIsRefused) {
  const auto condition = ReadGreatExpectations(
      R"({"name": "o", "expectations": [{"type": "expect_column_values_to_be_unique",
          "kwargs": {"column": "a", "row_condition": "b > 1", "condition_parser": "pandas"}}]})",
      "o.json");
  ASSERT_FALSE(condition.ok());
  EXPECT_EQ(condition.error().code(), ErrorCode::kUnimplemented);
  EXPECT_EQ(condition.error().where().line, 2);
  EXPECT_FALSE(
      ReadGreatExpectations(R"({"expectations": [{"type": "expect_the_unexpected"}]})", "o.json")
          .ok());
  EXPECT_FALSE(ReadGreatExpectations(R"({"name": "o"})", "o.json").ok());
}

}  // namespace
}  // namespace millrace::quality
