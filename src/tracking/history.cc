// SPDX-License-Identifier: Apache-2.0
// The histories of metrics: by pages, sampled for charts of several runs, and summed up for plots.
#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/search.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();

/// The series of a run's metric; name_id 0 where nobody ever used the key.
Result<internal::Series> FindSeries(TrackingStore::Impl& impl, const std::string& run_id,
                                    const std::string& key) {
  MILL_ASSIGN_OR_RETURN(const internal::RunKey run, internal::ReadRunKey(impl.metadata, run_id));
  MILL_ASSIGN_OR_RETURN(const std::int64_t name, impl.names.IdOf(key));
  return internal::Series{run.run_key, name};
}

bool IsBefore(const MetricPoint& a, const MetricPoint& b) {
  return std::tie(a.step, a.timestamp_ms, a.value) < std::tie(b.step, b.timestamp_ms, b.value);
}

/// More points than this of one series are not sampled one by one, but by parts of their range.
constexpr std::int64_t kMostRead = 100'000;

/// The points to choose from.
Result<std::vector<MetricPoint>> Candidates(internal::MetricPoints& points, internal::Series series,
                                            std::int64_t first, std::int64_t last, int most) {
  const bool is_narrow = first > kFirst && last < first + kMostRead;
  if (!is_narrow) {
    MILL_ASSIGN_OR_RETURN(const std::vector<MetricPoint> some,
                          points.History(series, 0, kMostRead + 1));
    if (static_cast<std::int64_t>(some.size()) > kMostRead) {
      return points.Downsampled(series, first, last, std::max(1, most / 4));
    }
  }
  return points.Range(series, first, last);
}

/// Every n-th of the steps in [first, last] so that about `most` remain, and the last.
void Sample(const std::vector<std::int64_t>& steps, std::int64_t first, std::int64_t last,
            std::size_t most, std::set<std::int64_t>& sampled) {
  const auto begin = std::lower_bound(steps.begin(), steps.end(), first);
  const auto end = std::upper_bound(steps.begin(), steps.end(), last);
  const auto n = static_cast<std::size_t>(end - begin);
  if (n <= most) {
    sampled.insert(begin, end);
    return;
  }
  const double interval = static_cast<double>(n) / static_cast<double>(most);
  for (std::size_t i = 0; i < most; ++i) {
    const auto index = static_cast<std::ptrdiff_t>(static_cast<double>(i) * interval);
    sampled.insert(*(begin + index));
  }
  sampled.insert(*(end - 1));
}

/// At most `most` points, evenly, with the last one: where one step has thousands of values.
void Thin(std::vector<MetricPoint>& points, std::size_t most) {
  if (points.size() <= most) {
    return;
  }
  const double interval = static_cast<double>(points.size()) / static_cast<double>(most);
  const MetricPoint last = points.back();
  for (std::size_t i = 0; i < most; ++i) {
    points[i] = points[static_cast<std::size_t>(static_cast<double>(i) * interval)];
  }
  points.resize(most);
  points.back() = last;
}

}  // namespace

Result<Page<MetricPoint>> TrackingStore::MetricHistory(const std::string& run_id,
                                                       const std::string& key, int max_results,
                                                       const std::string& page_token) {
  if (max_results < 0) {
    return base::InvalidArgument("Invalid value " + std::to_string(max_results) +
                                 " for parameter 'max_results' supplied. It must be a positive "
                                 "integer");
  }
  std::int64_t offset = 0;
  if (!page_token.empty()) {
    MILL_ASSIGN_OR_RETURN(offset, ParsePageToken(page_token));
  }
  MILL_ASSIGN_OR_RETURN(const internal::Series series, FindSeries(*impl_, run_id, key));
  Page<MetricPoint> page;
  if (series.name_id == 0) {
    return page;
  }
  MILL_ASSIGN_OR_RETURN(page.items,
                        impl_->points->History(series, offset, std::int64_t{max_results} + 1));
  if (page.items.size() > static_cast<std::size_t>(max_results)) {
    page.items.resize(static_cast<std::size_t>(max_results));
    page.next_page_token = PageToken(offset + max_results);
  }
  return page;
}

Result<std::vector<RunPoints>> TrackingStore::MetricHistoryBulk(const BulkHistory& request) {
  if (request.start_step.has_value() != request.end_step.has_value()) {
    return base::InvalidArgument(
        "If either start step or end step are specified, both must be specified.");
  }
  const std::int64_t first = request.start_step.value_or(kFirst);
  const std::int64_t last = request.end_step.value_or(kLast);
  if (first > last) {
    return base::InvalidArgument(
        "end_step must be greater than start_step. Found start_step=" + std::to_string(first) +
        " and end_step=" + std::to_string(last) + ".");
  }
  MILL_ASSIGN_OR_RETURN(const std::int64_t name, impl_->names.IdOf(request.key));
  std::vector<RunPoints> result;
  std::set<std::int64_t> sampled;
  std::vector<std::int64_t> steps;
  for (const std::string& run_id : request.run_ids) {
    const Result<internal::RunKey> run = internal::ReadRunKey(impl_->metadata, run_id);
    if (!run.ok()) {
      if (run.error().code() == ErrorCode::kNotFound) {
        continue;
      }
      return run.error();
    }
    RunPoints points{run_id, {}};
    if (name != 0) {
      MILL_ASSIGN_OR_RETURN(points.points, Candidates(*impl_->points, {run->run_key, name}, first,
                                                      last, request.max_results));
    }
    std::sort(points.points.begin(), points.points.end(), IsBefore);
    for (const MetricPoint& point : points.points) {
      steps.push_back(point.step);
    }
    if (!points.points.empty()) {
      // A run whose steps lie apart from the others' keeps its ends.
      sampled.insert(points.points.front().step);
      sampled.insert(points.points.back().step);
    }
    result.push_back(std::move(points));
  }
  std::sort(steps.begin(), steps.end());
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  const auto most = static_cast<std::size_t>(std::max(1, request.max_results));
  Sample(steps, first, last, most, sampled);
  for (RunPoints& run : result) {
    std::erase_if(run.points,
                  [&](const MetricPoint& point) { return !sampled.contains(point.step); });
    Thin(run.points, 4 * most);
  }
  return result;
}

Result<std::vector<MetricPoint>> TrackingStore::MetricPlot(const std::string& run_id,
                                                           const std::string& key, int n_buckets) {
  if (n_buckets < 1) {
    return base::InvalidArgument("a plot of " + std::to_string(n_buckets) +
                                 " parts was asked for; 1 or more are wanted");
  }
  MILL_ASSIGN_OR_RETURN(const internal::Series series, FindSeries(*impl_, run_id, key));
  if (series.name_id == 0) {
    return std::vector<MetricPoint>();
  }
  return impl_->points->Downsampled(series, kFirst, kLast, n_buckets);
}

}  // namespace millrace::tracking
