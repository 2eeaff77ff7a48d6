// SPDX-License-Identifier: Apache-2.0
// One client connection of the server: bytes in, requests to the handler, replies out. Included by
// http_server.cc alone.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#if defined(__SANITIZE_THREAD__)
// GCC's ThreadSanitizer does not know fences; Asio's own mutex orders what it hands from thread to
// thread.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "net/http_server.h"
#include "net/internal/write_response.h"

namespace millrace::net::internal {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = boost::asio::ip::tcp;
using SteadyTime = std::chrono::steady_clock::time_point;

/// The text of a request while it is being received. It lives as long as its connection, so that
/// its memory is used again.
struct RequestText {
  struct Span {
    std::size_t offset = 0;
    std::size_t size = 0;
  };
  std::string arena;
  Span method;
  Span target;
  std::vector<std::pair<Span, Span>> fields;
  std::string body;
  /// 11 for HTTP/1.1.
  int version = 11;
  bool has_host = false;
  bool has_transfer_encoding = false;
  bool wants_continue = false;

  void Clear();
  Span Keep(std::string_view text);
  std::string_view View(Span span) const {
    return std::string_view(arena).substr(span.offset, span.size);
  }
};

/// Beast's HTTP/1 parser with fields kept in one string instead of one allocation each.
class RequestParser final : public http::basic_parser<true> {
 public:
  RequestParser(RequestText& text, const ServerOptions& options);

 private:
  void on_request_impl(http::verb method, boost::beast::string_view method_text,
                       boost::beast::string_view target, int version, error_code& ec) override;
  void on_response_impl(int, boost::beast::string_view, int, error_code&) override {}
  void on_field_impl(http::field name, boost::beast::string_view name_text,
                     boost::beast::string_view value, error_code& ec) override;
  void on_header_impl(error_code& ec) override { ec = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>& content_length,
                         error_code& ec) override;
  std::size_t on_body_impl(boost::beast::string_view body, error_code& ec) override;
  void on_chunk_header_impl(std::uint64_t, boost::beast::string_view, error_code& ec) override {
    ec = {};
  }
  std::size_t on_chunk_body_impl(std::uint64_t remain, boost::beast::string_view body,
                                 error_code& ec) override;
  void on_finish_impl(error_code& ec) override { ec = {}; }

  RequestText& text_;
  bool in_trailer_ = false;
};

class Connection;

/// An event loop with its connections; only its own thread touches the members.
struct Worker {
  explicit Worker(const ServerOptions& server_options, const Handler& server_handler,
                  std::atomic<std::size_t>& open)
      : options(server_options), handler(server_handler), n_open(open), io(1), sweep(io) {}

  void ArmSweep();
  std::string_view Date();

  const ServerOptions& options;
  const Handler& handler;
  std::atomic<std::size_t>& n_open;
  asio::io_context io;
  asio::steady_timer sweep;
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
  void Close();

 private:
  enum class State { kReading, kWriting, kLingering, kClosed };

  void Read();
  void OnRead(const error_code& ec, std::size_t n);
  void Advance();
  /// Parses what has been received and answers whole requests into out_. False where the connection
  /// must not go on reading.
  bool Process();
  bool OnHeaderDone();
  void Answer();
  void Refuse(int status, std::string_view message);
  /// True when everything was sent at once; otherwise sending goes on by itself.
  bool WriteNow();
  void OnWritten(const error_code& ec);
  void AfterWrite();
  void Linger();
  void ReadOn(const error_code& ec, std::size_t n);

  Worker& worker_;
  tcp::socket socket_;
  std::string peer_;
  bool is_loopback_ = false;
  State state_ = State::kReading;
  SteadyTime deadline_;
  std::string in_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  RequestText text_;
  std::optional<RequestParser> parser_;
  bool is_header_done_ = false;
  bool is_last_ = false;
  bool must_linger_ = false;
  std::vector<HeaderField> fields_;
  std::string out_;
  std::size_t sent_ = 0;
  std::size_t discarded_ = 0;
};

}  // namespace millrace::net::internal
