// SPDX-License-Identifier: Apache-2.0
// Tests of replies that come later, from other threads.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <latch>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

// A handler's queue: what arrived and has no reply yet.
class Owed {
 public:
  struct Item {
    const Request* request;
    Reply reply;
  };
  Handler handler() {
    return [this](const Request& request, Reply reply) {
      const std::lock_guard lock(mutex_);
      items_.push_back({&request, std::move(reply)});
      arrived_.notify_all();
    };
  }
  Item Take() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !items_.empty(); });
    Item item = std::move(items_.front());
    items_.pop_front();
    return item;
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Item> items_;
};

TEST(Reply, DroppedUnsentSaysSo) {
  int status = 0;
  {
    Reply reply = Reply::To([&](Response response) { status = response.status; });
    EXPECT_TRUE(reply.is_owed());
    Reply moved = std::move(reply);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(status, 500);
  Reply sent = Reply::To([&](Response response) { status = response.status; });
  sent.Send(Text("", 204));
  EXPECT_FALSE(sent.is_owed());
  EXPECT_EQ(status, 204);
}

TEST(HttpAsync, ReplyOfAnotherThreadArrivesAndTheRequestStaysValid) {
  Owed owed;
  const auto server = StartServer({}, owed.handler());
  RawClient client(server->port());
  client.Send("POST /p?q HTTP/1.1\r\nHost: x\r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc");
  Owed::Item item = owed.Take();
  // More bytes of the client change nothing in the request that is being answered.
  client.Send("POST /other HTTP/1.1\r\nHost: y\r\nContent-Length: 3\r\n\r\nxyz");
  EXPECT_EQ(item.request->target, "/p?q");
  EXPECT_EQ(item.request->body, "abc");
  EXPECT_EQ(item.request->Header("x-a"), "b");
  item.reply.Send(Text("first"));
  Owed::Item second = owed.Take();
  EXPECT_EQ(second.request->target, "/other");
  EXPECT_EQ(second.request->body, "xyz");
  second.reply.Send(Text("second"));
  const std::string replies =
      client.ReadUntil([](const std::string& text) { return text.ends_with("second"); });
  EXPECT_EQ(Count(replies, "HTTP/1.1 200 OK"), 2U);
  EXPECT_LT(replies.find("first"), replies.find("second"));
}

TEST(HttpAsync, PipelinedRequestsWaitForTheReplyBeforeThem) {
  Owed owed;
  const auto server = StartServer({}, owed.handler());
  RawClient client(server->port());
  std::string many;
  for (int i = 0; i < 100; ++i) {
    many += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.Send(many);
  for (int i = 0; i < 100; ++i) {
    Owed::Item item = owed.Take();
    EXPECT_EQ(owed.size(), 0U);
    EXPECT_EQ(item.request->target, "/" + std::to_string(i));
    item.reply.Send(Text("<" + std::to_string(i) + ">"));
  }
  const std::string replies =
      client.ReadUntil([](const std::string& text) { return text.ends_with("<99>"); });
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = replies.find("<" + std::to_string(i) + ">", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

// Earlier replies are not held back by one that is owed.
TEST(HttpAsync, RepliesBeforeAnOwedOneAreSentAtOnce) {
  Owed owed;
  Handler later = owed.handler();
  const auto server = StartServer({}, [&](const Request& request, Reply reply) {
    if (request.target == "/now") {
      reply.Send(Text("at once"));
    } else {
      later(request, std::move(reply));
    }
  });
  RawClient client(server->port());
  client.Send("GET /now HTTP/1.1\r\nHost: x\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil([](const std::string& text) { return text.ends_with("at once"); });
  owed.Take().reply.Send(Text("later"));
  client.ReadUntil([](const std::string& text) { return text.ends_with("later"); });
}

TEST(HttpAsync, DroppedRepliesAre500InTheServersForm) {
  Owed owed;
  ServerOptions options;
  options.error_reply = [](int, std::string_view message) {
    return Text("form: " + std::string(message));
  };
  const auto server = StartServer(std::move(options), owed.handler());
  RawClient client(server->port());
  client.Send(kGet);
  {
    const Owed::Item dropped = owed.Take();
  }
  EXPECT_THAT(client.ReadUntil(
                  [](const std::string& text) { return text.find("form: ") != std::string::npos; }),
              StartsWith("HTTP/1.1 500 "));
  // The connection goes on.
  client.Send(kGet);
  owed.Take().reply.Send(Text("again"));
  client.ReadUntil([](const std::string& text) { return text.ends_with("again"); });
}

TEST(HttpAsync, HandlerThatDropsOrThrowsIs500) {
  const auto server = StartServer({}, [](const Request& request, Reply reply) {
    if (request.target == "/a") {
      const Reply dropped = std::move(reply);
      return;
    }
    throw std::runtime_error("secret");
  });
  for (const std::string target : {"/a", "/b"}) {
    RawClient client(server->port());
    client.Send("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::string reply = client.ReadToEnd();
    EXPECT_THAT(reply, StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(reply, ::testing::Not(HasSubstr("secret")));
  }
}

TEST(HttpAsync, OwedReplyHasNoTimeLimit) {
  Owed owed;
  const auto server = StartServer({.header_timeout = milliseconds(20),
                                   .body_timeout = milliseconds(20),
                                   .idle_timeout = milliseconds(20),
                                   .write_timeout = milliseconds(20)},
                                  owed.handler());
  RawClient client(server->port());
  client.Send(kGet);
  Owed::Item item = owed.Take();
  // A second connection lives and dies of idleness meanwhile, many sweeps long.
  for (int i = 0; i < 5; ++i) {
    RawClient idle(server->port());
    EXPECT_EQ(idle.ReadToEnd(), "");
  }
  item.reply.Send(Text("late but whole"));
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("late but whole"));
}

TEST(HttpAsync, ClientThatLeavesCostsNothing) {
  Owed owed;
  const auto server = StartServer({}, owed.handler());
  for (int i = 0; i < 20; ++i) {
    auto client = std::make_unique<RawClient>(server->port());
    client->Send(kGet);
    Owed::Item item = owed.Take();
    client.reset();
    EXPECT_EQ(item.request->target, "/a");
    if (i % 2 == 0) {
      item.reply.Send(Text(std::string(1'000'000, 'x')));
    }
  }
  WaitUntil([&] { return server->connections() == 0; });
}

TEST(HttpAsync, StopWaitsForOwedReplies) {
  Owed owed;
  // One loop: when the idle connection is closed, the other one knows of the stop.
  const auto server = StartServer({.threads = 1}, owed.handler());
  RawClient idle(server->port());
  RawClient client(server->port());
  client.Send(kGet);
  Owed::Item item = owed.Take();
  std::jthread stopper([&] { server->Stop(std::chrono::seconds(10)); });
  EXPECT_EQ(idle.ReadToEnd(), "");
  item.reply.Send(Text("kept"));
  const std::string reply = client.ReadToEnd();
  EXPECT_THAT(reply, ::testing::EndsWith("kept"));
  EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  stopper.join();
  EXPECT_EQ(server->connections(), 0U);
}

TEST(HttpAsync, ReplyThatOutlivesTheServerGoesNowhere) {
  Owed owed;
  auto server = StartServer({}, owed.handler());
  RawClient client(server->port());
  client.Send(kGet);
  Owed::Item item = owed.Take();
  RawClient other(server->port());
  other.Send(kGet);
  Owed::Item dropped = owed.Take();
  server->Stop(milliseconds(10));
  server.reset();
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_EQ(item.request->target, "/a");
  item.reply.Send(Text("nobody hears this"));
}

// Many connections, answered in groups from another thread, as a group commit does.
TEST(HttpAsync, GroupsOfRepliesFromManyThreadsAllArrive) {
  Owed owed;
  const auto server = StartServer({}, owed.handler());
  constexpr int kClients = 16;
  constexpr int kRequests = 200;
  std::atomic<int> n_good{0};
  std::atomic<int> n_taken{0};
  std::vector<std::jthread> answerers;
  for (int a = 0; a < 3; ++a) {
    answerers.emplace_back([&] {
      while (n_taken.fetch_add(1) < kClients * kRequests) {
        Owed::Item item = owed.Take();
        Response response = Text(std::string(item.request->body));
        item.reply.Send(std::move(response));
      }
    });
  }
  std::vector<std::jthread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      Result<HttpClient> client = HttpClient::Make(server->url());
      for (int i = 0; i < kRequests; ++i) {
        const std::string body = std::to_string(c) + ":" + std::to_string(i);
        const Result<ClientResponse> reply = client->Post("/", "text/plain", body);
        n_good += reply.ok() && reply->body == body ? 1 : 0;
      }
    });
  }
  clients.clear();
  answerers.clear();
  EXPECT_EQ(n_good, kClients * kRequests);
}

}  // namespace
}  // namespace millrace::net
