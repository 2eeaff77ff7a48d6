// SPDX-License-Identifier: Apache-2.0
// One client connection of the server: bytes in, requests to the handler, replies out. Included by
// the sources of the server alone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "net/internal/exchange.h"

// After exchange.h, which sets Asio up.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "net/internal/write_response.h"

namespace millrace::net::internal {

using tcp = boost::asio::ip::tcp;
using SteadyTime = std::chrono::steady_clock::time_point;

/// An event loop with its connections; only its own thread touches the members.
struct Worker {
  Worker(const ServerOptions& server_options, const Handler& server_handler,
         std::atomic<std::size_t>& open)
      : options(server_options),
        handler(server_handler),
        n_open(open),
        io(1),
        sweep(io),
        mailbox(std::make_shared<Mailbox>(io)) {}

  void ArmSweep();
  std::string_view Date();

  const ServerOptions& options;
  const Handler& handler;
  std::atomic<std::size_t>& n_open;
  asio::io_context io;
  asio::steady_timer sweep;
  const std::shared_ptr<Mailbox> mailbox;
  std::unordered_set<Connection*> connections;
  bool is_stopping = false;
  std::int64_t date_second = -1;
  std::string date;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Worker& worker, tcp::socket socket);
  ~Connection();

  /// Begins to read; or refuses with 503 where the server is full.
  void Start(bool is_refused);
  /// Called now and then: closes or answers a connection whose time is up.
  void CheckDeadline(SteadyTime now);
  /// The server stops: an idle connection closes, another finishes its request first.
  void OnStop();
  /// What a handler or task in another thread has done for this connection's request.
  void OnMail(Mail mail);
  void Close();

 private:
  enum class State { kReading, kWriting, kWaiting, kLingering, kClosed };
  /// What follows a look at the received bytes.
  enum class Next { kRead, kGoOn, kWait, kEnd };

  void Read();
  void OnRead(const error_code& ec, std::size_t n);
  void Advance();
  /// Parses what has been received and answers whole requests into out_.
  Next Process();
  /// False where the connection ends.
  bool ParseSome(bool& needs_more);
  bool OnHeaderDone();
  /// Asks for a sink; refuses a body that is too large. False where the connection ends.
  bool RouteBody();
  void RefuseSize();
  Next Answer();
  Next AnswerMail();
  /// Puts a reply into out_ and makes ready for the next request.
  Next Finish(Response response);
  void FillRequest();
  void Append(const Response& response, std::optional<std::uint64_t> streamed_bytes = {});
  void Refuse(int status, std::string_view message);

  /// Runs a task where it may block; until its mail comes the connection waits.
  void RunTask(std::function<void()> task);
  /// Hands the received block of the body to the sink, and its end if it is whole.
  void FeedSink();
  void AskForBlock();
  Next OnBlock(Result<std::string> block);

  /// True when everything was sent at once; otherwise sending goes on by itself.
  bool WriteNow();
  void OnWritten(const error_code& ec);
  void AfterWrite();
  void Linger();
  void ReadOn(const error_code& ec, std::size_t n);

  Worker& worker_;
  tcp::socket socket_;
  bool is_loopback_ = false;
  State state_ = State::kReading;
  /// When the present wait for bytes ends.
  SteadyTime deadline_;
  /// When the header or body that is being received must be whole.
  SteadyTime receive_deadline_;
  std::string in_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  const std::shared_ptr<Exchange> exchange_;
  std::optional<RequestParser> parser_;
  bool is_header_done_ = false;
  std::uint64_t body_limit_ = 0;
  bool is_last_ = false;
  bool must_linger_ = false;

  /// The request is with a handler or task; no byte is parsed until its mail is here.
  bool is_away_ = false;
  std::optional<Mail> mail_;
  /// Keeps the connection while nothing else does: no read or write is under way.
  std::shared_ptr<Connection> self_;

  /// Of a body that goes to the sink: when the block went there, what came in this span of time.
  SteadyTime block_sent_;
  std::uint64_t span_bytes_ = 0;

  /// Of a streamed reply: where its body comes from, how much is left, the reply until its header
  /// is written.
  std::shared_ptr<BodySource> source_;
  std::uint64_t source_left_ = 0;
  std::optional<Response> streamed_;

  std::string out_;
  std::size_t sent_ = 0;
  std::size_t discarded_ = 0;
};

/// The server's answer to a request that has none from a handler.
Response ErrorResponse(const ServerOptions& options, int status, std::string_view message);

}  // namespace millrace::net::internal
