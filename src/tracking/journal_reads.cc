// SPDX-License-Identifier: Apache-2.0
// What the journal answers: histories, plots, latest values, changes.
#include <algorithm>
#include <limits>
#include <utility>

#include "tracking/internal/journal_points.h"
#include "tracking/internal/point_codec.h"

namespace millrace::tracking::internal {

SeriesSources JournalPoints::SourcesOf(Series series) {
  SeriesSources sources(series);
  if (active_) {
    sources.AddPoints(active_->table->Points(series));
    if (active_->table->HidesOlder(series.run_key)) {
      return sources;
    }
  }
  for (auto frozen = frozen_.rbegin(); frozen != frozen_.rend(); ++frozen) {
    sources.AddPoints(frozen->table->Points(series));
    if (frozen->table->HidesOlder(series.run_key)) {
      return sources;
    }
  }
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    sources.AddSegment(*segment);
    if ((*segment)->HidesOlder(series.run_key)) {
      break;
    }
  }
  return sources;
}

Result<std::vector<MetricPoint>> JournalPoints::History(Series series, std::int64_t offset,
                                                        std::int64_t limit) {
  std::optional<SeriesSources> sources;
  {
    const base::MutexLock lock(mutex_);
    MILL_RETURN_IF_ERROR(CatchUp());
    sources = SourcesOf(series);
  }
  std::vector<MetricPoint> points;
  if (limit <= 0) {
    return points;
  }
  const auto most = static_cast<std::size_t>(limit);
  MILL_RETURN_IF_ERROR(
      sources->Merge(StepRange(), static_cast<std::uint64_t>(std::max<std::int64_t>(offset, 0)),
                     [&](std::span<const MetricPoint> piece) -> Result<bool> {
                       piece = piece.first(std::min(piece.size(), most - points.size()));
                       points.insert(points.end(), piece.begin(), piece.end());
                       return points.size() < most;
                     }));
  return points;
}

Result<std::vector<MetricPoint>> JournalPoints::Range(Series series, std::int64_t first_step,
                                                      std::int64_t last_step) {
  std::optional<SeriesSources> sources;
  {
    const base::MutexLock lock(mutex_);
    MILL_RETURN_IF_ERROR(CatchUp());
    sources = SourcesOf(series);
  }
  std::vector<MetricPoint> points;
  MILL_RETURN_IF_ERROR(sources->Merge({first_step, last_step}, 0,
                                      [&](std::span<const MetricPoint> piece) -> Result<bool> {
                                        points.insert(points.end(), piece.begin(), piece.end());
                                        return true;
                                      }));
  return points;
}

Result<std::vector<MetricPoint>> JournalPoints::Downsampled(Series series, std::int64_t first_step,
                                                            std::int64_t last_step, int n_buckets) {
  if (n_buckets < 1) {
    return base::InvalidArgument("a plot of " + std::to_string(n_buckets) +
                                 " parts was asked for, wanted at least 1");
  }
  std::optional<SeriesSources> sources;
  {
    const base::MutexLock lock(mutex_);
    MILL_RETURN_IF_ERROR(CatchUp());
    sources = SourcesOf(series);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<PointSummary> summaries,
                        sources->Summaries({first_step, last_step}, n_buckets));
  const auto is_same = [](const MetricPoint& a, const MetricPoint& b) {
    return !PointLess(a, b) && !PointLess(b, a);
  };
  std::vector<MetricPoint> points;
  for (const PointSummary& summary : summaries) {
    MetricPoint four[] = {summary.first, summary.minimum, summary.maximum, summary.last};
    std::sort(std::begin(four), std::end(four), StepLess);
    points.insert(points.end(), std::begin(four),
                  std::unique(std::begin(four), std::end(four), is_same));
  }
  return points;
}

Result<std::vector<SeriesPoint>> JournalPoints::Latest(std::span<const std::int64_t> run_keys) {
  std::vector<SeriesPoint> latest;
  std::vector<std::int64_t> stored;
  {
    const base::MutexLock lock(mutex_);
    MILL_RETURN_IF_ERROR(CatchUp());
    for (const std::int64_t run_key : run_keys) {
      bool is_hidden = false;
      if (active_) {
        active_->table->AppendLatest(run_key, latest);
        is_hidden = active_->table->HidesOlder(run_key);
      }
      for (auto frozen = frozen_.rbegin(); frozen != frozen_.rend() && !is_hidden; ++frozen) {
        frozen->table->AppendLatest(run_key, latest);
        is_hidden = frozen->table->HidesOlder(run_key);
      }
      // Rows of what a tombstone in memory hides may not be deleted yet. Those of a segment are.
      if (!is_hidden) {
        stored.push_back(run_key);
      }
    }
  }
  // Read after what is in memory: points that reach the table in between are found twice, not
  // never.
  MILL_RETURN_IF_ERROR(AddStoredLatest(stored, latest));
  std::sort(latest.begin(), latest.end(), [](const SeriesPoint& a, const SeriesPoint& b) {
    return a.series != b.series ? a.series < b.series : IsLater(a.point, b.point);
  });
  const auto is_same = [](const SeriesPoint& a, const SeriesPoint& b) {
    return a.series == b.series;
  };
  latest.erase(std::unique(latest.begin(), latest.end(), is_same), latest.end());
  return latest;
}

Result<void> JournalPoints::AddStoredLatest(std::span<const std::int64_t> run_keys,
                                            std::vector<SeriesPoint>& latest) {
  // Two shapes of the statement, so that both stay prepared; a key that repeats finds nothing more.
  constexpr std::size_t kMany = 64;
  static const std::string many = [] {
    std::string sql =
        "SELECT run_key, name_id, value, timestamp, step, is_nan FROM latest_metrics "
        "WHERE run_key IN (?";
    for (std::size_t i = 1; i < kMany; ++i) {
      sql += ",?";
    }
    return sql + ")";
  }();
  constexpr std::string_view kOne =
      "SELECT run_key, name_id, value, timestamp, step, is_nan FROM latest_metrics "
      "WHERE run_key = ?";
  const auto add = [&latest](store::RowView row) {
    const bool is_nan = store::IntOr(row[5], 0) != 0;
    latest.push_back(
        {{store::IntOr(row[0], 0), store::IntOr(row[1], 0)},
         {store::IntOr(row[3], 0), store::IntOr(row[4], 0),
          is_nan ? std::numeric_limits<double>::quiet_NaN() : store::DoubleOr(row[2], 0)}});
  };
  for (std::size_t begin = 0; begin < run_keys.size();) {
    const std::size_t left = run_keys.size() - begin;
    const std::size_t n = left == 1 ? 1 : std::min(left, kMany);
    std::vector<store::Value> params;
    for (std::size_t i = 0; i < (n == 1 ? 1 : kMany); ++i) {
      params.emplace_back(run_keys[begin + std::min(i, n - 1)]);
    }
    MILL_RETURN_IF_ERROR(metadata_.ForEach(n == 1 ? kOne : std::string_view(many), params, add));
    begin += n;
  }
  return {};
}

Result<bool> JournalPoints::ChangedSince(std::uint64_t& cursor, std::vector<Series>& changed) {
  const base::MutexLock lock(mutex_);
  MILL_RETURN_IF_ERROR(CatchUp());
  return changes_.Since(cursor, changed);
}

PointManifest JournalPoints::manifest() {
  const base::MutexLock lock(mutex_);
  return manifest_;
}

}  // namespace millrace::tracking::internal
