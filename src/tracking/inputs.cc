// SPDX-License-Identifier: Apache-2.0
// What runs read and made: data sets, and logged models as inputs and outputs.
#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::CheckLength;
using internal::Int;
using internal::RunKey;
using internal::Text;
using internal::WriteScope;

constexpr std::size_t kMostSummaries = 1000;

Result<void> CheckInput(const DatasetInput& input) {
  const Dataset& dataset = input.dataset;
  MILL_RETURN_IF_ERROR(CheckLength("name", dataset.name, 500));
  MILL_RETURN_IF_ERROR(CheckLength("digest", dataset.digest, 36));
  MILL_RETURN_IF_ERROR(CheckLength("source", dataset.source, 65'535));
  MILL_RETURN_IF_ERROR(CheckLength("schema", dataset.schema.value_or(""), 1'048'575));
  MILL_RETURN_IF_ERROR(CheckLength("profile", dataset.profile.value_or(""), 16'777'215));
  for (const auto& [key, value] : input.tags) {
    MILL_RETURN_IF_ERROR(CheckLength("key", key, 255));
    MILL_RETURN_IF_ERROR(CheckLength("value", value, 500));
  }
  return {};
}

/// The key of the data set, made if the experiment has none of that name and digest.
Result<std::int64_t> DatasetKey(store::Metadata& sql, std::int64_t experiment_id,
                                const Dataset& dataset) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      sql.Query("SELECT dataset_key FROM datasets WHERE experiment_id = ? AND name = ? AND digest "
                "= ?",
                {experiment_id, dataset.name, dataset.digest}));
  if (!rows.empty()) {
    return Int(rows[0][0]);
  }
  MILL_ASSIGN_OR_RETURN(const std::int64_t key, internal::NextNumber(sql, "dataset_key"));
  const auto optional = [](const std::optional<std::string>& text) {
    return text.has_value() ? store::Value(*text) : store::Value();
  };
  MILL_RETURN_IF_ERROR(
      sql.Execute("INSERT INTO datasets (dataset_key, experiment_id, name, digest, source_type, "
                  "source, schema, profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                  {key, experiment_id, dataset.name, dataset.digest, dataset.source_type,
                   dataset.source, optional(dataset.schema), optional(dataset.profile)}));
  return key;
}

/// Tags count where the input is new, as in MLflow.
Result<void> PutInput(store::Metadata& sql, const RunKey& run, const DatasetInput& input) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t key, DatasetKey(sql, run.experiment_id, input.dataset));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t n,
      sql.ExecuteCounted("INSERT INTO dataset_inputs (run_key, dataset_key, position) SELECT ?, ?, "
                         "COALESCE(MAX(position), 0) + 1 FROM dataset_inputs WHERE run_key = ? "
                         "ON CONFLICT (run_key, dataset_key) DO NOTHING",
                         {run.run_key, key, run.run_key}));
  if (n == 0) {
    return {};
  }
  for (const auto& [name, value] : input.tags) {
    MILL_RETURN_IF_ERROR(sql.Execute(
        "INSERT INTO dataset_input_tags (run_key, dataset_key, key, value) VALUES (?, ?, ?, ?)",
        {run.run_key, key, name, value}));
  }
  return {};
}

}  // namespace

Result<void> TrackingStore::LogInputs(const std::string& run_id,
                                      std::span<const DatasetInput> datasets,
                                      std::span<const ModelInput> models) {
  MILL_RETURN_IF_ERROR(internal::CheckRunId(run_id));
  for (const DatasetInput& input : datasets) {
    MILL_RETURN_IF_ERROR(CheckInput(input));
  }
  return impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const RunKey run, impl_->run_keys.ActiveRun(run_id));
    for (const DatasetInput& input : datasets) {
      MILL_RETURN_IF_ERROR(PutInput(sql, run, input));
    }
    for (const ModelInput& model : models) {
      MILL_RETURN_IF_ERROR(
          sql.Execute("INSERT INTO run_model_inputs (run_key, model_id, position) SELECT ?, ?, "
                      "COALESCE(MAX(position), 0) + 1 FROM run_model_inputs WHERE run_key = ? "
                      "ON CONFLICT (run_key, model_id) DO NOTHING",
                      {run.run_key, model.model_id, run.run_key}));
    }
    return internal::Touch(scope, run.run_key);
  });
}

Result<void> TrackingStore::LogOutputs(const std::string& run_id,
                                       std::span<const ModelOutput> outputs) {
  return impl_->Write([&](store::Metadata& sql, WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const RunKey run, impl_->run_keys.ActiveRun(run_id));
    for (const ModelOutput& output : outputs) {
      MILL_RETURN_IF_ERROR(sql.Execute(
          "INSERT INTO run_outputs (run_key, model_id, step, position) "
          "SELECT ?, ?, ?, COALESCE(MAX(position), 0) + 1 FROM run_outputs WHERE run_key = ? "
          "ON CONFLICT (run_key, model_id, step) DO NOTHING",
          {run.run_key, output.model_id, output.step, run.run_key}));
    }
    return internal::Touch(scope, run.run_key);
  });
}

Result<std::vector<DatasetSummary>> TrackingStore::SearchDatasets(
    const std::vector<std::string>& experiment_ids) {
  std::vector<std::int64_t> ids;
  for (const std::string& id : experiment_ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
    ids.push_back(number);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<DatasetSummary> summaries;
  MILL_RETURN_IF_ERROR(internal::ForKeys(
      impl_->metadata, std::span<const std::int64_t>(ids),
      "SELECT DISTINCT d.experiment_id, d.name, d.digest, t.value FROM datasets d JOIN "
      "dataset_inputs i ON i.dataset_key = d.dataset_key LEFT JOIN dataset_input_tags t ON "
      "t.run_key = i.run_key AND t.dataset_key = i.dataset_key AND t.key = 'mlflow.data.context' "
      "WHERE d.experiment_id IN ",
      " ORDER BY 1, 2, 3, 4", [&](store::RowView row) {
        if (summaries.size() < kMostSummaries) {
          summaries.push_back(
              {std::to_string(Int(row[0])), Text(row[1]), Text(row[2]), Text(row[3])});
        }
      }));
  return summaries;
}

}  // namespace millrace::tracking
