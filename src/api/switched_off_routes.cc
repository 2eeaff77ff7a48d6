// SPDX-License-Identifier: Apache-2.0
// What is off here, as one table. The answers are those of MLflow 3.17.2 with
// MLFLOW_ENABLE_AI_GATEWAY=false, MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false and no workspaces; after
// MLflow's words they say why, and where to go, as no variable switches these features on here.
#include <string>
#include <utility>

#include "api/internal/json_writer.h"
#include "api/internal/replies.h"
#include "api/internal/switched_off.h"

namespace millrace::api::internal {

namespace {

constexpr std::string_view kGatewayOff =
    "The AI Gateway feature is disabled: this server asks no language models. Start MLflow's own "
    "gateway beside it; its --deployments-target hands the prompt lab's requests to one.";
constexpr std::string_view kJobsOff =
    "Mlflow server job execution feature is not enabled: this server runs no Python. Run the "
    "evaluation or optimization in a client of this server, with mlflow.genai.";

net::Response NotImplemented(std::string_view message) {
  return MlflowError(501, "NOT_IMPLEMENTED", message);
}

/// The form of MLflow's newer routes.
net::Response Detail(int status, std::string_view message) {
  std::string body = "{\"detail\":";
  AppendJsonString(message, body);
  body.push_back('}');
  return JsonReply(std::move(body), status);
}

net::Response Gateway(const RoutedRequest&) {
  return NotImplemented(kGatewayOff);
}
net::Response GatewayCall(const RoutedRequest&) {
  return Detail(501, kGatewayOff);
}

// MLflow refuses these two with 500, which its clients repeat for minutes.
net::Response Job(const RoutedRequest&) {
  return NotImplemented(kJobsOff);
}
net::Response JobCall(const RoutedRequest&) {
  return Detail(501, kJobsOff);
}

std::string UnknownJob(const RoutedRequest& request) {
  return "Job with ID " + request.params[0] + " not found";
}
net::Response NoJob(const RoutedRequest& request) {
  return MlflowError(404, "RESOURCE_DOES_NOT_EXIST", UnknownJob(request));
}
net::Response NoJobCall(const RoutedRequest& request) {
  return Detail(404, UnknownJob(request));
}
net::Response NoJobs(const RoutedRequest&) {
  return JsonReply(R"({"jobs":[]})");
}
net::Response NoOptimizations(const RoutedRequest&) {
  return JsonReply("{}");
}

net::Response Assistant(const RoutedRequest&) {
  return Detail(501,
                "The MLflow Assistant is off: this server starts no coding agent. Run the agent "
                "beside it, as a client of this server.");
}
net::Response Demo(const RoutedRequest&) {
  return NotImplemented(
      "Demo data is not made by this server. MLflow's own server makes it, and `millrace import "
      "mlflow` brings it here.");
}
net::Response LabelSchemas(const RoutedRequest&) {
  return NotImplemented(
      "Label schemas are not kept by this server. Keep judgements of people as feedback "
      "(mlflow.log_feedback) or expectations (mlflow.log_expectation) of a trace.");
}
net::Response ReviewQueues(const RoutedRequest&) {
  return NotImplemented(
      "Review queues are not kept by this server. Mark the traces of a review by a tag, and find "
      "them with mlflow.search_traces.");
}
net::Response McpServers(const RoutedRequest&) {
  return NotImplemented("MCP servers are not kept by this server: it keeps models and prompts.");
}

net::Response Workspaces(const RoutedRequest& request) {
  std::string_view path = request.http.path();
  if (!request.params.empty()) {
    path = path.substr(0, path.rfind('/') + 1);
  }
  net::Response response = TextReply(
      "Endpoint: " + std::string(path) + (request.params.empty() ? "" : "<workspace_name>") +
          " disabled because the server is running without workspaces support. Everything is in "
          "one workspace here; start a further server for another.",
      503);
  response.content_type = "text/html; charset=utf-8";
  return response;
}

constexpr SwitchedOffRoute kRoutes[] = {
    {"GET", "/mlflow/gateway/{path...}", Gateway},
    {"POST", "/mlflow/gateway/{path...}", Gateway},
    {"PATCH", "/mlflow/gateway/{path...}", Gateway},
    {"DELETE", "/mlflow/gateway/{path...}", Gateway},
    {"GET", "/gateway/{path...}", GatewayCall},
    {"POST", "/gateway/{path...}", GatewayCall},

    {"POST", "/jobs/", JobCall},
    {"POST", "/jobs/search", NoJobs},
    {"GET", "/jobs/{job_id}", NoJobCall},
    {"PATCH", "/jobs/cancel/{job_id}", NoJobCall},
    {"GET", "/mlflow/jobs/{job_id}", NoJob},
    {"PATCH", "/mlflow/jobs/cancel/{job_id}", NoJob},
    {"POST", "/mlflow/scorer/invoke", Job},
    {"POST", "/mlflow/issues/invoke", Job},
    {"POST", "/mlflow/genai/evaluate/invoke", Job},
    {"POST", "/mlflow/prompt-optimization/jobs", Job},
    {"GET", "/mlflow/prompt-optimization/jobs/search", NoOptimizations},
    {"POST", "/mlflow/prompt-optimization/jobs/search", NoOptimizations},
    {"GET", "/mlflow/prompt-optimization/jobs/{job_id}", NoJob},
    {"DELETE", "/mlflow/prompt-optimization/jobs/{job_id}", NoJob},
    {"POST", "/mlflow/prompt-optimization/jobs/{job_id}/cancel", NoJob},

    {"GET", "/mlflow/assistant/{path...}", Assistant},
    {"POST", "/mlflow/assistant/{path...}", Assistant},
    {"PUT", "/mlflow/assistant/{path...}", Assistant},
    {"PATCH", "/mlflow/assistant/{path...}", Assistant},
    {"POST", "/mlflow/demo/generate", Demo},
    {"POST", "/mlflow/demo/delete", Demo},

    {"GET", "/mlflow/label-schemas/{path...}", LabelSchemas},
    {"POST", "/mlflow/label-schemas/{path...}", LabelSchemas},
    {"PATCH", "/mlflow/label-schemas/{path...}", LabelSchemas},
    {"DELETE", "/mlflow/label-schemas/{path...}", LabelSchemas},
    {"GET", "/mlflow/review-queues/{path...}", ReviewQueues},
    {"POST", "/mlflow/review-queues/{path...}", ReviewQueues},
    {"GET", "/mlflow/mcp-servers", McpServers},
    {"POST", "/mlflow/mcp-servers", McpServers},
    {"GET", "/mlflow/mcp-servers/{path...}", McpServers},
    {"POST", "/mlflow/mcp-servers/{path...}", McpServers},
    {"PATCH", "/mlflow/mcp-servers/{path...}", McpServers},
    {"DELETE", "/mlflow/mcp-servers/{path...}", McpServers},

    {"GET", "/mlflow/workspaces", Workspaces},
    {"POST", "/mlflow/workspaces", Workspaces},
    {"GET", "/mlflow/workspaces/{workspace_name}", Workspaces},
    {"PATCH", "/mlflow/workspaces/{workspace_name}", Workspaces},
    {"DELETE", "/mlflow/workspaces/{workspace_name}", Workspaces},
};

}  // namespace

std::span<const SwitchedOffRoute> SwitchedOffRoutes() {
  return kRoutes;
}

void AddSwitchedOffRoutes(Router& router) {
  for (const SwitchedOffRoute& route : kRoutes) {
    if (route.pattern.starts_with("/gateway/")) {
      router.Add(route.method, route.pattern, route.answer);
      continue;
    }
    for (const std::string root : {"/api/3.0", "/ajax-api/3.0"}) {
      router.Add(route.method, root + std::string(route.pattern), route.answer);
    }
  }
}

}  // namespace millrace::api::internal
