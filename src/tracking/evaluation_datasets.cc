// SPDX-License-Identifier: Apache-2.0
// Evaluation datasets without their records, which are in evaluation_records.cc.
#include "tracking/evaluation_datasets.h"

#include <algorithm>
#include <unordered_map>

#include "base/ids.h"
#include "store/metadata.h"
#include "tracking/internal/evaluation_rows.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/search.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::OrNull;
using internal::Text;
using internal::TextIfAny;
using store::Row;

constexpr std::string_view kColumns =
    "dataset_id, name, digest, created_time, last_update_time, field_types, profile, created_by, "
    "last_updated_by";

EvaluationDataset FromRow(const Row& row) {
  return {.dataset_id = Text(row[0]),
          .name = Text(row[1]),
          .digest = Text(row[2]),
          .created_time_ms = Int(row[3]),
          .last_update_time_ms = Int(row[4]),
          .tags = {},
          .schema = TextIfAny(row[5]),
          .profile = TextIfAny(row[6]),
          .created_by = TextIfAny(row[7]),
          .last_updated_by = TextIfAny(row[8])};
}

/// @param what  MLflow's words before and behind the id
Result<EvaluationDataset> Read(store::Metadata& metadata, const std::string& dataset_id,
                               std::string_view before = "Evaluation dataset with id '",
                               std::string_view behind = "' not found") {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata.Query("SELECT " + std::string(kColumns) +
                                           " FROM evaluation_datasets WHERE dataset_id = ?",
                                       {dataset_id}));
  if (rows.empty()) {
    return base::NotFound(std::string(before) + dataset_id + std::string(behind));
  }
  EvaluationDataset dataset = FromRow(rows[0]);
  MILL_ASSIGN_OR_RETURN(dataset.tags, internal::ReadPairs(metadata, "evaluation_dataset_tags",
                                                          "dataset_id", dataset_id));
  return dataset;
}

Result<void> Touch(store::Metadata& metadata, const std::string& dataset_id, std::int64_t now) {
  return metadata.Execute(
      "UPDATE evaluation_datasets SET last_update_time = ? WHERE dataset_id = ?",
      {now, dataset_id});
}

FieldValue TextValue(const std::optional<std::string>& text) {
  return text.has_value() ? FieldValue(std::string_view(*text)) : FieldValue();
}

FieldValue ValueOf(const EvaluationDataset& dataset, const Field& field) {
  if (field.kind == FieldKind::kTag) {
    const auto tag = dataset.tags.find(field.key);
    return tag == dataset.tags.end() ? FieldValue() : FieldValue(std::string_view(tag->second));
  }
  if (field.key == "created_time") {
    return dataset.created_time_ms;
  }
  if (field.key == "last_update_time") {
    return dataset.last_update_time_ms;
  }
  if (field.key == "created_by") {
    return TextValue(dataset.created_by);
  }
  if (field.key == "last_updated_by") {
    return TextValue(dataset.last_updated_by);
  }
  return std::string_view(dataset.name);
}

Result<void> ReadTags(store::Metadata& metadata, std::span<EvaluationDataset> datasets) {
  std::vector<std::string> ids;
  std::unordered_map<std::string, EvaluationDataset*> by_id;
  for (EvaluationDataset& dataset : datasets) {
    ids.push_back(dataset.dataset_id);
    by_id[dataset.dataset_id] = &dataset;
  }
  return internal::ForKeys(
      metadata, ids,
      "SELECT dataset_id, key, value FROM evaluation_dataset_tags WHERE dataset_id IN ", "",
      [&](store::RowView row) {
        if (const auto at = by_id.find(Text(row[0])); at != by_id.end()) {
          at->second->tags[Text(row[1])] = Text(row[2]);
        }
      });
}

Result<std::vector<EvaluationDataset>> ReadAll(store::Metadata& metadata,
                                               const std::vector<std::string>& experiment_ids) {
  std::string sql = "SELECT " + std::string(kColumns) + " FROM evaluation_datasets";
  std::vector<store::Value> params;
  for (const std::string& id : experiment_ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
    params.emplace_back(std::int64_t{number});
  }
  if (!params.empty()) {
    sql +=
        " WHERE dataset_id IN (SELECT dataset_id FROM evaluation_dataset_experiments WHERE "
        "experiment_id IN (" +
        internal::Marks(params.size()) + "))";
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata.Query(sql + " ORDER BY created_time DESC, dataset_id DESC", params));
  std::vector<EvaluationDataset> datasets;
  datasets.reserve(rows.size());
  for (const Row& row : rows) {
    datasets.push_back(FromRow(row));
  }
  return datasets;
}

}  // namespace

Result<std::unique_ptr<EvaluationDatasets>> EvaluationDatasets::Open(TrackingStore& tracking,
                                                                     store::Metadata& metadata,
                                                                     const base::Clock& clock) {
  MILL_RETURN_IF_ERROR(
      internal::MigrateEvaluation(metadata).With("making the tables of evaluation datasets"));
  return std::make_unique<EvaluationDatasets>(tracking, metadata, clock);
}

Result<EvaluationDataset> EvaluationDatasets::Create(
    const std::string& name, const Tags& tags, const std::vector<std::string>& experiment_ids) {
  EvaluationDataset dataset;
  dataset.dataset_id = "d-" + base::NewRunId();
  dataset.name = name;
  dataset.created_time_ms = NowMs();
  dataset.last_update_time_ms = dataset.created_time_ms;
  dataset.digest = internal::EvaluationDigest(name, dataset.created_time_ms);
  dataset.tags = tags;
  if (const auto user = tags.find("mlflow.user"); user != tags.end()) {
    dataset.created_by = user->second;
    dataset.last_updated_by = user->second;
  }
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const auto experiments, internal::CheckExperiments(sql, experiment_ids));
    MILL_RETURN_IF_ERROR(
        sql.Execute("INSERT INTO evaluation_datasets (dataset_id, name, digest, created_time, "
                    "last_update_time, created_by, last_updated_by) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    {dataset.dataset_id, name, dataset.digest, dataset.created_time_ms,
                     dataset.last_update_time_ms, OrNull(dataset.created_by),
                     OrNull(dataset.last_updated_by)}));
    MILL_RETURN_IF_ERROR(internal::PutDatasetTags(sql, dataset.dataset_id, tags));
    return internal::LinkDataset(sql, dataset.dataset_id, experiments);
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return dataset;
}

Result<EvaluationDataset> EvaluationDatasets::Get(const std::string& dataset_id) {
  return Read(metadata_, dataset_id);
}

Result<void> EvaluationDatasets::Delete(const std::string& dataset_id) {
  return tracking_.Write([&](store::Metadata& sql) {
    return sql.Execute("DELETE FROM evaluation_datasets WHERE dataset_id = ?", {dataset_id});
  });
}

Result<Page<EvaluationDataset>> EvaluationDatasets::Search(const EvaluationDatasetSearch& search) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(search.max_results));
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(search.page_token));
  MILL_ASSIGN_OR_RETURN(const auto filter,
                        ParseFilter(search.filter, SearchTarget::kEvaluationDatasets));
  MILL_ASSIGN_OR_RETURN(const auto order,
                        ParseOrderBy(search.order_by, SearchTarget::kEvaluationDatasets));
  MILL_ASSIGN_OR_RETURN(std::vector<EvaluationDataset> datasets,
                        ReadAll(metadata_, search.experiment_ids));
  const bool asks_tags = std::any_of(filter.begin(), filter.end(), [](const Clause& clause) {
    return clause.field.kind == FieldKind::kTag;
  });
  if (asks_tags) {
    MILL_RETURN_IF_ERROR(ReadTags(metadata_, datasets));
  }
  FilterAndOrder(datasets, filter, order, ValueOf);
  Page<EvaluationDataset> page;
  const auto first = static_cast<std::size_t>(offset);
  const auto most = static_cast<std::size_t>(search.max_results);
  for (std::size_t i = first; i < datasets.size() && page.items.size() < most; ++i) {
    page.items.push_back(std::move(datasets[i]));
  }
  if (first + page.items.size() < datasets.size()) {
    page.next_page_token = PageToken(offset + search.max_results);
  }
  if (!asks_tags) {
    MILL_RETURN_IF_ERROR(ReadTags(metadata_, page.items));
  }
  return page;
}

Result<void> EvaluationDatasets::SetTags(const std::string& dataset_id, const Tags& tags) {
  return tracking_.Write([&](store::Metadata& sql) -> Result<void> {
    MILL_RETURN_IF_ERROR(Read(sql, dataset_id, "Could not find evaluation dataset with ID ", ""));
    return internal::PutDatasetTags(sql, dataset_id, tags);
  });
}

Result<void> EvaluationDatasets::DeleteTag(const std::string& dataset_id, const std::string& key) {
  return tracking_.Write([&](store::Metadata& sql) {
    return sql.Execute("DELETE FROM evaluation_dataset_tags WHERE dataset_id = ? AND key = ?",
                       {dataset_id, key});
  });
}

Result<std::vector<std::string>> EvaluationDatasets::ExperimentIds(const std::string& dataset_id) {
  std::vector<std::string> ids;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT experiment_id FROM evaluation_dataset_experiments WHERE dataset_id = ? ORDER BY "
      "position",
      {dataset_id}, [&](store::RowView row) { ids.push_back(std::to_string(Int(row[0]))); }));
  return ids;
}

Result<EvaluationDataset> EvaluationDatasets::AddToExperiments(
    const std::string& dataset_id, const std::vector<std::string>& experiment_ids) {
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_RETURN_IF_ERROR(Read(sql, dataset_id, "Dataset '"));
    MILL_ASSIGN_OR_RETURN(const auto experiments, internal::CheckExperiments(sql, experiment_ids));
    MILL_RETURN_IF_ERROR(internal::LinkDataset(sql, dataset_id, experiments));
    return Touch(sql, dataset_id, NowMs());
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return Get(dataset_id);
}

Result<EvaluationDataset> EvaluationDatasets::RemoveFromExperiments(
    const std::string& dataset_id, const std::vector<std::string>& experiment_ids) {
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_RETURN_IF_ERROR(Read(sql, dataset_id, "Dataset '"));
    std::int64_t n_removed = 0;
    for (const std::string& id : experiment_ids) {
      MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
      MILL_ASSIGN_OR_RETURN(
          const std::int64_t n,
          sql.ExecuteCounted("DELETE FROM evaluation_dataset_experiments WHERE dataset_id = ? AND "
                             "experiment_id = ?",
                             {dataset_id, std::int64_t{number}}));
      n_removed += n;
    }
    return n_removed == 0 ? Result<void>() : Touch(sql, dataset_id, NowMs());
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return Get(dataset_id);
}

}  // namespace millrace::tracking
