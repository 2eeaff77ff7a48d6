// SPDX-License-Identifier: Apache-2.0
// Bins and trees of the forest by hand.
#include "models/random_forest.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "learners/internal/binned.h"
#include "learners/internal/test_data.h"
#include "learners/registry.h"

namespace millrace::learners {
namespace {

using internal::BinnedMatrix;
using internal::GrowTree;
using internal::kMissingBin;
using internal::kNaN;
using internal::TreeSettings;

BinnedMatrix Bin(const data::Matrix& rows, std::size_t max_bins) {
  BinnedMatrix binned;
  binned.rows = rows.rows;
  binned.columns = rows.names.size();
  binned.bins.resize(binned.rows * binned.columns);
  binned.bounds.resize(binned.columns);
  binned.top.resize(binned.columns);
  for (std::size_t c = 0; c < binned.columns; ++c) {
    internal::BinColumn(rows, c, max_bins, binned);
  }
  return binned;
}

TEST(BinColumn, FewValuesGetABinEachAndMissingItsOwn) {
  const BinnedMatrix binned = Bin({{"x"}, 5, {3, 1, kNaN, 2, 1}}, 255);
  EXPECT_EQ(binned.bounds[0], (std::vector<double>{1.5, 2.5}));
  EXPECT_EQ(binned.bins, (std::vector<std::uint8_t>{2, 0, kMissingBin, 1, 0}));
}

TEST(BinColumn, ManyValuesSpreadEvenly) {
  data::Matrix rows{{"x"}, 1000, std::vector<double>(1000)};
  std::iota(rows.values.begin(), rows.values.end(), 0.0);
  const BinnedMatrix binned = Bin(rows, 10);
  ASSERT_EQ(binned.BinCount(0), 10U);
  std::vector<int> counts(10);
  for (const std::uint8_t bin : binned.bins) {
    ++counts[bin];
  }
  for (const int count : counts) {
    EXPECT_EQ(count, 100);
  }
}

TEST(BinColumn, BoundsAreFloatsThatSeparateTheirNeighbours) {
  // Neighbouring floats, doubles between which there is no float, large and tiny values.
  const double one_up = static_cast<double>(std::nextafterf(1.0F, 2.0F));
  const data::Matrix rows{
      {"x"}, 8, {1.0, one_up, 1.0 + 1e-12, 1.0 + 2e-12, 1e300, -1e300, 1e-40, 0.1}};
  const BinnedMatrix binned = Bin(rows, 255);
  for (const double bound : binned.bounds[0]) {
    EXPECT_EQ(static_cast<double>(static_cast<float>(bound)), bound);
  }
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const std::size_t bin = binned.bins[i];
    if (bin < binned.bounds[0].size()) {
      EXPECT_LE(rows.values[i], binned.bounds[0][bin]);
    }
    if (bin > 0) {
      EXPECT_GT(rows.values[i], binned.bounds[0][bin - 1]);
    }
  }
  EXPECT_EQ(binned.bins[2], binned.bins[3]) << "no float lies between 1 + 1e-12 and 1 + 2e-12";
  EXPECT_NE(binned.bins[0], binned.bins[1]);
}

TEST(GrowTree, SplitsWhereTheClassesPart) {
  const data::Matrix rows{{"x"}, 6, {1, 2, 3, 4, 5, 6}};
  const std::vector<std::uint8_t> labels = {0, 0, 0, 1, 1, 1};
  const models::ForestTree tree =
      GrowTree(Bin(rows, 255), labels, {.bootstrap = false}, base::Rng(1));
  ASSERT_EQ(tree.nodes.size(), 3U);
  EXPECT_EQ(tree.nodes[0].feature, 0);
  EXPECT_EQ(tree.nodes[0].threshold, 3.5);
  EXPECT_EQ(tree.nodes[1].value, 0);
  EXPECT_EQ(tree.nodes[2].value, 1);
  // Weighted Gini impurity falls from 6 * 0.5 to 0.
  EXPECT_DOUBLE_EQ(tree.nodes[0].gain, 3);
  EXPECT_EQ(tree.nodes[0].weight, 6);
}

TEST(GrowTree, LearnsTheSideOfMissingValues) {
  // Missing rows are positive, so they belong with the high values; then the other way round.
  const data::Matrix rows{{"x"}, 8, {1, 2, 3, 4, 5, 6, kNaN, kNaN}};
  const std::vector<std::uint8_t> with_high = {0, 0, 0, 1, 1, 1, 1, 1};
  const models::ForestTree right =
      GrowTree(Bin(rows, 255), with_high, {.bootstrap = false}, base::Rng(1));
  ASSERT_EQ(right.nodes.size(), 3U);
  EXPECT_FALSE(right.nodes[0].default_left);
  const std::vector<std::uint8_t> with_low = {0, 0, 0, 1, 1, 1, 0, 0};
  const models::ForestTree left =
      GrowTree(Bin(rows, 255), with_low, {.bootstrap = false}, base::Rng(1));
  ASSERT_EQ(left.nodes.size(), 3U);
  EXPECT_TRUE(left.nodes[0].default_left);
}

TEST(GrowTree, SeparatesMissingFromPresent) {
  const data::Matrix rows{{"x"}, 6, {1, 2, 0.1, kNaN, kNaN, kNaN}};
  const std::vector<std::uint8_t> labels = {0, 0, 0, 1, 1, 1};
  const models::ForestTree tree =
      GrowTree(Bin(rows, 255), labels, {.bootstrap = false}, base::Rng(1));
  ASSERT_EQ(tree.nodes.size(), 3U);
  EXPECT_EQ(tree.nodes[0].threshold, 2);
  EXPECT_FALSE(tree.nodes[0].default_left);
}

TEST(GrowTree, CutsInTheMiddleOfBinsThatAreEmptyInTheNode) {
  // The root splits on x (impurity 14/9 falls to 2/3); its left rows have y in {1, 1, 9}, while 4
  // and 6 lie on the right only.
  const data::Matrix rows{{"x", "y"}, 9, {0, 1, 0, 1, 0, 9, 1, 1, 1, 1, 1, 1, 1, 4, 1, 6, 1, 9}};
  const std::vector<std::uint8_t> labels = {0, 0, 1, 1, 1, 1, 1, 1, 1};
  const models::ForestTree tree =
      GrowTree(Bin(rows, 255), labels, {.max_features = 2, .bootstrap = false}, base::Rng(1));
  ASSERT_EQ(tree.nodes.size(), 5U);
  EXPECT_EQ(tree.nodes[0].feature, 0);
  EXPECT_EQ(tree.nodes[1].feature, 1);
  EXPECT_EQ(tree.nodes[1].threshold, 5);
}

TEST(GrowTree, HonoursLeafSizeAndDepth) {
  const internal::Set set = internal::Synthetic(2000, 5, 8);
  const BinnedMatrix binned = Bin(set.rows, 255);
  const models::ForestTree leafy =
      GrowTree(binned, set.labels, {.min_samples_leaf = 50, .max_features = 5}, base::Rng(3));
  for (const models::ForestNode& node : leafy.nodes) {
    EXPECT_GE(node.weight, 50) << "50 distinct rows weigh at least 50";
  }
  const models::ForestTree stump =
      GrowTree(binned, set.labels, {.max_depth = 1, .max_features = 5}, base::Rng(3));
  EXPECT_EQ(stump.nodes.size(), 3U);
  EXPECT_EQ(stump.nodes[0].weight, 2000) << "a bootstrap draws as many rows as there are";
}

TEST(GrowTree, TwoEqualRowsOfDifferentClassesMakeALeaf) {
  const data::Matrix rows{{"x"}, 2, {1, 1}};
  const std::vector<std::uint8_t> labels = {0, 1};
  const models::ForestTree tree =
      GrowTree(Bin(rows, 255), labels, {.bootstrap = false}, base::Rng(1));
  ASSERT_EQ(tree.nodes.size(), 1U);
  EXPECT_EQ(tree.nodes[0].value, 0.5);
}

TEST(RandomForest, TreesDoNotDependOnTheOthers) {
  // Tree t draws from its own stream: the first trees of a larger forest are those of a smaller
  // one.
  const internal::Set set = internal::Synthetic(800, 5, 10);
  internal::TestContext context(2);
  const auto learner = MakeRandomForestLearner();
  const Result<Trained> few =
      internal::TrainOn(*learner, context.context, set, set, {{"n_estimators", 4.0}});
  const Result<Trained> more =
      internal::TrainOn(*learner, context.context, set, set, {{"n_estimators", 8.0}});
  ASSERT_TRUE(few.ok() && more.ok());
  ASSERT_EQ(few->curve.size(), 3U);
  ASSERT_EQ(more->curve.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(few->curve[i], more->curve[i]);
  }
}

}  // namespace
}  // namespace millrace::learners
