// SPDX-License-Identifier: Apache-2.0
// Tests of training folders, step results and registration with its gates, on a small project that
// goes through the real stages.
#include "app/registration.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/artifact_files.h"
#include "app/deployments.h"
#include "app/json_number.h"
#include "app/step_result.h"
#include "app/trained_model.h"
#include "base/check.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/number_format.h"
#include "base/rng.h"
#include "data/parquet.h"
#include "metrics/binary.h"
#include "tracking/artifact_uri.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kDay = 86'400'000'000;

constexpr const char* kFeatures = R"(entity: customer
key: customer_id
views:
  activity:
    source: purchases
    time: bought
    features:
      days_since_last: days_since(max(bought))
      purchases_30d: count(*) over 30d
      noise: max(noise)
)";

/// The training file; the label window is what tests change.
std::string TrainingText(int window_days) {
  return R"(name: lapse
entity: customer
views: [activity]
label:
  name: lapsed
  source: purchases
  key: customer_id
  time: bought
  as_of: {from: 2020-03-01, to: 2020-11-01, every: month}
  population: any in 120d
  positive: none in )" +
         std::to_string(window_days) + R"(d
split:
  train: {until: 2020-05-01}
  validation: {from: 2020-07-01, until: 2020-07-01}
  test: {from: 2020-09-01}
learners:
  logistic_regression: {C: 1.0}
gates: {minimum_auc: 0.6, better_than_champion: true}
)";
}

/// 300 customers over 2020 and a month; half of them stop at a day of their own, so the days since
/// the last purchase tell who lapsed; `noise` tells nothing.
data::Table Purchases() {
  base::Rng rng(7);
  std::vector<std::int64_t> customers;
  std::vector<std::int64_t> times;
  std::vector<double> noise;
  const std::int64_t start = base::ParseTimestamp("2020-01-01")->micros;
  for (std::int64_t customer = 0; customer < 300; ++customer) {
    const std::uint64_t last = customer % 2 == 0 ? 400 : 60 + rng.Below(300);
    for (std::uint64_t day = rng.Below(12); day < last && day < 365; day += 4 + rng.Below(18)) {
      customers.push_back(customer);
      times.push_back(start + static_cast<std::int64_t>(day) * kDay + 3'600'000'000);
      noise.push_back(static_cast<double>(rng.Below(1000)));
    }
  }
  data::TableBuilder builder;
  builder.AddInt64s("customer_id", customers).AddTimestamps("bought", times);
  builder.AddDoubles("noise", noise);
  return *builder.Finish();
}

/// Ends the test program where a step of the set-up fails.
template <typename T>
void Demand(const Result<T>& result) {
  MILL_CHECK_OK(result);
}

/// Everything up to evaluation of one training, in a folder of its own.
struct Evaluated {
  Project project;
  std::vector<features::ViewPlan> plans;
  fs::path dir;

  const TrainingSpec& training() const { return project.trainings.front(); }
  RegistrationInputs Inputs(const std::string& key, const std::string& model = "good") const {
    RegistrationInputs inputs;
    inputs.trained = {{"logistic_regression", dir / model / "trained"}};
    inputs.choice = dir / model / "choice.json";
    inputs.training_set = dir / "training_set.parquet";
    inputs.labels = dir / "labels.parquet";
    inputs.evaluation = dir / model / "evaluation";
    inputs.views = {{&plans.front(), dir / "purchases.parquet"}};
    inputs.idempotency_key = key;
    return inputs;
  }
};

class RegistrationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_dir_ = fs::path(testing::TempDir()) / ("registration_" + base::NewRunId());
    first_ = new Evaluated(Make("first", kFeatures, 30));
    other_label_ = new Evaluated(Make("other_label", kFeatures, 20));
    std::string changed = kFeatures;
    changed.replace(changed.find("count(*) over 30d"), 17, "count(*) over 90d");
    changed_features_ = new Evaluated(Make("changed_features", changed, 20));
  }
  static void TearDownTestSuite() {
    for (Evaluated** evaluated : {&first_, &other_label_, &changed_features_}) {
      delete *evaluated;
      *evaluated = nullptr;
    }
    fs::remove_all(base_dir_);
  }

  /// A project on disk, taken through the stages; model `good` sees all features, `bad` the noise.
  static Evaluated Make(const std::string& name, const std::string& features, int window_days) {
    Evaluated made;
    const fs::path root = base_dir_ / name / "project";
    made.dir = base_dir_ / name;
    const auto write = [&](const char* file, const std::string& text) {
      Demand(base::WriteFileAtomic(root / file, text));
    };
    write("millrace.yaml", "name: shop\nseed: 3\n");
    write("sources.yaml", "sources:\n  purchases:\n    files: [data/purchases.parquet]\n");
    write("features/customer.yaml", features);
    write("training/lapse.yaml", TrainingText(window_days));
    const Context context = MakeContext();
    const data::Table purchases = Purchases();
    Demand(data::WriteParquet(context, purchases, root / "data/purchases.parquet"));
    Demand(data::WriteParquet(context, purchases, made.dir / "purchases.parquet"));

    learners::LearnerRegistry learners;
    Demand(learners::RegisterBuiltinLearners(learners));
    auto project = LoadProject(root, learners);
    Demand(project);
    made.project = std::move(*project);
    const auto engine = OpenProjectEngine(context, made.project, 1);
    made.plans = *CompileProjectFeatures(made.project, **engine);

    Demand(MakeLabels(context, made.training(), made.dir / "purchases.parquet", made.dir));
    Demand(JoinTrainingSet(context, made.training(), made.dir / "labels.parquet",
                           {{&made.plans.front(), made.dir / "purchases.parquet"}}, made.dir));
    const learners::Learner* learner = *learners.Find("logistic_regression");
    TrainAndEvaluate(made, *learner, "good", made.plans.front().ColumnNames());
    TrainAndEvaluate(made, *learner, "bad", {"noise"});
    return made;
  }
  static void TrainAndEvaluate(const Evaluated& made, const learners::Learner& learner,
                               const std::string& model, const std::vector<std::string>& features) {
    const Context context = MakeContext();
    const fs::path dir = made.dir / model;
    const learners::Params params = *learners::CheckParams(learner.info(), {});
    Demand(TrainLearner(context, learner, params, "logistic_regression", "lapsed", features,
                        made.dir / "training_set.parquet", dir / "trained"));
    Demand(ChooseLearner(context, made.training(), {{"logistic_regression", dir / "trained"}},
                         made.dir / "training_set.parquet", dir));
    EvaluationInputs inputs;
    inputs.trained = {{"logistic_regression", dir / "trained"}};
    inputs.choice = dir / "choice.json";
    inputs.training_set = made.dir / "training_set.parquet";
    inputs.views = {&made.plans.front()};
    Demand(Evaluate(context, made.project, made.training(), inputs, dir / "evaluation"));
  }
  static Context MakeContext() {
    static const base::SystemClock clock;
    static base::ThreadPool pool("cpu", 2);
    Context context;
    context.clock = &clock;
    context.cpu = &pool;
    context.seed = 3;
    return context;
  }

  void SetUp() override {
    cli::Invocation invocation;
    invocation.project = first_->project.root;
    workspace_ = base_dir_ / ("workspace_" + base::NewRunId());
    invocation.flags["workspace"] = workspace_.string();
    auto environment = Environment::Open(invocation, /*create=*/true);
    ASSERT_TRUE(environment.ok()) << environment.error().ToString();
    environment_ = std::move(*environment);
  }

  /// Registers and keeps what was told.
  Registered Register(const Evaluated& evaluated, const RegistrationInputs& inputs) {
    output_ = StageOutput();
    const auto registered = RegisterModel(MakeContext(), *environment_, evaluated.project,
                                          evaluated.training(), inputs, workspace_, output_);
    EXPECT_TRUE(registered.ok()) << registered.error().ToString();
    return registered.ok() ? *registered : Registered();
  }
  std::string Notes() const {
    std::string text;
    for (const std::string& note : output_.notes) {
      text += note + "\n";
    }
    return text;
  }
  std::int64_t ChampionVersion() {
    const auto champion = environment_->registry().FindByAlias("lapse", kChampion);
    return champion.ok() && *champion ? (*champion)->version : 0;
  }

  static fs::path base_dir_;
  static Evaluated* first_;
  static Evaluated* other_label_;
  static Evaluated* changed_features_;
  fs::path workspace_;
  std::unique_ptr<Environment> environment_;
  StageOutput output_;
};

fs::path RegistrationTest::base_dir_;
Evaluated* RegistrationTest::first_ = nullptr;
Evaluated* RegistrationTest::other_label_ = nullptr;
Evaluated* RegistrationTest::changed_features_ = nullptr;

TEST_F(RegistrationTest, FirstVersionBecomesChampion) {
  const Registered registered = Register(*first_, first_->Inputs("key-1"));
  EXPECT_TRUE(registered.promoted) << Notes();
  EXPECT_EQ(registered.version, 1);
  EXPECT_EQ(ChampionVersion(), 1);
  const auto run = environment_->tracking().GetRun(registered.run_id);
  ASSERT_TRUE(run.ok());
  EXPECT_EQ(run->info.status, tracking::RunStatus::kFinished);
  EXPECT_GT(run->metrics.at("test_roc_auc").value, 0.6);
  EXPECT_EQ(run->params.at("learner"), "logistic_regression");
  EXPECT_THAT(
      *ArtifactFiles(*environment_, run->info.artifact_uri),
      AllOf(Contains("evaluation/evaluation.html"), Contains("project/features/customer.yaml")));
  const std::string& location = registered.model_locations.at("logistic_regression");
  EXPECT_THAT(*ArtifactFiles(*environment_, location), Contains("MLmodel"));
  // Stored as a client's upload: with the hash by which readers check it.
  const auto stored =
      (*environment_->Artifacts())->Open(*tracking::ArtifactPath(location + "/MLmodel"));
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ((*stored)->sha256().size(), 64U);
  const auto read = ReadRegistered(workspace_ / "registered.json");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->run_id, registered.run_id);
  EXPECT_EQ(read->gates, registered.gates);
}

TEST_F(RegistrationTest, APlaceThatOnlyClientsReachIsRefusedWithTheNextStep) {
  const auto put = PutArtifact(*environment_, "gs://bucket/1/artifacts", "a.txt", "a.txt");
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code(), ErrorCode::kUnimplemented);
  EXPECT_NE(put.error().message().find("gs://bucket/1/artifacts"), std::string::npos);
  EXPECT_NE(put.error().hint().find("--artifacts-destination"), std::string::npos);
}

TEST_F(RegistrationTest, SameKeyMakesNothingNew) {
  const Registered first = Register(*first_, first_->Inputs("key-1"));
  const Registered again = Register(*first_, first_->Inputs("key-1"));
  EXPECT_EQ(again.run_id, first.run_id);
  EXPECT_EQ(again.version, first.version);
  EXPECT_EQ(again.promoted, first.promoted);
  EXPECT_EQ(again.model_locations, first.model_locations);
  EXPECT_EQ(environment_->tracking().ListRuns()->size(), 1U);
  EXPECT_EQ(environment_->registry().ListVersions("lapse")->size(), 1U);
}

TEST_F(RegistrationTest, TieKeepsTheChampion) {
  Register(*first_, first_->Inputs("key-1"));
  const Registered second = Register(*first_, first_->Inputs("key-2"));
  EXPECT_FALSE(second.promoted);
  EXPECT_EQ(second.version, 2);
  EXPECT_EQ(ChampionVersion(), 1);
  EXPECT_THAT(Notes(), HasSubstr("gate FAILED"));
}

TEST_F(RegistrationTest, WorseModelGetsNoAlias) {
  Register(*first_, first_->Inputs("key-1"));
  const Registered worse = Register(*first_, first_->Inputs("key-2", "bad"));
  EXPECT_FALSE(worse.promoted);
  EXPECT_EQ(ChampionVersion(), 1);
  EXPECT_TRUE(environment_->registry().GetVersion("lapse", worse.version)->aliases.empty());
}

TEST_F(RegistrationTest, ModelBelowTheMinimumIsNoChampionEvenAlone) {
  const Registered bad = Register(*first_, first_->Inputs("key-1", "bad"));
  EXPECT_FALSE(bad.promoted);
  EXPECT_EQ(bad.version, 1);
  EXPECT_EQ(ChampionVersion(), 0);
  const Registered good = Register(*first_, first_->Inputs("key-2"));
  EXPECT_TRUE(good.promoted);
  EXPECT_EQ(ChampionVersion(), 2);
}

TEST_F(RegistrationTest, ChampionOfOtherLabelsIsScoredAgain) {
  const Registered first = Register(*first_, first_->Inputs("key-1"));
  Register(*other_label_, other_label_->Inputs("key-2"));
  // The same by hand: the first model on the new test rows.
  const auto model = ReadTrained(first_->dir / "good/trained");
  const auto rows = data::ReadParquet(MakeContext(), other_label_->dir / "training_set.parquet");
  const auto test = ReadSet(*rows, "test", "lapsed", model->estimator->feature_names());
  ASSERT_TRUE(test.ok());
  const double auc = *metrics::RocAuc(PredictAll(*model->estimator, test->features), test->labels);
  EXPECT_THAT(Notes(), HasSubstr("champion version 1 scored again on the new labels: test AUC " +
                                 base::FormatFixed(auc, 4)));
  EXPECT_EQ(first.version, 1);
}

TEST_F(RegistrationTest, ChampionIsScoredAgainWithTheFeaturesItWasTrainedOn) {
  Register(*first_, first_->Inputs("key-1"));
  ASSERT_NE(first_->plans.front().hash, changed_features_->plans.front().hash);
  Register(*changed_features_, changed_features_->Inputs("key-2"));
  // other_label_ has the new label rows joined with the old features.
  const auto model = ReadTrained(first_->dir / "good/trained");
  const auto rows = data::ReadParquet(MakeContext(), other_label_->dir / "training_set.parquet");
  const auto test = ReadSet(*rows, "test", "lapsed", model->estimator->feature_names());
  ASSERT_TRUE(test.ok());
  const double auc = *metrics::RocAuc(PredictAll(*model->estimator, test->features), test->labels);
  EXPECT_THAT(Notes(), HasSubstr("champion version 1 scored again on the new labels: test AUC " +
                                 base::FormatFixed(auc, 4)));
  for (const auto& entry : fs::directory_iterator(environment_->workspace().CacheDir())) {
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("rescore")));
  }
}

// Versions name absolute folders: a workspace that had been moved could not load its champion.
TEST_F(RegistrationTest, MovedWorkspaceFindsItsModels) {
  Register(*first_, first_->Inputs("key-1"));
  environment_.reset();
  const fs::path moved = workspace_.string() + "_moved";
  fs::rename(workspace_, moved);
  cli::Invocation invocation;
  invocation.project = first_->project.root;
  invocation.flags["workspace"] = moved.string();
  auto environment = Environment::Open(invocation, /*create=*/false);
  ASSERT_TRUE(environment.ok()) << environment.error().ToString();
  RegistryResolver resolver(**environment);
  const auto version = resolver.Resolve("lapse", kChampion);
  ASSERT_TRUE(version.ok());
  EXPECT_TRUE(version->location.starts_with("mlflow-artifacts:/")) << version->location;
  EXPECT_TRUE(resolver.Load(*version).ok());
}

TEST_F(RegistrationTest, ChampionWhoseSourceIsGoneCannotBeScoredAgain) {
  Register(*first_, first_->Inputs("key-1"));
  RegistrationInputs inputs = changed_features_->Inputs("key-2");
  features::ViewPlan elsewhere = changed_features_->plans.front();
  elsewhere.source = "another_table";
  inputs.views.front().plan = &elsewhere;
  const auto refused = RegisterModel(MakeContext(), *environment_, changed_features_->project,
                                     changed_features_->training(), inputs, workspace_, output_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("cannot be computed any more"));
  EXPECT_EQ(ChampionVersion(), 1);
}

TEST_F(RegistrationTest, ChoiceOfAnUntrainedLearnerIsRefused) {
  RegistrationInputs inputs = first_->Inputs("key-1");
  inputs.choice = workspace_ / "choice.json";
  ASSERT_TRUE(base::WriteFileAtomic(inputs.choice, R"({"learner": "xgboost"})").ok());
  const auto refused = RegisterModel(MakeContext(), *environment_, first_->project,
                                     first_->training(), inputs, workspace_, output_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().ToString(), HasSubstr("\"xgboost\", which was not trained"));
  EXPECT_TRUE(environment_->tracking().ListRuns()->empty());
}

/// A learner's folder holds everything: scores after reading are the scores before, bit for bit.
class TrainedFolder : public RegistrationTest, public testing::WithParamInterface<const char*> {};

TEST_P(TrainedFolder, ScoresBitForBitAfterReading) {
  const Context context = MakeContext();
  const auto rows = data::ReadParquet(context, first_->dir / "training_set.parquet");
  const std::vector<std::string> names = first_->plans.front().ColumnNames();
  auto train = *ReadSet(*rows, "train", "lapsed", names);
  const auto validation = *ReadSet(*rows, "validation", "lapsed", names);
  train.features.values[0] = std::numeric_limits<double>::quiet_NaN();
  learners::LearnerRegistry learners;
  ASSERT_TRUE(learners::RegisterBuiltinLearners(learners).ok());
  const learners::Learner* learner = *learners.Find(GetParam());
  const auto trained = learner->Train(
      context, {train.features, train.labels, validation.features, validation.labels}, {});
  ASSERT_TRUE(trained.ok()) << trained.error().ToString();
  const fs::path dir = workspace_ / "trained";
  ASSERT_TRUE(WriteTrained(dir, "shown", GetParam(), *trained, 3).ok());
  const auto read = ReadTrained(dir);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->name, "shown");
  EXPECT_EQ(read->learner, GetParam());
  EXPECT_EQ(read->seed, 3U);
  EXPECT_EQ(read->best_iteration, trained->best_iteration);
  EXPECT_EQ(read->validation_auc, trained->validation_auc);
  EXPECT_EQ(read->gain, trained->gain);
  EXPECT_EQ(read->estimator->NativeBytes(), trained->estimator->NativeBytes());
  const auto before = PredictAll(*trained->estimator, train.features);
  const auto after = PredictAll(*read->estimator, train.features);
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint64_t>(before[i]), std::bit_cast<std::uint64_t>(after[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Learners, TrainedFolder,
                         testing::Values("lightgbm", "xgboost", "random_forest",
                                         "logistic_regression"));

TEST_F(RegistrationTest, DamagedTrainingFolderIsNamed) {
  const fs::path dir = workspace_ / "trained";
  fs::create_directories(dir);
  ASSERT_TRUE(base::WriteFileAtomic(dir / "trained.json", R"({"name": "x"})").ok());
  const auto read = ReadTrained(dir);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(read.error().ToString(), HasSubstr("trained.json"));
}

// Where acting on nobody is cheapest the decision threshold is infinite; reading it back threw.
TEST(ReadNumber, InfinityAndNanAreNumbers) {
  const auto read = [](const char* text) {
    return ReadNumber(nlohmann::json::parse(text), "file: the number");
  };
  EXPECT_EQ(*read("0.25"), 0.25);
  EXPECT_EQ(*read("\"Infinity\""), std::numeric_limits<double>::infinity());
  EXPECT_EQ(*read("\"-Infinity\""), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*read("\"NaN\"")));
  const auto refused = read("\"many\"");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(refused.error().ToString(), HasSubstr("file: the number is \"many\""));
}

TEST(StepResult, StageOutputComesBackWhole) {
  StageOutput output;
  output.rows = 12;
  output.metrics = {{"auc", 0.75}};
  output.notes = {"one", "two"};
  output.champion = "m-1";
  output.tables = {{"Title", {"a", "b"}, {{"1", "2"}, {"3", "ü\n"}}}};
  const StageOutput back = ToStageOutput(ToStepResult(output));
  EXPECT_EQ(back.rows, 12);
  EXPECT_EQ(back.metrics, output.metrics);
  EXPECT_EQ(back.champion, "m-1");
  EXPECT_THAT(back.notes, ElementsAre("one", "two"));
  ASSERT_EQ(back.tables.size(), 1U);
  EXPECT_EQ(back.tables[0].title, "Title");
  EXPECT_EQ(back.tables[0].columns, output.tables[0].columns);
  EXPECT_EQ(back.tables[0].rows, output.tables[0].rows);
}

TEST(StepResult, DamagedTablesAreLeftOut) {
  pipelines::StepResult result;
  result.rows = 3;
  result.notes = {"kept"};
  for (const char* json :
       {"{", "[]", R"({"tables": 5})", R"({"tables": [5]})",
        R"({"tables": [{"title": 1, "columns": "a", "rows": [[1]]}]})", R"({"champion": 7})"}) {
    result.json = json;
    const StageOutput output = ToStageOutput(result);
    EXPECT_EQ(output.rows, 3) << json;
    EXPECT_THAT(output.notes, ElementsAre("kept")) << json;
    EXPECT_TRUE(output.tables.empty()) << json;
    EXPECT_EQ(output.champion, "") << json;
  }
}

}  // namespace
}  // namespace millrace::app
