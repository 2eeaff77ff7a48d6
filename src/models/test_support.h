// SPDX-License-Identifier: Apache-2.0
// What the tests of this module share: rows at the edges of splits, and small models.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "models/logistic_regression.h"
#include "models/model.h"
#include "models/random_forest.h"

namespace millrace::models::testing {

/// Row-major training data with labels: numeric columns with missing values, and one column of
/// small categories at the end.
struct TrainingRows {
  std::size_t n_features = 0;
  std::vector<double> values;
  std::vector<float> labels;
  std::size_t n_rows() const { return labels.size(); }
};

inline TrainingRows MakeTrainingRows(std::size_t n_rows, std::size_t n_features, int n_categories,
                                     std::uint64_t seed) {
  base::Rng rng(seed);
  TrainingRows rows;
  rows.n_features = n_features;
  for (std::size_t i = 0; i < n_rows; ++i) {
    double score = 0.0;
    for (std::size_t j = 0; j + 1 < n_features; ++j) {
      double value = rng.Normal();
      // Column 1 is mostly zero, so that splits stand next to zero.
      if (j == 1 && rng.Uniform() < 0.5) {
        value = 0.0;
      }
      score += j % 2 == 0 ? value : std::sin(3 * value);
      rows.values.push_back(rng.Uniform() < 0.1 ? std::nan("") : value);
    }
    const auto category = static_cast<double>(rng.Below(static_cast<std::uint64_t>(n_categories)));
    score += std::fmod(category * 7, 5) - 2;
    rows.values.push_back(rng.Uniform() < 0.05 ? std::nan("") : category);
    rows.labels.push_back(score + rng.Normal() > 0 ? 1.0f : 0.0f);
  }
  return rows;
}

/// A split of a numeric feature.
struct Split {
  std::size_t feature;
  double threshold;
};

/// Rows that stand exactly at, one step below and one step above each split (in double and in
/// float32), every special value in every column, and random ones. `highest` bounds the size of the
/// special values; `with_infinity` adds both infinities.
inline std::vector<double> EdgeRows(const TrainingRows& base, const std::vector<Split>& splits,
                                    double highest, bool with_infinity) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::size_t n = base.n_features;
  std::vector<double> rows(base.values.begin(),
                           base.values.begin() + static_cast<std::ptrdiff_t>(200 * n));
  base::Rng rng(7);
  const auto add = [&](std::size_t feature, double value) {
    const std::size_t from = rng.Below(base.n_rows()) * n;
    rows.insert(rows.end(), base.values.begin() + static_cast<std::ptrdiff_t>(from),
                base.values.begin() + static_cast<std::ptrdiff_t>(from + n));
    rows[rows.size() - n + feature] = value;
  };
  // A few thousand splits are enough of a model with many.
  const std::size_t stride = splits.size() / 2500 + 1;
  for (std::size_t k = 0; k < splits.size(); k += stride) {
    const Split& split = splits[k];
    const double t = split.threshold;
    const auto narrow = static_cast<float>(t);
    const float below = std::nextafter(narrow, -std::numeric_limits<float>::infinity());
    const double middle = (static_cast<double>(narrow) + static_cast<double>(below)) / 2;
    for (const double value :
         {t, std::nextafter(t, -kInfinity), std::nextafter(t, kInfinity),
          static_cast<double>(narrow), static_cast<double>(below), middle,
          std::nextafter(middle, -kInfinity), std::nextafter(middle, kInfinity)}) {
      add(split.feature, value);
    }
  }
  const double tiny = static_cast<double>(1e-35f);
  std::vector<double> specials = {0.0,
                                  tiny,
                                  1e-35,
                                  std::nextafter(tiny, 0.0),
                                  std::nextafter(tiny, 1.0),
                                  1e-45,
                                  1e-40,
                                  std::numeric_limits<double>::denorm_min(),
                                  std::numeric_limits<double>::min(),
                                  0.5,
                                  0.999999,
                                  1.0,
                                  16777215.0,
                                  16777216.0,
                                  2147483647.0,
                                  3e38,
                                  1e300};
  for (std::size_t feature = 0; feature < n; ++feature) {
    add(feature, std::nan(""));
    for (const double value : specials) {
      if (value <= highest) {
        add(feature, value);
        add(feature, -value);
      }
    }
    if (with_infinity) {
      add(feature, kInfinity);
      add(feature, -kInfinity);
    }
  }
  return rows;
}

/// Scores rows as one block, one by one and in uneven pieces; expects the same bits from all and
/// returns them.
inline std::vector<double> PredictEveryWay(const Engine& engine, const std::vector<double>& rows) {
  const std::size_t n = engine.n_features();
  const std::size_t n_rows = rows.size() / n;
  std::vector<double> whole(n_rows);
  std::vector<double> other(n_rows);
  engine.Predict(rows.data(), n_rows, whole.data());
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{17}}) {
    for (std::size_t i = 0; i < n_rows; i += piece) {
      engine.Predict(rows.data() + i * n, std::min(piece, n_rows - i), other.data() + i);
    }
    for (std::size_t i = 0; i < n_rows; ++i) {
      EXPECT_EQ(std::bit_cast<std::uint64_t>(whole[i]), std::bit_cast<std::uint64_t>(other[i]))
          << "row " << i;
    }
  }
  return whole;
}

inline void ExpectSameBits(const std::vector<double>& ours, const std::vector<double>& theirs) {
  ASSERT_EQ(ours.size(), theirs.size());
  std::size_t n_different = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (std::bit_cast<std::uint64_t>(ours[i]) != std::bit_cast<std::uint64_t>(theirs[i])) {
      if (n_different++ < 5) {
        ADD_FAILURE() << "row " << i << ": ours " << ours[i] << ", theirs " << theirs[i];
      }
    }
  }
  EXPECT_EQ(n_different, 0U) << "of " << ours.size() << " rows";
}

/// Two trees over "a" and "b": the first splits a at 0.5 (missing left) and then b at -1 (missing
/// right), the second b at 2.
inline ForestData SmallForest() {
  ForestData data;
  data.feature_names = {"a", "b"};
  data.trees.resize(2);
  data.trees[0].nodes = {{.feature = 0,
                          .left = 1,
                          .right = 2,
                          .default_left = true,
                          .threshold = 0.5,
                          .value = 0.4,
                          .gain = 3.0,
                          .weight = 10},
                         {.value = 0.125, .weight = 6},
                         {.feature = 1,
                          .left = 3,
                          .right = 4,
                          .default_left = false,
                          .threshold = -1.0,
                          .value = 0.6,
                          .gain = 1.0,
                          .weight = 4},
                         {.value = 0.25, .weight = 1},
                         {.value = 1.0, .weight = 3}};
  data.trees[1].nodes = {{.feature = 1,
                          .left = 1,
                          .right = 2,
                          .default_left = true,
                          .threshold = 2.0,
                          .value = 0.5,
                          .gain = 0.5,
                          .weight = 10},
                         {.value = 0.5, .weight = 8},
                         {.value = 0.75, .weight = 2}};
  return data;
}

inline LogisticData SmallLogistic() {
  return {.feature_names = {"a", "b", "c"},
          .impute = {1.0, 2.0, 0.0},
          .mean = {1.0, 0.0, 5.0},
          .scale = {2.0, 4.0, 1.0},
          .weights = {0.5, -1.0, 0.0},
          .intercept = 0.25};
}

/// A forest of random trees, larger than one block of the engine's tree buffer if asked for.
inline ForestData RandomForestData(std::size_t n_trees, std::size_t n_features,
                                   std::uint64_t seed) {
  base::Rng rng(seed);
  ForestData data;
  for (std::size_t j = 0; j < n_features; ++j) {
    data.feature_names.push_back("f" + std::to_string(j));
  }
  for (std::size_t t = 0; t < n_trees; ++t) {
    ForestTree tree;
    tree.nodes.resize(1);
    const std::size_t n_splits = rng.Below(32);
    std::vector<std::size_t> leaves = {0};
    for (std::size_t s = 0; s < n_splits; ++s) {
      const std::size_t pick = rng.Below(leaves.size());
      const std::size_t at = leaves[pick];
      leaves.erase(leaves.begin() + static_cast<std::ptrdiff_t>(pick));
      const auto left = tree.nodes.size();
      tree.nodes[at] = {.feature = static_cast<std::int32_t>(rng.Below(n_features)),
                        .left = static_cast<std::int32_t>(left),
                        .right = static_cast<std::int32_t>(left + 1),
                        .default_left = rng.Uniform() < 0.5,
                        .threshold = rng.Normal(),
                        .value = 0.5,
                        .gain = rng.Uniform(),
                        .weight = 1};
      tree.nodes.resize(left + 2);
      leaves.push_back(left);
      leaves.push_back(left + 1);
    }
    for (const std::size_t leaf : leaves) {
      tree.nodes[leaf].value = rng.Uniform();
    }
    data.trees.push_back(std::move(tree));
  }
  return data;
}

/// Normal values with every tenth missing.
inline std::vector<double> RandomRows(std::size_t n_rows, std::size_t n_features,
                                      std::uint64_t seed) {
  base::Rng rng(seed);
  std::vector<double> rows;
  for (std::size_t i = 0; i < n_rows * n_features; ++i) {
    const double value = rng.Normal();
    rows.push_back(rng.Uniform() < 0.1 ? std::nan("") : value);
  }
  return rows;
}

}  // namespace millrace::models::testing
