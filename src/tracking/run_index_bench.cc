// SPDX-License-Identifier: Apache-2.0
// Searches over one million runs with ten metrics, a parameter and a tag each: first use, then
// warm, and what the process takes in memory.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include <benchmark/benchmark.h>

#include "store/metadata.h"
#include "tracking/internal/journal_points.h"
#include "tracking/internal/run_index.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

constexpr std::int64_t kRuns = 1'000'000;
constexpr std::int64_t kMetrics = 10;
constexpr std::int64_t kParam = 11;
constexpr std::int64_t kTag = 12;
constexpr std::size_t kRowsAtOnce = 100;

/// Gathers rows and inserts many with one statement.
class Inserter {
 public:
  Inserter(store::Metadata& metadata, std::string head, std::size_t n_columns)
      : metadata_(metadata), head_(std::move(head)), n_columns_(n_columns) {}
  void Add(std::initializer_list<store::Value> row) {
    values_.insert(values_.end(), row.begin(), row.end());
    if (values_.size() == kRowsAtOnce * n_columns_) {
      std::string sql = head_;
      for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
        sql += (i == 0 ? " VALUES (" : ", (") + Marks(n_columns_) + ")";
      }
      MILL_CHECK_OK(metadata_.Execute(sql, values_));
      values_.clear();
    }
  }

 private:
  store::Metadata& metadata_;
  std::string head_;
  std::size_t n_columns_;
  std::vector<store::Value> values_;
};

void Fill(store::Metadata& metadata) {
  MILL_CHECK_OK(MigrateAll(metadata));
  auto transaction = store::Transaction::Begin(metadata).value();
  MILL_CHECK_OK(
      metadata.Execute("INSERT INTO experiments (experiment_id, name, artifact_location, "
                       "lifecycle_stage, creation_time, last_update_time) VALUES (1, 'bench', '', "
                       "'active', 0, 0)"));
  for (std::int64_t id = 1; id <= kTag; ++id) {
    const std::string name = id <= kMetrics ? "metric_" + std::to_string(id - 1)
                             : id == kParam ? "model"
                                            : "mlflow.runName";
    MILL_CHECK_OK(metadata.Execute("INSERT INTO names (name_id, name) VALUES (?, ?)", {id, name}));
  }
  std::mt19937_64 random(1);
  Inserter runs(metadata,
                "INSERT INTO runs (run_key, run_id, experiment_id, name, user_id, status, "
                "start_time, end_time, artifact_uri, lifecycle_stage, change)",
                11);
  Inserter params(metadata, "INSERT INTO params (run_key, name_id, value)", 3);
  Inserter tags(metadata, "INSERT INTO tags (run_key, name_id, value)", 3);
  Inserter metrics(
      metadata, "INSERT INTO latest_metrics (run_key, name_id, value, timestamp, step, is_nan)", 6);
  for (std::int64_t key = 1; key <= kRuns; ++key) {
    char id[33];
    std::snprintf(id, sizeof(id), "%016lx%016lx", random(), random());
    const std::string name = "run-" + std::to_string(random() % 1'000'000);
    runs.Add({key, std::string(id), std::int64_t{1}, name, std::string("ann"),
              static_cast<std::int64_t>(1 + random() % 4), std::int64_t{1'700'000'000'000} + key,
              std::int64_t{1'700'000'100'000} + key, std::string("mlflow-artifacts:/1/") + id,
              std::string("active"), std::int64_t{1}});
    params.Add({key, kParam, "model-" + std::to_string(random() % 50)});
    tags.Add({key, kTag, name});
    for (std::int64_t metric = 1; metric <= kMetrics; ++metric) {
      metrics.Add({key, metric, static_cast<double>(random() >> 11) * 0x1p-53, std::int64_t{1},
                   std::int64_t{1}, std::int64_t{0}});
    }
  }
  MILL_CHECK_OK(transaction.Commit());
}

double ResidentMegabytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) {
      return std::stod(line.substr(6)) / 1024;
    }
  }
  return 0;
}

struct Bench {
  Bench() {
    folder = std::filesystem::temp_directory_path() / "millrace_run_index_bench";
    const bool is_new = !std::filesystem::exists(folder / "filled");
    std::filesystem::create_directories(folder);
    metadata = store::OpenSqlite(folder / "metadata.db").value();
    if (is_new) {
      Fill(*metadata);
      std::ofstream(folder / "filled") << "1";
    }
    points = OpenJournalPoints(folder / "points", *metadata, store::Durability::kDisk).value();
    index = RunIndex::Make(*metadata, *points);
  }
  std::filesystem::path folder;
  std::unique_ptr<store::Metadata> metadata;
  std::unique_ptr<MetricPoints> points;
  std::unique_ptr<RunIndex> index;
};

Bench& Shared() {
  static Bench bench;
  return bench;
}

IndexQuery Query(const std::string& filter, const std::vector<std::string>& order) {
  return {.experiment_ids = {1},
          .view = ViewType::kActiveOnly,
          .filter = ParseFilter(filter, SearchTarget::kRuns).value(),
          .order = ParseOrderBy(order, SearchTarget::kRuns).value(),
          .offset = 0,
          .limit = 100};
}

void Run(benchmark::State& state, const IndexQuery& query) {
  RunIndex& index = *Shared().index;
  for (auto _ : state) {
    const auto found = index.Search(query);
    if (!found.ok() || found->size() != 101) {
      state.SkipWithError("wrong result");
      return;
    }
    benchmark::DoNotOptimize(found->data());
  }
  state.counters["resident_mb"] = ResidentMegabytes();
}

void FirstUse(benchmark::State& state) {
  for (auto _ : state) {
    Shared().index = RunIndex::Make(*Shared().metadata, *Shared().points);
    if (Shared().index->Search(Query("", {})).value().size() != 101) {
      state.SkipWithError("wrong result");
    }
  }
  state.counters["resident_mb"] = ResidentMegabytes();
}
void FirstMetrics(benchmark::State& state) {
  Run(state, Query("metrics.metric_0 > 0.5", {}));
}
void FirstTexts(benchmark::State& state) {
  Run(state, Query("params.model = 'model-7' AND run_name LIKE '%7%'", {}));
}
void MetricsParamAndOrder(benchmark::State& state) {
  Run(state,
      Query("metrics.metric_0 > 0.5 AND metrics.metric_1 < 0.5 AND params.model != 'model-7'",
            {"metrics.metric_2 DESC"}));
}
void OneMetricAndOrder(benchmark::State& state) {
  Run(state, Query("metrics.metric_0 > 0.1", {"metrics.metric_2"}));
}
void NoFilter(benchmark::State& state) {
  Run(state, Query("", {}));
}
void RareParam(benchmark::State& state) {
  Run(state, Query("params.model = 'model-7'", {"metrics.metric_3", "start_time"}));
}
void NameLike(benchmark::State& state) {
  Run(state, Query("run_name LIKE '%77%'", {"run_name"}));
}

// In this order: the first ones pay for the columns.
BENCHMARK(FirstUse)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(FirstMetrics)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(FirstTexts)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(MetricsParamAndOrder)->Unit(benchmark::kMillisecond);
BENCHMARK(OneMetricAndOrder)->Unit(benchmark::kMillisecond);
BENCHMARK(NoFilter)->Unit(benchmark::kMillisecond);
BENCHMARK(RareParam)->Unit(benchmark::kMillisecond);
BENCHMARK(NameLike)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::tracking::internal
