// SPDX-License-Identifier: Apache-2.0
// Metrics, parameters and tags of runs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::RunKey;
using internal::RunKeys;
using internal::Text;
using internal::WriteScope;

/// Where messages say that a value stands: alone in its request, or in a list of it.
enum class Origin { kSingle, kBatch };

std::string Path(Origin origin, std::string_view list, std::size_t index, std::string_view field) {
  return origin == Origin::kSingle
             ? std::string(field)
             : std::string(list) + "[" + std::to_string(index) + "]." + std::string(field);
}

Result<void> CheckMetric(const Metric& metric, Origin origin, std::size_t index) {
  MILL_RETURN_IF_ERROR(
      internal::CheckKey("metric", metric.key, Path(origin, "metrics", index, "name")));
  if (metric.timestamp_ms < 0) {
    return base::InvalidArgument("Invalid value " + std::to_string(metric.timestamp_ms) +
                                 " for parameter '" + Path(origin, "metrics", index, "timestamp") +
                                 "' supplied: metric '" + metric.key +
                                 "'. Timestamp must be a nonnegative long (64-bit integer) ");
  }
  return {};
}

Result<void> CheckLimit(const char* what, std::size_t n, std::size_t most) {
  if (n > most) {
    return base::InvalidArgument("A batch logging request can contain at most " +
                                 std::to_string(most) + " " + what + ". Got " + std::to_string(n) +
                                 " " + what + ". Please split up " + what +
                                 " across multiple requests and try again.");
  }
  return {};
}

Result<void> CheckParamsOnce(std::span<const Param> params) {
  std::set<std::string_view> keys;
  std::string twice;
  for (const Param& param : params) {
    if (!keys.insert(param.key).second) {
      twice += (twice.empty() ? "'" : ", '") + param.key + "'";
    }
  }
  if (!twice.empty()) {
    return base::InvalidArgument("Duplicate parameter keys have been submitted: [" + twice +
                                 "]. Please ensure the request contains only one param value per "
                                 "param key.");
  }
  return {};
}

/// In MLflow's order: what stands in the request, then how much.
Result<void> Check(const std::string& run_id, const Batch& batch, Origin origin) {
  if (origin == Origin::kBatch) {
    MILL_RETURN_IF_ERROR(internal::CheckRunId(run_id));
  }
  for (std::size_t i = 0; i < batch.metrics.size(); ++i) {
    MILL_RETURN_IF_ERROR(CheckMetric(batch.metrics[i], origin, i));
  }
  for (std::size_t i = 0; i < batch.params.size(); ++i) {
    MILL_RETURN_IF_ERROR(
        internal::CheckKey("param", batch.params[i].key, Path(origin, "params", i, "key")));
  }
  std::size_t index = 0;
  for (const auto& [key, value] : batch.tags) {
    MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key, Path(origin, "tags", index++, "key")));
  }
  MILL_RETURN_IF_ERROR(CheckLimit("metrics", batch.metrics.size(), 1000));
  MILL_RETURN_IF_ERROR(CheckLimit("params", batch.params.size(), 100));
  MILL_RETURN_IF_ERROR(CheckLimit("tags", batch.tags.size(), 100));
  MILL_RETURN_IF_ERROR(CheckLimit("metrics, params, and tags",
                                  batch.metrics.size() + batch.params.size() + batch.tags.size(),
                                  1000));
  return CheckParamsOnce(batch.params);
}

/// NaN stays, infinities become the largest finite numbers.
double Kept(double value) {
  constexpr double kMost = std::numeric_limits<double>::max();
  return std::isnan(value) ? value : std::clamp(value, -kMost, kMost);
}

/// A text as Python shows it.
std::string Quoted(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + quote;
}

struct Conflict {
  std::string key;
  std::string old_value;
  std::string new_value;
};

Error ParamsChange(const std::string& run_id, const std::vector<Conflict>& conflicts,
                   Origin origin) {
  std::string text;
  if (origin == Origin::kSingle) {
    text = "Changing param values is not allowed. Param with key='" + conflicts[0].key +
           "' was already logged with value='" + conflicts[0].old_value + "' for run ID='" +
           run_id + "'. Attempted logging new value '" + conflicts[0].new_value + "'.";
  } else {
    text = "Changing param values is not allowed. Params were already logged='[";
    for (std::size_t i = 0; i < conflicts.size(); ++i) {
      text += std::string(i == 0 ? "" : ", ") + "{'key': " + Quoted(conflicts[i].key) +
              ", 'old_value': " + Quoted(conflicts[i].old_value) +
              ", 'new_value': " + Quoted(conflicts[i].new_value) + "}";
    }
    text += "]' for run ID='" + run_id + "'.";
  }
  return base::InvalidArgument(std::move(text)).Hint("log it under another key or start a new run");
}

Result<void> PutParams(RunKeys& keys, WriteScope& scope, const RunKey& run,
                       const std::string& run_id, std::span<const Param> params, Origin origin) {
  MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
  std::vector<Conflict> conflicts;
  for (const Param& param : params) {
    MILL_ASSIGN_OR_RETURN(const std::int64_t name, keys.NameId(scope, param.key));
    const std::string value = internal::Truncated(param.value, internal::kMaxParamValue);
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t n,
        sql->ExecuteCounted("INSERT INTO params (run_key, name_id, value) VALUES (?, ?, ?) ON "
                            "CONFLICT (run_key, name_id) DO NOTHING",
                            {run.run_key, name, value}));
    if (n != 0) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                          sql->Query("SELECT value FROM params WHERE run_key = ? AND name_id = ?",
                                     {run.run_key, name}));
    if (rows.empty() || Text(rows[0][0]) != value) {
      conflicts.push_back({param.key, rows.empty() ? "" : Text(rows[0][0]), value});
    }
  }
  if (!conflicts.empty()) {
    return ParamsChange(run_id, conflicts, origin);
  }
  return {};
}

Result<void> PutMetrics(RunKeys& keys, WriteScope& scope, const RunKey& run,
                        const std::vector<Metric>& metrics) {
  std::vector<internal::SeriesPoint> points;
  points.reserve(metrics.size());
  for (const Metric& metric : metrics) {
    MILL_ASSIGN_OR_RETURN(const std::int64_t name, keys.NameId(scope, metric.key));
    points.push_back({{run.run_key, name}, {metric.timestamp_ms, metric.step, Kept(metric.value)}});
  }
  return scope.points().Append(points);
}

Result<void> PutModelMetrics(WriteScope& scope, const std::string& run_id,
                             const std::vector<Metric>& metrics) {
  for (const Metric& metric : metrics) {
    if (metric.model_id.empty()) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
    const bool is_nan = std::isnan(metric.value);
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> model,
        sql->Query("SELECT 1 FROM logged_models WHERE model_id = ?", {metric.model_id}));
    if (model.empty()) {
      return base::NotFound("Logged model with ID '" + metric.model_id + "' not found.");
    }
    MILL_RETURN_IF_ERROR(sql->Execute(
        "INSERT INTO logged_model_metrics (model_id, key, timestamp, step, value, is_nan, run_id, "
        "dataset_name, dataset_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        {metric.model_id, metric.key, metric.timestamp_ms, metric.step,
         is_nan ? 0.0 : Kept(metric.value), std::int64_t{is_nan}, run_id, metric.dataset_name,
         metric.dataset_digest}));
  }
  return {};
}

/// The write of a batch that was checked; on the writer's thread.
Result<void> Put(RunKeys& keys, WriteScope& scope, const std::string& run_id, const Batch& batch,
                 Origin origin) {
  MILL_ASSIGN_OR_RETURN(const RunKey run, keys.ActiveRun(run_id));
  if (!batch.params.empty()) {
    MILL_RETURN_IF_ERROR(PutParams(keys, scope, run, run_id, batch.params, origin));
  }
  MILL_RETURN_IF_ERROR(PutMetrics(keys, scope, run, batch.metrics));
  MILL_RETURN_IF_ERROR(PutModelMetrics(scope, run_id, batch.metrics));
  if (!batch.tags.empty()) {
    MILL_RETURN_IF_ERROR(internal::PutTags(keys, scope, run.run_key, batch.tags));
  }
  if (!batch.params.empty() || !batch.tags.empty()) {
    return internal::Touch(scope, run.run_key);
  }
  return {};
}

Result<void> Log(TrackingStore::Impl& impl, const std::string& run_id, const Batch& batch,
                 Origin origin) {
  MILL_RETURN_IF_ERROR(Check(run_id, batch, origin));
  return impl.writer->Run(
      [&](WriteScope& scope) { return Put(impl.run_keys, scope, run_id, batch, origin); });
}

}  // namespace

namespace internal {

Result<void> PutTagRows(RunKeys& keys, WriteScope& scope, std::int64_t run_key, const Tags& tags) {
  MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
  for (const auto& [key, value] : tags) {
    if (key == kRunNameTag && value.empty()) {
      continue;  // a run keeps its name
    }
    MILL_ASSIGN_OR_RETURN(const std::int64_t name, keys.NameId(scope, key));
    MILL_RETURN_IF_ERROR(
        sql->Execute("INSERT INTO tags (run_key, name_id, value) VALUES (?, ?, ?) "
                     "ON CONFLICT (run_key, name_id) DO UPDATE SET value = excluded.value",
                     {run_key, name, Truncated(value, kMaxTagValue)}));
  }
  return {};
}

Result<void> PutTags(RunKeys& keys, WriteScope& scope, std::int64_t run_key, const Tags& tags) {
  MILL_RETURN_IF_ERROR(PutTagRows(keys, scope, run_key, tags));
  const auto name = tags.find(std::string(kRunNameTag));
  if (name == tags.end() || name->second.empty()) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
  return sql->Execute("UPDATE runs SET name = ? WHERE run_key = ?",
                      {Truncated(name->second, kMaxTagValue), run_key});
}

Result<void> Touch(WriteScope& scope, std::int64_t run_key) {
  MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
  return sql->Execute("UPDATE runs SET change = ? WHERE run_key = ?", {scope.change(), run_key});
}

}  // namespace internal

Result<void> TrackingStore::LogMetric(const std::string& run_id, const Metric& metric) {
  return Log(*impl_, run_id, {.metrics = {metric}}, Origin::kSingle);
}

Result<void> TrackingStore::LogParam(const std::string& run_id, const std::string& key,
                                     const std::string& value) {
  return Log(*impl_, run_id, {.params = {{key, value}}}, Origin::kSingle);
}

Result<void> TrackingStore::SetTag(const std::string& run_id, const std::string& key,
                                   const std::string& value) {
  return Log(*impl_, run_id, {.tags = {{key, value}}}, Origin::kSingle);
}

Result<void> TrackingStore::LogBatch(const std::string& run_id, std::span<const Metric> metrics,
                                     std::span<const Param> params, const Tags& tags) {
  return Log(*impl_, run_id,
             {.metrics = {metrics.begin(), metrics.end()},
              .params = {params.begin(), params.end()},
              .tags = tags},
             Origin::kBatch);
}

void TrackingStore::LogBatchAsync(std::string run_id, Batch batch, Done done) {
  const Origin origin = batch.is_single ? Origin::kSingle : Origin::kBatch;
  if (Result<void> checked = Check(run_id, batch, origin); !checked.ok()) {
    done(std::move(checked));
    return;
  }
  impl_->writer->SubmitOrRun(
      [this, origin, run_id = std::move(run_id), batch = std::move(batch)](WriteScope& scope) {
        return Put(impl_->run_keys, scope, run_id, batch, origin);
      },
      std::move(done));
}

Result<void> TrackingStore::DeleteTag(const std::string& run_id, const std::string& key) {
  return impl_->writer->Run([&](WriteScope& scope) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
    MILL_ASSIGN_OR_RETURN(const RunKey run, impl_->run_keys.ActiveRun(run_id));
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t deleted,
        sql->ExecuteCounted("DELETE FROM tags WHERE run_key = ? AND name_id = (SELECT name_id "
                            "FROM names WHERE name = ?)",
                            {run.run_key, key}));
    if (deleted == 0) {
      return base::NotFound("No tag with name: " + key + " in run with id " + run_id);
    }
    return internal::Touch(scope, run.run_key);
  });
}

}  // namespace millrace::tracking
