// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server of bytes: keep-alive, pipelining, limits, graceful stop. It knows neither JSON
// nor what it serves.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace millrace::net {

/// Answers one request. Called from several io threads at once, never twice at once for one
/// connection. It holds up the other connections of its thread while it runs, so it is short: it
/// looks up and computes, but never trains or scans. An exception that leaves it is answered with
/// 500.
using Handler = std::function<Response(const Request&)>;

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
  /// From the end of the header to the end of the body (408).
  std::chrono::milliseconds body_timeout{60'000};
  /// A connection on which nothing is asked is closed without a word.
  std::chrono::milliseconds idle_timeout{75'000};
  /// A client that does not take its reply is cut off.
  std::chrono::milliseconds write_timeout{30'000};
  /// Makes the replies to requests that never reach the handler; null sends the message as
  /// text/plain.
  std::function<Response(int status, std::string_view message)> error_reply = {};
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
  /// carry Connection: close), cuts off what is left after `grace`, and joins the threads. A second
  /// call returns when the first is done.
  void Stop(std::chrono::milliseconds grace);

  /// Open connections now.
  std::size_t connections() const;

  struct Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
