// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server of bytes: keep-alive, pipelining, streamed bodies, limits, graceful stop. It
// knows neither JSON nor what it serves.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"
#include "net/reply.h"

namespace millrace::net {

/// Answers one request, now or later, in this thread or another: see Reply. Called from several io
/// threads at once, never for a connection whose reply is still owed. It holds up the other
/// connections of its thread while it runs, so it is short: it looks up and computes; what waits
/// keeps the Reply and returns. An exception that leaves it is answered with 500.
using Handler = std::function<void(const Request&, Reply)>;

/// A handler that has its answer when it returns.
Handler Synchronous(std::function<Response(const Request&)> answer);

/// Takes the body of one request as it arrives, in blocks. Used by one thread at a time, not always
/// the same. Destroyed without Finish when the body was refused, is cut off, or does not end.
class BodySink {
 public:
  virtual ~BodySink() = default;
  BodySink() = default;
  BodySink(const BodySink&) = delete;
  BodySink& operator=(const BodySink&) = delete;

  /// The next bytes. A response ends the request: it is sent, and what else arrives is dropped.
  virtual std::optional<Response> Write(std::string_view bytes) = 0;
  /// The body is whole; called in place of the handler. An exception here or in Write is answered
  /// with 500.
  virtual void Finish(const Request& request, Reply reply) = 0;
};

/// What becomes of a request's body.
struct BodyRoute {
  /// Null: the body is gathered in memory and the handler gets it.
  std::unique_ptr<BodySink> sink = nullptr;
  /// For the sink's body, in place of ServerOptions::max_body_bytes.
  std::uint64_t max_bytes = 0;
  /// Answers at once, before the body has come; the connection closes.
  std::optional<Response> refusal = std::nullopt;
};

/// Limits and addresses of a server. A limit that is hit is answered with the status in brackets
/// and the connection is closed.
struct ServerOptions {
  /// An address or a name that resolves to one; "0.0.0.0" is every IPv4 interface.
  std::string host = "127.0.0.1";
  /// 0 lets the system pick one; see HttpServer::port.
  std::uint16_t port = 0;
  /// Each thread has its own event loop; connections are dealt to them in turn.
  int threads = 2;
  /// Further connections are answered with 503.
  std::size_t max_connections = 4096;
  /// Request line and header fields together (431).
  std::size_t max_header_bytes = 32 * 1024;
  /// (413)
  std::size_t max_body_bytes = 64 * 1024 * 1024;
  /// From the first byte of a request to the end of its header (408).
  std::chrono::milliseconds header_timeout{10'000};
  /// From the end of the header to the end of the body (408). A streamed body may take longer as
  /// long as it brings `min_body_rate` in each such time.
  std::chrono::milliseconds body_timeout{60'000};
  /// Bytes a second.
  std::uint64_t min_body_rate = 1024;
  /// A connection on which nothing is asked is closed without a word. A reply that is owed has no
  /// time limit.
  std::chrono::milliseconds idle_timeout{75'000};
  /// A client that does not take its reply (a streamed one: a block of 256 KiB) is cut off.
  std::chrono::milliseconds write_timeout{30'000};
  /// Makes the replies to requests that never reach the handler; null sends the message as
  /// text/plain.
  std::function<Response(int status, std::string_view message)> error_reply = {};
  /// Asked in the io thread when a request's header is complete; the request has no body yet. Null:
  /// no body is streamed.
  std::function<BodyRoute(const Request& head)> body_sink = {};
  /// Runs what may block: the calls of sinks and sources. It must take tasks until `Stop` has
  /// returned. Null runs them in the io thread.
  std::function<void(std::function<void()>)> executor = {};
};

/// A running server. Thread-safe.
class HttpServer {
 public:
  /// Binds, listens and starts the threads; the server accepts connections when this returns.
  ///         - kFailedPrecondition if the port is taken or may not be bound: names the address and
  ///         the next step.
  ///         - kInvalidArgument if the host does not resolve or an option is out of range.
  static Result<std::unique_ptr<HttpServer>> Start(ServerOptions options, Handler handler);

  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// Stops at once (`Stop` with no time left), if that has not happened.
  ~HttpServer();

  std::uint16_t port() const;
  /// "http://127.0.0.1:5000".
  std::string url() const;

  /// Accepts no more, closes idle connections, lets requests that have begun finish (their replies
  /// carry Connection: close; replies that are owed are waited for), cuts off what is left after
  /// `grace`, and joins the threads. A reply sent later goes nowhere. A second call returns when
  /// the first is done.
  void Stop(std::chrono::milliseconds grace);

  /// Open connections now.
  std::size_t connections() const;

  struct Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
