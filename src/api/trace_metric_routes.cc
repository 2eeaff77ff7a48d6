// SPDX-License-Identifier: Apache-2.0
// Endpoints of numbers over many traces.
#include <string>
#include <utility>

#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "tracking/traces.h"

namespace millrace::api::internal {

namespace {

using tracking::TraceStore;
using enum FieldType;

constexpr std::string_view kViewNames[] = {"TRACES", "SPANS", "ASSESSMENTS"};
constexpr std::string_view kAggregationNames[] = {"COUNT",      "SUM", "AVG",
                                                  "PERCENTILE", "MIN", "MAX"};
constexpr Field kView = {
    .name = "view_type", .type = kEnum, .is_required = true, .names = kViewNames};
constexpr Field kAggregation = {
    .name = "aggregation_type", .type = kEnum, .is_required = true, .names = kAggregationNames};
constexpr Field kAggregationFields[] = {kAggregation,
                                        {.name = "percentile_value", .type = kDouble}};
constexpr Field kMetrics[] = {
    {.name = "experiment_ids", .type = kTexts, .is_required = true},
    kView,
    {.name = "metric_name", .is_required = true},
    {.name = "aggregations", .type = kObjects, .is_required = true, .fields = kAggregationFields},
    {.name = "dimensions", .type = kTexts},
    {.name = "filters", .type = kTexts},
    {.name = "time_interval_seconds", .type = kInt64},
    {.name = "start_time_ms", .type = kInt64},
    {.name = "end_time_ms", .type = kInt64},
    {.name = "max_results", .type = kInt32},
    {.name = "page_token"},
};
constexpr Field kCorrelation[] = {
    {.name = "experiment_ids", .type = kTexts, .is_required = true},
    {.name = "filter_string1", .is_required = true},
    {.name = "filter_string2", .is_required = true},
    {.name = "base_filter"},
};

tracking::TraceMetricQuery ReadQuery(const Message& in) {
  tracking::TraceMetricQuery query;
  query.experiment_ids = in.Texts("experiment_ids");
  query.view = static_cast<tracking::MetricView>(in.Enum(kView));
  query.metric_name = in.Text("metric_name");
  for (const Object& item : in.Objects("aggregations")) {
    tracking::MetricAggregation aggregation;
    aggregation.type = static_cast<tracking::AggregationType>(item.Enum(kAggregation));
    if (item.Has("percentile_value")) {
      aggregation.percentile = item.Double("percentile_value");
    }
    query.aggregations.push_back(aggregation);
  }
  query.dimensions = in.Texts("dimensions");
  query.filters = in.Texts("filters");
  // As in MLflow, an interval of 0 is none.
  const std::int64_t interval = in.Int("time_interval_seconds");
  if (interval != 0) {
    query.time_interval_seconds = interval;
  }
  query.start_time_ms = in.IntIfSet("start_time_ms");
  query.end_time_ms = in.IntIfSet("end_time_ms");
  query.max_results = in.Count("max_results", 1000);
  return query;
}

Result<std::string> Metrics(TraceStore& store, const Message& in) {
  const tracking::TraceMetricQuery query = ReadQuery(in);
  MILL_ASSIGN_OR_RETURN(const auto points, store.QueryMetrics(query));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("data_points", points, [&](const tracking::TraceMetricPoint& point) {
    out.BeginObject();
    out.Text("metric_name", query.metric_name);
    if (!point.dimensions.empty()) {
      out.Key("dimensions");
      out.BeginObject();
      for (const auto& [name, value] : point.dimensions) {
        out.Text(name, value);
      }
      out.EndObject();
    }
    out.Key("values");
    out.BeginObject();
    for (const auto& [name, value] : point.values) {
      out.Double(name, value);
    }
    out.EndObject();
    out.EndObject();
  });
  out.EndObject();
  return body;
}

Result<std::string> Correlation(TraceStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto result,
                        store.Correlate(in.Texts("experiment_ids"), in.Text("filter_string1"),
                                        in.Text("filter_string2"), in.Text("base_filter")));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Double("npmi", result.npmi);
  out.Double("npmi_smoothed", result.npmi_smoothed);
  out.Int("filter1_count", result.filter1_count);
  out.Int("filter2_count", result.filter2_count);
  out.Int("joint_count", result.joint_count);
  out.Int("total_count", result.total_count);
  out.EndObject();
  return body;
}

}  // namespace

void AddTraceMetricRoutes(TraceStore& store, Router& router) {
  const Mount mount(router, "3.0");
  mount.Add("POST", "/mlflow/traces/metrics", kMetrics,
            [&](const Message& in) { return Metrics(store, in); });
  mount.Add("POST", "/mlflow/traces/calculate-filter-correlation", kCorrelation,
            [&](const Message& in) { return Correlation(store, in); });
}

}  // namespace millrace::api::internal
