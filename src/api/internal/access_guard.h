// SPDX-License-Identifier: Apache-2.0
// The one place where a request is asked who sends it and whether they may: between router and
// handlers, by the table of access_rules.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/internal/access_rules.h"
#include "api/router.h"
#include "base/log.h"
#include "base/result.h"
#include "net/http_message.h"
#include "serving/endpoint.h"
#include "tracking/access.h"

namespace millrace::api::internal {

class Message;

/// The user of the request's Authorization field: Basic with a password, or Bearer with a token.
///   - kUnauthenticated where there is none, or it is wrong
Result<tracking::User> WhoAsks(tracking::Access& access, const net::Request& request);
/// What the fields resource_type ("experiment" or "registered_model") and resource_id name.
Result<tracking::Resource> NamedResource(const Message& in);
/// 401 as MLflow's basic-auth app answers.
net::Response NotAuthenticated();
/// 403 as MLflow's basic-auth app answers.
net::Response PermissionDenied();

/// Thread-safe.
class AccessGuard {
 public:
  /// The references outlive the guard; the logger may be null, and so may the endpoints of a server
  /// that has none.
  AccessGuard(tracking::Access& access, const serving::EndpointSet* endpoints, base::Logger* logger)
      : access_(access), endpoints_(endpoints), logger_(logger) {}

  /// True where it takes no long computation to know who asks: then Refuse and Answer may run on a
  /// thread that serves connections.
  bool IsQuick(const net::Request& request, const Router::Match& match) const;
  /// The answer to a request that its sender may not make.
  std::optional<net::Response> Refuse(const RoutedRequest& request,
                                      const Router::Match& match) const;
  /// Asks, and answers by the route's `answer`: lists hold only what the sender may read, and who
  /// makes something may manage it.
  net::Response Answer(const RoutedRequest& asked, const Router::Match& match) const;

 private:
  Result<tracking::User> Authenticate(const net::Request& request) const;
  /// Who asks, or the refusal.
  std::variant<tracking::User, net::Response> Admit(const RoutedRequest& request,
                                                    const Router::Match& match) const;
  /// Nothing where the user may.
  std::optional<net::Response> Decide(const tracking::User& user, const AccessRule* rule,
                                      const RoutedRequest& request,
                                      const Router::Match& match) const;
  Result<bool> MayOn(const tracking::User& user, const AccessRule& rule,
                     const tracking::Resource& resource) const;
  Result<bool> May(const tracking::User& user, const AccessRule& rule, const RoutedRequest& request,
                   const Router::Match& match) const;
  /// For rules about traces.
  Result<bool> MayOnEvaluation(const tracking::User& user, const AccessRule& rule,
                               const RoutedRequest& request, const Router::Match& match) const;
  Result<bool> MayOnTraces(const tracking::User& user, const AccessRule& rule,
                           const RoutedRequest& request, const Router::Match& match) const;
  Result<bool> MayOnAll(const tracking::User& user, const AccessRule& rule,
                        const std::vector<std::string>& experiments) const;
  Result<bool> MayAsk(const tracking::User& user, const AccessRule& rule,
                      const RoutedRequest& request) const;
  Result<bool> MayRead(const tracking::User& user, const tracking::Resource& resource) const;
  /// Whether the user may read what a version is to be made from.
  Result<bool> MayUseSource(const tracking::User& user, const std::string& source) const;
  net::Response AnswerNarrowed(const tracking::User& user, const AccessRule& rule,
                               const RoutedRequest& request, const Router::Match& match) const;
  net::Response AnswerFiltered(const tracking::User& user, const AccessRule& rule,
                               const RoutedRequest& request, const Router::Match& match) const;
  Result<void> Follow(const tracking::User& user, const AccessRule& rule,
                      const RoutedRequest& request, const Router::Match& match,
                      const net::Response& response) const;

  tracking::Access& access_;
  const serving::EndpointSet* const endpoints_;
  base::Logger* const logger_;
  /// Long computations that run or wait.
  mutable std::atomic<int> n_slow_ = 0;
};

}  // namespace millrace::api::internal
