// SPDX-License-Identifier: Apache-2.0
// Numbers over many traces: counts, latencies, tokens, costs and judgements by group and time, and
// how two filters go together.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

/// What is counted. The numbers are MLflow's.
enum class MetricView { kTraces = 1, kSpans = 2, kAssessments = 3 };
/// The numbers are MLflow's.
enum class AggregationType { kCount = 1, kSum = 2, kAvg = 3, kPercentile = 4, kMin = 5, kMax = 6 };

struct MetricAggregation {
  AggregationType type = AggregationType::kCount;
  /// From 0 to 100; for kPercentile alone.
  std::optional<double> percentile = {};
};

struct TraceMetricQuery {
  std::vector<std::string> experiment_ids = {};
  MetricView view = MetricView::kTraces;
  /// "trace_count", "session_count", "latency" (milliseconds), "input_tokens", ...; "span_count",
  /// "input_cost", ...; "assessment_count", "assessment_value".
  std::string metric_name = {};
  std::vector<MetricAggregation> aggregations = {};
  /// "trace_name", "span_type", "assessment_name", ...: one point per combination of values. What
  /// lacks one of them is left out.
  std::vector<std::string> dimensions = {};
  /// "trace.status = 'OK'", "trace.tag.k = 'v'", "trace.metadata.k = 'v'", "span.name = 'n'",
  /// "assessment.type = 'feedback'": all of them must hold.
  std::vector<std::string> filters = {};
  /// One point per interval of that length, which needs both ends; counted from 1970.
  std::optional<std::int64_t> time_interval_seconds = {};
  /// Both inclusive.
  std::optional<std::int64_t> start_time_ms = {};
  std::optional<std::int64_t> end_time_ms = {};
  int max_results = 1000;
};

struct TraceMetricPoint {
  /// With time_interval_seconds, "time_bucket" is the interval's begin in ISO 8601.
  std::map<std::string, std::string> dimensions;
  /// By "COUNT", "AVG", "P99.0", ...
  std::map<std::string, double> values;
};

/// By time and dimensions, at most max_results. Percentiles are interpolated linearly.
/// kInvalidArgument in MLflow's words for a metric, aggregation, dimension or filter that the view
/// does not have. Cost: one pass over the rows of the time range.
Result<std::vector<TraceMetricPoint>> QueryTraceMetrics(store::Metadata& metadata,
                                                        const TraceMetricQuery& query);

/// How often two filters match the same trace, against what chance would give.
struct FilterCorrelation {
  /// Normalised pointwise mutual information, from -1 (never together) over 0 (independent) to 1
  /// (always together); NaN where a filter matches nothing.
  double npmi = 0;
  /// The same with half a trace added to each of the four counts (Jeffreys prior).
  double npmi_smoothed = 0;
  std::int64_t filter1_count = 0;
  std::int64_t filter2_count = 0;
  std::int64_t joint_count = 0;
  /// Traces that match the base filter.
  std::int64_t total_count = 0;
};

/// Source of the measure: Bouma 2009, Normalized (Pointwise) Mutual Information in Collocation
/// Extraction.
Result<FilterCorrelation> CorrelateTraceFilters(store::Metadata& metadata,
                                                const std::vector<std::string>& experiment_ids,
                                                const std::string& filter1,
                                                const std::string& filter2,
                                                const std::string& base_filter);

/// The measure for four counts.
FilterCorrelation CorrelationOfCounts(std::int64_t joint, std::int64_t filter1,
                                      std::int64_t filter2, std::int64_t total);

}  // namespace millrace::tracking
