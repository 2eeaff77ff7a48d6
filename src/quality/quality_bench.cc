// SPDX-License-Identifier: Apache-2.0
// How long a suite of fifteen expectations takes over 800,000 retail rows.
#include <benchmark/benchmark.h>

#include "base/thread_pool.h"
#include "data/sql_engine.h"
#include "data/table.h"
#include "quality/suite.h"

namespace millrace::quality {
namespace {

const data::Table& Retail() {
  static const data::Table table = [] {
    const auto engine = data::OpenDuckDb().value();
    return engine
        ->Query(
            Context{},
            "SELECT (536365 + i // 20)::VARCHAR AS invoice_no, 'S' || (i * 7919 % 4000) AS "
            "stock_code, "
            "i AS line, 1 + i % 12 AS quantity, TIMESTAMP '2009-12-01' + to_seconds(i * 60) AS "
            "invoice_date, "
            "(1 + i % 400) / 16.0::DOUBLE AS unit_price, 12000 + i * 104729 % 6000 AS customer_id, "
            "'United Kingdom' AS country, quantity * unit_price AS amount FROM range(800000) r(i)")
        .value();
  }();
  return table;
}

Suite FifteenExpectations() {
  const auto node = base::YamlNode::Parse(
      "table: transactions\nexpectations:\n"
      "  - {expect: table_row_count_to_be_between, min: 1000}\n"
      "  - {expect: column_values_to_not_be_null, column: customer_id}\n"
      "  - {expect: column_values_to_be_between, column: quantity, min: 1, max: 100000}\n"
      "  - {expect: column_values_to_be_between, column: unit_price, min: 0, strict_min: true}\n"
      "  - {expect: column_values_to_be_between, column: invoice_date, min: 2009-12-01, max: "
      "2011-12-10}\n"
      "  - {expect: column_values_to_match_regex, column: invoice_no, regex: '^[0-9]{6}$'}\n"
      "  - {expect: column_value_lengths_to_be_between, column: stock_code, min: 1, max: 12}\n"
      "  - {expect: column_values_to_be_increasing, column: invoice_date}\n"
      "  - {expect: column_values_to_be_in_set, column: country, value_set: [United Kingdom]}\n"
      "  - {expect: column_values_to_be_unique, column: line}\n"
      "  - {expect: column_mean_to_be_between, column: unit_price, min: 1, max: 20}\n"
      "  - {expect: column_median_to_be_between, column: quantity, min: 1, max: 20}\n"
      "  - {expect: column_sum_to_be_between, column: amount, min: 100}\n"
      "  - {expect: column_unique_value_count_to_be_between, column: customer_id, min: 100}\n"
      "  - {expect: column_pair_values_a_to_be_greater_than_b, column_a: amount, column_b: "
      "unit_price, or_equal: true}\n",
      "bench.yaml");
  base::ErrorList errors;
  return Suite::Declared().Read(node.value(), errors);
}

void CheckSuite(benchmark::State& state) {
  const Suite suite = FifteenExpectations();
  const data::Table& table = Retail();
  base::ThreadPool pool("cpu", 1);
  Context context;
  context.cpu = state.range(0) > 1 ? &pool : nullptr;  // the calling thread works too
  for (auto _ : state) {
    const SuiteResult result = Check(context, suite, table).value();
    if (result.passed() != 15) {
      state.SkipWithError("an expectation failed");
    }
  }
}

BENCHMARK(CheckSuite)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace millrace::quality
