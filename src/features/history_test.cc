// SPDX-License-Identifier: Apache-2.0
// The rules of time, each by small examples on paper. The numbers in the test names are those of
// the rules (R1 to R8) and of the cases for point-in-time stores (C1 to C20) listed in this
// module's README.
#include "features/history.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/internal/test_support.h"

namespace millrace::features {
namespace {

using internal::CompileView;
using internal::Event;
using internal::EventTable;
using internal::Micros;
using internal::TestContext;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

/// NaN equals NaN; the last bit may differ.
MATCHER_P(Row, wanted, "") {
  bool same = arg.size() == wanted.size();
  for (std::size_t i = 0; same && i < arg.size(); ++i) {
    same = (std::isnan(arg[i]) && std::isnan(wanted[i])) ||
           std::fabs(arg[i] - wanted[i]) <= 4e-16 * std::fabs(wanted[i]);
  }
  return same;
}

::testing::Matcher<std::vector<double>> Values(std::vector<double> wanted) {
  return Row(wanted);
}

/// The view's row for customer 1 at an instant; NaN is null.
std::vector<double> At(const ViewPlan& plan, const data::Table& events, std::string_view as_of,
                       std::int64_t customer = 1) {
  const TestContext context;
  const Result<History> history = History::Make(context, plan, events);
  EXPECT_TRUE(history.ok()) << history.error().ToString();
  const std::vector<std::int64_t> times = {Micros(as_of)};
  const Result<data::Table> table =
      history->Evaluate(context, KeyColumn::Int64s(std::vector<std::int64_t>{customer}), times);
  EXPECT_TRUE(table.ok()) << table.error().ToString();
  std::vector<double> row;
  for (const std::string& name : table->names()) {
    row.push_back(table->Doubles(name)->front());
  }
  return row;
}

const std::vector<Event>& Purchases() {
  static const auto* const events = new std::vector<Event>{
      {1, "2010-01-01", 10.0, 5, "uk"},
      {1, "2010-01-11", 20.0, 7, "fr"},
      {1, "2010-01-21", 40.0, 5, "uk"},
      {2, "2010-01-21", 99.0, 1, "uk"},
  };
  return *events;
}

TEST(RulesOfTime, R1LookupIncludesItsInstantUnlessDeclaredOtherwise) {
  const data::Table events = EventTable(Purchases());
  EXPECT_THAT(At(CompileView("features: {a: latest(x)}"), events, "2010-01-11"), Values({20}));
  EXPECT_THAT(At(CompileView("as_of: <\nfeatures: {a: latest(x)}"), events, "2010-01-11"),
              Values({10}));
  EXPECT_THAT(
      At(CompileView("as_of: <\nfeatures: {a: latest(x)}"), events, "2010-01-11T00:00:00.000001"),
      Values({20}));
}

TEST(RulesOfTime, R1LookupTtlIncludesBothEnds) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView("ttl: 10d\nfeatures: {a: latest(x)}");
  EXPECT_THAT(At(plan, events, "2010-01-31"), Values({40}));
  EXPECT_THAT(At(plan, events, "2010-01-31T00:00:00.000001"), Values({kNaN}));
}

TEST(RulesOfTime, R2AggregatesSeeOnlyWhatCameBeforeSoALabelsOwnEventCannotLeakC1C2) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView("features: {n: count(*), total: sum(x)}");
  EXPECT_THAT(At(plan, events, "2010-01-21"), Values({2, 30}));
  EXPECT_THAT(At(plan, events, "2010-01-21T00:00:00.000001"), Values({3, 70}));
}

TEST(RulesOfTime, R2WindowIncludesItsStartAndExcludesItsEnd) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView("features: {n: count(*) over 10d}");
  EXPECT_THAT(At(plan, events, "2010-01-21"), Values({1}));  // [11th, 21st): the 11th.
  EXPECT_THAT(At(plan, events, "2010-01-21T00:00:00.000001"),
              Values({1}));  // The 11th is out, the 21st in.
  EXPECT_THAT(At(plan, events, "2010-01-20T23:59:59.999999"), Values({1}));
}

TEST(RulesOfTime, R2IncludeNowTurnsBothEnds) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan =
      CompileView("include_now: true\nfeatures: {n: count(*) over 10d, all: count(*)}");
  EXPECT_THAT(At(plan, events, "2010-01-21"), Values({1, 3}));  // (11th, 21st].
  EXPECT_THAT(At(plan, events, "2010-01-20T23:59:59.999999"), Values({1, 2}));
}

TEST(RulesOfTime, R2TtlNullsEveryFeatureButNeverShortensAnAggregateC3C8) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView(
      "ttl: 10d\nfeatures: {n: count(*), last_week: count(*) over 7d}\nderived: {one: 'coalesce(n, "
      "1)'}");
  EXPECT_THAT(At(plan, events, "2010-01-31"),
              Values({3, 0, 3}));  // The newest event is exactly ttl old; older ones still count.
  EXPECT_THAT(At(plan, events, "2010-01-31T00:00:00.000001"), Values({kNaN, kNaN, kNaN}));
  EXPECT_THAT(At(plan, events, "2010-01-30T23:59:59.999999"), Values({3, 0, 3}));
}

TEST(RulesOfTime, R3AsKnownThenLeavesOutWhatCameLateC4) {
  const data::Table events = EventTable({{1, "2010-01-01", 1.0, 1, "a", "2010-01-01"},
                                         {1, "2010-01-02", 2.0, 2, "b", "2010-01-10"},
                                         {1, "2010-01-03", 4.0, 3, "a", std::nullopt}});
  const std::string features =
      "created: created\nfeatures: {n: count(*), s: sum(x), m: max(x), d: count_distinct(name), l: "
      "last(x), a: latest(x), "
      "f: first(x), u: count(*) where name = 'b', since: days_since(max(t)), w: sum(x) over 8d, v: "
      "avg(x), e: stddev(x)}";
  const double spread = std::sqrt(4.5);
  EXPECT_THAT(At(CompileView(features), events, "2010-01-10"),
              Values({3, 7, 4, 2, 4, 4, 1, 1, 7, 6, 7.0 / 3, std::sqrt(7.0 / 3)}));
  EXPECT_THAT(At(CompileView(features), events, "2010-01-09T23:59:59.999999"),
              Values({2, 5, 4, 1, 4, 4, 1, 0, (7 * 86400e6 - 1) / 86400e6, 4, 2.5, spread}));
  EXPECT_THAT(At(CompileView("history: as_corrected\n" + features), events, "2010-01-05"),
              Values({3, 7, 4, 2, 4, 4, 1, 1, 2, 7, 7.0 / 3, std::sqrt(7.0 / 3)}));
  // Nothing known yet: the key matches nothing.
  const data::Table late = EventTable({{1, "2010-01-01", 1.0, 1, "a", "2010-02-01"}});
  EXPECT_THAT(At(CompileView("created: created\nfeatures: {n: count(*)}"), late, "2010-01-15"),
              Values({kNaN}));
}

TEST(RulesOfTime, R4DuplicatesAreSettledByCreatedThenByPlaceC6) {
  const data::Table events = EventTable({{1, "2010-01-01", 1.0, 1, "a", "2010-01-03"},
                                         {1, "2010-01-01", 2.0, 1, "a", "2010-01-02"},
                                         {1, "2010-01-01", 3.0, 1, "a", "2010-01-02"}});
  const ViewPlan plan = CompileView(
      "created: created\nfeatures: {a: latest(x), f: first(x), l: last(x), n: count(*)}");
  EXPECT_THAT(At(plan, events, "2010-01-05"), Values({1, 2, 1, 3}));
  EXPECT_THAT(At(plan, events, "2010-01-02"), Values({3, 2, 3, 2}));  // As known then.
  EXPECT_THAT(
      At(CompileView("features: {a: latest(x), f: first(x), l: last(x)}"), events, "2010-01-05"),
      Values({3, 1, 3}));
}

TEST(RulesOfTime, R5RequestRowsKeepTheirOrderAndTheirDuplicatesC7) {
  const TestContext context;
  const ViewPlan plan = CompileView("features: {n: count(*)}");
  const History history = History::Make(context, plan, EventTable(Purchases())).value();
  const KeyColumn keys = KeyColumn::Int64s(std::vector<std::int64_t>{2, 1, 3, 1, 1});
  const std::vector<std::int64_t> times = {Micros("2010-02-01"), Micros("2010-02-01"),
                                           Micros("2010-02-01"), Micros("2010-01-05"),
                                           Micros("2010-02-01")};
  const data::Table table = history.Evaluate(context, keys, times).value();
  EXPECT_THAT(table.Doubles("n").value(), Values({1, 3, kNaN, 1, 3}));
  EXPECT_EQ(table.TypeOf("n").value(), data::ColumnType::kInt64);
}

TEST(RulesOfTime, R5NoMatchGivesNullsC8) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan =
      CompileView("features: {n: count(*), s: sum(x)}\nderived: {d: 'coalesce(s, 0)'}");
  EXPECT_THAT(At(plan, events, "2009-12-31"), Values({kNaN, kNaN, kNaN}));  // Only later events.
  EXPECT_THAT(At(plan, events, "2010-01-01"),
              Values({kNaN, kNaN, kNaN}));  // The first event is not before its own time.
  EXPECT_THAT(At(plan, events, "2010-02-01", 77), Values({kNaN, kNaN, kNaN}));
}

TEST(RulesOfTime, R6NullKeysMatchNothingOnEitherSideC9) {
  const TestContext context;
  const data::Table events = EventTable(
      {{std::nullopt, "2010-01-01", 1.0}, {0, "2010-01-01", 2.0}, {1, "2010-01-01", 4.0}});
  const History history =
      History::Make(context, CompileView("features: {s: sum(x)}"), events).value();
  EXPECT_EQ(history.events(), 2);
  data::Int64Column keys{{0, 0, 1}, {1, 0, 0}};
  const std::vector<std::int64_t> times(3, Micros("2010-02-01"));
  EXPECT_THAT(history.Evaluate(context, KeyColumn::Int64s(keys), times)->Doubles("s").value(),
              Values({kNaN, 2, 4}));
}

TEST(RulesOfTime, R6NaNKeysMatchNothingAndBrokenKeysAreRefused) {
  data::TableBuilder builder;
  const std::vector<double> doubles = {1, kNaN, 2};
  const data::Table keys = builder.AddDoubles("customer", doubles).Finish().value();
  const KeyColumn column = KeyColumn::FromTable(keys, "customer").value();
  EXPECT_FALSE(column.IsNull(0));
  EXPECT_TRUE(column.IsNull(1));
  const std::vector<double> halves = {1.5};
  const data::Table broken = builder.AddDoubles("customer", halves).Finish().value();
  EXPECT_THAT(KeyColumn::FromTable(broken, "customer").error().ToString(),
              HasSubstr("wanted whole numbers"));
}

TEST(RulesOfTime, R6EventsWithoutTimeAreRefusedWithTheirRowC9) {
  const TestContext context;
  const data::Table events = EventTable({{1, "2010-01-01", 1.0}, {1, "", 2.0}, {2, "", 2.0}});
  const auto history = History::Make(context, CompileView("features: {s: sum(x)}"), events);
  ASSERT_FALSE(history.ok());
  EXPECT_THAT(
      history.error().ToString(),
      HasSubstr(
          "time column \"t\" of source \"events\": 2 of 3 rows have no event time (first: row 1)"));
}

TEST(RulesOfTime, R7EmptyWindowsCountZeroAndTheRestIsNullC13) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView(
      "features: {n: count(*) over 1d, c: count(x) over 1d, d: count_distinct(name) over 1d, m: "
      "count_distinct(month(t)) over 1d, "
      "s: sum(x) over 1d, a: avg(x) over 1d, i: min(x) over 1d, x1: max(x) over 1d, e: stddev(x) "
      "over 1d, f: first(x) over 1d, "
      "l: last(x) over 1d, r: days_since(max(t)) over 1d}");
  EXPECT_THAT(At(plan, events, "2010-03-01"),
              Values({0, 0, 0, 0, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN}));
}

TEST(RulesOfTime, R7NullsAreIgnoredByAggregatesButNotByLookupsC18) {
  const data::Table events =
      EventTable({{1, "2010-01-01", 10.0, 1, "a"},
                  {1, "2010-01-02", std::nullopt, std::nullopt, std::nullopt}});
  const ViewPlan plan = CompileView(
      "features: {n: count(*), c: count(x), d: count_distinct(name), s: sum(x), a: avg(x), l: "
      "last(x), look: latest(x), k: count(n)}");
  EXPECT_THAT(At(plan, events, "2010-02-01"), Values({2, 1, 1, 10, 10, 10, kNaN, 1}));
}

TEST(History, EveryAggregateByHand) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView(
      "features:\n"
      "  a: avg(x)\n"
      "  b: min(x)\n"
      "  c: max(x) over 15d\n"
      "  d: stddev(x)\n"
      "  e: count_distinct(n)\n"
      "  f: count_distinct(name) over 15d\n"
      "  g: count_distinct(month(t))\n"
      "  h: days_since(max(t))\n"
      "  i: days_since(min(t))\n"
      "  j: first(x) over 15d\n"
      "  k: last(x)\n"
      "  l: count(*) where name = 'uk'\n"
      "  m: sum(x) where name in ('uk', 'de') and n = 5 over 365d\n"
      "  n2: count(x) where name != 'uk'\n"
      "  o: min(x) over 15d");
  EXPECT_THAT(
      At(plan, events, "2010-01-23T12:00:00"),
      Values({70.0 / 3, 10, 40, std::sqrt(700.0 / 3), 2, 2, 1, 2.5, 22.5, 20, 40, 2, 50, 1, 20}));
}

TEST(History, MonthsAreCalendarMonthsOfTheirYearC12) {
  const data::Table events = EventTable(
      {{1, "1969-12-31T23:59:59.999999"}, {1, "1970-01-01"}, {1, "1971-01-31"}, {1, "1971-01-01"}});
  EXPECT_THAT(At(CompileView("features: {m: count_distinct(month(t))}"), events, "1972-01-01"),
              Values({3}));
}

TEST(History, InstantsFarFrom1970KeepTheirMicrosecondsC12) {
  const data::Table events =
      EventTable({{1, "1902-01-01T00:00:00.000001", 1.0}, {1, "2400-01-01", 2.0}});
  const ViewPlan plan = CompileView("features: {n: count(*), d: days_since(min(t))}");
  EXPECT_THAT(At(plan, events, "1902-01-01T00:00:00.000001"), Values({kNaN, kNaN}));
  EXPECT_THAT(At(plan, events, "1902-01-01T00:00:00.000002"), Values({1, 1 / 86400e6}));
  EXPECT_EQ(At(plan, events, "2401-01-01")[0], 2);
}

TEST(History, DerivedFeaturesPassNullsOnAndDivideByZeroToNull) {
  const data::Table events = EventTable(Purchases());
  const ViewPlan plan = CompileView(
      "features: {n: count(*), none: sum(x) over 1d, zero: count(*) over 1d}\n"
      "derived:\n"
      "  a: n + none\n"
      "  b: n / zero\n"
      "  c: coalesce(none, -1)\n"
      "  d: greatest(none, n, 2)\n"
      "  e: least(none, n, 2)\n"
      "  f: if(none > 1, 1, 2)\n"
      "  g: if(n >= 3 and zero = 0, 1, 2)\n"
      "  h: ln(zero)\n"
      "  i: log1p(zero)\n"
      "  j: sqrt(0 - n)\n"
      "  k: abs(-n)\n"
      "  l: is_null(none)\n"
      "  m: ln(n) / sqrt(n + 1)\n"
      "  o: none = 1 or n = 3\n"
      "  p: not none = 1");
  EXPECT_THAT(At(plan, events, "2010-03-01"), Values({3, kNaN, 0, kNaN, kNaN, -1, 3, 2, 2, 1, kNaN,
                                                      0, kNaN, 3, 1, std::log(3.0) / 2, 1, kNaN}));
}

TEST(History, FiltersUseThreeValuedLogic) {
  const data::Table events = EventTable(
      {{1, "2010-01-01", 1.0, 1, std::nullopt}, {1, "2010-01-02", std::nullopt, 2, "b"}});
  const ViewPlan plan = CompileView(
      "features:\n"
      "  a: count(*) where name = 'b'\n"
      "  b: count(*) where not name = 'b'\n"
      "  c: count(*) where name = 'b' or x = 1\n"
      "  d: count(*) where name is null\n"
      "  e: count(*) where x not in (2, 3)\n"
      "  f: count(*) where 'a' < name\n"
      "  g: count(*) where t >= '2010-01-02'\n"
      "  h: count(*) where n * 2 - 1 = 3\n"
      "  i: count(*) where gift = false and not gift");
  EXPECT_THAT(At(plan, events, "2010-02-01"), Values({1, 0, 2, 1, 1, 1, 1, 1, 2}));
}

TEST(History, SumsOfWindowsDoNotCancelC13) {
  // After 10^16 every difference of plain prefix sums loses the small values.
  std::vector<Event> list = {{1, "2010-01-01", 1e16},
                             {1, "2010-01-02", -1e16},
                             {1, "2010-01-03", 1e300},
                             {1, "2010-01-04", -1e300}};
  list.push_back({1, "2010-02-01", 0.1});
  list.push_back({1, "2010-02-02", 0.2});
  const ViewPlan plan = CompileView("features: {s: sum(x) over 10d, a: avg(x) over 10d}");
  EXPECT_THAT(At(plan, EventTable(list), "2010-02-05"), Values({0.1 + 0.2, (0.1 + 0.2) / 2}));
  list[2].x = std::numeric_limits<double>::infinity();
  EXPECT_THAT(At(plan, EventTable(list), "2010-02-05"), Values({0.1 + 0.2, (0.1 + 0.2) / 2}));
}

TEST(History, LargeIntegersStayDistinct) {
  const std::int64_t large = (std::int64_t{1} << 53) + 1;
  const data::Table events =
      EventTable({{1, "2010-01-01", 1.0, large}, {1, "2010-01-02", 1.0, large - 1}});
  EXPECT_THAT(At(CompileView("features: {d: count_distinct(n)}"), events, "2010-02-01"),
              Values({2}));
}

TEST(History, EmptySourceAndEmptyRequestsC7) {
  const TestContext context;
  const ViewPlan plan = CompileView(
      "features: {n: count(*), s: sum(x), d: count_distinct(name)}\nderived: {e: n + s}");
  EXPECT_THAT(At(plan, EventTable({}), "2010-02-01"), Values({kNaN, kNaN, kNaN, kNaN}));
  const History history = History::Make(context, plan, EventTable(Purchases())).value();
  const data::Table none =
      history.Evaluate(context, KeyColumn::Int64s(std::vector<std::int64_t>{}), {}).value();
  EXPECT_EQ(none.rows(), 0);
  EXPECT_THAT(none.names(), ElementsAre("n", "s", "d", "e"));
}

TEST(History, RequestsOfAnotherKeyTypeOrLengthAreRefused) {
  const TestContext context;
  const History history =
      History::Make(context, CompileView("features: {n: count(*)}"), EventTable(Purchases()))
          .value();
  const std::vector<std::int64_t> times = {0};
  const std::vector<std::string> texts = {"1"};
  EXPECT_THAT(history.Evaluate(context, KeyColumn::Strings(texts), times).error().ToString(),
              HasSubstr("the requested keys have type string, key \"customer\" has type int64"));
  EXPECT_THAT(history.Evaluate(context, KeyColumn::Int64s(std::vector<std::int64_t>{1, 2}), times)
                  .error()
                  .ToString(),
              HasSubstr("2 keys, but 1 as-of times"));
}

TEST(History, SourceOfAnotherTypeIsRefused) {
  const TestContext context;
  data::TableBuilder builder;
  const std::vector<std::int64_t> ones = {1};
  const data::Table source = builder.AddInt64s("customer", ones)
                                 .AddTimestamps("t", ones)
                                 .AddInt64s("x", ones)
                                 .Finish()
                                 .value();
  EXPECT_THAT(
      History::Make(context, CompileView("features: {s: sum(x)}"), source).error().ToString(),
      HasSubstr("column \"x\" has type int64, the compiled view wants double"));
  EXPECT_THAT(
      History::Make(context, CompileView("features: {s: sum(n)}"), source).error().ToString(),
      HasSubstr("\"n\""));
}

TEST(History, TextKeysAreMatchedByTextC10) {
  const TestContext context;
  const std::string yaml =
      "entity: product\nkey: name\nviews:\n  v:\n    source: e\n    time: t\n    features: {s: "
      "sum(x)}\n";
  const ViewPlan plan = internal::CompileText(yaml, internal::TestSchema())->front();
  const data::Table events = EventTable({{1, "2010-01-01", 1.0, 1, "b"},
                                         {1, "2010-01-02", 2.0, 1, "a"},
                                         {1, "2010-01-03", 4.0, 1, "b"},
                                         {1, "2010-01-03", 8.0, 1, std::nullopt},
                                         {1, "2010-01-03", 16.0, 1, ""}});
  const History history = History::Make(context, plan, events).value();
  const std::vector<std::string> wanted = {"b", "nobody", "a", "b", ""};
  const std::vector<std::int64_t> times(5, Micros("2010-02-01"));
  EXPECT_THAT(history.Evaluate(context, KeyColumn::Strings(wanted), times)->Doubles("s").value(),
              Values({5, kNaN, 2, 5, 16}));
  const KeyColumn keys = history.Keys();
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(KeyText(keys.At(0)), "\"\"");
  EXPECT_EQ(KeyText(keys.At(2)), "\"b\"");
}

TEST(History, KeysAliveAreThoseWithARow) {
  const TestContext context;
  const data::Table events =
      EventTable({{7, "2010-01-01", 1.0}, {-3, "2010-02-01", 1.0}, {5, "2010-03-01", 1.0}});
  const History history =
      History::Make(context, CompileView("ttl: 31d\nfeatures: {n: count(*)}"), events).value();
  const auto alive = [&](std::string_view as_of) {
    return history.KeysAlive({Micros(as_of)}).int64s().values;
  };
  EXPECT_THAT(history.Keys().int64s().values, ElementsAre(-3, 5, 7));
  EXPECT_THAT(alive("2010-01-01"), ElementsAre());
  EXPECT_THAT(alive("2010-02-01"), ElementsAre(7));
  EXPECT_THAT(alive("2010-02-01T00:00:00.000001"), ElementsAre(-3));
  EXPECT_THAT(alive("2010-03-02"), ElementsAre(-3, 5));
}

TEST(History, SeveralViewsOfOneSourceKeepTheirOwnTimesC11) {
  const data::Table events = EventTable({{1, "2010-01-01", 1.0, 1, "a", "2010-06-01"}});
  EXPECT_THAT(At(CompileView("features: {n: count(*)}"), events, "2010-02-01"), Values({1}));
  const std::string yaml =
      "entity: c\nkey: customer\nviews:\n  v:\n    source: e\n    time: created\n    features: {n: "
      "count(*)}\n";
  EXPECT_THAT(
      At(internal::CompileText(yaml, internal::TestSchema())->front(), events, "2010-02-01"),
      Values({kNaN}));
}

}  // namespace
}  // namespace millrace::features
