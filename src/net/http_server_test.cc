// SPDX-License-Identifier: Apache-2.0
// Tests of the server over real sockets: framing, limits, slow clients, stop under load.
#include "net/http_server.h"

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/testing.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using testing::Count;
using ::testing::HasSubstr;
using testing::RawClient;
using ::testing::StartsWith;

Response Echo(const Request& request) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::string(request.method) + " " + std::string(request.target) + " " +
                  std::string(request.body);
  return response;
}

std::unique_ptr<HttpServer> StartServer(ServerOptions options = {},
                                        std::function<Response(const Request&)> answer = Echo) {
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::Start(std::move(options), Synchronous(std::move(answer)));
  EXPECT_TRUE(server.ok()) << (server.ok() ? "" : server.error().ToString());
  return std::move(server).value();
}

TEST(HttpServer, AnswersOneRequest) {
  const auto server = StartServer();
  RawClient client(server->port());
  client.Send(
      "POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
  const std::string reply = client.ReadToEnd();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(reply.ends_with("POST /a?b=1 abc")) << reply;
}

TEST(HttpServer, RequestsInPiecesAndAllAtOnceAreTheSame) {
  const auto server = StartServer();
  const std::string one =
      "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n";
  {
    RawClient client(server->port());
    for (const char c : one) {
      client.Send(std::string_view(&c, 1));
    }
    const std::string reply =
        client.ReadUntil([](const std::string& text) { return text.ends_with("abcde"); });
    EXPECT_THAT(reply, HasSubstr("POST /p abcde"));
  }
  RawClient client(server->port());
  std::string many;
  for (int i = 0; i < 500; ++i) {
    many += one;
  }
  client.Send(many);
  const std::string replies =
      client.ReadUntil([](const std::string& text) { return Count(text, "POST /p abcde") >= 500; });
  EXPECT_EQ(Count(replies, "HTTP/1.1 200 OK"), 500U);
}

TEST(HttpServer, PipelinedRepliesKeepTheirOrder) {
  const auto server = StartServer();
  RawClient client(server->port());
  std::string many;
  for (int i = 0; i < 200; ++i) {
    many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n" +
            (i == 199 ? "Connection: close\r\n" : "") + "\r\n";
  }
  client.Send(many);
  const std::string replies = client.ReadToEnd();
  std::size_t at = 0;
  for (int i = 0; i < 200; ++i) {
    at = replies.find("GET /" + std::to_string(i) + " ", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(HttpServer, LargeBodiesPassBothWays) {
  const auto server = StartServer();
  Result<HttpClient> client = HttpClient::Make(server->url());
  ASSERT_TRUE(client.ok());
  const std::string body(20'000'000, 'x');
  for (int i = 0; i < 2; ++i) {
    const Result<ClientResponse> reply = client->Post("/big", "application/octet-stream", body);
    ASSERT_TRUE(reply.ok()) << reply.error().ToString();
    EXPECT_EQ(reply->body.size(), body.size() + 10);
  }
}

TEST(HttpServer, BodyOverTheLimitIs413EvenWhileItIsSent) {
  const auto server = StartServer({.max_body_bytes = 1000});
  RawClient client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
  client.Send(std::string(3'000'000, 'x'));
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
  RawClient chunked(server->port());
  chunked.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" +
               std::string(2048, 'x') + "\r\n0\r\n\r\n");
  EXPECT_THAT(chunked.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServer, HeaderOverTheLimitIs431) {
  const auto server = StartServer({.max_header_bytes = 1024});
  RawClient client(server->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(5000, 'x') + "\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 431 "));
}

TEST(HttpServer, MalformedRequestsAreRefusedAndTheServerLives) {
  const auto server = StartServer();
  const char* const kBad[] = {
      "\r\n\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: "
      "chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: "
      "3\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
      "\x16\x03\x01\x02 tls client hello\r\n\r\n",
  };
  for (const char* const text : kBad) {
    RawClient client(server->port());
    client.Send(text);
    const std::string reply = client.ReadToEnd();
    EXPECT_THAT(reply, ::testing::AnyOf(StartsWith("HTTP/1.1 400 "), StartsWith("HTTP/1.1 501 ")))
        << text;
    EXPECT_EQ(Count(reply, "\r\nContent-Length: "), 1U) << text;
  }
  RawClient client(server->port());
  client.Send("GET /alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("GET /alive"));
}

TEST(HttpServer, SlowHeaderAndSlowBodyAre408) {
  const auto server =
      StartServer({.header_timeout = milliseconds(60), .body_timeout = milliseconds(60)});
  RawClient header(server->port());
  header.Send("GET / HTTP/1.1\r\nHo");
  EXPECT_THAT(header.ReadToEnd(), StartsWith("HTTP/1.1 408 "));
  RawClient body(server->port());
  body.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_THAT(body.ReadToEnd(), StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServer, IdleConnectionIsClosedWithoutAWord) {
  const auto server = StartServer({.idle_timeout = milliseconds(60)});
  RawClient client(server->port());
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(HttpServer, ClientThatDoesNotReadIsCutOff) {
  const auto server = StartServer({.write_timeout = milliseconds(100)}, [](const Request&) {
    Response response;
    response.body.assign(50'000'000, 'x');
    return response;
  });
  RawClient client(server->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  // The client takes nothing until the server has given up.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  bool was_open = false;
  while (std::chrono::steady_clock::now() < end && !(was_open && server->connections() == 0)) {
    was_open = was_open || server->connections() == 1;
    std::this_thread::yield();
  }
  EXPECT_EQ(server->connections(), 0U);
}

TEST(HttpServer, ExpectContinueIsAnswered) {
  const auto server = StartServer();
  RawClient client(server->port());
  client.Send(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_EQ(client.ReadUntil([](const std::string& text) { return text.ends_with("\r\n\r\n"); }),
            "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("abc");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 200 OK"));
}

TEST(HttpServer, Http10ClosesUnlessAskedOtherwise) {
  const auto server = StartServer();
  RawClient closing(server->port());
  closing.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(closing.ReadToEnd(), HasSubstr("Connection: close\r\n"));
  RawClient keeping(server->port());
  keeping.Send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(keeping.ReadUntil(
                  [](const std::string& text) { return text.find("GET / ") != std::string::npos; }),
              HasSubstr("Connection: keep-alive\r\n"));
}

TEST(HttpServer, ExceptionOfTheHandlerIs500) {
  const auto server =
      StartServer({}, [](const Request&) -> Response { throw std::runtime_error("secret"); });
  RawClient client(server->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string reply = client.ReadToEnd();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(reply, ::testing::Not(HasSubstr("secret")));
}

TEST(HttpServer, ConnectionsOverTheLimitAre503) {
  const auto server = StartServer({.max_connections = 1});
  RawClient first(server->port());
  first.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  first.ReadUntil([](const std::string& text) { return text.find("GET / ") != std::string::npos; });
  RawClient second(server->port());
  EXPECT_THAT(second.ReadToEnd(), StartsWith("HTTP/1.1 503 "));
}

TEST(HttpServer, TakenPortNamesTheAddressAndTheNextStep) {
  const auto server = StartServer();
  const auto second = HttpServer::Start({.port = server->port()}, Synchronous(Echo));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(second.error().message(), HasSubstr("127.0.0.1:" + std::to_string(server->port())));
  EXPECT_THAT(second.error().hint(), HasSubstr("--port"));
}

TEST(HttpServer, UnknownHostIsAnError) {
  const auto server = HttpServer::Start({.host = "no such host"}, Synchronous(Echo));
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(server.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(server.error().message(), HasSubstr("no such host"));
}

TEST(HttpServer, PeerIsNamedAndLoopback) {
  const auto server = StartServer({}, [](const Request& request) {
    Response response;
    response.body = std::string(request.peer) + (request.is_loopback ? " loopback" : " remote");
    return response;
  });
  Result<HttpClient> client = HttpClient::Make(server->url());
  ASSERT_TRUE(client.ok());
  const Result<ClientResponse> reply = client->Get("/");
  ASSERT_TRUE(reply.ok());
  EXPECT_THAT(reply->body, ::testing::AllOf(StartsWith("127.0.0.1:"), HasSubstr(" loopback")));
}

TEST(HttpServer, StopFinishesTheRequestInFlight) {
  std::latch entered(1);
  std::latch may_leave(1);
  const auto server = StartServer({}, [&](const Request&) {
    entered.count_down();
    may_leave.wait();
    return Response{.body = "finished"};
  });
  RawClient idle(server->port());
  RawClient client(server->port());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.wait();
  std::jthread stopper([&] { server->Stop(std::chrono::seconds(10)); });
  may_leave.count_down();
  EXPECT_THAT(client.ReadToEnd(), ::testing::EndsWith("finished"));
  stopper.join();
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_EQ(server->connections(), 0U);
}

TEST(HttpServer, StopCutsOffWhatOutlivesTheGrace) {
  const auto server = StartServer();
  RawClient client(server->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  const auto begin = std::chrono::steady_clock::now();
  server->Stop(milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(client.ReadToEnd(), "");
}

// Whatever was answered was answered whole: a stop in the middle of traffic cuts no reply.
TEST(HttpServer, StopUnderLoadCutsNoReply) {
  const auto server = StartServer();
  std::atomic<int> n_good{0};
  std::atomic<int> n_broken{0};
  std::atomic<bool> is_stopping{false};
  std::vector<std::jthread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      Result<HttpClient> client = HttpClient::Make(server->url());
      ASSERT_TRUE(client.ok());
      for (;;) {
        const Result<ClientResponse> reply = client->Post("/x", "text/plain", "body");
        if (!reply.ok()) {
          // A connection closed between two requests is no loss; one closed within a reply is.
          n_broken += is_stopping && reply.error().code() == ErrorCode::kUnavailable ? 0 : 1;
          return;
        }
        n_good += reply->body == "POST /x body" ? 1 : 0;
        n_broken += reply->body == "POST /x body" ? 0 : 1;
      }
    });
  }
  while (n_good < 2000) {
    std::this_thread::yield();
  }
  is_stopping = true;
  server->Stop(std::chrono::seconds(10));
  clients.clear();
  EXPECT_EQ(n_broken, 0);
}

}  // namespace
}  // namespace millrace::net
