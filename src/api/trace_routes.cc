// SPDX-License-Identifier: Apache-2.0
// Endpoints of traces and assessments: MLflow's protocols 2.0 and 3.0, and OpenTelemetry's export.
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/internal/inflate.h"
#include "api/internal/mount.h"
#include "api/internal/otlp.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "api/internal/trace_json.h"
#include "api/internal/tracking_json.h"
#include "base/json.h"
#include "tracking/traces.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;
using tracking::TraceStore;
using enum FieldType;

// What a body may hold that is not compressed.
constexpr std::size_t kMaxInflated = 64 * 1024 * 1024;
constexpr Field kStart[] = {{.name = "trace", .type = kObject, .is_required = true}};
constexpr Field kSearch[] = {
    {.name = "locations", .type = kObjects, .is_required = true},
    {.name = "filter"},
    {.name = "max_results", .type = kInt32, .max = 500},
    {.name = "order_by", .type = kTexts},
    {.name = "page_token"},
};
constexpr Field kOldSearch[] = {
    {.name = "experiment_ids", .type = kTexts, .is_required = true},
    {.name = "filter"},
    {.name = "max_results", .type = kInt32, .max = 500},
    {.name = "order_by", .type = kTexts},
    {.name = "page_token"},
};
constexpr Field kGet[] = {{.name = "trace_id", .is_required = true},
                          {.name = "allow_partial", .type = kBool}};
constexpr Field kGetMany[] = {{.name = "trace_ids", .type = kTexts, .is_required = true},
                              {.name = "experiment_ids", .type = kTexts}};
constexpr Field kDelete[] = {
    {.name = "experiment_id", .is_required = true},
    {.name = "max_timestamp_millis", .type = kInt64},
    {.name = "max_traces", .type = kInt32},
    {.name = "request_ids", .type = kTexts},
};
constexpr Field kSetTag[] = {{.name = "key", .is_required = true}, {.name = "value"}};
constexpr Field kDeleteTag[] = {{.name = "key", .is_required = true}};
constexpr Field kLinkToRun[] = {{.name = "trace_ids", .type = kTexts, .is_required = true},
                                {.name = "run_id", .is_required = true}};
constexpr Field kPromptFields[] = {{.name = "name"}, {.name = "version"}};
constexpr Field kLinkPrompts[] = {
    {.name = "trace_id", .is_required = true},
    {.name = "prompt_versions", .type = kObjects, .is_required = true, .fields = kPromptFields},
};
constexpr Field kOldStart[] = {
    {.name = "experiment_id"},
    {.name = "timestamp_ms", .type = kInt64},
    {.name = "request_metadata", .type = kObjects, .fields = kPairFields},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
};
constexpr std::string_view kStates[] = {"OK", "ERROR", "IN_PROGRESS"};
constexpr Field kStatus = {.name = "status", .type = kEnum, .names = kStates};
constexpr Field kOldEnd[] = {
    {.name = "timestamp_ms", .type = kInt64},
    kStatus,
    {.name = "request_metadata", .type = kObjects, .fields = kPairFields},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
};
constexpr Field kAssessment[] = {{.name = "assessment", .type = kObject, .is_required = true}};
constexpr Field kUpdateAssessment[] = {
    {.name = "assessment", .type = kObject, .is_required = true},
    {.name = "update_mask", .type = kAny, .is_required = true},
};
constexpr Field kArtifact[] = {{.name = "request_id", .is_required = true}};

// A member of the body as a document.
Result<json> Document(const Object& in, std::string_view name) {
  const std::optional<JsonValue> value = in.Value(name);
  if (!value.has_value()) {
    return MissingParameter(name);
  }
  const std::string_view raw = value->raw();
  return base::ParseJson(value->is_string() ? '"' + std::string(raw) + '"' : std::string(raw),
                         name);
}

std::string Wrapped(const char* name, json value) {
  return base::DumpJson({{name, std::move(value)}});
}

Result<std::string> InfoReply(const Result<tracking::TraceInfo>& info) {
  if (!info.ok()) {
    return info.error();
  }
  return Wrapped("trace", {{"trace_info", TraceInfoJson(*info)}});
}

Result<std::string> OldInfoReply(const Result<tracking::TraceInfo>& info) {
  if (!info.ok()) {
    return info.error();
  }
  return Wrapped("trace_info", OldTraceInfoJson(*info));
}

Result<std::string> AssessmentReply(const Result<tracking::Assessment>& assessment) {
  if (!assessment.ok()) {
    return assessment.error();
  }
  return Wrapped("assessment", AssessmentJson(*assessment));
}

Result<std::string> Start(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const json trace, Document(in, "trace"));
  MILL_ASSIGN_OR_RETURN(tracking::TraceInfo info, ReadTraceInfo(trace.value("trace_info", json())));
  return InfoReply(store.Start(std::move(info), true));
}

std::string PageReply(const tracking::Page<tracking::TraceInfo>& page,
                      json (*write)(const tracking::TraceInfo&)) {
  json reply = json::object();
  for (const tracking::TraceInfo& info : page.items) {
    reply["traces"].push_back(write(info));
  }
  if (!page.next_page_token.empty()) {
    reply["next_page_token"] = page.next_page_token;
  }
  return base::DumpJson(reply);
}

tracking::TraceSearch ReadSearch(const Message& in) {
  return {.filter = in.Text("filter"),
          .order_by = in.Texts("order_by"),
          .page_token = in.Text("page_token"),
          .max_results = in.Count("max_results", 100)};
}

Result<std::string> Search(TraceStore& store, const Message& in) {
  tracking::TraceSearch search = ReadSearch(in);
  for (const Object& location : in.Objects("locations")) {
    const auto experiment = location.Value("mlflow_experiment");
    if (experiment.has_value() && experiment->is_object() &&
        Object(*experiment).Has("experiment_id")) {
      search.experiment_ids.push_back(Object(*experiment).Text("experiment_id"));
    }
  }
  MILL_ASSIGN_OR_RETURN(const auto page, store.Search(search));
  return PageReply(page, TraceInfoJson);
}

Result<std::string> OldSearch(TraceStore& store, const Message& in) {
  tracking::TraceSearch search = ReadSearch(in);
  search.experiment_ids = in.Texts("experiment_ids");
  MILL_ASSIGN_OR_RETURN(const auto page, store.Search(search));
  return PageReply(page, OldTraceInfoJson);
}

std::optional<std::vector<std::string>> ExperimentScope(const Message& in) {
  return in.Has("experiment_ids") ? std::optional(in.Texts("experiment_ids")) : std::nullopt;
}

Result<std::string> GetMany(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto traces,
                        store.GetMany(in.Texts("trace_ids"), ExperimentScope(in)));
  json reply = json::object();
  for (const tracking::Trace& trace : traces) {
    reply["traces"].push_back(TraceJson(trace));
  }
  return base::DumpJson(reply);
}

Result<std::string> GetInfos(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto infos,
                        store.GetInfos(in.Texts("trace_ids"), ExperimentScope(in)));
  json reply = json::object();
  for (const tracking::TraceInfo& info : infos) {
    reply["trace_infos"].push_back(TraceInfoJson(info));
  }
  return base::DumpJson(reply);
}

Result<std::string> Delete(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t n_deleted,
                        store.Delete({.experiment_id = in.Text("experiment_id"),
                                      .max_timestamp_ms = in.IntIfSet("max_timestamp_millis"),
                                      .max_traces = in.IntIfSet("max_traces"),
                                      .trace_ids = in.Texts("request_ids")}));
  return base::DumpJson({{"traces_deleted", n_deleted}});
}

Result<void> LinkPrompts(TraceStore& store, const Message& in) {
  std::vector<std::string> prompts;
  for (const Object& prompt : in.Objects("prompt_versions")) {
    prompts.push_back(prompt.Text("name") + "/" + prompt.Text("version"));
  }
  return store.LinkPrompts(in.Text("trace_id"), prompts);
}

Result<std::string> OldStart(TraceStore& store, const Message& in) {
  tracking::TraceInfo info;
  info.experiment_id = in.Text("experiment_id");
  info.request_time_ms = in.Int("timestamp_ms");
  info.state = "IN_PROGRESS";
  info.metadata = ReadTags(in, "request_metadata");
  info.tags = ReadTags(in, "tags");
  return OldInfoReply(store.Start(std::move(info), false));
}

Result<std::string> OldEnd(TraceStore& store, const Message& in) {
  const std::int64_t status = in.Enum(kStatus);
  const std::string state = status == 0
                                ? "STATE_UNSPECIFIED"
                                : std::string(kStates[static_cast<std::size_t>(status - 1)]);
  return OldInfoReply(store.End(in.param(0), in.Int("timestamp_ms"), state,
                                ReadTags(in, "request_metadata"), ReadTags(in, "tags")));
}

Result<std::string> CreateAssessment(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const json document, Document(in, "assessment"));
  MILL_ASSIGN_OR_RETURN(tracking::Assessment assessment, ReadAssessment(document));
  assessment.trace_id = in.param(0);
  return AssessmentReply(store.CreateAssessment(std::move(assessment)));
}

Result<std::string> UpdateAssessment(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const json document, Document(in, "assessment"));
  MILL_ASSIGN_OR_RETURN(const json mask, Document(in, "update_mask"));
  MILL_ASSIGN_OR_RETURN(const tracking::AssessmentUpdate update,
                        ReadAssessmentUpdate(document, mask));
  return AssessmentReply(store.UpdateAssessment(in.param(0), in.param(1), update));
}

// What MLflow's pages show: spans as they are kept.
Result<std::string> SpansReply(TraceStore& store, const std::string& trace_id) {
  MILL_ASSIGN_OR_RETURN(const tracking::Trace trace, store.Get(trace_id, true));
  std::string body = "{\"spans\": [";
  for (std::size_t i = 0; i < trace.spans.size(); ++i) {
    body += (i == 0 ? "" : ", ") + trace.spans[i].content;
  }
  return body + "]}";
}

// The one reply about traces that a browser saves as a file.
net::Response SpansFile(TraceStore& store, const RoutedRequest& request) {
  MessageBuffers buffers;
  const Result<Message> in = Message::Read(request, kArtifact, buffers);
  if (!in.ok()) {
    return RestError(in.error());
  }
  Result<std::string> body = SpansReply(store, in->Text("request_id"));
  if (!body.ok()) {
    return RestError(body.error());
  }
  net::Response response = JsonReply(*std::move(body));
  response.headers.emplace_back("Content-Disposition", "attachment; filename=traces.json");
  return response;
}

net::Response OtlpError(int status, std::string_view detail) {
  return JsonReply(base::DumpJson({{"detail", detail}}), status);
}

net::Response ExportSpans(TraceStore& store, const net::Request& request) {
  const std::string_view type = request.Header("Content-Type");
  const std::string_view media = type.substr(0, type.find(';'));
  if (media != "application/x-protobuf" && media != "application/json") {
    return OtlpError(400, "Invalid Content-Type: " + std::string(type) +
                              ". Expected: application/x-protobuf or application/json");
  }
  std::string inflated;
  if (const std::string_view encoding = request.Header("Content-Encoding"); !encoding.empty()) {
    Result<std::string> body = Inflate(request.body, encoding, kMaxInflated);
    if (!body.ok()) {
      const bool is_too_large = body.error().code() == ErrorCode::kResourceExhausted;
      return OtlpError(is_too_large ? 413 : 400, body.error().message());
    }
    inflated = *std::move(body);
  }
  const std::string_view body = inflated.empty() ? request.body : inflated;
  const std::string_view experiment = request.Header("X-MLflow-Experiment-Id");
  if (experiment.empty()) {
    return OtlpError(422, "the header x-mlflow-experiment-id is missing");
  }
  const auto batches = ParseOtlp(body, media == "application/json");
  if (!batches.ok()) {
    const bool is_format = batches.error().message() == "Invalid OpenTelemetry format";
    return OtlpError(is_format ? 400 : 422, batches.error().message());
  }
  if (batches->empty()) {
    return OtlpError(400, "Invalid OpenTelemetry format - no spans found");
  }
  std::vector<std::string> finished;
  for (const OtlpBatch& batch : *batches) {
    const Result<void> logged =
        store.LogSpans(std::string(experiment), batch.spans, batch.resource);
    if (!logged.ok()) {
      return RestError(logged.error());
    }
    for (const tracking::Span& span : batch.spans) {
      if (span.parent_id.empty()) {
        finished.push_back(span.trace_id);
      }
    }
  }
  if (const std::string_view run = request.Header("X-MLflow-Run-Id");
      !run.empty() && !finished.empty()) {
    const Result<void> linked = store.LinkToRun(finished, std::string(run));
    if (!linked.ok()) {
      return RestError(linked.error());
    }
  }
  net::Response response;
  response.content_type = "application/x-protobuf";
  return response;
}

void AddOldRoutes(TraceStore& store, const Mount& mount) {
  mount.Add("POST", "/mlflow/traces", kOldStart,
            [&store](const Message& in) { return OldStart(store, in); });
  mount.Add("GET", "/mlflow/traces", kOldSearch,
            [&store](const Message& in) { return OldSearch(store, in); });
  mount.Add("PATCH", "/mlflow/traces/{request_id}", kOldEnd,
            [&store](const Message& in) { return OldEnd(store, in); });
  mount.Add("GET", "/mlflow/traces/{request_id}/info", {},
            [&store](const Message& in) { return OldInfoReply(store.GetInfo(in.param(0))); });
  mount.AddAction("POST", "/mlflow/traces/link-to-run", kLinkToRun, [&store](const Message& in) {
    return store.LinkToRun(in.Texts("trace_ids"), in.Text("run_id"));
  });
  mount.AddAction("POST", "/mlflow/traces/link-prompts", kLinkPrompts,
                  [&store](const Message& in) { return LinkPrompts(store, in); });
}

// What both protocols have.
void AddSharedRoutes(TraceStore& store, const Mount& mount) {
  mount.Add("POST", "/mlflow/traces/delete-traces", kDelete,
            [&store](const Message& in) { return Delete(store, in); });
  mount.AddAction("PATCH", "/mlflow/traces/{trace_id}/tags", kSetTag, [&store](const Message& in) {
    return store.SetTag(in.param(0), in.Text("key"), in.Text("value"));
  });
  mount.AddAction(
      "DELETE", "/mlflow/traces/{trace_id}/tags", kDeleteTag,
      [&store](const Message& in) { return store.DeleteTag(in.param(0), in.Text("key")); });
}

void AddAssessmentRoutes(TraceStore& store, const Mount& mount) {
  const std::string all = "/mlflow/traces/{trace_id}/assessments";
  const std::string one = all + "/{assessment_id}";
  mount.Add("POST", all, kAssessment,
            [&store](const Message& in) { return CreateAssessment(store, in); });
  mount.Add("GET", one, {}, [&store](const Message& in) {
    return AssessmentReply(store.GetAssessment(in.param(0), in.param(1)));
  });
  mount.Add("PATCH", one, kUpdateAssessment,
            [&store](const Message& in) { return UpdateAssessment(store, in); });
  mount.AddAction("DELETE", one, {}, [&store](const Message& in) {
    return store.DeleteAssessment(in.param(0), in.param(1));
  });
}

}  // namespace

void AddTraceRoutes(TraceStore& store, Router& router) {
  const Mount old(router);
  AddOldRoutes(store, old);
  AddSharedRoutes(store, old);
  const Mount mount(router, "3.0");
  AddSharedRoutes(store, mount);
  AddAssessmentRoutes(store, mount);
  mount.Add("POST", "/mlflow/traces", kStart,
            [&store](const Message& in) { return Start(store, in); });
  mount.Add("POST", "/mlflow/traces/search", kSearch,
            [&store](const Message& in) { return Search(store, in); });
  mount.Add("GET", "/mlflow/traces/get", kGet, [&store](const Message& in) -> Result<std::string> {
    MILL_ASSIGN_OR_RETURN(const auto trace,
                          store.Get(in.Text("trace_id"), in.Bool("allow_partial")));
    return Wrapped("trace", TraceJson(trace));
  });
  mount.Add("GET", "/mlflow/traces/batchGet", kGetMany,
            [&store](const Message& in) { return GetMany(store, in); });
  mount.Add("POST", "/mlflow/traces/batchGetInfos", kGetMany,
            [&store](const Message& in) { return GetInfos(store, in); });
  mount.Add("GET", "/mlflow/traces/{trace_id}", {},
            [&store](const Message& in) { return InfoReply(store.GetInfo(in.param(0))); });
  for (const char* path :
       {"/api/2.0/mlflow/get-trace-artifact", "/ajax-api/2.0/mlflow/get-trace-artifact",
        "/api/3.0/mlflow/get-trace-artifact", "/ajax-api/3.0/mlflow/get-trace-artifact"}) {
    router.Add(
        "GET", path,
        RouteAction{
            .answer = [&store](const RoutedRequest& request) { return SpansFile(store, request); },
            .blocks = true,
            .fields = kArtifact});
  }
  router.Add("POST", "/v1/traces",
             RouteAction{.answer =
                             [&store](const RoutedRequest& request) {
                               return ExportSpans(store, request.http);
                             },
                         .blocks = true});
}

}  // namespace millrace::api::internal
