// SPDX-License-Identifier: Apache-2.0
// Tests of bodies that are streamed, to the server and from it.
#include <atomic>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/testing.h"

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using testing::Count;
using ::testing::HasSubstr;
using testing::RawClient;
using testing::StartServer;
using ::testing::StartsWith;
using testing::Text;
using testing::WaitUntil;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

std::uint64_t Sum(std::string_view bytes) {
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0},
                         [](std::uint64_t sum, char c) { return sum * 31 + (c & 0xFF); });
}

struct SinkLog {
  std::atomic<std::size_t> n_bytes{0};
  std::atomic<std::size_t> n_writes{0};
  std::atomic<std::size_t> largest{0};
  std::atomic<int> n_finished{0};
  std::atomic<int> n_gone{0};
  std::atomic<std::size_t> refuse_at{std::numeric_limits<std::size_t>::max()};
  std::atomic<bool> throws{false};
};

class SummingSink final : public BodySink {
 public:
  explicit SummingSink(SinkLog& log) : log_(log) {}
  ~SummingSink() override { ++log_.n_gone; }
  std::optional<Response> Write(std::string_view bytes) override {
    if (log_.throws) {
      throw std::runtime_error("secret");
    }
    log_.n_bytes += bytes.size();
    ++log_.n_writes;
    log_.largest = std::max<std::size_t>(log_.largest, bytes.size());
    for (const char c : bytes) {
      sum_ = sum_ * 31 + (c & 0xFF);
    }
    if (log_.n_bytes >= log_.refuse_at) {
      return Text("enough", 422);
    }
    return std::nullopt;
  }
  void Finish(const Request& request, Reply reply) override {
    ++log_.n_finished;
    reply.Send(Text(std::string(request.target) + " " + std::to_string(sum_)));
  }

 private:
  SinkLog& log_;
  std::uint64_t sum_ = 0;
};

class HttpStream : public ::testing::TestWithParam<bool> {
 protected:
  ServerOptions Options(std::uint64_t max_bytes = 1'000'000'000) {
    ServerOptions options;
    options.max_body_bytes = 1000;
    options.body_sink = [this, max_bytes](const Request& head) {
      EXPECT_EQ(head.body, "");
      BodyRoute route;
      if (head.path().starts_with("/up")) {
        route.sink = std::make_unique<SummingSink>(log_);
        route.max_bytes = max_bytes;
      } else if (head.path() == "/refused") {
        route.refusal = Text("not here", 400);
      } else if (head.path() == "/throws") {
        throw std::runtime_error("secret");
      }
      return route;
    };
    if (GetParam()) {
      options.executor = [this](std::function<void()> task) { pool_.Submit(std::move(task)); };
    }
    return options;
  }
  static Handler Echo() {
    return Synchronous([](const Request& request) { return Text(std::string(request.body)); });
  }

  SinkLog log_;
  base::ThreadPool pool_{"test", 2};
};

INSTANTIATE_TEST_SUITE_P(InTheLoopOrOnAPool, HttpStream, ::testing::Bool());

std::string SomeBytes(std::size_t n) {
  std::string bytes(n, '\0');
  std::uint32_t state = 1;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

TEST_P(HttpStream, BodyArrivesInBlocksAndTheConnectionGoesOn) {
  const auto server = StartServer(Options(), Echo());
  Result<HttpClient> client = HttpClient::Make(server->url());
  const std::string body = SomeBytes(10'000'000);
  for (int i = 0; i < 3; ++i) {
    const Result<ClientResponse> reply = client->Send("PUT", "/up", body);
    ASSERT_TRUE(reply.ok()) << reply.error().ToString();
    EXPECT_EQ(reply->body, "/up " + std::to_string(Sum(body)));
    EXPECT_EQ(client->Post("/small", "text/plain", "abc")->body, "abc");
  }
  EXPECT_EQ(log_.n_finished, 3);
  EXPECT_LE(log_.largest, 512U * 1024);
  WaitUntil([&] { return log_.n_gone == 3; });
}

TEST_P(HttpStream, EmptySmallAndChunkedBodies) {
  const auto server = StartServer(Options(), Echo());
  RawClient client(server->port());
  client.Send(
      "PUT /up0 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
      "PUT /up1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "PUT /up2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n");
  client.Send("0\r\n\r\nGET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string replies = client.ReadToEnd();
  EXPECT_THAT(replies, HasSubstr("/up0 0"));
  EXPECT_THAT(replies, HasSubstr("/up1 " + std::to_string(Sum("abc"))));
  EXPECT_THAT(replies, HasSubstr("/up2 " + std::to_string(Sum("abc"))));
  EXPECT_EQ(Count(replies, "HTTP/1.1 200 OK"), 4U);
}

TEST_P(HttpStream, SizeOverTheSinksLimitIs413BeforeAnyByteIsTaken) {
  const auto server = StartServer(Options(1'000'000), Echo());
  RawClient client(server->port());
  client.Send("PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n");
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(log_.n_bytes, 0U);
  RawClient chunked(server->port());
  chunked.Send("PUT /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nF4241\r\n");
  EXPECT_THAT(chunked.ReadToEnd(), StartsWith("HTTP/1.1 413 "));
  WaitUntil([&] { return log_.n_gone == 2; });
  EXPECT_EQ(log_.n_finished, 0);
}

TEST_P(HttpStream, RefusalBeforeTheBodyIsSeenByTheClient) {
  const auto server = StartServer(Options(), Echo());
  RawClient client(server->port());
  client.Send("PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" +
              std::string(3'000'000, 'x'));
  const std::string reply = client.ReadToEnd();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(reply, HasSubstr("not here"));
  RawClient throwing(server->port());
  throwing.Send("PUT /throws HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(throwing.ReadToEnd(), StartsWith("HTTP/1.1 500 "));
}

TEST_P(HttpStream, SinkRefusesInTheMiddle) {
  const auto server = StartServer(Options(), Echo());
  log_.refuse_at = 1'000'000;
  RawClient client(server->port());
  client.Send("PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" +
              std::string(9'000'000, 'x'));
  const std::string reply = client.ReadToEnd();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 422 "));
  EXPECT_THAT(reply, HasSubstr("Connection: close"));
  // With the last block the connection may go on.
  log_.n_bytes = 0;
  log_.refuse_at = 3;
  RawClient whole(server->port());
  whole.Send("PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  whole.ReadUntil([](const std::string& text) { return text.ends_with("enough"); });
  whole.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(whole.ReadToEnd(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(log_.n_finished, 0);
}

TEST_P(HttpStream, ExceptionOfTheSinkIs500) {
  const auto server = StartServer(Options(), Echo());
  log_.throws = true;
  for (const std::size_t n : {std::size_t{3}, std::size_t{2'000'000}}) {
    RawClient client(server->port());
    client.Send("PUT /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                std::to_string(n) + "\r\n\r\n" + std::string(n, 'x'));
    EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 500 "));
  }
}

TEST_P(HttpStream, ClientThatLeavesInTheMiddleEndsTheSink) {
  const auto server = StartServer(Options(), Echo());
  {
    RawClient client(server->port());
    client.Send("PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" +
                std::string(1'000'000, 'x'));
  }
  WaitUntil([&] { return log_.n_gone == 1; });
  EXPECT_EQ(log_.n_finished, 0);
  WaitUntil([&] { return server->connections() == 0; });
}

TEST_P(HttpStream, SlowerThanTheRateIs408AndSteadyIsNot) {
  ServerOptions options = Options();
  options.body_timeout = milliseconds(400);
  // Low, so that a busy machine does not make the steady client look slow.
  options.min_body_rate = 1;
  const auto server = StartServer(std::move(options), Echo());
  RawClient stalled(server->port());
  stalled.Send("PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
  EXPECT_THAT(stalled.ReadToEnd(), StartsWith("HTTP/1.1 408 "));
  // Far above the rate for several times as long as the timeout.
  constexpr std::size_t kSize = 20'000'000;
  RawClient steady(server->port());
  steady.Send("PUT /up HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
              std::to_string(kSize) + "\r\n\r\n");
  const auto begin = std::chrono::steady_clock::now();
  std::size_t sent = 0;
  while (sent < kSize) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    const std::size_t due = std::min(kSize, static_cast<std::size_t>(passed.count() * 25e6));
    ASSERT_TRUE(steady.Send(std::string(due - sent, 'x')));
    sent = due;
    std::this_thread::yield();
  }
  EXPECT_THAT(steady.ReadToEnd(), StartsWith("HTTP/1.1 200 "));
}

TEST_P(HttpStream, ExpectContinueComesBeforeTheBody) {
  const auto server = StartServer(Options(), Echo());
  RawClient client(server->port());
  client.Send("PUT /up HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  client.ReadUntil([](const std::string& text) { return text.ends_with("\r\n\r\n"); });
  client.Send("abc");
  EXPECT_THAT(client.ReadUntil(
                  [](const std::string& text) { return text.find("/up ") != std::string::npos; }),
              StartsWith("HTTP/1.1 200 "));
  RawClient refused(server->port());
  refused.Send(
      "PUT /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(refused.ReadToEnd(), StartsWith("HTTP/1.1 400 "));
}

// ---- Replies that are streamed.

class PatternSource final : public BodySource {
 public:
  PatternSource(std::uint64_t size, std::uint64_t fail_at, std::atomic<int>& n_gone)
      : size_(size), fail_at_(fail_at), n_gone_(n_gone) {}
  ~PatternSource() override { ++n_gone_; }
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> Read(std::span<char> block) override {
    if (at_ >= fail_at_) {
      return base::DataLoss("file x.bin is damaged");
    }
    // Odd sizes: a source need not fill its block.
    const std::size_t n = std::min<std::size_t>(block.size(), 99'991);
    for (std::size_t i = 0; i < n; ++i) {
      block[i] = static_cast<char>('a' + (at_ + i) % 26);
    }
    at_ += n;
    return n;
  }

 private:
  std::uint64_t size_;
  std::uint64_t fail_at_;
  std::uint64_t at_ = 0;
  std::atomic<int>& n_gone_;
};

TEST_P(HttpStream, SourceIsSentWholeInOrderAndKeepsTheConnection) {
  std::atomic<int> n_gone{0};
  const auto server = StartServer(Options(), Synchronous([&](const Request& request) {
                                    Response response = Text("not this");
                                    const std::uint64_t size = request.target == "/empty" ? 0
                                                               : request.target == "/1"   ? 1
                                                                                        : 5'000'000;
                                    response.source =
                                        std::make_unique<PatternSource>(size, ~0ULL, n_gone);
                                    return response;
                                  }));
  Result<HttpClient> client = HttpClient::Make(server->url());
  for (int i = 0; i < 3; ++i) {
    const Result<ClientResponse> reply = client->Get("/file");
    ASSERT_TRUE(reply.ok()) << reply.error().ToString();
    ASSERT_EQ(reply->body.size(), 5'000'000U);
    for (std::size_t at = 0; at < reply->body.size(); at += 4999) {
      ASSERT_EQ(reply->body[at], static_cast<char>('a' + at % 26)) << at;
    }
    EXPECT_EQ(client->Get("/empty")->body, "");
    EXPECT_EQ(client->Get("/1")->body, "a");
    const Result<ClientResponse> head = client->Send("HEAD", "/file", {});
    EXPECT_EQ(head->Header("content-length"), "5000000");
    EXPECT_EQ(head->body, "");
  }
  WaitUntil([&] { return n_gone == 12; });
}

TEST_P(HttpStream, SourceThatFailsAtOnceIs500AndLaterCutsTheBody) {
  std::atomic<int> n_gone{0};
  const auto server =
      StartServer(Options(), Synchronous([&](const Request& request) {
                    Response response;
                    response.source = std::make_unique<PatternSource>(
                        5'000'000, request.target == "/at-once" ? 0 : 1'000'000, n_gone);
                    return response;
                  }));
  Result<HttpClient> client = HttpClient::Make(server->url());
  const Result<ClientResponse> failed = client->Get("/at-once");
  ASSERT_TRUE(failed.ok());
  EXPECT_EQ(failed->status, 500);
  EXPECT_THAT(failed->body, HasSubstr("file x.bin is damaged"));
  const Result<ClientResponse> cut = client->Get("/later");
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code(), ErrorCode::kUnavailable);
  WaitUntil([&] { return n_gone == 2 && server->connections() == 0; });
}

TEST_P(HttpStream, ReaderThatStopsIsCutOffAndTheSourceGoes) {
  std::atomic<int> n_gone{0};
  ServerOptions options = Options();
  options.write_timeout = milliseconds(100);
  const auto server =
      StartServer(std::move(options), Synchronous([&](const Request&) {
                    Response response;
                    response.source = std::make_unique<PatternSource>(1'000'000'000, ~0ULL, n_gone);
                    return response;
                  }));
  RawClient client(server->port());
  client.Send(kGet);
  WaitUntil([&] { return n_gone == 1; });
  WaitUntil([&] { return server->connections() == 0; });
}

TEST_P(HttpStream, StopLetsAStreamedReplyEnd) {
  std::atomic<int> n_gone{0};
  const auto server = StartServer(Options(), Synchronous([&](const Request&) {
                                    Response response;
                                    response.source =
                                        std::make_unique<PatternSource>(20'000'000, ~0ULL, n_gone);
                                    return response;
                                  }));
  RawClient client(server->port());
  client.Send(kGet);
  client.ReadUntil([](const std::string& text) { return text.size() > 1000; });
  std::jthread stopper([&] { server->Stop(std::chrono::seconds(20)); });
  const std::string rest = client.ReadToEnd();
  stopper.join();
  EXPECT_GT(rest.size(), 19'000'000U);
  EXPECT_EQ(n_gone, 1);
}

}  // namespace
}  // namespace millrace::net
