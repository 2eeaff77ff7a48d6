// SPDX-License-Identifier: Apache-2.0
// Endpoints of runs: what makes, changes, finds and deletes them. Logging to them is in
// logging_routes.cc.
#include <string>
#include <utility>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using tracking::TrackingStore;
using enum FieldType;

constexpr std::string_view kRunStatuses[] = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED",
                                             "KILLED"};
constexpr Field kCreate[] = {
    {.name = "experiment_id"},
    {.name = "user_id"},
    {.name = "run_name"},
    {.name = "start_time", .type = kInt64},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
};
constexpr Field kStatus = {.name = "status", .type = kEnum, .names = kRunStatuses};
constexpr Field kUpdate[] = {
    kRunId,
    kStatus,
    {.name = "end_time", .type = kInt64},
    {.name = "run_name"},
};
constexpr Field kById[] = {kRunId};
constexpr Field kGet[] = {kRunId};
constexpr Field kView = {.name = "run_view_type", .type = kEnum, .names = kViewTypes};
constexpr Field kSearch[] = {
    {.name = "experiment_ids", .type = kTexts},
    {.name = "filter"},
    kView,
    {.name = "max_results", .type = kInt32, .max = 50'000},
    {.name = "order_by", .type = kTexts},
    {.name = "page_token"},
};
constexpr Field kDeleteTag[] = {kRunId, {.name = "key", .is_required = true}};

void Create(TrackingStore& store, const Message& in, FinishBody finish) {
  tracking::RunRequest request;
  request.experiment_id = in.TextIfSet("experiment_id").value_or("0");
  request.run_name = in.Text("run_name");
  request.user_id = in.Text("user_id");
  // As in MLflow: a client that gives no time gets none, not the server's.
  request.start_time_ms = in.Int("start_time");
  request.tags = ReadTags(in, "tags");
  store.CreateRunAsync(
      std::move(request), [finish = std::move(finish)](const Result<tracking::Run>& run) {
        finish(run.ok() ? Result<std::string>(WrappedJson("run", *run, WriteRun)) : run.error());
      });
}

Result<std::string> Update(TrackingStore& store, const Message& in) {
  tracking::RunUpdate update;
  if (in.Has("status")) {
    update.status = static_cast<tracking::RunStatus>(in.Enum(kStatus));
  }
  update.end_time_ms = in.IntIfSet("end_time");
  update.run_name = in.TextIfSet("run_name");
  MILL_ASSIGN_OR_RETURN(const tracking::RunInfo info, store.UpdateRun(in.RunId(), update));
  return WrappedJson("run_info", info, WriteRunInfo);
}

Result<std::string> Search(TrackingStore& store, const Message& in) {
  tracking::RunSearch search;
  search.experiment_ids = in.Texts("experiment_ids");
  search.view = static_cast<tracking::ViewType>(in.Enum(kView, 1));
  search.filter = in.Text("filter");
  search.order_by = in.Texts("order_by");
  search.page_token = in.Text("page_token");
  search.max_results = in.Count("max_results", 1000);
  MILL_ASSIGN_OR_RETURN(const auto page, store.SearchRuns(search));
  return PageJson("runs", page, WriteRun);
}

}  // namespace

void AddRunRoutes(TrackingStore& store, Router& router) {
  const Mount mount(router);
  mount.AddAsyncEndpoint(
      "POST", "/mlflow/runs/create", kCreate,
      [&store](const Message& in, FinishBody finish) { Create(store, in, std::move(finish)); });
  mount.Add("POST", "/mlflow/runs/update", kUpdate,
            [&store](const Message& in) { return Update(store, in); });
  mount.AddAction("POST", "/mlflow/runs/delete", kById,
                  [&store](const Message& in) { return store.DeleteRun(in.RunId()); });
  mount.AddAction("POST", "/mlflow/runs/restore", kById,
                  [&store](const Message& in) { return store.RestoreRun(in.RunId()); });
  mount.Add("GET", "/mlflow/runs/get", kGet, [&store](const Message& in) -> Result<std::string> {
    MILL_ASSIGN_OR_RETURN(const tracking::Run run, store.GetRun(in.RunId()));
    return WrappedJson("run", run, WriteRun);
  });
  mount.Add("POST", "/mlflow/runs/search", kSearch,
            [&store](const Message& in) { return Search(store, in); });
  mount.AddAction("POST", "/mlflow/runs/delete-tag", kDeleteTag, [&store](const Message& in) {
    return store.DeleteTag(in.RunId(), in.Text("key"));
  });
}

}  // namespace millrace::api::internal
