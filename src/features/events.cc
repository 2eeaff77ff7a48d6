// SPDX-License-Identifier: Apache-2.0
// Loading of events: read the columns, number the keys, sort once, cut the channels.
#include "features/internal/events.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/thread_pool.h"
#include "features/aggregates.h"
#include "features/internal/vector_expression.h"

namespace millrace::features::internal {
namespace {

using data::ColumnType;

constexpr std::size_t kBlockRows = 16384;

/// A source column as read, in the order of the source.
struct RawInput {
  ColumnType type = ColumnType::kDouble;
  /// Filled by what the plan needs of it.
  std::vector<double> numbers;
  data::Int64Column int64s;
  data::StringColumn texts;
};

struct RawSource {
  KeyColumn keys;
  data::Int64Column times;
  data::Int64Column created;
  std::vector<RawInput> inputs;
};

Result<RawInput> ReadInput(const data::Table& source, const data::ColumnInfo& input) {
  RawInput raw;
  raw.type = input.type;
  MILL_ASSIGN_OR_RETURN(const ColumnType seen, source.TypeOf(input.name));
  if (seen != input.type) {
    return base::InvalidArgument(
               "column \"" + input.name + "\" has type " + std::string(data::ColumnTypeName(seen)) +
               ", the compiled view wants " + std::string(data::ColumnTypeName(input.type)))
        .Hint("compile the view against this source's schema");
  }
  if (seen == ColumnType::kString) {
    MILL_ASSIGN_OR_RETURN(raw.texts, source.Strings(input.name));
    return raw;
  }
  if (seen == ColumnType::kDouble) {
    MILL_ASSIGN_OR_RETURN(raw.numbers, source.Doubles(input.name));
    return raw;
  }
  if (seen == ColumnType::kTimestamp) {
    MILL_ASSIGN_OR_RETURN(raw.int64s, source.Timestamps(input.name));
  } else {
    MILL_ASSIGN_OR_RETURN(raw.int64s, source.Int64s(input.name));
  }
  raw.numbers.resize(raw.int64s.values.size());
  for (std::size_t i = 0; i < raw.numbers.size(); ++i) {
    raw.numbers[i] = raw.int64s.IsNull(i) ? kNull : static_cast<double>(raw.int64s.values[i]);
  }
  return raw;
}

Result<RawSource> ReadSource(const Context& context, const ViewPlan& plan,
                             const data::Table& source) {
  RawSource raw;
  raw.inputs.resize(plan.inputs.size());
  const auto read_one = [&](std::size_t i) -> Result<void> {
    if (i == 0) {
      MILL_ASSIGN_OR_RETURN(raw.keys, KeyColumn::FromTable(source, plan.key));
    } else if (i == 1) {
      MILL_ASSIGN_OR_RETURN(raw.times, source.Timestamps(plan.time));
    } else if (i == 2) {
      if (!plan.created.empty()) {
        MILL_ASSIGN_OR_RETURN(raw.created, source.Timestamps(plan.created));
      }
    } else {
      MILL_ASSIGN_OR_RETURN(raw.inputs[i - 3], ReadInput(source, plan.inputs[i - 3]));
    }
    return {};
  };
  const auto read_some = [&](std::size_t begin, std::size_t end) -> Result<void> {
    for (std::size_t i = begin; i < end; ++i) {
      MILL_RETURN_IF_ERROR(read_one(i));
    }
    return {};
  };
  MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(context, raw.inputs.size() + 3, 1, read_some));
  if (raw.keys.type() != plan.key_type) {
    return base::InvalidArgument(
        "key \"" + plan.key + "\" has type " + std::string(data::ColumnTypeName(raw.keys.type())) +
        ", the compiled view wants " + std::string(data::ColumnTypeName(plan.key_type)));
  }
  return raw;
}

/// Row numbers of the source by key, each key's in the order of (time, created, sequence).
struct Sorted {
  std::vector<std::uint32_t> rows;
  std::vector<std::size_t> key_begin;
};

std::int64_t KnownAt(const RawSource& raw, std::size_t row) {
  // A row without created time is taken as known since it happened.
  return raw.created.values.empty() || raw.created.IsNull(row) ? raw.times.values[row]
                                                               : raw.created.values[row];
}

Sorted SortRows(const std::vector<std::int32_t>& row_keys, std::size_t n_keys) {
  Sorted sorted;
  sorted.key_begin.assign(n_keys + 1, 0);
  for (const std::int32_t key : row_keys) {
    if (key >= 0) {
      ++sorted.key_begin[static_cast<std::size_t>(key) + 1];
    }
  }
  std::partial_sum(sorted.key_begin.begin(), sorted.key_begin.end(), sorted.key_begin.begin());
  sorted.rows.resize(sorted.key_begin.back());
  std::vector<std::size_t> next(sorted.key_begin.begin(), sorted.key_begin.end() - 1);
  for (std::size_t row = 0; row < row_keys.size(); ++row) {
    if (row_keys[row] >= 0) {
      sorted.rows[next[static_cast<std::size_t>(row_keys[row])]++] =
          static_cast<std::uint32_t>(row);
    }
  }
  return sorted;
}

/// Rows of one key come in the order of the source, so a source in order of time is sorted already.
Result<void> SortWithinKeys(const Context& context, const RawSource& raw, Sorted& sorted) {
  const auto is_before = [&](std::uint32_t a, std::uint32_t b) {
    if (raw.times.values[a] != raw.times.values[b]) {
      return raw.times.values[a] < raw.times.values[b];
    }
    const std::int64_t known_a = KnownAt(raw, a);
    const std::int64_t known_b = KnownAt(raw, b);
    return known_a != known_b ? known_a < known_b : a < b;
  };
  return context.cpu->ParallelFor(
      context, sorted.key_begin.size() - 1, 256,
      [&](std::size_t begin, std::size_t end) -> Result<void> {
        for (std::size_t key = begin; key < end; ++key) {
          const auto first =
              sorted.rows.begin() + static_cast<std::ptrdiff_t>(sorted.key_begin[key]);
          const auto last =
              sorted.rows.begin() + static_cast<std::ptrdiff_t>(sorted.key_begin[key + 1]);
          if (!std::is_sorted(first, last, is_before)) {
            std::sort(first, last, is_before);
          }
        }
        return {};
      });
}

template <typename T>
std::vector<T> Gather(const std::vector<T>& values, const std::vector<std::uint32_t>& rows) {
  std::vector<T> out(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out[i] = values[rows[i]];
  }
  return out;
}

/// Calendar year and month of an instant as one number, UTC.
std::int64_t MonthOf(std::int64_t micros) {
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::microseconds>(std::chrono::microseconds(micros)));
  const std::chrono::year_month_day date(day);
  return static_cast<int>(date.year()) * 12 +
         static_cast<int>(static_cast<unsigned>(date.month())) - 1;
}

/// Codes of an input's values in the order of the source; equal values have equal codes, -1 is
/// null.
std::vector<std::int32_t> CodesOf(const RawInput& input, bool by_month, std::size_t& n_codes) {
  if (input.type == ColumnType::kString) {
    n_codes = input.texts.values.size();
    return input.texts.codes;
  }
  const std::size_t n = input.numbers.size();
  std::vector<std::int32_t> codes(n, -1);
  DenseCodes dense;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(input.numbers[i])) {
      continue;
    }
    std::int64_t value = 0;
    if (input.type == ColumnType::kDouble) {
      // Adding 0 makes one zero of two.
      value = std::bit_cast<std::int64_t>(input.numbers[i] + 0.0);
    } else {
      value = by_month ? MonthOf(input.int64s.values[i]) : input.int64s.values[i];
    }
    codes[i] = dense.Add(value);
  }
  n_codes = dense.values().size();
  return codes;
}

template <typename Channel>
int FindOrAdd(std::vector<Channel>& channels, Channel wanted,
              bool (*is_same)(const Channel&, const Channel&)) {
  for (std::size_t i = 0; i < channels.size(); ++i) {
    if (is_same(channels[i], wanted)) {
      return static_cast<int>(i);
    }
  }
  channels.push_back(std::move(wanted));
  return static_cast<int>(channels.size()) - 1;
}

/// Chooses the channel of every aggregate; equal (input, filter) pairs share one.
void MakePrograms(const ViewPlan& plan, Events& events) {
  using enum AggregateFunction;
  for (const Aggregate& aggregate : plan.aggregates) {
    AggregateProgram program;
    program.function = aggregate.function;
    program.window_micros = aggregate.window_micros;
    const auto window =
        std::find(events.windows.begin(), events.windows.end(), aggregate.window_micros);
    program.window = static_cast<int>(window - events.windows.begin());
    if (window == events.windows.end()) {
      events.windows.push_back(aggregate.window_micros);
    }
    if (aggregate.function == kCountRows || aggregate.function == kCount) {
      if (aggregate.input >= 0 || aggregate.filter >= 0) {
        program.channel =
            FindOrAdd<PassChannel>(events.pass_channels, {aggregate.input, aggregate.filter, {}},
                                   [](const PassChannel& a, const PassChannel& b) {
                                     return a.input == b.input && a.filter == b.filter;
                                   });
      }
    } else if (aggregate.function == kCountDistinct || aggregate.function == kCountDistinctMonths) {
      DistinctChannel channel;
      channel.input = aggregate.input;
      channel.filter = aggregate.filter;
      channel.by_month = aggregate.function == kCountDistinctMonths;
      program.channel = FindOrAdd<DistinctChannel>(
          events.distinct_channels, std::move(channel),
          [](const DistinctChannel& a, const DistinctChannel& b) {
            return a.input == b.input && a.filter == b.filter && a.by_month == b.by_month;
          });
    } else {
      program.channel =
          FindOrAdd<ValueChannel>(events.value_channels, {aggregate.input, aggregate.filter, {}},
                                  [](const ValueChannel& a, const ValueChannel& b) {
                                    return a.input == b.input && a.filter == b.filter;
                                  });
    }
    events.programs.push_back(program);
  }
}

/// Links each event with its equal neighbours in the key.
void Link(const std::vector<std::size_t>& key_begin, std::size_t n_codes,
          DistinctChannel& channel) {
  const std::size_t n = channel.codes.size();
  channel.previous_end.assign(n, DistinctChannel::kSkip);
  channel.next.assign(n, 0);
  // Where a code was seen last, as a position over all keys plus 1; positions before the key's
  // begin belong to other keys.
  std::vector<std::uint32_t> last(n_codes, 0);
  for (std::size_t key = 0; key + 1 < key_begin.size(); ++key) {
    const std::size_t begin = key_begin[key];
    for (std::size_t i = begin; i < key_begin[key + 1]; ++i) {
      if (channel.codes[i] < 0) {
        continue;
      }
      std::uint32_t& seen = last[static_cast<std::size_t>(channel.codes[i])];
      channel.previous_end[i] = 0;
      if (seen > begin) {
        channel.previous_end[i] = seen - static_cast<std::uint32_t>(begin);
        channel.next[seen - 1] = static_cast<std::uint32_t>(i - begin);
      }
      channel.next[i] = DistinctChannel::kNoNext;
      seen = static_cast<std::uint32_t>(i) + 1;
    }
  }
}

/// Evaluates the plan's filters in the order of the source; 1 where a condition holds.
Result<std::vector<std::vector<std::uint8_t>>> EvaluateFilters(const Context& context,
                                                               const ViewPlan& plan,
                                                               const RawSource& raw) {
  std::vector<VectorColumn> columns;
  for (const RawInput& input : raw.inputs) {
    columns.push_back(input.type == ColumnType::kString
                          ? VectorColumn{nullptr, input.texts.codes.data(), &input.texts.values}
                          : VectorColumn{input.numbers.data(), nullptr, nullptr});
  }
  const std::size_t rows = raw.times.values.size();
  std::vector<std::vector<std::uint8_t>> masks;
  for (const Expression& filter : plan.filters) {
    const VectorExpression expression(filter, columns);
    std::vector<std::uint8_t> mask(rows);
    MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(
        context, rows, kBlockRows, [&](std::size_t begin, std::size_t end) -> Result<void> {
          std::vector<double> values(end - begin);
          expression.Evaluate(begin, end - begin, values.data());
          for (std::size_t i = begin; i < end; ++i) {
            mask[i] = values[i - begin] == 1.0 ? 1 : 0;
          }
          return {};
        }));
    masks.push_back(std::move(mask));
  }
  return masks;
}

using Masks = std::vector<std::vector<std::uint8_t>>;

bool Passes(const Masks& masks, int filter, std::size_t row) {
  return filter < 0 || masks[static_cast<std::size_t>(filter)][row] != 0;
}

void FillValues(const RawSource& raw, const Masks& masks, const std::vector<std::uint32_t>& rows,
                ValueChannel& channel) {
  const std::vector<double>& numbers = raw.inputs[static_cast<std::size_t>(channel.input)].numbers;
  channel.values.resize(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    channel.values[i] = Passes(masks, channel.filter, rows[i]) ? numbers[rows[i]] : kNull;
  }
}

void FillPasses(const RawSource& raw, const Masks& masks, const std::vector<std::uint32_t>& rows,
                PassChannel& channel) {
  channel.passes.resize(rows.size());
  const RawInput* input =
      channel.input < 0 ? nullptr : &raw.inputs[static_cast<std::size_t>(channel.input)];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool is_null = input != nullptr &&
                         (input->type == ColumnType::kString ? input->texts.codes[rows[i]] < 0
                                                             : std::isnan(input->numbers[rows[i]]));
    channel.passes[i] = !is_null && Passes(masks, channel.filter, rows[i]) ? 1 : 0;
  }
}

void FillDistinct(const RawSource& raw, const Masks& masks, const Sorted& sorted,
                  DistinctChannel& channel) {
  std::size_t n_codes = 0;
  const std::vector<std::int32_t> codes =
      CodesOf(raw.inputs[static_cast<std::size_t>(channel.input)], channel.by_month, n_codes);
  channel.codes.resize(sorted.rows.size());
  for (std::size_t i = 0; i < sorted.rows.size(); ++i) {
    channel.codes[i] = Passes(masks, channel.filter, sorted.rows[i]) ? codes[sorted.rows[i]] : -1;
  }
  Link(sorted.key_begin, n_codes, channel);
}

Result<void> FillChannels(const Context& context, const RawSource& raw, const Masks& masks,
                          const Sorted& sorted, Events& events) {
  const std::size_t n_distinct = events.distinct_channels.size();
  const std::size_t n_values = events.value_channels.size();
  const std::size_t n = n_distinct + n_values + events.pass_channels.size() + 1;
  // The distinct channels cost most, so they come first.
  return context.cpu->ParallelFor(
      context, n, 1, [&](std::size_t begin, std::size_t end) -> Result<void> {
        for (std::size_t i = begin; i < end; ++i) {
          if (i < n_distinct) {
            FillDistinct(raw, masks, sorted, events.distinct_channels[i]);
          } else if (i < n_distinct + n_values) {
            FillValues(raw, masks, sorted.rows, events.value_channels[i - n_distinct]);
          } else if (i + 1 < n) {
            FillPasses(raw, masks, sorted.rows, events.pass_channels[i - n_distinct - n_values]);
          } else {
            events.time = Gather(raw.times.values, sorted.rows);
          }
        }
        return {};
      });
}

/// Keeps the created times if some event became known later than it happened.
void FillKnown(const RawSource& raw, const Sorted& sorted, Events& events) {
  const std::size_t n_keys = sorted.key_begin.size() - 1;
  std::vector<std::int64_t> known(sorted.rows.size());
  std::vector<std::uint8_t> has_late(n_keys, 0);
  bool any_late = false;
  for (std::size_t key = 0; key < n_keys; ++key) {
    for (std::size_t i = sorted.key_begin[key]; i < sorted.key_begin[key + 1]; ++i) {
      known[i] = KnownAt(raw, sorted.rows[i]);
      if (known[i] > raw.times.values[sorted.rows[i]]) {
        has_late[key] = 1;
        any_late = true;
      }
    }
  }
  if (any_late) {
    events.known = std::move(known);
    events.has_late = std::move(has_late);
  }
}

Result<void> CheckTimes(const ViewPlan& plan, const RawSource& raw) {
  if (raw.times.values.size() >= DistinctChannel::kSkip) {
    return base::ResourceExhausted("source \"" + plan.source + "\" has " +
                                   std::to_string(raw.times.values.size()) +
                                   " rows, one history holds fewer than 4,294,967,295")
        .Hint("split the source by key or by time");
  }
  std::size_t n_null = 0;
  std::size_t first = 0;
  for (std::size_t row = 0; row < raw.times.is_null.size(); ++row) {
    if (raw.times.is_null[row] != 0) {
      first = n_null == 0 ? row : first;
      ++n_null;
    }
  }
  if (n_null == 0) {
    return {};
  }
  return base::InvalidArgument(
             "time column \"" + plan.time + "\" of source \"" + plan.source +
             "\": " + std::to_string(n_null) + " of " + std::to_string(raw.times.values.size()) +
             " rows have no event time (first: row " + std::to_string(first) + ")")
      .Hint(
          "drop or repair such rows in the table's SQL: an event without a time cannot be placed "
          "before or after anything");
}

}  // namespace

Result<Events> Events::Load(const Context& context, const ViewPlan& plan,
                            const data::Table& source) {
  MILL_ASSIGN_OR_RETURN(const RawSource raw, ReadSource(context, plan, source));
  MILL_RETURN_IF_ERROR(CheckTimes(plan, raw));
  Events events;
  std::vector<std::int32_t> row_keys;
  events.keys.Build(raw.keys, row_keys);
  Sorted sorted = SortRows(row_keys, events.keys.size());
  MILL_RETURN_IF_ERROR(SortWithinKeys(context, raw, sorted));
  MILL_ASSIGN_OR_RETURN(const Masks masks, EvaluateFilters(context, plan, raw));
  MakePrograms(plan, events);
  MILL_RETURN_IF_ERROR(FillChannels(context, raw, masks, sorted, events));
  if (!plan.created.empty() && plan.as_known_then) {
    FillKnown(raw, sorted, events);
  }
  events.key_begin = std::move(sorted.key_begin);
  return events;
}

}  // namespace millrace::features::internal
