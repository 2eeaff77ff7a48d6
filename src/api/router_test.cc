// SPDX-License-Identifier: Apache-2.0
// Tests of the router, JSON writing and base64.
#include "api/router.h"

#include <cmath>

#include <gtest/gtest.h>

#include "api/internal/json_writer.h"
#include "api/internal/online_json.h"
#include "api/internal/scoring.h"

namespace millrace::api {
namespace {

net::Response Nothing(const RoutedRequest&) {
  return {};
}

TEST(Router, StaticPatternsWinOverParameters) {
  Router router;
  router.Add("GET", "/a/{x}", Nothing);
  router.Add("GET", "/a/b", Nothing);
  EXPECT_EQ(router.Find("GET", "/a/b").pattern, "/a/b");
  EXPECT_EQ(router.Find("GET", "/a/c").pattern, "/a/{x}");
}

TEST(Router, ParametersAreDecodedAndNotEmpty) {
  Router router;
  router.Add("GET", "/e/{name}/v/{version}", Nothing);
  const auto match = router.Find("GET", "/e/a%20b%2Fc/v/1%zz");
  ASSERT_NE(match.action, nullptr);
  EXPECT_EQ(match.params, (std::vector<std::string>{"a b/c", "1%zz"}));
  EXPECT_EQ(router.Find("GET", "/e//v/1").action, nullptr);
  EXPECT_EQ(router.Find("GET", "/e/a/v/1/").action, nullptr);
  EXPECT_EQ(router.Find("GET", "").action, nullptr);
}

TEST(Router, RestTakesWhatNoOtherPatternTakes) {
  Router router;
  router.Add("PUT", "/files/{path...}",
             RouteAction{.take_body = [](const RoutedRequest&) { return net::BodyRoute{}; }});
  router.Add("GET", "/files/{name}", Nothing);
  router.Add("GET", "/files/{path...}", RouteAction{.answer = Nothing, .blocks = true});
  EXPECT_EQ(router.Find("GET", "/files/a").pattern, "/files/{name}");
  const auto rest = router.Find("GET", "/files/a%2Fb//c/");
  EXPECT_EQ(rest.pattern, "/files/{path...}");
  EXPECT_EQ(rest.params, std::vector<std::string>{"a%2Fb//c/"});
  ASSERT_NE(rest.action, nullptr);
  EXPECT_TRUE(rest.action->blocks);
  EXPECT_EQ(router.Find("GET", "/files").action, nullptr);
  EXPECT_EQ(router.Find("PUT", "/files/").params, std::vector<std::string>{""});
  EXPECT_EQ(router.Find("DELETE", "/files/a/b").allow, "GET, PUT");
}

TEST(Router, KnownPathWithAnotherMethodListsTheAllowedOnes) {
  Router router;
  router.Add("GET", "/a", Nothing);
  router.Add("POST", "/a", Nothing);
  EXPECT_EQ(router.Find("DELETE", "/a").allow, "GET, POST");
  EXPECT_EQ(router.Find("DELETE", "/b").allow, "");
  EXPECT_NE(router.Find("HEAD", "/a").action, nullptr);
}

TEST(JsonWriter, EscapesAndReplacesWhatIsNoUtf8) {
  std::string out;
  internal::AppendJsonString("a\"\\\n\x01\xC3\xA9\xFF\xE2\x82z", out);
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\u0001\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"");
}

TEST(JsonWriter, DoublesRoundTripAndNaNIsNull) {
  std::string out;
  const double values[] = {0.1, 1.0, 1e-300, std::nan(""), -0.0};
  internal::AppendJsonDoubles(values, out);
  EXPECT_EQ(out, "[0.1,1,1e-300,null,-0]");
}

// The vectors of RFC 4648, section 10.
TEST(Base64, VectorsOfTheRfc) {
  const std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : kVectors) {
    EXPECT_EQ(internal::ToBase64(plain), coded);
    const Result<std::string> back = internal::FromBase64(coded);
    ASSERT_TRUE(back.ok()) << coded;
    EXPECT_EQ(*back, plain);
  }
  for (const char* const bad : {"Z", "Zg=", "Zh==", "====", "Z===", "Zm9v=", "Zm 9", "Zg==Zg=="}) {
    EXPECT_FALSE(internal::FromBase64(bad).ok()) << bad;
  }
}

TEST(MediaType, OnlyCharsetIsAParameter) {
  EXPECT_EQ(internal::ParseMediaType(" Application/JSON ; Charset=\"UTF-8\"")->type,
            "application/json");
  EXPECT_EQ(internal::ParseMediaType("text/csv;charset=utf-8;")->charset, "utf-8");
  EXPECT_FALSE(internal::ParseMediaType("text/csv; header=absent").has_value());
  EXPECT_EQ(internal::ParseMediaType("")->type, "");
}

}  // namespace
}  // namespace millrace::api
