// SPDX-License-Identifier: Apache-2.0
// Requests of MLflow's REST interface: what counts as a body, which mistakes are refused in which
// words. The words were observed at MLflow 3.17.2.
#include "api/internal/message.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "api/internal/json_writer.h"
#include "api/internal/mount.h"

namespace millrace::api::internal {
namespace {

using enum FieldType;

constexpr std::string_view kColours[] = {"RED", "GREEN"};
constexpr Field kColour = {.name = "colour", .type = kEnum, .names = kColours};
constexpr Field kItem[] = {{.name = "key", .is_required = true},
                           {.name = "value", .type = kDouble, .is_required = true}};
constexpr Field kFields[] = {
    {.name = "name", .is_required = true}, {.name = "count", .type = kInt64, .max = 100},
    {.name = "small", .type = kInt32},     {.name = "share", .type = kDouble},
    {.name = "is_on", .type = kBool},      kColour,
    {.name = "texts", .type = kTexts},     {.name = "items", .type = kObjects, .fields = kItem},
};

class MessageTest : public ::testing::Test {
 protected:
  Result<Message> Read(std::string_view method, std::string_view target, std::string_view body,
                       std::string_view type = "application/json") {
    header_[0] = {"Content-Type", type};
    http_.method = method;
    http_.target = target;
    http_.body = body;
    http_.headers = std::span(header_, type.empty() ? 0 : 1);
    return Message::Read(routed_, kFields, buffers_);
  }
  Result<Message> Post(std::string_view body) { return Read("POST", "/x", body); }
  std::string Refusal(std::string_view body) {
    const Result<Message> message = Post(body);
    return message.ok() ? "accepted" : message.error().message();
  }

  net::HeaderField header_[1];
  net::Request http_;
  RoutedRequest routed_{http_, {}};
  MessageBuffers buffers_;
};

constexpr const char* kSeeDocs = " See the API docs for more information about request parameters.";

TEST_F(MessageTest, FieldsAreReadByName) {
  const auto in =
      Post(R"({"name":"a\u00e9","count":"7","small":-3,"share":0.5,"is_on":true,"colour":"GREEN",)"
           R"("texts":["x","y"],"items":[{"key":"k","value":1}],"unknown":{"is":["ignored"]}})");
  ASSERT_TRUE(in.ok()) << in.error().ToString();
  EXPECT_EQ(in->Text("name"), "a\xC3\xA9");
  EXPECT_EQ(in->Int("count"), 7);
  EXPECT_EQ(in->Int("small"), -3);
  EXPECT_EQ(in->Double("share"), 0.5);
  EXPECT_TRUE(in->Bool("is_on"));
  EXPECT_EQ(in->Enum(kColour), 2);
  EXPECT_EQ(in->Texts("texts"), (std::vector<std::string>{"x", "y"}));
  ASSERT_EQ(in->Objects("items").size(), 1U);
  EXPECT_EQ(in->Objects("items")[0].Text("key"), "k");
}

TEST_F(MessageTest, NullIsUnset) {
  const auto in = Post(R"({"name":"a","count":null,"texts":null})");
  ASSERT_TRUE(in.ok());
  EXPECT_FALSE(in->Has("count"));
  EXPECT_EQ(in->Int("count", 5), 5);
  EXPECT_TRUE(in->Texts("texts").empty());
}

TEST_F(MessageTest, DoublesComeAsNumbersAndTexts) {
  EXPECT_TRUE(std::isnan(Post(R"({"name":"a","share":"NaN"})")->Double("share")));
  EXPECT_TRUE(std::isnan(Post(R"({"name":"a","share":NaN})")->Double("share")));
  EXPECT_EQ(Post(R"({"name":"a","share":"-Infinity"})")->Double("share"), -HUGE_VAL);
  EXPECT_EQ(Post(R"({"name":"a","share":"1.5"})")->Double("share"), 1.5);
  EXPECT_EQ(Post(R"({"name":"a","share":3})")->Double("share"), 3.0);
}

TEST_F(MessageTest, WholeNumbersMayBeWrittenAsDoubles) {
  EXPECT_EQ(Post(R"({"name":"a","count":5.0})")->Int("count"), 5);
  EXPECT_EQ(Post(R"({"name":"a","small":1e3})")->Int("small"), 1000);
}

TEST_F(MessageTest, EnumsComeAsNamesAndNumbers) {
  EXPECT_EQ(Post(R"({"name":"a","colour":1})")->Enum(kColour), 1);
  EXPECT_EQ(Post(R"({"name":"a","colour":"2"})")->Enum(kColour), 2);
  EXPECT_EQ(Refusal(R"({"name":"a","colour":"BLUE"})"),
            std::string("Invalid value \"BLUE\" for parameter 'colour' supplied:  Hint: Value was "
                        "of type 'str'.") +
                kSeeDocs);
}

TEST_F(MessageTest, AMissingValueIsNamed) {
  const std::string missing =
      std::string("Missing value for required parameter 'name'.") + kSeeDocs;
  EXPECT_EQ(Refusal("{}"), missing);
  EXPECT_EQ(Refusal(R"({"name":null})"), missing);
  EXPECT_EQ(Refusal(R"({"name":""})"), missing);
  EXPECT_EQ(Refusal(R"({"name":"a","items":[{"key":"k","value":1},{"key":"k"}]})"),
            std::string("Missing value for required parameter 'items[1].value'.") + kSeeDocs);
}

TEST_F(MessageTest, WhatIsNoJsonObjectCountsAsAnEmptyOne) {
  const std::string missing =
      std::string("Missing value for required parameter 'name'.") + kSeeDocs;
  for (const std::string body : {"", "{broken", "[1]", "5", "null", "\"{\"", "\xff\xfe"}) {
    EXPECT_EQ(Refusal(body), missing) << body;
  }
  EXPECT_EQ(Refusal(std::string(100'000, '[')), missing);
}

TEST_F(MessageTest, AWrongTypeIsShown) {
  const auto hint = [](const std::string& value, const std::string& name, const std::string& type) {
    return "Invalid value " + value + " for parameter '" + name +
           "' supplied:  Hint: Value was of type '" + type + "'." + kSeeDocs;
  };
  EXPECT_EQ(Refusal(R"({"name":5})"), hint("5", "name", "int"));
  EXPECT_EQ(Refusal(R"({"name":9.2})"), hint("9.2", "name", "float"));
  EXPECT_EQ(Refusal(R"({"name":["a"]})"), hint("[\"a\"]", "name", "list"));
  EXPECT_EQ(Refusal(R"({"name":"a","count":"x"})"), hint("\"x\"", "count", "str"));
  EXPECT_EQ(Refusal(R"({"name":"a","count":1.5})"), hint("1.5", "count", "float"));
  EXPECT_EQ(Refusal(R"({"name":"a","small":3000000000})"), hint("3000000000", "small", "int"));
  EXPECT_EQ(Refusal(R"({"name":"a","is_on":"true"})"), hint("\"true\"", "is_on", "str"));
  EXPECT_EQ(Refusal(R"({"name":"a","texts":"x"})"), hint("\"x\"", "texts", "str"));
  EXPECT_EQ(Refusal(R"({"name":"a","texts":[1]})"), hint("[1]", "texts", "list"));
  EXPECT_EQ(Refusal(R"({"name":"a","items":[{"key":"k","value":"abc"}]})"),
            hint("\"abc\"", "items[0].value", "str"));
  EXPECT_EQ(Refusal(R"({"name":"a","count":101})"), hint("101", "count", "int"));
}

TEST_F(MessageTest, AShownValueIsCutAtTwoThousandBytes) {
  EXPECT_LT(Refusal("{\"name\":[\"" + std::string(1'000'000, 'x') + "\"]}").size(), 3000U);
}

TEST_F(MessageTest, ABodyMayBeJsonInAJsonString) {
  const auto in = Post(R"("{\"name\": \"a\", \"count\": 3}")");
  ASSERT_TRUE(in.ok());
  EXPECT_EQ(in->Text("name"), "a");
  EXPECT_EQ(in->Int("count"), 3);
}

TEST_F(MessageTest, NamesMayBeInCamelCaseButNotBoth) {
  const auto in = Post(R"({"name":"a","isOn":true})");
  ASSERT_TRUE(in.ok());
  EXPECT_TRUE(in->Bool("is_on"));
  EXPECT_FALSE(Post(R"({"name":"a","isOnn":true})")->Has("is_on"));
  EXPECT_EQ(Refusal(R"({"name":"a","isOn":true,"is_on":false})"),
            "Request specifies both 'is_on' and its camelCase form; provide only one of them.");
}

TEST_F(MessageTest, AGetRequestIsReadFromItsQuery) {
  const auto in =
      Read("GET", "/x?name=a%2Fb+c&count=7&texts=x&texts=y&is_on=True&nobody=1", "", "");
  ASSERT_TRUE(in.ok()) << in.error().ToString();
  EXPECT_EQ(in->Text("name"), "a/b c");
  EXPECT_EQ(in->Int("count"), 7);
  EXPECT_TRUE(in->Bool("is_on"));
  EXPECT_EQ(in->Texts("texts"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(Read("GET", "/x?name=a&is_on=maybe", "", "").error().message(),
            "Invalid boolean value: maybe, must be 'true' or 'false'.");
}

TEST_F(MessageTest, AGetRequestWithoutQueryIsReadFromItsBody) {
  EXPECT_EQ(Read("GET", "/x", R"({"name":"a"})", "")->Text("name"), "a");
}

TEST_F(MessageTest, PostWantsJson) {
  EXPECT_TRUE(Read("POST", "/x", R"({"name":"a"})", "application/json; charset=utf-8").ok());
  EXPECT_EQ(Read("POST", "/x", R"({"name":"a"})", "text/plain").error().message(),
            "Bad Request. Content-Type must be one of ['application/json'].");
  EXPECT_EQ(Read("POST", "/x", R"({"name":"a"})", "").error().message(),
            "Bad Request. Content-Type header is missing.");
  EXPECT_TRUE(Read("DELETE", "/x", R"({"name":"a"})", "").ok());
}

TEST_F(MessageTest, ARunMayBeNamedAsOldClientsDo) {
  constexpr Field kRun[] = {kRunId};
  http_.method = "GET";
  http_.target = "/x?run_uuid=r1";
  EXPECT_EQ(Message::Read(routed_, kRun, buffers_)->RunId(), "r1");
  http_.target = "/x?run_id=r2&run_uuid=r1";
  EXPECT_EQ(Message::Read(routed_, kRun, buffers_)->RunId(), "r2");
}

TEST(JsonWriter, LeavesOutWhatIsUnset) {
  std::string body;
  JsonWriter out(body);
  const std::vector<int> none;
  out.BeginObject();
  out.Text("a", "x\"\n\x01");
  out.TextIfAny("b", "");
  out.List("c", none, [](int) {});
  out.List("d", std::vector<int>{1, 2}, [&](int n) { out.Int(n); });
  out.Key("e");
  out.BeginObject();
  out.EndObject();
  out.Bool("f", false);
  out.EndObject();
  EXPECT_EQ(body, R"({"a":"x\"\n\u0001","d":[1,2],"e":{},"f":false})");
}

TEST(JsonWriter, DoublesAreWrittenAsMlflowDoes) {
  std::string body;
  JsonWriter out(body);
  out.BeginList();
  for (const double value : {0.0, -2.0, 0.1, 1e20, std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    out.Double(value);
  }
  out.EndList();
  EXPECT_EQ(body, R"([0.0,-2.0,0.1,1e+20,"NaN","Infinity","-Infinity"])");
}

TEST(Mount, GivesEachEndpointBothPaths) {
  Router router;
  const Mount mount(router);
  constexpr Field kNamed[] = {{.name = "name", .is_required = true}};
  mount.Add("GET", "/mlflow/things/{id}", kNamed, [](const Message& in) -> Result<std::string> {
    return "{\"" + in.param(0) + "\":\"" + in.Text("name") + "\"}";
  });
  for (const std::string root : {"/api/2.0", "/ajax-api/2.0"}) {
    net::Request http;
    http.method = "GET";
    const std::string path = root + "/mlflow/things/7";
    const std::string target = path + "?name=x";
    http.target = target;
    const Router::Match match = router.Find("GET", path);
    ASSERT_NE(match.action, nullptr);
    EXPECT_TRUE(match.action->blocks);
    EXPECT_EQ(match.action->answer({http, match.params}).body, "{\"7\":\"x\"}");
  }
}

}  // namespace
}  // namespace millrace::api::internal
