// SPDX-License-Identifier: Apache-2.0
// The client's side of TLS as a machine that turns text into records and back; it touches no
// socket.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::net::internal {

/// One session with one server. Records from the server go in by `Feed`; what must be sent to it
/// comes out by `TakeOutput` after each call.
class TlsSession {
 public:
  /// @param host     the name or address that the certificate must be for
  /// @param ca_file  PEM file of trusted authorities; empty: the system's
  ///   - kInvalidArgument if the file holds no certificate.
  static Result<std::unique_ptr<TlsSession>> Make(const std::string& host,
                                                  const std::string& ca_file);
  ~TlsSession();

  void Feed(std::string_view records);
  std::string TakeOutput();

  /// True when done, false when more records are needed. kUnavailable with the reason if the server
  /// or its certificate is refused.
  Result<bool> Handshake();
  /// Makes records of the whole text.
  Result<void> Write(std::string_view text);
  /// Reads text; 0 when more records are needed or, if `is_closed` says so afterwards, at the end.
  Result<std::size_t> Read(std::span<char> into);
  /// The server has said that nothing follows.
  bool is_closed() const { return is_closed_; }
  /// Text or records are left that nobody asked for.
  bool HasUnread() const;

 private:
  struct Impl;
  explicit TlsSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  bool is_closed_ = false;
};

}  // namespace millrace::net::internal
