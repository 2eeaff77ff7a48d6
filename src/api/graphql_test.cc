// SPDX-License-Identifier: Apache-2.0
// GraphQL: the documents that MLflow's web pages send, and what is refused.
#include "api/internal/graphql.h"

#include <string>

#include "api/internal/tracking_testing.h"

namespace millrace::api {
namespace {

using nlohmann::json;

class GraphqlTest : public TrackingApiTest {
 protected:
  json Query(const std::string& query, const json& variables = json::object()) {
    return Done(
        Ask("POST", "/graphql", base::DumpJson({{"query", query}, {"variables", variables}})));
  }
  std::string Refusal(const std::string& query) {
    const json answer = Query(query);
    EXPECT_TRUE(answer.at("data").is_null()) << answer;
    return answer.at("errors").empty() ? "" : answer.at("errors")[0].get<std::string>();
  }
};

TEST_F(GraphqlTest, ItEchoes) {
  EXPECT_EQ(Query("query testQuery {test(inputString: \"abc\") { output }}"),
            (json{{"data", {{"test", {{"output", "abc"}}}}}, {"errors", nullptr}}));
}

TEST_F(GraphqlTest, TheRunPageGetsItsRun) {
  const std::string experiment = NewExperiment("e");
  const std::string run = NewRun(experiment);
  Done(Post("/runs/log-metric",
            {{"run_id", run}, {"key", "m"}, {"value", "NaN"}, {"timestamp", 1}, {"step", 1}}));
  Done(Post("/runs/log-metric",
            {{"run_id", run}, {"key", "n"}, {"value", 123}, {"timestamp", 1}, {"step", 1}}));
  Done(Post("/registered-models/create", {{"name", "r"}}));
  Done(Post("/model-versions/create",
            {{"name", "r"}, {"source", "runs:/" + run + "/m"}, {"run_id", run}}));
  const json answer = Query(
      R"(query GetRun($data: MlflowGetRunInput!) @component(name: "MLflow.Run") {
           mlflowGetRun(input: $data) {
             apiError { helpUrl code message }
             run {
               info { runName status runUuid experimentId endTime startTime lifecycleStage }
               experiment { experimentId name tags { key value } }
               modelVersions { status version name source }
               data { metrics { key value step timestamp } params { key value } }
               inputs { datasetInputs { dataset { digest } } }
               outputs { modelOutputs { modelId step } }
             }
           }
         })",
      {{"data", {{"runId", run}}}});
  EXPECT_TRUE(answer.at("errors").is_null()) << answer;
  const json& reply = answer.at("data").at("mlflowGetRun");
  EXPECT_TRUE(reply.at("apiError").is_null());
  EXPECT_EQ(reply.at("run").at("info").at("endTime"), "0");
  EXPECT_EQ(reply.at("run").at("experiment").at("name"), "e");
  EXPECT_EQ(reply.at("run").at("modelVersions")[0].at("name"), "r");
  EXPECT_EQ(reply.at("run").at("data").at("metrics"),
            (json{{{"key", "m"}, {"value", nullptr}, {"step", "1"}, {"timestamp", "1"}},
                  {{"key", "n"}, {"value", 123.0}, {"step", "1"}, {"timestamp", "1"}}}));
  EXPECT_EQ(reply.at("run").at("data").at("params"), json::array());
  EXPECT_EQ(reply.at("run").at("outputs"), (json{{"modelOutputs", json::array()}}));
}

TEST_F(GraphqlTest, RunsAreSearchedAndHistoriesSampled) {
  const std::string run = NewRun();
  Done(Post("/runs/log-metric",
            {{"run_id", run}, {"key", "m"}, {"value", 1}, {"timestamp", 2}, {"step", 3}}));
  const json found = Query(
      "mutation { mlflowSearchRuns(input: {experimentIds: [\"0\"]}) { runs { info { runId } } } }");
  EXPECT_EQ(found.at("data").at("mlflowSearchRuns").at("runs"),
            (json{{{"info", {{"runId", run}}}}}));
  const json points =
      Query("{ points: mlflowGetMetricHistoryBulkInterval(input: {runIds: [\"" + run +
            "\"], metricKey: \"m\", maxResults: 5, startStep: null}) "
            "{ metrics { key timestamp value step runId } } }");
  EXPECT_EQ(
      points.at("data").at("points").at("metrics"),
      (json{{{"key", "m"}, {"timestamp", "2"}, {"value", 1.0}, {"step", "3"}, {"runId", run}}}));
}

TEST_F(GraphqlTest, AnErrorOfOneFieldLeavesTheOthers) {
  const json answer = Query(
      "{ a: mlflowGetExperiment(input: {experimentId: \"99\"}) { experiment { name } } "
      "b: mlflowGetExperiment(input: {experimentId: \"0\"}) { experiment { name } } }");
  EXPECT_TRUE(answer.at("data").at("a").is_null());
  EXPECT_EQ(answer.at("data").at("b").at("experiment").at("name"), "Default");
  EXPECT_EQ(answer.at("errors"), json({"No Experiment with id=99 exists"}));
}

TEST_F(GraphqlTest, FragmentsAreFilledIn) {
  const json answer = Query(
      "query Q($id: String = \"0\") { mlflowGetExperiment(input: {experimentId: $id}) { "
      "experiment { ...F ... on MlflowExperiment { lifecycleStage } } } } "
      "fragment F on MlflowExperiment { name }");
  EXPECT_EQ(answer.at("data").at("mlflowGetExperiment").at("experiment"),
            (json{{"name", "Default"}, {"lifecycleStage", "active"}}));
}

TEST_F(GraphqlTest, LimitsAreThoseOfMlflow) {
  std::string many;
  for (int i = 0; i < 11; ++i) {
    many += "key_" + std::to_string(i) + ": test(inputString: \"abc\") { output } ";
  }
  EXPECT_EQ(Refusal("query testQuery {" + many + "}"),
            "GraphQL queries should have at most 10 root fields, got 11 root fields. To increase "
            "the limit, set the MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS environment variable.");
  std::string deep;
  for (int i = 0; i < 12; ++i) {
    deep += "name { ";
  }
  EXPECT_EQ(Refusal("query q { mlflowGetExperiment(input: {experimentId: \"1\"}) { experiment { " +
                    deep + "name" + std::string(14, '}') + "}"),
            "Query exceeds maximum depth of 10");
  std::string wide;
  for (int i = 0; i < 1001; ++i) {
    wide += "name ";
  }
  EXPECT_EQ(Refusal("query q { mlflowGetExperiment(input: {experimentId: \"1\"}) { experiment { " +
                    wide + "} } }"),
            "Query exceeds maximum total selections of 1000");
}

TEST_F(GraphqlTest, WhatDoesNotFitIsRefused) {
  EXPECT_EQ(Refusal("{ nothing }"), "Cannot query field 'nothing' on type 'Query'.");
  EXPECT_NE(Refusal("{"), "");
  EXPECT_NE(Refusal(""), "");
  EXPECT_NE(Refusal("{ test(inputString: \"a) { output } }"), "");
  EXPECT_NE(Refusal("{ test }"), "");
  EXPECT_NE(Refusal("{ test(a: " + std::string(100'000, '[') + ") { output } }"), "");
  EXPECT_NE(Refusal("{ ...F } fragment F on Query { ...F }"), "");
  EXPECT_NE(Refusal(std::string(100'000, '{')), "");
  EXPECT_EQ(Ask("POST", "/graphql", "no json").status, 400);
  EXPECT_EQ(Ask("POST", "/graphql", "[]").status, 400);
}

}  // namespace
}  // namespace millrace::api
