// SPDX-License-Identifier: Apache-2.0
// Tests of the client: URLs, kept connections, timeouts, servers that misbehave.
#include "net/http_client.h"

#include <arpa/inet.h>
#include <atomic>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_server.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Accepts one connection, sends fixed bytes, waits for the client to close.
class FixedServer {
 public:
  explicit FixedServer(std::string bytes) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::jthread([this, text = std::move(bytes)] {
      const int connection = ::accept(fd_, nullptr, nullptr);
      char block[4096];
      ::recv(connection, block, sizeof block, 0);
      ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
      ::shutdown(connection, SHUT_WR);
      while (::recv(connection, block, sizeof block, 0) > 0) {
      }
      ::close(connection);
    });
  }
  ~FixedServer() {
    thread_.join();
    ::close(fd_);
  }
  const std::string& url() const { return url_; }

 private:
  int fd_;
  std::string url_;
  std::jthread thread_;
};

Result<ClientResponse> Ask(const std::string& bytes, ClientOptions options = {}) {
  const FixedServer server(bytes);
  Result<HttpClient> client = HttpClient::Make(server.url(), options);
  EXPECT_TRUE(client.ok());
  return client->Get("/");
}

TEST(HttpClient, UrlsThatCannotBeReadAreErrors) {
  for (const char* const url :
       {"", "ftp://a", "http://", "http://:80", "http://a:", "http://a:0", "http://a:65536",
        "http://a:x", "http://[::1", "http://a b", "http://u:p@a", "https://", "https://a?x=1"}) {
    const auto client = HttpClient::Make(url);
    ASSERT_FALSE(client.ok()) << url;
    EXPECT_EQ(client.error().code(), ErrorCode::kInvalidArgument) << url;
    EXPECT_THAT(client.error().message(), HasSubstr(url));
  }
}

TEST(HttpClient, KeepsItsConnectionAndPrefix) {
  std::atomic<int> n_peers{0};
  std::string last_peer;
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::Start({.threads = 1}, Synchronous([&](const Request& request) {
                          n_peers += request.peer == last_peer ? 0 : 1;
                          last_peer = std::string(request.peer);
                          Response response;
                          response.status = 404;
                          response.body = std::string(request.target);
                          response.headers = {{"X-Seen", std::string(request.Header("x-sent"))}};
                          return response;
                        }));
  ASSERT_TRUE(server.ok());
  Result<HttpClient> client = HttpClient::Make((*server)->url() + "/prefix/");
  ASSERT_TRUE(client.ok());
  for (int i = 0; i < 10; ++i) {
    const Result<ClientResponse> reply = client->Get("/a", {{"X-Sent", "yes"}});
    ASSERT_TRUE(reply.ok()) << reply.error().ToString();
    EXPECT_EQ(reply->status, 404);
    EXPECT_EQ(reply->body, "/prefix/a");
    EXPECT_EQ(reply->Header("x-seen"), "yes");
  }
  EXPECT_EQ(n_peers, 1);
  const Result<ClientResponse> head = client->Send("HEAD", "/a", {});
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->body, "");
  EXPECT_EQ(head->Header("content-length"), "9");
}

TEST(HttpClient, OpensAClosedConnectionAnew) {
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::Start({.idle_timeout = milliseconds(30)},
                        Synchronous([](const Request&) { return Response{.body = "ok"}; }));
  ASSERT_TRUE(server.ok());
  Result<HttpClient> client = HttpClient::Make((*server)->url());
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(client->Get("/").ok());
  while ((*server)->connections() > 0) {
    std::this_thread::yield();
  }
  const Result<ClientResponse> again = client->Get("/");
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_EQ(again->body, "ok");
}

TEST(HttpClient, NobodyListeningIsUnavailable) {
  std::uint16_t port = 0;
  {
    auto server = HttpServer::Start({}, Synchronous([](const Request&) { return Response{}; }));
    ASSERT_TRUE(server.ok());
    port = (*server)->port();
  }
  Result<HttpClient> client = HttpClient::Make("http://127.0.0.1:" + std::to_string(port));
  ASSERT_TRUE(client.ok());
  const Result<ClientResponse> reply = client->Get("/");
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(reply.error().message(), HasSubstr(std::to_string(port)));
}

TEST(HttpClient, SilentServerIsDeadlineExceeded) {
  std::atomic<bool> is_done{false};
  auto server = HttpServer::Start({}, Synchronous([&](const Request&) {
                                    while (!is_done) {
                                      std::this_thread::yield();
                                    }
                                    return Response{};
                                  }));
  ASSERT_TRUE(server.ok());
  Result<HttpClient> client =
      HttpClient::Make((*server)->url(), {.request_timeout = milliseconds(50)});
  ASSERT_TRUE(client.ok());
  const Result<ClientResponse> reply = client->Get("/");
  is_done = true;
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code(), ErrorCode::kDeadlineExceeded);
}

TEST(HttpClient, ReadsEveryFramingOfAReply) {
  const auto chunked =
      Ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  ASSERT_TRUE(chunked.ok()) << chunked.error().ToString();
  EXPECT_EQ(chunked->body, "abc");
  const auto until_close = Ask("HTTP/1.1 200 OK\r\n\r\nabc");
  ASSERT_TRUE(until_close.ok()) << until_close.error().ToString();
  EXPECT_EQ(until_close->body, "abc");
  const auto interim =
      Ask("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx");
  ASSERT_TRUE(interim.ok()) << interim.error().ToString();
  EXPECT_EQ(interim->status, 201);
  EXPECT_EQ(interim->body, "x");
}

TEST(HttpClient, BrokenRepliesAreErrors) {
  EXPECT_EQ(Ask("").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").error().code(),
            ErrorCode::kUnavailable);
  EXPECT_EQ(Ask("SSH-2.0-OpenSSH_9.2\r\n\r\n").error().code(), ErrorCode::kDataLoss);
  EXPECT_EQ(Ask("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", {.max_body_bytes = 5})
                .error()
                .code(),
            ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace millrace::net
