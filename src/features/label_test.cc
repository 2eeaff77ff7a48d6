// SPDX-License-Identifier: Apache-2.0
// Labels, splits and training sets: who is in, what is 1, what is refused.
#include "features/label.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/internal/test_support.h"

namespace millrace::features {
namespace {

using internal::CompileView;
using internal::EventTable;
using internal::Micros;
using internal::ReadYaml;
using internal::TestContext;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

LabelSpec Spec(std::string_view from = "2010-02-01", std::string_view to = "2010-03-01") {
  const std::string yaml =
      "name: churned\nsource: events\nkey: customer\ntime: t\nas_of: {from: " + std::string(from) +
      ", to: " + std::string(to) +
      ", every: month}\npopulation: any in 30d\npositive: none in 10d\n";
  Result<LabelSpec> spec = ReadYaml<LabelSpec>(yaml);
  EXPECT_TRUE(spec.ok()) << spec.error().ToString();
  return *spec;
}

data::Table Events() {
  return EventTable(
      {{1, "2010-01-20", 1.0},
       {1, "2010-02-11", 1.0},  // In at 02-01; the event at +10 days is past the window.
       {2, "2010-01-02", 1.0},
       {2, "2010-02-01", 1.0},  // In: exactly 30 days before; back at the as-of instant itself.
       {3, "2010-01-01", 1.0},  // Out at 02-01: 31 days before.
       {4, "2010-02-05", 1.0},  // Out at 02-01: only later. In at 03-01.
       {std::nullopt, "2010-01-25", 1.0},
       {5, "2010-03-20", 1.0}});
}

TEST(BuildLabels, PopulationLooksBackAndTheLabelLooksForward) {
  const TestContext context;
  const data::Table labels = BuildLabels(context, Spec(), Events()).value();
  EXPECT_THAT(labels.names(), ElementsAre("customer", "as_of", "churned"));
  const std::int64_t february = Micros("2010-02-01");
  const std::int64_t march = Micros("2010-03-01");
  EXPECT_THAT(labels.Timestamps("as_of")->values,
              ElementsAre(february, february, march, march, march));
  EXPECT_THAT(labels.Int64s("customer")->values, ElementsAre(1, 2, 1, 2, 4));
  EXPECT_THAT(labels.Int64s("churned")->values, ElementsAre(1, 0, 1, 1, 1));
}

TEST(BuildLabels, AnyInLabelsTheOpposite) {
  const TestContext context;
  LabelSpec spec = Spec();
  spec.positive.value = "any in 10d";
  EXPECT_THAT(BuildLabels(context, spec, Events())->Int64s("churned")->values,
              ElementsAre(0, 1, 0, 0, 0));
}

TEST(BuildLabels, LabelsThatCannotBeKnownYetAreRefusedOrDropped) {
  const TestContext context;
  LabelSpec spec = Spec("2010-02-01", "2010-04-01");
  const auto labels = BuildLabels(context, spec, Events());
  ASSERT_FALSE(labels.ok());
  EXPECT_THAT(
      labels.error().ToString(),
      HasSubstr("the label window of as-of 2010-04-01 ends 2010-04-11, after the last event"));
  EXPECT_THAT(labels.error().ToString(), HasSubstr("2010-03-10"));
  spec.censored = "drop";
  EXPECT_EQ(BuildLabels(context, spec, Events())->rows(), 5);
}

TEST(BuildLabels, BadInputIsRefusedWithItsReason) {
  const TestContext context;
  const auto error_of = [&](const LabelSpec& spec, const data::Table& events) {
    const auto labels = BuildLabels(context, spec, events);
    return labels.ok() ? std::string("built") : labels.error().ToString();
  };
  LabelSpec spec = Spec();
  spec.key.value = "custmer";
  EXPECT_THAT(error_of(spec, Events()), HasSubstr("did you mean \"customer\""));
  spec = Spec();
  spec.positive.value = "nothing in 10d";
  EXPECT_THAT(error_of(spec, Events()), HasSubstr("is no rule of presence"));
  spec = Spec();
  spec.population.value = "none in 10d";
  EXPECT_THAT(error_of(spec, Events()), HasSubstr("wanted \"any in ...\""));
  EXPECT_THAT(error_of(Spec(), EventTable({})), HasSubstr("has no rows, wanted events"));
  EXPECT_THAT(error_of(Spec("2009-01-01", "2009-02-01"), Events()),
              HasSubstr("no key has an event"));
  EXPECT_THAT(error_of(Spec("2010-03-01", "2010-02-01"), Events()), HasSubstr("is after to"));
}

TEST(BuildLabels, TextKeysAreSortedByText) {
  const TestContext context;
  LabelSpec spec = Spec("2010-02-01", "2010-02-01");
  spec.key.value = "name";
  const data::Table events = EventTable({{1, "2010-01-20", 1.0, 1, "b"},
                                         {1, "2010-01-21", 1.0, 1, "a"},
                                         {1, "2010-02-20", 1.0, 1, "c"}});
  const data::StringColumn names = BuildLabels(context, spec, events)->Strings("name").value();
  ASSERT_EQ(names.codes.size(), 2u);
  EXPECT_EQ(names.values[static_cast<std::size_t>(names.codes[0])], "a");
}

TEST(AsOfTimes, MonthsComeBackToTheDayOfTheStart) {
  const AsOfGrid grid{{Micros("2010-01-31")}, {Micros("2010-03-31")}, "month"};
  EXPECT_THAT(*AsOfTimes(grid),
              ElementsAre(Micros("2010-01-31"), Micros("2010-02-28"), Micros("2010-03-31")));
  EXPECT_EQ(AsOfTimes({{0}, {Micros("2500-01-01")}, "day"}).error().code(),
            ErrorCode::kInvalidArgument);
}

SplitSpec DemoSplit(std::string_view train_until = "2010-12-01") {
  return *ReadYaml<SplitSpec>(
      "train: {until: " + std::string(train_until) +
      "}\nvalidation: {from: 2011-03-01, until: 2011-04-01}\ntest: {from: 2011-07-01}\n");
}

std::vector<std::int64_t> Months(std::string_view from, std::string_view to) {
  return *AsOfTimes({{Micros(from)}, {Micros(to)}, "month"});
}

TEST(AssignSplit, SetsByTimeAndNothingBetween) {
  const std::vector<std::int64_t> months = Months("2010-06-01", "2011-09-01");
  const auto sets = AssignSplit(months, DemoSplit(), Duration{90 * base::kMicrosPerDay});
  ASSERT_TRUE(sets.ok()) << sets.error().ToString();
  using enum SplitSet;
  EXPECT_THAT(*sets,
              ElementsAre(kTrain, kTrain, kTrain, kTrain, kTrain, kTrain, kTrain, kNone, kNone,
                          kValidation, kValidation, kNone, kNone, kTest, kTest, kTest));
}

TEST(AssignSplit, LabelWindowsThatReachIntoALaterSetAreRefused) {
  const std::vector<std::int64_t> months = Months("2010-06-01", "2011-09-01");
  const auto sets =
      AssignSplit(months, DemoSplit("2011-01-01"), Duration{90 * base::kMicrosPerDay});
  ASSERT_FALSE(sets.ok());
  EXPECT_THAT(
      sets.error().ToString(),
      HasSubstr("the label window of train as-of 2011-01-01 ends 2011-04-01, which reaches into "
                "validation (first as-of 2011-03-01)"));
  // A window that ends exactly where the next set begins does not reach into it: [t, t + h) is half
  // open.
  const std::vector<std::int64_t> exact = {Micros("2010-12-01"), Micros("2011-03-01"),
                                           Micros("2011-07-01")};
  EXPECT_TRUE(AssignSplit(exact, DemoSplit(), Duration{90 * base::kMicrosPerDay}).ok());
  EXPECT_FALSE(AssignSplit(exact, DemoSplit(), Duration{90 * base::kMicrosPerDay + 1}).ok());
}

TEST(AssignSplit, OverlapsAndEmptySetsAreRefused) {
  const std::vector<std::int64_t> months = Months("2010-06-01", "2011-09-01");
  EXPECT_THAT(AssignSplit(months, DemoSplit("2011-03-01"), Duration{1}).error().ToString(),
              HasSubstr("does not end before"));
  EXPECT_THAT(AssignSplit(months, DemoSplit("2009-01-01"), Duration{1}).error().ToString(),
              HasSubstr("train [the beginning, 2009-01-01] holds none of the 16"));
}

TEST(BuildTrainingSet, KeepsRowsOrderAndDuplicatesOfItsLabels) {
  const TestContext context;
  data::TableBuilder builder;
  const std::vector<std::int64_t> keys = {2, 1, 2, 2};
  const std::vector<std::int64_t> as_of = {Micros("2010-02-02"), Micros("2010-02-12"),
                                           Micros("2010-01-01"), Micros("2010-02-02")};
  const std::vector<std::int64_t> label = {0, 1, 0, 1};
  const data::Table labels = builder.AddInt64s("customer", keys)
                                 .AddTimestamps("as_of", as_of)
                                 .AddInt64s("churned", label)
                                 .Finish()
                                 .value();
  const data::Table events = Events();
  const ViewPlan first = CompileView("features: {n: count(*)}");
  const ViewPlan second = CompileView("ttl: 5d\nfeatures: {recent: count(*) over 5d}");
  const std::vector<ViewInput> views = {{&first, &events}, {&second, &events}};
  const data::Table set = BuildTrainingSet(context, labels, "customer", "as_of", views).value();
  EXPECT_THAT(set.names(), ElementsAre("customer", "as_of", "churned", "n", "recent"));
  EXPECT_THAT(set.Int64s("churned")->values, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(set.Int64s("n")->values, ElementsAre(2, 2, 0, 2));
  EXPECT_TRUE(set.Int64s("n")->IsNull(2));
  EXPECT_THAT(set.Int64s("recent")->values, ElementsAre(1, 1, 0, 1));
  const std::vector<ViewInput> twice = {{&first, &events}, {&first, &events}};
  EXPECT_THAT(BuildTrainingSet(context, labels, "customer", "as_of", twice).error().ToString(),
              HasSubstr("gives column \"n\""));
}

}  // namespace
}  // namespace millrace::features
