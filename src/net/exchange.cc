// SPDX-License-Identifier: Apache-2.0
// Replies and finished tasks on their way to the event loop.
#include "net/internal/exchange.h"

#include <exception>
#include <mutex>
#include <utility>

#include "net/internal/connection.h"

// After connection.h, which sets Asio up.
#include <boost/asio/post.hpp>

namespace millrace::net::internal {

void Mailbox::Post(Mail mail) {
  const std::shared_lock io_lock(io_mutex_);
  if (io_ == nullptr) {
    return;
  }
  {
    const base::MutexLock lock(mutex_);
    mails_.push_back(std::move(mail));
    if (is_woken_) {
      return;
    }
    is_woken_ = true;
  }
  asio::post(*io_, [self = shared_from_this()] { self->Drain(); });
}

void Mailbox::Close() {
  std::vector<Mail> late;
  {
    const std::unique_lock io_lock(io_mutex_);
    io_ = nullptr;
  }
  const base::MutexLock lock(mutex_);
  late.swap(mails_);
}

void Mailbox::Drain() {
  std::vector<Mail> mails;
  {
    const base::MutexLock lock(mutex_);
    mails.swap(mails_);
    is_woken_ = false;
  }
  for (Mail& mail : mails) {
    const std::shared_ptr<Exchange> exchange = mail.exchange;
    if (exchange->connection == nullptr) {
      continue;
    }
    try {
      exchange->connection->OnMail(std::move(mail));
    } catch (const std::exception&) {
      // Memory is out: it costs this connection, not the others whose mail waits here.
      if (exchange->connection != nullptr) {
        exchange->connection->Close();
      }
    }
  }
}

void Exchange::Deliver(Response response) {
  if (mailbox->IsLoopThread() && is_in_handler) {
    is_answered = true;
    answer = std::move(response);
    return;
  }
  mailbox->Post({.exchange = shared_from_this(), .response = std::move(response)});
}

void Exchange::DeliverDropped() {
  if (mailbox->IsLoopThread() && is_in_handler) {
    is_answered = true;
    return;
  }
  mailbox->Post({.exchange = shared_from_this()});
}

}  // namespace millrace::net::internal
