// SPDX-License-Identifier: Apache-2.0
// The client's byte stream: a TCP connection, with TLS where asked, every call with a deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct addrinfo;
struct sockaddr;

namespace millrace::net::internal {

using SteadyTime = std::chrono::steady_clock::time_point;

struct StreamTarget {
  /// For messages.
  std::string url;
  std::string host;
  std::string port;
  bool is_tls = false;
  /// Empty: the system's authorities.
  std::string ca_file;
  bool public_addresses_only = false;
};

class TlsSession;

/// One connection at a time to one server. Errors close nothing; the caller does. Limits are passed
/// beside deadlines for messages.
class Stream {
 public:
  explicit Stream(StreamTarget target);
  Stream(Stream&&) = delete;
  ~Stream();

  Result<void> Connect(std::chrono::milliseconds timeout);
  void Close();
  bool is_open() const { return fd_ >= 0; }
  /// True if the kept connection was closed by the server or holds bytes that nobody asked for.
  bool IsStale() const;

  /// A server that answers and closes before it has read everything is no error: its reply may
  /// still be readable.
  Result<void> Send(std::string_view bytes, SteadyTime deadline, std::chrono::milliseconds limit);
  /// At least one byte, or 0 at the end of the stream.
  Result<std::size_t> Receive(std::span<char> into, SteadyTime deadline,
                              std::chrono::milliseconds limit);

 private:
  Result<void> TryAddress(const addrinfo& address, SteadyTime deadline,
                          std::chrono::milliseconds timeout);
  Result<void> Handshake(SteadyTime deadline, std::chrono::milliseconds timeout);
  Result<void> SendRaw(std::string_view bytes, SteadyTime deadline,
                       std::chrono::milliseconds limit);
  Result<std::size_t> ReceiveRaw(std::span<char> into, SteadyTime deadline,
                                 std::chrono::milliseconds limit);
  Error Broken(int error) const;
  Error TimedOut(std::string_view doing, std::chrono::milliseconds limit) const;

  StreamTarget target_;
  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;
};

/// False for loopback, private, link-local, shared (100.64/10), multicast, reserved and unspecified
/// addresses, also where an IPv6 address carries such an IPv4 one.
bool IsPublicAddress(const sockaddr& address);

}  // namespace millrace::net::internal
