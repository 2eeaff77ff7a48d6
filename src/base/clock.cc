// SPDX-License-Identifier: Apache-2.0
// The proleptic Gregorian calendar in UTC: days to dates and back, texts of instants and durations.
#include "base/clock.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <time.h>

namespace millrace::base {
namespace {

struct Date {
  std::int64_t year;
  int month;
  int day;
};

// Days since 1970-01-01; source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"
// (days_from_civil).
std::int64_t DaysOf(Date date) {
  const std::int64_t y = date.month <= 2 ? date.year - 1 : date.year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year =
      (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

// The inverse (civil_from_days).
Date DateOf(std::int64_t days) {
  const std::int64_t z = days + 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const std::int64_t day_of_era = z - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t mp = (5 * day_of_year + 2) / 153;
  const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          static_cast<int>(day_of_year - (153 * mp + 2) / 5 + 1)};
}

bool IsLeap(std::int64_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int DaysInMonth(std::int64_t year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeap(year) ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

struct Split {
  std::int64_t days;
  std::int64_t micros_of_day;
};

// Rounds towards minus infinity, so that instants before 1970 fall on their own day.
Split SplitDay(Timestamp t) {
  std::int64_t days = t.micros / kMicrosPerDay;
  std::int64_t rest = t.micros % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  return {days, rest};
}

// A reader that eats fixed patterns from the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool Digits(std::size_t count, int& value) {
    if (rest_.size() < count) {
      return false;
    }
    value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') {
        return false;
      }
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return true;
  }
  bool Eat(char c) {
    if (rest_.empty() || rest_.front() != c) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }
  // One to six digits after the point, as microseconds.
  bool Fraction(int& micros) {
    micros = 0;
    int digits = 0;
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      if (++digits > 6) {
        return false;
      }
      micros = micros * 10 + (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    for (int i = digits; i < 6; ++i) {
      micros *= 10;
    }
    return digits > 0;
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool ScanTime(Scanner& scan, std::int64_t& micros) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int fraction = 0;
  if (!scan.Digits(2, hour) || !scan.Eat(':') || !scan.Digits(2, minute)) {
    return false;
  }
  if (scan.Eat(':')) {
    if (!scan.Digits(2, second) || (scan.Eat('.') && !scan.Fraction(fraction))) {
      return false;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  micros = (hour * 3600 + minute * 60 + second) * kMicrosPerSecond + fraction;
  return true;
}

bool ScanZone(Scanner& scan, std::int64_t& offset_micros) {
  offset_micros = 0;
  if (scan.AtEnd() || scan.Eat('Z')) {
    return true;
  }
  const bool is_east = scan.Eat('+');
  int hour = 0;
  int minute = 0;
  if ((!is_east && !scan.Eat('-')) || !scan.Digits(2, hour)) {
    return false;
  }
  scan.Eat(':');
  if (!scan.Digits(2, minute) || hour > 23 || minute > 59) {
    return false;
  }
  offset_micros = (hour * 60 + minute) * 60 * kMicrosPerSecond * (is_east ? 1 : -1);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t micros;
};

// Longest first, so that the shortest text is found first when formatting.
constexpr std::array<Unit, 7> kUnits = {{{"w", 7 * kMicrosPerDay},
                                         {"d", kMicrosPerDay},
                                         {"h", 3600 * kMicrosPerSecond},
                                         {"m", 60 * kMicrosPerSecond},
                                         {"s", kMicrosPerSecond},
                                         {"ms", 1000},
                                         {"us", 1}}};

}  // namespace

Result<Timestamp> ParseTimestamp(std::string_view text) {
  Scanner scan(text);
  int year = 0;
  int month = 0;
  int day = 0;
  std::int64_t time = 0;
  std::int64_t offset = 0;
  bool good = scan.Digits(4, year) && scan.Eat('-') && scan.Digits(2, month) && scan.Eat('-') &&
              scan.Digits(2, day) && year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
              day <= DaysInMonth(year, month);
  if (good && !scan.AtEnd()) {
    good = (scan.Eat('T') || scan.Eat(' ')) && ScanTime(scan, time) && ScanZone(scan, offset) &&
           scan.AtEnd();
  }
  if (!good) {
    return InvalidArgument("\"" + std::string(text) + "\" is not an instant")
        .Hint("write 2010-06-01, 2010-06-01T10:20:30Z or 2010-06-01T10:20:30.123456+01:00");
  }
  return Timestamp{DaysOf({year, month, day}) * kMicrosPerDay + time - offset};
}

std::string FormatTimestamp(Timestamp t) {
  const Split split = SplitDay(t);
  const Date date = DateOf(split.days);
  const std::int64_t seconds = split.micros_of_day / kMicrosPerSecond;
  const auto fraction = static_cast<int>(split.micros_of_day % kMicrosPerSecond);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04lld-%02d-%02dT%02d:%02d:%02d",
                static_cast<long long>(date.year), date.month, date.day,
                static_cast<int>(seconds / 3600), static_cast<int>(seconds / 60 % 60),
                static_cast<int>(seconds % 60));
  std::string out = text.data();
  if (fraction != 0) {
    std::snprintf(text.data(), text.size(), ".%06d", fraction);
    out += text.data();
    out.erase(out.find_last_not_of('0') + 1);
  }
  return out + "Z";
}

std::string FormatDate(Timestamp t) {
  std::string text = FormatTimestamp(t);
  if (SplitDay(t).micros_of_day == 0) {
    text.resize(text.find('T'));
  }
  return text;
}

Result<Duration> ParseDuration(std::string_view text) {
  const auto error = [text] {
    return InvalidArgument("\"" + std::string(text) + "\" is not a duration")
        .Hint("write a whole number above 0 and one of w, d, h, m, s, ms, us, for example 30d");
  };
  std::int64_t count = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (status != std::errc() || count <= 0) {
    return error();
  }
  const std::string_view unit_name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : kUnits) {
    if (unit.name == unit_name) {
      std::int64_t micros = 0;
      if (__builtin_mul_overflow(count, unit.micros, &micros)) {
        return error();
      }
      return Duration{micros};
    }
  }
  return error();
}

std::string FormatDuration(Duration d) {
  for (const Unit& unit : kUnits) {
    // Weeks are read but never written: "28d" is clearer than "4w" beside "30d".
    if (unit.name != "w" && d.micros % unit.micros == 0) {
      return std::to_string(d.micros / unit.micros) + std::string(unit.name);
    }
  }
  return std::to_string(d.micros) + "us";
}

Timestamp AddMonths(Timestamp t, int months) {
  const Split split = SplitDay(t);
  Date date = DateOf(split.days);
  const std::int64_t index = date.year * 12 + (date.month - 1) + months;
  date.year = index >= 0 ? index / 12 : (index - 11) / 12;
  date.month = static_cast<int>(index - date.year * 12) + 1;
  date.day = std::min(date.day, DaysInMonth(date.year, date.month));
  return {DaysOf(date) * kMicrosPerDay + split.micros_of_day};
}

Timestamp SystemClock::Now() const {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {static_cast<std::int64_t>(now.tv_sec) * kMicrosPerSecond + now.tv_nsec / 1000};
}

}  // namespace millrace::base
