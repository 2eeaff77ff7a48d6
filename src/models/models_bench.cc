// SPDX-License-Identifier: Apache-2.0
// Scoring 500 trees of 31 leaves over 28 features: our engine against LightGBM's C API, one row at
// a time and in blocks.
#include <cmath>
#include <string>
#include <vector>

#include <LightGBM/c_api.h>
#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/rng.h"
#include "models/lightgbm.h"

namespace millrace::models {
namespace {

constexpr std::size_t kFeatures = 28;
constexpr std::size_t kRows = 4096;
constexpr int kTrees = 500;

/// One booster for all benchmarks, our engine of it, and rows with every tenth value missing.
struct Fixture {
  BoosterHandle booster = nullptr;
  FastConfigHandle fast = nullptr;
  std::unique_ptr<Engine> engine;
  std::vector<double> rows;

  static const Fixture& Get() {
    static const Fixture fixture;
    return fixture;
  }

  Fixture() {
    base::Rng rng(1);
    std::vector<float> labels;
    for (std::size_t i = 0; i < kRows; ++i) {
      double score = 0.0;
      for (std::size_t j = 0; j < kFeatures; ++j) {
        const double value = rng.Normal();
        score += j % 3 == 0 ? std::sin(2 * value) : 0.0;
        rows.push_back(rng.Uniform() < 0.1 ? std::nan("") : value);
      }
      labels.push_back(score + rng.Normal() > 0 ? 1.0f : 0.0f);
    }
    const char* parameters =
        "objective=binary verbosity=-1 num_threads=1 num_leaves=31 min_data_in_leaf=5";
    DatasetHandle data = nullptr;
    MILL_CHECK_EQ(LGBM_DatasetCreateFromMat(rows.data(), C_API_DTYPE_FLOAT64, kRows, kFeatures, 1,
                                            parameters, nullptr, &data),
                  0);
    MILL_CHECK_EQ(LGBM_DatasetSetField(data, "label", labels.data(), kRows, C_API_DTYPE_FLOAT32),
                  0);
    MILL_CHECK_EQ(LGBM_BoosterCreate(data, parameters, &booster), 0);
    int is_finished = 0;
    for (int i = 0; i < kTrees; ++i) {
      MILL_CHECK_EQ(LGBM_BoosterUpdateOneIter(booster, &is_finished), 0);
    }
    std::string text(1 << 24, '\0');
    std::int64_t size = 0;
    MILL_CHECK_EQ(
        LGBM_BoosterSaveModelToString(booster, 0, -1, 0, static_cast<std::int64_t>(text.size()),
                                      &size, text.data()),
        0);
    text.resize(static_cast<std::size_t>(size) - 1);
    auto estimator = ParseLightGbm(text);
    MILL_CHECK_OK(estimator);
    engine = (*estimator)->MakeEngine();
    MILL_CHECK_EQ(LGBM_BoosterPredictForMatSingleRowFastInit(booster, C_API_PREDICT_NORMAL, 0, -1,
                                                             C_API_DTYPE_FLOAT64, kFeatures,
                                                             "num_threads=1", &fast),
                  0);
    // The comparison is worth nothing if the two do not answer the same.
    std::vector<double> ours(kRows);
    std::vector<double> theirs(kRows);
    engine->Predict(rows.data(), kRows, ours.data());
    MILL_CHECK_EQ(LGBM_BoosterPredictForMat(booster, rows.data(), C_API_DTYPE_FLOAT64, kRows,
                                            kFeatures, 1, C_API_PREDICT_NORMAL, 0, -1,
                                            "num_threads=1", &size, theirs.data()),
                  0);
    MILL_CHECK(ours == theirs);
  }
};

void BM_OneRowMillrace(benchmark::State& state) {
  const Fixture& fixture = Fixture::Get();
  std::size_t at = 0;
  double score = 0.0;
  for (auto _ : state) {
    fixture.engine->Predict(fixture.rows.data() + at * kFeatures, 1, &score);
    benchmark::DoNotOptimize(score);
    at = (at + 1) % kRows;
  }
}
BENCHMARK(BM_OneRowMillrace);

void BM_OneRowLightGbm(benchmark::State& state) {
  const Fixture& fixture = Fixture::Get();
  std::size_t at = 0;
  double score = 0.0;
  std::int64_t size = 0;
  for (auto _ : state) {
    LGBM_BoosterPredictForMatSingleRowFast(fixture.fast, fixture.rows.data() + at * kFeatures,
                                           &size, &score);
    benchmark::DoNotOptimize(score);
    at = (at + 1) % kRows;
  }
}
BENCHMARK(BM_OneRowLightGbm);

void BM_BlockMillrace(benchmark::State& state) {
  const Fixture& fixture = Fixture::Get();
  std::vector<double> scores(kRows);
  for (auto _ : state) {
    fixture.engine->Predict(fixture.rows.data(), kRows, scores.data());
    benchmark::DoNotOptimize(scores.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kRows) * state.iterations());
}
BENCHMARK(BM_BlockMillrace)->Unit(benchmark::kMillisecond);

void BM_BlockLightGbm(benchmark::State& state) {
  const Fixture& fixture = Fixture::Get();
  std::vector<double> scores(kRows);
  std::int64_t size = 0;
  for (auto _ : state) {
    LGBM_BoosterPredictForMat(fixture.booster, fixture.rows.data(), C_API_DTYPE_FLOAT64, kRows,
                              kFeatures, 1, C_API_PREDICT_NORMAL, 0, -1, "num_threads=1", &size,
                              scores.data());
    benchmark::DoNotOptimize(scores.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kRows) * state.iterations());
}
BENCHMARK(BM_BlockLightGbm)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace millrace::models
