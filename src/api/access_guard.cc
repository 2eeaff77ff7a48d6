// SPDX-License-Identifier: Apache-2.0
// Who sends a request, and whether they may.
#include "api/internal/access_guard.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "api/internal/message.h"
#include "api/internal/online_json.h"
#include "api/internal/replies.h"
#include "tracking/artifact_uri.h"

namespace millrace::api::internal {

namespace {

using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;
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

/// "7" of "7/abc/artifacts/model"; nothing for a path that begins otherwise or leaves its folder.
std::optional<std::string> ExperimentOfPath(std::string_view path) {
  const std::string_view id = path.substr(0, path.find('/'));
  if (id.empty() ||
      !std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    return std::nullopt;
  }
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    if (rest.substr(0, slash) == "..") {
      return std::nullopt;
    }
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return std::string(id);
}

/// Whether this server would hand out what lies there: it may be another experiment's.
bool IsHandedOut(std::string_view uri) {
  return tracking::IsLocalLocation(uri) || uri.starts_with("mlflow-artifacts:") ||
         uri.starts_with("http:") || uri.starts_with("https:");
}

/// Of "mlflow-artifacts:/7/models/m-1/artifacts" or "mlflow-artifacts://host:5000/7/...".
std::optional<std::string> ExperimentOfProxyUri(std::string_view uri) {
  const Result<std::string> path = tracking::ArtifactPath(uri);
  return path.ok() ? ExperimentOfPath(PercentDecode(*path)) : std::nullopt;
}

std::string FromQuery(const net::Request& request, std::string_view name) {
  for (auto& [key, value] : ParseQuery(request.query())) {
    if (key == name) {
      return std::move(value);
    }
  }
  return {};
}

MessageBuffers& BuffersOfThisThread() {
  // Not those of the handler, which may be in use further up (/graphql).
  thread_local MessageBuffers buffers;
  return buffers;
}

}  // namespace

Result<Resource> NamedResource(const Message& in) {
  const std::string type = in.Text("resource_type");
  const std::string id = in.Text("resource_id");
  if (id.empty()) {
    return MissingParameter("resource_id");
  }
  if (type == "experiment") {
    return Resource{ResourceKind::kExperiment, id};
  }
  if (type == "registered_model") {
    return Resource{ResourceKind::kRegisteredModel, id};
  }
  return base::InvalidArgument("Invalid resource type '" + type +
                               "'. Valid resource types are: ('experiment', 'registered_model')");
}

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
  const auto known = access_.CheckKnownPassword(credentials->username, credentials->secret);
  return known.ok() && known->has_value();
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

Result<bool> AccessGuard::MayOn(const User& user, const AccessRule& rule,
                                const Resource& resource) const {
  MILL_ASSIGN_OR_RETURN(const Permission has, access_.PermissionOf(user, resource));
  return has >= rule.needed;
}

Result<bool> AccessGuard::MayRead(const User& user, const Resource& resource) const {
  MILL_ASSIGN_OR_RETURN(const Permission has, access_.PermissionOf(user, resource));
  return has >= Permission::kRead;
}

Result<bool> AccessGuard::MayAsk(const User& user, const AccessRule& rule,
                                 const RoutedRequest& request) const {
  const auto endpoint = endpoints_ == nullptr    ? nullptr
                        : request.params.empty() ? endpoints_->Only()
                                                 : endpoints_->Find(request.params[0]);
  // The handler says what is not there.
  return endpoint == nullptr
             ? Result<bool>(true)
             : MayOn(user, rule, {ResourceKind::kRegisteredModel, endpoint->spec().model});
}

Result<bool> AccessGuard::MayUseSource(const User& user, const std::string& source) const {
  const auto part_after = [&source](std::string_view prefix) {
    const std::string_view rest = std::string_view(source).substr(prefix.size());
    return std::string(rest.substr(0, rest.find('/')));
  };
  if (source.starts_with("runs:/")) {
    MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfRun(part_after("runs:/")));
    return MayRead(user, {ResourceKind::kExperiment, id});
  }
  if (source.starts_with("models:/m-")) {
    MILL_ASSIGN_OR_RETURN(const std::string id,
                          access_.ExperimentOfLoggedModel(part_after("models:/")));
    return MayRead(user, {ResourceKind::kExperiment, id});
  }
  if (source.starts_with("models:/")) {
    const std::string name = part_after("models:/");
    return MayRead(user, {ResourceKind::kRegisteredModel, name.substr(0, name.find('@'))});
  }
  if (IsHandedOut(source) && !tracking::IsLocalLocation(source)) {
    const auto id = ExperimentOfProxyUri(source);
    return id ? MayRead(user, {ResourceKind::kExperiment, *id}) : Result<bool>(false);
  }
  // Places that this server does not hand out, and local ones: those lie inside the folder of a
  // run or a logged model that is named beside them.
  return true;
}

Result<bool> AccessGuard::MayOnAll(const User& user, const AccessRule& rule,
                                   const std::vector<std::string>& experiments) const {
  for (const std::string& id : experiments) {
    MILL_ASSIGN_OR_RETURN(const bool may, MayOn(user, rule, {ResourceKind::kExperiment, id}));
    if (!may) {
      return false;
    }
  }
  return true;
}

Result<bool> AccessGuard::MayOnTraces(const User& user, const AccessRule& rule,
                                      const RoutedRequest& request,
                                      const Router::Match& match) const {
  if (rule.subject == AccessSubject::kTrace) {
    MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfTrace(request.params.at(0)));
    return MayOnAll(user, rule, {id});
  }
  if (rule.subject == AccessSubject::kExperimentOfHeader) {
    const std::string_view id = request.http.Header("X-MLflow-Experiment-Id");
    return MayOnAll(user, rule, {id.empty() ? std::string("0") : std::string(id)});
  }
  MILL_ASSIGN_OR_RETURN(const Message in,
                        Message::Read(request, match.action->fields, BuffersOfThisThread()));
  std::vector<std::string> traces;
  std::vector<std::string> experiments;
  // "mlflow_experiment": {"experiment_id": "7"}; another kind of place is not one of ours.
  const auto add_location = [&experiments](const std::optional<Object>& location) {
    const auto experiment =
        location ? location->ObjectIfSet("mlflow_experiment") : std::optional<Object>();
    experiments.push_back(experiment ? experiment->Text("experiment_id") : "0");
  };
  switch (rule.subject) {
    case AccessSubject::kAllExperiments:
      return MayOnAll(user, rule, in.Texts(rule.field));
    case AccessSubject::kLocations:
      for (const Object& location : in.Objects("locations")) {
        add_location(location);
      }
      return MayOnAll(user, rule, experiments);
    case AccessSubject::kTraceOfField:
      traces = {in.Text(rule.field)};
      break;
    case AccessSubject::kTraces:
      traces = in.Texts(rule.field);
      break;
    default:
      if (const auto trace = in.ObjectIfSet("trace")) {
        const auto info = trace->ObjectIfSet("trace_info");
        add_location(info ? info->ObjectIfSet("trace_location") : std::nullopt);
        traces = {info ? info->Text("trace_id") : ""};
      } else {
        experiments.push_back(in.Has("experiment_id") ? in.Text("experiment_id") : "0");
      }
  }
  for (const std::string& trace_id : traces) {
    Result<std::string> id = access_.ExperimentOfTrace(trace_id);
    if (id.ok()) {
      experiments.push_back(*std::move(id));
    } else if (id.error().code() != ErrorCode::kNotFound) {
      return id.error();  // of one that is not there the handler knows what to say
    }
  }
  return MayOnAll(user, rule, experiments);
}

Result<bool> AccessGuard::MayOnEvaluation(const User& user, const AccessRule& rule,
                                          const RoutedRequest& request,
                                          const Router::Match& match) const {
  const auto on_some = [&](const std::vector<std::string>& experiments) -> Result<bool> {
    return experiments.empty() ? Result<bool>(false) : MayOnAll(user, rule, experiments);
  };
  if (rule.subject == AccessSubject::kIssue) {
    MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfIssue(request.params.at(0)));
    return MayOnAll(user, rule, {id});
  }
  const bool is_dataset = rule.subject == AccessSubject::kEvaluationDataset ||
                          rule.subject == AccessSubject::kEvaluationDatasetAndExperiments;
  if (is_dataset) {
    MILL_ASSIGN_OR_RETURN(const auto experiments,
                          access_.ExperimentsOfEvaluationDataset(request.params.at(0)));
    MILL_ASSIGN_OR_RETURN(const bool may, on_some(experiments));
    if (!may || rule.subject == AccessSubject::kEvaluationDataset) {
      return may;
    }
  }
  MILL_ASSIGN_OR_RETURN(const Message in,
                        Message::Read(request, match.action->fields, BuffersOfThisThread()));
  if (rule.subject == AccessSubject::kScorers) {
    std::vector<std::string> experiments;
    for (const std::string& scorer_id : in.Texts(rule.field)) {
      Result<std::string> id = access_.ExperimentOfScorer(scorer_id);
      if (id.ok()) {
        experiments.push_back(*std::move(id));
      } else if (id.error().code() != ErrorCode::kNotFound) {
        return id.error();  // one that is not there is left out of the reply
      }
    }
    return MayOnAll(user, rule, experiments);
  }
  if (rule.subject == AccessSubject::kOneOrSomeExperiments && !in.Text("experiment_id").empty()) {
    return MayOnAll(user, rule, {in.Text("experiment_id")});
  }
  if (rule.field.empty()) {
    return false;
  }
  return on_some(in.Texts(rule.field));
}

Result<bool> AccessGuard::May(const User& user, const AccessRule& rule,
                              const RoutedRequest& request, const Router::Match& match) const {
  const auto on_experiment = [&](const std::string& id) {
    return MayOn(user, rule, {ResourceKind::kExperiment, id});
  };
  if (rule.subject == AccessSubject::kLoggedModel) {
    MILL_ASSIGN_OR_RETURN(const std::string id,
                          access_.ExperimentOfLoggedModel(request.params.at(0)));
    return on_experiment(id);
  }
  if (rule.subject == AccessSubject::kArtifacts && !request.params.empty()) {
    const auto id = ExperimentOfPath(PercentDecode(request.params.back()));
    return id ? on_experiment(*id) : Result<bool>(false);
  }
  switch (rule.subject) {
    case AccessSubject::kAllExperiments:
    case AccessSubject::kLocations:
    case AccessSubject::kTrace:
    case AccessSubject::kTraceOfField:
    case AccessSubject::kTraces:
    case AccessSubject::kNewTrace:
    case AccessSubject::kExperimentOfHeader:
      return MayOnTraces(user, rule, request, match);
    case AccessSubject::kSomeExperiments:
    case AccessSubject::kEvaluationDataset:
    case AccessSubject::kEvaluationDatasetAndExperiments:
    case AccessSubject::kOneOrSomeExperiments:
    case AccessSubject::kIssue:
    case AccessSubject::kScorers:
      return MayOnEvaluation(user, rule, request, match);
    default:
      break;
  }
  if (rule.subject == AccessSubject::kRunOfQuery) {
    std::string run_id = FromQuery(request.http, "run_id");
    run_id = run_id.empty() ? FromQuery(request.http, "run_uuid") : std::move(run_id);
    MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfRun(run_id));
    return on_experiment(id);
  }
  if (rule.subject == AccessSubject::kEndpoint) {
    return MayAsk(user, rule, request);
  }
  if (rule.subject == AccessSubject::kModelOfQuery) {
    return MayOn(user, rule, {ResourceKind::kRegisteredModel, FromQuery(request.http, rule.field)});
  }
  MILL_ASSIGN_OR_RETURN(const Message in,
                        Message::Read(request, match.action->fields, BuffersOfThisThread()));
  switch (rule.subject) {
    case AccessSubject::kUser:
      return in.Text(rule.field) == user.username;
    case AccessSubject::kExperiment:
      return on_experiment(in.Has(rule.field) ? in.Text(rule.field) : "0");
    case AccessSubject::kExperimentName: {
      MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfName(in.Text(rule.field)));
      return on_experiment(id);
    }
    case AccessSubject::kRun: {
      MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfRun(in.RunId()));
      return on_experiment(id);
    }
    case AccessSubject::kRuns:
      for (const std::string& run_id : in.Texts(rule.field)) {
        const Result<std::string> id = access_.ExperimentOfRun(run_id);
        if (!id.ok() && id.error().code() == ErrorCode::kNotFound) {
          continue;  // the handler knows what to say of a run that is not there
        }
        if (!id.ok()) {
          return id.error();
        }
        MILL_ASSIGN_OR_RETURN(const bool may, on_experiment(*id));
        if (!may) {
          return false;
        }
      }
      return true;
    case AccessSubject::kRegisteredModel:
      return MayOn(user, rule, {ResourceKind::kRegisteredModel, in.Text(rule.field)});
    case AccessSubject::kNewExperiment:
      // Its runs would otherwise open the folder of another experiment to who makes it.
      return in.Text("artifact_location").empty() || !IsHandedOut(in.Text("artifact_location"));
    case AccessSubject::kNewVersion: {
      MILL_ASSIGN_OR_RETURN(
          const bool may, MayOn(user, rule, {ResourceKind::kRegisteredModel, in.Text(rule.field)}));
      if (may && !in.Text("model_id").empty()) {
        MILL_ASSIGN_OR_RETURN(const std::string id,
                              access_.ExperimentOfLoggedModel(in.Text("model_id")));
        MILL_ASSIGN_OR_RETURN(const bool may_read, MayRead(user, {ResourceKind::kExperiment, id}));
        if (!may_read) {
          return false;
        }
      }
      if (!may || !in.Has("run_id") || in.Text("run_id").empty()) {
        return may ? MayUseSource(user, in.Text("source")) : Result<bool>(false);
      }
      MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfRun(in.Text("run_id")));
      MILL_ASSIGN_OR_RETURN(const bool may_read, MayRead(user, {ResourceKind::kExperiment, id}));
      return may_read ? MayUseSource(user, in.Text("source")) : Result<bool>(false);
    }
    case AccessSubject::kArtifacts: {
      const auto id = ExperimentOfPath(in.Text(rule.field));
      return id ? on_experiment(*id) : Result<bool>(false);
    }
    case AccessSubject::kResource: {
      // Everybody may see what they may do themselves.
      if (request.http.method == "GET" && in.Text("username") == user.username) {
        return true;
      }
      MILL_ASSIGN_OR_RETURN(const Resource resource, NamedResource(in));
      return MayOn(user, rule, resource);
    }
    default:
      return false;
  }
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
  const Result<bool> may = May(user, *rule, request, match);
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
