// SPDX-License-Identifier: Apache-2.0
// Endpoints of experiments.
#include <string>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using tracking::TrackingStore;
using enum FieldType;

constexpr Field kCreate[] = {
    {.name = "name", .is_required = true},
    {.name = "artifact_location"},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
};
constexpr Field kViewType = {.name = "view_type", .type = kEnum, .names = kViewTypes};
constexpr Field kSearch[] = {
    kViewType,
    {.name = "max_results", .type = kInt64},
    {.name = "order_by", .type = kTexts},
    {.name = "filter"},
    {.name = "page_token"},
};
constexpr Field kById[] = {{.name = "experiment_id", .is_required = true}};
constexpr Field kByName[] = {{.name = "experiment_name", .is_required = true}};
constexpr Field kUpdate[] = {{.name = "experiment_id", .is_required = true},
                             {.name = "new_name", .is_required = true}};
constexpr Field kSetTag[] = {{.name = "experiment_id", .is_required = true},
                             {.name = "key", .is_required = true},
                             {.name = "value"}};
constexpr Field kDeleteTag[] = {{.name = "experiment_id", .is_required = true},
                                {.name = "key", .is_required = true}};
constexpr Field kSearchDatasets[] = {{.name = "experiment_ids", .type = kTexts}};

Result<std::string> Create(TrackingStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(
      const tracking::Experiment experiment,
      store.CreateExperiment(in.Text("name"), ReadTags(in, "tags"), in.Text("artifact_location")));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Text("experiment_id", experiment.id);
  out.EndObject();
  return body;
}

Result<std::string> Search(TrackingStore& store, const Message& in) {
  tracking::ExperimentSearch search;
  search.view = static_cast<tracking::ViewType>(in.Enum(kViewType, 1));
  search.filter = in.Text("filter");
  search.order_by = in.Texts("order_by");
  search.page_token = in.Text("page_token");
  search.max_results = in.Count("max_results");
  MILL_ASSIGN_OR_RETURN(const auto page, store.SearchExperiments(search));
  return PageJson("experiments", page, WriteExperiment);
}

Result<std::string> GetByName(TrackingStore& store, const Message& in) {
  const std::string name = in.Text("experiment_name");
  const auto found = store.GetExperimentByName(name);
  if (!found.ok() && found.error().code() == base::ErrorCode::kNotFound) {
    return base::NotFound("Could not find experiment with name '" + name + "'");
  }
  if (!found.ok()) {
    return found.error();
  }
  return WrappedJson("experiment", *found, WriteExperiment);
}

Result<std::string> SearchDatasets(TrackingStore& store, const Message& in) {
  constexpr std::size_t kMaxExperiments = 20;
  const std::vector<std::string> ids = in.Texts("experiment_ids");
  if (ids.empty()) {
    return base::InvalidArgument("SearchDatasets request must specify at least one experiment_id.");
  }
  if (ids.size() > kMaxExperiments) {
    return base::InvalidArgument(
        "SearchDatasets request cannot specify more than 20 experiment_ids. Received " +
        std::to_string(ids.size()) + " experiment_ids.");
  }
  MILL_ASSIGN_OR_RETURN(const auto summaries, store.SearchDatasets(ids));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("dataset_summaries", summaries, [&](const tracking::DatasetSummary& summary) {
    out.BeginObject();
    out.Text("experiment_id", summary.experiment_id);
    out.Text("name", summary.name);
    out.Text("digest", summary.digest);
    out.TextIfAny("context", summary.context);
    out.EndObject();
  });
  out.EndObject();
  return body;
}

}  // namespace

void AddExperimentRoutes(TrackingStore& store, Router& router) {
  const Mount mount(router);
  mount.Add("POST", "/mlflow/experiments/create", kCreate,
            [&store](const Message& in) { return Create(store, in); });
  for (const std::string_view method : {"GET", "POST"}) {
    mount.Add(method, "/mlflow/experiments/search", kSearch,
              [&store](const Message& in) { return Search(store, in); });
  }
  mount.Add(
      "GET", "/mlflow/experiments/get", kById, [&store](const Message& in) -> Result<std::string> {
        MILL_ASSIGN_OR_RETURN(const auto found, store.GetExperiment(in.Text("experiment_id")));
        return WrappedJson("experiment", found, WriteExperiment);
      });
  mount.Add("GET", "/mlflow/experiments/get-by-name", kByName,
            [&store](const Message& in) { return GetByName(store, in); });
  mount.AddAction("POST", "/mlflow/experiments/update", kUpdate, [&store](const Message& in) {
    return store.RenameExperiment(in.Text("experiment_id"), in.Text("new_name"));
  });
  mount.AddAction("POST", "/mlflow/experiments/delete", kById, [&store](const Message& in) {
    return store.DeleteExperiment(in.Text("experiment_id"));
  });
  mount.AddAction("POST", "/mlflow/experiments/restore", kById, [&store](const Message& in) {
    return store.RestoreExperiment(in.Text("experiment_id"));
  });
  mount.AddAction(
      "POST", "/mlflow/experiments/set-experiment-tag", kSetTag, [&store](const Message& in) {
        return store.SetExperimentTag(in.Text("experiment_id"), in.Text("key"), in.Text("value"));
      });
  mount.AddAction("POST", "/mlflow/experiments/delete-experiment-tag", kDeleteTag,
                  [&store](const Message& in) {
                    return store.DeleteExperimentTag(in.Text("experiment_id"), in.Text("key"));
                  });
  mount.Add("POST", "/mlflow/experiments/search-datasets", kSearchDatasets,
            [&store](const Message& in) { return SearchDatasets(store, in); });
}

}  // namespace millrace::api::internal
