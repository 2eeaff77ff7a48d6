// SPDX-License-Identifier: Apache-2.0
// Routes that say whether the server lives, is ready, and what it counts.
#include <chrono>

#include "api/internal/json_writer.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "models/mlflow_layout.h"
#include "serving/endpoint.h"

namespace millrace::api::internal {

namespace {

net::Response Ready(const serving::EndpointSet* endpoints) {
  const auto all = endpoints == nullptr ? nullptr : endpoints->All();
  std::string body;
  bool is_ready = all != nullptr && !all->empty();
  for (std::size_t i = 0; all != nullptr && i < all->size(); ++i) {
    const serving::Endpoint& endpoint = *(*all)[i];
    const auto snapshot = endpoint.Current();
    is_ready = is_ready && snapshot != nullptr;
    body += body.empty() ? "" : ",";
    AppendJsonString(endpoint.name(), body);
    body += ":{\"ready\":";
    body += snapshot ? "true,\"version\":" + std::to_string(snapshot->version().version) : "false";
    if (const std::string problem = endpoint.problem(); !problem.empty()) {
      body += ",\"problem\":";
      AppendJsonString(problem, body);
    }
    body += "}";
  }
  return JsonReply(
      "{\"ready\":" + std::string(is_ready ? "true" : "false") + ",\"endpoints\":{" + body + "}}",
      is_ready ? 200 : 503);
}

}  // namespace

void AddHealthRoutes(const ApiParts& parts, const Metrics& metrics, Router& router) {
  const serving::EndpointSet* const endpoints = parts.endpoints;
  router.Add("GET", "/health", [](const RoutedRequest&) { return TextReply("OK"); });
  router.Add("GET", "/ping", [](const RoutedRequest&) { return JsonReply("\n"); });
  router.Add("GET", "/version",
             [](const RoutedRequest&) { return TextReply(models::kMlflowVersion); });
  router.Add("GET", "/ready", [endpoints](const RoutedRequest&) { return Ready(endpoints); });
  const auto start = std::chrono::steady_clock::now();
  router.Add("GET", "/metrics", [endpoints, &metrics, start](const RoutedRequest&) {
    const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - start;
    net::Response response = TextReply(metrics.Text(endpoints, uptime.count()));
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  });
}

}  // namespace millrace::api::internal
