// SPDX-License-Identifier: Apache-2.0
// Reads logged models with all that belongs to them: one query per table for some hundred models.
#include "tracking/internal/model_rows.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

constexpr std::string_view kColumns =
    "SELECT model_id, experiment_id, name, source_run_id, artifact_location, model_type, status, "
    "creation_time, last_update_time FROM logged_models ";

LoggedModel FromRow(store::RowView row) {
  LoggedModel model;
  model.model_id = Text(row[0]);
  model.experiment_id = std::to_string(Int(row[1]));
  model.name = Text(row[2]);
  model.source_run_id = Text(row[3]);
  model.artifact_location = Text(row[4]);
  model.model_type = Text(row[5]);
  model.status = static_cast<LoggedModelStatus>(Int(row[6]));
  model.creation_time_ms = Int(row[7]);
  model.last_update_time_ms = Int(row[8]);
  return model;
}

// The end of a query that reads these keys alone. No key has a zero byte (CheckKey), so one that
// is asked for with it is not there.
std::string AmongKeys(const std::vector<std::string>& keys) {
  std::string list;
  for (const std::string& key : keys) {
    if (key.find('\0') != std::string::npos) {
      continue;
    }
    list += list.empty() ? "'" : ", '";
    for (const char c : key) {
      list.append(c == '\'' ? 2 : 1, c);
    }
    list += "'";
  }
  return " AND key IN (" + (list.empty() ? "NULL" : list) + ") ";
}

}  // namespace

Result<std::vector<LoggedModel>> ReadModels(store::Metadata& metadata,
                                            std::span<const std::int64_t> experiment_ids,
                                            std::int64_t limit) {
  std::vector<LoggedModel> models;
  MILL_RETURN_IF_ERROR(
      ForKeys(metadata, experiment_ids,
              std::string(kColumns) + "WHERE lifecycle_stage = 'active' AND experiment_id IN ",
              " ORDER BY creation_time DESC, model_id LIMIT " + std::to_string(limit),
              [&](store::RowView row) { models.push_back(FromRow(row)); }));
  std::sort(models.begin(), models.end(), [](const LoggedModel& a, const LoggedModel& b) {
    return std::tie(b.creation_time_ms, a.model_id) < std::tie(a.creation_time_ms, b.model_id);
  });
  return models;
}

Result<std::vector<LoggedModel>> ReadModelRows(store::Metadata& metadata,
                                               std::span<const std::string> model_ids) {
  std::vector<LoggedModel> models;
  MILL_RETURN_IF_ERROR(ForKeys(metadata, model_ids, std::string(kColumns) + "WHERE model_id IN ",
                               "", [&](store::RowView row) { models.push_back(FromRow(row)); }));
  return models;
}

Result<void> ReadModelData(store::Metadata& metadata, std::span<LoggedModel> models,
                           const ModelKeys* only) {
  std::vector<std::string> ids;
  std::unordered_map<std::string, LoggedModel*> by_id;
  for (LoggedModel& model : models) {
    ids.push_back(model.model_id);
    by_id.emplace(model.model_id, &model);
  }
  const std::span<const std::string> keys(ids);
  if (only == nullptr || !only->params.empty()) {
    MILL_RETURN_IF_ERROR(ForKeys(
        metadata, keys, "SELECT model_id, key, value FROM logged_model_params WHERE model_id IN ",
        only == nullptr ? "" : AmongKeys(only->params), [&](store::RowView row) {
          by_id.at(Text(row[0]))->params.emplace(Text(row[1]), Text(row[2]));
        }));
  }
  if (only == nullptr || !only->tags.empty()) {
    MILL_RETURN_IF_ERROR(ForKeys(
        metadata, keys, "SELECT model_id, key, value FROM logged_model_tags WHERE model_id IN ",
        only == nullptr ? "" : AmongKeys(only->tags), [&](store::RowView row) {
          by_id.at(Text(row[0]))->tags.emplace(Text(row[1]), Text(row[2]));
        }));
  }
  const bool has_all = only == nullptr || only->has_all_metrics;
  if (!has_all && only->metrics.empty()) {
    return {};
  }
  return ForKeys(
      metadata, keys,
      "SELECT model_id, key, timestamp, step, value, is_nan, run_id, dataset_name, dataset_digest "
      "FROM logged_model_metrics WHERE model_id IN ",
      (has_all ? std::string() : AmongKeys(only->metrics)) +
          " ORDER BY model_id, key, timestamp, step, run_id, value",
      [&](store::RowView row) {
        LoggedModelMetric metric;
        metric.metric.model_id = Text(row[0]);
        metric.metric.key = Text(row[1]);
        metric.metric.timestamp_ms = Int(row[2]);
        metric.metric.step = Int(row[3]);
        metric.metric.value = Int(row[5]) != 0 ? std::numeric_limits<double>::quiet_NaN()
                                               : store::DoubleOr(row[4], 0);
        metric.run_id = Text(row[6]);
        metric.metric.dataset_name = Text(row[7]);
        metric.metric.dataset_digest = Text(row[8]);
        by_id.at(metric.metric.model_id)->metrics.push_back(std::move(metric));
      });
}

}  // namespace millrace::tracking::internal
