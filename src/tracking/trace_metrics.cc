// SPDX-License-Identifier: Apache-2.0
// Which metrics there are over traces, and how their samples become points.
#include "tracking/trace_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "store/metadata.h"
#include "tracking/internal/search_fields.h"
#include "tracking/internal/trace_metric_rows.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using View = std::string_view;

/// What may be asked of a metric: a count alone, or statistics, with sums where those mean
/// something.
enum class Kind { kCount, kStatistics, kSums };

struct Metric {
  MetricView view = MetricView::kTraces;
  View name;
  Kind kind = Kind::kCount;
  /// Sorted, as messages print them.
  std::array<View, 5> dimensions = {};
};

constexpr std::array<Metric, 15> kMetrics = {{
    {MetricView::kTraces, "trace_count", Kind::kCount, {"trace_name", "trace_status"}},
    {MetricView::kTraces, "session_count", Kind::kCount, {}},
    {MetricView::kTraces, "latency", Kind::kStatistics, {"trace_name"}},
    {MetricView::kTraces, "input_tokens", Kind::kSums, {"trace_name"}},
    {MetricView::kTraces, "output_tokens", Kind::kSums, {"trace_name"}},
    {MetricView::kTraces, "total_tokens", Kind::kSums, {"trace_name"}},
    {MetricView::kTraces, "cache_read_input_tokens", Kind::kSums, {"trace_name"}},
    {MetricView::kTraces, "cache_creation_input_tokens", Kind::kSums, {"trace_name"}},
    {MetricView::kSpans,
     "span_count",
     Kind::kCount,
     {"span_model_name", "span_model_provider", "span_name", "span_status", "span_type"}},
    {MetricView::kSpans, "latency", Kind::kStatistics, {"span_name", "span_status"}},
    {MetricView::kSpans, "input_cost", Kind::kSums, {"span_model_name", "span_model_provider"}},
    {MetricView::kSpans, "output_cost", Kind::kSums, {"span_model_name", "span_model_provider"}},
    {MetricView::kSpans, "total_cost", Kind::kSums, {"span_model_name", "span_model_provider"}},
    {MetricView::kAssessments,
     "assessment_count",
     Kind::kCount,
     {"assessment_name", "assessment_value"}},
    {MetricView::kAssessments, "assessment_value", Kind::kStatistics, {"assessment_name"}},
}};

std::string PythonList(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  std::string list;
  for (const std::string& text : texts) {
    list += (list.empty() ? "" : ", ") + internal::PythonText(text);
  }
  return "[" + list + "]";
}

std::string NameOf(AggregationType type) {
  constexpr std::array<View, 7> kNames = {"", "COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX"};
  return std::string(kNames.at(static_cast<std::size_t>(type)));
}

std::vector<std::string> AggregationsOf(Kind kind) {
  if (kind == Kind::kCount) {
    return {"COUNT"};
  }
  std::vector<std::string> names = {"AVG", "MAX", "MIN", "PERCENTILE"};
  if (kind == Kind::kSums) {
    names.emplace_back("SUM");
  }
  return names;
}

Result<const Metric*> FindMetric(const TraceMetricQuery& query) {
  std::string names;
  for (const Metric& metric : kMetrics) {
    if (metric.view != query.view) {
      continue;
    }
    if (metric.name == query.metric_name) {
      return &metric;
    }
    names += (names.empty() ? "'" : ", '") + std::string(metric.name) + "'";
  }
  return InvalidArgument("metric_name must be one of [" + names + "], got '" + query.metric_name +
                         "'");
}

Result<void> CheckAggregation(const MetricAggregation& aggregation) {
  if (aggregation.type != AggregationType::kPercentile) {
    return aggregation.percentile
               ? InvalidArgument(
                     "Percentile value is only allowed for PERCENTILE aggregation "
                     "type, got " +
                     NameOf(aggregation.type))
               : Result<void>();
  }
  if (!aggregation.percentile) {
    return InvalidArgument("Percentile value is required for PERCENTILE aggregation");
  }
  if (!(*aggregation.percentile >= 0 && *aggregation.percentile <= 100)) {
    return InvalidArgument("Percentile value must be between 0 and 100, got " +
                           internal::PythonFloat(*aggregation.percentile));
  }
  return {};
}

Result<void> Check(const TraceMetricQuery& query) {
  MILL_ASSIGN_OR_RETURN(const Metric* metric, FindMetric(query));
  const std::vector<std::string> allowed = AggregationsOf(metric->kind);
  std::vector<std::string> wrong;
  for (const MetricAggregation& aggregation : query.aggregations) {
    MILL_RETURN_IF_ERROR(CheckAggregation(aggregation));
    const std::string name = NameOf(aggregation.type);
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
      wrong.push_back(name);
    }
  }
  if (!wrong.empty()) {
    return InvalidArgument("Found invalid aggregation_type(s): " + PythonList(wrong) +
                           ". Supported aggregation types: " + PythonList(allowed));
  }
  std::vector<std::string> dimensions;
  for (const View name : metric->dimensions) {
    if (!name.empty()) {
      dimensions.emplace_back(name);
    }
  }
  for (const std::string& name : query.dimensions) {
    if (std::find(dimensions.begin(), dimensions.end(), name) == dimensions.end()) {
      wrong.push_back(name);
    }
  }
  if (!wrong.empty()) {
    return InvalidArgument("Found invalid dimension(s): " + PythonList(wrong) +
                           ". Supported dimensions: " + PythonList(dimensions));
  }
  if (query.time_interval_seconds && (!query.start_time_ms || !query.end_time_ms)) {
    return InvalidArgument(
        "start_time_ms and end_time_ms are required if time_interval_seconds is set");
  }
  if (query.time_interval_seconds &&
      (*query.time_interval_seconds < 1 || *query.time_interval_seconds > 1'000'000'000)) {
    return InvalidArgument("time_interval_seconds must be between 1 and 1000000000, got " +
                           std::to_string(*query.time_interval_seconds));
  }
  return query.max_results < 1 ? InvalidArgument("max_results must be a positive integer, got " +
                                                 std::to_string(query.max_results))
                               : Result<void>();
}

/// The samples of one point.
struct Group {
  std::int64_t n = 0;
  double sum = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  /// Only where percentiles are asked for.
  std::vector<double> values;
  std::set<std::string> sessions;
};

double Percentile(std::vector<double>& values, double percentile) {
  std::sort(values.begin(), values.end());
  const double place = percentile / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const double fraction = place - static_cast<double>(below);
  return values[below] + (values[above] - values[below]) * fraction;
}

double Aggregate(Group& group, const MetricAggregation& aggregation) {
  switch (aggregation.type) {
    case AggregationType::kCount:
      return static_cast<double>(
          group.sessions.empty() ? group.n : static_cast<std::int64_t>(group.sessions.size()));
    case AggregationType::kSum:
      return group.sum;
    case AggregationType::kAvg:
      return group.sum / static_cast<double>(group.n);
    case AggregationType::kMin:
      return group.min;
    case AggregationType::kMax:
      return group.max;
    case AggregationType::kPercentile:
      break;
  }
  return Percentile(group.values, *aggregation.percentile);
}

std::string LabelOf(const MetricAggregation& aggregation) {
  return aggregation.type == AggregationType::kPercentile
             ? "P" + internal::PythonFloat(*aggregation.percentile)
             : NameOf(aggregation.type);
}

std::int64_t FloorTo(std::int64_t value, std::int64_t step) {
  const std::int64_t rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}

/// "2026-11-26T10:00:00+00:00".
std::string BucketText(std::int64_t ms) {
  std::string text = base::FormatTimestamp({ms * 1000});
  text.pop_back();
  return text + "+00:00";
}

}  // namespace

Result<std::vector<TraceMetricPoint>> QueryTraceMetrics(store::Metadata& metadata,
                                                        const TraceMetricQuery& query) {
  MILL_RETURN_IF_ERROR(Check(query));
  std::vector<TraceMetricPoint> points;
  const bool wants_values =
      std::any_of(query.aggregations.begin(), query.aggregations.end(),
                  [](const auto& a) { return a.type == AggregationType::kPercentile; });
  const std::int64_t step = query.time_interval_seconds.value_or(0) * 1000;
  std::map<std::pair<std::int64_t, std::vector<std::string>>, Group> groups;
  if (step == 0 && query.dimensions.empty()) {
    groups[{0, {}}] = {};  // also of nothing there is a count
  }
  MILL_RETURN_IF_ERROR(
      internal::ForMetricSamples(metadata, query, [&](internal::MetricSample sample) {
        const std::int64_t bucket = step == 0 ? 0 : FloorTo(sample.time_ms, step);
        Group& group = groups[{bucket, std::move(sample.dimensions)}];
        ++group.n;
        group.sum += sample.value;
        group.min = std::min(group.min, sample.value);
        group.max = std::max(group.max, sample.value);
        if (wants_values) {
          group.values.push_back(sample.value);
        }
        if (!sample.session.empty()) {
          group.sessions.insert(std::move(sample.session));
        }
      }));
  for (auto& [key, group] : groups) {
    if (points.size() == static_cast<std::size_t>(query.max_results)) {
      break;
    }
    TraceMetricPoint point;
    if (step != 0) {
      point.dimensions["time_bucket"] = BucketText(key.first);
    }
    for (std::size_t i = 0; i < query.dimensions.size(); ++i) {
      point.dimensions[query.dimensions[i]] = key.second[i];
    }
    for (const MetricAggregation& aggregation : query.aggregations) {
      if (group.n > 0 || aggregation.type == AggregationType::kCount) {
        point.values[LabelOf(aggregation)] = Aggregate(group, aggregation);
      }
    }
    if (!point.values.empty()) {
      points.push_back(std::move(point));
    }
  }
  return points;
}

}  // namespace millrace::tracking
