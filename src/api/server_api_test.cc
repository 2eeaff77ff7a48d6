// SPDX-License-Identifier: Apache-2.0
// Tests of the fixed routes, metrics, hand-over of online writes, and a champion that changes under
// load over real sockets.
#include "api/server_api.h"

#include <atomic>
#include <dlfcn.h>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/remote_key_value.h"
#include "api/testing.h"
#include "base/file.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace millrace::api {
namespace {

using serving::testing::Must;
using ::testing::HasSubstr;

TEST_F(ApiTest, FixedRoutes) {
  EXPECT_EQ(Ask("GET", "/health").body, "OK");
  EXPECT_EQ(Ask("GET", "/ping").body, "\n");
  EXPECT_EQ(Ask("GET", "/version").body, "3.17.2");
  EXPECT_EQ(Ask("GET", "/ready").body,
            R"({"ready":true,"endpoints":{"churn":{"ready":true,"version":1}}})");
  EXPECT_EQ(Ask("HEAD", "/health").status, 200);
}

TEST_F(ApiTest, UnknownRouteIs404AndWrongMethod405) {
  const net::Response unknown = Ask("GET", "/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body, R"({"error_code":"ENDPOINT_NOT_FOUND","message":"no route GET /nothing",)"
                          R"("sqlstate":"KAM00","error_class":"RESOURCE_NOT_FOUND"})");
  const net::Response wrong = Ask("GET", "/invocations");
  EXPECT_EQ(wrong.status, 405);
  ASSERT_FALSE(wrong.headers.empty());
  EXPECT_EQ(wrong.headers[0].second, "POST");
}

TEST_F(ApiTest, NotReadyWithoutEndpoints) {
  resolver_.endpoints.clear();
  ASSERT_TRUE(refresher_.RefreshOnce().ok());
  EXPECT_EQ(Ask("GET", "/ready").status, 503);
  EXPECT_EQ(Invoke("{}").status, 404);
}

TEST_F(ApiTest, MetricNamesAreThoseOfTheGoldenFile) {
  Ask("GET", "/health");
  Invoke(R"({"inputs": [[1, 1, 1], [2, 2, 2]]})");
  Invoke("{}");
  const std::string text = Ask("GET", "/metrics").body;
  EXPECT_THAT(text,
              HasSubstr("millrace_http_requests_total{route=\"/invocations\",status=\"200\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("millrace_http_requests_total{route=\"/invocations\",status=\"400\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("millrace_http_request_seconds_bucket{route=\"/"
                              "invocations\",status=\"200\",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("millrace_http_request_seconds_count{route=\"/health\",status=\"200\"} 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr("millrace_model_info{endpoint=\"churn\",model=\"churn-model\",version=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("millrace_rows_scored_total{endpoint=\"churn\"} 2\n"));
  std::set<std::string> types;
  for (std::size_t at = text.find("# TYPE "); at != std::string::npos;
       at = text.find("# TYPE ", at + 1)) {
    types.insert(text.substr(at + 7, text.find('\n', at) - at - 7));
  }
  std::string seen;
  for (const std::string& type : types) {
    seen += type + "\n";
  }
  const std::string path = MILLRACE_SOURCE_DIR "/tests/golden/metric_names.txt";
  EXPECT_EQ(seen, Must(base::ReadFile(path)))
      << "if the change is meant, write these lines to " << path;
}

TEST_F(ApiTest, OnlineStoreIsOnlyForThisMachine) {
  const char* const target = "/api/2.0/millrace/online/get";
  const char* const body = R"({"keys": []})";
  EXPECT_EQ(Ask("POST", target, body).status, 200);
  EXPECT_EQ(Ask("POST", target, body, "application/json", "localhost:5000").status, 200);
  EXPECT_EQ(Ask("POST", target, body, "application/json", "[::1]:5000").status, 200);
  EXPECT_EQ(Ask("POST", target, body, "application/json", "evil.example:5000").status, 403);
  EXPECT_EQ(Ask("POST", target, body, "text/plain").status, 403);
  EXPECT_EQ(Ask("POST", target, body, "application/json", "127.0.0.1:5000", false).status, 403);
  EXPECT_EQ(Ask("POST", "/api/2.0/millrace/online/drop", R"({"prefix": ""})").status, 400);
  EXPECT_EQ(Ask("POST", target, R"({"keys": ["!"]})").status, 400);
}

// The same steps on a store in memory and on one behind a server must show the same.
TEST_F(ApiTest, RemoteStoreBehavesLikeTheStoreItself) {
  auto server = Must(net::HttpServer::Start(api_.ServerOptions(), api_.Handler()));
  const auto remote = Must(OpenRemoteKeyValue(server->url()));
  const std::string binary("k\0\xFF\n", 4);
  ASSERT_TRUE(remote
                  ->PutMany(std::vector<store::Put>{{binary, {2, -3, 1}, std::string("\0v", 2)},
                                                    {"k2", {1, 1, 1}, ""}})
                  .ok());
  ASSERT_TRUE(remote->PutMany(std::vector<store::Put>{{binary, {1, 0, 0}, "older"}}).ok());
  const auto found = Must(remote->GetMany(std::vector<std::string>{"missing", binary, "k2"}));
  ASSERT_EQ(found.size(), 3U);
  EXPECT_FALSE(found[0].has_value());
  EXPECT_EQ(found[1], (store::Entry{{2, -3, 1}, std::string("\0v", 2)}));
  EXPECT_EQ(found[2]->value, "");
  EXPECT_EQ(found, Must(kv_->GetMany(std::vector<std::string>{"missing", binary, "k2"})));
  std::vector<std::string> keys;
  ASSERT_TRUE(remote
                  ->Scan("k",
                         [&](std::string_view key, const store::Entry&) {
                           keys.emplace_back(key);
                           return true;
                         })
                  .ok());
  EXPECT_EQ(keys, (std::vector<std::string>{binary, "k2"}));
  ASSERT_TRUE(remote->DeletePrefix("k").ok());
  EXPECT_FALSE(Must(kv_->GetMany(std::vector<std::string>{binary}))[0].has_value());
  const Result<void> refused = remote->DeletePrefix("");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  std::vector<store::Put> many;
  for (int i = 0; i < 12'000; ++i) {
    many.push_back({"m" + std::to_string(i), {1, 1, 1}, std::string(100, 'x')});
  }
  ASSERT_TRUE(remote->PutMany(many).ok());
  EXPECT_TRUE(Must(kv_->GetMany(std::vector<std::string>{"m11999"}))[0].has_value());
}

TEST(RemoteKeyValue, NobodyThereIsUnavailable) {
  const auto remote = OpenRemoteKeyValue("http://127.0.0.1:1");
  ASSERT_FALSE(remote.ok());
  EXPECT_EQ(remote.error().code(), ErrorCode::kUnavailable);
}

// Libparquet exports parts of an OpenSSL of its own: TLS over half of each would crash.
TEST(OpenSsl, IsTheSystemsInEveryPart) {
  for (const char* const name : {"EVP_MD_fetch", "EVP_sha256", "X509_verify_cert", "BIO_new"}) {
    void* const address = dlsym(RTLD_DEFAULT, name);
    ASSERT_NE(address, nullptr) << name;
    Dl_info info{};
    ASSERT_NE(dladdr(address, &info), 0) << name;
    EXPECT_THAT(info.dli_fname, HasSubstr("libcrypto.so")) << name;
  }
}

TEST_F(ApiTest, ChampionsChangeUnderLoadWithoutAFailedRequest) {
  auto server = Must(net::HttpServer::Start(api_.ServerOptions(), api_.Handler()));
  refresher_.Start();
  std::atomic<bool> is_done{false};
  std::atomic<int> n_failed{0};
  std::atomic<int> n_good{0};
  std::vector<std::jthread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      net::HttpClient client = Must(net::HttpClient::Make(server->url()));
      std::set<std::string> possible;
      for (int version = 1; version <= 30; ++version) {
        possible.insert("{\"predictions\":[" +
                        Shown(serving::testing::ScoreOf(version, 5, 0.5, 3)) +
                        "],\"features_as_of\":\"2011-12-01T00:00:00Z\"}");
      }
      while (!is_done) {
        const auto reply =
            client.Post("/invocations", "application/json",
                        R"({"dataframe_records": [{"customer_id": 12346, "a": 5}]})");
        const bool is_good = reply.ok() && reply->status == 200 && possible.contains(reply->body);
        n_good += is_good ? 1 : 0;
        n_failed += is_good ? 0 : 1;
      }
    });
  }
  for (int version = 2; version <= 30; ++version) {
    const int before = n_good;
    resolver_.SetChampion(version);
    while (endpoints_.Only()->Current()->version().version != version || n_good < before + 20) {
      std::this_thread::yield();
    }
  }
  is_done = true;
  clients.clear();
  EXPECT_EQ(n_failed, 0);
  server->Stop(std::chrono::seconds(5));
}

}  // namespace
}  // namespace millrace::api
