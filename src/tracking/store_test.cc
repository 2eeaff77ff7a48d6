// SPDX-License-Identifier: Apache-2.0
// Experiments, runs, metrics, parameters, tags and logged models, as MLflow's clients expect them.
#include "tracking/store.h"

#include <cmath>
#include <limits>

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

class TrackingStoreTest : public internal::StoreTest {
 protected:
  std::size_t AllExperiments() {
    ExperimentSearch search;
    search.view = ViewType::kAll;
    return tracking().SearchExperiments(search).value().items.size();
  }
};

MILL_ON_EVERY_DATABASE(TrackingStoreTest);

TEST_P(TrackingStoreTest, DefaultExperimentHasIdZeroAndTheNextOneHasOne) {
  const Experiment first = tracking().GetExperiment("0").value();
  EXPECT_EQ(first.name, "Default");
  EXPECT_EQ(first.lifecycle, LifecycleStage::kActive);
  EXPECT_EQ(first.creation_time_ms, 1'700'000'000'123);
  EXPECT_EQ(first.artifact_location, "mlflow-artifacts:/0");
  EXPECT_EQ(tracking().CreateExperiment("churn", {{"team", "growth"}}).value().id, "1");
  EXPECT_EQ(tracking().GetExperimentByName("churn").value().tags.at("team"), "growth");
  Reopen();
  EXPECT_EQ(tracking().SearchExperiments().value().items.size(), 2U);
}

TEST_P(TrackingStoreTest, ExperimentErrorsSayWhatMlflowSays) {
  EXPECT_EQ(Failure(tracking().GetExperiment("7"), ErrorCode::kNotFound),
            "No Experiment with id=7 exists");
  EXPECT_EQ(Failure(tracking().GetExperiment("-7"), ErrorCode::kNotFound),
            "No Experiment with id=-7 exists");
  EXPECT_EQ(Failure(tracking().GetExperiment("seven"), ErrorCode::kInvalidArgument),
            "Invalid experiment ID 'seven'. Experiment ID must be a valid integer.");
  EXPECT_EQ(Failure(tracking().CreateExperiment("Default"), ErrorCode::kAlreadyExists),
            "Experiment(name=Default) already exists.");
  EXPECT_NE(
      Failure(tracking().GetExperimentByName("Defualt"), ErrorCode::kNotFound).find("Default"),
      std::string::npos);
  Failure(tracking().CreateExperiment("  "), ErrorCode::kInvalidArgument);
  Failure(tracking().CreateExperiment(std::string(501, 'x')), ErrorCode::kInvalidArgument);
}

TEST_P(TrackingStoreTest, DeletingAnExperimentDeletesItsRunsAndKeepsItsName) {
  const std::string id = tracking().CreateExperiment("churn").value().id;
  const std::string run = tracking().CreateRun({.experiment_id = id}).value().info.run_id;
  ASSERT_TRUE(tracking().DeleteExperiment(id).ok());
  EXPECT_EQ(tracking().GetRun(run).value().info.lifecycle, LifecycleStage::kDeleted);
  EXPECT_EQ(tracking().GetExperiment(id).value().lifecycle, LifecycleStage::kDeleted);
  EXPECT_EQ(tracking().SearchExperiments().value().items.size(), 1U);
  EXPECT_EQ(AllExperiments(), 2U);
  Failure(tracking().CreateExperiment("churn"), ErrorCode::kAlreadyExists);
  Failure(tracking().EnsureExperiment("churn"), ErrorCode::kFailedPrecondition);
  Failure(tracking().RenameExperiment(id, "other"), ErrorCode::kFailedPrecondition);
  EXPECT_NE(Failure(tracking().CreateRun({.experiment_id = id}), ErrorCode::kFailedPrecondition)
                .find("must be in the 'active' state"),
            std::string::npos);
  ASSERT_TRUE(tracking().RestoreExperiment(id).ok());
  EXPECT_EQ(tracking().GetRun(run).value().info.lifecycle, LifecycleStage::kActive);
  EXPECT_EQ(tracking().EnsureExperiment("churn").value().id, id);
  ASSERT_TRUE(tracking().RenameExperiment(id, "retention").ok());
  EXPECT_EQ(tracking().GetExperiment(id).value().name, "retention");
  Failure(tracking().RenameExperiment(id, "Default"), ErrorCode::kAlreadyExists);
}

TEST_P(TrackingStoreTest, NewRunIsRunningWithAUuidANameAndAPlace) {
  const tracking::Run run =
      tracking().CreateRun({.user_id = "ann", .tags = {{"source", "test"}}}).value();
  EXPECT_EQ(run.info.run_id.size(), 32U);
  EXPECT_EQ(run.info.run_id[12], '4') << "the version digit of a random UUID";
  EXPECT_EQ(run.info.status, RunStatus::kRunning);
  EXPECT_EQ(run.info.experiment_id, "0");
  EXPECT_EQ(run.info.user_id, "ann");
  EXPECT_EQ(run.info.start_time_ms, 1'700'000'000'123);
  EXPECT_FALSE(run.info.end_time_ms.has_value());
  EXPECT_FALSE(run.info.run_name.empty());
  EXPECT_EQ(run.tags.at("mlflow.runName"), run.info.run_name);
  EXPECT_EQ(run.tags.at("source"), "test");
  EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/0/" + run.info.run_id + "/artifacts");
}

TEST_P(TrackingStoreTest, NameAndNameTagStayInStep) {
  tracking::Run run = tracking().CreateRun({.run_name = "first"}).value();
  ASSERT_TRUE(tracking().SetTag(run.info.run_id, "mlflow.runName", "second").ok());
  EXPECT_EQ(tracking().GetRun(run.info.run_id).value().info.run_name, "second");
  ASSERT_TRUE(tracking().UpdateRun(run.info.run_id, {.run_name = "third"}).ok());
  run = tracking().GetRun(run.info.run_id).value();
  EXPECT_EQ(run.info.run_name, "third");
  EXPECT_EQ(run.tags.at("mlflow.runName"), "third");
  Failure(tracking().CreateRun({.run_name = "a", .tags = {{"mlflow.runName", "b"}}}),
          ErrorCode::kInvalidArgument);
  EXPECT_EQ(tracking().CreateRun({.tags = {{"mlflow.runName", "b"}}}).value().info.run_name, "b");
}

TEST_P(TrackingStoreTest, UpdateRunEndsIt) {
  const std::string run = NewRun();
  const RunInfo info =
      tracking()
          .UpdateRun(run, {.status = RunStatus::kFinished, .end_time_ms = 1'700'000'001'000})
          .value();
  EXPECT_EQ(info.status, RunStatus::kFinished);
  EXPECT_EQ(info.end_time_ms, 1'700'000'001'000);
  EXPECT_EQ(RunStatusName(info.status), "FINISHED");
  EXPECT_EQ(ParseRunStatus("KILLED").value(), RunStatus::kKilled);
  Failure(ParseRunStatus("DONE"), ErrorCode::kInvalidArgument);
}

TEST_P(TrackingStoreTest, GetRunTakesAUniquePrefix) {
  const std::string run = NewRun();
  EXPECT_EQ(tracking().GetRun(run.substr(0, 8)).value().info.run_id, run);
  EXPECT_EQ(Failure(tracking().GetRun("abc"), ErrorCode::kNotFound), "Run with id=abc not found");
  Failure(tracking().GetRun(std::string(32, '0')), ErrorCode::kNotFound);
}

TEST_P(TrackingStoreTest, ListRunsIsNewestFirstAndPages) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    clock().Advance({1'000'000});
    ids.push_back(NewRun());
  }
  const std::vector<tracking::Run> all = tracking().ListRuns().value();
  ASSERT_EQ(all.size(), 5U);
  EXPECT_EQ(all[0].info.run_id, ids[4]);
  const std::vector<tracking::Run> page =
      tracking().ListRuns({.experiment_ids = {"0"}, .max_results = 2, .offset = 2}).value();
  ASSERT_EQ(page.size(), 2U);
  EXPECT_EQ(page[0].info.run_id, ids[2]);
  EXPECT_TRUE(tracking().ListRuns({.experiment_ids = {"1"}}).value().empty());
  ASSERT_TRUE(tracking().DeleteRun(ids[0]).ok());
  EXPECT_EQ(tracking().ListRuns().value().size(), 4U);
  EXPECT_EQ(tracking().ListRuns({.view = ViewType::kDeletedOnly}).value().size(), 1U);
  EXPECT_EQ(tracking().ListRuns({.view = ViewType::kAll}).value().size(), 5U);
  Failure(tracking().ListRuns({.max_results = 50'001}), ErrorCode::kInvalidArgument);
}

TEST_P(TrackingStoreTest, LatestMetricIsTheGreatestStepThenTimeThenValue) {
  const std::string run = NewRun();
  const std::vector<Metric> metrics = {{"auc", 0.7, 100, 2},
                                       {"auc", 0.9, 200, 1},
                                       {"auc", 0.8, 50, 2},
                                       {"auc", 0.75, 100, 2},
                                       {"auc", 0.7, 100, 2}};
  ASSERT_TRUE(tracking().LogBatch(run, metrics, {}).ok());
  const Metric latest = tracking().GetRun(run).value().metrics.at("auc");
  EXPECT_EQ(latest.value, 0.75);
  EXPECT_EQ(latest.step, 2);
  const std::vector<MetricPoint> history = tracking().MetricHistory(run, "auc").value().items;
  ASSERT_EQ(history.size(), 4U) << "an exact duplicate is ignored";
  EXPECT_EQ(history[0].value, 0.8);
  EXPECT_EQ(history[1].value, 0.7);
  EXPECT_EQ(history[2].value, 0.75);
  EXPECT_EQ(history[3].value, 0.9);
  EXPECT_TRUE(tracking().MetricHistory(run, "loss").value().items.empty());
  Failure(tracking().MetricHistory("nope", "auc"), ErrorCode::kNotFound);
}

TEST_P(TrackingStoreTest, NaNIsKeptAndInfinityBecomesTheLargestDouble) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().LogMetric(run, {"a", std::nan(""), 1, 0}).ok());
  ASSERT_TRUE(
      tracking().LogMetric(run, {"b", -std::numeric_limits<double>::infinity(), 1, 0}).ok());
  Reopen();
  const tracking::Run read = tracking().GetRun(run).value();
  EXPECT_TRUE(std::isnan(read.metrics.at("a").value));
  EXPECT_EQ(read.metrics.at("b").value, std::numeric_limits<double>::lowest());
  EXPECT_TRUE(tracking().LogMetric(run, read.metrics.at("a")).ok()) << "logging a stored NaN again";
}

TEST_P(TrackingStoreTest, ParamsDoNotChange) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().LogParam(run, "depth", "6").ok());
  EXPECT_TRUE(tracking().LogParam(run, "depth", "6").ok());
  EXPECT_NE(Failure(tracking().LogParam(run, "depth", "7"), ErrorCode::kInvalidArgument)
                .find("Changing param values is not allowed"),
            std::string::npos);
  EXPECT_EQ(tracking().GetRun(run).value().params.at("depth"), "6");
  ASSERT_TRUE(tracking().LogParam(run, "long", std::string(7000, 'x')).ok());
  EXPECT_EQ(tracking().GetRun(run).value().params.at("long").size(), 6000U);
  EXPECT_TRUE(tracking().LogParam(run, "long", std::string(7000, 'x')).ok())
      << "the same long value again";
}

TEST_P(TrackingStoreTest, LongTextsAreCutBetweenCharacters) {
  const std::string run = NewRun();
  std::string value;
  for (int i = 0; i < 9000; ++i) {
    value += "\xC3\xA9";  // e with acute accent
  }
  ASSERT_TRUE(tracking().SetTag(run, "accents", value).ok());
  EXPECT_EQ(tracking().GetRun(run).value().tags.at("accents").size(), 2U * 8000U);
}

TEST_P(TrackingStoreTest, TagsChangeAndGo) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().SetTag(run, "stage", "one").ok());
  ASSERT_TRUE(tracking().SetTag(run, "stage", "two").ok());
  EXPECT_EQ(tracking().GetRun(run).value().tags.at("stage"), "two");
  ASSERT_TRUE(tracking().DeleteTag(run, "stage").ok());
  EXPECT_EQ(Failure(tracking().DeleteTag(run, "stage"), ErrorCode::kNotFound),
            "No tag with name: stage in run with id " + run);
}

TEST_P(TrackingStoreTest, BatchIsAllOrNothing) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().LogParam(run, "depth", "6").ok());
  const std::vector<Metric> metrics = {{"auc", 0.7, 1, 0}, {"bad//key", 0.7, 1, 0}};
  const std::vector<Param> params = {{"rounds", "10"}};
  Failure(tracking().LogBatch(run, metrics, params, {{"t", "v"}}), ErrorCode::kInvalidArgument);
  const tracking::Run read = tracking().GetRun(run).value();
  EXPECT_TRUE(read.metrics.empty());
  EXPECT_EQ(read.params.size(), 1U);
  EXPECT_FALSE(read.tags.contains("t"));
}

TEST_P(TrackingStoreTest, BatchLimitsAndKeysAreMlflows) {
  const std::string run = NewRun();
  const std::vector<Metric> many(1001, Metric{"m", 1, 1, 1});
  EXPECT_NE(Failure(tracking().LogBatch(run, many, {}), ErrorCode::kInvalidArgument)
                .find("A batch logging request can contain at most 1000 metrics"),
            std::string::npos);
  const std::vector<Param> twice = {{"a", "1"}, {"a", "1"}};
  EXPECT_NE(Failure(tracking().LogBatch(run, {}, twice), ErrorCode::kInvalidArgument)
                .find("Duplicate parameter keys"),
            std::string::npos);
  for (const std::string key :
       {"", "/a", "a/../b", "a//b", "..", "a/", "..a", "caf\xC3\xA9?", "a;b"}) {
    Failure(tracking().LogParam(run, key, "1"), ErrorCode::kInvalidArgument);
  }
  Failure(tracking().LogParam(run, std::string(251, 'k'), "1"), ErrorCode::kInvalidArgument);
  for (const std::string key : {"a/b", "a.b", "a b", "a-b", "a:b", "A_9", ".a"}) {
    EXPECT_TRUE(tracking().LogParam(run, key, "1").ok()) << key;
  }
}

TEST_P(TrackingStoreTest, DeletedRunsTakeNoWrites) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().DeleteRun(run).ok());
  EXPECT_NE(Failure(tracking().LogParam(run, "a", "1"), ErrorCode::kFailedPrecondition)
                .find("must be in the 'active' state"),
            std::string::npos);
  Failure(tracking().UpdateRun(run, {.status = RunStatus::kFinished}),
          ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(tracking().DeleteRun(run).ok()) << "again, as in MLflow";
  ASSERT_TRUE(tracking().RestoreRun(run).ok());
  EXPECT_TRUE(tracking().LogParam(run, "a", "1").ok());
  EXPECT_TRUE(tracking().RestoreRun(run).ok()) << "again, as in MLflow";
  Failure(tracking().LogParam("nope", "a", "1"), ErrorCode::kNotFound);
}

TEST_P(TrackingStoreTest, SameKeyGivesTheSameRunAlsoAfterReopening) {
  const RunRequest request{.run_name = "train", .idempotency_key = "step-train-1"};
  const std::string first = tracking().CreateRun(request).value().info.run_id;
  Reopen();
  EXPECT_EQ(tracking().CreateRun(request).value().info.run_id, first);
  EXPECT_EQ(tracking().FindRunByKey("step-train-1").value()->info.run_id, first);
  EXPECT_FALSE(tracking().FindRunByKey("other").value().has_value());
  EXPECT_EQ(tracking().ListRuns().value().size(), 1U);
  // A deleted run gives its key back.
  ASSERT_TRUE(tracking().DeleteRun(first).ok());
  EXPECT_NE(tracking().CreateRun(request).value().info.run_id, first);
}

TEST_P(TrackingStoreTest, LoggedModelsBelongToRuns) {
  const std::string run = NewRun();
  const LoggedModelRequest request{.name = "churn-lightgbm",
                                   .source_run_id = run,
                                   .model_type = "lightgbm",
                                   .params = {{"depth", "6"}},
                                   .tags = {{"view", "customer"}},
                                   .idempotency_key = "model-1"};
  const LoggedModel model = tracking().CreateLoggedModel(request).value();
  EXPECT_EQ(model.model_id.size(), 34U);
  EXPECT_TRUE(model.model_id.starts_with("m-"));
  EXPECT_EQ(model.status, LoggedModelStatus::kPending);
  EXPECT_EQ(model.artifact_location, "mlflow-artifacts:/0/models/" + model.model_id + "/artifacts");
  EXPECT_EQ(tracking().CreateLoggedModel(request).value().model_id, model.model_id);
  EXPECT_EQ(tracking().SearchLoggedModels({.experiment_ids = {"0"}}).value().items.size(), 1U);

  const std::vector<ModelOutput> outputs = {{model.model_id, 0}};
  ASSERT_TRUE(tracking().LogOutputs(run, outputs).ok());
  ASSERT_TRUE(tracking().LogOutputs(run, outputs).ok());
  ASSERT_EQ(tracking().GetRun(run).value().outputs.size(), 1U);
  EXPECT_EQ(tracking().GetRun(run).value().outputs[0].model_id, model.model_id);

  EXPECT_EQ(
      tracking().FinalizeLoggedModel(model.model_id, LoggedModelStatus::kReady).value().status,
      LoggedModelStatus::kReady);
  ASSERT_TRUE(tracking().SetLoggedModelTags(model.model_id, {{"mlflow.modelVersions", "[]"}}).ok());
  Reopen();
  const LoggedModel read = tracking().GetLoggedModel(model.model_id).value();
  EXPECT_EQ(LoggedModelStatusName(read.status), "LOGGED_MODEL_READY");
  EXPECT_EQ(read.params.at("depth"), "6");
  EXPECT_EQ(read.tags.size(), 2U);
  EXPECT_EQ(read.source_run_id, run);
  Failure(tracking().GetLoggedModel("m-0"), ErrorCode::kNotFound);
  Failure(tracking().CreateLoggedModel({.name = "a/b"}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::tracking
