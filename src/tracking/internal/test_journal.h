// SPDX-License-Identifier: Apache-2.0
// A metric journal in a folder of its own beside the tables that it needs, for tests.
#pragma once

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "store/metadata.h"
#include "tracking/internal/journal_points.h"

namespace millrace::tracking::internal {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Equal, and NaN equals NaN.
inline bool SamePoints(const std::vector<MetricPoint>& a, const std::vector<MetricPoint>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](const MetricPoint& x, const MetricPoint& y) {
           return x.timestamp_ms == y.timestamp_ms && x.step == y.step &&
                  (x.value == y.value || (std::isnan(x.value) && std::isnan(y.value)));
         });
}

/// "(timestamp step value) ..." of the first points, for messages.
inline std::string Show(const std::vector<MetricPoint>& points) {
  std::string text = std::to_string(points.size()) + " points:";
  for (std::size_t i = 0; i < std::min<std::size_t>(points.size(), 20); ++i) {
    text += " (" + std::to_string(points[i].timestamp_ms) + " " + std::to_string(points[i].step) +
            " " + std::to_string(points[i].value) + ")";
  }
  return text;
}

/// A database and a journal, opened over one folder; several may be open at once.
struct OpenedJournal {
  explicit OpenedJournal(const std::filesystem::path& root, const JournalOptions& options = {})
      : metadata(
            store::OpenSqlite(root / "metadata.db", {.durability = options.durability}).value()) {
    // The tables of tracking that points touch, without the rest.
    MILL_CHECK_OK(metadata->Execute(
        "CREATE TABLE IF NOT EXISTS runs (run_key INTEGER PRIMARY KEY);"
        "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, number INTEGER NOT NULL);"
        "INSERT OR IGNORE INTO counters VALUES ('change', 0);"
        "CREATE TABLE IF NOT EXISTS latest_metrics ("
        "  run_key INTEGER NOT NULL, name_id INTEGER NOT NULL, value REAL NOT NULL,"
        "  timestamp INTEGER NOT NULL, step INTEGER NOT NULL, is_nan INTEGER NOT NULL,"
        "  change INTEGER NOT NULL, PRIMARY KEY (run_key, name_id)) WITHOUT ROWID"));
    points = JournalPoints::Open(root / "points", *metadata, options).value();
  }

  void Log(const std::vector<SeriesPoint>& logged) {
    std::unique_ptr<PointGroup> group = points->BeginGroup().value();
    MILL_CHECK_OK(group->Append(logged));
    MILL_CHECK_OK(group->Write(0));
    group->Publish();
  }
  void Log(Series series, const std::vector<MetricPoint>& logged) {
    std::vector<SeriesPoint> all;
    for (const MetricPoint& point : logged) {
      all.push_back({series, point});
    }
    Log(all);
  }
  void MakeRuns(std::int64_t n) {
    MILL_CHECK_OK(metadata->Execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT OR IGNORE INTO runs SELECT i FROM n",
        {n}));
  }
  std::vector<MetricPoint> History(Series series) {
    return points->History(series, 0, std::numeric_limits<std::int64_t>::max()).value();
  }
  std::vector<SeriesPoint> Latest(std::int64_t run_key) {
    return points->Latest(std::vector<std::int64_t>{run_key}).value();
  }
  std::vector<SeriesPoint> StoredLatest() {
    std::vector<SeriesPoint> latest;
    const std::vector<store::Row> rows =
        metadata
            ->Query(
                "SELECT run_key, name_id, value, timestamp, step, is_nan FROM latest_metrics "
                "ORDER BY 1, 2")
            .value();
    for (const store::Row& row : rows) {
      latest.push_back({{store::IntOr(row[0], 0), store::IntOr(row[1], 0)},
                        {store::IntOr(row[3], 0), store::IntOr(row[4], 0),
                         store::IntOr(row[5], 0) != 0 ? kNan : store::DoubleOr(row[2], 0)}});
    }
    return latest;
  }

  std::unique_ptr<store::Metadata> metadata;
  std::unique_ptr<JournalPoints> points;
};

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    std::string pattern = testing::TempDir() + "/journal_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  ~JournalTest() override {
    opened_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  OpenedJournal& Open(const JournalOptions& options = {}) {
    opened_.reset();
    opened_ = std::make_unique<OpenedJournal>(root_, options);
    return *opened_;
  }
  /// The one journal file of a fresh folder.
  std::filesystem::path FirstJournal() const { return root_ / "points" / "journal-00000001"; }

  std::filesystem::path root_;
  std::unique_ptr<OpenedJournal> opened_;
};

}  // namespace millrace::tracking::internal
