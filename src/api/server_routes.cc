// SPDX-License-Identifier: Apache-2.0
// What the server says about itself: a page for people, and what MLflow's clients ask before they
// begin.
#include <string>

#include "api/internal/json_writer.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "models/mlflow_layout.h"

namespace millrace::api::internal {

namespace {

// MLflow's clients print links such as /#/experiments/1/runs/abc; the part behind # stays in the
// browser, so all of them arrive here.
net::Response FrontPage() {
  net::Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Millrace</title>"
      "</head>\n<body><h1>Millrace " MILLRACE_VERSION
      "</h1>\n<p>This server tracks experiments and keeps models; it speaks the REST interface of "
      "MLflow " +
      std::string(models::kMlflowVersion) +
      ". It has no pages for experiments and runs: ask it with MLflow's clients, with "
      "<code>millrace runs show</code>, or over HTTP: <a href=\"/api/openapi.yaml\">the routes "
      "(OpenAPI)</a>.</p>\n</body></html>\n";
  return response;
}

std::string ServerInfo() {
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Text("store_type", "SqlStore");
  out.Bool("workspaces_enabled", false);
  out.Bool("trace_archival_enabled", false);
  out.Bool("multipart_uploads_enabled", false);
  out.Bool("multipart_downloads_enabled", false);
  out.Bool("presigned_upload_run_id_supported", false);
  out.Bool("presigned_upload_model_id_supported", false);
  out.Key("features_enabled");
  out.BeginObject();
  out.Bool("gateway", false);
  out.EndObject();
  out.Text("millrace_version", MILLRACE_VERSION);
  out.EndObject();
  return body;
}

}  // namespace

void AddServerRoutes(const ApiParts& parts, Router& router) {
  if (!parts.description.empty()) {
    router.Add("GET", "/api/openapi.yaml",
               [description = std::string(parts.description)](const RoutedRequest&) {
                 net::Response response;
                 response.content_type = "application/yaml";
                 response.body = description;
                 return response;
               });
  }
  router.Add("GET", "/", [](const RoutedRequest&) { return FrontPage(); });
  for (const std::string root : {"/api/3.0", "/ajax-api/3.0"}) {
    router.Add("GET", root + "/mlflow/server-info",
               [](const RoutedRequest&) { return JsonReply(ServerInfo()); });
    // Nothing is ever collected.
    router.Add("GET", root + "/mlflow/ui-telemetry", [](const RoutedRequest&) {
      return JsonReply(
          R"({"disable_ui_events":[],"disable_ui_telemetry":true,"ui_rollout_percentage":0})");
    });
    router.Add("POST", root + "/mlflow/ui-telemetry",
               [](const RoutedRequest&) { return JsonReply(R"({"status":"disabled"})"); });
  }
}

}  // namespace millrace::api::internal
