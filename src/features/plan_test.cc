// SPDX-License-Identifier: Apache-2.0
// Compilation of views: types, names, order of derived features, all mistakes at once, and what the
// hash depends on.
#include "features/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/internal/test_support.h"

namespace millrace::features {
namespace {

using internal::CompileText;
using internal::CompileView;
using internal::TestSchema;
using internal::ViewYaml;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ErrorOf(std::string_view view_lines) {
  const auto plans = CompileText(ViewYaml(view_lines), TestSchema());
  return plans.ok() ? "compiled" : plans.error().ToString();
}

ContentHash HashOf(std::string_view view_lines) {
  return CompileView(view_lines).hash;
}

TEST(CompileFeatures, TypesAndOrderOfColumnsAreThoseOfTheFile) {
  const ViewPlan plan = CompileView(
      "features:\n"
      "  total: count(*)\n"
      "  spent: sum(x)\n"
      "  names: count_distinct(name)\n"
      "derived:\n"
      "  mean: spent / total");
  EXPECT_THAT(plan.ColumnNames(), ElementsAre("total", "spent", "names", "mean"));
  EXPECT_EQ(plan.columns[0].type, data::ColumnType::kInt64);
  EXPECT_EQ(plan.columns[1].type, data::ColumnType::kDouble);
  EXPECT_EQ(plan.columns[2].type, data::ColumnType::kInt64);
  EXPECT_EQ(plan.columns[3].type, data::ColumnType::kDouble);
  EXPECT_TRUE(plan.columns[3].is_derived);
  EXPECT_EQ(plan.columns[3].definition, "(spent / total)");
  EXPECT_EQ(plan.key_type, data::ColumnType::kInt64);
}

TEST(CompileFeatures, DerivedFeaturesMayUseEachOtherInAnyOrder) {
  const ViewPlan plan = CompileView(
      "features: {a: count(*)}\n"
      "derived:\n"
      "  third: second + 1\n"
      "  second: first * 2\n"
      "  first: a + 1");
  ASSERT_EQ(plan.derived.size(), 3u);
  EXPECT_EQ(CanonicalText(plan.derived[0]), "(a + 1)");
  EXPECT_EQ(CanonicalText(plan.derived[2]), "(second + 1)");
  EXPECT_EQ(plan.columns[1].name, "third");
  EXPECT_EQ(plan.columns[1].index, 2);
}

TEST(CompileFeatures, CirclesAreRefused) {
  EXPECT_THAT(ErrorOf("features: {a: count(*)}\nderived:\n  b: c + 1\n  c: b + 1"),
              HasSubstr("in a circle: b -> c -> b"));
}

TEST(CompileFeatures, AllMistakesAreToldAtOnceWithPlaceAndNearestName) {
  const std::string told = ErrorOf(
      "features:\n"
      "  a: sum(xx)\n"
      "  b: sum(name)\n"
      "  c: max(t)\n"
      "  d: count(*) where nam = 'x'\n"
      "  e: count(*) where name = 1\n"
      "  f: count(*) where x\n"
      "  g: days_since(max(x))\n"
      "  h: latest(x) over 3d\n"
      "derived:\n"
      "  i: aa + 1\n"
      "  j: a + 'x'");
  EXPECT_THAT(told, HasSubstr("features/test.yaml:8:14"));  // The argument of sum(xx).
  EXPECT_THAT(told, HasSubstr("column \"xx\" is no column of source \"events\""));
  EXPECT_THAT(told, HasSubstr("sum(name): column \"name\" has type string, wanted a number"));
  EXPECT_THAT(told, HasSubstr("max(t): column \"t\" has type timestamp"));
  EXPECT_THAT(told, HasSubstr("did you mean \"name\""));
  EXPECT_THAT(told, HasSubstr("cannot compare a text with a number"));
  EXPECT_THAT(told, HasSubstr("where wants a condition, found a number"));
  EXPECT_THAT(told,
              HasSubstr("days_since(max(x)): column \"x\" has type double, wanted a timestamp"));
  EXPECT_THAT(told, HasSubstr("takes neither where nor over"));
  EXPECT_THAT(told, HasSubstr("\"aa\" is no feature of this view"));
  EXPECT_THAT(told, HasSubstr("a text ('x') has no place"));
}

TEST(CompileFeatures, KeyAndTimeColumnsAreChecked) {
  const std::string yaml =
      "entity: c\nkey: x\nviews:\n  v:\n    source: e\n    time: n\n    features: {a: count(*)}\n";
  const auto plans = CompileText(yaml, TestSchema());
  ASSERT_FALSE(plans.ok());
  EXPECT_THAT(plans.error().ToString(),
              HasSubstr("key \"x\" has type double, wanted int64 or string"));
  EXPECT_THAT(plans.error().ToString(), HasSubstr("time \"n\" has type int64, wanted timestamp"));
}

TEST(CompileFeatures, NamesOfKeyColumnsAreTaken) {
  EXPECT_THAT(ErrorOf("features: {as_of: count(*)}"), HasSubstr("is the name of a key column"));
  EXPECT_THAT(ErrorOf("features: {a: count(*)}\nderived: {a: a + 1}"), HasSubstr("is given twice"));
}

TEST(CompileFeatures, FiltersAreSharedByMeaning) {
  const ViewPlan plan = CompileView(
      "features:\n"
      "  a: count(*) where name = 'x'\n"
      "  b: sum(x) where (name='x') over 3d");
  EXPECT_EQ(plan.filters.size(), 1u);
}

TEST(CompileFeatures, TimestampsCompareWithTextsThatReadAsOne) {
  EXPECT_EQ(ErrorOf("features: {a: count(*) where t >= '2010-06-01'}"), "compiled");
  EXPECT_THAT(ErrorOf("features: {a: count(*) where t >= 'June'}"), HasSubstr("June"));
}

TEST(ViewHash, DependsOnMeaningOnly) {
  const ContentHash plain =
      HashOf("features:\n  a: sum(x) over 30d\n  b: count(*) where n in (1, 2)");
  EXPECT_EQ(plain, HashOf("description: other words\nfeatures:\n  a: 'SUM( x )   over 720h'\n  b: "
                          "count(*) where (n in (2,1,1))"));
  EXPECT_NE(plain, HashOf("features:\n  a: sum(x) over 31d\n  b: count(*) where n in (1, 2)"));
  EXPECT_NE(plain, HashOf("features:\n  a2: sum(x) over 30d\n  b: count(*) where n in (1, 2)"));
  EXPECT_NE(plain,
            HashOf("ttl: 365d\nfeatures:\n  a: sum(x) over 30d\n  b: count(*) where n in (1, 2)"));
  EXPECT_NE(
      plain,
      HashOf(
          "include_now: true\nfeatures:\n  a: sum(x) over 30d\n  b: count(*) where n in (1, 2)"));
}

TEST(ViewHash, DependsOnColumnTypesAndSource) {
  const std::string yaml = ViewYaml("features: {a: sum(x)}");
  std::vector<data::ColumnInfo> other = TestSchema();
  other[2].type = data::ColumnType::kInt64;
  EXPECT_NE(CompileText(yaml, TestSchema())->front().hash, CompileText(yaml, other)->front().hash);
  std::string moved = yaml;
  moved.replace(moved.find("source: events"), 14, "source: others");
  EXPECT_NE(CompileText(yaml, TestSchema())->front().hash,
            CompileText(moved, TestSchema())->front().hash);
}

TEST(ViewHash, IsTheSameOnEveryMachine) {
  // Breaks when the canonical form changes: then every online value must be published again, which
  // a release note must say.
  EXPECT_EQ(HashOf("features: {a: sum(x) over 30d}").Hex(), "534f93aa6b4ee632d58b582b74dbbec8");
}

}  // namespace
}  // namespace millrace::features
