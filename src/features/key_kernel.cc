// SPDX-License-Identifier: Apache-2.0
// The sweep over one key's events. As-of times ascend, so both ends of every window only move
// forward and each event is touched a constant number of times per aggregate, whatever the number
// of rows.
#include "features/internal/key_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::features::internal {
namespace {

using enum AggregateFunction;

/// a - b without overflow.
std::int64_t Minus(std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  return __builtin_sub_overflow(a, b, &out) ? std::numeric_limits<std::int64_t>::min() : out;
}

bool IsSum(AggregateFunction function) {
  return function == kSum || function == kAvg;
}

/// Days from a timestamp in microseconds to the as-of time.
double DaysSince(std::int64_t as_of, double micros) {
  constexpr double kMicrosPerDay = 86'400e6;
  return std::isnan(micros)
             ? kNull
             : static_cast<double>(as_of - static_cast<std::int64_t>(micros)) / kMicrosPerDay;
}

}  // namespace

void KeyKernel::Store(std::vector<double>& out, std::size_t i, const AggregateProgram& program,
                      double value) const {
  const std::uint32_t row = rows_[i];
  const bool is_days = program.function == kDaysSinceMax || program.function == kDaysSinceMin;
  out[row] = is_days ? DaysSince(as_of_[row], value) : value;
}

/// Both ends of every window for every live row. The interval is [t - w, t), or (t - w, t] with
/// include_now; either way an end is the number of events on the near side of an instant.
void KeyKernel::FindRanges() {
  const auto is_inside = [&](std::size_t position, std::int64_t instant) {
    return plan_.include_now ? time_[position] <= instant : time_[position] < instant;
  };
  ranges_.resize(events_.windows.size());
  for (std::size_t w = 0; w < events_.windows.size(); ++w) {
    ranges_[w].resize(rows_.size());
    const std::int64_t window = events_.windows[w];
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::int64_t t = as_of_[rows_[i]];
      while (end < n_ && is_inside(end, t)) {
        ++end;
      }
      while (window > 0 && begin < end && is_inside(begin, Minus(t, window))) {
        ++begin;
      }
      ranges_[w][i] = {begin, end};
    }
  }
}

/// latest(x) by rule 1 of time, which has its own upper end and ttl.
void KeyKernel::RunLookups(std::span<const std::uint32_t> requests) {
  const bool has_lookup =
      std::any_of(events_.programs.begin(), events_.programs.end(),
                  [](const AggregateProgram& program) { return program.function == kLatest; });
  if (!has_lookup) {
    return;
  }
  for (const std::uint32_t row : requests) {
    const std::int64_t t = as_of_[row];
    const auto end = plan_.lookup_includes_now ? std::upper_bound(time_.begin(), time_.end(), t)
                                               : std::lower_bound(time_.begin(), time_.end(), t);
    if (end == time_.begin() || (plan_.ttl_micros > 0 && *(end - 1) < Minus(t, plan_.ttl_micros))) {
      continue;
    }
    output_.is_alive[row] = 1;
    const std::size_t position = static_cast<std::size_t>(end - time_.begin()) - 1;
    for (std::size_t a = 0; a < events_.programs.size(); ++a) {
      if (events_.programs[a].function == kLatest) {
        output_.aggregates[a][row] = Values(events_.programs[a].channel)[position];
      }
    }
  }
}

void KeyKernel::RunPassCounts(const AggregateProgram& program, std::vector<double>& out) {
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  if (program.channel < 0) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      out[rows_[i]] = static_cast<double>(ranges[i].end - ranges[i].begin);
    }
    return;
  }
  const std::uint8_t* passes =
      events_.pass_channels[static_cast<std::size_t>(program.channel)].passes.data() + begin_;
  CountState state;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    for (; end < ranges[i].end; ++end) {
      state.n += passes[end];
    }
    for (; begin < ranges[i].begin; ++begin) {
      state.n -= passes[begin];
    }
    out[rows_[i]] = state.Finish();
  }
}

/// An event is new to [begin, end) if the equal one before it lies before begin; one that leaves
/// takes its value along if the next equal one lies at or past the end.
void KeyKernel::RunDistinct(const AggregateProgram& program, std::vector<double>& out) {
  const DistinctChannel& channel =
      events_.distinct_channels[static_cast<std::size_t>(program.channel)];
  const std::uint32_t* previous_end = channel.previous_end.data() + begin_;
  const std::uint32_t* next = channel.next.data() + begin_;
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  std::int64_t distinct = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    for (; end < ranges[i].end; ++end) {
      distinct += previous_end[end] <= begin ? 1 : 0;
    }
    for (; begin < ranges[i].begin; ++begin) {
      distinct -= next[begin] >= end ? 1 : 0;
    }
    out[rows_[i]] = static_cast<double>(distinct);
  }
}

/// All sums and means of one channel by differences of prefix states. Where a difference cancels so
/// far that the carried errors no longer cover it, the window is added up anew.
void KeyKernel::RunSums(int channel) {
  const std::span<const double> values = Values(channel);
  const std::uint32_t last = ranges_[0].empty() ? 0 : ranges_[0].back().end;
  prefix_.resize(last + 1);
  prefix_[0] = {};
  double magnitude = 0;
  for (std::uint32_t i = 0; i < last; ++i) {
    prefix_[i + 1] = prefix_[i];
    if (!std::isnan(values[i])) {
      prefix_[i + 1].Add(values[i]);
      magnitude += std::fabs(values[i]);
    }
  }
  // The carried errors are themselves rounded: at most 2^-104 of the sum of magnitudes per
  // addition.
  const double noise = std::ldexp(magnitude * (static_cast<double>(last) + 1), -104);
  for (std::size_t a = 0; a < events_.programs.size(); ++a) {
    const AggregateProgram& program = events_.programs[a];
    if (program.channel != channel || !IsSum(program.function)) {
      continue;
    }
    std::vector<double>& out = output_.aggregates[a];
    const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      SumState state = prefix_[ranges[i].end];
      if (ranges[i].begin > 0) {
        state = state.Since(prefix_[ranges[i].begin]);
        if (state.n > 0 && !(std::ldexp(std::fabs(state.Finish()), -54) > noise)) {
          state = {};
          for (std::uint32_t k = ranges[i].begin; k < ranges[i].end; ++k) {
            if (!std::isnan(values[k])) {
              state.Add(values[k]);
            }
          }
        }
      }
      out[rows_[i]] = program.function == kSum ? state.Finish() : state.FinishMean();
    }
  }
}

/// Over all history an extreme only grows.
template <bool kIsMax>
void KeyKernel::RunExtreme(const AggregateProgram& program, std::vector<double>& out) {
  if (program.window_micros > 0) {
    RunSlidingExtreme<kIsMax>(program, out);
    return;
  }
  const std::span<const double> values = Values(program.channel);
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  ExtremeState<kIsMax> state;
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    for (; end < ranges[i].end; ++end) {
      if (!std::isnan(values[end])) {
        state.Add(values[end]);
      }
    }
    Store(out, i, program, state.Finish());
  }
}

/// Monotonic queue: positions whose value no later one in the window beats; the front is the
/// answer.
template <bool kIsMax>
void KeyKernel::RunSlidingExtreme(const AggregateProgram& program, std::vector<double>& out) {
  const std::span<const double> values = Values(program.channel);
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  deque_.resize(n_);
  std::size_t head = 0;
  std::size_t tail = 0;
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    for (; end < ranges[i].end; ++end) {
      if (std::isnan(values[end])) {
        continue;
      }
      while (tail > head &&
             !ExtremeState<kIsMax>::IsBeyond(values[deque_[tail - 1]], values[end])) {
        --tail;
      }
      deque_[tail++] = end;
    }
    while (head < tail && deque_[head] < ranges[i].begin) {
      ++head;
    }
    Store(out, i, program, head < tail ? values[deque_[head]] : kNull);
  }
}

void KeyKernel::RunFirst(const AggregateProgram& program, std::vector<double>& out) {
  const std::span<const double> values = Values(program.channel);
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    at = std::max(at, ranges[i].begin);
    while (at < ranges[i].end && std::isnan(values[at])) {
      ++at;
    }
    out[rows_[i]] = at < ranges[i].end ? values[at] : kNull;
  }
}

void KeyKernel::RunLast(const AggregateProgram& program, std::vector<double>& out) {
  const std::span<const double> values = Values(program.channel);
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  std::uint32_t end = 0;
  std::uint32_t after_last = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    for (; end < ranges[i].end; ++end) {
      after_last = std::isnan(values[end]) ? after_last : end + 1;
    }
    out[rows_[i]] = after_last > ranges[i].begin ? values[after_last - 1] : kNull;
  }
}

/// Moments cannot be taken away again without loss, so a window is read anew; all history is one
/// sweep.
void KeyKernel::RunStddev(const AggregateProgram& program, std::vector<double>& out) {
  const std::span<const double> values = Values(program.channel);
  const std::vector<Range>& ranges = ranges_[static_cast<std::size_t>(program.window)];
  MomentState state;
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (program.window_micros > 0) {
      state = {};
      end = ranges[i].begin;
    }
    for (; end < ranges[i].end; ++end) {
      if (!std::isnan(values[end])) {
        state.Add(values[end]);
      }
    }
    out[rows_[i]] = state.Finish();
  }
}

void KeyKernel::Run(std::size_t key, std::span<const std::uint32_t> requests) {
  begin_ = events_.key_begin[key];
  n_ = events_.key_begin[key + 1] - begin_;
  time_ = std::span(events_.time).subspan(begin_, n_);
  if (!events_.has_late.empty() && events_.has_late[key] != 0) {
    RunLateKey(requests);
    return;
  }
  RunLookups(requests);
  rows_.clear();
  std::size_t seen = 0;
  for (const std::uint32_t row : requests) {
    const std::int64_t t = as_of_[row];
    while (seen < n_ && (plan_.include_now ? time_[seen] <= t : time_[seen] < t)) {
      ++seen;
    }
    if (seen > 0 && (plan_.ttl_micros == 0 || time_[seen - 1] >= Minus(t, plan_.ttl_micros))) {
      rows_.push_back(row);
      output_.is_alive[row] = 1;
    }
  }
  if (rows_.empty()) {
    return;
  }
  FindRanges();
  for (std::size_t channel = 0; channel < events_.value_channels.size(); ++channel) {
    const bool is_summed = std::any_of(
        events_.programs.begin(), events_.programs.end(), [&](const AggregateProgram& program) {
          return IsSum(program.function) && program.channel == static_cast<int>(channel);
        });
    if (is_summed) {
      RunSums(static_cast<int>(channel));
    }
  }
  for (std::size_t a = 0; a < events_.programs.size(); ++a) {
    const AggregateProgram& program = events_.programs[a];
    std::vector<double>& out = output_.aggregates[a];
    switch (program.function) {
      case kCountRows:
      case kCount:
        RunPassCounts(program, out);
        break;
      case kCountDistinct:
      case kCountDistinctMonths:
        RunDistinct(program, out);
        break;
      case kMin:
      case kDaysSinceMin:
        RunExtreme<false>(program, out);
        break;
      case kMax:
      case kDaysSinceMax:
        RunExtreme<true>(program, out);
        break;
      case kFirst:
        RunFirst(program, out);
        break;
      case kLast:
        RunLast(program, out);
        break;
      case kStddev:
        RunStddev(program, out);
        break;
      case kSum:
      case kAvg:
      case kLatest:
        break;  // Done above.
    }
  }
}

namespace {

template <typename State>
double FinishOver(std::span<const double> values, std::span<const std::uint32_t> positions) {
  State state;
  for (const std::uint32_t position : positions) {
    if (!std::isnan(values[position])) {
      state.Add(values[position]);
    }
  }
  return state.Finish();
}

}  // namespace

/// One aggregate over the given events of the key, added one by one.
double KeyKernel::OverKnown(const AggregateProgram& program,
                            std::span<const std::uint32_t> positions) const {
  if (program.function == kCountRows || program.function == kCount) {
    if (program.channel < 0) {
      return static_cast<double>(positions.size());
    }
    const std::vector<std::uint8_t>& passes =
        events_.pass_channels[static_cast<std::size_t>(program.channel)].passes;
    CountState state;
    for (const std::uint32_t position : positions) {
      state.n += passes[begin_ + position];
    }
    return state.Finish();
  }
  if (program.function == kCountDistinct || program.function == kCountDistinctMonths) {
    const std::vector<std::int32_t>& codes =
        events_.distinct_channels[static_cast<std::size_t>(program.channel)].codes;
    DistinctState state;
    for (const std::uint32_t position : positions) {
      if (codes[begin_ + position] >= 0) {
        state.Add(codes[begin_ + position]);
      }
    }
    return state.Finish();
  }
  const std::span<const double> values = Values(program.channel);
  switch (program.function) {
    case kMin:
    case kDaysSinceMin:
      return FinishOver<MinState>(values, positions);
    case kMax:
    case kDaysSinceMax:
      return FinishOver<MaxState>(values, positions);
    case kFirst:
      return FinishOver<FirstState>(values, positions);
    case kLast:
      return FinishOver<LastState>(values, positions);
    case kStddev:
      return FinishOver<MomentState>(values, positions);
    default:
      break;
  }
  SumState state;
  for (const std::uint32_t position : positions) {
    if (!std::isnan(values[position])) {
      state.Add(values[position]);
    }
  }
  return program.function == kSum ? state.Finish() : state.FinishMean();
}

void KeyKernel::RunLateKey(std::span<const std::uint32_t> requests) {
  std::vector<std::uint32_t> known;
  for (const std::uint32_t row : requests) {
    const std::int64_t t = as_of_[row];
    known.clear();
    std::uint32_t n_before = 0;  // Of `known`: those that aggregates see.
    for (std::uint32_t i = 0; i < n_ && time_[i] <= t; ++i) {
      if (events_.known[begin_ + i] <= t) {
        known.push_back(i);
        n_before += plan_.include_now || time_[i] < t ? 1 : 0;
      }
    }
    const auto is_fresh = [&](std::uint32_t position) {
      return plan_.ttl_micros == 0 || time_[position] >= Minus(t, plan_.ttl_micros);
    };
    std::size_t n_lookup = known.size();
    while (!plan_.lookup_includes_now && n_lookup > 0 && time_[known[n_lookup - 1]] == t) {
      --n_lookup;
    }
    const bool has_lookup = n_lookup > 0 && is_fresh(known[n_lookup - 1]);
    const bool has_events = n_before > 0 && is_fresh(known[n_before - 1]);
    rows_.assign(1, row);
    for (std::size_t a = 0; a < events_.programs.size(); ++a) {
      const AggregateProgram& program = events_.programs[a];
      if (program.function == kLatest) {
        if (has_lookup) {
          output_.is_alive[row] = 1;
          output_.aggregates[a][row] = Values(program.channel)[known[n_lookup - 1]];
        }
        continue;
      }
      if (!has_events) {
        continue;
      }
      output_.is_alive[row] = 1;
      std::size_t first = 0;
      const std::int64_t start = Minus(t, program.window_micros);
      while (program.window_micros > 0 && first < n_before &&
             (plan_.include_now ? time_[known[first]] <= start : time_[known[first]] < start)) {
        ++first;
      }
      const auto seen = std::span<const std::uint32_t>(known).subspan(first, n_before - first);
      Store(output_.aggregates[a], 0, program, OverKnown(program, seen));
    }
  }
}

}  // namespace millrace::features::internal
