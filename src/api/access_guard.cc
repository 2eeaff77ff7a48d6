// SPDX-License-Identifier: Apache-2.0
// Whether a request may be made, and what is done around it. Who sends it: access_credentials.cc.
// What it is about: access_experiments.cc, access_models.cc, access_people.cc. What is left out of
// replies: access_effects.cc.
#include "api/internal/access_guard.h"

#include <utility>

#include "api/internal/message.h"
#include "api/internal/replies.h"

namespace millrace::api::internal {

using tracking::User;
using tracking::UserGrants;

MessageBuffers& GuardBuffers() {
  // Not those of the handler, which may be in use further up (/graphql).
  thread_local MessageBuffers buffers;
  return buffers;
}

Result<Message> AccessGuard::Question::Read() const {
  return Message::Read(request, match.action->fields, GuardBuffers());
}

Result<bool> AccessGuard::May(const Question& question) const {
  for (const auto part :
       {&AccessGuard::MayOnRuns, &AccessGuard::MayOnArtifacts, &AccessGuard::MayOnTraces,
        &AccessGuard::MayOnEvaluation, &AccessGuard::MayOnModels, &AccessGuard::MayOnPeople}) {
    MILL_ASSIGN_OR_RETURN(const std::optional<bool> may, (this->*part)(question));
    if (may) {
      return *may;
    }
  }
  return false;
}

std::optional<net::Response> AccessGuard::Decide(const User& user, const AccessRule* rule,
                                                 const RoutedRequest& request,
                                                 const Router::Match& match) const {
  if (user.is_admin || (rule != nullptr && (rule->subject == AccessSubject::kSignedIn ||
                                            rule->subject == AccessSubject::kExperiments))) {
    return std::nullopt;
  }
  if (rule == nullptr) {
    return PermissionDenied();
  }
  const Result<UserGrants> grants = access_.LastGrantsOf(user);
  if (!grants.ok()) {
    return RestError(grants.error());
  }
  const Result<bool> may = May({user, *grants, *rule, request, match});
  if (!may.ok()) {
    return RestError(may.error());
  }
  return *may ? std::nullopt : std::optional(PermissionDenied());
}

std::variant<User, net::Response> AccessGuard::Admit(const RoutedRequest& request,
                                                     const Router::Match& match) const {
  const AccessRule* rule = FindAccessRule(request.http.method, match.pattern);
  if (rule != nullptr && rule->subject == AccessSubject::kOpen) {
    return User{};
  }
  Result<User> user = Authenticate(request.http);
  if (!user.ok() && user.error().code() != ErrorCode::kUnauthenticated) {
    return RestError(user.error());
  }
  if (!user.ok()) {
    if (logger_ != nullptr && !request.http.Header("Authorization").empty()) {
      logger_->Warn("access", "sign_in_failed",
                    {{"peer", request.http.peer}, {"route", match.pattern}});
    }
    return NotAuthenticated();
  }
  if (std::optional<net::Response> refusal = Decide(*user, rule, request, match)) {
    return *std::move(refusal);
  }
  return *std::move(user);
}

std::optional<net::Response> AccessGuard::Refuse(const RoutedRequest& request,
                                                 const Router::Match& match) const {
  auto admitted = Admit(request, match);
  if (auto* refusal = std::get_if<net::Response>(&admitted)) {
    return std::move(*refusal);
  }
  return std::nullopt;
}

net::Response AccessGuard::Answer(const RoutedRequest& asked, const Router::Match& match) const {
  auto admitted = Admit(asked, match);
  if (auto* refusal = std::get_if<net::Response>(&admitted)) {
    return std::move(*refusal);
  }
  const User& user = std::get<User>(admitted);
  RoutedRequest request = asked;
  request.user = user.username;
  const AccessRule* rule = FindAccessRule(request.http.method, match.pattern);
  if (rule == nullptr) {
    return match.action->answer(request);
  }
  if (!user.is_admin && rule->subject == AccessSubject::kExperiments) {
    return AnswerNarrowed(user, *rule, request, match);
  }
  switch (rule->effect) {
    case AccessEffect::kNothing:
      return match.action->answer(request);
    case AccessEffect::kFilterExperiments:
    case AccessEffect::kFilterModels:
    case AccessEffect::kFilterVersions:
    case AccessEffect::kFilterScorers:
      return user.is_admin ? match.action->answer(request)
                           : AnswerFiltered(user, *rule, request, match);
    default:
      break;
  }
  net::Response response = match.action->answer(request);
  if (response.status == 200) {
    const Result<void> followed = Follow(user, *rule, request, match, response);
    if (!followed.ok()) {
      return RestError(followed.error());
    }
  }
  return response;
}

}  // namespace millrace::api::internal
