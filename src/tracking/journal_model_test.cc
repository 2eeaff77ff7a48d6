// SPDX-License-Identifier: Apache-2.0
// The metric journal against a plain list, over random writes, compactions and reads.
#include <algorithm>
#include <map>
#include <set>

#include "base/rng.h"
#include "tracking/internal/point_codec.h"
#include "tracking/internal/test_journal.h"

namespace millrace::tracking::internal {
namespace {

/// Random points of some series, logged in groups, some twice, with compactions in between; all
/// reads against a plain list.
class ModelTest : public JournalTest {
 protected:
  std::int64_t Random(std::int64_t least, std::int64_t most) {
    return least +
           static_cast<std::int64_t>(rng_.Below(static_cast<std::uint64_t>(most - least) + 1));
  }

  MetricPoint RandomPoint(bool is_orderly) {
    ++clock_;
    MetricPoint point;
    point.timestamp_ms = is_orderly ? clock_ : Random(0, 500);
    point.step = is_orderly ? clock_ / 2 : Random(-50, 50);
    const std::int64_t kind = Random(0, 40);
    point.value = kind == 0   ? kNan
                  : kind == 1 ? kInfinity
                              : static_cast<double>(Random(-1000, 1000)) / 8;
    return point;
  }

  void LogSome(std::int64_t n) {
    std::vector<SeriesPoint> logged;
    for (std::int64_t i = 0; i < n; ++i) {
      const Series series{Random(1, 4), Random(1, 2)};
      const MetricPoint point = RandomPoint(series.run_key % 2 == 1);
      logged.push_back({series, point});
      if (Random(0, 9) == 0) {
        logged.push_back({series, point});
      }
      for (const MetricPoint& old : model_[series]) {
        if (Random(0, 2000) == 0) {
          logged.push_back({series, old});
          break;
        }
      }
    }
    for (const auto& [series, point] : logged) {
      std::vector<MetricPoint>& points = model_[series];
      const auto at = std::lower_bound(points.begin(), points.end(), point, PointLess);
      if (at == points.end() || PointLess(point, *at)) {
        points.insert(at, point);
      }
    }
    opened_->Log(logged);
  }

  void ExpectReads(const std::string& where) {
    for (const auto& [series, points] : model_) {
      ASSERT_TRUE(SamePoints(opened_->History(series), points))
          << where << "\n"
          << Show(opened_->History(series)) << "\n"
          << Show(points);
      std::vector<MetricPoint> paged;
      for (std::int64_t offset = 0;;) {
        const std::int64_t size = Random(1, 300);
        const auto page = opened_->points->History(series, offset, size).value();
        paged.insert(paged.end(), page.begin(), page.end());
        offset += static_cast<std::int64_t>(page.size());
        if (static_cast<std::int64_t>(page.size()) < size) {
          break;
        }
      }
      ASSERT_TRUE(SamePoints(paged, points)) << where << " in pages";
      const std::int64_t first = Random(-60, clock_ / 2);
      const std::int64_t last = first + Random(0, clock_ / 2);
      std::vector<MetricPoint> within;
      std::copy_if(points.begin(), points.end(), std::back_inserter(within),
                   [&](const MetricPoint& p) { return first <= p.step && p.step <= last; });
      ASSERT_TRUE(SamePoints(opened_->points->Range(series, first, last).value(), within))
          << where << " range";
      ExpectPlot(series, within, first, last, static_cast<int>(Random(1, 40)));
    }
  }

  void ExpectPlot(Series series, const std::vector<MetricPoint>& within, std::int64_t first,
                  std::int64_t last, int n_buckets) {
    std::vector<MetricPoint> expected;
    if (!within.empty()) {
      std::vector<MetricPoint> by_step = within;
      std::sort(by_step.begin(), by_step.end(), StepLess);
      const std::int64_t low = by_step.front().step;
      const std::int64_t width = (by_step.back().step - low) / n_buckets + 1;
      for (std::size_t begin = 0, end = 0; begin < by_step.size(); begin = end) {
        const std::int64_t bucket = (by_step[begin].step - low) / width;
        std::optional<std::size_t> least;
        std::optional<std::size_t> most;
        for (end = begin; end < by_step.size() && (by_step[end].step - low) / width == bucket;
             ++end) {
          const double value = by_step[end].value;
          if (!std::isnan(value) && (!least || value < by_step[*least].value)) {
            least = end;
          }
          if (!std::isnan(value) && (!most || value > by_step[*most].value)) {
            most = end;
          }
        }
        const std::set<std::size_t> four = {begin, least.value_or(begin), most.value_or(begin),
                                            end - 1};
        for (const std::size_t i : four) {
          expected.push_back(by_step[i]);
        }
      }
    }
    const auto plot = opened_->points->Downsampled(series, first, last, n_buckets).value();
    ASSERT_TRUE(SamePoints(plot, expected)) << Show(plot) << "\n" << Show(expected);
  }

  base::Rng rng_{20261126};
  std::int64_t clock_ = 0;
  std::map<Series, std::vector<MetricPoint>> model_;
};

TEST_F(ModelTest, EveryReadAgreesWithAPlainList) {
  JournalOptions options;
  options.block_points = 32;
  options.active_bytes = 2000;
  options.compacts_by_itself = false;
  Open(options);
  for (int round = 0; round < 25; ++round) {
    LogSome(Random(1, 200));
    if (round % 3 == 1) {
      ASSERT_TRUE(opened_->points->Compact().ok());
    }
    if (round % 5 == 4) {
      Open(options);
    }
    ExpectReads("round " + std::to_string(round));
    if (HasFatalFailure()) {
      return;
    }
  }
  EXPECT_LT(opened_->points->manifest().segments.size(), 6U) << "segments are merged";
}

}  // namespace
}  // namespace millrace::tracking::internal
