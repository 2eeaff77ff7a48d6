// SPDX-License-Identifier: Apache-2.0
// One client connection: parsing by Beast, answering in order, one write for all replies to what
// was received at once.
#include "net/internal/connection.h"

#include <algorithm>
#include <exception>

namespace millrace::net::internal {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
// Replies to pipelined requests are gathered up to this size before they are sent.
constexpr std::size_t kGatherBytes = 64 * 1024;
// Larger buffers are given back after use, so that one large request does not stay in memory for
// the life of a connection.
constexpr std::size_t kKeptBytes = 1024 * 1024;
// After a refusal this much of what the client still sends is read and dropped, so that it sees the
// reply, not a reset.
constexpr std::size_t kLingerBytes = 256 * 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};

std::string_view ToStd(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

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

void GiveBack(std::string& text) {
  if (text.capacity() > kKeptBytes) {
    std::string().swap(text);
  }
}

}  // namespace

void RequestText::Clear() {
  arena.clear();
  fields.clear();
  body.clear();
  GiveBack(body);
  method = target = {};
  has_host = has_transfer_encoding = wants_continue = false;
}

RequestText::Span RequestText::Keep(std::string_view text) {
  const Span span{arena.size(), text.size()};
  arena.append(text);
  return span;
}

RequestParser::RequestParser(RequestText& text, const ServerOptions& options) : text_(text) {
  text_.Clear();
  eager(true);
  header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
  body_limit(static_cast<std::uint64_t>(options.max_body_bytes));
}

void RequestParser::on_request_impl(http::verb, boost::beast::string_view method_text,
                                    boost::beast::string_view target, int version, error_code& ec) {
  text_.version = version;
  text_.method = text_.Keep(ToStd(method_text));
  text_.target = text_.Keep(ToStd(target));
  ec = {};
}

void RequestParser::on_field_impl(http::field name, boost::beast::string_view name_text,
                                  boost::beast::string_view value, error_code& ec) {
  ec = {};
  if (in_trailer_) {
    return;
  }
  const auto name_span = text_.Keep(ToStd(name_text));
  text_.fields.emplace_back(name_span, text_.Keep(ToStd(value)));
  if (name == http::field::host) {
    text_.has_host = true;
  } else if (name == http::field::transfer_encoding) {
    text_.has_transfer_encoding = true;
  } else if (name == http::field::expect) {
    text_.wants_continue = EqualsIgnoringCase(ToStd(value), "100-continue");
  }
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& content_length,
                                      error_code& ec) {
  ec = {};
  in_trailer_ = true;
  if (content_length) {
    // The claimed length is not trusted with more memory than has been received.
    text_.body.reserve(
        static_cast<std::size_t>(std::min<std::uint64_t>(*content_length, kKeptBytes)));
  }
}

std::size_t RequestParser::on_body_impl(boost::beast::string_view body, error_code& ec) {
  ec = {};
  text_.body.append(body.data(), body.size());
  return body.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, boost::beast::string_view body,
                                              error_code& ec) {
  return on_body_impl(body, ec);
}

Connection::Connection(Worker& worker, tcp::socket socket)
    : worker_(worker), socket_(std::move(socket)) {
  worker_.n_open.fetch_add(1, std::memory_order_relaxed);
  worker_.connections.insert(this);
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
    peer_ = (address.is_v6() ? "[" + address.to_string() + "]" : address.to_string()) + ":" +
            std::to_string(remote.port());
  }
}

Connection::~Connection() {
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
  if (state_ != State::kClosed) {
    state_ = State::kClosed;
    error_code ec;
    socket_.shutdown(tcp::socket::shutdown_both, ec);
    socket_.close(ec);
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
  if (state_ == State::kClosed || now < deadline_) {
    return;
  }
  if (state_ == State::kReading && parser_) {
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
  if (!parser_) {
    deadline_ = std::chrono::steady_clock::now() + worker_.options.idle_timeout;
  }
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
  if (is_header_done_ && in_.size() < 16 * kReadBytes) {
    in_.resize(16 * kReadBytes);
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
    const bool may_read = Process();
    const bool is_paused = may_read && begin_ < end_ && !parser_;
    if (!out_.empty()) {
      if (!WriteNow()) {
        return;
      }
      if (is_last_ && !parser_ && !may_read) {
        AfterWrite();
        return;
      }
    }
    if (!may_read) {
      AfterWrite();
      return;
    }
    if (!is_paused) {
      Read();
      return;
    }
  }
}

bool Connection::Process() {
  while (begin_ < end_ && !must_linger_) {
    if (!parser_) {
      if (out_.size() >= kGatherBytes) {
        return true;
      }
      parser_.emplace(text_, worker_.options);
      is_header_done_ = false;
      deadline_ = std::chrono::steady_clock::now() + worker_.options.header_timeout;
    }
    error_code ec;
    const std::size_t used =
        parser_->put(asio::const_buffer(in_.data() + begin_, end_ - begin_), ec);
    begin_ += used;
    const bool needs_more = ec == http::error::need_more;
    if (ec && !needs_more) {
      if (ec == http::error::header_limit) {
        Refuse(431, "the request's header is larger than " +
                        std::to_string(worker_.options.max_header_bytes) + " bytes");
      } else if (ec == http::error::body_limit) {
        Refuse(413, "the request's body is larger than " +
                        std::to_string(worker_.options.max_body_bytes) + " bytes");
      } else {
        Refuse(400, "the request is not valid HTTP/1.1: " + ec.message());
      }
      return false;
    }
    if (!is_header_done_ && parser_->is_header_done() && !OnHeaderDone()) {
      return false;
    }
    if (parser_->is_done()) {
      Answer();
      parser_.reset();
      is_header_done_ = false;
      if (is_last_) {
        return false;
      }
    } else if (needs_more || used == 0) {
      // Nothing that may be buffered is longer than a header: this is a chunk's size line without
      // an end.
      if (end_ - begin_ > worker_.options.max_header_bytes + kReadBytes) {
        Refuse(400, "the request is not valid HTTP/1.1: a chunk's size line has no end");
        return false;
      }
      break;
    }
  }
  return !must_linger_;
}

bool Connection::OnHeaderDone() {
  is_header_done_ = true;
  deadline_ = std::chrono::steady_clock::now() + worker_.options.body_timeout;
  if (text_.version >= 11 && !text_.has_host) {
    Refuse(400, "the request has no Host field, which HTTP/1.1 asks for");
    return false;
  }
  // A body whose end cannot be known would be read as the next request.
  if (text_.has_transfer_encoding && !parser_->chunked()) {
    Refuse(501, "the request has a Transfer-Encoding other than chunked");
    return false;
  }
  if (text_.wants_continue && !parser_->is_done()) {
    out_.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return true;
}

void Connection::Answer() {
  fields_.clear();
  for (const auto& [name, value] : text_.fields) {
    fields_.push_back({text_.View(name), text_.View(value)});
  }
  Request request;
  request.method = text_.View(text_.method);
  request.target = text_.View(text_.target);
  request.headers = fields_;
  request.body = text_.body;
  request.peer = peer_;
  request.is_loopback = is_loopback_;
  Response response;
  try {
    response = worker_.handler(request);
  } catch (const std::exception&) {
    response =
        ErrorResponse(worker_.options, 500, "the server failed while it answered this request");
  }
  is_last_ = is_last_ || response.close || !parser_->keep_alive() || worker_.is_stopping;
  const ReplyFrame frame{.keep_alive = !is_last_,
                         .is_http10 = text_.version < 11,
                         .is_head = request.method == "HEAD",
                         .date = worker_.Date()};
  AppendResponse(response, frame, out_);
}

void Connection::Refuse(int status, std::string_view message) {
  const ReplyFrame frame{
      .keep_alive = false, .is_http10 = false, .is_head = false, .date = worker_.Date()};
  AppendResponse(ErrorResponse(worker_.options, status, message), frame, out_);
  is_last_ = true;
  must_linger_ = true;
  parser_.reset();
}

bool Connection::WriteNow() {
  error_code ec;
  // Most replies fit the socket's buffer: sending them here saves a turn of the event loop.
  const std::size_t n = socket_.write_some(asio::buffer(out_), ec);
  if (ec && ec != asio::error::would_block && ec != asio::error::try_again) {
    Close();
    return false;
  }
  sent_ = ec ? 0 : n;
  if (sent_ == out_.size()) {
    out_.clear();
    GiveBack(out_);
    return true;
  }
  state_ = State::kWriting;
  deadline_ = std::chrono::steady_clock::now() + worker_.options.write_timeout;
  asio::async_write(socket_, asio::buffer(out_.data() + sent_, out_.size() - sent_),
                    [self = shared_from_this()](const error_code& error, std::size_t) {
                      self->OnWritten(error);
                    });
  return false;
}

void Connection::OnWritten(const error_code& ec) {
  if (state_ == State::kClosed) {
    return;
  }
  if (ec) {
    Close();
    return;
  }
  out_.clear();
  GiveBack(out_);
  state_ = State::kReading;
  if (is_last_ && !parser_) {
    AfterWrite();
  } else {
    Advance();
  }
}

void Connection::AfterWrite() {
  if (must_linger_) {
    Linger();
  } else {
    Close();
  }
}

void Connection::Linger() {
  error_code ec;
  socket_.shutdown(tcp::socket::shutdown_send, ec);
  state_ = State::kLingering;
  deadline_ = std::chrono::steady_clock::now() + kLingerTime;
  in_.resize(16 * kReadBytes);
  ReadOn({}, 0);
}

void Connection::ReadOn(const error_code& ec, std::size_t n) {
  discarded_ += n;
  if (state_ != State::kLingering || ec || discarded_ > kLingerBytes) {
    Close();
    return;
  }
  socket_.async_read_some(asio::buffer(in_),
                          [self = shared_from_this()](const error_code& error, std::size_t got) {
                            self->ReadOn(error, got);
                          });
}

std::string_view Worker::Date() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  if (second != date_second) {
    date_second = second;
    date = HttpDate(second);
  }
  return date;
}

void Worker::ArmSweep() {
  using std::chrono::milliseconds;
  const milliseconds shortest = std::min(
      {options.header_timeout, options.body_timeout, options.idle_timeout, options.write_timeout});
  sweep.expires_after(std::clamp(shortest / 4, milliseconds(5), milliseconds(250)));
  sweep.async_wait([this](const error_code& ec) {
    if (ec) {
      return;
    }
    const SteadyTime now = std::chrono::steady_clock::now();
    // Closing ends the connection's reads, whose handlers run later: the set does not change while
    // it is walked.
    for (Connection* connection : connections) {
      connection->CheckDeadline(now);
    }
    ArmSweep();
  });
}

}  // namespace millrace::net::internal
