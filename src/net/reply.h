// SPDX-License-Identifier: Apache-2.0
// Reply: the right, and the duty, to answer one request once.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "net/http_message.h"

namespace millrace::net {

/// Where a Reply goes: a connection of the server, or what a wrapper or a test puts there.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;
  ReplyTarget() = default;
  ReplyTarget(const ReplyTarget&) = delete;
  ReplyTarget& operator=(const ReplyTarget&) = delete;

  /// Called once, in the thread that sends.
  virtual void Deliver(Response response) = 0;
  /// Called instead of Deliver where the Reply was dropped unsent.
  virtual void DeliverDropped() = 0;
};

/// Answers one request, once, from any thread; move-only. Sent within the handler, in the
/// connection's own thread, it costs what returning the response would; sent from another thread it
/// wakes the connection's loop, once for all replies that wait there. Dropped unsent it answers
/// 500. It keeps the request alive, not the connection: to a client that left, or a server that
/// stopped, it goes nowhere.
class Reply {
 public:
  explicit Reply(std::shared_ptr<ReplyTarget> target) : target_(std::move(target)) {}
  /// A reply that calls `deliver` with what is sent, or with a plain 500 when it is dropped.
  static Reply To(std::function<void(Response)> deliver);

  Reply(Reply&& other) noexcept = default;
  Reply& operator=(Reply&& other) noexcept;
  ~Reply() { Drop(); }

  /// Once; a second call is a broken invariant. The request must not be looked at afterwards.
  void Send(Response response);
  /// False once it was sent or moved from.
  bool is_owed() const { return target_ != nullptr; }

 private:
  void Drop() noexcept;

  std::shared_ptr<ReplyTarget> target_;
};

}  // namespace millrace::net
