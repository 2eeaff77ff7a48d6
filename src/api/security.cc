// SPDX-License-Identifier: Apache-2.0
// The checks of security.h; statuses and texts are those of mlflow/server/fastapi_security.py of
// 3.17.2.
#include "api/security.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "api/internal/replies.h"

namespace millrace::api {

namespace {

// "*" stands for any text.
bool Matches(std::string_view text, std::string_view pattern) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return text == pattern;
  }
  if (!text.starts_with(pattern.substr(0, star))) {
    return false;
  }
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t at = star; at <= text.size(); ++at) {
    if (Matches(text.substr(at), rest)) {
      return true;
    }
  }
  return false;
}

bool MatchesAny(std::string_view text, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return Matches(text, pattern); });
}

// "[::1]" of "[::1]:5000", "localhost" of "localhost:5000".
std::string_view WithoutPort(std::string_view host) {
  const std::size_t end = host.starts_with('[') ? host.find(']') + 1 : host.find(':');
  return host.substr(0, end);
}

bool IsLoopbackName(std::string_view name) {
  return net::EqualsIgnoringCase(name, "localhost") || name == "127.0.0.1" || name == "[::1]";
}

// 10/8, 172.16/12, 192.168/16 (RFC 1918) and fc00::/8, fd00::/8 (RFC 4193). Only real addresses:
// "10.evil.example" is a name that anybody can point anywhere.
bool IsPrivateAddress(std::string_view name) {
  if (name.starts_with("[fc") || name.starts_with("[fd")) {
    return name.find(':') != std::string_view::npos;
  }
  std::array<int, 4> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto read = std::from_chars(name.data(), name.data() + name.size(), parts[i]);
    const std::size_t n_read = static_cast<std::size_t>(read.ptr - name.data());
    const bool is_last = i + 1 == parts.size();
    if (read.ec != std::errc() || parts[i] < 0 || parts[i] > 255 ||
        (is_last ? n_read != name.size() : n_read >= name.size() || name[n_read] != '.')) {
      return false;
    }
    name.remove_prefix(is_last ? n_read : n_read + 1);
  }
  return parts[0] == 10 || (parts[0] == 172 && parts[1] >= 16 && parts[1] < 32) ||
         (parts[0] == 192 && parts[1] == 168);
}

bool IsUnder(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

// Probes and scoring are for programs in the same network, by whatever name it gives this machine;
// they show and change nothing that is kept.
bool IsForPrograms(std::string_view path) {
  static constexpr std::string_view kRoots[] = {"/health",  "/version",   "/ping", "/ready",
                                                "/metrics", "/endpoints", "/v2",   "/invocations"};
  return std::any_of(std::begin(kRoots), std::end(kRoots),
                     [&](std::string_view root) { return IsUnder(path, root); });
}

bool IsApi(std::string_view path) {
  return path.starts_with("/api/") || path.starts_with("/ajax-api/") || path == "/graphql" ||
         IsUnder(path, "/v1");
}

bool ChangesSomething(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "DELETE" || method == "PATCH";
}

}  // namespace

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> entries;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view entry = text.substr(0, comma);
    entry.remove_prefix(std::min(entry.find_first_not_of(' '), entry.size()));
    entry = entry.substr(0, entry.find_last_not_of(' ') + 1);
    if (!entry.empty()) {
      entries.emplace_back(entry);
    }
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return entries;
}

bool Security::IsAllowedHost(std::string_view host) const {
  if (!options_.allowed_hosts.empty()) {
    return MatchesAny(host, options_.allowed_hosts);
  }
  const std::string_view name = WithoutPort(host);
  return IsLoopbackName(name) || name == "0.0.0.0" || IsPrivateAddress(name);
}

bool Security::IsAllowedOrigin(std::string_view origin) const {
  const std::size_t scheme = origin.find("://");
  const bool is_local =
      scheme != std::string_view::npos && IsLoopbackName(WithoutPort(origin.substr(scheme + 3)));
  return is_local || MatchesAny(origin, options_.allowed_origins);
}

net::Response Security::Preflight(const net::Request& request, std::string_view origin) const {
  if (!IsAllowedOrigin(origin)) {
    return internal::TextReply("Disallowed CORS origin", 400);
  }
  net::Response response = internal::TextReply("OK");
  response.headers.emplace_back("Access-Control-Allow-Methods",
                                "GET, POST, PUT, DELETE, OPTIONS, PATCH");
  response.headers.emplace_back("Access-Control-Max-Age", "600");
  if (const auto wanted = request.Header("Access-Control-Request-Headers"); !wanted.empty()) {
    response.headers.emplace_back("Access-Control-Allow-Headers", wanted);
  }
  return response;
}

std::optional<net::Response> Security::Intercept(const net::Request& request) const {
  const std::string_view path = request.path();
  if (!options_.is_enabled) {
    return std::nullopt;
  }
  if (!IsForPrograms(path) && !IsAllowedHost(request.Header("Host"))) {
    return internal::TextReply("Invalid Host header - possible DNS rebinding attack detected", 403);
  }
  const std::string_view origin = request.Header("Origin");
  if (origin.empty() || !IsApi(path)) {
    return std::nullopt;
  }
  if (request.method == "OPTIONS" && !request.Header("Access-Control-Request-Method").empty()) {
    return Preflight(request, origin);
  }
  if (ChangesSomething(request.method) && !IsAllowedOrigin(origin)) {
    return internal::TextReply("Cross-origin request blocked", 403);
  }
  return std::nullopt;
}

void Security::Mark(const net::Request& request, net::Response& response) const {
  if (!options_.is_enabled) {
    return;
  }
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (!net::EqualsIgnoringCase(options_.frame_options, "NONE")) {
    response.headers.emplace_back("X-Frame-Options", options_.frame_options);
  }
  const std::string_view origin = request.Header("Origin");
  if (!origin.empty() && IsApi(request.path()) && IsAllowedOrigin(origin)) {
    response.headers.emplace_back("Access-Control-Allow-Origin", origin);
    response.headers.emplace_back("Access-Control-Expose-Headers", "*");
    response.headers.emplace_back("Vary", "Origin");
    // Pages of anywhere get no cookies or passwords along.
    if (!MatchesAny("*", options_.allowed_origins)) {
      response.headers.emplace_back("Access-Control-Allow-Credentials", "true");
    }
  }
}

}  // namespace millrace::api
