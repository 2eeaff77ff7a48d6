// SPDX-License-Identifier: Apache-2.0
// Tests of MLflow's scoring protocol, of what bad bodies get, and of bodies that nobody would
// write.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/testing.h"

namespace millrace::api {
namespace {

using serving::testing::kNull;
using ::testing::HasSubstr;

class ScoringApi : public ApiTest {
 protected:
  void ExpectPredictions(const net::Response& response, const std::string& list) {
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.body, "{\"predictions\":[" + list + "]}");
  }
  void ExpectBad(std::string_view body, const std::string& part,
                 std::string_view content_type = "application/json") {
    const net::Response response = Invoke(body, content_type);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr("\"error_code\":\"INVALID_PARAMETER_VALUE\"")) << body;
    EXPECT_THAT(response.body, HasSubstr(part)) << body;
  }
};

TEST_F(ScoringApi, AllFormsGiveTheSameAnswer) {
  const std::string both = Score(0.5, 1.5, 3) + "," + Score(-2, 0.25, 4);
  ExpectPredictions(
      Invoke(
          R"({"dataframe_split": {"columns": ["a", "b", "n"], "data": [[0.5, 1.5, 3], [-2, 0.25, 4]]}})"),
      both);
  ExpectPredictions(
      Invoke(
          R"({"dataframe_split": {"index": [0, 1], "data": [[3, 0.5, "x", 1.5], [4, -2, "y", 0.25]], "columns": ["n", "a", "extra", "b"]}})"),
      both);
  ExpectPredictions(
      Invoke(
          R"({"dataframe_records": [{"a": 0.5, "b": 1.5, "n": 3}, {"n": 4, "extra": {"deep": [1]}, "b": 0.25, "a": -2}]})"),
      both);
  ExpectPredictions(
      Invoke(R"({"instances": [{"a": 0.5, "b": 1.5, "n": 3}, {"a": -2, "b": 0.25, "n": 4}]})"),
      both);
  ExpectPredictions(Invoke(R"({"instances": [[0.5, 1.5, 3], [-2, 0.25, 4]]})"), both);
  ExpectPredictions(
      Invoke(R"({"inputs": {"a": [0.5, -2], "b": [[1.5], [0.25]], "n": [3, 4], "extra": [1]}})"),
      both);
  ExpectPredictions(Invoke(R"({"inputs": [[0.5, 1.5, 3], [-2, 0.25, 4]], "params": {"x": 1}})"),
                    both);
  ExpectPredictions(Invoke("a,b,n\n0.5,1.5,3\r\n-2,\"0.25\",4\n", "text/csv"), both);
  ExpectPredictions(Invoke("\xEF\xBB\xBFn,x,a,b\n3,\"a\"\"\nb\",0.5,1.5\n\n4,,-2,0.25",
                           "text/csv; charset=utf-8"),
                    both);
  ExpectPredictions(
      Ask("POST", "/endpoints/churn/invocations", R"({"inputs": [[0.5, 1.5, 3], [-2, 0.25, 4]]})"),
      both);
}

TEST_F(ScoringApi, ColumnsThatTheSignatureDoesNotNameAreDroppedAsInMlflow) {
  const std::string expected = Score(0.5, 1.5, 3);
  // Whatever they hold, wherever they stand: also a list or a text where numbers are wanted.
  for (const char* extra : {"1", "null", "\"text\"", "[1, 2]", "{\"n\": 9}", "true"}) {
    const std::string value = extra;
    ExpectPredictions(Invoke("{\"dataframe_split\": {\"columns\": [\"x\", \"a\", \"b\", \"n\"], "
                             "\"data\": [[" +
                             value + ", 0.5, 1.5, 3]]}}"),
                      expected);
    ExpectPredictions(Invoke("{\"dataframe_records\": [{\"a\": 0.5, \"x\": " + value +
                             ", \"b\": 1.5, \"n\": 3}]}"),
                      expected);
    ExpectPredictions(
        Invoke("{\"inputs\": {\"a\": [0.5], \"b\": [1.5], \"n\": [3], \"x\": [" + value + "]}}"),
        expected);
  }
  ExpectPredictions(Invoke("x,a,b,n\nfree text,0.5,1.5,3\n", "text/csv"), expected);
}

TEST_F(ScoringApi, NullAndNaNAreMissingAndIntegersWiden) {
  ExpectPredictions(
      Invoke(
          R"({"dataframe_records": [{"a": null, "b": NaN, "n": null}, {"a": 1, "b": 2, "n": 3.0}]})"),
      Score(kNull, kNull, kNull) + "," + Score(1, 2, 3));
  ExpectPredictions(Invoke("a,b,n\n,NaN,3\n", "text/csv"), Score(kNull, kNull, 3));
  const double infinity = std::numeric_limits<double>::infinity();
  ExpectPredictions(Invoke(R"({"inputs": [[Infinity, 1, 1], [-Infinity, 1, 1]]})"),
                    Score(infinity, 1, 1) + "," + Score(-infinity, 1, 1));
}

TEST_F(ScoringApi, ValueThatOneRowLeavesOutIsMissingAsInADataFrame) {
  ExpectPredictions(
      Invoke(R"({"dataframe_records": [{"a": 1, "b": 2, "n": 3}, {"a": 1, "n": 3}]})"),
      Score(1, 2, 3) + "," + Score(1, kNull, 3));
}

TEST_F(ScoringApi, EmptyListsGiveNoPredictions) {
  ExpectPredictions(Invoke(R"({"dataframe_records": []})"), "");
  ExpectPredictions(Invoke(R"({"dataframe_split": {"columns": ["a", "b", "n"], "data": []}})"), "");
}

TEST_F(ScoringApi, DoublesRoundTrip) {
  ExpectPredictions(Invoke(R"({"inputs": [[0.1234567890123456789, 1e-320, 7]]})"),
                    Score(0.1234567890123456789, 1e-320, 7));
}

TEST_F(ScoringApi, KeyIsCompletedAndTheAsOfIsNamed) {
  const net::Response response = Invoke(
      R"({"dataframe_records": [{"customer_id": 12347, "a": 4}, {"a": 5, "customer_id": 12346.0}]})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "{\"predictions\":[" + Score(4, kNull, 1) + "," + Score(5, 0.5, 3) +
                               "],\"features_as_of\":\"2011-12-01T00:00:00Z\"}");
  ASSERT_FALSE(response.headers.empty());
  EXPECT_EQ(response.headers[0], (std::pair<std::string, std::string>{"Millrace-Features-As-Of",
                                                                      "2011-12-01T00:00:00Z"}));
  EXPECT_EQ(Invoke("customer_id,a\n12347,4\n12346,5\n", "text/csv").body, response.body);
  EXPECT_EQ(Invoke(R"({"inputs": {"customer_id": [12347, 12346], "a": [4, 5]}})").body,
            response.body);
  EXPECT_EQ(
      Invoke(
          R"({"dataframe_split": {"columns": ["customer_id", "a"], "data": [[12347, 4], [12346, 5]]}})")
          .body,
      response.body);
}

TEST_F(ScoringApi, UnknownKeyIs404NamingIt) {
  const net::Response response =
      Invoke(R"({"dataframe_records": [{"customer_id": 4711, "a": 4}]})");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("\"error_code\":\"RESOURCE_DOES_NOT_EXIST\""));
  EXPECT_THAT(response.body, HasSubstr("customer_id 4711"));
}

TEST_F(ScoringApi, MissingColumnIsNamed) {
  ExpectBad(R"({"dataframe_records": [{"a": 1, "n": 3}]})", "column \\\"b\\\" is missing");
  ExpectBad("a,n\n1,2\n", "column \\\"b\\\" is missing", "text/csv");
}

TEST_F(ScoringApi, WrongTypesNameColumnRowAndValue) {
  ExpectBad(R"({"dataframe_records": [{"a": 1, "b": 1, "n": 3}, {"a": "high", "b": 1, "n": 3}]})",
            "column \\\"a\\\", row 1: \\\"high\\\" is not a number");
  ExpectBad(R"({"inputs": [[true, 1, 1]]})", "column \\\"a\\\", row 0: true is not a number");
  ExpectBad(R"({"inputs": [[1, [2], 1]]})", "column \\\"b\\\", row 0: a list is not a number");
  ExpectBad(R"({"inputs": [[1, {"x": 2}, 1]]})", "an object is not a number");
  ExpectBad(R"({"inputs": [[1, 2, 1.5]]})", "column \\\"n\\\", row 0: 1.5 is not an integer");
  ExpectBad("a,b,n\n1,2,x\n", "column \\\"n\\\", row 0: \\\"x\\\" is not an integer", "text/csv");
  ExpectBad(R"({"dataframe_records": [{"customer_id": "12346", "a": 1}]})",
            "column \\\"customer_id\\\", row 0: \\\"12346\\\" is not an integer");
  ExpectBad(R"({"dataframe_records": [{"customer_id": 1.5, "a": 1}]})", "1.5 is not an integer");
  ExpectBad(R"({"dataframe_records": [{"customer_id": 99999999999999999999, "a": 1}]})",
            "is not an integer");
  ExpectBad(R"({"dataframe_records": [{"customer_id": null, "a": 1}]})",
            "key \\\"customer_id\\\", row 0 is null");
  ExpectBad(R"({"dataframe_records": [{"customer_id": 12346, "a": 1}, {"a": 1}]})",
            "given for 1 of 2 rows");
}

TEST_F(ScoringApi, WrongShapesAreNamed) {
  ExpectBad("", "JSON");
  ExpectBad("not json", "JSON");
  ExpectBad("{", "JSON");
  ExpectBad("[1, 2]", "not a JSON object");
  ExpectBad("5", "not a JSON object");
  ExpectBad("{}", "none of dataframe_split");
  ExpectBad(R"({"params": {}})", "none of dataframe_split");
  ExpectBad(R"({"params": 5, "inputs": [[1, 1, 1]]})", "params");
  ExpectBad(R"({"inputs": [[1, 1, 1]], "instances": [[1, 1, 1]]})", "both");
  ExpectBad(R"({"rows": [[1, 1, 1]]})", "unknown key \\\"rows\\\"");
  ExpectBad(R"({"inputs": [[1, 1, 1]]} x)", "JSON");
  ExpectBad(R"({"inputs": [[1, 1, 1]]} {})", "JSON");
  ExpectBad(R"({"inputs": [[1, 1]]})", "row 0 of \\\"inputs\\\" has 2 values; wanted 3");
  ExpectBad(R"({"inputs": [1, 2, 3]})", "row 0 of \\\"inputs\\\"");
  ExpectBad(R"({"inputs": {"a": [1, 2], "b": [1], "n": [1, 2]}})", "has 1 values");
  ExpectBad(R"({"inputs": {"a": [[1, 2]], "b": [1], "n": [1]}})", "several values");
  ExpectBad(R"({"dataframe_split": [[1]]})", "is a list");
  ExpectBad(R"({"dataframe_split": {"data": [[1, 1, 1]]}})", "columns");
  ExpectBad(R"({"dataframe_split": {"columns": ["a", "b", "n"]}})", "data");
  ExpectBad(R"({"dataframe_split": {"columns": ["a", "a", "n"], "data": []}})", "twice");
  ExpectBad(R"({"dataframe_split": {"columns": ["a", "b", "n"], "data": [[1, 1]]}})",
            "has 2 values; wanted 3");
  ExpectBad(R"({"dataframe_split": {"columns": ["a", "b", "n"], "data": [5]}})", "row 0");
  ExpectBad(R"({"dataframe_records": [[1, 1, 1]]})", "row 0");
  ExpectBad(R"({"dataframe_records": {"a": 1}})", "is an object");
  ExpectBad("{\"inputs\": [[1, 1, 1]], \"x\xFF\": 1}", "JSON");
  ExpectBad("a,b,n\n1,2\n", "line 2 has 2 fields", "text/csv");
  ExpectBad("a,b,a\n1,2,3\n", "twice", "text/csv");
  ExpectBad("a,b,n\n1,\"2,3\n", "quote", "text/csv");
  ExpectBad("", "empty", "text/csv");
}

TEST_F(ScoringApi, OtherContentTypesAre415) {
  for (const char* const type : {"", "text/plain", "application/x-www-form-urlencoded",
                                 "application/json; charset=latin-1", "text/csv; header=absent"}) {
    EXPECT_EQ(Invoke(R"({"inputs": [[1, 1, 1]]})", type).status, 415) << type;
  }
  EXPECT_EQ(Invoke(R"({"inputs": [[1, 1, 1]]})", "Application/JSON; charset=UTF-8").status, 200);
}

TEST_F(ScoringApi, UnknownEndpointIs404AndListsThoseThereAre) {
  const net::Response response =
      Ask("POST", "/endpoints/chrun/invocations", R"({"inputs": [[1, 1, 1]]})");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, ::testing::AllOf(HasSubstr("chrun"), HasSubstr("there is churn")));
}

TEST_F(ScoringApi, InvocationsNeedsExactlyOneEndpoint) {
  serving::EndpointSpec second = serving::testing::MakeSpec();
  second.name = "second";
  resolver_.endpoints.push_back(second);
  ASSERT_TRUE(refresher_.RefreshOnce().ok());
  const net::Response response = Invoke(R"({"inputs": [[1, 1, 1]]})");
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.body, HasSubstr("churn, second"));
  EXPECT_EQ(Ask("POST", "/endpoints/second/invocations", R"({"inputs": [[1, 1, 1]]})").status, 200);
}

TEST_F(ScoringApi, EndpointWithoutAVersionIs503WithTheReason) {
  resolver_.SetChampion(0);
  resolver_.endpoints[0].name = "fresh";
  ASSERT_TRUE(refresher_.RefreshOnce().ok());
  const net::Response response = Invoke(R"({"inputs": [[1, 1, 1]]})");
  EXPECT_EQ(response.status, 503);
  EXPECT_THAT(response.body,
              ::testing::AllOf(HasSubstr("TEMPORARILY_UNAVAILABLE"), HasSubstr("champion")));
}

// Bodies that are nearly right: every cut, and thousands of changed bytes. A client's mistake is
// never a 500.
TEST_F(ScoringApi, DamagedBodiesAreNeverAServerError) {
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {R"({"dataframe_split": {"columns": ["a", "b", "n"], "data": [[0.5, 1.5, 3], [-2, null, 4]]}, "params": {}})",
       "/invocations"},
      {R"({"dataframe_records": [{"customer_id": 12346, "a": 1.5e3}, {"customer_id": 12347, "a": NaN}]})",
       "/invocations"},
      {R"({"inputs": {"a": [0.5, -2], "b": [[1.5], [0.25]], "n": [3, 4]}})", "/invocations"},
      {R"({"id": "x", "inputs": [{"name": "customer_id", "shape": [1], "datatype": "INT64", "data": [12346]}, {"name": "a", "shape": [1, 1], "datatype": "FP32", "data": [[1]]}], "outputs": [{"name": "probability"}]})",
       "/v2/models/churn/infer"},
      {R"({"puts": [{"key": "Zg==", "value": "Zg==", "version": [1, 2, 3]}]})",
       "/api/2.0/millrace/online/put"}};
  std::mt19937 random(42);
  for (const auto& [body, target] : bodies) {
    for (std::size_t cut = 0; cut < body.size(); ++cut) {
      ASSERT_LT(Ask("POST", target, body.substr(0, cut)).status, 500) << body.substr(0, cut);
    }
    for (int i = 0; i < 4000; ++i) {
      std::string damaged = body;
      const int n_changes = 1 + static_cast<int>(random() % 3);
      for (int c = 0; c < n_changes; ++c) {
        static constexpr std::string_view kBytes = "{}[]\",:0123456789-+.eENantrufls \\\n\xFF";
        const std::size_t at = random() % damaged.size();
        switch (random() % 3) {
          case 0:
            damaged[at] = kBytes[random() % kBytes.size()];
            break;
          case 1:
            damaged.insert(at, 1, kBytes[random() % kBytes.size()]);
            break;
          default:
            damaged.erase(at, 1);
            break;
        }
      }
      ASSERT_LT(Ask("POST", target, damaged).status, 500) << damaged;
      ASSERT_LT(Ask("POST", target, damaged, "text/csv").status, 500) << damaged;
    }
  }
}

TEST_F(ScoringApi, DeepNestingIsRefusedNotFollowed) {
  const std::string deep(100'000, '[');
  EXPECT_LT(Invoke("{\"inputs\": " + deep).status, 500);
  EXPECT_LT(Invoke("{\"inputs\": " + deep + std::string(100'000, ']') + "}").status, 500);
  EXPECT_LT(Ask("POST", "/v2/models/churn/infer",
                R"({"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": )" + deep +
                    std::string(100'000, ']') + "}]}")
                .status,
            500);
}

}  // namespace
}  // namespace millrace::api
