// SPDX-License-Identifier: Apache-2.0
// Numbers over many traces, by hand on paper.
#include "tracking/trace_metrics.h"

#include <cmath>

#include "tracking/internal/test_store.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

using internal::Failure;
using Values = std::map<std::string, double>;

class TraceMetricsTest : public internal::StoreTest {
 protected:
  TraceMetricsTest() : traces_(TraceStore::Open(*opened_->metadata, clock()).value()) {
    // name, state, second, milliseconds, input tokens (-1: not told), session
    Add("tr-1", "a", "OK", 10, 100, 5, "s1");
    Add("tr-2", "a", "OK", 20, 200, 7, "s1");
    Add("tr-3", "b", "ERROR", 70, 400, -1, "s2");
    Add("tr-4", "b", "OK", 130, 800, 9, "");
  }
  ~TraceMetricsTest() override { traces_.reset(); }

  void Add(const std::string& id, const std::string& name, const std::string& state, int second,
           int ms, int tokens, const std::string& session) {
    TraceInfo info;
    info.trace_id = id;
    info.experiment_id = "0";
    info.request_time_ms = second * 1000;
    info.execution_time_ms = ms;
    info.state = state;
    info.tags["mlflow.traceName"] = name;
    if (tokens >= 0) {
      info.metadata["mlflow.trace.tokenUsage"] =
          "{\"input_tokens\": " + std::to_string(tokens) + "}";
    }
    if (!session.empty()) {
      info.metadata["mlflow.trace.session"] = session;
    }
    ASSERT_TRUE(traces_->Start(info, true).ok());
  }
  static TraceMetricQuery Query(const std::string& name,
                                std::vector<MetricAggregation> aggregations,
                                MetricView view = MetricView::kTraces) {
    return {.experiment_ids = {"0"},
            .view = view,
            .metric_name = name,
            .aggregations = std::move(aggregations)};
  }
  std::vector<TraceMetricPoint> Ask(const TraceMetricQuery& query) {
    const auto points = traces_->QueryMetrics(query);
    EXPECT_TRUE(points.ok()) << (points.ok() ? "" : points.error().ToString());
    return points.ok() ? *points : std::vector<TraceMetricPoint>();
  }
  static constexpr MetricAggregation kCounted{AggregationType::kCount, {}};
  std::unique_ptr<TraceStore> traces_;
};

MILL_ON_EVERY_DATABASE(TraceMetricsTest);

TEST_P(TraceMetricsTest, CountsByNameAndStatus) {
  TraceMetricQuery query = Query("trace_count", {kCounted});
  EXPECT_EQ(Ask(query).at(0).values, (Values{{"COUNT", 4}}));
  query.dimensions = {"trace_name", "trace_status"};
  const auto points = Ask(query);
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].dimensions.at("trace_name"), "a");
  EXPECT_EQ(points[0].values, (Values{{"COUNT", 2}}));
  EXPECT_EQ(points[1].dimensions.at("trace_status"), "ERROR");
  query.max_results = 1;
  EXPECT_EQ(Ask(query).size(), 1U);
  EXPECT_EQ(Ask(Query("session_count", {kCounted})).at(0).values, (Values{{"COUNT", 2}}));
}

TEST_P(TraceMetricsTest, StatisticsOfLatencyAndTokens) {
  const auto latency = Ask(Query("latency", {{AggregationType::kAvg, {}},
                                             {AggregationType::kMin, {}},
                                             {AggregationType::kMax, {}},
                                             {AggregationType::kPercentile, 50.0},
                                             {AggregationType::kPercentile, 90.0}}));
  ASSERT_EQ(latency.size(), 1U);
  EXPECT_EQ(latency[0].values.at("AVG"), 375);
  EXPECT_EQ(latency[0].values.at("MIN"), 100);
  EXPECT_EQ(latency[0].values.at("MAX"), 800);
  EXPECT_EQ(latency[0].values.at("P50.0"), 300) << "halfway between 200 and 400";
  EXPECT_NEAR(latency[0].values.at("P90.0"), 680, 1e-9) << "400 + 0.7 * 400";
  EXPECT_EQ(Ask(Query("input_tokens", {{AggregationType::kSum, {}}})).at(0).values,
            (Values{{"SUM", 21}}));
  EXPECT_TRUE(Ask(Query("output_tokens", {{AggregationType::kSum, {}}})).empty());
}

TEST_P(TraceMetricsTest, TimeIsCutIntoBuckets) {
  TraceMetricQuery query = Query("trace_count", {kCounted});
  query.time_interval_seconds = 60;
  EXPECT_EQ(Failure(traces_->QueryMetrics(query), ErrorCode::kInvalidArgument),
            "start_time_ms and end_time_ms are required if time_interval_seconds is set");
  query.start_time_ms = 20'000;
  query.end_time_ms = 130'000;
  const auto points = Ask(query);
  ASSERT_EQ(points.size(), 3U) << "both ends belong to it";
  EXPECT_EQ(points[0].dimensions.at("time_bucket"), "1970-01-01T00:00:00+00:00");
  EXPECT_EQ(points[2].dimensions.at("time_bucket"), "1970-01-01T00:02:00+00:00");
  EXPECT_EQ(points[0].values.at("COUNT"), 1);
}

TEST_P(TraceMetricsTest, FiltersLeaveOut) {
  const auto count = [&](const std::vector<std::string>& filters) {
    TraceMetricQuery query = Query("trace_count", {kCounted});
    query.filters = filters;
    const auto points = Ask(query);
    return points.empty() ? -1 : static_cast<int>(points[0].values.at("COUNT"));
  };
  EXPECT_EQ(count({"trace.status = 'OK'"}), 3);
  EXPECT_EQ(count({"trace.status = 'OK'", "trace.tag.`mlflow.traceName` = 'a'"}), 2);
  EXPECT_EQ(count({"trace.metadata.mlflow.trace.session = \"s2\""}), 1);
  const std::string run = NewRun();
  ASSERT_TRUE(traces_->LinkToRun({"tr-4"}, run).ok());
  EXPECT_EQ(count({"trace.metadata.mlflow.sourceRun = '" + run + "'"}), 1);
}

TEST_P(TraceMetricsTest, SpansCountTimeAndCost) {
  Span span{.trace_id = "tr-1",
            .span_id = "a",
            .parent_id = "",
            .name = "call",
            .type = "LLM",
            .status = "OK",
            .start_time_ns = 10'000'000'000,
            .end_time_ns = 10'002'900'000,
            .content = R"({"attributes": {"mlflow.llm.model": "\"m\"", "mlflow.llm.cost":)"
                       R"( "{\"input_cost\": 0.5, \"total_cost\": 1.5}"}})"};
  ASSERT_TRUE(traces_->LogSpans("0", std::span(&span, 1), {}).ok());
  EXPECT_EQ(Ask(Query("span_count", {kCounted}, MetricView::kSpans)).at(0).values.at("COUNT"), 1);
  EXPECT_EQ(Ask(Query("latency", {{AggregationType::kMax, {}}}, MetricView::kSpans))
                .at(0)
                .values.at("MAX"),
            2)
      << "whole milliseconds";
  TraceMetricQuery cost = Query("total_cost", {{AggregationType::kSum, {}}}, MetricView::kSpans);
  cost.dimensions = {"span_model_name"};
  cost.filters = {"span.type = 'LLM'"};
  cost.start_time_ms = 10'000;
  cost.end_time_ms = 10'000;
  const auto points = Ask(cost);
  ASSERT_EQ(points.size(), 1U);
  EXPECT_EQ(points[0].dimensions.at("span_model_name"), "m");
  EXPECT_EQ(points[0].values.at("SUM"), 1.5);
}

TEST_P(TraceMetricsTest, AssessmentsCountAsNumbers) {
  const auto judge = [&](const char* trace, const char* body) {
    Assessment assessment;
    assessment.trace_id = trace;
    assessment.name = "good";
    assessment.kind = "feedback";
    assessment.body = body;
    ASSERT_TRUE(traces_->CreateAssessment(assessment).ok());
  };
  judge("tr-1", R"({"value": true})");
  judge("tr-2", R"({"value": " No "})");
  judge("tr-3", R"({"value": 0.5})");
  judge("tr-4", R"({"value": "maybe"})");
  TraceMetricQuery query =
      Query("assessment_value", {{AggregationType::kAvg, {}}}, MetricView::kAssessments);
  EXPECT_EQ(Ask(query).at(0).values.at("AVG"), 0.5);
  query = Query("assessment_count", {kCounted}, MetricView::kAssessments);
  query.dimensions = {"assessment_value"};
  query.filters = {"assessment.type = 'feedback'"};
  const auto points = Ask(query);
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[3].dimensions.at("assessment_value"), "true");
}

TEST_P(TraceMetricsTest, WhatAViewDoesNotHaveIsRefused) {
  const auto message = [&](const TraceMetricQuery& query) {
    return Failure(traces_->QueryMetrics(query), ErrorCode::kInvalidArgument);
  };
  EXPECT_EQ(message(Query("x", {kCounted}, MetricView::kAssessments)),
            "metric_name must be one of ['assessment_count', 'assessment_value'], got 'x'");
  EXPECT_EQ(message(Query("trace_count", {{AggregationType::kSum, {}}})),
            "Found invalid aggregation_type(s): ['SUM']. Supported aggregation types: ['COUNT']");
  TraceMetricQuery query = Query("latency", {{AggregationType::kAvg, {}}});
  query.dimensions = {"trace_status"};
  EXPECT_EQ(message(query),
            "Found invalid dimension(s): ['trace_status']. Supported dimensions: ['trace_name']");
  EXPECT_EQ(message(Query("latency", {{AggregationType::kPercentile, 101.0}})),
            "Percentile value must be between 0 and 100, got 101.0");
  query = Query("trace_count", {kCounted});
  const std::map<std::string, std::string> filters = {
      {"span.name = 'x'", "Filtering by span is only supported for SPANS view type, got TRACES"},
      {"trace.tag = 'x'", "Filtering by tag requires a key, e.g. 'trace.tag.<key> = <value>'"},
      {"trace.status != 'x'", "Invalid comparator: '!=', only '=' operator is supported"},
      {"trace.status = 3",
       "Expected a quoted string value for status value (e.g. 'my-value'). Got value 3"},
      {"run.status = 'x'",
       "Invalid view type 'run'. Valid values are dict_keys(['trace', 'span', 'assessment'])"}};
  for (const auto& [filter, said] : filters) {
    query.filters = {filter};
    EXPECT_EQ(message(query), said);
  }
}

TEST_P(TraceMetricsTest, FiltersGoTogetherOrNot) {
  const auto ask = [&](const std::string& one, const std::string& two, const std::string& base) {
    return traces_->Correlate({"0"}, one, two, base).value();
  };
  FilterCorrelation result = ask("tags.`mlflow.traceName` = 'a'", "status = 'OK'", "");
  EXPECT_EQ(result.filter1_count, 2);
  EXPECT_EQ(result.filter2_count, 3);
  EXPECT_EQ(result.joint_count, 2);
  EXPECT_EQ(result.total_count, 4);
  // log(2 * 4 / (2 * 3)) / log(4 / 2)
  EXPECT_NEAR(result.npmi, std::log(8.0 / 6.0) / std::log(2.0), 1e-12);
  result = ask("tags.`mlflow.traceName` = 'a'", "status = 'ERROR'", "");
  EXPECT_EQ(result.npmi, -1);
  EXPECT_GT(result.npmi_smoothed, -1);
  EXPECT_TRUE(std::isnan(ask("status = 'OK'", "tags.x = 'y'", "").npmi));
  result = ask("status = 'OK'", "tags.`mlflow.traceName` = 'a'", "timestamp_ms < 30000");
  EXPECT_EQ(result.total_count, 2);
  EXPECT_EQ(result.npmi, 1);
  EXPECT_EQ(result.npmi_smoothed, 1);
}

TEST_P(TraceMetricsTest, IndependentFiltersHaveNothingInCommon) {
  const FilterCorrelation result = CorrelationOfCounts(25, 50, 50, 100);
  EXPECT_NEAR(result.npmi, 0, 1e-12);
  EXPECT_NEAR(CorrelationOfCounts(10, 20, 15, 100).npmi,
              std::log(10.0 * 100 / (20 * 15)) / -std::log(0.1), 1e-12);
  EXPECT_TRUE(std::isnan(CorrelationOfCounts(0, 0, 0, 0).npmi_smoothed));
}

}  // namespace
}  // namespace millrace::tracking
