// SPDX-License-Identifier: Apache-2.0
// History: grouping of requests by key, the kernel over blocks of keys, derived features, and the
// table of answers.
#include "features/history.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "features/internal/events.h"
#include "features/internal/key_kernel.h"
#include "features/internal/vector_expression.h"

namespace millrace::features {
namespace {

using internal::Events;
using internal::KernelOutput;

constexpr std::size_t kBlockKeys = 64;
constexpr std::size_t kBlockRows = 2048;

/// Request rows by key, each key's by as-of ascending.
struct Requests {
  std::vector<std::uint32_t> rows;
  /// The keys that are asked for and where their rows begin; begin has one more.
  std::vector<std::size_t> keys;
  std::vector<std::size_t> begin;
};

Requests GroupByKey(const std::vector<std::int32_t>& row_keys, std::span<const std::int64_t> as_of,
                    std::size_t n_keys) {
  std::vector<std::size_t> offsets(n_keys + 1, 0);
  for (const std::int32_t key : row_keys) {
    if (key >= 0) {
      ++offsets[static_cast<std::size_t>(key) + 1];
    }
  }
  std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
  Requests requests;
  requests.rows.resize(offsets.back());
  std::vector<std::size_t> next(offsets.begin(), offsets.end() - 1);
  for (std::size_t row = 0; row < row_keys.size(); ++row) {
    if (row_keys[row] >= 0) {
      requests.rows[next[static_cast<std::size_t>(row_keys[row])]++] =
          static_cast<std::uint32_t>(row);
    }
  }
  const auto is_before = [&](std::uint32_t a, std::uint32_t b) {
    return as_of[a] != as_of[b] ? as_of[a] < as_of[b] : a < b;
  };
  for (std::size_t key = 0; key < n_keys; ++key) {
    if (offsets[key] == offsets[key + 1]) {
      continue;
    }
    const auto first = requests.rows.begin() + static_cast<std::ptrdiff_t>(offsets[key]);
    const auto last = requests.rows.begin() + static_cast<std::ptrdiff_t>(offsets[key + 1]);
    if (!std::is_sorted(first, last, is_before)) {
      std::sort(first, last, is_before);
    }
    requests.keys.push_back(key);
    requests.begin.push_back(offsets[key]);
  }
  requests.begin.push_back(offsets.back());
  return requests;
}

Result<KernelOutput> RunKernel(const Context& context, const Events& events, const ViewPlan& plan,
                               const std::vector<std::int32_t>& row_keys,
                               std::span<const std::int64_t> as_of) {
  const Requests requests = GroupByKey(row_keys, as_of, events.keys.size());
  KernelOutput output;
  output.aggregates.resize(plan.aggregates.size());
  MILL_RETURN_IF_ERROR(
      context.cpu->ParallelFor(context, output.aggregates.size(), 1,
                               [&](std::size_t begin, std::size_t end) -> Result<void> {
                                 for (std::size_t a = begin; a < end; ++a) {
                                   output.aggregates[a].assign(as_of.size(), kNull);
                                 }
                                 return {};
                               }));
  output.is_alive.assign(as_of.size(), 0);
  MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(
      context, requests.keys.size(), kBlockKeys,
      [&](std::size_t begin, std::size_t end) -> Result<void> {
        internal::KeyKernel kernel(events, plan, as_of, output);
        for (std::size_t i = begin; i < end; ++i) {
          const std::size_t n = requests.begin[i + 1] - requests.begin[i];
          kernel.Run(requests.keys[i], std::span(requests.rows).subspan(requests.begin[i], n));
        }
        return {};
      }));
  return output;
}

/// The view's columns in order: aggregates as computed, then derived features block by block.
Result<std::vector<std::vector<double>>> RunDerived(const Context& context, const ViewPlan& plan,
                                                    KernelOutput output) {
  const std::size_t rows = output.is_alive.size();
  std::vector<std::vector<double>> columns(plan.columns.size());
  std::vector<std::size_t> derived_columns(plan.derived.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const std::size_t index = static_cast<std::size_t>(plan.columns[c].index);
    if (plan.columns[c].is_derived) {
      columns[c].resize(rows);
      derived_columns[index] = c;
    } else {
      columns[c] = std::move(output.aggregates[index]);
    }
  }
  std::vector<internal::VectorColumn> inputs;
  for (const std::vector<double>& column : columns) {
    inputs.push_back({column.data(), nullptr, nullptr});
  }
  std::vector<internal::VectorExpression> expressions;
  expressions.reserve(plan.derived.size());
  for (const Expression& expression : plan.derived) {
    expressions.emplace_back(expression, inputs);
  }
  MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(
      context, rows, kBlockRows, [&](std::size_t begin, std::size_t end) -> Result<void> {
        for (std::size_t d = 0; d < expressions.size(); ++d) {
          double* out = columns[derived_columns[d]].data();
          expressions[d].Evaluate(begin, end - begin, out + begin);
          for (std::size_t row = begin; row < end; ++row) {
            out[row] = output.is_alive[row] != 0 ? out[row] : kNull;
          }
        }
        return {};
      }));
  return columns;
}

Result<data::Table> ToTable(const ViewPlan& plan, const std::vector<std::vector<double>>& columns) {
  data::TableBuilder builder;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (plan.columns[c].type != data::ColumnType::kInt64) {
      builder.AddDoubles(plan.columns[c].name, columns[c]);
      continue;
    }
    std::vector<std::int64_t> counts(columns[c].size());
    std::vector<std::uint8_t> is_null(columns[c].size());
    for (std::size_t row = 0; row < counts.size(); ++row) {
      is_null[row] = std::isnan(columns[c][row]) ? 1 : 0;
      counts[row] = is_null[row] != 0 ? 0 : static_cast<std::int64_t>(columns[c][row]);
    }
    builder.AddInt64s(plan.columns[c].name, counts, is_null);
  }
  return builder.Finish();
}

}  // namespace

struct History::Impl {
  ViewPlan plan;
  Events events;
};

History::History(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {
}

Result<History> History::Make(const Context& context, const ViewPlan& plan,
                              const data::Table& source) {
  Result<Events> events = Events::Load(context, plan, source);
  if (!events.ok()) {
    return std::move(events).error().With("view \"" + plan.name + "\"");
  }
  return History(std::make_shared<const Impl>(Impl{plan, *std::move(events)}));
}

Result<data::Table> History::Evaluate(const Context& context, const KeyColumn& keys,
                                      std::span<const std::int64_t> as_of_micros) const {
  const ViewPlan& plan = impl_->plan;
  if (keys.size() != as_of_micros.size()) {
    return base::InvalidArgument("view \"" + plan.name + "\": " + std::to_string(keys.size()) +
                                 " keys, but " + std::to_string(as_of_micros.size()) +
                                 " as-of times; wanted one per key");
  }
  if (keys.size() > 0 && keys.type() != plan.key_type) {
    return base::InvalidArgument("view \"" + plan.name + "\": the requested keys have type " +
                                 std::string(data::ColumnTypeName(keys.type())) + ", key \"" +
                                 plan.key + "\" has type " +
                                 std::string(data::ColumnTypeName(plan.key_type)))
        .Hint("an integer and its text are different keys; cast one of the two");
  }
  std::vector<std::int32_t> row_keys;
  if (keys.size() > 0) {
    row_keys = impl_->events.keys.Find(keys);
  }
  MILL_ASSIGN_OR_RETURN(KernelOutput output,
                        RunKernel(context, impl_->events, plan, row_keys, as_of_micros));
  MILL_ASSIGN_OR_RETURN(const auto columns, RunDerived(context, plan, std::move(output)));
  return ToTable(plan, columns);
}

KeyColumn History::Keys() const {
  std::vector<std::int32_t> all(impl_->events.keys.size());
  std::iota(all.begin(), all.end(), 0);
  return impl_->events.keys.Column(all);
}

KeyColumn History::KeysAlive(Timestamp as_of) const {
  const ViewPlan& plan = impl_->plan;
  const Events& events = impl_->events;
  const bool has_lookup =
      std::any_of(plan.aggregates.begin(), plan.aggregates.end(),
                  [](const Aggregate& a) { return a.function == AggregateFunction::kLatest; });
  const bool sees_now = plan.include_now || (has_lookup && plan.lookup_includes_now);
  const std::int64_t t = as_of.micros;
  std::vector<std::int32_t> alive;
  for (std::size_t key = 0; key < events.keys.size(); ++key) {
    for (std::size_t i = events.key_begin[key + 1]; i > events.key_begin[key]; --i) {
      const std::int64_t time = events.time[i - 1];
      const bool is_visible =
          (sees_now ? time <= t : time < t) && (events.known.empty() || events.known[i - 1] <= t);
      if (is_visible) {
        if (plan.ttl_micros == 0 || static_cast<double>(t) - static_cast<double>(time) <=
                                        static_cast<double>(plan.ttl_micros)) {
          alive.push_back(static_cast<std::int32_t>(key));
        }
        break;
      }
    }
  }
  return events.keys.Column(alive);
}

std::int64_t History::events() const {
  return static_cast<std::int64_t>(impl_->events.time.size());
}

}  // namespace millrace::features
