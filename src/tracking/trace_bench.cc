// SPDX-License-Identifier: Apache-2.0
// Writing traces, and searches inside the spans of 100,000 traces with five spans each (one
// kilobyte a span, 550 MB).
#include <array>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "store/metadata.h"
#include "tracking/internal/schema.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

using nlohmann::json;

constexpr int kTraces = 100'000;
constexpr int kTracesAtOnce = 100;
constexpr int kSpans = 5;

std::string Hex(std::uint64_t number, int digits) {
  char text[40];
  std::snprintf(text, sizeof(text), "%0*lx", digits, number);
  return text;
}

// What a small agent does: a root, a retrieval, two calls of a model and a tool.
std::vector<Span> MakeTrace(std::mt19937_64& random, int number) {
  constexpr std::array<const char*, kSpans> kNames = {"agent", "retrieve", "plan", "answer",
                                                      "tool"};
  constexpr std::array<const char*, kSpans> kTypes = {"AGENT", "RETRIEVER", "LLM", "LLM", "TOOL"};
  const std::string trace_hex = Hex(random(), 16) + Hex(random(), 16);
  std::vector<Span> spans;
  for (int i = 0; i < kSpans; ++i) {
    Span span;
    span.trace_id = "tr-" + trace_hex;
    span.span_id = Hex(random(), 16);
    span.parent_id = i == 0 ? "" : spans[0].span_id;
    span.name = i == 4 ? "tool_" + std::to_string(random() % 1000) : kNames[i];
    span.type = kTypes[i];
    span.status = random() % 50 == 0 ? "ERROR" : "OK";
    span.start_time_ns = 1'700'000'000'000'000'000 + number * 1'000'000LL + i * 1000;
    span.end_time_ns = span.start_time_ns + 500'000;
    std::string words;
    while (words.size() < 250) {
      words += "word" + std::to_string(random() % 10'000) + " ";
    }
    json attributes = {
        {"mlflow.traceRequestId", json(span.trace_id).dump()},
        {"mlflow.spanType", json(span.type).dump()},
        {"mlflow.spanInputs", json{{"messages", {{{"role", "user"}, {"content", words}}}}}.dump()},
        {"mlflow.spanOutputs", json{{"answer", words.substr(0, 200)}}.dump()},
        {"user.id", json("user-" + std::to_string(random() % 20'000)).dump()}};
    if (span.type == "LLM") {
      attributes["model"] = json("model-" + std::to_string(random() % 20)).dump();
      attributes["temperature"] = "0.7";
      attributes["mlflow.chat.tokenUsage"] =
          R"({"input_tokens": 10, "output_tokens": 20, "total_tokens": 30})";
    }
    span.content = json{{"trace_id", trace_hex},
                        {"span_id", span.span_id},
                        {"parent_span_id", span.parent_id},
                        {"name", span.name},
                        {"start_time_unix_nano", span.start_time_ns},
                        {"end_time_unix_nano", span.end_time_ns},
                        {"events", json::array()},
                        {"status", {{"code", "STATUS_CODE_" + span.status}, {"message", ""}}},
                        {"attributes", attributes},
                        {"links", json::array()}}
                       .dump();
    spans.push_back(std::move(span));
  }
  return spans;
}

/// A store of its own folder, empty.
struct Bench {
  Bench() {
    std::string pattern = std::filesystem::temp_directory_path() / "trace_bench_XXXXXX";
    MILL_CHECK(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    metadata = store::OpenSqlite(folder / "metadata.db").value();
    MILL_CHECK_OK(internal::MigrateAll(*metadata));
    MILL_CHECK_OK(
        metadata->Execute("INSERT INTO experiments (experiment_id, name, artifact_location, "
                          "lifecycle_stage, creation_time, last_update_time) VALUES (1, 'bench', "
                          "'', 'active', 0, 0)"));
    traces = TraceStore::Open(*metadata, clock).value();
  }
  ~Bench() {
    traces.reset();
    metadata.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  std::filesystem::path folder;
  base::ManualClock clock{Timestamp{1'700'000'000'000'000}};
  std::unique_ptr<store::Metadata> metadata;
  std::unique_ptr<TraceStore> traces;
};

Bench& Filled() {
  static Bench bench;
  static const bool is_filled = [] {
    std::mt19937_64 random(1);
    for (int i = 0; i < kTraces; i += kTracesAtOnce) {
      std::vector<Span> batch;
      for (int k = 0; k < kTracesAtOnce; ++k) {
        for (Span& span : MakeTrace(random, i + k)) {
          batch.push_back(std::move(span));
        }
      }
      MILL_CHECK_OK(bench.traces->LogSpans("1", batch, {}));
    }
    return true;
  }();
  MILL_CHECK(is_filled);
  return bench;
}

// One trace a call: what a client that exports each trace by itself sees of the store.
void BM_WriteTrace(benchmark::State& state) {
  Bench bench;
  std::mt19937_64 random(2);
  int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::vector<Span> spans = MakeTrace(random, number++);
    state.ResumeTiming();
    MILL_CHECK_OK(bench.traces->LogSpans("1", spans, {}));
  }
}
BENCHMARK(BM_WriteTrace)->Unit(benchmark::kMicrosecond)->UseRealTime()->Iterations(2000);

void BM_WriteHundredTraces(benchmark::State& state) {
  Bench bench;
  std::mt19937_64 random(3);
  int number = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Span> batch;
    for (int k = 0; k < kTracesAtOnce; ++k) {
      for (Span& span : MakeTrace(random, number++)) {
        batch.push_back(std::move(span));
      }
    }
    state.ResumeTiming();
    MILL_CHECK_OK(bench.traces->LogSpans("1", batch, {}));
  }
}
BENCHMARK(BM_WriteHundredTraces)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(30);

void Search(benchmark::State& state, const std::string& filter, std::size_t least) {
  Bench& bench = Filled();
  for (auto _ : state) {
    const auto page = bench.traces->Search({.experiment_ids = {"1"}, .filter = filter});
    MILL_CHECK(page.ok() && page->items.size() >= least);
  }
}
#define MILL_SEARCH_BENCH(name, filter, least) \
  BENCHMARK_CAPTURE(Search, name, filter, least)->Unit(benchmark::kMillisecond)->UseRealTime()

MILL_SEARCH_BENCH(CommonName, "span.name = 'answer'", 100);
MILL_SEARCH_BENCH(RareName, "span.name = 'tool_7'", 50);
MILL_SEARCH_BENCH(AbsentName, "span.name = 'nothing'", 0);
MILL_SEARCH_BENCH(NamePattern, "span.name LIKE 'tool_77%'", 50);
MILL_SEARCH_BENCH(TypeAndStatus, "span.type = 'TOOL' AND span.status = 'ERROR'", 100);
MILL_SEARCH_BENCH(CommonAttribute, "span.attributes.model = 'model-3'", 100);
MILL_SEARCH_BENCH(RareAttribute, "span.attributes.user.id = 'user-77'", 5);
MILL_SEARCH_BENCH(AbsentAttribute, "span.attributes.none LIKE '%x%'", 0);
MILL_SEARCH_BENCH(AttributePattern, "span.attributes.user.id LIKE '%-777%'", 50);
MILL_SEARCH_BENCH(RareText, "trace.text LIKE '%word77 word88%'", 0);

}  // namespace
}  // namespace millrace::tracking
