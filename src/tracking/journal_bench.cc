// SPDX-License-Identifier: Apache-2.0
// The metric journal: groups a second with and without fdatasync, opening, replay, and a plot of
// ten million points.
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include "tracking/internal/journal_points.h"

namespace millrace::tracking::internal {
namespace {

/// A folder with a database, removed at the end.
class Folder {
 public:
  Folder() {
    std::string pattern = "journal_bench_XXXXXX";
    MILL_CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = std::filesystem::absolute(pattern);
    metadata_ = store::OpenSqlite(path_ / "metadata.db").value();
    MILL_CHECK_OK(metadata_->Execute(
        "CREATE TABLE runs (run_key INTEGER PRIMARY KEY);"
        "CREATE TABLE counters (name TEXT PRIMARY KEY, number INTEGER NOT NULL);"
        "CREATE TABLE latest_metrics (run_key INTEGER NOT NULL, name_id INTEGER NOT NULL, "
        "value REAL NOT NULL, timestamp INTEGER NOT NULL, step INTEGER NOT NULL, is_nan INTEGER "
        "NOT NULL, change INTEGER NOT NULL, PRIMARY KEY (run_key, name_id)) WITHOUT ROWID"));
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::unique_ptr<JournalPoints> Open(const JournalOptions& options = {}) {
    return JournalPoints::Open(path_ / "points", *metadata_, options).value();
  }

 private:
  std::filesystem::path path_;
  std::unique_ptr<store::Metadata> metadata_;
};

void Log(JournalPoints& journal, std::span<const SeriesPoint> points) {
  std::unique_ptr<PointGroup> group = journal.BeginGroup().value();
  MILL_CHECK_OK(group->Append(points));
  MILL_CHECK_OK(group->Write(0));
  group->Publish();
}

/// Step, clock with a little noise, and a loss that falls with noise: what training logs.
MetricPoint TrainingPoint(std::int64_t i) {
  const auto noise = static_cast<std::int64_t>(static_cast<std::uint64_t>(i) * 2654435761U % 7);
  return {1'700'000'000'000 + 50 * i + noise, i,
          1.0 / (1.0 + static_cast<double>(i) * 1e-4) + static_cast<double>(noise) * 1e-3};
}

void BM_GroupOfEight(benchmark::State& state) {
  Folder folder;
  JournalOptions options;
  options.durability = state.range(0) == 0 ? store::Durability::kProcess : store::Durability::kDisk;
  const auto journal = folder.Open(options);
  std::vector<SeriesPoint> points(8);
  std::int64_t i = 0;
  for (auto _ : state) {
    for (std::int64_t j = 0; j < 8; ++j) {
      points[static_cast<std::size_t>(j)] = {{1 + j, 1}, TrainingPoint(i)};
    }
    ++i;
    Log(*journal, points);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_GroupOfEight)->ArgName("fdatasync")->Arg(0)->Arg(1)->UseRealTime();

void BM_BatchOfThousand(benchmark::State& state) {
  Folder folder;
  const auto journal = folder.Open();
  std::vector<SeriesPoint> points(1000);
  std::int64_t i = 0;
  for (auto _ : state) {
    for (SeriesPoint& point : points) {
      point = {{1, 1 + i % 10}, TrainingPoint(i)};
      ++i;
    }
    Log(*journal, points);
  }
  state.SetItemsProcessed(i);
}
BENCHMARK(BM_BatchOfThousand)->UseRealTime();

void BM_OpenEmpty(benchmark::State& state) {
  Folder folder;
  for (auto _ : state) {
    benchmark::DoNotOptimize(folder.Open());
  }
}
BENCHMARK(BM_OpenEmpty)->Unit(benchmark::kMicrosecond);

/// Reads a journal of points, a series each or ten series of one run.
void BM_Replay(benchmark::State& state) {
  Folder folder;
  JournalOptions options;
  options.compacts_by_itself = false;
  constexpr std::int64_t kPoints = 1'000'000;
  {
    const auto journal = folder.Open(options);
    std::vector<SeriesPoint> points(10'000);
    for (std::int64_t i = 0; i < kPoints;) {
      for (SeriesPoint& point : points) {
        point = {{state.range(0) == 0 ? 1 : i, 1 + i / 100 % 10}, TrainingPoint(i)};
        ++i;
      }
      Log(*journal, points);
    }
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(folder.Open(options));
  }
  state.SetItemsProcessed(state.iterations() * kPoints);
}
BENCHMARK(BM_Replay)->ArgName("series_each")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

/// Ten million points of one series in segments; made once.
std::unique_ptr<Folder>& TenMillion() {
  static std::unique_ptr<Folder> folder = [] {
    auto made = std::make_unique<Folder>();
    const auto journal = made->Open();
    std::vector<SeriesPoint> points(50'000);
    for (std::int64_t i = 0; i < 10'000'000;) {
      for (SeriesPoint& point : points) {
        point = {{1, 1}, TrainingPoint(i++)};
      }
      Log(*journal, points);
    }
    MILL_CHECK_OK(journal->Compact());
    return made;
  }();
  return folder;
}

/// Opening included, so that nothing is in memory but the kernel's pages.
void BM_PlotOfTenMillion(benchmark::State& state) {
  Folder& folder = *TenMillion();
  for (auto _ : state) {
    const auto journal = folder.Open();
    const auto plot = journal->Downsampled({1, 1}, 0, 10'000'000, static_cast<int>(state.range(0)));
    MILL_CHECK(plot.ok() && plot->size() <= static_cast<std::size_t>(4 * state.range(0)));
  }
}
BENCHMARK(BM_PlotOfTenMillion)
    ->ArgName("buckets")
    ->Arg(100)
    ->Arg(1000)
    ->Unit(benchmark::kMillisecond);

void BM_LastPageOfTenMillion(benchmark::State& state) {
  Folder& folder = *TenMillion();
  const auto journal = folder.Open();
  for (auto _ : state) {
    const auto page = journal->History({1, 1}, 9'990'000, 25'000);
    MILL_CHECK(page.ok() && page->size() == 10'000);
  }
}
BENCHMARK(BM_LastPageOfTenMillion)->Unit(benchmark::kMicrosecond);

void BM_RemoveFolder(benchmark::State& state) {
  for (auto _ : state) {
    TenMillion().reset();
  }
}
BENCHMARK(BM_RemoveFolder)->Iterations(1);

}  // namespace
}  // namespace millrace::tracking::internal
