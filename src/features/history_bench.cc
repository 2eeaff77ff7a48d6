// SPDX-License-Identifier: Apache-2.0
// How fast history is sorted and evaluated: synthetic events, and the demo's own when
// bench/feature_history.py hands them over.
#include <cstdlib>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/config.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "data/parquet.h"
#include "features/history.h"

namespace millrace::features {
namespace {

/// Two threads in all: the calling one works too.
struct BenchContext {
  base::ThreadPool pool{"cpu", 1};
  std::unique_ptr<base::Logger> logger = base::MakeNullLogger();
  Context context;
  BenchContext() {
    context.cpu = &pool;
    context.logger = logger.get();
  }
};

Result<ViewPlan> CompileFirst(const std::string& yaml, const data::Table& source) {
  MILL_ASSIGN_OR_RETURN(const base::YamlNode node, base::YamlNode::Parse(yaml, "features.yaml"));
  base::ErrorList errors;
  const FeatureFile file = FeatureFile::Declared().Read(node, errors);
  if (!errors.empty()) {
    return errors.ToError();
  }
  MILL_ASSIGN_OR_RETURN(
      std::vector<ViewPlan> plans,
      CompileFeatures(file, [&](std::string_view) -> Result<std::vector<data::ColumnInfo>> {
        return source.columns();
      }));
  return std::move(plans.front());
}

/// Sort and evaluate: what a first run pays.
void Measure(benchmark::State& state, const ViewPlan& plan, const data::Table& source,
             const KeyColumn& keys, const std::vector<std::int64_t>& as_of,
             const std::string& output) {
  const BenchContext bench;
  data::Table features;
  for (auto _ : state) {
    const Result<History> history = History::Make(bench.context, plan, source);
    if (!history.ok()) {
      state.SkipWithError(history.error().ToString().c_str());
      return;
    }
    Result<data::Table> table = history->Evaluate(bench.context, keys, as_of);
    if (!table.ok()) {
      state.SkipWithError(table.error().ToString().c_str());
      return;
    }
    features = *std::move(table);
  }
  state.counters["requests/s"] = benchmark::Counter(static_cast<double>(as_of.size()),
                                                    benchmark::Counter::kIsIterationInvariantRate);
  if (!output.empty()) {
    if (const Result<void> written = data::WriteParquet(bench.context, features, output);
        !written.ok()) {
      state.SkipWithError(written.error().ToString().c_str());
    }
  }
}

/// The folder that bench/feature_history.py prepared: transactions.parquet and requests.parquet;
/// features.parquet is written there.
void HistoryOfDemo(benchmark::State& state) {
  const char* folder = std::getenv("MILLRACE_BENCH_DATA");
  const char* features = std::getenv("MILLRACE_BENCH_FEATURES");
  if (folder == nullptr || features == nullptr) {
    state.SkipWithError("runs through bench/feature_history.py, which sets MILLRACE_BENCH_DATA");
    return;
  }
  const BenchContext bench;
  const std::string path = folder;
  const auto source =
      data::ReadParquet(bench.context, data::Location(path + "/transactions.parquet"));
  const auto requests =
      data::ReadParquet(bench.context, data::Location(path + "/requests.parquet"));
  const auto yaml = base::ReadFile(features);
  if (!source.ok() || !requests.ok() || !yaml.ok()) {
    state.SkipWithError("cannot read the prepared tables or the feature file");
    return;
  }
  const auto plan = CompileFirst(*yaml, *source);
  if (!plan.ok()) {
    state.SkipWithError(plan.error().ToString().c_str());
    return;
  }
  Measure(state, *plan, *source, KeyColumn::FromTable(*requests, "customer_id").value(),
          requests->Timestamps("as_of").value().values, path + "/features.parquet");
}
BENCHMARK(HistoryOfDemo)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();

/// A million events of ten thousand keys in order of time, twelve as-of times.
void HistoryOfSyntheticEvents(benchmark::State& state) {
  constexpr std::size_t kEvents = 1'000'000;
  constexpr std::uint64_t kKeys = 10'000;
  base::Rng rng(1);
  std::vector<std::int64_t> keys;
  std::vector<std::int64_t> times;
  std::vector<std::int64_t> items;
  std::vector<double> amounts;
  for (std::size_t i = 0; i < kEvents; ++i) {
    keys.push_back(static_cast<std::int64_t>(rng.Below(kKeys)));
    times.push_back(static_cast<std::int64_t>(i) * 30 * base::kMicrosPerSecond);
    items.push_back(static_cast<std::int64_t>(rng.Below(5000)));
    amounts.push_back(rng.Uniform() * 100);
  }
  data::TableBuilder builder;
  builder.AddInt64s("key", keys)
      .AddTimestamps("t", times)
      .AddInt64s("item", items)
      .AddDoubles("amount", amounts);
  const data::Table source = builder.Finish().value();
  std::vector<std::int64_t> request_keys;
  std::vector<std::int64_t> as_of;
  for (std::int64_t month = 1; month <= 12; ++month) {
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      request_keys.push_back(static_cast<std::int64_t>(key));
      as_of.push_back(month * 28 * base::kMicrosPerDay);
    }
  }
  const auto plan = CompileFirst(
      "entity: e\nkey: key\nviews:\n  v:\n    source: s\n    time: t\n    features:\n"
      "      n: count(*)\n      s: sum(amount)\n      s30: sum(amount) over 30d\n      m90: "
      "max(amount) over 90d\n"
      "      d: count_distinct(item)\n      d90: count_distinct(item) over 90d\n      r: "
      "days_since(max(t))\n",
      source);
  Measure(state, plan.value(), source, KeyColumn::Int64s(request_keys), as_of, "");
}
BENCHMARK(HistoryOfSyntheticEvents)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

}  // namespace
}  // namespace millrace::features
