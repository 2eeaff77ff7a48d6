// SPDX-License-Identifier: Apache-2.0
// One client connection, its sending half: replies into one buffer, streamed bodies block by block,
// lingering after a refusal; and the sweep that ends every wait.
#include <algorithm>
#include <exception>

#include "net/internal/connection.h"

namespace millrace::net::internal {

namespace {

// After a refusal this much of what the client still sends is read and dropped, so that it sees the
// reply, not a reset.
constexpr std::size_t kLingerBytes = 256 * 1024 * 1024;
constexpr std::chrono::seconds kLingerTime{2};

}  // namespace

void Connection::Append(const Response& response, std::optional<std::uint64_t> streamed_bytes) {
  const ReplyFrame frame{.keep_alive = !is_last_,
                         .is_http10 = exchange_->text.version < 11,
                         .is_head = exchange_->request.method == "HEAD",
                         .streamed_bytes = streamed_bytes,
                         .date = worker_.Date()};
  AppendResponse(response, frame, out_);
}

void Connection::Refuse(int status, std::string_view message) {
  const ReplyFrame frame{
      .keep_alive = false, .is_http10 = false, .is_head = false, .date = worker_.Date()};
  AppendResponse(ErrorResponse(worker_.options, status, message), frame, out_);
  is_last_ = true;
  must_linger_ = true;
  exchange_->sink.reset();
  parser_.reset();
}

void Connection::AskForBlock() {
  const std::size_t size =
      static_cast<std::size_t>(std::min<std::uint64_t>(source_left_, kBlockBytes));
  RunTask([exchange = exchange_, source = source_, size] {
    Mail mail{.exchange = exchange, .kind = Mail::Kind::kBlock};
    try {
      std::string block(size, '\0');
      const Result<std::size_t> n = source->Read(block);
      if (n.ok()) {
        block.resize(std::min(size, *n));
        mail.block = std::move(block);
      } else {
        mail.block = n.error();
      }
    } catch (const std::exception& e) {
      mail.block = base::Internal(std::string("reading the reply's body failed: ") + e.what());
    }
    exchange->mailbox->Post(std::move(mail));
  });
}

Connection::Next Connection::OnBlock(Result<std::string> block) {
  if (!block.ok() && streamed_) {
    source_.reset();
    streamed_.reset();
    return Finish(ErrorResponse(worker_.options, 500, block.error().message()));
  }
  if (!block.ok() || block->empty()) {
    Close();
    return Next::kEnd;
  }
  if (streamed_) {
    Append(*streamed_, source_left_);
    streamed_.reset();
  }
  source_left_ -= block->size();
  if (out_.empty()) {
    out_ = std::move(*block);
  } else {
    out_.append(*block);
  }
  if (source_left_ > 0) {
    return Next::kGoOn;
  }
  source_.reset();
  parser_.reset();
  is_header_done_ = false;
  return is_last_ ? Next::kEnd : Next::kRead;
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
  in_.resize(kBlockBytes);
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
