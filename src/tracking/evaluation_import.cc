// SPDX-License-Identifier: Apache-2.0
// Taking in evaluation datasets, issues and scorers that another store held, with their ids and
// times.
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "store/metadata.h"
#include "tracking/evaluation_datasets.h"
#include "tracking/internal/evaluation_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/issues.h"
#include "tracking/scorers.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::OrNull;
using internal::Text;
using store::Row;
using store::Value;

Result<void> PutRecord(store::Metadata& sql, const std::string& dataset_id,
                       const ImportedRecord& imported) {
  const EvaluationRecord& record = imported.record;
  const std::optional<RecordSource>& source = record.source;
  return sql.Execute(
      "INSERT INTO evaluation_records (record_id, dataset_id, position, input_hash, inputs, "
      "outputs, expectations, tags, source_type, source_id, source_data, created_time, "
      "last_update_time, created_by, last_updated_by) SELECT ?, ?, COALESCE(MAX(position), 0) + 1, "
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM evaluation_records WHERE dataset_id = ? ON CONFLICT "
      "DO NOTHING",
      {record.record_id, dataset_id, base::Sha256Hex(imported.canonical_inputs), record.inputs,
       OrNull(record.outputs), OrNull(record.expectations), record.tags,
       source ? Value(source->type) : Value(), source ? OrNull(source->id) : Value(),
       source ? Value(source->data) : Value(), record.created_time_ms, record.last_update_time_ms,
       OrNull(record.created_by), OrNull(record.last_updated_by), dataset_id});
}

}  // namespace

Result<void> EvaluationDatasets::Import(const EvaluationDataset& dataset,
                                        const std::vector<std::string>& experiment_ids,
                                        std::span<const ImportedRecord> records) {
  return tracking_.Write([&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const auto experiments, internal::CheckExperiments(sql, experiment_ids));
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t n_made,
        sql.ExecuteCounted(
            "INSERT INTO evaluation_datasets (dataset_id, name, digest, created_time, "
            "last_update_time, field_types, profile, created_by, last_updated_by) VALUES (?, ?, ?, "
            "?, ?, ?, ?, ?, ?) ON CONFLICT (dataset_id) DO NOTHING",
            {dataset.dataset_id, dataset.name, dataset.digest, dataset.created_time_ms,
             dataset.last_update_time_ms, OrNull(dataset.schema), OrNull(dataset.profile),
             OrNull(dataset.created_by), OrNull(dataset.last_updated_by)}));
    if (n_made > 0) {
      MILL_RETURN_IF_ERROR(internal::PutDatasetTags(sql, dataset.dataset_id, dataset.tags));
    }
    MILL_RETURN_IF_ERROR(internal::LinkDataset(sql, dataset.dataset_id, experiments));
    for (const ImportedRecord& record : records) {
      MILL_RETURN_IF_ERROR(PutRecord(sql, dataset.dataset_id, record));
    }
    return {};
  });
}

Result<void> Issues::Import(const Issue& issue) {
  return tracking_.Write([&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const auto experiments,
                          internal::CheckExperiments(sql, {issue.experiment_id}));
    return sql.Execute(
        "INSERT INTO issues (issue_id, experiment_id, name, description, status, severity, "
        "root_causes, categories, source_run_id, created_by, created_time, last_update_time) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (issue_id) DO NOTHING",
        {issue.issue_id, experiments[0], issue.name, issue.description, issue.status,
         issue.severity, base::DumpJson(issue.root_causes), base::DumpJson(issue.categories),
         issue.source_run_id, issue.created_by, issue.created_time_ms, issue.last_update_time_ms});
  });
}

Result<void> Scorers::Import(const ScorerVersion& scorer) {
  return tracking_.Write([&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const auto experiments,
                          internal::CheckExperiments(sql, {scorer.experiment_id}));
    MILL_RETURN_IF_ERROR(
        sql.Execute("INSERT INTO scorers (scorer_id, experiment_id, name) VALUES (?, ?, ?) ON "
                    "CONFLICT (experiment_id, name) DO NOTHING",
                    {scorer.scorer_id, experiments[0], scorer.name}));
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        sql.Query("SELECT scorer_id FROM scorers WHERE experiment_id = ? AND name = ?",
                  {experiments[0], scorer.name}));
    return sql.Execute(
        "INSERT INTO scorer_versions (scorer_id, version, content, creation_time) VALUES (?, ?, ?, "
        "?) ON CONFLICT (scorer_id, version) DO NOTHING",
        {rows[0][0], scorer.version, scorer.serialized_scorer, scorer.creation_time_ms});
  });
}

}  // namespace millrace::tracking
