// SPDX-License-Identifier: Apache-2.0
// Plain sockets with poll for deadlines, and TLS records over them.
#include "net/internal/stream.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netdb.h>

#include "base/public_address.h"
#include "net/internal/tls.h"

namespace millrace::net::internal {

namespace {

// A record of TLS is at most 16 KiB and a bit.
constexpr std::size_t kRecordBytes = 17 * 1024;

// What poll says within the time that is left: true when ready, false when the time is up.
bool WaitFor(int fd, short events, SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) {
      return false;
    }
    pollfd entry{fd, events, 0};
    const int n = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (n > 0) {
      return true;
    }
    if (n < 0 && errno != EINTR) {
      return true;  // The following call reports what is wrong.
    }
  }
}

bool IsAgain(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

std::string AddressText(const sockaddr& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text,
                sizeof text);
  } else if (address.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text,
                sizeof text);
  }
  return text;
}

}  // namespace

bool IsPublicAddress(const sockaddr& address) {
  return base::IsPublicAddress(AddressText(address));
}

Stream::Stream(StreamTarget target) : target_(std::move(target)) {
}

Stream::~Stream() {
  Close();
}

void Stream::Close() {
  tls_.reset();
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

Error Stream::Broken(int error) const {
  return base::Unavailable("connection to " + target_.url + " broke: " + std::strerror(error))
      .Hint("check that the server runs");
}

Error Stream::TimedOut(std::string_view doing, std::chrono::milliseconds limit) const {
  return base::DeadlineExceeded(std::string(doing) + " " + target_.url + " took longer than " +
                                std::to_string(limit.count()) + " ms");
}

Result<void> Stream::TryAddress(const addrinfo& address, SteadyTime deadline,
                                std::chrono::milliseconds timeout) {
  if (target_.public_addresses_only && !IsPublicAddress(*address.ai_addr)) {
    return Error(ErrorCode::kPermissionDenied,
                 "host of " + target_.url + " has the address " + AddressText(*address.ai_addr) +
                     ", which is not a public one; requests to it are not allowed");
  }
  const auto refused = [this](int error) -> Error {
    return base::Unavailable("cannot connect to " + target_.url + ": " + std::strerror(error))
        .Hint("check that the server runs");
  };
  Close();
  fd_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    return refused(errno);
  }
  if (::connect(fd_, address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) {
      return refused(errno);
    }
    if (!WaitFor(fd_, POLLOUT, deadline)) {
      return TimedOut("connecting to", timeout);
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return refused(error);
    }
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return {};
}

Result<void> Stream::Connect(std::chrono::milliseconds timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(target_.host.c_str(), target_.port.c_str(), &hints, &found);
  if (status != 0) {
    return base::Unavailable("host of " + target_.url +
                             " does not resolve: " + ::gai_strerror(status))
        .Hint("check the address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  Result<void> last = base::Unavailable("host of " + target_.url + " has no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    last = TryAddress(*address, deadline, timeout);
    if (last.ok()) {
      break;
    }
    Close();
  }
  if (last.ok() && target_.is_tls) {
    last = Handshake(deadline, timeout);
  }
  if (!last.ok()) {
    Close();
  }
  return last;
}

Result<void> Stream::Handshake(SteadyTime deadline, std::chrono::milliseconds timeout) {
  MILL_ASSIGN_OR_RETURN(tls_, TlsSession::Make(target_.host, target_.ca_file));
  std::string records(kRecordBytes, '\0');
  for (;;) {
    Result<bool> is_done = tls_->Handshake();
    // Also after a refusal: it tells the server why.
    MILL_RETURN_IF_ERROR(SendRaw(tls_->TakeOutput(), deadline, timeout));
    if (!is_done.ok()) {
      return std::move(is_done).error().With("connecting to " + target_.url);
    }
    if (*is_done) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(const std::size_t n, ReceiveRaw(records, deadline, timeout));
    if (n == 0) {
      return base::Unavailable("server " + target_.url +
                               " closed the connection during TLS's "
                               "handshake")
          .Hint("check that the port speaks TLS");
    }
    tls_->Feed(std::string_view(records).substr(0, n));
  }
}

bool Stream::IsStale() const {
  if (tls_ != nullptr && tls_->HasUnread()) {
    return true;
  }
  char byte = 0;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || !IsAgain(errno);
}

Result<void> Stream::SendRaw(std::string_view bytes, SteadyTime deadline,
                             std::chrono::milliseconds limit) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && !IsAgain(errno)) {
      return errno == EPIPE || errno == ECONNRESET ? Result<void>() : Result<void>(Broken(errno));
    } else if (!WaitFor(fd_, POLLOUT, deadline)) {
      return TimedOut("sending a request to", limit);
    }
  }
  return {};
}

Result<std::size_t> Stream::ReceiveRaw(std::span<char> into, SteadyTime deadline,
                                       std::chrono::milliseconds limit) {
  for (;;) {
    const ssize_t n = ::recv(fd_, into.data(), into.size(), 0);
    if (n >= 0) {
      return static_cast<std::size_t>(n);
    }
    if (!IsAgain(errno)) {
      return Broken(errno);
    }
    if (!WaitFor(fd_, POLLIN, deadline)) {
      return TimedOut("waiting for the reply of", limit);
    }
  }
}

Result<void> Stream::Send(std::string_view bytes, SteadyTime deadline,
                          std::chrono::milliseconds limit) {
  if (tls_ == nullptr) {
    return SendRaw(bytes, deadline, limit);
  }
  // In pieces, so that a large body is not held twice.
  constexpr std::size_t kPiece = 1024 * 1024;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, kPiece);
    MILL_RETURN_IF_ERROR(tls_->Write(piece));
    MILL_RETURN_IF_ERROR(SendRaw(tls_->TakeOutput(), deadline, limit));
    bytes.remove_prefix(piece.size());
  }
  return {};
}

Result<std::size_t> Stream::Receive(std::span<char> into, SteadyTime deadline,
                                    std::chrono::milliseconds limit) {
  if (tls_ == nullptr) {
    return ReceiveRaw(into, deadline, limit);
  }
  std::string records(kRecordBytes, '\0');
  for (;;) {
    MILL_ASSIGN_OR_RETURN(const std::size_t n, tls_->Read(into));
    if (n > 0 || tls_->is_closed()) {
      return n;
    }
    MILL_ASSIGN_OR_RETURN(const std::size_t received, ReceiveRaw(records, deadline, limit));
    if (received == 0) {
      // Without TLS's own goodbye somebody else may have cut the stream: a reply that ends by the
      // end of the stream cannot be trusted.
      return base::Unavailable("server " + target_.url +
                               " ended the connection without closing "
                               "TLS")
          .Hint("check the server's log");
    }
    tls_->Feed(std::string_view(records).substr(0, received));
  }
}

}  // namespace millrace::net::internal
