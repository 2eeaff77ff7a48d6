// SPDX-License-Identifier: Apache-2.0
// Tests of the Open Inference Protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.h"

namespace millrace::api {
namespace {

using serving::testing::kNull;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class InferenceApi : public ApiTest {
 protected:
  net::Response Infer(std::string_view inputs) {
    return Ask("POST", "/v2/models/churn/infer", "{\"inputs\": [" + std::string(inputs) + "]}");
  }
  void ExpectScores(const net::Response& response, std::size_t n, const std::string& list) {
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.body,
              "{\"model_name\":\"churn\",\"model_version\":\"1\",\"outputs\":[{\"name\":"
              "\"probability\",\"datatype\":\"FP64\",\"shape\":[" +
                  std::to_string(n) + "],\"data\":[" + list + "]}]}");
  }
  void ExpectBad(std::string_view inputs, const std::string& part) {
    const net::Response response = Infer(inputs);
    EXPECT_EQ(response.status, 400) << inputs;
    EXPECT_THAT(response.body, StartsWith("{\"error\":\"")) << inputs;
    EXPECT_THAT(response.body, HasSubstr(part)) << inputs;
  }
};

TEST_F(InferenceApi, ColumnsAndMatrixGiveTheSameAnswer) {
  const std::string both = Score(0.5, 1.5, 3) + "," + Score(-2, 0.25, 4);
  ExpectScores(Infer(R"({"name": "a", "shape": [2], "datatype": "FP64", "data": [0.5, -2]},
                        {"data": [[1.5], [0.25]], "datatype": "FP32", "shape": [2, 1], "name": "b"},
                        {"name": "n", "shape": [2], "datatype": "INT64", "data": [3, 4]})"),
               2, both);
  ExpectScores(
      Infer(
          R"({"name": "rows", "shape": [2, 3], "datatype": "FP64", "data": [0.5, 1.5, 3, -2, 0.25, 4]})"),
      2, both);
  ExpectScores(
      Infer(
          R"({"name": "rows", "shape": [2, 3], "datatype": "FP64", "data": [[0.5, 1.5, 3], [-2, 0.25, 4]]})"),
      2, both);
}

TEST_F(InferenceApi, MissingValuesHaveThreeSpellings) {
  ExpectScores(
      Infer(R"({"name": "rows", "shape": [1, 3], "datatype": "FP64", "data": [null, "NaN", NaN]})"),
      1, Score(kNull, kNull, kNull));
}

TEST_F(InferenceApi, SinglePrecisionIsRounded) {
  ExpectScores(
      Infer(R"({"name": "rows", "shape": [1, 3], "datatype": "FP32", "data": [0.1, 0.2, 3]})"), 1,
      Score(static_cast<double>(0.1F), static_cast<double>(0.2F), 3));
}

TEST_F(InferenceApi, KeyTensorIsCompleted) {
  const net::Response response =
      Ask("POST", "/v2/models/churn/versions/1/infer",
          R"({"id": "r\"1", "outputs": [{"name": "probability"}], "inputs": [
      {"name": "customer_id", "shape": [1], "datatype": "INT64", "data": [12346]}, {"name": "a", "shape": [1], "datatype": "FP64", "data": [5]}]})");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_THAT(
      response.body,
      HasSubstr("\"id\":\"r\\\"1\",\"parameters\":{\"features_as_of\":\"2011-12-01T00:00:00Z\"}"));
  EXPECT_THAT(response.body, HasSubstr("\"data\":[" + Score(5, 0.5, 3) + "]"));
  const net::Response unknown = Infer(
      R"({"name": "customer_id", "shape": [1], "datatype": "INT64", "data": [7]}, {"name": "a", "shape": [1], "datatype": "FP64", "data": [5]})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body,
              ::testing::AllOf(StartsWith("{\"error\":"), HasSubstr("customer_id 7")));
}

TEST_F(InferenceApi, BadTensorsAreNamed) {
  ExpectBad("", "empty");
  ExpectBad("5", "not an object");
  ExpectBad(R"({"shape": [1]})", "name");
  ExpectBad(R"({"name": "a", "datatype": "FP64", "data": [1]})", "shape");
  ExpectBad(R"({"name": "a", "shape": [1], "data": [1]})", "datatype");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "FP16", "data": [1]})", "FP16");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "BYTES", "data": ["x"]})", "BYTES");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "FP64"})", "data");
  ExpectBad(R"({"name": "a", "shape": [-1], "datatype": "FP64", "data": [1]})", "shape");
  ExpectBad(R"({"name": "a", "shape": [4294967296, 4294967296], "datatype": "FP64", "data": [1]})",
            "2^32");
  ExpectBad(R"({"name": "a", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]})", "one column");
  ExpectBad(R"({"name": "a", "shape": [], "datatype": "FP64", "data": [1]})", "dimensions");
  ExpectBad(R"({"name": "zzz", "shape": [1], "datatype": "FP64", "data": [1]})",
            "no column of the model");
  ExpectBad(R"({"name": "a", "shape": [2], "datatype": "FP64", "data": [1]})",
            "has 1 values; its shape wants 2");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "FP64", "data": [1, 2]})", "more values");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "INT64", "data": [1.5]})", "integer");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "FP64", "data": ["x"]})",
            "column \\\"a\\\", row 0");
  ExpectBad(
      R"({"name": "a", "shape": [1], "datatype": "FP64", "data": [1]}, {"name": "b", "shape": [2], "datatype": "FP64", "data": [1, 2]})",
      "rows");
  ExpectBad(R"({"name": "a", "shape": [1], "datatype": "FP64", "data": [1]})",
            "column \\\"b\\\" is missing");
  EXPECT_EQ(Ask("POST", "/v2/models/churn/infer", R"({"inputs": 5})").status, 400);
  EXPECT_EQ(Ask("POST", "/v2/models/churn/infer", R"({"id": 5, "inputs": []})").status, 400);
  EXPECT_EQ(Ask("POST", "/v2/models/churn/infer", "").status, 400);
  EXPECT_EQ(
      Ask("POST", "/v2/models/churn/infer",
          R"({"outputs": [{"name": "other"}], "inputs": [{"name": "rows", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}]})")
          .status,
      400);
}

TEST_F(InferenceApi, MetadataNamesColumnsAndKey) {
  const net::Response response = Ask("GET", "/v2/models/churn");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(
      response.body,
      R"({"name":"churn","versions":["1"],"platform":"millrace","inputs":[{"name":"a","datatype":"FP64","shape":[-1]},)"
      R"({"name":"b","datatype":"FP64","shape":[-1]},{"name":"n","datatype":"INT64","shape":[-1]}],)"
      R"("outputs":[{"name":"probability","datatype":"FP64","shape":[-1]}],"properties":{"key":"customer_id","key_datatype":"INT64"}})");
  EXPECT_EQ(Ask("GET", "/v2/models/churn/versions/1").status, 200);
  EXPECT_EQ(Ask("GET", "/v2/models/churn/versions/2").status, 404);
  EXPECT_EQ(Ask("GET", "/v2/models/other").status, 404);
  EXPECT_EQ(Ask("GET", "/v2/models/churn/ready").body, R"({"name":"churn","ready":true})");
  EXPECT_THAT(Ask("GET", "/v2").body, StartsWith(R"({"name":"millrace","version":")"));
  EXPECT_EQ(Ask("GET", "/v2/").status, 200);
}

TEST_F(InferenceApi, HealthFollowsTheEndpoints) {
  EXPECT_EQ(Ask("GET", "/v2/health/live").body, R"({"live":true})");
  EXPECT_EQ(Ask("GET", "/v2/health/ready").body, R"({"live":true,"ready":true})");
  resolver_.SetChampion(0);
  resolver_.endpoints[0].name = "fresh";
  ASSERT_TRUE(refresher_.RefreshOnce().ok());
  EXPECT_EQ(Ask("GET", "/v2/health/ready").status, 503);
  EXPECT_EQ(Ask("GET", "/v2/models/fresh/ready").status, 503);
  EXPECT_EQ(Ask("GET", "/v2/models/fresh/ready").body, R"({"name":"fresh","ready":false})");
}

TEST_F(InferenceApi, ErrorsOfUnknownRoutesHaveTheProtocolsForm) {
  EXPECT_THAT(Ask("GET", "/v2/nothing").body, StartsWith("{\"error\":"));
  EXPECT_EQ(Ask("GET", "/v2/models/churn/infer").status, 405);
}

}  // namespace
}  // namespace millrace::api
