// SPDX-License-Identifier: Apache-2.0
// Which requests of web pages go no further.
#include "api/security.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::api {
namespace {

class SecurityTest : public ::testing::Test {
 protected:
  // The status of the answer that ends the request, or 0 where it goes on.
  int Ask(const Security& security, std::string_view method, std::string_view target,
          std::string_view host, std::string_view origin = "") {
    std::vector<net::HeaderField> fields = {{"Host", host}};
    if (!origin.empty()) {
      fields.push_back({"Origin", origin});
    }
    if (method == "OPTIONS") {
      fields.push_back({"Access-Control-Request-Method", "POST"});
    }
    net::Request request;
    request.method = method;
    request.target = target;
    request.headers = fields;
    auto answer = security.Intercept(request);
    const int status = answer ? answer->status : 0;
    body_ = answer ? answer->body : "";
    marked_ = answer ? std::move(*answer) : net::Response{};
    security.Mark(request, marked_);
    return status;
  }
  std::string Header(std::string_view name) const {
    for (const auto& [key, value] : marked_.headers) {
      if (key == name) {
        return value;
      }
    }
    return "";
  }

  static constexpr std::string_view kPath = "/api/2.0/mlflow/runs/search";
  std::string body_;
  net::Response marked_;
};

TEST_F(SecurityTest, OnlyNamesOfThisMachineAndPrivateAddressesAreHosts) {
  const Security security({});
  for (const std::string host :
       {"localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "0.0.0.0:1", "10.1.2.3",
        "192.168.0.7:5000", "172.16.0.1", "172.31.255.255", "[fd00::1]:5000"}) {
    EXPECT_EQ(Ask(security, "GET", kPath, host), 0) << host;
  }
  for (const std::string host : {"evil.com", "evil.com:5000", "", "10.evil.com", "192.168.evil.com",
                                 "172.32.0.1", "172.15.0.1", "11.0.0.1", "10.0.0", "10.0.0.256",
                                 "localhost.evil.com", "[::2]", "10.0.0.1.evil.com", "["}) {
    EXPECT_EQ(Ask(security, "GET", kPath, host), 403) << host;
    EXPECT_EQ(body_, "Invalid Host header - possible DNS rebinding attack detected");
  }
}

TEST_F(SecurityTest, ProbesAndScoringTakeAnyHost) {
  const Security security({});
  for (const std::string path : {"/health", "/version", "/ping", "/ready", "/metrics",
                                 "/invocations", "/endpoints/a/invocations", "/v2/health/live"}) {
    EXPECT_EQ(Ask(security, "GET", path, "millrace.cluster"), 0) << path;
  }
  EXPECT_EQ(Ask(security, "GET", "/versions", "evil.com"), 403);
  EXPECT_EQ(Ask(security, "GET", "/", "evil.com"), 403);
}

TEST_F(SecurityTest, AllowedHostsReplaceTheUsualOnes) {
  const Security security({.allowed_hosts = {"ml.example", "*.corp.example:5000"}});
  EXPECT_EQ(Ask(security, "GET", kPath, "ml.example"), 0);
  EXPECT_EQ(Ask(security, "GET", kPath, "a.corp.example:5000"), 0);
  EXPECT_EQ(Ask(security, "GET", kPath, "a.corp.example"), 403);
  EXPECT_EQ(Ask(security, "GET", kPath, "localhost"), 403);
  EXPECT_EQ(Ask(Security({.allowed_hosts = {"*"}}), "GET", kPath, "evil.com"), 0);
}

TEST_F(SecurityTest, ForeignPagesMayNotChangeAnything) {
  const Security security({});
  for (const std::string method : {"POST", "PUT", "DELETE", "PATCH"}) {
    EXPECT_EQ(Ask(security, method, kPath, "localhost", "http://evil.com"), 403) << method;
    EXPECT_EQ(body_, "Cross-origin request blocked");
  }
  EXPECT_EQ(Ask(security, "POST", "/graphql", "localhost", "http://evil.com"), 403);
  EXPECT_EQ(Ask(security, "POST", kPath, "localhost", "null"), 403);
  EXPECT_EQ(Ask(security, "POST", kPath, "localhost", "http://localhost.evil.com"), 403);
  EXPECT_EQ(Ask(security, "GET", kPath, "localhost", "http://evil.com"), 0);
  EXPECT_EQ(Header("Access-Control-Allow-Origin"), "");
  for (const std::string origin :
       {"http://localhost:3000", "http://127.0.0.1", "https://[::1]:8080"}) {
    EXPECT_EQ(Ask(security, "POST", kPath, "localhost", origin), 0) << origin;
    EXPECT_EQ(Header("Access-Control-Allow-Origin"), origin);
    EXPECT_EQ(Header("Access-Control-Allow-Credentials"), "true");
  }
}

TEST_F(SecurityTest, AllowedOriginsAreAdded) {
  const Security security({.allowed_origins = {"https://ui.example"}});
  EXPECT_EQ(Ask(security, "POST", kPath, "localhost", "https://ui.example"), 0);
  EXPECT_EQ(Ask(security, "POST", kPath, "localhost", "https://ui.example.evil.com"), 403);
  EXPECT_EQ(Ask(security, "POST", kPath, "localhost", "http://localhost"), 0);
  EXPECT_EQ(
      Ask(Security({.allowed_origins = {"*"}}), "POST", kPath, "localhost", "http://evil.com"), 0);
  EXPECT_EQ(Header("Access-Control-Allow-Credentials"), "");
}

TEST_F(SecurityTest, PreflightsAreAnswered) {
  const Security security({});
  EXPECT_EQ(Ask(security, "OPTIONS", kPath, "localhost", "http://localhost:3000"), 200);
  EXPECT_EQ(Header("Access-Control-Allow-Origin"), "http://localhost:3000");
  EXPECT_NE(Header("Access-Control-Allow-Methods"), "");
  EXPECT_EQ(Ask(security, "OPTIONS", kPath, "localhost", "http://evil.com"), 400);
}

TEST_F(SecurityTest, BrowsersAreToldWhatTheyMayDo) {
  Ask(Security({}), "GET", "/", "localhost");
  EXPECT_EQ(Header("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(Header("X-Frame-Options"), "SAMEORIGIN");
  Ask(Security({.frame_options = "NONE"}), "GET", "/", "localhost");
  EXPECT_EQ(Header("X-Frame-Options"), "");
}

TEST_F(SecurityTest, ItCanBeSwitchedOff) {
  const Security security({.is_enabled = false});
  EXPECT_EQ(Ask(security, "POST", kPath, "evil.com", "http://evil.com"), 0);
  EXPECT_EQ(Header("X-Content-Type-Options"), "");
}

TEST(SplitList, LeavesOutBlanks) {
  EXPECT_EQ(SplitList(" a, b ,,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(SplitList("").empty());
}

}  // namespace
}  // namespace millrace::api
