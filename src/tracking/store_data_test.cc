// SPDX-License-Identifier: Apache-2.0
// Histories, inputs and outputs, logged models, searches and erasing, on each kind of database.
#include <algorithm>
#include <atomic>

#include "tracking/internal/test_store.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

class TrackingDataTest : public internal::StoreTest {
 protected:
  std::vector<std::string> Found(const std::string& filter,
                                 const std::vector<std::string>& order_by = {},
                                 ViewType view = ViewType::kActiveOnly) {
    RunSearch search;
    search.experiment_ids = {"0"};
    search.filter = filter;
    search.order_by = order_by;
    search.view = view;
    std::vector<std::string> names;
    const auto page = tracking().SearchRuns(search).value();
    for (const tracking::Run& run : page.items) {
      names.push_back(run.info.run_name);
    }
    return names;
  }
  std::string Named(const std::string& name) {
    clock().Advance({1'000'000});
    return tracking().CreateRun({.run_name = name}).value().info.run_id;
  }
  std::vector<std::string> Models(const LoggedModelSearch& search) {
    std::vector<std::string> names;
    const auto page = tracking().SearchLoggedModels(search).value();
    for (const LoggedModel& model : page.items) {
      names.push_back(model.name);
    }
    return names;
  }
};
MILL_ON_EVERY_DATABASE(TrackingDataTest);

using Names = std::vector<std::string>;

TEST_P(TrackingDataTest, HistoryComesInPages) {
  const std::string run = NewRun();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(tracking().LogMetric(run, {"loss", 1.0 / (i + 1), 100 + i, i}).ok());
  }
  const Page<MetricPoint> first = tracking().MetricHistory(run, "loss", 2).value();
  ASSERT_EQ(first.items.size(), 2U);
  const Page<MetricPoint> second =
      tracking().MetricHistory(run, "loss", 2, first.next_page_token).value();
  ASSERT_EQ(second.items.size(), 2U);
  EXPECT_EQ(second.items[0], (MetricPoint{102, 2, 1.0 / 3}));
  const Page<MetricPoint> last =
      tracking().MetricHistory(run, "loss", 2, second.next_page_token).value();
  EXPECT_EQ(last.items.size(), 1U);
  EXPECT_EQ(last.next_page_token, "");
  Failure(tracking().MetricHistory(run, "loss", 2, "nonsense!"), ErrorCode::kInvalidArgument);
}

TEST_P(TrackingDataTest, SamplesKeepEveryNthStepTheLastAndEachRunsEnds) {
  const std::string a = NewRun();
  const std::string b = NewRun();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(tracking().LogMetric(a, {"loss", i * 1.0, 100 + i, i}).ok());
  }
  ASSERT_TRUE(tracking().LogMetric(b, {"loss", 7, 100, 7}).ok());
  ASSERT_TRUE(tracking().LogMetric(b, {"loss", 8, 100, 3}).ok());
  const auto steps = [](const RunPoints& run) {
    std::vector<std::int64_t> result;
    for (const MetricPoint& point : run.points) {
      result.push_back(point.step);
    }
    return result;
  };
  const auto sample = [&](BulkHistory request) {
    request.key = "loss";
    return tracking().MetricHistoryBulk(request).value();
  };
  const std::vector<RunPoints> one = sample({.run_ids = {a}, .max_results = 5});
  EXPECT_EQ(steps(one[0]), (std::vector<std::int64_t>{0, 2, 4, 6, 8, 9}));
  const std::vector<RunPoints> both = sample({.run_ids = {b, a, "no-such"}, .max_results = 5});
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].run_id, b);
  EXPECT_EQ(steps(both[0]), (std::vector<std::int64_t>{3, 7}));
  EXPECT_EQ(steps(both[1]), (std::vector<std::int64_t>{0, 2, 3, 4, 6, 7, 8, 9}));
  const std::vector<RunPoints> part =
      sample({.run_ids = {a}, .start_step = 2, .end_step = 4, .max_results = 5});
  EXPECT_EQ(steps(part[0]), (std::vector<std::int64_t>{2, 3, 4}));
  Failure(tracking().MetricHistoryBulk({.run_ids = {a}, .key = "loss", .start_step = 2}),
          ErrorCode::kInvalidArgument);
  Failure(
      tracking().MetricHistoryBulk({.run_ids = {a}, .key = "loss", .start_step = 3, .end_step = 2}),
      ErrorCode::kInvalidArgument);
}

TEST_P(TrackingDataTest, ManyValuesAtOneStepAreThinned) {
  const std::string run = NewRun();
  std::vector<Metric> metrics;
  for (int i = 0; i < 1000; ++i) {
    metrics.push_back({"loss", i * 1.0, i, 0});
  }
  ASSERT_TRUE(tracking().LogBatch(run, metrics, {}).ok());
  const std::vector<RunPoints> sample =
      tracking().MetricHistoryBulk({.run_ids = {run}, .key = "loss", .max_results = 10}).value();
  ASSERT_EQ(sample[0].points.size(), 40U);
  EXPECT_EQ(sample[0].points.front().value, 0);
  EXPECT_EQ(sample[0].points.back().value, 999);
}

TEST_P(TrackingDataTest, PlotsKeepExtremes) {
  const std::string run = NewRun();
  std::vector<Metric> metrics;
  for (int i = 0; i < 1000; ++i) {
    metrics.push_back({"loss", i == 567 ? 9.0 : (i == 321 ? -9.0 : 0.5), i, i});
  }
  ASSERT_TRUE(tracking().LogBatch(run, metrics, {}).ok());
  const std::vector<MetricPoint> plot = tracking().MetricPlot(run, "loss", 10).value();
  EXPECT_LE(plot.size(), 40U);
  EXPECT_EQ(plot.front().step, 0);
  EXPECT_EQ(plot.back().step, 999);
  const auto has = [&](std::int64_t step) {
    return std::any_of(plot.begin(), plot.end(), [&](const auto& p) { return p.step == step; });
  };
  EXPECT_TRUE(has(567));
  EXPECT_TRUE(has(321));
  EXPECT_TRUE(tracking().MetricPlot(run, "never", 10).value().empty());
}

TEST_P(TrackingDataTest, DataSetsAreInputsOnceWithTheirFirstTags) {
  const std::string run = NewRun();
  const Dataset churn{"churn", "d1", "local", "file.csv", "{\"columns\": []}", std::nullopt};
  const std::vector<DatasetInput> inputs = {{churn, {{"mlflow.data.context", "training"}}},
                                            {{"prices", "d2", "s3", "s3://b/x", {}, {}}, {}}};
  ASSERT_TRUE(tracking().LogInputs(run, inputs, std::vector<ModelInput>{{"m-1"}}).ok());
  const std::vector<DatasetInput> again = {{churn, {{"mlflow.data.context", "testing"}}}};
  ASSERT_TRUE(tracking().LogInputs(run, again, std::vector<ModelInput>{{"m-1"}}).ok());
  Reopen();
  const tracking::Run read = tracking().GetRun(run).value();
  ASSERT_EQ(read.dataset_inputs.size(), 2U);
  EXPECT_EQ(read.dataset_inputs[0].dataset.name, "churn");
  EXPECT_EQ(read.dataset_inputs[0].dataset.schema, "{\"columns\": []}");
  EXPECT_FALSE(read.dataset_inputs[0].dataset.profile.has_value());
  EXPECT_EQ(read.dataset_inputs[0].tags.at("mlflow.data.context"), "training");
  ASSERT_EQ(read.model_inputs.size(), 1U);
  const std::vector<DatasetSummary> summaries = tracking().SearchDatasets({"0", "7"}).value();
  ASSERT_EQ(summaries.size(), 2U);
  EXPECT_EQ(summaries[0].name, "churn");
  EXPECT_EQ(summaries[0].context, "training");
  EXPECT_EQ(
      Failure(
          tracking().LogInputs(
              run, std::vector<DatasetInput>{{{"x", std::string(37, 'd'), "", "", {}, {}}, {}}}),
          ErrorCode::kInvalidArgument),
      "'digest' exceeds the maximum length of 36 characters");
}

TEST_P(TrackingDataTest, RunsAreFoundByAllThatTheyHave) {
  const std::string first = Named("first");
  const std::string second = Named("second");
  const std::string third = Named("third");
  ASSERT_TRUE(tracking()
                  .LogBatch(first, std::vector<Metric>{{"auc", 0.7, 1, 0}},
                            std::vector<Param>{{"depth", "6"}}, {{"team", "growth"}})
                  .ok());
  ASSERT_TRUE(tracking()
                  .LogBatch(second, std::vector<Metric>{{"auc", 0.9, 1, 0}},
                            std::vector<Param>{{"depth", "8"}})
                  .ok());
  const std::vector<DatasetInput> inputs = {
      {{"churn", "d1", "local", "x", {}, {}}, {{"mlflow.data.context", "train"}}}};
  ASSERT_TRUE(tracking().LogInputs(third, inputs).ok());
  EXPECT_EQ(Found(""), (Names{"third", "second", "first"})) << "newest first";
  EXPECT_EQ(Found("metrics.auc > 0.8"), Names{"second"});
  EXPECT_EQ(Found("params.depth = '6' AND tags.team LIKE 'gro%'"), Names{"first"});
  EXPECT_EQ(Found("dataset.name = 'churn'"), Names{"third"});
  EXPECT_EQ(Found("dataset.context = 'train'"), Names{"third"});
  EXPECT_EQ(Found("attributes.run_name ILIKE 'T%'"), Names{"third"});
  EXPECT_EQ(Found("", {"metrics.auc ASC"}), (Names{"first", "second", "third"}))
      << "without a value last";
  // Searches see what was acknowledged before.
  ASSERT_TRUE(tracking().LogMetric(first, {"auc", 0.95, 2, 1}).ok());
  EXPECT_EQ(Found("metrics.auc > 0.8"), (Names{"second", "first"}));
  ASSERT_TRUE(tracking().SetTag(third, "team", "growth").ok());
  EXPECT_EQ(Found("tags.team = 'growth'"), (Names{"third", "first"}));
  ASSERT_TRUE(tracking().DeleteTag(third, "team").ok());
  EXPECT_EQ(Found("tags.team = 'growth'"), Names{"first"});
  ASSERT_TRUE(tracking().DeleteRun(second).ok());
  EXPECT_EQ(Found("metrics.auc > 0.8"), Names{"first"});
  EXPECT_EQ(Found("", {}, ViewType::kDeletedOnly), Names{"second"});
  Failure(tracking().SearchRuns({{.filter = "metrics.auc >> 1"}, {"0"}}),
          ErrorCode::kInvalidArgument);
  EXPECT_TRUE(tracking().SearchRuns({}).value().items.empty()) << "no experiment, no run";
}

TEST_P(TrackingDataTest, SearchesComeInPages) {
  for (int i = 0; i < 5; ++i) {
    Named("run" + std::to_string(i));
  }
  RunSearch search;
  search.experiment_ids = {"0"};
  search.max_results = 2;
  Names names;
  do {
    const Page<tracking::Run> page = tracking().SearchRuns(search).value();
    for (const tracking::Run& run : page.items) {
      names.push_back(run.info.run_name);
    }
    search.page_token = page.next_page_token;
  } while (!search.page_token.empty());
  EXPECT_EQ(names, (Names{"run4", "run3", "run2", "run1", "run0"}));
  search.max_results = 0;
  Failure(tracking().SearchRuns(search), ErrorCode::kInvalidArgument);
}

TEST_P(TrackingDataTest, ExperimentsAreFoundByNameAndTag) {
  ASSERT_TRUE(tracking().CreateExperiment("churn", {{"team", "growth"}}).ok());
  ASSERT_TRUE(tracking().CreateExperiment("Prices", {}, "s3://bucket/prices").ok());
  EXPECT_EQ(tracking().GetExperimentByName("Prices").value().artifact_location,
            "s3://bucket/prices");
  const auto found = [&](const std::string& filter, const Names& order = {}) {
    ExperimentSearch search;
    search.filter = filter;
    search.order_by = order;
    Names names;
    const auto page = tracking().SearchExperiments(search).value();
    for (const Experiment& experiment : page.items) {
      names.push_back(experiment.name);
    }
    return names;
  };
  EXPECT_EQ(found("name ILIKE 'p%'"), Names{"Prices"});
  EXPECT_EQ(found("tags.team = 'growth'"), Names{"churn"});
  EXPECT_EQ(found("", {"name ASC"}), (Names{"Default", "Prices", "churn"}));
  ASSERT_TRUE(tracking().SetExperimentTag("1", "team", "sales").ok());
  EXPECT_EQ(found("tags.team = 'sales'"), Names{"churn"});
  ASSERT_TRUE(tracking().DeleteExperimentTag("1", "team").ok());
  EXPECT_EQ(found("tags.team = 'sales'"), Names{});
  EXPECT_EQ(Failure(tracking().DeleteExperimentTag("1", "team"), ErrorCode::kNotFound),
            "No tag with name: team in experiment with id 1");
}

TEST_P(TrackingDataTest, ModelsAreFoundByTheirMetricsOnDataSets) {
  const std::string run = NewRun();
  const auto model = [&](const std::string& name) {
    clock().Advance({1'000'000});
    return tracking()
        .CreateLoggedModel({.name = name, .source_run_id = run, .params = {{"depth", "6"}}})
        .value()
        .model_id;
  };
  const std::string good = model("good");
  const std::string bad = model("bad");
  const std::vector<Metric> metrics = {{"auc", 0.9, 1, 0, good, "test", "d"},
                                       {"auc", 0.99, 1, 0, good, "train", "d"},
                                       {"auc", 0.6, 1, 0, bad, "test", "d"},
                                       {"auc", 0.95, 1, 0, bad, "train", "d"}};
  ASSERT_TRUE(tracking().LogBatch(run, metrics, {}).ok());
  const LoggedModel read = tracking().GetLoggedModel(good).value();
  ASSERT_EQ(read.metrics.size(), 2U);
  EXPECT_EQ(read.metrics[0].run_id, run);
  EXPECT_EQ(read.metrics[0].metric.dataset_name, "test");
  EXPECT_EQ(Models({.experiment_ids = {"0"}}), (Names{"bad", "good"})) << "newest first";
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .filter = "metrics.auc > 0.8"}),
            (Names{"bad", "good"}));
  const std::vector<Dataset> test = {{"test", "", "", "", {}, {}}};
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .filter = "metrics.auc > 0.8", .datasets = test}),
            Names{"good"});
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .order_by = {{"metrics.auc", true, "test"}}}),
            (Names{"bad", "good"}));
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .order_by = {{"metrics.auc", false, "test"}}}),
            (Names{"good", "bad"}));
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .filter = "name = 'bad' AND params.depth = '6'"}),
            Names{"bad"});
  ASSERT_TRUE(tracking().DeleteLoggedModel(bad).ok());
  EXPECT_EQ(Models({.experiment_ids = {"0"}}), Names{"good"});
  EXPECT_EQ(Failure(tracking().GetLoggedModel(bad), ErrorCode::kNotFound),
            "Logged model with ID '" + bad + "' not found.");
  EXPECT_EQ(tracking().GetLoggedModel(bad, ViewType::kAll).value().name, "bad");
  Failure(tracking().LogMetric(run, {"auc", 1, 1, 1, "m-none"}), ErrorCode::kNotFound);
}

TEST_P(TrackingDataTest, APageOfModelsHasAllOfTheirData) {
  const std::string run = NewRun();
  std::string last;
  for (int i = 0; i < 5; ++i) {
    clock().Advance({1'000'000});
    last = tracking()
               .CreateLoggedModel({.name = "m" + std::to_string(i),
                                   .source_run_id = run,
                                   .params = {{"depth", std::to_string(i % 2)}, {"seed", "1"}},
                                   .tags = {{"team", "a"}, {"b", "c"}}})
               .value()
               .model_id;
  }
  const std::vector<Metric> metrics = {{"auc", 0.9, 1, 0, last}, {"loss", 0.1, 1, 0, last}};
  ASSERT_TRUE(tracking().LogBatch(run, metrics, {}).ok());
  LoggedModelSearch search{.experiment_ids = {"0"}, .max_results = 2};
  EXPECT_EQ(Models(search), (Names{"m4", "m3"})) << "read in pages, newest first";
  search.page_token = tracking().SearchLoggedModels(search).value().next_page_token;
  EXPECT_EQ(Models(search), (Names{"m2", "m1"}));
  search.page_token = tracking().SearchLoggedModels(search).value().next_page_token;
  EXPECT_EQ(Models(search), Names{"m0"});
  EXPECT_EQ(tracking().SearchLoggedModels(search).value().next_page_token, "");
  for (const std::string filter : {"", "params.depth = '0' AND tags.team = 'a'", "metrics.auc > 0",
                                   "params.seed = '1' AND name != 'm3'"}) {
    const Page<LoggedModel> found =
        tracking().SearchLoggedModels({.experiment_ids = {"0"}, .filter = filter}).value();
    ASSERT_FALSE(found.items.empty()) << filter;
    EXPECT_EQ(found.items[0].name, "m4") << filter;
    EXPECT_EQ(found.items[0].params.size(), 2U) << filter;
    EXPECT_EQ(found.items[0].tags.size(), 2U) << filter;
    EXPECT_EQ(found.items[0].metrics.size(), 2U) << filter;
  }
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .filter = "params.depth = '0'"}),
            (Names{"m4", "m2", "m0"}));
  EXPECT_EQ(Models({.experiment_ids = {"0"}, .filter = "params.`it's` = 'x'"}), Names{});
}

TEST_P(TrackingDataTest, ModelsTakeMoreParamsAndLoseTags) {
  const std::string model =
      tracking().CreateLoggedModel({.tags = {{"a", "1"}, {"b", "2"}}}).value().model_id;
  ASSERT_TRUE(tracking().LogLoggedModelParams(model, std::vector<Param>{{"depth", "6"}}).ok());
  ASSERT_TRUE(tracking().DeleteLoggedModelTag(model, "a").ok());
  EXPECT_EQ(Failure(tracking().DeleteLoggedModelTag(model, "a"), ErrorCode::kNotFound),
            "No tag with key 'a' found for model with ID '" + model + "'.");
  const LoggedModel read = tracking().GetLoggedModel(model).value();
  EXPECT_EQ(read.params.at("depth"), "6");
  EXPECT_EQ(read.tags, (Tags{{"b", "2"}}));
}

TEST_P(TrackingDataTest, ErasedRunsLeaveNothing) {
  const std::string kept = Named("kept");
  const std::string gone = Named("gone");
  for (const std::string& run : {kept, gone}) {
    ASSERT_TRUE(tracking()
                    .LogBatch(run, std::vector<Metric>{{"auc", 0.7, 1, 0}},
                              std::vector<Param>{{"depth", "6"}}, {{"team", "x"}})
                    .ok());
    const std::vector<DatasetInput> inputs = {
        {{"data of " + run, "d1", "local", "x", {}, {}}, {{"mlflow.data.context", "train"}}}};
    ASSERT_TRUE(tracking().LogInputs(run, inputs, std::vector<ModelInput>{{"m-1"}}).ok());
    ASSERT_TRUE(tracking().LogOutputs(run, std::vector<ModelOutput>{{"m-2", 0}}).ok());
  }
  Failure(tracking().EraseRuns({gone}), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(tracking().DeleteRun(gone).ok());
  EXPECT_TRUE(tracking().DeletedRuns(std::chrono::hours(1)).value().empty());
  clock().Advance({7'200'000'000});
  ASSERT_EQ(tracking().DeletedRuns(std::chrono::hours(1)).value().size(), 1U);
  ASSERT_TRUE(tracking().EraseRuns({gone}).ok());
  EXPECT_TRUE(tracking().DeletedRuns({}).value().empty());
  Failure(tracking().GetRun(gone), ErrorCode::kNotFound);
  Failure(tracking().MetricHistory(gone, "auc"), ErrorCode::kNotFound);
  Failure(tracking().RestoreRun(gone), ErrorCode::kNotFound);
  EXPECT_EQ(tracking().SearchDatasets({"0"}).value().size(), 1U);
  EXPECT_EQ(Found("", {}, ViewType::kAll), Names{"kept"});
  for (const std::string table : {"params", "tags", "dataset_inputs", "run_outputs"}) {
    EXPECT_EQ(
        std::get<std::int64_t>(
            opened_->metadata->Query("SELECT COUNT(DISTINCT run_key) FROM " + table).value()[0][0]),
        1)
        << table;
  }
  // A new run does not meet what the erased one left.
  const std::string next = Named("next");
  EXPECT_TRUE(tracking().GetRun(next).value().metrics.empty());
  EXPECT_EQ(tracking().GetRun(kept).value().metrics.size(), 1U);
}

TEST_P(TrackingDataTest, DeletedModelsAndExperimentsAreErasedUnlessSomethingNeedsThem) {
  const std::string gone = tracking().CreateExperiment("gone").value().id;
  const std::string newest = tracking().CreateExperiment("newest").value().id;
  const RunInfo run = tracking().CreateRun({.experiment_id = gone}).value().info;
  const std::string inside =
      tracking().CreateLoggedModel({.experiment_id = gone, .name = "inside"}).value().model_id;
  const std::string own = tracking().CreateLoggedModel({.name = "own"}).value().model_id;
  const std::string active = tracking().CreateLoggedModel({.name = "active"}).value().model_id;
  ASSERT_TRUE(tracking().LogOutputs(run.run_id, std::vector<ModelOutput>{{own, 0}}).ok());
  Failure(tracking().EraseLoggedModel(own), ErrorCode::kFailedPrecondition);
  Failure(tracking().EraseExperiment(gone), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(tracking().DeleteLoggedModel(own).ok());
  ASSERT_TRUE(tracking().DeleteExperiment(gone).ok());
  ASSERT_TRUE(tracking().DeleteExperiment(newest).ok());

  EXPECT_TRUE(tracking().DeletedLoggedModels(std::chrono::hours(1)).value().empty());
  EXPECT_TRUE(tracking().DeletedExperiments(std::chrono::hours(1)).value().empty());
  EXPECT_EQ(tracking().DeletedLoggedModels({}).value().size(), 2U);
  // The newest one keeps its row: the next experiment would take its id.
  ASSERT_EQ(tracking().DeletedExperiments({}).value().size(), 1U);
  EXPECT_FALSE(tracking().EraseExperiment(gone).value()) << "a run and a model are in it";
  ASSERT_TRUE(tracking().EraseRuns({run.run_id}).ok());
  for (const std::string& model : {inside, own}) {
    ASSERT_TRUE(tracking().EraseLoggedModel(model).ok());
  }
  EXPECT_TRUE(tracking().EraseExperiment(gone).value());
  Failure(tracking().EraseExperiment(newest), ErrorCode::kFailedPrecondition);
  Failure(tracking().GetExperiment(gone), ErrorCode::kNotFound);
  EXPECT_TRUE(tracking().DeletedLoggedModels({}).value().empty());
  EXPECT_TRUE(tracking().GetLoggedModel(active).ok());
  EXPECT_TRUE(tracking().CompactPoints().ok());
}

TEST_P(TrackingDataTest, AsyncBatchesAreAnsweredOnce) {
  const std::string run = NewRun();
  std::atomic<int> good = 0;
  std::atomic<int> bad = 0;
  const auto done = [&](const Result<void>& result) { ++(result.ok() ? good : bad); };
  for (int i = 0; i < 50; ++i) {
    tracking().LogBatchAsync(run, {.metrics = {{"auc", 0.5, i, i}}}, done);
  }
  tracking().LogBatchAsync(run, {.metrics = {{"a//b", 0.5, 1, 1}}}, done);
  tracking().LogBatchAsync("none", {.metrics = {{"auc", 0.5, 1, 1}}}, done);
  ASSERT_TRUE(tracking().SetTag(run, "last", "1").ok()) << "writes are done in their order";
  // The answer of the last comes after those of the ones before it.
  EXPECT_EQ(good, 50);
  EXPECT_EQ(bad, 2);
  EXPECT_EQ(tracking().MetricHistory(run, "auc").value().items.size(), 50U);
}

TEST_P(TrackingDataTest, TwoStoresOnOneDatabaseSeeEachOther) {
  internal::Opened other(root_ / "workspace", uri_);
  const std::string run = NewRun();
  ASSERT_TRUE(other.tracking->LogMetric(run, {"auc", 0.5, 1, 1}).ok());
  ASSERT_TRUE(tracking().LogMetric(run, {"auc", 0.6, 2, 2}).ok());
  EXPECT_EQ(other.tracking->GetRun(run).value().metrics.at("auc").value, 0.6);
  EXPECT_EQ(tracking().MetricHistory(run, "auc").value().items.size(), 2U);
  // What one remembers of a run does not outlive what the other does to it.
  ASSERT_TRUE(other.tracking->DeleteRun(run).ok());
  Failure(tracking().LogMetric(run, {"auc", 0.7, 3, 3}), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(tracking().RestoreRun(run).ok());
  EXPECT_TRUE(other.tracking->LogMetric(run, {"auc", 0.7, 3, 3}).ok());
}

TEST_P(TrackingDataTest, ParamsThatChangeAreNamedWithOldAndNewValue) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().LogParam(run, "a", "1").ok());
  EXPECT_EQ(Failure(tracking().LogParam(run, "a", "2"), ErrorCode::kInvalidArgument),
            "Changing param values is not allowed. Param with key='a' was already logged with "
            "value='1' for run ID='" +
                run + "'. Attempted logging new value '2'.");
  const std::vector<Param> params = {{"a", "it's"}, {"b", "3"}};
  EXPECT_EQ(Failure(tracking().LogBatch(run, {}, params), ErrorCode::kInvalidArgument),
            "Changing param values is not allowed. Params were already logged='[{'key': 'a', "
            "'old_value': '1', 'new_value': \"it's\"}]' for run ID='" +
                run + "'.");
  EXPECT_FALSE(tracking().GetRun(run).value().params.contains("b"));
}

TEST_P(TrackingDataTest, NewNamesOfABatchThatFailedAreMadeAgain) {
  const std::string run = NewRun();
  ASSERT_TRUE(tracking().LogParam(run, "a", "1").ok());
  const std::vector<Metric> metrics = {{"fresh", 0.5, 1, 1}};
  const std::vector<Param> conflict = {{"fresh_param", "1"}, {"a", "2"}};
  Failure(tracking().LogBatch(run, metrics, conflict), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(tracking().LogBatch(run, metrics, std::vector<Param>{{"fresh_param", "1"}}).ok());
  const tracking::Run read = tracking().GetRun(run).value();
  EXPECT_EQ(read.metrics.at("fresh").value, 0.5);
  EXPECT_EQ(read.params.at("fresh_param"), "1");
}

}  // namespace
}  // namespace millrace::tracking
