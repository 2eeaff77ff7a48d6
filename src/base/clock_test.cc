// SPDX-License-Identifier: Apache-2.0
// Tests of instants and durations; expected microseconds are from `date -u -d ... +%s`.
#include "base/clock.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

std::int64_t Micros(std::string_view text) {
  const Result<Timestamp> t = ParseTimestamp(text);
  EXPECT_TRUE(t.ok()) << text;
  return t.ok() ? t->micros : -1;
}

TEST(Timestamp, ReadsTheAcceptedForms) {
  EXPECT_EQ(Micros("1970-01-01"), 0);
  EXPECT_EQ(Micros("2010-06-01"), 1275350400LL * kMicrosPerSecond);
  EXPECT_EQ(Micros("2010-06-01T10:20:30"), 1275387630LL * kMicrosPerSecond);
  EXPECT_EQ(Micros("2010-06-01 10:20:30"), 1275387630LL * kMicrosPerSecond);
  EXPECT_EQ(Micros("2010-06-01T10:20:30Z"), 1275387630LL * kMicrosPerSecond);
  EXPECT_EQ(Micros("2010-06-01T10:20:30.5Z"), 1275387630LL * kMicrosPerSecond + 500000);
  EXPECT_EQ(Micros("2010-06-01T10:20:30.000001"), 1275387630LL * kMicrosPerSecond + 1);
  EXPECT_EQ(Micros("2010-06-01T10:20:30+01:00"), 1275384030LL * kMicrosPerSecond);
  EXPECT_EQ(Micros("2010-06-01T10:20:30-0530"), 1275407430LL * kMicrosPerSecond);
  EXPECT_EQ(Micros("2010-06-01T10:20"), 1275387600LL * kMicrosPerSecond);
}

TEST(Timestamp, BeforeTheEpochIsNegative) {
  EXPECT_EQ(Micros("1969-12-31T23:59:59.999999"), -1);
  EXPECT_EQ(Micros("1900-01-01"), -2208988800LL * kMicrosPerSecond);
  EXPECT_EQ(FormatTimestamp({-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatDate({-kMicrosPerDay}), "1969-12-31");
}

TEST(Timestamp, LeapYearsFollowTheGregorianRule) {
  EXPECT_TRUE(ParseTimestamp("2012-02-29").ok());
  EXPECT_TRUE(ParseTimestamp("2000-02-29").ok());
  EXPECT_FALSE(ParseTimestamp("1900-02-29").ok());
  EXPECT_FALSE(ParseTimestamp("2011-02-29").ok());
  EXPECT_EQ(Micros("2012-03-01") - Micros("2012-02-28"), 2 * kMicrosPerDay);
}

TEST(Timestamp, NoDayIsLongerOrShorterWhereClocksChange) {
  // UTC has no summer time: the last Sunday of March has 24 hours.
  EXPECT_EQ(Micros("2011-03-28") - Micros("2011-03-27"), kMicrosPerDay);
}

TEST(Timestamp, RefusesOtherTexts) {
  for (const char* text :
       {"", "2010", "2010-13-01", "2010-00-10", "2010-06-31", "2010-06-01T", "2010-06-01T24:00:00",
        "2010-06-01T10:60:00", "2010-06-01T10:20:60", "2010-06-01T10:20:30.",
        "2010-06-01T10:20:30.1234567", "2010-06-01T10:20:30+1", "2010-06-01x", "01.06.2010",
        "0000-01-01", " 2010-06-01"}) {
    const Result<Timestamp> t = ParseTimestamp(text);
    ASSERT_FALSE(t.ok()) << text;
    EXPECT_EQ(t.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(t.error().message().find("\"" + std::string(text) + "\""), std::string::npos);
  }
}

TEST(Timestamp, TextReadsBackOverFourCenturies) {
  for (std::int64_t day = -100'000; day < 60'000; day += 37) {
    const Timestamp t{day * kMicrosPerDay + 3'723'000'450};
    const Result<Timestamp> back = ParseTimestamp(FormatTimestamp(t));
    ASSERT_TRUE(back.ok()) << FormatTimestamp(t);
    ASSERT_EQ(back->micros, t.micros);
  }
}

TEST(Timestamp, FractionIsPrintedOnlyWhereThereIsOne) {
  EXPECT_EQ(FormatTimestamp({0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp({1'500'000}), "1970-01-01T00:00:01.5Z");
  EXPECT_EQ(FormatDate({0}), "1970-01-01");
  EXPECT_EQ(FormatDate({1}), "1970-01-01T00:00:00.000001Z");
}

TEST(Duration, ReadsUnits) {
  EXPECT_EQ(ParseDuration("30d")->micros, 30 * kMicrosPerDay);
  EXPECT_EQ(ParseDuration("2w")->micros, 14 * kMicrosPerDay);
  EXPECT_EQ(ParseDuration("12h")->micros, kMicrosPerDay / 2);
  EXPECT_EQ(ParseDuration("15m")->micros, 900 * kMicrosPerSecond);
  EXPECT_EQ(ParseDuration("250ms")->micros, 250'000);
  EXPECT_EQ(ParseDuration("5us")->micros, 5);
}

TEST(Duration, RefusesOtherTexts) {
  for (const char* text : {"", "30", "d", "-3d", "0d", "1.5d", "30 d", "30days",
                           "99999999999999999999d", "9223372036854775807d"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(Duration, TextIsTheShortestThatReadsBack) {
  EXPECT_EQ(FormatDuration({30 * kMicrosPerDay}), "30d");
  EXPECT_EQ(FormatDuration({36 * 3600 * kMicrosPerSecond}), "36h");
  EXPECT_EQ(FormatDuration({90 * kMicrosPerSecond}), "90s");
  EXPECT_EQ(FormatDuration({1}), "1us");
}

TEST(AddMonths, ClipsTheDay) {
  EXPECT_EQ(FormatDate(AddMonths({Micros("2011-01-31")}, 1)), "2011-02-28");
  EXPECT_EQ(FormatDate(AddMonths({Micros("2012-03-31")}, -1)), "2012-02-29");
  EXPECT_EQ(FormatDate(AddMonths({Micros("2010-12-01")}, 1)), "2011-01-01");
  EXPECT_EQ(FormatDate(AddMonths({Micros("2010-01-15")}, -13)), "2008-12-15");
  EXPECT_EQ(FormatTimestamp(AddMonths({Micros("1969-11-30T01:02:03")}, 3)), "1970-02-28T01:02:03Z");
}

TEST(Clock, ManualStandsStill) {
  ManualClock clock({5});
  EXPECT_EQ(clock.Now().micros, 5);
  clock.Advance({7});
  EXPECT_EQ(clock.Now().micros, 12);
  // 2020-01-01: the machine's clock is at least set.
  EXPECT_GT(SystemClock().Now().micros, 1577836800LL * kMicrosPerSecond);
}

}  // namespace
}  // namespace millrace::base
