// SPDX-License-Identifier: Apache-2.0
// Open Inference Protocol, version 2, REST.
#include "api/internal/json_writer.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "api/internal/row_reader.h"
#include "api/internal/scoring.h"

namespace millrace::api::internal {

namespace {

bool IsReady(const serving::EndpointSet& endpoints) {
  const auto all = endpoints.All();
  for (const auto& endpoint : *all) {
    if (!endpoint->Current()) {
      return false;
    }
  }
  return !all->empty();
}

// The endpoint of a path, and the version if the path names one.
Result<Answering> FindModel(const serving::EndpointSet& endpoints, const RoutedRequest& request) {
  MILL_ASSIGN_OR_RETURN(Answering answering, FindEndpoint(endpoints, request.params[0]));
  const std::string version = std::to_string(answering.snapshot->version().version);
  if (request.params.size() > 1 && request.params[1] != version) {
    return base::NotFound("version \"" + request.params[1] + "\" of \"" + request.params[0] +
                          "\" is not served; version " + version + " is")
        .Hint("leave the version out of the URL to ask the one that is served");
  }
  return answering;
}

void AppendTensor(std::string_view name, std::string_view datatype, std::string& out) {
  out.append("{\"name\":");
  AppendJsonString(name, out);
  out.append(",\"datatype\":\"").append(datatype).append("\",\"shape\":[-1]}");
}

net::Response Metadata(const Result<Answering>& answering) {
  if (!answering.ok()) {
    return InferenceError(answering.error());
  }
  const serving::Snapshot& snapshot = *answering->snapshot;
  std::string body = "{\"name\":";
  AppendJsonString(snapshot.spec().name, body);
  body += ",\"versions\":[\"" + std::to_string(snapshot.version().version) +
          "\"],\"platform\":\"millrace\",\"inputs\":[";
  for (std::size_t c = 0; c < snapshot.n_columns(); ++c) {
    body += c == 0 ? "" : ",";
    AppendTensor(snapshot.columns()[c].name,
                 snapshot.columns()[c].type == models::ColumnSpec::Type::kLong ? "INT64" : "FP64",
                 body);
  }
  body += "],\"outputs\":[";
  AppendTensor(snapshot.model().signature().outputs.front().name, "FP64", body);
  body += "],\"properties\":{";
  if (snapshot.has_key()) {
    body += "\"key\":";
    AppendJsonString(snapshot.spec().key, body);
    body += std::string(",\"key_datatype\":\"") +
            (snapshot.key_type() == data::ColumnType::kString ? "BYTES" : "INT64") + "\"";
  }
  body += "}}";
  return JsonReply(std::move(body));
}

Result<net::Response> Infer(const Answering& answering, const net::Request& request) {
  if (!request.Header("inference-header-content-length").empty()) {
    return base::InvalidArgument("the request carries binary tensors")
        .Hint("send the tensors' data as JSON lists");
  }
  const serving::Snapshot& snapshot = *answering.snapshot;
  Workspace& workspace = ThreadWorkspace();
  BlockWriter writer(snapshot, workspace.block);
  MILL_ASSIGN_OR_RETURN(const InferenceRequest inference, ReadInferenceJson(request.body, writer));
  const std::string& output = snapshot.model().signature().outputs.front().name;
  for (const std::string& wanted : inference.outputs) {
    if (wanted != output) {
      return base::InvalidArgument("no output \"" + wanted + "\"; this model has \"" + output +
                                   "\"");
    }
  }
  MILL_RETURN_IF_ERROR(snapshot.Score(workspace.block, workspace.scores));
  answering.endpoint->CountRows(workspace.block.n_rows);
  net::Response response;
  std::string& body = response.body;
  body.append("{\"model_name\":");
  AppendJsonString(snapshot.spec().name, body);
  body.append(",\"model_version\":\"")
      .append(std::to_string(snapshot.version().version))
      .append("\"");
  if (inference.id) {
    body.append(",\"id\":");
    AppendJsonString(*inference.id, body);
  }
  if (const auto as_of = FeaturesAsOf(workspace.scores)) {
    body.append(",\"parameters\":{\"features_as_of\":");
    AppendJsonString(*as_of, body);
    body.push_back('}');
    response.headers.emplace_back(kAsOfHeader, *as_of);
  }
  body.append(",\"outputs\":[{\"name\":");
  AppendJsonString(output, body);
  body.append(",\"datatype\":\"FP64\",\"shape\":[")
      .append(std::to_string(workspace.block.n_rows))
      .append("],\"data\":");
  AppendJsonDoubles(workspace.scores.values, body);
  body.append("}]}");
  return response;
}

net::Response InferRoute(const Result<Answering>& answering, const net::Request& request) {
  if (!answering.ok()) {
    return InferenceError(answering.error());
  }
  Result<net::Response> response = Infer(*answering, request);
  return response.ok() ? *std::move(response) : InferenceError(response.error());
}

net::Response ModelReady(const serving::EndpointSet& endpoints, const RoutedRequest& request) {
  const Result<Answering> answering = FindModel(endpoints, request);
  if (!answering.ok() && answering.error().code() != ErrorCode::kUnavailable) {
    return InferenceError(answering.error());
  }
  std::string body = "{\"name\":";
  AppendJsonString(request.params[0], body);
  body += std::string(",\"ready\":") + (answering.ok() ? "true" : "false") + "}";
  return JsonReply(std::move(body), answering.ok() ? 200 : 503);
}

}  // namespace

void AddInferenceRoutes(const ApiParts& parts, Router& router) {
  const serving::EndpointSet& endpoints = *parts.endpoints;
  const auto server = [](const RoutedRequest&) {
    return JsonReply(std::string("{\"name\":\"millrace\",\"version\":\"") + MILLRACE_VERSION +
                     "\",\"extensions\":[]}");
  };
  router.Add("GET", "/v2", server);
  router.Add("GET", "/v2/", server);
  router.Add("GET", "/v2/health/live",
             [](const RoutedRequest&) { return JsonReply("{\"live\":true}"); });
  router.Add("GET", "/v2/health/ready", [&endpoints](const RoutedRequest&) {
    const bool is_ready = IsReady(endpoints);
    return JsonReply(std::string("{\"live\":true,\"ready\":") + (is_ready ? "true}" : "false}"),
                     is_ready ? 200 : 503);
  });
  for (const std::string model : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    router.Add("GET", model, [&endpoints](const RoutedRequest& request) {
      return Metadata(FindModel(endpoints, request));
    });
    router.Add("GET", model + "/ready", [&endpoints](const RoutedRequest& request) {
      return ModelReady(endpoints, request);
    });
    router.Add("POST", model + "/infer", [&endpoints](const RoutedRequest& request) {
      return InferRoute(FindModel(endpoints, request), request.http);
    });
  }
}

}  // namespace millrace::api::internal
