// SPDX-License-Identifier: Apache-2.0
// The whole interface: routes, counting, the last catch.
#include "api/server_api.h"

#include <chrono>
#include <exception>
#include <future>
#include <utility>

#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "api/metrics.h"
#include "api/router.h"
#include "base/check.h"
#include "base/log.h"

namespace millrace::api {

namespace {

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

net::Response ErrorIn(bool is_inference, int status, std::string_view message) {
  return is_inference ? internal::InferenceError(status, message)
                      : internal::MlflowError(status, CodeOfStatus(status), message);
}

}  // namespace

struct Api::Impl {
  base::Logger* logger = nullptr;
  mutable Metrics metrics;
  Router router;

  static net::Response Run(const RouteAction& action, const RoutedRequest& request) {
    if (action.answer) {
      return action.answer(request);
    }
    const auto promise = std::make_shared<std::promise<net::Response>>();
    std::future<net::Response> reply = promise->get_future();
    action.answer_later(request,
                        [promise](net::Response it) { promise->set_value(std::move(it)); });
    return reply.get();
  }

  net::Response Answer(const net::Request& request, std::string_view path,
                       const Router::Match& match) const {
    const bool is_inference = path == "/v2" || path.starts_with("/v2/");
    if (match.action == nullptr && match.allow.empty()) {
      return ErrorIn(
          is_inference, 404,
          "no route " + std::string(request.method) + " " + std::string(path.substr(0, 200)));
    }
    if (match.action == nullptr) {
      net::Response response = ErrorIn(
          is_inference, 405,
          "method " + std::string(request.method) + " is not allowed here; use " + match.allow);
      response.headers.emplace_back("Allow", match.allow);
      return response;
    }
    try {
      return Run(*match.action, {request, match.params});
    } catch (const std::exception& e) {
      if (logger != nullptr) {
        logger->Error("api", "handler_threw", {{"route", match.pattern}, {"what", e.what()}});
      }
      return ErrorIn(is_inference, 500,
                     "the server failed while it answered this request; its log has the reason");
    }
  }
};

Api::Api(const Context& context, ApiParts parts) : impl_(std::make_unique<Impl>()) {
  MILL_CHECK(parts.endpoints != nullptr);
  impl_->logger = context.logger;
  internal::AddHealthRoutes(parts, impl_->metrics, impl_->router);
  internal::AddScoringRoutes(parts, impl_->router);
  internal::AddInferenceRoutes(parts, impl_->router);
  if (parts.online != nullptr) {
    internal::AddOnlineRoutes(*parts.online, impl_->router);
  }
  internal::AddServerRoutes(impl_->router);
  for (const std::string& pattern : impl_->router.Patterns()) {
    impl_->metrics.AddRoute(pattern);
  }
  impl_->metrics.AddRoute("other");
}

Api::~Api() = default;

net::Response Api::Handle(const net::Request& request) const {
  const auto start = std::chrono::steady_clock::now();
  const std::string_view path = request.path();
  const Router::Match match = impl_->router.Find(request.method, path);
  net::Response response = impl_->Answer(request, path, match);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  impl_->metrics.Record(match.pattern, response.status, seconds.count());
  return response;
}

net::Response Api::ErrorReply(int status, std::string_view message) {
  return ErrorIn(false, status, message);
}

}  // namespace millrace::api
