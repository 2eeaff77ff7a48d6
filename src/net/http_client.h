// SPDX-License-Identifier: Apache-2.0
// A blocking HTTP/1.1 client with keep-alive, TLS and timeouts; one object per thread and server.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace millrace::net {

struct ClientOptions {
  /// For the connection and, with https, the handshake.
  std::chrono::milliseconds connect_timeout{5'000};
  /// From the first byte sent to the last byte received.
  std::chrono::milliseconds request_timeout{30'000};
  std::size_t max_header_bytes = 64 * 1024;
  std::size_t max_body_bytes = 256 * 1024 * 1024;
  /// PEM file of the authorities that may vouch for an https server, in place of the system's.
  std::string ca_file = {};
  /// Refuses addresses inside this machine or a private network, whatever the name resolves to: for
  /// URLs that users choose.
  bool public_addresses_only = false;
};

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  /// The value of the first field of that name (letter case ignored), or an empty view.
  std::string_view Header(std::string_view name) const;
};

/// Talks to one server over one connection, which it opens when needed and keeps. Not thread-safe;
/// cheap to make.
class HttpClient {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  /// @param base_url  "http[s]://host[:port][/prefix]"; the prefix is put before each target. With
  /// https the server must show a certificate for the host that the authorities vouch for.
  ///         - kInvalidArgument if the URL cannot be read.
  static Result<HttpClient> Make(std::string_view base_url, ClientOptions options = {});

  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  /// Sends a request and reads the reply; any status is a success here.
  ///         - kUnavailable if nobody listens, the connection breaks or the certificate is refused,
  ///         kDeadlineExceeded past a timeout (both name the URL), kPermissionDenied for an address
  ///         that options forbid,
  ///           kResourceExhausted if the reply is larger than the limits, kDataLoss if it is no
  ///           HTTP.
  /// A kept connection that the server closed meanwhile is opened anew before anything is sent; a
  /// request that may have reached the server is never sent twice.
  Result<ClientResponse> Send(std::string_view method, std::string_view target,
                              std::string_view body, const Headers& headers = {});
  Result<ClientResponse> Get(std::string_view target, const Headers& headers = {});
  /// `content_type` is sent as Content-Type.
  Result<ClientResponse> Post(std::string_view target, std::string_view content_type,
                              std::string_view body, const Headers& headers = {});

  struct Impl;

 private:
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::net
