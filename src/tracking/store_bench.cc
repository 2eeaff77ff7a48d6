// SPDX-License-Identifier: Apache-2.0
// What the tracking store costs without the network: writes of several threads that share an
// fdatasync, and pages of runs.
#include <atomic>
#include <filesystem>
#include <stdlib.h>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/clock.h"
#include "store/metadata.h"
#include "store/workspace.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

struct Opened {
  Opened() {
    std::string pattern = std::filesystem::temp_directory_path() / "store_bench_XXXXXX";
    MILL_CHECK(mkdtemp(pattern.data()) != nullptr);
    root = pattern;
    workspace = std::make_unique<store::Workspace>(
        store::Workspace::Open(root / "workspace", true).value());
    metadata = store::OpenSqlite(workspace->MetadataPath()).value();
    tracking = TrackingStore::Open(*metadata, *workspace, clock).value();
  }
  ~Opened() {
    tracking.reset();
    metadata.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  std::string NewRun() { return tracking->CreateRun({}).value().info.run_id; }

  std::filesystem::path root;
  base::SystemClock clock;
  std::unique_ptr<store::Workspace> workspace;
  std::unique_ptr<store::Metadata> metadata;
  std::unique_ptr<TrackingStore> tracking;
};

std::unique_ptr<Opened> opened;
std::vector<std::string> runs;

void Open(const benchmark::State& state) {
  opened = std::make_unique<Opened>();
  runs.clear();
  for (int i = 0; i < state.threads(); ++i) {
    runs.push_back(opened->NewRun());
  }
}
void Close(const benchmark::State& /*state*/) {
  opened.reset();
}

void LogMetric(benchmark::State& state) {
  const std::string& run = runs[static_cast<std::size_t>(state.thread_index())];
  std::int64_t step = 0;
  for (auto _ : state) {
    MILL_CHECK_OK(opened->tracking->LogMetric(run, {"loss", 0.5, 1'700'000'000'000 + step, step}));
    ++step;
  }
  MILL_CHECK_EQ(opened->tracking->GetRun(run).value().metrics.at("loss").step, step - 1);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(LogMetric)
    ->Setup(Open)
    ->Teardown(Close)
    ->Threads(1)
    ->Threads(8)
    ->Threads(64)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void LogBatchOf1000(benchmark::State& state) {
  const std::string& run = runs[static_cast<std::size_t>(state.thread_index())];
  std::vector<Metric> metrics(1000);
  std::int64_t step = 0;
  for (auto _ : state) {
    for (Metric& metric : metrics) {
      metric = {"loss", 0.25 * static_cast<double>(step), 1'700'000'000'000 + step, step};
      ++step;
    }
    MILL_CHECK_OK(opened->tracking->LogBatch(run, metrics, {}));
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(LogBatchOf1000)
    ->Setup(Open)
    ->Teardown(Close)
    ->Threads(1)
    ->Threads(8)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void CreateRun(benchmark::State& state) {
  for (auto _ : state) {
    MILL_CHECK(!opened->NewRun().empty());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CreateRun)
    ->Setup(Open)
    ->Teardown(Close)
    ->Threads(1)
    ->Threads(8)
    ->MeasureProcessCPUTime()
    ->UseRealTime();

void SearchThousandRuns(benchmark::State& state) {
  for (int i = 0; i < 1000; ++i) {
    const std::string run = opened->NewRun();
    std::vector<Metric> metrics;
    std::vector<Param> params;
    for (int k = 0; k < 20; ++k) {
      metrics.push_back({"metric_" + std::to_string(k), i + 0.5, 1'700'000'000'000, 0});
      params.push_back({"param_" + std::to_string(k), std::to_string(i)});
    }
    MILL_CHECK_OK(opened->tracking->LogBatch(run, metrics, params));
  }
  RunSearch search;
  search.experiment_ids = {"0"};
  search.max_results = static_cast<int>(state.range(0));
  for (auto _ : state) {
    const Page<Run> page = opened->tracking->SearchRuns(search).value();
    MILL_CHECK_EQ(page.items.size(), static_cast<std::size_t>(state.range(0)));
    MILL_CHECK_EQ(page.items[0].metrics.size(), 20U);
  }
}
BENCHMARK(SearchThousandRuns)
    ->Setup(Open)
    ->Teardown(Close)
    ->Arg(100)
    ->Arg(1000)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::tracking
