// SPDX-License-Identifier: Apache-2.0
// Endpoints of logged models.
#include <string>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using tracking::TrackingStore;
using enum FieldType;

constexpr std::string_view kModelStatuses[] = {"LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY",
                                               "LOGGED_MODEL_UPLOAD_FAILED"};
constexpr Field kParams = {.name = "params", .type = kObjects, .fields = kPairFields};
constexpr Field kTags = {.name = "tags", .type = kObjects, .fields = kPairFields};
constexpr Field kCreate[] = {
    {.name = "experiment_id", .is_required = true},
    {.name = "name"},
    {.name = "model_type"},
    {.name = "source_run_id"},
    kParams,
    kTags,
};
constexpr Field kGet[] = {{.name = "allow_deleted"}};
constexpr Field kLogParams[] = {kParams};
constexpr Field kStatus = {
    .name = "status", .type = kEnum, .is_required = true, .names = kModelStatuses};
constexpr Field kFinalize[] = {{.name = "model_id"}, kStatus};
constexpr Field kSetTags[] = {kTags};
constexpr Field kDatasetFields[] = {{.name = "dataset_name"}, {.name = "dataset_digest"}};
constexpr Field kOrderFields[] = {
    {.name = "field_name"},
    {.name = "ascending", .type = kBool},
    {.name = "dataset_name"},
    {.name = "dataset_digest"},
};
constexpr Field kSearch[] = {
    {.name = "experiment_ids", .type = kTexts, .is_required = true},
    {.name = "filter"},
    {.name = "datasets", .type = kObjects, .fields = kDatasetFields},
    {.name = "max_results", .type = kInt32},
    {.name = "order_by", .type = kObjects, .fields = kOrderFields},
    {.name = "page_token"},
};

Result<std::string> ModelReply(const Result<tracking::LoggedModel>& model) {
  if (!model.ok()) {
    return model.error();
  }
  return WrappedJson("model", *model, WriteLoggedModel);
}

Result<std::string> Create(TrackingStore& store, const Message& in) {
  tracking::LoggedModelRequest request;
  request.experiment_id = in.Text("experiment_id");
  request.name = in.Text("name");
  request.source_run_id = in.Text("source_run_id");
  request.model_type = in.Text("model_type");
  request.params = ReadTags(in, "params");
  request.tags = ReadTags(in, "tags");
  return ModelReply(store.CreateLoggedModel(request));
}

Result<void> LogParams(TrackingStore& store, const Message& in) {
  std::vector<tracking::Param> params;
  for (const Object& param : in.Objects("params")) {
    params.push_back({.key = param.Text("key"), .value = param.Text("value")});
  }
  return store.LogLoggedModelParams(in.param(0), params);
}

Result<std::string> Search(TrackingStore& store, const Message& in) {
  tracking::LoggedModelSearch search;
  search.experiment_ids = in.Texts("experiment_ids");
  search.filter = in.Text("filter");
  for (const Object& dataset : in.Objects("datasets")) {
    tracking::Dataset& wanted = search.datasets.emplace_back();
    wanted.name = dataset.Text("dataset_name");
    wanted.digest = dataset.Text("dataset_digest");
  }
  for (const Object& order : in.Objects("order_by")) {
    search.order_by.push_back({.field_name = order.Text("field_name"),
                               .ascending = order.Bool("ascending", true),
                               .dataset_name = order.Text("dataset_name"),
                               .dataset_digest = order.Text("dataset_digest")});
  }
  search.page_token = in.Text("page_token");
  search.max_results = in.Count("max_results", 50);
  MILL_ASSIGN_OR_RETURN(const auto page, store.SearchLoggedModels(search));
  return PageJson("models", page, WriteLoggedModel);
}

}  // namespace

void AddLoggedModelRoutes(TrackingStore& store, Router& router) {
  const Mount mount(router);
  mount.Add("POST", "/mlflow/logged-models", kCreate,
            [&store](const Message& in) { return Create(store, in); });
  mount.Add("POST", "/mlflow/logged-models/search", kSearch,
            [&store](const Message& in) { return Search(store, in); });
  mount.Add("GET", "/mlflow/logged-models/{model_id}", kGet, [&store](const Message& in) {
    const bool any = net::EqualsIgnoringCase(in.Text("allow_deleted"), "true");
    return ModelReply(store.GetLoggedModel(
        in.param(0), any ? tracking::ViewType::kAll : tracking::ViewType::kActiveOnly));
  });
  mount.Add("PATCH", "/mlflow/logged-models/{model_id}", kFinalize, [&store](const Message& in) {
    return ModelReply(store.FinalizeLoggedModel(
        in.param(0), static_cast<tracking::LoggedModelStatus>(in.Enum(kStatus))));
  });
  mount.AddAction("DELETE", "/mlflow/logged-models/{model_id}", {},
                  [&store](const Message& in) { return store.DeleteLoggedModel(in.param(0)); });
  mount.AddAction("POST", "/mlflow/logged-models/{model_id}/params", kLogParams,
                  [&store](const Message& in) { return LogParams(store, in); });
  mount.AddAction("PATCH", "/mlflow/logged-models/{model_id}/tags", kSetTags,
                  [&store](const Message& in) {
                    return store.SetLoggedModelTags(in.param(0), ReadTags(in, "tags"));
                  });
  mount.AddAction(
      "DELETE", "/mlflow/logged-models/{model_id}/tags/{key}", {},
      [&store](const Message& in) { return store.DeleteLoggedModelTag(in.param(0), in.param(1)); });
}

}  // namespace millrace::api::internal
