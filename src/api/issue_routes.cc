// SPDX-License-Identifier: Apache-2.0
// Endpoints of MLflow's issues.
#include <string>
#include <utility>

#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "tracking/issues.h"

namespace millrace::api::internal {

namespace {

using tracking::Issue;
using tracking::Issues;
using enum FieldType;

constexpr Field kCreate[] = {
    {.name = "experiment_id", .is_required = true},
    {.name = "name", .is_required = true},
    {.name = "description", .is_required = true},
    {.name = "status"},
    {.name = "severity"},
    {.name = "root_causes", .type = kTexts},
    {.name = "source_run_id"},
    {.name = "created_by"},
    {.name = "categories", .type = kTexts},
};
constexpr Field kUpdate[] = {
    {.name = "name"}, {.name = "description"}, {.name = "status"}, {.name = "severity"}};
constexpr Field kSearch[] = {
    {.name = "experiment_id"},
    {.name = "filter_string"},
    {.name = "max_results", .type = kInt32},
    {.name = "page_token"},
    {.name = "include_trace_count", .type = kBool},
};

void WriteIssue(const Issue& issue, JsonWriter& out) {
  const auto text = [&](const std::string& each) { out.Text(each); };
  out.BeginObject();
  out.Text("issue_id", issue.issue_id);
  out.Text("experiment_id", issue.experiment_id);
  out.Text("name", issue.name);
  out.Text("description", issue.description);
  out.Text("status", issue.status);
  out.TextIfAny("severity", issue.severity);
  out.List("root_causes", issue.root_causes, text);
  out.TextIfAny("source_run_id", issue.source_run_id);
  out.Int("created_timestamp", issue.created_time_ms);
  out.Int("last_updated_timestamp", issue.last_update_time_ms);
  out.TextIfAny("created_by", issue.created_by);
  out.List("categories", issue.categories, text);
  if (issue.trace_count.has_value()) {
    out.Int("trace_count", *issue.trace_count);
  }
  out.EndObject();
}

Result<std::string> Reply(const Result<Issue>& issue) {
  if (!issue.ok()) {
    return issue.error();
  }
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("issue");
  WriteIssue(*issue, out);
  out.EndObject();
  return body;
}

Result<std::string> Create(Issues& issues, const Message& in) {
  Issue issue;
  issue.experiment_id = in.Text("experiment_id");
  issue.name = in.Text("name");
  issue.description = in.Text("description");
  issue.status = in.TextIfSet("status").value_or(issue.status);
  issue.severity = in.Text("severity");
  issue.root_causes = in.Texts("root_causes");
  issue.categories = in.Texts("categories");
  issue.source_run_id = in.Text("source_run_id");
  issue.created_by = in.Text("created_by");
  return Reply(issues.Create(std::move(issue)));
}

Result<std::string> Update(Issues& issues, const Message& in) {
  // As in MLflow, an empty name or description is none.
  const auto text_if_any = [&](std::string_view name) {
    const std::string text = in.Text(name);
    return text.empty() ? std::nullopt : std::optional(text);
  };
  return Reply(issues.Update(in.param(0), {.name = text_if_any("name"),
                                           .description = text_if_any("description"),
                                           .status = in.TextIfSet("status"),
                                           .severity = in.TextIfSet("severity")}));
}

Result<std::string> Search(Issues& issues, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto page,
                        issues.Search({.experiment_id = in.Text("experiment_id"),
                                       .filter = in.Text("filter_string"),
                                       .page_token = in.Text("page_token"),
                                       .max_results = in.Count("max_results", 100),
                                       .wants_trace_count = in.Bool("include_trace_count")}));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("issues", page.items, [&](const Issue& issue) { WriteIssue(issue, out); });
  out.TextIfAny("next_page_token", page.next_page_token);
  out.EndObject();
  return body;
}

}  // namespace

void AddIssueRoutes(Issues& issues, Router& router) {
  const Mount mount(router, "3.0");
  mount.Add("POST", "/mlflow/issues", kCreate,
            [&](const Message& in) { return Create(issues, in); });
  mount.Add("POST", "/mlflow/issues/search", kSearch,
            [&](const Message& in) { return Search(issues, in); });
  mount.Add("GET", "/mlflow/issues/{issue_id}", {},
            [&](const Message& in) { return Reply(issues.Get(in.param(0))); });
  mount.Add("PATCH", "/mlflow/issues/{issue_id}", kUpdate,
            [&](const Message& in) { return Update(issues, in); });
}

}  // namespace millrace::api::internal
