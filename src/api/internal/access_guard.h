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
#include "api/internal/message.h"
#include "api/router.h"
#include "base/log.h"
#include "base/result.h"
#include "net/http_message.h"
#include "serving/endpoint.h"
#include "tracking/access.h"

namespace millrace::api::internal {

/// The user of the request's Authorization field: Basic with a password, or Bearer with a token.
///   - kUnauthenticated where there is none, or it is wrong
Result<tracking::User> WhoAsks(tracking::Access& access, const net::Request& request);
/// What the fields resource_type and resource_id name, for the routes that give one user a
/// permission: not the workspace; kInvalidArgument in MLflow's words.
Result<tracking::Resource> NamedResource(const Message& in);
/// Whether MLflow looks up what is permitted on one resource of this kind: not on prompts, nor on
/// parts of others.
bool IsAskedById(tracking::ResourceKind kind);
/// The role's workspace that a request about roles names, directly or by role_id or
/// role_permission_id; nothing where there is no such role.
///   - kInvalidArgument, in MLflow's words, where it names none
Result<std::optional<std::string>> WorkspaceOfRole(tracking::Access& access, const Message& in);
/// A field that MLflow reads with int(): a number, or a text that is one.
///   - kInvalidArgument in MLflow's words
Result<std::int64_t> RoleNumber(const Message& in, std::string_view field);
/// 401 as MLflow's basic-auth app answers.
net::Response NotAuthenticated();
/// 403 as MLflow's basic-auth app answers.
net::Response PermissionDenied();
/// "7" of "7/abc/artifacts/model"; nothing for a path that begins otherwise or leaves its folder.
std::optional<std::string> ExperimentOfPath(std::string_view path);
/// Whether this server would hand out what lies there: it may be another experiment's.
bool IsHandedOut(std::string_view uri);
/// For requests that are read while a handler's own message is in use.
MessageBuffers& GuardBuffers();

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
  /// One question: may this user make this request?
  struct Question {
    const tracking::User& user;
    const tracking::UserGrants& grants;
    const AccessRule& rule;
    const RoutedRequest& request;
    const Router::Match& match;

    Result<Message> Read() const;
    bool May(const tracking::Resource& resource, tracking::Permission needed) const {
      return grants.Of(resource) >= needed;
    }
    bool May(const tracking::Resource& resource) const { return May(resource, rule.needed); }
    bool MayOnExperiment(const std::string& id, tracking::Permission needed) const {
      return May({tracking::ResourceKind::kExperiment, id}, needed);
    }
    /// On a part of an experiment, model or scorer, which must be readable itself.
    bool MayOnPart(tracking::ResourceKind part, const tracking::Resource& container,
                   tracking::Permission needed) const {
      return May(container, tracking::Permission::kRead) &&
             grants.OfPart(part, container) >= needed;
    }
    bool MayOnPartOf(const std::string& experiment, tracking::ResourceKind part,
                     tracking::Permission needed) const {
      return MayOnPart(part, {tracking::ResourceKind::kExperiment, experiment}, needed);
    }
    bool IsDenied(tracking::ResourceKind kind) const {
      return grants.Of(tracking::GrantSet::Every(kind)) == tracking::Permission::kDeny;
    }
    /// What goes with a container that is deleted: own permissions on its parts count.
    bool MayDeleteParts(tracking::ResourceKind part) const {
      return !grants.HasOwn(part) || May(tracking::GrantSet::Every(part));
    }
  };

  Result<tracking::User> Authenticate(const net::Request& request) const;
  /// Who asks, or the refusal.
  std::variant<tracking::User, net::Response> Admit(const RoutedRequest& request,
                                                    const Router::Match& match) const;
  /// Nothing where the user may.
  std::optional<net::Response> Decide(const tracking::User& user, const AccessRule* rule,
                                      const RoutedRequest& request,
                                      const Router::Match& match) const;
  Result<bool> May(const Question& question) const;
  // By subject; nothing for another's. access_experiments.cc:
  Result<std::optional<bool>> MayOnRuns(const Question& question) const;
  Result<std::optional<bool>> MayOnArtifacts(const Question& question) const;
  Result<std::optional<bool>> MayOnTraces(const Question& question) const;
  Result<std::optional<bool>> MayOnEvaluation(const Question& question) const;
  // access_models.cc:
  Result<std::optional<bool>> MayOnModels(const Question& question) const;
  // access_people.cc:
  Result<std::optional<bool>> MayOnPeople(const Question& question) const;

  Result<bool> MayReadRun(const Question& question, const std::string& run_id) const;
  Result<bool> MayReadLoggedModel(const Question& question, const std::string& model_id) const;
  Result<bool> MayOnModelsNamed(const Question& question, const Message& in) const;
  Result<bool> MayOnTraceIds(const Question& question, const std::vector<std::string>& ids,
                             tracking::Permission needed) const;
  /// Whether the user may read what a version is to be made from.
  Result<bool> MayUseSource(const Question& question, const std::string& source) const;
  Result<bool> MayMakeVersion(const Question& question, const Message& in) const;
  net::Response AnswerNarrowed(const tracking::User& user, const AccessRule& rule,
                               const RoutedRequest& request, const Router::Match& match) const;
  net::Response AnswerFiltered(const tracking::User& user, const AccessRule& rule,
                               const RoutedRequest& request, const Router::Match& match) const;
  Result<void> Follow(const tracking::User& user, const AccessRule& rule,
                      const RoutedRequest& request, const Router::Match& match,
                      const net::Response& response) const;
  Result<void> ForgetModel(const std::string& name) const;

  tracking::Access& access_;
  const serving::EndpointSet* const endpoints_;
  base::Logger* const logger_;
  /// Long computations that run or wait.
  mutable std::atomic<int> n_slow_ = 0;
};

}  // namespace millrace::api::internal
