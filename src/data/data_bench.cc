// SPDX-License-Identifier: Apache-2.0
// How fast tables cross the borders: Parquet, DuckDB and back, hashing. One million rows, nine
// columns.
#include <filesystem>

#include <benchmark/benchmark.h>

#include "data/parquet.h"
#include "data/sql_engine.h"

namespace millrace::data {
namespace {

constexpr std::int64_t kRows = 1'000'000;

const Table& Retail() {
  static const Table table = [] {
    const auto engine = OpenDuckDb().value();
    return engine
        ->Query(Context{},
                "SELECT (536365 + i // 20)::VARCHAR AS invoice_no, 'S' || (i * 7919 % 4000) AS "
                "stock_code, "
                "'A description of product ' || (i * 7919 % 4000) AS description, 1 + i % 12 AS "
                "quantity, "
                "TIMESTAMP '2009-12-01' + to_seconds(i * 60) AS invoice_date, (i % 400) / 16.0 AS "
                "unit_price, "
                "12000 + i * 104729 % 6000 AS customer_id, 'United Kingdom' AS country, "
                "quantity * unit_price AS amount FROM range(1000000) r(i)")
        .value();
  }();
  return table;
}

std::filesystem::path File() {
  return std::filesystem::temp_directory_path() / "millrace_data_bench.parquet";
}

void CheckRows(benchmark::State& state, const Table& table) {
  if (table.rows() != kRows || table.names().size() != 9) {
    state.SkipWithError("wrong result");
  }
}

void WriteParquetFile(benchmark::State& state) {
  for (auto _ : state) {
    if (!WriteParquet(Context{}, Retail(), File()).ok()) {
      state.SkipWithError("cannot write");
    }
  }
}

void ReadParquetFile(benchmark::State& state) {
  for (auto _ : state) {
    CheckRows(state, ReadParquet(Context{}, File()).value());
  }
}

void QueryParquetFile(benchmark::State& state) {
  const auto engine = OpenDuckDb().value();
  const std::vector<std::filesystem::path> files = {File()};
  if (!engine->AddFiles("retail", files).ok()) {
    state.SkipWithError("cannot open");
  }
  for (auto _ : state) {
    CheckRows(state, engine->Query(Context{}, "SELECT * FROM retail").value());
  }
}

void AddTableToSql(benchmark::State& state) {
  const auto engine = OpenDuckDb().value();
  for (auto _ : state) {
    if (!engine->AddTable("retail", Retail()).ok()) {
      state.SkipWithError("cannot load");
    }
  }
}

void HashTable(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Retail().Hash());
  }
}

void ReadStrings(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Retail().Strings("description").value());
  }
}

void OpenEngine(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(OpenDuckDb().value());
  }
}

BENCHMARK(WriteParquetFile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ReadParquetFile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(QueryParquetFile)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(AddTableToSql)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(HashTable)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(ReadStrings)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(OpenEngine)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace millrace::data
