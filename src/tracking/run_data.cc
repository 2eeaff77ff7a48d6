// SPDX-License-Identifier: Apache-2.0
// Metrics, parameters and tags of runs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/run_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Transaction;

Result<void> PutMetric(store::Metadata& metadata, const std::string& run_id, const Metric& metric) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("metric", metric.key));
  const bool is_nan = std::isnan(metric.value);
  constexpr double kMost = std::numeric_limits<double>::max();
  const double value = is_nan ? 0.0 : std::clamp(metric.value, -kMost, kMost);
  MILL_RETURN_IF_ERROR(metadata.Execute(
      "INSERT INTO metrics (run_id, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, ?, ?) "
      "ON CONFLICT DO NOTHING",
      {run_id, metric.key, value, metric.timestamp_ms, metric.step, std::int64_t{is_nan}}));
  return metadata.Execute(
      "INSERT INTO latest_metrics (run_id, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, "
      "?, ?, ?) "
      "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value, timestamp = "
      "excluded.timestamp, "
      "step = excluded.step, is_nan = excluded.is_nan "
      "WHERE (excluded.step, excluded.timestamp, excluded.value) > "
      "(latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
      {run_id, metric.key, value, metric.timestamp_ms, metric.step, std::int64_t{is_nan}});
}

Result<void> PutParam(store::Metadata& metadata, const std::string& run_id, const Param& param) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("param", param.key));
  const std::string value = internal::Truncated(param.value, internal::kMaxParamValue);
  MILL_RETURN_IF_ERROR(
      metadata.Execute("INSERT INTO params (run_id, key, value) VALUES (?, ?, ?) ON CONFLICT "
                       "(run_id, key) DO NOTHING",
                       {run_id, param.key, value}));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT value FROM params WHERE run_id = ? AND key = ?", {run_id, param.key}));
  if (Text(rows[0][0]) != value) {
    return base::InvalidArgument("Changing param values is not allowed. Param with key='" +
                                 param.key + "' was already logged with value='" +
                                 Text(rows[0][0]) + "' for run ID='" + run_id +
                                 "'. Attempted logging new value '" + value + "'.")
        .Hint("log it under another key or start a new run");
  }
  return {};
}

Result<void> PutTag(store::Metadata& metadata, const std::string& run_id, const std::string& key,
                    const std::string& value) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  const std::string kept = internal::Truncated(value, internal::kMaxTagValue);
  MILL_RETURN_IF_ERROR(
      metadata.Execute("INSERT INTO tags (run_id, key, value) VALUES (?, ?, ?) "
                       "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
                       {run_id, key, kept}));
  if (key == "mlflow.runName") {
    return metadata.Execute("UPDATE runs SET name = ? WHERE run_id = ?", {kept, run_id});
  }
  return {};
}

Result<void> CheckBatch(std::size_t metrics, std::span<const Param> params, std::size_t tags) {
  const auto check = [](const char* what, std::size_t n, std::size_t most) -> Result<void> {
    if (n > most) {
      return base::InvalidArgument("A batch logging request can contain at most " +
                                   std::to_string(most) + " " + what + ". Got " +
                                   std::to_string(n) + " " + what + ". Please split up " + what +
                                   " across multiple requests and try again.");
    }
    return {};
  };
  MILL_RETURN_IF_ERROR(check("metrics", metrics, 1000));
  MILL_RETURN_IF_ERROR(check("params", params.size(), 100));
  MILL_RETURN_IF_ERROR(check("tags", tags, 100));
  MILL_RETURN_IF_ERROR(check("metrics, params and tags", metrics + params.size() + tags, 1000));
  std::set<std::string> keys;
  for (const Param& param : params) {
    if (!keys.insert(param.key).second) {
      return base::InvalidArgument(
          "Duplicate parameter keys have been submitted: \"" + param.key +
          "\". Please ensure the request contains only one param value per param key.");
    }
  }
  return {};
}

}  // namespace

Result<void> TrackingStore::LogMetric(const std::string& run_id, const Metric& metric) {
  return LogBatch(run_id, std::span(&metric, 1), {});
}

Result<void> TrackingStore::LogParam(const std::string& run_id, const std::string& key,
                                     const std::string& value) {
  const Param param{key, value};
  return LogBatch(run_id, {}, std::span(&param, 1));
}

Result<void> TrackingStore::SetTag(const std::string& run_id, const std::string& key,
                                   const std::string& value) {
  return LogBatch(run_id, {}, {}, {{key, value}});
}

Result<void> TrackingStore::LogBatch(const std::string& run_id, std::span<const Metric> metrics,
                                     std::span<const Param> params, const Tags& tags) {
  MILL_RETURN_IF_ERROR(CheckBatch(metrics.size(), params, tags.size()));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckActiveRun(metadata_, run_id));
  for (const Param& param : params) {
    MILL_RETURN_IF_ERROR(PutParam(metadata_, run_id, param));
  }
  for (const Metric& metric : metrics) {
    MILL_RETURN_IF_ERROR(PutMetric(metadata_, run_id, metric));
  }
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(PutTag(metadata_, run_id, key, value));
  }
  return transaction.Commit();
}

Result<void> TrackingStore::DeleteTag(const std::string& run_id, const std::string& key) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(internal::CheckActiveRun(metadata_, run_id));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t deleted,
      metadata_.ExecuteCounted("DELETE FROM tags WHERE run_id = ? AND key = ?", {run_id, key}));
  if (deleted == 0) {
    return base::NotFound("No tag with name: " + key + " in run with id " + run_id);
  }
  return transaction.Commit();
}

Result<std::vector<Metric>> TrackingStore::MetricHistory(const std::string& run_id,
                                                         const std::string& key, int max_results,
                                                         std::int64_t offset) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> run,
                        metadata_.Query("SELECT 1 FROM runs WHERE run_id = ?", {run_id}));
  if (run.empty()) {
    return base::NotFound("Run with id=" + run_id + " not found");
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query(
          "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_id = ? AND key = ? "
          "ORDER BY timestamp, step, value LIMIT ? OFFSET ?",
          {run_id, key, std::int64_t{max_results}, offset}));
  std::vector<Metric> history;
  history.reserve(rows.size());
  for (const store::Row& row : rows) {
    history.push_back(internal::MetricFromRow(row));
  }
  return history;
}

}  // namespace millrace::tracking
