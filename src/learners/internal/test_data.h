// SPDX-License-Identifier: Apache-2.0
// Rows for tests of learners: the telco data in tests/data, and a context with a pool.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/context.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "data/matrix.h"
#include "learners/learner.h"
#include "metrics/binary.h"
#include "models/model.h"

namespace millrace::learners::internal {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A matrix with its labels.
struct Set {
  data::Matrix rows;
  std::vector<std::uint8_t> labels;
};

/// A context with `threads` threads.
struct TestContext {
  explicit TestContext(int threads, std::uint64_t seed = 42) : pool("cpu", threads) {
    context.logger = logger.get();
    context.clock = &clock;
    context.progress = progress.get();
    context.cpu = &pool;
    context.seed = seed;
    context.stop = stop.get_token();
  }
  std::stop_source stop;
  base::SystemClock clock;
  std::unique_ptr<base::Logger> logger = base::MakeNullLogger();
  std::unique_ptr<base::Progress> progress = base::MakeSilentProgress();
  base::ThreadPool pool;
  Context context;
};

/// Splits "a,b,,c" at commas.
inline std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

/// Rows of telco_churn_numeric.csv whose index % 5 is in [low, high]: 0 test, 1 validation, 2 to 4
/// train.
inline Set Telco(std::size_t low, std::size_t high) {
  std::ifstream file(std::string(MILLRACE_SOURCE_DIR) +
                     "/tests/data/telco_churn/telco_churn_numeric.csv");
  EXPECT_TRUE(file.good());
  std::string line;
  std::getline(file, line);
  Set set;
  set.rows.names = Fields(line);
  set.rows.names.pop_back();
  for (std::size_t i = 0; std::getline(file, line); ++i) {
    if (i % 5 < low || i % 5 > high) {
      continue;
    }
    std::vector<std::string> fields = Fields(line);
    set.labels.push_back(fields.back() == "1" ? 1 : 0);
    fields.pop_back();
    for (const std::string& field : fields) {
      set.rows.values.push_back(field.empty() ? kNaN : std::strtod(field.c_str(), nullptr));
    }
    ++set.rows.rows;
  }
  return set;
}

/// n rows of d normal columns, d >= 3 (every 17th value missing), with labels that depend on the
/// first three.
inline Set Synthetic(std::size_t n, std::size_t d, std::uint64_t seed) {
  MILL_CHECK_LE(3U, d);
  base::Rng rng(seed);
  Set set;
  set.rows.rows = n;
  for (std::size_t j = 0; j < d; ++j) {
    set.rows.names.push_back("x" + std::to_string(j));
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> row(d);
    for (double& value : row) {
      value = rng.Normal();
    }
    const double z = row[0] - 0.5 * row[1] * row[2];
    set.labels.push_back(rng.Uniform() < 1 / (1 + std::exp(-z)) ? 1 : 0);
    for (const double value : row) {
      set.rows.values.push_back(set.rows.values.size() % 17 == 0 ? kNaN : value);
    }
  }
  return set;
}

inline double AucOn(const models::Estimator& estimator, const Set& set) {
  std::vector<double> scores(set.rows.rows);
  estimator.MakeEngine()->Predict(set.rows.values.data(), set.rows.rows, scores.data());
  return metrics::RocAuc(scores, set.labels).value();
}

inline Result<Trained> TrainOn(const Learner& learner, const Context& context, const Set& train,
                               const Set& validation, const Params& params = {}) {
  return learner.Train(
      context, TrainingData{train.rows, train.labels, validation.rows, validation.labels}, params);
}

}  // namespace millrace::learners::internal
