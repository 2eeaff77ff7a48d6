// SPDX-License-Identifier: Apache-2.0
// The grammar: what is read, what is refused and where, and that equal meanings have one canonical
// text.
#include "features/expression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace millrace::features {
namespace {

using ::testing::HasSubstr;

const base::SourceLocation kPlace{"features/customer.yaml", 8, 21};

std::string Canonical(std::string_view text) {
  const Result<Expression> parsed = ParseExpression(text, kPlace);
  return parsed.ok() ? CanonicalText(*parsed) : parsed.error().ToString();
}

std::string AggregateError(std::string_view text) {
  const Result<ParsedAggregate> parsed = ParseAggregate(text, kPlace);
  return parsed.ok() ? "read" : parsed.error().ToString();
}

TEST(ParseAggregate, ReadsFunctionFilterAndWindow) {
  const Result<ParsedAggregate> parsed =
      ParseAggregate("sum(amount) where country = 'United Kingdom' over 30d", kPlace);
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  EXPECT_EQ(parsed->function, "sum");
  EXPECT_EQ(parsed->column, "amount");
  EXPECT_EQ(parsed->window_micros, 30 * base::kMicrosPerDay);
  ASSERT_TRUE(parsed->filter.has_value());
  EXPECT_EQ(CanonicalText(*parsed->filter), "(country = 'United Kingdom')");
}

TEST(ParseAggregate, WindowMayStandBeforeTheFilter) {
  const Result<ParsedAggregate> parsed = ParseAggregate("COUNT(*) OVER 12h WHERE x > 1", kPlace);
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  EXPECT_EQ(parsed->function, "count");
  EXPECT_EQ(parsed->column, "");
  EXPECT_EQ(parsed->window_micros, 12 * 3600 * base::kMicrosPerSecond);
  EXPECT_TRUE(parsed->filter.has_value());
}

TEST(ParseAggregate, NestedFormsAreOneFunction) {
  EXPECT_EQ(ParseAggregate("count_distinct(month(t))", kPlace)->function, "count_distinct_month");
  EXPECT_EQ(ParseAggregate("days_since(max(t))", kPlace)->function, "days_since_max");
  EXPECT_EQ(ParseAggregate("days_since(min(t))", kPlace)->function, "days_since_min");
}

TEST(ParseAggregate, ColumnNamesWithBlanksStandInDoubleQuotes) {
  EXPECT_EQ(ParseAggregate("sum(\"Unit Price\")", kPlace)->column, "Unit Price");
}

TEST(ParseAggregate, UnknownFunctionNamesTheNearestAndItsPlace) {
  EXPECT_THAT(AggregateError("cuont(*)"), HasSubstr("features/customer.yaml:8:21"));
  EXPECT_THAT(AggregateError("cuont(*)"), HasSubstr("count"));
}

TEST(ParseAggregate, MistakesAreToldAtTheirColumn) {
  EXPECT_THAT(AggregateError("sum(amount over 30d"),
              HasSubstr(":8:32"));  // "over" is the 12th character.
  EXPECT_THAT(AggregateError("sum(amount) over 30"), HasSubstr("expected a window"));
  EXPECT_THAT(AggregateError("sum(amount) over 0d"), HasSubstr(":8:38"));
  EXPECT_THAT(AggregateError("sum(*)"), HasSubstr("only count takes *"));
  EXPECT_THAT(AggregateError("sum(a + b)"), HasSubstr("expected \")\", found \"+\""));
  EXPECT_THAT(AggregateError("sum(abs(a))"), HasSubstr("takes a column, not an expression"));
  EXPECT_THAT(AggregateError("count(*) where a = 1 where b = 2"), HasSubstr("a second where"));
  EXPECT_THAT(AggregateError("count(*) over 1d over 2d"), HasSubstr("a second over"));
  EXPECT_THAT(AggregateError("count(*) where name = 'UK"), HasSubstr("is not closed"));
  EXPECT_THAT(AggregateError("count(*) extra"), HasSubstr("expected where, over, or the end"));
  EXPECT_THAT(AggregateError("days_since(avg(t))"),
              HasSubstr("expected max(column) or min(column)"));
  EXPECT_THAT(AggregateError(""), HasSubstr("the end of the text"));
}

TEST(ParseExpression, OperatorsBindAsInSql) {
  EXPECT_EQ(Canonical("1 + 2 * 3 - 4 / 5"), "((1 + (2 * 3)) - (4 / 5))");
  EXPECT_EQ(Canonical("a - b - c"), "((a - b) - c)");
  EXPECT_EQ(Canonical("not a = 1 and b < 2 or c >= 3"),
            "(((not (a = 1)) and (b < 2)) or (c >= 3))");
  EXPECT_EQ(Canonical("-a * 2"), "((-a) * 2)");
  EXPECT_EQ(Canonical("- -3"), "3");
}

TEST(ParseExpression, EqualMeaningsHaveOneText) {
  EXPECT_EQ(Canonical("( a+b )*2"), Canonical("(a + b) * 2.0"));
  EXPECT_EQ(Canonical("a <> 1"), Canonical("a != 1"));
  EXPECT_EQ(Canonical("a == 1"), Canonical("a = 1"));
  EXPECT_EQ(Canonical("x IN (3, 1, 2, 1)"), "(x in (1, 2, 3))");
  EXPECT_EQ(Canonical("x not in ('b','a')"), "(not (x in ('a', 'b')))");
  EXPECT_EQ(Canonical("x is not null"), Canonical("NOT is_null(x)"));
  EXPECT_EQ(Canonical("name = 'it''s'"), "(name = 'it''s')");
  EXPECT_NE(Canonical("A"), Canonical("a"));
}

TEST(ParseExpression, MistakesAreToldAtTheirColumn) {
  EXPECT_THAT(Canonical("greatst(a, 1)"), HasSubstr("greatest"));
  EXPECT_THAT(Canonical("if(a, 1)"), HasSubstr("takes 3 arguments, found 2"));
  EXPECT_THAT(Canonical("a +"), HasSubstr(":8:24"));
  EXPECT_THAT(Canonical("a $ b"), HasSubstr("unexpected \"$ b\""));
  EXPECT_THAT(Canonical("a b"), HasSubstr("expected an operator"));
  EXPECT_THAT(Canonical("1.5x"), HasSubstr("unexpected"));
  EXPECT_THAT(Canonical("x in (a)"), HasSubstr("expected a number or a text"));
}

TEST(ParseExpression, DepthIsLimited) {
  const std::string deep = std::string(5000, '(') + "a" + std::string(5000, ')');
  EXPECT_THAT(Canonical(deep), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(Canonical(std::string(5000, '-') + "1"), HasSubstr("nested deeper than 64"));
  std::string nots;
  for (int i = 0; i < 5000; ++i) {
    nots += "not ";
  }
  EXPECT_THAT(Canonical(nots + "a"), HasSubstr("nested deeper than 64"));
}

}  // namespace
}  // namespace millrace::features
