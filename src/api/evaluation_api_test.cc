// SPDX-License-Identifier: Apache-2.0
// Evaluation datasets and scorers over the routes: what the JSON inside texts may hold.
#include <gmock/gmock.h>

#include "api/internal/evaluation_json.h"
#include "api/internal/tracking_testing.h"

namespace millrace::api {
namespace {

using ::testing::HasSubstr;

class EvaluationApiTest : public TrackingApiTest {
 protected:
  Answer Send(std::string_view method, const std::string& path, const json& body = json()) const {
    return Ask(method, "/api/3.0/mlflow" + path, body.is_null() ? "" : base::DumpJson(body));
  }
  std::string NewDataset() const {
    return Done(Send("POST", "/datasets/create", {{"name", "d"}})).at("dataset").at("dataset_id");
  }
  static std::string ErrorOf(const std::string& records) {
    const auto read = internal::ReadEvaluationRecords(records);
    EXPECT_FALSE(read.ok()) << records;
    return read.ok() ? "" : read.error().message();
  }
};

TEST_F(EvaluationApiTest, ValuesOfRecordsComeBackToTheLetter) {
  const std::string id = NewDataset();
  const std::string records =
      R"([{"inputs": {"b": 1e2, "a": [NaN, -Infinity, 12345678901234567890, "\u00e9\""]},)"
      R"( "expectations": {"x": 1.50}, "outputs": null, "tags": {"mlflow.user": "eva"},)"
      R"( "source": {"source_type": "human", "source_data": {"source_id": "s"}}}])";
  const json counts = Done(Send("POST", "/datasets/" + id + "/records", {{"records", records}}));
  EXPECT_EQ(counts, (json{{"inserted_count", 1}, {"updated_count", 0}}));
  const std::string text =
      Done(Send("GET", "/datasets/" + id + "/records")).at("records").get<std::string>();
  EXPECT_THAT(text, HasSubstr("\"inputs\": {\"b\": 1e2, \"a\": [NaN, -Infinity, "
                              "12345678901234567890, \"\u00e9\\\"\"]}, \"expectations\": {\"x\": "
                              "1.50}, \"tags\""));
  EXPECT_THAT(text, HasSubstr("\"source\": {\"source_type\": \"HUMAN\", \"source_data\": "
                              "{\"source_id\": \"s\"}}, \"source_id\": \"s\", \"source_type\": "
                              "\"HUMAN\""));
  EXPECT_THAT(text, HasSubstr("\"created_by\": \"eva\""));
}

TEST_F(EvaluationApiTest, EqualInputsAreOneRecordWhateverTheOrderOfKeys) {
  const auto canonical = [](const std::string& inputs) {
    return internal::ReadEvaluationRecords("[{\"inputs\": " + inputs + "}]")
        .value()[0]
        .canonical_inputs;
  };
  EXPECT_EQ(canonical(R"({"a": {"y": 1, "x": [1.0]}, "b": "\u0041"})"),
            canonical(R"({ "b":"A","a":{"x":[1.00e0],"y":1}})"));
  EXPECT_NE(canonical(R"({"a": 1})"), canonical(R"({"a": 1.0})"));
  EXPECT_NE(canonical(R"({"a": "1"})"), canonical(R"({"a": 1})"));
}

TEST_F(EvaluationApiTest, RecordsThatAreNoneAreRefusedWithThePlace) {
  EXPECT_THAT(ErrorOf("{"), HasSubstr("JSON list of records"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("JSON list of records"));
  EXPECT_THAT(ErrorOf(R"([{"inputs": {}}, 7])"), HasSubstr("record 1: Each record must be"));
  EXPECT_THAT(ErrorOf(R"([{"inputs": [1]}])"), HasSubstr("'inputs' must be a JSON object"));
  EXPECT_THAT(ErrorOf(R"([{"inputs": null}])"), HasSubstr("'inputs' must be a JSON object"));
  EXPECT_THAT(ErrorOf(R"([{"inputs": {}, "tags": "x"}])"), HasSubstr("'tags'"));
  EXPECT_THAT(ErrorOf(R"([{"inputs": {}, "source": "x"}])"), HasSubstr("'source'"));
  EXPECT_THAT(ErrorOf(R"([{"inputs": {}, "source": {"source_type": "MOON"}}])"),
              HasSubstr("Invalid dataset record source type: MOON."));
}

TEST_F(EvaluationApiTest, TagsAreAJsonObjectInAText) {
  const std::string path = "/datasets/" + NewDataset();
  EXPECT_EQ(Send("PATCH", path + "/tags", {{"tags", "[1]"}}).status, 400);
  EXPECT_EQ(Send("PATCH", path + "/tags", {{"tags", R"({"a": true, "b": 1.5, "c": null})"}}).status,
            200);
  const json dataset = Done(Send("GET", path)).at("dataset");
  EXPECT_EQ(dataset.at("tags"), R"({"a":"True","b":"1.5"})");
  EXPECT_FALSE(dataset.contains("schema"));
}

TEST_F(EvaluationApiTest, ScorersStandUnderTheNamesThatClientsRead) {
  const json made =
      Done(Send("POST", "/scorers/register",
                {{"experiment_id", "0"}, {"name", "s"}, {"serialized_scorer", "{}"}}));
  EXPECT_EQ(made.at("version"), 1);
  EXPECT_EQ(made.at("experiment_id"), "0");
  const json listed = Done(Send("GET", "/scorers/list?experiment_id=0")).at("scorers").at(0);
  EXPECT_EQ(listed.at("experiment_id"), 0) << "a number here";
  EXPECT_EQ(listed.at("scorer_id"), made.at("scorer_id"));
  const Answer both = Send("GET", "/scorers/list?experiment_id=0&experiment_ids=0");
  EXPECT_EQ(both.status, 400);
  EXPECT_THAT(both.body, HasSubstr("Cannot specify both"));
  EXPECT_EQ(Done(Send("GET", "/scorers/online-configs?scorer_ids=x")),
            (json{{"configs", json::array()}}));
  EXPECT_EQ(Send("GET", "/scorers/get?experiment_id=0&name=none").status, 404);
}

}  // namespace
}  // namespace millrace::api
