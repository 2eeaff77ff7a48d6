// SPDX-License-Identifier: Apache-2.0
// Endpoints of MLflow's evaluation datasets. Tags and records travel as JSON inside texts.
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/internal/evaluation_json.h"
#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "base/json.h"
#include "tracking/evaluation_datasets.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;
using tracking::EvaluationDataset;
using tracking::EvaluationDatasets;
using enum FieldType;

constexpr Field kCreate[] = {{.name = "name", .is_required = true},
                             {.name = "experiment_ids", .type = kTexts},
                             {.name = "tags"}};
constexpr Field kSearch[] = {
    {.name = "experiment_ids", .type = kTexts},
    {.name = "filter_string"},
    {.name = "max_results", .type = kInt32, .max = 50'000},
    {.name = "order_by", .type = kTexts},
    {.name = "page_token"},
};
constexpr Field kSetTags[] = {{.name = "tags", .is_required = true}};
constexpr Field kExperimentIds[] = {{.name = "experiment_ids", .type = kTexts}};
constexpr Field kUpsert[] = {{.name = "records", .is_required = true}};
constexpr Field kRecords[] = {{.name = "max_results", .type = kInt32, .max = 50'000},
                              {.name = "page_token"}};
constexpr Field kDeleteRecords[] = {{.name = "dataset_record_ids", .type = kTexts}};

// Values that are no texts become those that Python's str makes; null leaves the tag out.
Result<tracking::Tags> ReadTagText(const std::string& text) {
  tracking::Tags tags;
  if (text.empty()) {
    return tags;
  }
  const auto parsed = base::ParseJson(text, "tags");
  if (!parsed.ok() || !parsed->is_object()) {
    return base::InvalidArgument("Invalid value for parameter 'tags' supplied: " +
                                 text.substr(0, 200) + ". It must be the text of a JSON object.");
  }
  for (const auto& [key, value] : parsed->items()) {
    if (value.is_string()) {
      tags[key] = value.get<std::string>();
    } else if (value.is_boolean()) {
      tags[key] = value.get<bool>() ? "True" : "False";
    } else if (!value.is_null()) {
      tags[key] = base::DumpJson(value);
    }
  }
  return tags;
}

json TagObject(const tracking::Tags& tags) {
  json object = json::object();
  for (const auto& [key, value] : tags) {
    object[key] = value;
  }
  return object;
}

void WriteDataset(const EvaluationDataset& dataset, const std::vector<std::string>& experiment_ids,
                  JsonWriter& out) {
  const auto text_if = [&](std::string_view key, const std::optional<std::string>& value) {
    if (value.has_value()) {
      out.Text(key, *value);
    }
  };
  out.BeginObject();
  out.Text("dataset_id", dataset.dataset_id);
  out.Text("name", dataset.name);
  out.Text("tags", base::DumpJson(TagObject(dataset.tags)));
  text_if("schema", dataset.schema);
  text_if("profile", dataset.profile);
  out.Text("digest", dataset.digest);
  out.Int("created_time", dataset.created_time_ms);
  out.Int("last_update_time", dataset.last_update_time_ms);
  text_if("created_by", dataset.created_by);
  text_if("last_updated_by", dataset.last_updated_by);
  out.List("experiment_ids", experiment_ids, [&](const std::string& id) { out.Text(id); });
  out.EndObject();
}

Result<std::string> Reply(const Result<EvaluationDataset>& dataset,
                          const std::vector<std::string>& experiment_ids = {}) {
  if (!dataset.ok()) {
    return dataset.error();
  }
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("dataset");
  WriteDataset(*dataset, experiment_ids, out);
  out.EndObject();
  return body;
}

Result<std::string> Create(EvaluationDatasets& datasets, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const tracking::Tags tags, ReadTagText(in.Text("tags")));
  const std::vector<std::string> experiment_ids = in.Texts("experiment_ids");
  return Reply(datasets.Create(in.Text("name"), tags, experiment_ids), experiment_ids);
}

Result<std::string> Search(EvaluationDatasets& datasets, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto page,
                        datasets.Search({.experiment_ids = in.Texts("experiment_ids"),
                                         .filter = in.Text("filter_string"),
                                         .order_by = in.Texts("order_by"),
                                         .page_token = in.Text("page_token"),
                                         .max_results = in.Count("max_results", 1000)}));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("datasets", page.items,
           [&](const EvaluationDataset& dataset) { WriteDataset(dataset, {}, out); });
  out.TextIfAny("next_page_token", page.next_page_token);
  out.EndObject();
  return body;
}

Result<std::string> Upsert(EvaluationDatasets& datasets, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto records, ReadEvaluationRecords(in.Text("records")));
  MILL_ASSIGN_OR_RETURN(const tracking::UpsertCounts counts,
                        datasets.UpsertRecords(in.param(0), records));
  return base::DumpJson(
      {{"inserted_count", counts.n_inserted}, {"updated_count", counts.n_updated}});
}

Result<std::string> Records(EvaluationDatasets& datasets, const Message& in) {
  // MLflow takes 0 for unset.
  const int asked = in.Count("max_results");
  MILL_ASSIGN_OR_RETURN(const auto page, datasets.Records(in.param(0), asked == 0 ? 1000 : asked,
                                                          in.Text("page_token")));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Text("records", EvaluationRecordsJson(page.items));
  out.TextIfAny("next_page_token", page.next_page_token);
  out.EndObject();
  return body;
}

Result<std::string> ExperimentIds(EvaluationDatasets& datasets, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> ids, datasets.ExperimentIds(in.param(0)));
  return ids.empty() ? std::string("{}") : base::DumpJson({{"experiment_ids", ids}});
}

void AddRecordRoutes(EvaluationDatasets& datasets, const Mount& mount) {
  const std::string path = "/mlflow/datasets/{dataset_id}/records";
  mount.Add("POST", path, kUpsert, [&](const Message& in) { return Upsert(datasets, in); });
  mount.Add("GET", path, kRecords, [&](const Message& in) { return Records(datasets, in); });
  mount.Add("DELETE", path, kDeleteRecords, [&](const Message& in) -> Result<std::string> {
    MILL_ASSIGN_OR_RETURN(const std::int64_t n_deleted,
                          datasets.DeleteRecords(in.param(0), in.Texts("dataset_record_ids")));
    return base::DumpJson({{"deleted_count", n_deleted}});
  });
}

}  // namespace

void AddEvaluationRoutes(EvaluationDatasets& datasets, Router& router) {
  const Mount mount(router, "3.0");
  const std::string one = "/mlflow/datasets/{dataset_id}";
  mount.Add("POST", "/mlflow/datasets/create", kCreate,
            [&](const Message& in) { return Create(datasets, in); });
  for (const char* const method : {"GET", "POST"}) {
    mount.Add(method, "/mlflow/datasets/search", kSearch,
              [&](const Message& in) { return Search(datasets, in); });
  }
  mount.Add("GET", one, {}, [&](const Message& in) { return Reply(datasets.Get(in.param(0))); });
  mount.AddAction("DELETE", one, {},
                  [&](const Message& in) { return datasets.Delete(in.param(0)); });
  mount.AddAction("PATCH", one + "/tags", kSetTags, [&](const Message& in) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const tracking::Tags tags, ReadTagText(in.Text("tags")));
    return datasets.SetTags(in.param(0), tags);
  });
  mount.AddAction("DELETE", one + "/tags/{key}", {},
                  [&](const Message& in) { return datasets.DeleteTag(in.param(0), in.param(1)); });
  mount.Add("GET", one + "/experiment-ids", {},
            [&](const Message& in) { return ExperimentIds(datasets, in); });
  mount.Add("POST", one + "/add-experiments", kExperimentIds, [&](const Message& in) {
    return Reply(datasets.AddToExperiments(in.param(0), in.Texts("experiment_ids")));
  });
  mount.Add("POST", one + "/remove-experiments", kExperimentIds, [&](const Message& in) {
    return Reply(datasets.RemoveFromExperiments(in.param(0), in.Texts("experiment_ids")));
  });
  AddRecordRoutes(datasets, mount);
}

}  // namespace millrace::api::internal
