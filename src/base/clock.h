// SPDX-License-Identifier: Apache-2.0
// Time: UTC microseconds since 1970, the clock behind an interface, and the texts of instants and
// durations.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::base {

/// An instant: UTC microseconds since 1970-01-01T00:00:00, may be negative.
struct Timestamp {
  std::int64_t micros = 0;
  auto operator<=>(const Timestamp&) const = default;
};

/// A length of time in microseconds.
struct Duration {
  std::int64_t micros = 0;
  auto operator<=>(const Duration&) const = default;
};

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

inline Timestamp operator+(Timestamp t, Duration d) {
  return {t.micros + d.micros};
}
inline Timestamp operator-(Timestamp t, Duration d) {
  return {t.micros - d.micros};
}
inline Duration operator-(Timestamp a, Timestamp b) {
  return {a.micros - b.micros};
}

/// Reads "2010-06-01", "2010-06-01T10:20:30", with fraction of up to 6 digits, a blank for the T,
/// and an optional "Z" or "+01:00". A text without zone is UTC; a date is its midnight UTC.
/// kInvalidArgument otherwise (names the text and the accepted forms).
Result<Timestamp> ParseTimestamp(std::string_view text);
/// "2010-06-01T00:00:00Z"; a fraction is printed only where there is one.
std::string FormatTimestamp(Timestamp t);
/// "2010-06-01" where t is a midnight, otherwise as FormatTimestamp.
std::string FormatDate(Timestamp t);
/// Reads "30d", "12h", "15m", "10s", "250ms", "5us"; a whole positive number and one unit (w, d, h,
/// m, s, ms, us).
Result<Duration> ParseDuration(std::string_view text);
/// The shortest text that ParseDuration reads back: "30d", not "2592000s".
std::string FormatDuration(Duration d);
/// Adds calendar months in UTC; the day is clipped to the month's length.
Timestamp AddMonths(Timestamp t, int months);

/// Where the current time comes from.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp Now() const = 0;
};

/// The machine's clock.
class SystemClock final : public Clock {
 public:
  Timestamp Now() const override;
};

/// A clock that stands still until it is moved; for tests and replays.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : now_(start) {}
  Timestamp Now() const override { return now_; }
  void Advance(Duration d) { now_ = now_ + d; }

 private:
  Timestamp now_;
};

}  // namespace millrace::base

namespace millrace {
using base::Duration;
using base::Timestamp;
}  // namespace millrace
