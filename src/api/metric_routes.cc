// SPDX-License-Identifier: Apache-2.0
// Endpoints that read metrics: histories, samples of several runs for charts, and plots of long
// histories.
#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using tracking::TrackingStore;
using enum FieldType;

constexpr int kPageOfPoints = 25'000;
constexpr int kMaxRunsOfBulk = 100;
constexpr int kMaxPointsOfChart = 2500;
constexpr int kMaxBuckets = 10'000;

constexpr Field kHistory[] = {
    kRunId,
    {.name = "metric_key", .is_required = true},
    {.name = "page_token"},
    {.name = "max_results", .type = kInt32},
};
constexpr Field kInterval[] = {
    {.name = "run_ids", .type = kTexts, .is_required = true},
    {.name = "metric_key", .is_required = true},
    {.name = "start_step", .type = kInt32},
    {.name = "end_step", .type = kInt32},
    {.name = "max_results", .type = kInt32},
};
constexpr Field kBulk[] = {
    {.name = "run_id", .type = kTexts},
    {.name = "metric_key"},
    {.name = "max_results", .type = kInt32},
};
constexpr Field kPlot[] = {
    kRunId,
    {.name = "metric_key", .is_required = true},
    {.name = "n_buckets", .type = kInt32},
};

Error OfApiDocs(const std::string& message) {
  return base::InvalidArgument(message +
                               " See the API docs for more information about request parameters.");
}

// A request without max_results asks for all of a history.
Result<tracking::Page<tracking::MetricPoint>> AllOrOnePage(TrackingStore& store, const Message& in,
                                                           const std::string& key) {
  const std::string run_id = in.RunId();
  const std::optional<std::int64_t> max_results = in.IntIfSet("max_results");
  if (max_results && *max_results < 0) {
    return base::InvalidArgument("Invalid value " + std::to_string(*max_results) +
                                 " for parameter 'max_results' supplied. It must be a positive "
                                 "integer.");
  }
  if (max_results && *max_results == 0) {
    return tracking::Page<tracking::MetricPoint>();  // as MLflow: no points, no token
  }
  if (max_results) {
    return store.MetricHistory(run_id, key, in.Count("max_results"), in.Text("page_token"));
  }
  MILL_ASSIGN_OR_RETURN(auto all,
                        store.MetricHistory(run_id, key, kPageOfPoints, in.Text("page_token")));
  while (!all.next_page_token.empty()) {
    MILL_ASSIGN_OR_RETURN(auto page,
                          store.MetricHistory(run_id, key, kPageOfPoints, all.next_page_token));
    all.items.insert(all.items.end(), page.items.begin(), page.items.end());
    all.next_page_token = std::move(page.next_page_token);
  }
  return all;
}

Result<std::string> History(TrackingStore& store, const Message& in) {
  const std::string key = in.Text("metric_key");
  MILL_ASSIGN_OR_RETURN(const auto page, AllOrOnePage(store, in, key));
  std::string body;
  body.reserve(page.items.size() * (key.size() + 80));
  JsonWriter out(body);
  out.BeginObject();
  out.List("metrics", page.items,
           [&](const tracking::MetricPoint& point) { WritePoint(point, key, "", out); });
  out.TextIfAny("next_page_token", page.next_page_token);
  out.EndObject();
  return body;
}

std::string PointsOfRuns(const std::vector<tracking::RunPoints>& runs, const std::string& key,
                         std::size_t max_points) {
  std::string body;
  JsonWriter out(body);
  std::vector<std::pair<const std::string*, const tracking::MetricPoint*>> points;
  for (const tracking::RunPoints& run : runs) {
    for (const tracking::MetricPoint& point : run.points) {
      if (points.size() < max_points) {
        points.emplace_back(&run.run_id, &point);
      }
    }
  }
  out.BeginObject();
  out.List("metrics", points,
           [&](const auto& point) { WritePoint(*point.second, key, *point.first, out); });
  out.EndObject();
  return body;
}

Result<std::string> Interval(TrackingStore& store, const Message& in) {
  tracking::BulkHistory request;
  request.run_ids = in.Texts("run_ids");
  if (request.run_ids.size() > kMaxRunsOfBulk) {
    return OfApiDocs("GetMetricHistoryBulkInterval request must specify at most " +
                     std::to_string(kMaxRunsOfBulk) + " run_ids. Received " +
                     std::to_string(request.run_ids.size()) + " run_ids.");
  }
  request.key = in.Text("metric_key");
  request.max_results = in.Count("max_results", kMaxPointsOfChart);
  if (request.max_results < 1 || request.max_results > kMaxPointsOfChart) {
    return OfApiDocs("max_results must be between 1 and " + std::to_string(kMaxPointsOfChart) +
                     ".");
  }
  request.start_step = in.IntIfSet("start_step");
  request.end_step = in.IntIfSet("end_step");
  if (request.start_step.has_value() != request.end_step.has_value()) {
    return base::InvalidArgument(
        "If either start step or end step are specified, both must be specified.");
  }
  if (request.start_step && *request.start_step > *request.end_step) {
    return base::InvalidArgument("end_step must be greater than start_step. Found start_step=" +
                                 std::to_string(*request.start_step) +
                                 " and end_step=" + std::to_string(*request.end_step) + ".");
  }
  MILL_ASSIGN_OR_RETURN(const auto runs, store.MetricHistoryBulk(request));
  return PointsOfRuns(runs, request.key, std::numeric_limits<std::size_t>::max());
}

// The request of older web pages: whole histories, by run id.
Result<std::string> Bulk(TrackingStore& store, const Message& in) {
  const std::vector<std::string> asked = in.Texts("run_id");
  if (asked.empty()) {
    return base::InvalidArgument("GetMetricHistoryBulk request must specify at least one run_id.");
  }
  if (asked.size() > kMaxRunsOfBulk) {
    return base::InvalidArgument("GetMetricHistoryBulk request cannot specify more than " +
                                 std::to_string(kMaxRunsOfBulk) + " run_ids. Received " +
                                 std::to_string(asked.size()) + " run_ids.");
  }
  const std::optional<std::string> key = in.TextIfSet("metric_key");
  if (!key) {
    return base::InvalidArgument("GetMetricHistoryBulk request must specify a metric_key.");
  }
  const int max_results = std::min(in.Count("max_results", kPageOfPoints), kPageOfPoints);
  if (max_results <= 0) {
    return base::InvalidArgument("Invalid value " + std::to_string(max_results) +
                                 " for parameter 'max_results' supplied. It must be a positive "
                                 "integer.");
  }
  std::vector<tracking::RunPoints> runs;
  for (const std::string& run_id : std::set<std::string>(asked.begin(), asked.end())) {
    auto page = store.MetricHistory(run_id, *key, max_results);
    if (!page.ok() && page.error().code() == base::ErrorCode::kNotFound) {
      continue;  // as MLflow: a run that is gone has no points
    }
    MILL_RETURN_IF_ERROR(page);
    runs.push_back({run_id, std::move(page->items)});
  }
  const std::string body = PointsOfRuns(runs, *key, static_cast<std::size_t>(max_results));
  // This one route of MLflow's writes the list where it is empty, too.
  return body == "{}" ? std::string(R"({"metrics":[]})") : body;
}

Result<std::string> Plot(TrackingStore& store, const Message& in) {
  const int n_buckets = in.Count("n_buckets", 500);
  if (n_buckets < 1 || n_buckets > kMaxBuckets) {
    return OfApiDocs("n_buckets must be between 1 and " + std::to_string(kMaxBuckets) + ".");
  }
  const std::string key = in.Text("metric_key");
  MILL_ASSIGN_OR_RETURN(const auto points, store.MetricPlot(in.RunId(), key, n_buckets));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("metrics", points,
           [&](const tracking::MetricPoint& point) { WritePoint(point, key, "", out); });
  out.EndObject();
  return body;
}

}  // namespace

void AddMetricRoutes(TrackingStore& store, Router& router) {
  const Mount mount(router);
  mount.Add("GET", "/mlflow/metrics/get-history", kHistory,
            [&store](const Message& in) { return History(store, in); });
  mount.Add("GET", "/mlflow/metrics/get-history-bulk-interval", kInterval,
            [&store](const Message& in) { return Interval(store, in); });
  mount.Add("GET", "/mlflow/metrics/get-history-bulk", kBulk,
            [&store](const Message& in) { return Bulk(store, in); });
  mount.Add("GET", "/millrace/metrics/plot", kPlot,
            [&store](const Message& in) { return Plot(store, in); });
}

}  // namespace millrace::api::internal
