// SPDX-License-Identifier: Apache-2.0
// Metric points as rows: one row per point, and the latest value of each series in a row of its
// own.
#include "tracking/internal/sql_points.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

using store::Row;
using store::RowView;
using store::Value;

/// Rows of one INSERT. Two sizes of statements in all, so that they stay prepared.
constexpr std::size_t kRowsAtOnce = 64;
/// More series than this are cheaper to read again as a whole.
constexpr std::size_t kMostChanges = 200'000;

std::string Rows(std::size_t rows, std::size_t columns) {
  const std::string row = "(" + Marks(columns) + ")";
  std::string text = row;
  for (std::size_t i = 1; i < rows; ++i) {
    text += ", " + row;
  }
  return text;
}

/// From columns timestamp, step, value, is_nan.
MetricPoint PointFromRow(RowView row, std::size_t first) {
  MetricPoint point;
  point.timestamp_ms = Int(row[first]);
  point.step = Int(row[first + 1]);
  point.value = Int(row[first + 3]) != 0 ? std::numeric_limits<double>::quiet_NaN()
                                         : store::DoubleOr(row[first + 2], 0);
  return point;
}

void AddPoint(const SeriesPoint& p, std::vector<Value>& values) {
  const bool is_nan = std::isnan(p.point.value);
  values.emplace_back(p.series.run_key);
  values.emplace_back(p.series.name_id);
  values.emplace_back(p.point.timestamp_ms);
  values.emplace_back(p.point.step);
  values.emplace_back(is_nan ? 0.0 : p.point.value);
  values.emplace_back(std::int64_t{is_nan});
}

class SqlGroup final : public PointGroup {
 public:
  explicit SqlGroup(store::Metadata& metadata) : metadata_(metadata) {}

  Result<void> Append(std::span<const SeriesPoint> points) override {
    points_.insert(points_.end(), points.begin(), points.end());
    return {};
  }
  std::size_t size() const override { return points_.size(); }
  void RollbackTo(std::size_t size) override { points_.resize(size); }
  void Publish() override {}

  Result<void> Write(std::int64_t /*commit_number*/) override {
    if (points_.empty()) {
      return {};
    }
    MILL_RETURN_IF_ERROR(Insert(
        points_, "INSERT INTO metrics (run_key, name_id, timestamp, step, value, is_nan) VALUES ",
        " ON CONFLICT DO NOTHING", nullptr));
    std::map<Series, MetricPoint> latest;
    for (const SeriesPoint& p : points_) {
      const auto [at, is_new] = latest.emplace(p.series, p.point);
      if (!is_new && IsLater(p.point, at->second)) {
        at->second = p.point;
      }
    }
    std::vector<SeriesPoint> rows;
    rows.reserve(latest.size());
    for (const auto& [series, point] : latest) {
      rows.push_back({series, point});
    }
    MILL_ASSIGN_OR_RETURN(const std::int64_t number, ReadNumber(metadata_, kChangeCounter));
    const store::Value change = number;
    return Insert(
        rows,
        "INSERT INTO latest_metrics (run_key, name_id, timestamp, step, value, is_nan, change) "
        "VALUES ",
        " ON CONFLICT (run_key, name_id) DO UPDATE SET value = excluded.value, timestamp = "
        "excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan, change = "
        "excluded.change WHERE (excluded.step, excluded.timestamp, excluded.value) > "
        "(latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
        &change);
  }

 private:
  /// @param last  a value for a last column that all rows share, or null
  Result<void> Insert(std::span<const SeriesPoint> points, const std::string& head,
                      const std::string& tail, const Value* last) {
    const std::size_t columns = last == nullptr ? 6 : 7;
    for (std::size_t begin = 0; begin < points.size();) {
      const std::size_t n = points.size() - begin >= kRowsAtOnce ? kRowsAtOnce : 1;
      std::vector<Value> values;
      values.reserve(n * columns);
      for (const SeriesPoint& p : points.subspan(begin, n)) {
        AddPoint(p, values);
        if (last != nullptr) {
          values.push_back(*last);
        }
      }
      MILL_RETURN_IF_ERROR(metadata_.Execute(head + Rows(n, columns) + tail, values));
      begin += n;
    }
    return {};
  }

  store::Metadata& metadata_;
  std::vector<SeriesPoint> points_;
};

/// Adds the first, least, greatest and last of points with rising steps, each once.
void AddBucket(std::span<const MetricPoint> bucket, std::vector<MetricPoint>& result) {
  if (bucket.empty()) {
    return;
  }
  const auto less = [](const MetricPoint& a, const MetricPoint& b) {
    return !std::isnan(a.value) && (std::isnan(b.value) || a.value < b.value);
  };
  const auto more = [](const MetricPoint& a, const MetricPoint& b) {
    return !std::isnan(a.value) && (std::isnan(b.value) || a.value > b.value);
  };
  std::vector<std::size_t> chosen = {
      0,
      static_cast<std::size_t>(std::min_element(bucket.begin(), bucket.end(), less) -
                               bucket.begin()),
      static_cast<std::size_t>(std::min_element(bucket.begin(), bucket.end(), more) -
                               bucket.begin()),
      bucket.size() - 1};
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  for (const std::size_t i : chosen) {
    result.push_back(bucket[i]);
  }
}

class SqlPoints final : public MetricPoints {
 public:
  explicit SqlPoints(store::Metadata& metadata) : metadata_(metadata) {}

  Result<std::unique_ptr<PointGroup>> BeginGroup() override {
    return std::unique_ptr<PointGroup>(std::make_unique<SqlGroup>(metadata_));
  }
  bool is_in_database() const override { return true; }

  Result<std::vector<MetricPoint>> History(Series series, std::int64_t offset,
                                           std::int64_t limit) override {
    return Points(
        "SELECT timestamp, step, value, is_nan FROM metrics WHERE run_key = ? AND "
        "name_id = ? ORDER BY timestamp, step, value, is_nan LIMIT ? OFFSET ?",
        {series.run_key, series.name_id, limit, offset});
  }

  Result<std::vector<SeriesPoint>> Latest(std::span<const std::int64_t> run_keys) override {
    std::vector<SeriesPoint> latest;
    MILL_RETURN_IF_ERROR(
        ForKeys(metadata_, run_keys,
                "SELECT run_key, name_id, timestamp, step, value, is_nan FROM latest_metrics WHERE "
                "run_key IN ",
                "", [&](RowView row) {
                  latest.push_back({{Int(row[0]), Int(row[1])}, PointFromRow(row, 2)});
                }));
    return latest;
  }

  Result<std::vector<MetricPoint>> Range(Series series, std::int64_t first_step,
                                         std::int64_t last_step) override {
    return Points(
        "SELECT timestamp, step, value, is_nan FROM metrics WHERE run_key = ? AND name_id = ? "
        "AND step >= ? AND step <= ? ORDER BY timestamp, step, value, is_nan",
        {series.run_key, series.name_id, first_step, last_step});
  }

  Result<std::vector<MetricPoint>> Downsampled(Series series, std::int64_t first_step,
                                               std::int64_t last_step, int n_buckets) override {
    MILL_ASSIGN_OR_RETURN(std::vector<MetricPoint> points, Range(series, first_step, last_step));
    if (points.size() <= 4 * static_cast<std::size_t>(n_buckets)) {
      SortBySteps(points);
      return points;
    }
    SortBySteps(points);
    const double low = static_cast<double>(points.front().step);
    const double width = static_cast<double>(points.back().step) - low;
    std::vector<MetricPoint> result;
    std::size_t begin = 0;
    for (int bucket = 0; bucket < n_buckets; ++bucket) {
      const double end_step = low + width * (bucket + 1) / n_buckets;
      std::size_t end = begin;
      while (end < points.size() &&
             (bucket + 1 == n_buckets || static_cast<double>(points[end].step) < end_step)) {
        ++end;
      }
      AddBucket(std::span(points).subspan(begin, end - begin), result);
      begin = end;
    }
    return result;
  }

  Result<bool> ChangedSince(std::uint64_t& cursor, std::vector<Series>& changed) override {
    const std::uint64_t since = cursor;
    // The number first: what is committed in between is listed again next time.
    MILL_ASSIGN_OR_RETURN(const std::int64_t now, ReadNumber(metadata_, kChangeCounter));
    cursor = static_cast<std::uint64_t>(now);
    if (since == 0) {
      return false;
    }
    if (since == cursor) {
      return true;
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        metadata_.Query(
            "SELECT run_key, name_id FROM latest_metrics WHERE change > ? AND change > 0 LIMIT ?",
            {static_cast<std::int64_t>(since), static_cast<std::int64_t>(kMostChanges) + 1}));
    if (rows.size() > kMostChanges) {
      return false;
    }
    for (const Row& row : rows) {
      changed.push_back({Int(row[0]), Int(row[1])});
    }
    return true;
  }

  Result<void> Erase(std::span<const std::int64_t> run_keys) override {
    for (const std::int64_t key : run_keys) {
      MILL_RETURN_IF_ERROR(
          metadata_.Execute("DELETE FROM latest_metrics WHERE run_key = ?", {key}));
      MILL_RETURN_IF_ERROR(metadata_.Execute("DELETE FROM metrics WHERE run_key = ?", {key}));
    }
    return {};
  }

 private:
  static void SortBySteps(std::vector<MetricPoint>& points) {
    std::stable_sort(points.begin(), points.end(), [](const MetricPoint& a, const MetricPoint& b) {
      return std::tie(a.step, a.timestamp_ms) < std::tie(b.step, b.timestamp_ms);
    });
  }

  Result<std::vector<MetricPoint>> Points(std::string_view sql,
                                          std::initializer_list<Value> params) {
    std::vector<MetricPoint> points;
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        sql, params, [&](RowView row) { points.push_back(PointFromRow(row, 0)); }));
    return points;
  }

  store::Metadata& metadata_;
};

}  // namespace

std::unique_ptr<MetricPoints> MakeSqlPoints(store::Metadata& metadata) {
  return std::make_unique<SqlPoints>(metadata);
}

}  // namespace millrace::tracking::internal
