// SPDX-License-Identifier: Apache-2.0
// Forest and logistic regression: hand-made scores, native formats, golden files.
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/hash.h"
#include "models/test_support.h"

namespace millrace::models {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Scores(const Estimator& estimator, const std::vector<double>& rows) {
  return testing::PredictEveryWay(*estimator.MakeEngine(), rows);
}

TEST(RandomForest, MeanOfLeavesByHand) {
  const auto forest = MakeRandomForest(testing::SmallForest());
  ASSERT_TRUE(forest.ok()) << forest.error().ToString();
  EXPECT_EQ((*forest)->n_trees(), 2U);
  // At the threshold a row goes left; missing a goes left, missing b right in the first tree and
  // left in the second.
  const std::vector<double> rows = {0.5, 0, 0.6, -1, 0.6, -0.9, 0.6, 3, kNan, 3, 0.6, kNan};
  EXPECT_EQ(Scores(**forest, rows),
            (std::vector<double>{(0.125 + 0.5) / 2, (0.25 + 0.5) / 2, (1 + 0.5) / 2, (1 + 0.75) / 2,
                                 (0.125 + 0.75) / 2, (1 + 0.5) / 2}));
  EXPECT_EQ((*forest)->GainImportance(), (std::vector<double>{3.0, 1.5}));
  EXPECT_EQ((*forest)->SplitImportance(), (std::vector<double>{1.0, 2.0}));
}

/// The definition, tree by tree, without any of the engine's tricks.
double SlowScore(const ForestData& data, const double* row) {
  double sum = 0.0;
  for (const ForestTree& tree : data.trees) {
    std::size_t at = 0;
    while (tree.nodes[at].feature >= 0) {
      const ForestNode& node = tree.nodes[at];
      const double x = row[node.feature];
      const bool goes_left = std::isnan(x) ? node.default_left : x <= node.threshold;
      at = static_cast<std::size_t>(goes_left ? node.left : node.right);
    }
    sum += tree.nodes[at].value;
  }
  return sum / static_cast<double>(data.trees.size());
}

TEST(RandomForest, LargeForestsScoreAsTheDefinition) {
  // More trees than one block of the engine's buffer, fewer than a group, and counts that are no
  // multiple of 16.
  for (const std::size_t n_trees : {1U, 15U, 16U, 17U, 500U, 2048U, 2049U, 5000U}) {
    const ForestData data = testing::RandomForestData(n_trees, 10, n_trees);
    const auto forest = MakeRandomForest(data);
    ASSERT_TRUE(forest.ok()) << forest.error().ToString();
    const std::vector<double> rows = testing::RandomRows(100, 10, 3);
    std::vector<double> expected;
    for (std::size_t i = 0; i < 100; ++i) {
      expected.push_back(SlowScore(data, rows.data() + i * 10));
    }
    testing::ExpectSameBits(Scores(**forest, rows), expected);
  }
}

TEST(RandomForest, NativeBytesReadBack) {
  const ForestData data = testing::RandomForestData(50, 7, 1);
  const auto forest = MakeRandomForest(data);
  ASSERT_TRUE(forest.ok());
  const std::string bytes = (*forest)->NativeBytes();
  EXPECT_EQ(bytes, (*MakeRandomForest(data))->NativeBytes());
  const auto again = ParseRandomForest(bytes);
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_EQ((*again)->NativeBytes(), bytes);
  EXPECT_EQ((*again)->feature_names(), data.feature_names);
  const std::vector<double> rows = testing::RandomRows(200, 7, 9);
  testing::ExpectSameBits(Scores(**again, rows), Scores(**forest, rows));
}

TEST(RandomForest, BadTreesAreRefusedByName) {
  const auto error_of = [](const auto& change) {
    ForestData data = testing::SmallForest();
    change(data);
    const auto forest = MakeRandomForest(std::move(data));
    EXPECT_FALSE(forest.ok());
    return forest.ok() ? std::string() : forest.error().message();
  };
  EXPECT_EQ(error_of([](ForestData& d) { d.trees.clear(); }), "random forest: it has no trees");
  EXPECT_EQ(error_of([](ForestData& d) { d.trees[1].nodes[0].right = 1; }),
            "random forest: tree 1, node 0: child 1 is reached twice");
  EXPECT_EQ(error_of([](ForestData& d) { d.trees[1].nodes[0].right = 9; }),
            "random forest: tree 1, node 0: child 9 of 3 nodes");
  EXPECT_NE(error_of([](ForestData& d) { d.trees[0].nodes[2].left = 0; }).find("must come after"),
            std::string::npos);
  EXPECT_EQ(error_of([](ForestData& d) { d.trees[0].nodes[0].feature = 2; }),
            "random forest: tree 0, node 0: feature 2 of 2");
  EXPECT_NE(error_of([](ForestData& d) { d.trees[0].nodes[1].value = 1.5; }).find("outside [0, 1]"),
            std::string::npos);
  EXPECT_NE(
      error_of([](ForestData& d) { d.trees[0].nodes[0].threshold = kNan; }).find("not finite"),
      std::string::npos);
}

TEST(LogisticRegression, ScoresByHand) {
  const auto model = MakeLogisticRegression(testing::SmallLogistic());
  ASSERT_TRUE(model.ok()) << model.error().ToString();
  const std::vector<double> rows = {3, 4, 0, kNan, kNan, kNan, -1e308, 0, 0, 1e308, 0, 0};
  const std::vector<double> scores = Scores(**model, rows);
  EXPECT_EQ(scores[0], 1 / (1 + std::exp(-(0.25 + 0.5 * 1.0 - 1.0 * 1.0))));
  EXPECT_EQ(scores[1], 1 / (1 + std::exp(-(0.25 + 0.0 - 0.5))));
  EXPECT_EQ(scores[2], 0.0);
  EXPECT_EQ(scores[3], 1.0);
  EXPECT_EQ((*model)->GainImportance(), (std::vector<double>{0.5, 1.0, 0.0}));
  EXPECT_EQ((*model)->SplitImportance(), (std::vector<double>{1.0, 1.0, 0.0}));
  EXPECT_EQ((*model)->n_trees(), 0U);
}

TEST(LogisticRegression, BadDataIsRefusedByName) {
  const auto error_of = [](const auto& change) {
    LogisticData data = testing::SmallLogistic();
    change(data);
    const auto model = MakeLogisticRegression(std::move(data));
    return model.ok() ? std::string("no error") : model.error().message();
  };
  EXPECT_EQ(error_of([](LogisticData& d) { d.scale[1] = 0; }),
            "logistic regression: feature \"b\": scale 0.000000 is not positive");
  EXPECT_EQ(error_of([](LogisticData& d) { d.mean.pop_back(); }),
            "logistic regression: 2 values of mean for 3 features");
  EXPECT_EQ(error_of([](LogisticData& d) { d.weights[0] = kNan; }),
            "logistic regression: feature \"a\": weights is not finite");
  EXPECT_EQ(error_of([](LogisticData& d) { d.intercept = kNan; }),
            "logistic regression: the intercept is not finite");
}

/// Native bytes of both kinds with the function that reads them.
struct Native {
  std::string name;
  std::string bytes;
  Result<std::shared_ptr<const Estimator>> (*parse)(std::string_view);
};

std::vector<Native> Natives() {
  return {
      {"forest_v1.forest", (*MakeRandomForest(testing::SmallForest()))->NativeBytes(),
       ParseRandomForest},
      {"logistic_v1.logistic", (*MakeLogisticRegression(testing::SmallLogistic()))->NativeBytes(),
       ParseLogisticRegression}};
}

TEST(NativeFormat, MatchesItsGoldenFile) {
  for (const Native& native : Natives()) {
    const auto path =
        std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests" / "golden" / "models" / native.name;
    if (std::getenv("MILLRACE_ACCEPT") != nullptr) {
      ASSERT_TRUE(base::WriteFileAtomic(path, native.bytes).ok());
    }
    const auto golden = base::ReadFile(path);
    ASSERT_TRUE(golden.ok()) << golden.error().ToString();
    // A change of the bytes is a new format version: keep the old file and its reader, and add a
    // file beside it.
    EXPECT_EQ(base::Sha256Hex(*golden), base::Sha256Hex(native.bytes))
        << path
        << "; accept: MILLRACE_ACCEPT=1 models_test "
           "--gtest_filter=NativeFormat.MatchesItsGoldenFile";
    const auto read = native.parse(*golden);
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ((*read)->NativeBytes(), *golden);
  }
}

TEST(NativeFormat, EveryTruncationAndEveryChangedByteIsAnError) {
  for (const Native& native : Natives()) {
    for (std::size_t size = 0; size < native.bytes.size(); ++size) {
      ASSERT_FALSE(native.parse(std::string_view(native.bytes).substr(0, size)).ok())
          << native.name << " " << size;
      std::string changed = native.bytes;
      changed[size] = static_cast<char>(changed[size] ^ 0x10);
      ASSERT_FALSE(native.parse(changed).ok()) << native.name << " " << size;
    }
    EXPECT_FALSE(native.parse(native.bytes + "x").ok());
  }
}

TEST(NativeFormat, ANewerVersionIsRefusedWithBothNumbers) {
  for (const Native& native : Natives()) {
    std::string newer = native.bytes;
    newer[8] = 2;
    const auto read = native.parse(newer);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code(), ErrorCode::kUnimplemented);
    EXPECT_NE(read.error().message().find("format version 2, this program reads 1 to 1"),
              std::string::npos);
  }
}

TEST(NativeFormat, OtherFilesAreNoModels) {
  EXPECT_EQ(ParseRandomForest("tree\nversion=v4\n").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(ParseLogisticRegression(Natives()[0].bytes).error().code(),
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::models
