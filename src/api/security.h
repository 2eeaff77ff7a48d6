// SPDX-License-Identifier: Apache-2.0
// What keeps web pages of other sites away from the server: the Host field, the Origin of requests
// that change something, and header fields for browsers. Not who may do what: that is access
// control.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_message.h"

namespace millrace::api {

/// The same meaning as MLflow's MLFLOW_SERVER_... variables.
struct SecurityOptions {
  bool is_enabled = true;
  /// Values of the Host field, "*" in one stands for any text; empty: names of this machine
  /// (localhost, 127.0.0.1, [::1], 0.0.0.0) and private addresses, with any port.
  std::vector<std::string> allowed_hosts = {};
  /// Origins beside those of this machine; "*" as above.
  std::vector<std::string> allowed_origins = {};
  /// Value of X-Frame-Options; "NONE" leaves it out.
  std::string frame_options = "SAMEORIGIN";
};

/// The entries of a comma-separated list, without blanks.
std::vector<std::string> SplitList(std::string_view text);

/// Immutable; thread-safe.
class Security {
 public:
  explicit Security(SecurityOptions options) : options_(std::move(options)) {}

  /// The answer to a request that goes no further: 403 for a foreign Host field or a foreign Origin
  /// of a request that changes something, and what a browser's CORS preflight asks.
  std::optional<net::Response> Intercept(const net::Request& request) const;
  /// Adds the header fields that browsers heed.
  void Mark(const net::Request& request, net::Response& response) const;

 private:
  bool IsAllowedHost(std::string_view host) const;
  bool IsAllowedOrigin(std::string_view origin) const;
  net::Response Preflight(const net::Request& request, std::string_view origin) const;

  SecurityOptions options_;
};

}  // namespace millrace::api
