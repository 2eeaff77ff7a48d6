// SPDX-License-Identifier: Apache-2.0
// Who sends a request: passwords and tokens of the Authorization field.
#include <algorithm>
#include <utility>

#include "api/internal/access_guard.h"
#include "api/internal/online_json.h"
#include "api/internal/replies.h"

namespace millrace::api::internal {

namespace {

using tracking::User;

// More passwords than this are not computed at once: each takes a fifth of a second, and anybody
// may send them.
constexpr int kMostSlow = 4;

Error NoCredentials() {
  return Error(ErrorCode::kUnauthenticated, "no credentials");
}

struct Credentials {
  /// Empty: `secret` is a token.
  std::string username;
  std::string secret;
};

Result<Credentials> ReadCredentials(const net::Request& request) {
  const std::string_view field = request.Header("Authorization");
  const std::size_t blank = field.find(' ');
  if (blank == std::string_view::npos) {
    return NoCredentials();
  }
  const std::string_view scheme = field.substr(0, blank);
  std::string_view rest = field.substr(blank);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (net::EqualsIgnoringCase(scheme, "Bearer") && !rest.empty()) {
    return Credentials{"", std::string(rest)};
  }
  if (!net::EqualsIgnoringCase(scheme, "Basic")) {
    return NoCredentials();
  }
  const Result<std::string> pair = FromBase64(rest);
  const std::size_t colon = pair.ok() ? pair->find(':') : std::string::npos;
  if (colon == std::string::npos || colon == 0) {
    return NoCredentials();
  }
  return Credentials{pair->substr(0, colon), pair->substr(colon + 1)};
}

}  // namespace

Result<User> WhoAsks(tracking::Access& access, const net::Request& request) {
  MILL_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(request));
  return credentials.username.empty()
             ? access.CheckToken(credentials.secret)
             : access.CheckPassword(credentials.username, credentials.secret);
}

net::Response NotAuthenticated() {
  net::Response response = TextReply(
      "You are not authenticated. Please see "
      "https://www.mlflow.org/docs/latest/auth/index.html#authenticating-to-mlflow "
      "on how to authenticate.",
      401);
  response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"mlflow\"");
  return response;
}

net::Response PermissionDenied() {
  return TextReply("Permission denied", 403);
}

bool AccessGuard::IsQuick(const net::Request& request, const Router::Match& match) const {
  const AccessRule* rule = FindAccessRule(request.method, match.pattern);
  if (rule != nullptr && rule->subject == AccessSubject::kOpen) {
    return true;
  }
  const Result<Credentials> credentials = ReadCredentials(request);
  if (!credentials.ok() || credentials->username.empty()) {
    return true;
  }
  return access_.IsKnownPassword(credentials->username, credentials->secret);
}

Result<User> AccessGuard::Authenticate(const net::Request& request) const {
  MILL_ASSIGN_OR_RETURN(const Credentials credentials, ReadCredentials(request));
  if (credentials.username.empty()) {
    return access_.CheckToken(credentials.secret);
  }
  MILL_ASSIGN_OR_RETURN(const std::optional<User> known,
                        access_.CheckKnownPassword(credentials.username, credentials.secret));
  if (known) {
    return *known;
  }
  if (++n_slow_ > kMostSlow) {
    --n_slow_;
    return base::ResourceExhausted("too many sign-ins at once").Hint("try again in a second");
  }
  Result<User> checked = access_.CheckPassword(credentials.username, credentials.secret);
  --n_slow_;
  return checked;
}

}  // namespace millrace::api::internal
