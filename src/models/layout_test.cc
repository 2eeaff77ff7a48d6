// SPDX-License-Identifier: Apache-2.0
// Signatures, ONNX Runtime's slots, ONNX export and model directories.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "models/internal/onnx_runtime.h"
#include "models/lightgbm.h"
#include "models/mlflow_layout.h"
#include "models/test_support.h"
#include "models/xgboost.h"

namespace millrace::models {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const Estimator> Forest() {
  return MakeRandomForest(testing::RandomForestData(60, 5, 1)).value();
}

/// A folder that goes away with the test.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("millrace_models_" + std::to_string(::getpid()) + "_" + std::to_string(next_++))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  static inline int next_ = 0;
  fs::path path_;
};

ModelMetadata SomeMetadata() {
  ModelMetadata metadata;
  metadata.training_set_hash = base::HashText("rows");
  metadata.view_hashes["customer_activity"] = base::HashText("plan");
  metadata.seed = 18446744073709551615U;
  metadata.metrics = {{"roc_auc", 0.1 + 0.2}, {"best", 1.0}};
  metadata.learner = "random_forest";
  metadata.params = {{"trees", "60"}, {"note", "it's \"quoted\""}};
  return metadata;
}

Model SomeModel() {
  auto forest = Forest();
  auto signature = DoubleSignature(forest->feature_names());
  return Model::Make(std::move(signature), std::move(forest), SomeMetadata()).value();
}

SaveInfo Info(const std::vector<double>& rows) {
  return {.run_id = std::string(32, 'a'),
          .model_id = "m-" + std::string(32, 'b'),
          .time = {1'795'473'414'360'045},
          .sample_rows = rows};
}

TEST(Signature, JsonReadsBack) {
  const std::vector<ColumnSpec> columns = {{"a", ColumnSpec::Type::kDouble, true},
                                           {"b's", ColumnSpec::Type::kLong, false},
                                           {"c\"", ColumnSpec::Type::kString, true}};
  const std::string text = ColumnsToJson(columns);
  EXPECT_NE(text.find(R"({"name":"a","required":true,"type":"double"})"), std::string::npos);
  const auto again = ColumnsFromJson(text, "test");
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_EQ(*again, columns);
  EXPECT_FALSE(
      ColumnsFromJson(R"([{"type":"tensor","tensor-spec":{"dtype":"float64","shape":[-1,2]}}])",
                      "test")
          .ok());
  EXPECT_FALSE(ColumnsFromJson(R"([{"type":"datetime","name":"t"}])", "test").ok());
  EXPECT_FALSE(ColumnsFromJson(R"({"a":1})", "test").ok());
  EXPECT_FALSE(ColumnsFromJson("[1", "test").ok());
}

TEST(Model, ChecksItsSignature) {
  const auto forest = Forest();
  auto other_order = DoubleSignature({"f1", "f0", "f2", "f3", "f4"});
  const auto swapped = Model::Make(other_order, forest, {});
  ASSERT_FALSE(swapped.ok());
  EXPECT_EQ(swapped.error().message(),
            "column 0 of the signature is \"f1\", the estimator's feature is \"f0\"");
  EXPECT_FALSE(Model::Make(DoubleSignature({"f0"}), forest, {}).ok());
  auto text_column = DoubleSignature(forest->feature_names());
  text_column.inputs[2].type = ColumnSpec::Type::kString;
  EXPECT_FALSE(Model::Make(text_column, forest, {}).ok());
  auto clash = DoubleSignature(forest->feature_names());
  clash.outputs[0].name = "f3";
  EXPECT_FALSE(Model::Make(clash, forest, {}).ok());
}

TEST(OnnxRuntime, EachSlotAnswersAsDeclared) {
  // Loading, reading the ports and running call every slot that is declared; a wrong number would
  // crash or answer nonsense.
  EXPECT_EQ(internal::OnnxRuntimeVersion(), "1.32.0");
  const auto forest = MakeRandomForest(testing::SmallForest()).value();
  Signature signature = DoubleSignature(forest->feature_names());
  signature.inputs[1].type = ColumnSpec::Type::kLong;
  const auto bytes = forest->OnnxBytes(signature);
  ASSERT_TRUE(bytes.ok()) << bytes.error().ToString();
  const auto session = internal::OnnxSession::Load(*bytes);
  ASSERT_TRUE(session.ok()) << session.error().ToString();
  ASSERT_EQ(session->inputs().size(), 2U);
  EXPECT_EQ(session->inputs()[0].name, "a");
  EXPECT_EQ(session->inputs()[0].type, static_cast<int>(internal::OnnxType::kDouble));
  EXPECT_EQ(session->inputs()[0].shape, (std::vector<std::int64_t>{-1}));
  EXPECT_EQ(session->inputs()[1].name, "b");
  EXPECT_EQ(session->inputs()[1].type, static_cast<int>(internal::OnnxType::kInt64));
  ASSERT_EQ(session->outputs().size(), 1U);
  EXPECT_EQ(session->outputs()[0].name, "probability");
  EXPECT_EQ(session->outputs()[0].shape, (std::vector<std::int64_t>{-1, 1}));
  const std::vector<double> rows = {0.5, 0, 0.6, -1, 0.6, 3};
  const auto scores = session->RunColumns(rows, 3);
  ASSERT_TRUE(scores.ok()) << scores.error().ToString();
  EXPECT_EQ(*scores, (std::vector<double>{0.3125, 0.375, 0.875}));
}

TEST(OnnxRuntime, FailuresCarryItsWords) {
  const auto broken = internal::OnnxSession::Load("no model");
  ASSERT_FALSE(broken.ok());
  EXPECT_NE(broken.error().message().find("ONNX Runtime: "), std::string::npos);
  const auto forest = MakeRandomForest(testing::SmallForest()).value();
  const auto session =
      internal::OnnxSession::Load(forest->OnnxBytes(DoubleSignature({"a", "b"})).value()).value();
  EXPECT_FALSE(session.RunColumns(std::vector<double>{1, 2, 3}, 1).ok());
}

TEST(OnnxExport, ForestDecidesAsTheEngine) {
  const ForestData data = testing::RandomForestData(200, 6, 5);
  const auto forest = MakeRandomForest(data).value();
  testing::TrainingRows base;
  base.n_features = 6;
  base.values = testing::RandomRows(500, 6, 6);
  base.labels.assign(500, 0.0f);
  std::vector<testing::Split> splits;
  for (const ForestTree& tree : data.trees) {
    for (const ForestNode& node : tree.nodes) {
      if (node.feature >= 0) {
        splits.push_back({static_cast<std::size_t>(node.feature), node.threshold});
      }
    }
  }
  const std::vector<double> rows = testing::EdgeRows(base, splits, 1e300, true);
  const std::string bytes = forest->OnnxBytes(DoubleSignature(forest->feature_names())).value();
  const auto difference = OnnxDifference(*forest, bytes, rows);
  ASSERT_TRUE(difference.ok()) << difference.error().ToString();
  // One row that took another side of one split would differ by about 1/200; this is float32
  // rounding of the sum.
  EXPECT_LE(*difference, 3e-7);
  EXPECT_GT(*difference, 0.0);
  EXPECT_EQ(bytes, forest->OnnxBytes(DoubleSignature(forest->feature_names())).value());
}

TEST(OnnxExport, LogisticRegressionImputesInside) {
  const auto model = MakeLogisticRegression(testing::SmallLogistic()).value();
  const std::string bytes = model->OnnxBytes(DoubleSignature(model->feature_names())).value();
  const auto difference = OnnxDifference(*model, bytes, testing::RandomRows(500, 3, 8));
  ASSERT_TRUE(difference.ok()) << difference.error().ToString();
  EXPECT_LE(*difference, 1e-14);
}

TEST(OnnxExport, OneColumnIsAMatrix) {
  LogisticData data = {.feature_names = {"a"},
                       .impute = {0},
                       .mean = {1},
                       .scale = {2},
                       .weights = {3},
                       .intercept = 0};
  const auto model = MakeLogisticRegression(data).value();
  const std::string bytes = model->OnnxBytes(DoubleSignature({"a"})).value();
  const auto session = internal::OnnxSession::Load(bytes);
  ASSERT_TRUE(session.ok()) << session.error().ToString();
  EXPECT_EQ(session->inputs()[0].shape, (std::vector<std::int64_t>{-1, 1}));
  EXPECT_LE(OnnxDifference(*model, bytes, testing::RandomRows(50, 1, 8)).value(), 1e-14);
}

TEST(OnnxExport, ADifferenceIsSeen) {
  const auto model = MakeLogisticRegression(testing::SmallLogistic()).value();
  LogisticData changed = testing::SmallLogistic();
  changed.impute[1] = 3.0;
  const auto other = MakeLogisticRegression(changed).value();
  const auto difference =
      OnnxDifference(*model, other->OnnxBytes(DoubleSignature(other->feature_names())).value(),
                     testing::RandomRows(500, 3, 8));
  ASSERT_TRUE(difference.ok());
  EXPECT_GT(*difference, 1e-3);
}

TEST(ModelDirectory, ReadsBackBitForBit) {
  const Folder folder;
  const Model model = SomeModel();
  const std::vector<double> rows = testing::RandomRows(300, 5, 2);
  const fs::path dir = folder.path() / "deep" / "model";
  const auto saved = SaveModel(model, dir, Info(rows));
  ASSERT_TRUE(saved.ok()) << saved.error().ToString();
  for (const char* name :
       {"MLmodel", "model.onnx", "model.forest", "requirements.txt", "conda.yaml",
        "python_env.yaml", "input_example.json", "serving_input_example.json", "millrace.json"}) {
    EXPECT_TRUE(fs::is_regular_file(dir / name)) << name;
  }
  const auto loaded = LoadModel(dir);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ(loaded->signature(), model.signature());
  EXPECT_EQ(loaded->metadata(), model.metadata());
  testing::ExpectSameBits(testing::PredictEveryWay(*loaded->estimator()->MakeEngine(), rows),
                          testing::PredictEveryWay(*model.estimator()->MakeEngine(), rows));
}

TEST(ModelDirectory, OnlyMLmodelKnowsIdsAndTimes) {
  const Folder folder;
  const std::vector<double> rows = testing::RandomRows(30, 5, 2);
  SaveInfo later = Info(rows);
  later.run_id = std::string(32, 'c');
  later.model_id = "m-" + std::string(32, 'd');
  later.time.micros += 1'000'001;
  ASSERT_TRUE(SaveModel(SomeModel(), folder.path() / "a", Info(rows)).ok());
  ASSERT_TRUE(SaveModel(SomeModel(), folder.path() / "b", later).ok());
  for (const auto& entry : fs::directory_iterator(folder.path() / "a")) {
    const auto name = entry.path().filename();
    const bool is_same =
        *base::ReadFile(entry.path()) == *base::ReadFile(folder.path() / "b" / name);
    EXPECT_EQ(is_same, name != "MLmodel") << name;
  }
}

TEST(ModelDirectory, TakesThePlaceOfAnOlderOne) {
  const Folder folder;
  const fs::path dir = folder.path() / "model";
  ASSERT_TRUE(SaveModel(SomeModel(), dir, Info({})).ok());
  EXPECT_FALSE(fs::exists(dir / "input_example.json"));
  auto logistic = MakeLogisticRegression(testing::SmallLogistic()).value();
  const Model other = Model::Make(DoubleSignature(logistic->feature_names()), logistic, {}).value();
  ASSERT_TRUE(SaveModel(other, dir, Info({})).ok());
  EXPECT_FALSE(fs::exists(dir / "model.forest"));
  const auto loaded = LoadModel(dir);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ(loaded->estimator()->kind(), "logistic_regression");
  // Nothing temporary is left beside it.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(ModelDirectory, MissingAndDamagedFilesAreNamed) {
  const Folder folder;
  const fs::path dir = folder.path() / "model";
  EXPECT_EQ(LoadModel(dir).error().code(), ErrorCode::kNotFound);
  const std::vector<double> rows = testing::RandomRows(20, 5, 2);
  for (const char* name : {"MLmodel", "millrace.json", "model.forest", "model.onnx"}) {
    ASSERT_TRUE(SaveModel(SomeModel(), dir, Info(rows)).ok());
    const std::string bytes = base::ReadFile(dir / name).value();
    fs::remove(dir / name);
    const auto missing = LoadModel(dir);
    ASSERT_FALSE(missing.ok()) << name;
    EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound) << name;
    EXPECT_NE(missing.error().ToString().find(name), std::string::npos)
        << missing.error().ToString();
    for (const std::size_t size : {std::size_t{0}, bytes.size() / 2}) {
      std::ofstream(dir / name, std::ios::binary) << bytes.substr(0, size);
      const auto truncated = LoadModel(dir);
      ASSERT_FALSE(truncated.ok()) << name << " " << size;
      EXPECT_NE(truncated.error().ToString().find(name), std::string::npos)
          << truncated.error().ToString();
    }
  }
}

TEST(ModelDirectory, ANewerVersionIsRefused) {
  const Folder folder;
  const fs::path dir = folder.path() / "model";
  ASSERT_TRUE(SaveModel(SomeModel(), dir, Info({})).ok());
  auto own = base::ParseJson(*base::ReadFile(dir / "millrace.json"), "test").value();
  own["format_version"] = kModelDirectoryVersion + 1;
  ASSERT_TRUE(base::WriteFileAtomic(dir / "millrace.json", base::DumpJson(own)).ok());
  EXPECT_EQ(LoadModel(dir).error().code(), ErrorCode::kUnimplemented);
  own["format_version"] = kModelDirectoryVersion;
  own["native_file"] = "../elsewhere";
  own["files"]["../elsewhere"] = "00";
  ASSERT_TRUE(base::WriteFileAtomic(dir / "millrace.json", base::DumpJson(own)).ok());
  EXPECT_NE(LoadModel(dir).error().message().find("no plain file name"), std::string::npos);
}

TEST(ModelDirectory, SampleRowsMustFit) {
  const Folder folder;
  const std::vector<double> rows(7, 0.0);
  EXPECT_EQ(SaveModel(SomeModel(), folder.path() / "model", Info(rows)).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder.path() / "model"));
}

}  // namespace
}  // namespace millrace::models
