// SPDX-License-Identifier: Apache-2.0
// MLflow's endpoints of experiments, runs, metrics and logged models. Bodies and messages were
// observed at MLflow 3.17.2.
#include <string>
#include <vector>

#include "api/internal/access_rules.h"
#include "api/internal/switched_off.h"
#include "api/internal/tracking_testing.h"

namespace millrace::api {
namespace {

using nlohmann::json;

TEST_F(TrackingApiTest, AnExperimentIsShownAsMlflowShowsIt) {
  const std::string id =
      Done(Post("/experiments/create", {{"name", "e"}, {"tags", {{{"key", "a"}, {"value", "b"}}}}}))
          .at("experiment_id");
  EXPECT_EQ(id, "1");
  const json experiment = Done(Get("/experiments/get?experiment_id=1")).at("experiment");
  EXPECT_EQ(experiment, (json{{"experiment_id", "1"},
                              {"name", "e"},
                              {"artifact_location", "mlflow-artifacts:/1"},
                              {"lifecycle_stage", "active"},
                              {"last_update_time", 1'700'000'000'123},
                              {"creation_time", 1'700'000'000'123},
                              {"tags", {{{"key", "a"}, {"value", "b"}}}},
                              {"workspace", "default"}}));
}

TEST_F(TrackingApiTest, AnUnknownExperimentIsNamed) {
  const Answer by_id = Get("/experiments/get?experiment_id=77");
  EXPECT_EQ(by_id.status, 404);
  EXPECT_EQ(by_id.value, (json{{"error_code", "RESOURCE_DOES_NOT_EXIST"},
                               {"message", "No Experiment with id=77 exists"},
                               {"sqlstate", "KAM00"},
                               {"error_class", "RESOURCE_NOT_FOUND"}}));
  const Answer by_name = Get("/experiments/get-by-name?experiment_name=zz");
  EXPECT_EQ(by_name.status, 404);
  EXPECT_EQ(by_name.value.at("message"), "Could not find experiment with name 'zz'");
}

TEST_F(TrackingApiTest, ExperimentsAreRenamedDeletedRestoredAndTagged) {
  const std::string id = NewExperiment("e");
  EXPECT_EQ(Done(Post("/experiments/update", {{"experiment_id", id}, {"new_name", "f"}})),
            json::object());
  Done(Post("/experiments/set-experiment-tag",
            {{"experiment_id", id}, {"key", "k"}, {"value", "v"}}));
  Done(Post("/experiments/delete", {{"experiment_id", id}}));
  const json deleted = Done(Get("/experiments/get-by-name?experiment_name=f")).at("experiment");
  EXPECT_EQ(deleted.at("lifecycle_stage"), "deleted");
  EXPECT_EQ(deleted.at("tags").size(), 1U);
  Done(Post("/experiments/restore", {{"experiment_id", id}}));
  Done(Post("/experiments/delete-experiment-tag", {{"experiment_id", id}, {"key", "k"}}));
  const json found = Done(Post("/experiments/search", {{"max_results", 10}})).at("experiments");
  EXPECT_EQ(found.size(), 2U);
}

TEST_F(TrackingApiTest, ARunIsShownAsMlflowShowsIt) {
  const json created =
      Done(Post("/runs/create",
                {{"experiment_id", "0"}, {"run_name", "r"}, {"start_time", "5"}, {"user_id", "u"}}))
          .at("run");
  const std::string id = created.at("info").at("run_id");
  EXPECT_EQ(created.at("info"), (json{{"run_uuid", id},
                                      {"run_id", id},
                                      {"experiment_id", "0"},
                                      {"run_name", "r"},
                                      {"user_id", "u"},
                                      {"status", "RUNNING"},
                                      {"start_time", 5},
                                      {"artifact_uri", "mlflow-artifacts:/0/" + id + "/artifacts"},
                                      {"lifecycle_stage", "active"}}));
  EXPECT_EQ(created.at("data"), (json{{"tags", {{{"key", "mlflow.runName"}, {"value", "r"}}}}}));
  const json ended =
      Done(Post("/runs/update", {{"run_id", id}, {"status", "FINISHED"}, {"end_time", 9}}))
          .at("run_info");
  EXPECT_EQ(ended.at("status"), "FINISHED");
  EXPECT_EQ(ended.at("end_time"), 9);
}

TEST_F(TrackingApiTest, WhatIsLoggedIsReadBack) {
  const std::string run = NewRun();
  EXPECT_EQ(Done(Post("/runs/log-metric",
                      {{"run_id", run}, {"key", "m"}, {"value", 1}, {"timestamp", 5}})),
            json::object());
  Done(
      Post("/runs/log-metric",
           {{"run_uuid", run}, {"key", "n"}, {"value", "NaN"}, {"timestamp", "5"}, {"step", "3"}}));
  Done(Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", "x"}}));
  Done(Post("/runs/set-tag", {{"run_id", run}, {"key", "t"}, {"value", ""}}));
  Done(Post("/runs/log-batch",
            {{"run_id", run},
             {"metrics", {{{"key", "m"}, {"value", 0.5}, {"timestamp", 6}, {"step", 1}}}},
             {"params", {{{"key", "q"}, {"value", "y"}}}},
             {"tags", {{{"key", "u"}, {"value", "z"}}}}}));
  const json data = Done(Get("/runs/get?run_id=" + run)).at("run").at("data");
  EXPECT_EQ(data.at("metrics"),
            (json{{{"key", "m"}, {"value", 0.5}, {"timestamp", 6}, {"step", 1}},
                  {{"key", "n"}, {"value", "NaN"}, {"timestamp", 5}, {"step", 3}}}));
  EXPECT_EQ(data.at("params").size(), 2U);
  const json history = Done(Get("/metrics/get-history?run_id=" + run + "&metric_key=m"));
  EXPECT_EQ(history, (json{{"metrics",
                            {{{"key", "m"}, {"value", 1.0}, {"timestamp", 5}, {"step", 0}},
                             {{"key", "m"}, {"value", 0.5}, {"timestamp", 6}, {"step", 1}}}}}));
  Done(Post("/runs/delete-tag", {{"run_id", run}, {"key", "t"}}));
}

TEST_F(TrackingApiTest, WhatIsWrongInABatchIsNamed) {
  const auto message = [&](const json& body) {
    const Answer answer = Post("/runs/log-batch", body);
    EXPECT_EQ(answer.status, 400) << answer.body;
    return answer.value.value("message", "");
  };
  const std::string see = " See the API docs for more information about request parameters.";
  EXPECT_EQ(
      message({{"run_id", 31}}),
      "Invalid value 31 for parameter 'run_id' supplied:  Hint: Value was of type 'int'." + see);
  EXPECT_EQ(message(json::object()), "Missing value for required parameter 'run_id'." + see);
  EXPECT_EQ(message({{"run_id", "r"}, {"metrics", {{{"key", "k"}, {"value", 0.1}}}}}),
            "Missing value for required parameter 'metrics[0].timestamp'." + see);
  EXPECT_EQ(message({{"run_id", "r"}, {"params", {{{"value", "x"}}}}}),
            "Missing value for required parameter 'params[0].key'." + see);
}

TEST_F(TrackingApiTest, ErrorsOfSingleCallsSpeakOfOneValue) {
  const std::string run = NewRun();
  const auto message = [&](const std::string& path, const json& body) {
    return Post(path, body).value.value("message", "");
  };
  const json metric = {{"run_id", run}, {"key", "../up"}, {"value", 1}, {"timestamp", 1}};
  EXPECT_TRUE(message("/runs/log-metric", metric)
                  .starts_with("Invalid value \"../up\" for parameter 'name' supplied"));
  EXPECT_TRUE(message("/runs/set-tag", {{"run_id", run}, {"key", "a//b"}, {"value", ""}})
                  .starts_with("Invalid value \"a//b\" for parameter 'key' supplied"));
  Done(Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", "1"}}));
  EXPECT_EQ(message("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", "2"}}),
            "Changing param values is not allowed. Param with key='p' was already logged with "
            "value='1' for run ID='" +
                run + "'. Attempted logging new value '2'.");
  EXPECT_EQ(Post("/runs/set-tag", {{"run_id", "no id!"}, {"key", "k"}}).status, 404);
}

TEST_F(TrackingApiTest, BrokenJsonIsAnEmptyRequest) {
  for (const std::string body : {"{broken", "[1]", "", "5", "\"x\""}) {
    const Answer answer = Ask("POST", kRoot + "/runs/log-metric", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.value.at("message"),
              "Missing value for required parameter 'run_id'. See the API docs for more "
              "information about request parameters.");
  }
}

TEST_F(TrackingApiTest, NestingOfAnyDepthIsRefusedNotFollowed) {
  for (const std::size_t depth : {100U, 1'000'000U}) {
    const std::string nested = "{\"name\":" + std::string(depth, '[');
    EXPECT_EQ(Ask("POST", kRoot + "/experiments/create", nested).status, 400);
    const std::string closed =
        "{\"name\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
    EXPECT_EQ(Ask("POST", kRoot + "/experiments/create", closed).status, 400);
  }
}

TEST_F(TrackingApiTest, UnknownAndDeletedRunsAreRefused) {
  const Answer unknown = Get("/runs/get?run_id=nope");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.value.at("message"), "Run with id=nope not found");
  const json metric = {{"key", "m"}, {"value", 1}, {"timestamp", 5}};
  json body = metric;
  body["run_id"] = std::string(32, 'a');
  EXPECT_EQ(Post("/runs/log-metric", body).status, 404);
  const std::string run = NewRun();
  Done(Post("/runs/delete", {{"run_id", run}}));
  body["run_id"] = run;
  const Answer deleted = Post("/runs/log-metric", body);
  EXPECT_EQ(deleted.status, 400);
  EXPECT_EQ(deleted.value.at("error_code"), "INVALID_PARAMETER_VALUE");
  EXPECT_NE(deleted.value.at("message").get<std::string>().find("must be in the 'active' state"),
            std::string::npos);
  EXPECT_EQ(Done(Get("/runs/get?run_id=" + run)).at("run").at("info").at("lifecycle_stage"),
            "deleted");
  Done(Post("/runs/restore", {{"run_id", run}}));
  Done(Post("/runs/log-metric", body));
}

TEST_F(TrackingApiTest, DuplicatesAreRefused) {
  NewExperiment("e");
  const Answer again = Post("/experiments/create", {{"name", "e"}});
  EXPECT_EQ(again.status, 400);
  EXPECT_EQ(again.value.at("error_code"), "RESOURCE_ALREADY_EXISTS");
  const std::string run = NewRun();
  Done(Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", "1"}}));
  Done(Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", "1"}}));
  const Answer changed =
      Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", "2"}});
  EXPECT_EQ(changed.status, 400);
  EXPECT_NE(
      changed.value.at("message").get<std::string>().find("Changing param values is not allowed"),
      std::string::npos);
}

TEST_F(TrackingApiTest, SqlIsStoredAsTextAndFindsNothingElse) {
  const std::string evil = "x'); DROP TABLE runs; --\"` OR 1=1";
  const std::string id = NewExperiment(evil);
  EXPECT_EQ(Done(Get("/experiments/get?experiment_id=" + id)).at("experiment").at("name"), evil);
  const std::string run = NewRun(id);
  Done(Post("/runs/set-tag", {{"run_id", run}, {"key", "t"}, {"value", evil}}));
  Done(Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", evil}}));
  const json data = Done(Get("/runs/get?run_id=" + run)).at("run").at("data");
  EXPECT_EQ(data.at("params")[0].at("value"), evil);
  EXPECT_EQ(Get("/experiments/get?experiment_id=0%20OR%201=1").status, 400);
  EXPECT_EQ(Get("/runs/get?run_id=%27%20OR%20%271%27=%271").status, 404);
  const Answer search =
      Post("/runs/search", {{"experiment_ids", {id}}, {"filter", "tags.t = 'a' OR 1=1"}});
  EXPECT_EQ(search.status, 400);
  EXPECT_EQ(Done(Post("/runs/search", {{"experiment_ids", {id}}})).at("runs").size(), 1U);
}

TEST_F(TrackingApiTest, PathsAreNoKeys) {
  const std::string run = NewRun();
  for (const std::string key : {"../../etc/passwd", "/etc/passwd", "a/../b", "a//b", ".", "a\nb"}) {
    EXPECT_EQ(
        Post("/runs/log-metric", {{"run_id", run}, {"key", key}, {"value", 1}, {"timestamp", 1}})
            .status,
        400)
        << key;
    EXPECT_EQ(Post("/runs/log-parameter", {{"run_id", run}, {"key", key}, {"value", "v"}}).status,
              400)
        << key;
  }
  const std::string value = "../../etc/passwd";
  Done(Post("/runs/log-parameter", {{"run_id", run}, {"key", "p"}, {"value", value}}));
  EXPECT_EQ(Done(Get("/runs/get?run_id=" + run)).at("run").at("data").at("params")[0].at("value"),
            value);
}

TEST_F(TrackingApiTest, RunsAreSearchedPageByPage) {
  const std::string id = NewExperiment("e");
  for (int i = 0; i < 3; ++i) {
    Done(Post("/runs/log-metric",
              {{"run_id", NewRun(id)}, {"key", "m"}, {"value", i}, {"timestamp", 1}}));
  }
  json body = {{"experiment_ids", {id}},
               {"filter", "metrics.m > 0"},
               {"order_by", {"metrics.m DESC"}},
               {"max_results", 1}};
  const json first = Done(Post("/runs/search", body));
  EXPECT_EQ(first.at("runs")[0].at("data").at("metrics")[0].at("value"), 2.0);
  body["page_token"] = first.at("next_page_token");
  const json second = Done(Post("/runs/search", body));
  EXPECT_EQ(second.at("runs")[0].at("data").at("metrics")[0].at("value"), 1.0);
  EXPECT_FALSE(second.contains("next_page_token"));
  EXPECT_EQ(Done(Post("/runs/search", json::object())), json::object());
  body["max_results"] = 50'001;
  EXPECT_EQ(Post("/runs/search", body).value.at("message"),
            "Invalid value 50001 for parameter 'max_results' supplied:  Hint: Value was of type "
            "'int'. See the API docs for more information about request parameters.");
  EXPECT_EQ(Post("/runs/search", {{"experiment_ids", {id}}, {"filter", "nonsense"}}).status, 400);
}

TEST_F(TrackingApiTest, HistoriesOfSeveralRunsAreSampled) {
  const std::string a = NewRun();
  const std::string b = NewRun();
  for (const std::string& run : {a, b}) {
    json metrics = json::array();
    for (int step = 0; step < 100; ++step) {
      metrics.push_back({{"key", "m"}, {"value", step}, {"timestamp", 1}, {"step", step}});
    }
    Done(Post("/runs/log-batch", {{"run_id", run}, {"metrics", metrics}}));
  }
  const std::string path =
      "/metrics/get-history-bulk-interval?metric_key=m&run_ids=" + a + "&run_ids=" + b;
  const json all = Done(Get(path)).at("metrics");
  EXPECT_EQ(all.size(), 200U);
  EXPECT_EQ(all[0].at("run_id"), a);
  EXPECT_LT(Done(Get(path + "&max_results=10")).at("metrics").size(), 40U);
  EXPECT_EQ(Get(path + "&max_results=0").status, 400);
  EXPECT_EQ(Get(path + "&start_step=5").value.at("message"),
            "If either start step or end step are specified, both must be specified.");
  EXPECT_EQ(Get(path + "&start_step=5&end_step=4").status, 400);
  EXPECT_EQ(Done(Get(path + "&start_step=5&end_step=6")).at("metrics").size(), 4U);
  const json bulk = Done(Ask("GET",
                             "/ajax-api/2.0/mlflow/metrics/get-history-bulk?metric_key=m"
                             "&max_results=150&run_id=" +
                                 a + "&run_id=" + b));
  EXPECT_EQ(bulk.at("metrics").size(), 150U);
  EXPECT_EQ(Get("/metrics/get-history-bulk?metric_key=m").value.at("message"),
            "GetMetricHistoryBulk request must specify at least one run_id.");
  const json plot = Done(Ask("GET",
                             "/api/2.0/millrace/metrics/plot?n_buckets=5&metric_key=m"
                             "&run_id=" +
                                 a));
  EXPECT_LE(plot.at("metrics").size(), 20U);
  EXPECT_EQ(plot.at("metrics")[0].at("value"), 0.0);
}

TEST_F(TrackingApiTest, LoggedModelsGoTheirWay) {
  const std::string run = NewRun();
  const json model = Done(Post("/logged-models", {{"experiment_id", "0"},
                                                  {"name", "m"},
                                                  {"source_run_id", run},
                                                  {"params", {{{"key", "a"}, {"value", "1"}}}}}))
                         .at("model");
  const std::string id = model.at("info").at("model_id");
  EXPECT_EQ(model.at("info").at("artifact_uri"), "mlflow-artifacts:/0/models/" + id + "/artifacts");
  EXPECT_EQ(model.at("info").at("status"), "LOGGED_MODEL_PENDING");
  EXPECT_EQ(model.at("info").at("model_type"), "");
  Done(Post("/runs/outputs", {{"run_id", run}, {"models", {{{"model_id", id}, {"step", 2}}}}}));
  Done(Post("/runs/log-batch",
            {{"run_id", run},
             {"metrics", {{{"key", "k"}, {"value", 0.1}, {"timestamp", 7}, {"model_id", id}}}}}));
  const std::string path = kRoot + "/logged-models/" + id;
  Done(Ask("PATCH", path, R"({"status":"LOGGED_MODEL_READY"})"));
  Done(Ask("PATCH", path + "/tags", R"({"tags":[{"key":"t","value":"v"}]})"));
  Done(Ask("POST", path + "/params", R"({"params":[{"key":"b","value":"2"}]})"));
  const json shown = Done(Ask("GET", path)).at("model");
  EXPECT_EQ(shown.at("info").at("status"), "LOGGED_MODEL_READY");
  EXPECT_EQ(shown.at("data").at("params").size(), 2U);
  EXPECT_EQ(shown.at("data").at("metrics")[0].at("run_id"), run);
  const json found = Done(Post("/logged-models/search", {{"experiment_ids", {"0"}}}));
  EXPECT_EQ(found.at("models").size(), 1U);
  const json outputs = Done(Get("/runs/get?run_id=" + run)).at("run").at("outputs");
  EXPECT_EQ(outputs, (json{{"model_outputs", {{{"model_id", id}, {"step", 2}}}}}));
  Done(Ask("DELETE", path + "/tags/t"));
  Done(Ask("DELETE", path));
  EXPECT_EQ(Ask("GET", path).status, 404);
}

TEST_F(TrackingApiTest, InputsAreReadBack) {
  const std::string run = NewRun();
  Done(Post("/runs/log-inputs",
            {{"run_id", run},
             {"datasets",
              {{{"tags", {{{"key", "mlflow.data.context"}, {"value", "train"}}}},
                {"dataset",
                 {{"name", "d"}, {"digest", "g"}, {"source_type", "s"}, {"source", "o"}}}}}}}));
  const json inputs = Done(Get("/runs/get?run_id=" + run)).at("run").at("inputs");
  EXPECT_EQ(inputs.at("dataset_inputs")[0].at("dataset"),
            (json{{"name", "d"}, {"digest", "g"}, {"source_type", "s"}, {"source", "o"}}));
  const json summaries = Done(Ask("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets",
                                  R"({"experiment_ids":["0"]})"));
  EXPECT_EQ(summaries.at("dataset_summaries")[0].at("context"), "train");
  EXPECT_EQ(Post("/experiments/search-datasets", json::object()).status, 400);
}

TEST_F(TrackingApiTest, ModelsOfOldClientsAreKeptInATag) {
  const std::string run = NewRun();
  const std::string model =
      R"({"artifact_path":"m","run_id":")" + run +
      R"(","utc_time_created":"t","flavors":{"f":{"a":1,"config":{"b":2}}},"model_uuid":"u"})";
  Done(Post("/runs/log-model", {{"run_id", run}, {"model_json", model}}));
  Done(Post("/runs/log-model", {{"run_id", run}, {"model_json", model}}));
  const json tags = Done(Get("/runs/get?run_id=" + run)).at("run").at("data").at("tags");
  const std::string tag = tags[0].at("value");
  EXPECT_EQ(tags[0].at("key"), "mlflow.log-model.history");
  const json history = json::parse(tag);
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].at("flavors"), (json{{"f", {{"a", 1}}}}));
  EXPECT_EQ(Post("/runs/log-model", {{"run_id", run}, {"model_json", "{"}}).status, 400);
  EXPECT_EQ(Post("/runs/log-model", {{"run_id", run}, {"model_json", "{}"}}).value.at("message"),
            "Model json is missing mandatory fields: {'artifact_path', 'flavors', 'run_id', "
            "'utc_time_created'}");
}

TEST_F(TrackingApiTest, UnknownRoutesAndMethodsAreClientErrors) {
  EXPECT_EQ(Get("/nope").status, 404);
  EXPECT_EQ(Get("/nope").value.at("error_code"), "ENDPOINT_NOT_FOUND");
  EXPECT_EQ(Ask("PUT", kRoot + "/runs/create", "{}").status, 405);
}

// Nothing behind these routes runs, so no request may end in a 500 or be lost.
TEST_F(TrackingApiTest, WhatIsSwitchedOffSaysSoToEveryUser) {
  ASSERT_FALSE(internal::SwitchedOffRoutes().empty());
  for (const internal::SwitchedOffRoute& route : internal::SwitchedOffRoutes()) {
    std::string path(route.pattern);
    for (const std::string_view parameter : {"{path...}", "{job_id}", "{workspace_name}"}) {
      if (const std::size_t at = path.find(parameter); at != std::string::npos) {
        path.replace(at, parameter.size(), "x");
      }
    }
    const bool is_call = path.starts_with("/gateway/");
    const Answer answer =
        Ask(std::string(route.method), (is_call ? "" : "/ajax-api/3.0") + path, "{");
    EXPECT_TRUE(answer.status == 200 || answer.status == 404 || answer.status == 501 ||
                answer.status == 503)
        << route.method << " " << path << ": " << answer.status;
    EXPECT_EQ(answer.body.find("ENDPOINT_NOT_FOUND"), std::string::npos) << answer.body;
    const internal::AccessRule* rule = internal::FindAccessRule(
        route.method, std::string(is_call ? "" : "/api/3.0") + std::string(route.pattern));
    ASSERT_NE(rule, nullptr);
    EXPECT_EQ(rule->subject, internal::AccessSubject::kSignedIn);
  }
}

TEST_F(TrackingApiTest, TheServerSaysWhatItIs) {
  EXPECT_EQ(Ask("GET", "/version").body, "3.17.2");
  EXPECT_EQ(Ask("GET", "/health").body, "OK");
  const json info = Done(Ask("GET", "/api/3.0/mlflow/server-info"));
  EXPECT_EQ(info.at("workspaces_enabled"), false);
  EXPECT_TRUE(info.contains("millrace_version"));
  EXPECT_EQ(Done(Ask("GET", "/ajax-api/3.0/mlflow/ui-telemetry")).at("disable_ui_telemetry"), true);
  const Answer page = Ask("GET", "/");
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_NE(page.body.find("Millrace"), std::string::npos);
}

TEST_F(TrackingApiTest, ForeignHostsAndOriginsGoNoFurther) {
  const Answer host = Ask("GET", kRoot + "/runs/get?run_id=x", "", {{"Host", "evil.com"}});
  EXPECT_EQ(host.status, 403);
  EXPECT_EQ(host.body, "Invalid Host header - possible DNS rebinding attack detected");
  const Answer origin = Ask("POST", kRoot + "/runs/search", "{}",
                            {{"Content-Type", "application/json"}, {"Origin", "http://evil.com"}});
  EXPECT_EQ(origin.status, 403);
  EXPECT_EQ(origin.body, "Cross-origin request blocked");
}

}  // namespace
}  // namespace millrace::api
