// SPDX-License-Identifier: Apache-2.0
// One client connection, its receiving half: parsing by Beast, answering in order, one write for
// all replies to what was received at once. The sending half is connection_write.cc.
#include "net/internal/connection.h"

#include <algorithm>
#include <exception>
#include <limits>

#include <boost/asio/post.hpp>

namespace millrace::net::internal {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
// Replies to pipelined requests are gathered up to this size before they are sent.
constexpr std::size_t kGatherBytes = 64 * 1024;

constexpr std::string_view kFailed = "the server failed while it answered this request";

}  // namespace

Response ErrorResponse(const ServerOptions& options, int status, std::string_view message) {
  Response response;
  if (options.error_reply) {
    try {
      response = options.error_reply(status, message);
      response.status = status;
      return response;
    } catch (const std::exception&) {
      // Falls through to the plain form: the connection must be answered all the same.
    }
  }
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::string(message) + "\n";
  return response;
}

Connection::Connection(Worker& worker, tcp::socket socket)
    : worker_(worker),
      socket_(std::move(socket)),
      exchange_(std::make_shared<Exchange>(worker.mailbox)) {
  worker_.connections.insert(this);
  worker_.n_open.fetch_add(1, std::memory_order_relaxed);
  exchange_->connection = this;
  error_code ec;
  socket_.non_blocking(true, ec);
  socket_.set_option(tcp::no_delay(true), ec);
  const tcp::endpoint remote = socket_.remote_endpoint(ec);
  if (!ec) {
    asio::ip::address address = remote.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    }
    is_loopback_ = address.is_loopback();
    exchange_->peer = (address.is_v6() ? "[" + address.to_string() + "]" : address.to_string()) +
                      ":" + std::to_string(remote.port());
  }
}

Connection::~Connection() {
  exchange_->connection = nullptr;
  worker_.connections.erase(this);
  worker_.n_open.fetch_sub(1, std::memory_order_relaxed);
}

void Connection::Start(bool is_refused) {
  if (is_refused) {
    Refuse(503, "the server has as many connections as it may have; try again later");
    Advance();
    return;
  }
  if (worker_.is_stopping) {
    Close();
    return;
  }
  in_.resize(kReadBytes);
  Read();
}

void Connection::Close() {
  if (state_ == State::kClosed) {
    return;
  }
  state_ = State::kClosed;
  error_code ec;
  socket_.shutdown(tcp::socket::shutdown_both, ec);
  socket_.close(ec);
  if (self_ != nullptr) {
    // The caller may be walking the worker's connections: this one goes in a later turn.
    asio::post(worker_.io, [self = std::move(self_)] {});
  }
}

void Connection::OnStop() {
  is_last_ = true;
  error_code ec;
  const bool is_idle = state_ == State::kReading && !parser_ && begin_ == end_;
  // A request that has arrived but was not read yet counts as begun.
  if (is_idle && socket_.available(ec) == 0) {
    Close();
  } else if (state_ == State::kLingering) {
    Close();
  }
}

void Connection::CheckDeadline(SteadyTime now) {
  if (state_ == State::kClosed || state_ == State::kWaiting || now < deadline_) {
    return;
  }
  if (state_ == State::kReading && parser_) {
    const ServerOptions& options = worker_.options;
    const auto wanted =
        options.min_body_rate * static_cast<std::uint64_t>(options.body_timeout.count()) / 1000;
    if (is_header_done_ && exchange_->sink != nullptr && span_bytes_ > 0 && span_bytes_ >= wanted) {
      span_bytes_ = 0;
      deadline_ = receive_deadline_ = now + options.body_timeout;
      return;
    }
    // The pending read ends with the close; the reply goes out as far as the socket takes it.
    Refuse(408, is_header_done_ ? "the request's body did not arrive in time"
                                : "the request's header did not arrive in time");
    error_code ec;
    socket_.write_some(asio::buffer(out_), ec);
  }
  Close();
}

void Connection::Read() {
  state_ = State::kReading;
  deadline_ =
      parser_ ? receive_deadline_ : std::chrono::steady_clock::now() + worker_.options.idle_timeout;
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (in_.size() > kKeptBytes) {
      std::string(kReadBytes, '\0').swap(in_);
    }
  } else if (in_.size() - end_ < kReadBytes / 2) {
    in_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
    in_.resize(end_ + kReadBytes);
  }
  // A body that is on its way is read in larger pieces.
  if (is_header_done_ && in_.size() < kBlockBytes) {
    in_.resize(kBlockBytes);
  }
  socket_.async_read_some(
      asio::buffer(in_.data() + end_, in_.size() - end_),
      [self = shared_from_this()](const error_code& ec, std::size_t n) { self->OnRead(ec, n); });
}

void Connection::OnRead(const error_code& ec, std::size_t n) {
  if (state_ == State::kClosed) {
    return;
  }
  if (ec) {
    Close();
    return;
  }
  end_ += n;
  Advance();
}

void Connection::Advance() {
  while (state_ != State::kClosed) {
    const Next next = Process();
    if (state_ == State::kClosed || (!out_.empty() && !WriteNow())) {
      return;
    }
    switch (next) {
      case Next::kGoOn:
        break;
      case Next::kRead:
        Read();
        return;
      case Next::kWait:
        state_ = State::kWaiting;
        self_ = shared_from_this();
        return;
      case Next::kEnd:
        AfterWrite();
        return;
    }
  }
}

void Connection::OnMail(Mail mail) {
  const std::shared_ptr<Connection> self = shared_from_this();
  if (state_ == State::kClosed) {
    return;
  }
  mail_ = std::move(mail);
  if (state_ == State::kWaiting) {
    self_.reset();
    state_ = State::kReading;
    Advance();
  }
}

Connection::Next Connection::Process() {
  if (is_away_) {
    if (!mail_) {
      return Next::kWait;
    }
    const Next next = AnswerMail();
    if (next != Next::kRead) {
      return next;
    }
  }
  if (source_ != nullptr) {
    if (!out_.empty()) {
      return Next::kGoOn;
    }
    AskForBlock();
    return Next::kWait;
  }
  while (begin_ < end_ && !must_linger_) {
    if (!parser_) {
      if (out_.size() >= kGatherBytes) {
        return Next::kGoOn;
      }
      parser_.emplace(exchange_->text, worker_.options.max_header_bytes);
      is_header_done_ = false;
      receive_deadline_ = std::chrono::steady_clock::now() + worker_.options.header_timeout;
    }
    bool needs_more = false;
    if (!ParseSome(needs_more)) {
      return Next::kEnd;
    }
    if (exchange_->sink != nullptr && is_header_done_ &&
        (parser_->is_done() || exchange_->text.body.size() >= kBlockBytes / 2)) {
      FeedSink();
      return Next::kWait;
    }
    if (parser_->is_done()) {
      const Next next = Answer();
      if (next != Next::kRead) {
        return next;
      }
    } else if (needs_more) {
      // Nothing that may be buffered is longer than a header: this is a chunk's size line without
      // an end.
      if (end_ - begin_ > worker_.options.max_header_bytes + kReadBytes) {
        Refuse(400, "the request is not valid HTTP/1.1: a chunk's size line has no end");
        return Next::kEnd;
      }
      break;
    }
  }
  return must_linger_ ? Next::kEnd : Next::kRead;
}

bool Connection::ParseSome(bool& needs_more) {
  error_code ec;
  const std::size_t used = parser_->put(asio::const_buffer(in_.data() + begin_, end_ - begin_), ec);
  begin_ += used;
  span_bytes_ += used;
  needs_more = ec == http::error::need_more || (!ec && used == 0);
  if (ec && !needs_more) {
    if (ec == http::error::header_limit) {
      Refuse(431, "the request's header is larger than " +
                      std::to_string(worker_.options.max_header_bytes) + " bytes");
    } else if (ec == http::error::body_limit) {
      RefuseSize();
    } else {
      Refuse(400, "the request is not valid HTTP/1.1: " + ec.message());
    }
    return false;
  }
  return is_header_done_ || !parser_->is_header_done() || OnHeaderDone();
}

void Connection::FillRequest() {
  Exchange& exchange = *exchange_;
  const RequestText& text = exchange.text;
  exchange.fields.clear();
  for (const auto& [name, value] : text.fields) {
    exchange.fields.push_back({text.View(name), text.View(value)});
  }
  Request& request = exchange.request;
  request.method = text.View(text.method);
  request.target = text.View(text.target);
  request.headers = exchange.fields;
  request.body = {};
  request.peer = exchange.peer;
  request.is_loopback = is_loopback_;
}

bool Connection::OnHeaderDone() {
  is_header_done_ = true;
  span_bytes_ = 0;
  const RequestText& text = exchange_->text;
  if (text.version >= 11 && !text.has_host) {
    Refuse(400, "the request has no Host field, which HTTP/1.1 asks for");
    return false;
  }
  // A body whose end cannot be known would be read as the next request.
  if (text.has_transfer_encoding && !parser_->chunked()) {
    Refuse(501, "the request has a Transfer-Encoding other than chunked");
    return false;
  }
  // The text of the header does not move while the body comes: its views serve to the end.
  FillRequest();
  if (!RouteBody()) {
    return false;
  }
  if (!parser_->is_done()) {
    receive_deadline_ = std::chrono::steady_clock::now() + worker_.options.body_timeout;
    parser_->eager(true);
    if (text.wants_continue && begin_ == end_) {
      out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    }
  }
  return true;
}

bool Connection::RouteBody() {
  body_limit_ = worker_.options.max_body_bytes;
  if (worker_.options.body_sink) {
    BodyRoute route;
    try {
      route = worker_.options.body_sink(exchange_->request);
    } catch (const std::exception&) {
      route.refusal = ErrorResponse(worker_.options, 500, kFailed);
    }
    if (route.refusal) {
      is_last_ = true;
      Append(*route.refusal);
      must_linger_ = !parser_->is_done();
      parser_.reset();
      return false;
    }
    if (route.sink != nullptr) {
      exchange_->sink = std::move(route.sink);
      exchange_->text.is_streamed = true;
      body_limit_ = route.max_bytes;
    }
  }
  const auto length = parser_->content_length();
  if (length && *length > body_limit_) {
    RefuseSize();
    return false;
  }
  parser_->body_limit(body_limit_);
  return true;
}

void Connection::RefuseSize() {
  Refuse(413, "the request's body is larger than " + std::to_string(body_limit_) + " bytes");
}

Connection::Next Connection::Answer() {
  Exchange& exchange = *exchange_;
  exchange.request.body = exchange.text.body;
  exchange.is_answered = false;
  exchange.is_in_handler = true;
  try {
    worker_.handler(exchange.request, Reply(exchange_));
  } catch (const std::exception&) {
    // Its reply was dropped, which answers for it.
  }
  exchange.is_in_handler = false;
  if (!exchange.is_answered) {
    is_away_ = true;
    return Next::kWait;
  }
  if (!exchange.answer) {
    return Finish(ErrorResponse(worker_.options, 500, kFailed));
  }
  Response response = std::move(*exchange.answer);
  exchange.answer.reset();
  return Finish(std::move(response));
}

Connection::Next Connection::AnswerMail() {
  Mail mail = std::move(*mail_);
  mail_.reset();
  is_away_ = false;
  switch (mail.kind) {
    case Mail::Kind::kReply:
      return Finish(mail.response ? std::move(*mail.response)
                                  : ErrorResponse(worker_.options, 500, kFailed));
    case Mail::Kind::kTaken: {
      GiveBack(exchange_->text.body);
      exchange_->text.body.clear();
      // The time that the sink took is not the client's.
      receive_deadline_ += std::chrono::steady_clock::now() - block_sent_;
      if (mail.is_failed) {
        mail.response = ErrorResponse(worker_.options, 500, kFailed);
      }
      if (!mail.response) {
        return Next::kRead;
      }
      exchange_->sink.reset();
      must_linger_ = true;
      mail.response->close = true;
      return Finish(std::move(*mail.response));
    }
    case Mail::Kind::kBlock:
      return OnBlock(std::move(mail.block));
  }
  return Next::kEnd;
}

Connection::Next Connection::Finish(Response response) {
  is_last_ = is_last_ || response.close || !parser_->keep_alive() || worker_.is_stopping;
  const bool has_body = exchange_->request.method != "HEAD" && response.status >= 200 &&
                        response.status != 204 && response.status != 304;
  if (response.source != nullptr && has_body && response.source->size() > 0) {
    source_left_ = response.source->size();
    source_ = std::move(response.source);
    streamed_ = std::move(response);
    AskForBlock();
    return Next::kWait;
  }
  Append(response);
  parser_.reset();
  is_header_done_ = false;
  return is_last_ ? Next::kEnd : Next::kRead;
}

void Connection::RunTask(std::function<void()> task) {
  is_away_ = true;
  if (worker_.options.executor) {
    worker_.options.executor(std::move(task));
  } else {
    task();
  }
}

void Connection::FeedSink() {
  block_sent_ = std::chrono::steady_clock::now();
  if (parser_->is_done()) {
    // Once the reply is sent the loop goes on with the exchange: the sink must not lie in it.
    RunTask([exchange = exchange_, sink = std::shared_ptr<BodySink>(std::move(exchange_->sink))] {
      Reply reply(exchange);
      try {
        std::optional<Response> refusal;
        if (!exchange->text.body.empty()) {
          refusal = sink->Write(exchange->text.body);
        }
        if (refusal) {
          reply.Send(std::move(*refusal));
        } else {
          sink->Finish(exchange->request, std::move(reply));
        }
      } catch (const std::exception&) {
        // The reply is dropped unsent, which answers with 500.
      }
    });
    return;
  }
  RunTask([exchange = exchange_] {
    Mail mail{.exchange = exchange, .kind = Mail::Kind::kTaken};
    try {
      mail.response = exchange->sink->Write(exchange->text.body);
    } catch (const std::exception&) {
      mail.is_failed = true;
    }
    exchange->mailbox->Post(std::move(mail));
  });
}

}  // namespace millrace::net::internal
