// SPDX-License-Identifier: Apache-2.0
// The whole interface: routes, counting, the last catch.
#include "api/server_api.h"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "api/internal/access_guard.h"
#include "api/internal/artifact_places.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "api/internal/switched_off.h"
#include "api/metrics.h"
#include "api/router.h"
#include "base/check.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace millrace::api {

namespace {

// Threads for what waits: disks, object stores, other servers. They wait far more than they
// compute.
constexpr int kPoolThreads = 8;
// Read within a few hundred microseconds: a batch of a thousand metrics.
constexpr std::size_t kShortBody = 256 * 1024;

std::string_view CodeOfStatus(int status) {
  switch (status) {
    case 404:
      return "ENDPOINT_NOT_FOUND";
    case 408:
      return "DEADLINE_EXCEEDED";
    case 413:
    case 431:
      return "RESOURCE_EXHAUSTED";
    case 500:
      return "INTERNAL_ERROR";
    case 501:
      return "NOT_IMPLEMENTED";
    case 503:
      return "TEMPORARILY_UNAVAILABLE";
    default:
      return "BAD_REQUEST";
  }
}

bool IsInference(std::string_view path) {
  return path == "/v2" || path.starts_with("/v2/");
}

net::Response ErrorIn(bool is_inference, int status, std::string_view message) {
  return is_inference ? internal::InferenceError(status, message)
                      : internal::MlflowError(status, CodeOfStatus(status), message);
}

}  // namespace

struct Api::Impl {
  class MarkedReply;
  class MarkedSink;
  explicit Impl(SecurityOptions options) : security(std::move(options)) {}

  base::Logger* logger = nullptr;
  Security security;
  std::optional<internal::AccessGuard> guard;
  std::optional<internal::ArtifactPlaces> places;
  mutable Metrics metrics;
  Router router;
  // Destroyed first: its tasks use the rest.
  mutable base::ThreadPool pool{"api", kPoolThreads};

  net::Response NoRoute(const net::Request& request, const Router::Match& match) const;
  net::Response Failed(const net::Request& request, std::string_view pattern,
                       std::string_view what) const;
  net::Response Answer(const RoutedRequest& request, const Router::Match& match) const;
  void Begin(const RoutedRequest& request, const Router::Match& match, net::Reply reply) const;
  void AnswerLater(RoutedRequest request, const Router::Match& match, net::Reply reply) const;
  /// The refusal of what its sender may not do, for routes that Answer does not answer.
  std::optional<net::Response> Refuse(const RoutedRequest& request,
                                      const Router::Match& match) const {
    return guard ? guard->Refuse(request, match) : std::nullopt;
  }
  void Handle(const net::Request& request, Router::Match match,
              std::chrono::steady_clock::time_point start, net::Reply reply) const;
};

// Marks and counts a reply when it is sent. Everything it needs of the request is looked at before.
class Api::Impl::MarkedReply final : public net::ReplyTarget {
 public:
  MarkedReply(const Impl& api, const net::Request& request, std::string_view pattern,
              std::chrono::steady_clock::time_point start, net::Reply reply)
      : api_(api), request_(request), pattern_(pattern), start_(start), reply_(std::move(reply)) {}
  void Deliver(net::Response response) override {
    Count(response.status);
    api_.security.Mark(request_, response);
    reply_.Send(std::move(response));
  }
  void DeliverDropped() override {
    Count(500);
    const net::Reply dropped = std::move(reply_);
  }

 private:
  void Count(int status) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
    api_.metrics.Record(pattern_, status, seconds.count());
  }

  const Impl& api_;
  const net::Request& request_;
  std::string_view pattern_;
  std::chrono::steady_clock::time_point start_;
  net::Reply reply_;
};

// Answers through a MarkedReply whatever the sink behind it does.
class Api::Impl::MarkedSink final : public net::BodySink {
 public:
  MarkedSink(std::unique_ptr<net::BodySink> sink, const Impl& api, std::string_view pattern)
      : sink_(std::move(sink)), api_(api), pattern_(pattern) {}
  std::optional<net::Response> Write(std::string_view bytes) override {
    std::optional<net::Response> refusal = sink_->Write(bytes);
    if (refusal) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
      api_.metrics.Record(pattern_, refusal->status, seconds.count());
    }
    return refusal;
  }
  void Finish(const net::Request& request, net::Reply reply) override {
    sink_->Finish(request, net::Reply(std::make_shared<MarkedReply>(api_, request, pattern_, start_,
                                                                    std::move(reply))));
  }

 private:
  std::unique_ptr<net::BodySink> sink_;
  const Impl& api_;
  std::string_view pattern_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

net::Response Api::Impl::NoRoute(const net::Request& request, const Router::Match& match) const {
  const std::string_view path = request.path();
  const bool is_inference = IsInference(path);
  if (match.allow.empty()) {
    return ErrorIn(
        is_inference, 404,
        "no route " + std::string(request.method) + " " + std::string(path.substr(0, 200)));
  }
  net::Response response =
      ErrorIn(is_inference, 405,
              "method " + std::string(request.method) + " is not allowed here; use " + match.allow);
  response.headers.emplace_back("Allow", match.allow);
  return response;
}

net::Response Api::Impl::Failed(const net::Request& request, std::string_view pattern,
                                std::string_view what) const {
  if (logger != nullptr) {
    logger->Error("api", "handler_threw", {{"route", pattern}, {"what", what}});
  }
  return ErrorIn(IsInference(request.path()), 500,
                 "the server failed while it answered this request; its log has the reason");
}

net::Response Api::Impl::Answer(const RoutedRequest& request, const Router::Match& match) const {
  if (match.action == nullptr || !match.action->answer) {
    return NoRoute(request.http, match);
  }
  try {
    return guard ? guard->Answer(request, match) : match.action->answer(request);
  } catch (const std::exception& e) {
    return Failed(request.http, match.pattern, e.what());
  }
}

void Api::Impl::Begin(const RoutedRequest& request, const Router::Match& match,
                      net::Reply reply) const {
  if (std::optional<net::Response> refusal = Refuse(request, match)) {
    reply.Send(*std::move(refusal));
    return;
  }
  try {
    match.action->answer_later(request, std::move(reply));
  } catch (const std::exception& e) {
    // The reply was dropped, which answers with 500.
    if (logger != nullptr) {
      logger->Error("api", "handler_threw", {{"route", match.pattern}, {"what", e.what()}});
    }
  }
}

void Api::Impl::AnswerLater(RoutedRequest request, const Router::Match& match,
                            net::Reply reply) const {
  // Reading a long body takes its time as well.
  if (!match.action->blocks && request.http.body.size() <= kShortBody) {
    Begin(request, match, std::move(reply));
    return;
  }
  // A task must be copyable, which a Reply is not.
  pool.Submit([this, request = std::move(request), match,
               owed = std::make_shared<net::Reply>(std::move(reply))] {
    if (match.action->answer) {
      owed->Send(Answer(request, match));
    } else {
      Begin(request, match, std::move(*owed));
    }
  });
}

Api::Api(const Context& context, ApiParts parts) : impl_(std::make_unique<Impl>(parts.security)) {
  MILL_CHECK(parts.endpoints != nullptr);
  impl_->logger = context.logger;
  if (parts.access != nullptr) {
    impl_->guard.emplace(*parts.access, parts.endpoints, context.logger);
    internal::AddAccessRoutes(*parts.access, impl_->router);
    internal::AddRoleRoutes(*parts.access, impl_->router);
    internal::AddSignupRoutes(*parts.access, impl_->router);
  }
  internal::AddHealthRoutes(parts, impl_->metrics, impl_->router);
  internal::AddScoringRoutes(parts, impl_->router);
  internal::AddInferenceRoutes(parts, impl_->router);
  if (parts.online != nullptr) {
    internal::AddOnlineRoutes(*parts.online, impl_->router);
  }
  if (parts.webhooks != nullptr) {
    internal::AddWebhookRoutes(*parts.webhooks, impl_->router);
  }
  internal::AddServerRoutes(parts, impl_->router);
  if (parts.tracking != nullptr) {
    internal::AddExperimentRoutes(*parts.tracking, impl_->router);
    internal::AddRunRoutes(*parts.tracking, impl_->router);
    internal::AddLoggingRoutes(*parts.tracking, parts.refuses_long_values, impl_->router);
    internal::AddMetricRoutes(*parts.tracking, impl_->router);
    internal::AddLoggedModelRoutes(*parts.tracking, impl_->router);
    internal::AddGatewayProxyRoutes(parts.deployments_target, impl_->router);
    internal::AddSwitchedOffRoutes(impl_->router);
    internal::AddGraphqlRoutes(impl_->router, [impl = impl_.get()](const net::Request& request) {
      Router::Match match = impl->router.Find(request.method, request.path());
      const RoutedRequest routed{request, std::move(match.params)};
      return impl->Answer(routed, match);
    });
  }
  if (parts.artifacts != nullptr) {
    internal::AddArtifactRoutes(*parts.artifacts, impl_->router);
    if (parts.tracking != nullptr) {
      impl_->places.emplace(*parts.artifacts, parts.artifact_folders);
      internal::AddArtifactViews(*impl_->places, *parts.tracking, parts.registry, impl_->router);
      internal::AddPromptlabRoutes(*parts.tracking, *impl_->places, impl_->router);
    }
  }
  if (parts.traces != nullptr) {
    internal::AddTraceRoutes(*parts.traces, impl_->router);
    internal::AddTraceMetricRoutes(*parts.traces, impl_->router);
  }
  if (parts.evaluation_datasets != nullptr) {
    internal::AddEvaluationRoutes(*parts.evaluation_datasets, impl_->router);
  }
  if (parts.issues != nullptr) {
    internal::AddIssueRoutes(*parts.issues, impl_->router);
  }
  if (parts.scorers != nullptr) {
    internal::AddScorerRoutes(*parts.scorers, impl_->router);
  }
  if (parts.registry != nullptr) {
    internal::AddRegistryRoutes(*parts.registry, impl_->router);
    internal::AddVersionRoutes(*parts.registry, impl_->router);
  }
  for (const std::string& pattern : impl_->router.Patterns()) {
    impl_->metrics.AddRoute(pattern);
  }
  impl_->metrics.AddRoute("other");
}

Api::~Api() = default;

void Api::Handle(const net::Request& request, net::Reply reply) const {
  const auto start = std::chrono::steady_clock::now();
  if (std::optional<net::Response> refusal = impl_->security.Intercept(request)) {
    impl_->security.Mark(request, *refusal);
    impl_->metrics.Record("", refusal->status, 0);
    reply.Send(std::move(*refusal));
    return;
  }
  Router::Match match = impl_->router.Find(request.method, request.path());
  if (impl_->guard && match.action != nullptr && !impl_->guard->IsQuick(request, match)) {
    // The request lives until its reply is sent.
    impl_->pool.Submit([impl = impl_.get(), &request, match, start,
                        owed = std::make_shared<net::Reply>(std::move(reply))] {
      impl->Handle(request, match, start, std::move(*owed));
    });
    return;
  }
  impl_->Handle(request, std::move(match), start, std::move(reply));
}

void Api::Impl::Handle(const net::Request& request, Router::Match match,
                       std::chrono::steady_clock::time_point start, net::Reply reply) const {
  RoutedRequest routed{request, std::move(match.params)};
  if (match.action != nullptr && (match.action->blocks || match.action->answer_later)) {
    net::Reply marked(
        std::make_shared<MarkedReply>(*this, request, match.pattern, start, std::move(reply)));
    AnswerLater(std::move(routed), match, std::move(marked));
    return;
  }
  net::Response response = Answer(routed, match);
  security.Mark(request, response);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  metrics.Record(match.pattern, response.status, seconds.count());
  reply.Send(std::move(response));
}

net::BodyRoute Api::RouteBody(const net::Request& head) const {
  if (head.method != "PUT") {
    return {};
  }
  Router::Match match = impl_->router.Find(head.method, head.path());
  if (match.action == nullptr || !match.action->take_body) {
    return {};
  }
  net::BodyRoute route;
  if (std::optional<net::Response> refusal = impl_->security.Intercept(head)) {
    impl_->security.Mark(head, *refusal);
    impl_->metrics.Record("", refusal->status, 0);
    route.refusal = std::move(refusal);
    return route;
  }
  const RoutedRequest routed{head, match.params};
  route.refusal = impl_->Refuse(routed, match);
  try {
    if (!route.refusal) {
      route = match.action->take_body(routed);
    }
  } catch (const std::exception& e) {
    route.refusal = impl_->Failed(head, match.pattern, e.what());
  }
  if (route.refusal) {
    impl_->security.Mark(head, *route.refusal);
    impl_->metrics.Record(match.pattern, route.refusal->status, 0);
  } else if (route.sink != nullptr) {
    route.sink = std::make_unique<Impl::MarkedSink>(std::move(route.sink), *impl_, match.pattern);
  }
  return route;
}

net::ServerOptions Api::ServerOptions() const {
  net::ServerOptions options;
  options.error_reply = ErrorReply;
  options.body_sink = [this](const net::Request& head) { return RouteBody(head); };
  options.executor = [pool = &impl_->pool](std::function<void()> task) {
    pool->Submit(std::move(task));
  };
  return options;
}

net::Handler Api::Handler() const {
  return
      [this](const net::Request& request, net::Reply reply) { Handle(request, std::move(reply)); };
}

const Router& Api::router() const {
  return impl_->router;
}

net::Response Api::ErrorReply(int status, std::string_view message) {
  return ErrorIn(false, status, message);
}

}  // namespace millrace::api
