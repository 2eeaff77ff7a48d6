// SPDX-License-Identifier: Apache-2.0
// What a connection shares with other threads while they work on its request: the request itself,
// and the way back to the connection's event loop.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#if defined(__SANITIZE_THREAD__)
// GCC's ThreadSanitizer does not know fences; Asio's own mutex orders what it hands from thread to
// thread.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif

#include <boost/asio/io_context.hpp>

#include "base/mutex.h"
#include "net/http_server.h"
#include "net/internal/request_parser.h"

namespace millrace::net::internal {

namespace asio = boost::asio;

class Connection;
struct Exchange;

/// What another thread brings back to a connection's loop.
struct Mail {
  enum class Kind {
    /// `response` answers the request; none: the reply was dropped.
    kReply,
    /// The sink has taken its block; a `response` refuses the body, and so does `is_failed`.
    kTaken,
    /// `block` holds the next bytes of the streamed reply, or an error.
    kBlock,
  };
  std::shared_ptr<Exchange> exchange;
  Kind kind = Kind::kReply;
  std::optional<Response> response = std::nullopt;
  bool is_failed = false;
  Result<std::string> block = std::string();
};

/// The way from any thread to one event loop. It outlives the loop: what comes later is dropped.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  explicit Mailbox(asio::io_context& io) : io_(&io) {}

  /// Called first by the loop's thread.
  void SetLoopThread() { loop_thread_ = std::this_thread::get_id(); }
  /// Asked only by threads that came by a request of this loop, so after SetLoopThread.
  bool IsLoopThread() const { return std::this_thread::get_id() == loop_thread_; }
  /// Wakes the loop unless that has been done already since it last looked.
  void Post(Mail mail);
  /// The loop has ended.
  void Close();

 private:
  void Drain();

  std::thread::id loop_thread_;
  /// Shared while a loop is woken, so that it does not go meanwhile. Not mutex_: the woken loop
  /// would at once wait for it.
  std::shared_mutex io_mutex_;
  asio::io_context* io_;
  base::Mutex mutex_;
  bool is_woken_ MILL_GUARDED_BY(mutex_) = false;
  std::vector<Mail> mails_ MILL_GUARDED_BY(mutex_);
};

/// The request of a connection, used again for the next one. Whoever holds a Reply holds it. It
/// belongs to the loop, except that between the call of a handler or task and its mail, `request`,
/// the text behind it and `sink` belong to that handler or task.
struct Exchange final : ReplyTarget, std::enable_shared_from_this<Exchange> {
  explicit Exchange(std::shared_ptr<Mailbox> loop) : mailbox(std::move(loop)) {}

  void Deliver(Response response) override;
  void DeliverDropped() override;

  const std::shared_ptr<Mailbox> mailbox;
  /// Null once the connection is gone. Only the loop looks at it.
  Connection* connection = nullptr;
  std::string peer;
  RequestText text;
  std::vector<HeaderField> fields;
  Request request;
  std::unique_ptr<BodySink> sink;
  /// While the handler runs in the loop's thread: what is sent then lies here.
  bool is_in_handler = false;
  bool is_answered = false;
  std::optional<Response> answer;
};

}  // namespace millrace::net::internal
