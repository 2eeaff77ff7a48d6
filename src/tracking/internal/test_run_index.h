// SPDX-License-Identifier: Apache-2.0
// The search index over tables that tests fill, with points in memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "tracking/internal/run_index.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/test_store.h"

namespace millrace::tracking::internal {

/// Latest values only, in memory.
class FakePoints final : public MetricPoints {
 public:
  void Set(std::int64_t run_key, std::int64_t name_id, double value) {
    latest_[{run_key, name_id}] = value;
    log_.push_back({run_key, name_id});
  }
  void ForgetChanges() { forgets_ = true; }

  Result<std::unique_ptr<PointGroup>> BeginGroup() override {
    return base::Unimplemented("not needed here");
  }
  Result<std::vector<MetricPoint>> History(Series, std::int64_t, std::int64_t) override {
    return std::vector<MetricPoint>();
  }
  Result<std::vector<SeriesPoint>> Latest(std::span<const std::int64_t> run_keys) override {
    std::vector<SeriesPoint> points;
    for (const std::int64_t key : run_keys) {
      for (auto at = latest_.lower_bound({key, 0}); at != latest_.end() && at->first.run_key == key;
           ++at) {
        points.push_back({at->first, {0, 0, at->second}});
      }
    }
    return points;
  }
  Result<std::vector<MetricPoint>> Range(Series, std::int64_t, std::int64_t) override {
    return std::vector<MetricPoint>();
  }
  Result<std::vector<MetricPoint>> Downsampled(Series, std::int64_t, std::int64_t, int) override {
    return std::vector<MetricPoint>();
  }
  Result<bool> ChangedSince(std::uint64_t& cursor, std::vector<Series>& changed) override {
    const std::uint64_t since = cursor;
    cursor = log_.size() + 1;
    if (since == 0 || std::exchange(forgets_, false)) {
      return false;
    }
    changed.assign(log_.begin() + static_cast<std::ptrdiff_t>(since - 1), log_.end());
    return true;
  }
  Result<void> Erase(std::span<const std::int64_t>) override { return {}; }

 private:
  std::map<Series, double> latest_;
  std::vector<Series> log_;
  bool forgets_ = false;
};

struct NaiveRun {
  std::int64_t run_key = 0;
  std::string run_id;
  std::int64_t experiment_id = 0;
  std::string user_id;
  RunStatus status = RunStatus::kRunning;
  std::int64_t start_time = 0;
  std::optional<std::int64_t> end_time = {};
  bool is_active = true;
  std::map<std::string, double> metrics = {};
  std::map<std::string, std::string> params = {};
  std::map<std::string, std::string> tags = {};
};

class RunIndexTest : public testing::TestWithParam<DatabaseKind> {
 protected:
  RunIndexTest() {
    std::string pattern = testing::TempDir() + "/run_index_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    metadata_ = store::OpenMetadata(NewDatabase(GetParam()), root_ / "metadata.db",
                                    store::Durability::kDisk)
                    .value();
    EXPECT_TRUE(MigrateAll(*metadata_).ok());
    for (const std::int64_t id : {0, 1, 2, 9}) {
      Do("INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
         "creation_time, last_update_time) VALUES (?, ?, '', 'active', 0, 0)",
         {id, std::to_string(id)});
    }
    index_ = RunIndex::Make(*metadata_, points_);
  }
  ~RunIndexTest() override {
    index_.reset();
    metadata_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  void Do(std::string_view sql, std::initializer_list<store::Value> params = {}) {
    const Result<void> done = metadata_->Execute(sql, params);
    ASSERT_TRUE(done.ok()) << done.error().ToString();
  }
  std::int64_t Name(const std::string& name) {
    const auto at = names_.find(name);
    if (at != names_.end()) {
      return at->second;
    }
    const auto id = static_cast<std::int64_t>(names_.size() + 1);
    names_[name] = id;
    Do("INSERT INTO names (name_id, name) VALUES (?, ?)", {id, name});
    return id;
  }
  std::int64_t NextChange() { return NextNumber(*metadata_, kChangeCounter).value(); }
  /// Inserts or replaces the run and all its data, in one transaction.
  void Write(const NaiveRun& run) {
    auto transaction = store::Transaction::Begin(*metadata_).value();
    const std::int64_t change = NextChange();
    for (const char* table : {"params", "tags", "runs"}) {
      Do("DELETE FROM " + std::string(table) + " WHERE run_key = ?", {run.run_key});
    }
    Do("INSERT INTO runs (run_key, run_id, experiment_id, name, user_id, status, start_time, "
       "end_time, artifact_uri, lifecycle_stage, change) VALUES (?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?)",
       {run.run_key, run.run_id, run.experiment_id, run.user_id,
        static_cast<std::int64_t>(run.status), run.start_time,
        run.end_time.has_value() ? store::Value(*run.end_time) : store::Value(),
        "uri/" + run.run_id, run.is_active ? "active" : "deleted", change});
    for (const auto& [key, value] : run.params) {
      Do("INSERT INTO params (run_key, name_id, value) VALUES (?, ?, ?)",
         {run.run_key, Name(key), value});
    }
    for (const auto& [key, value] : run.tags) {
      Do("INSERT INTO tags (run_key, name_id, value) VALUES (?, ?, ?)",
         {run.run_key, Name(key), value});
    }
    ASSERT_TRUE(transaction.Commit().ok());
    for (const auto& [key, value] : run.metrics) {
      points_.Set(run.run_key, Name(key), value);
    }
  }
  std::vector<std::int64_t> Search(const std::string& filter,
                                   const std::vector<std::string>& order = {}) {
    return Search(Query(filter, order));
  }
  std::vector<std::int64_t> Search(const IndexQuery& query) {
    const auto found = index_->Search(query);
    if (!found.ok()) {
      ADD_FAILURE() << found.error().ToString();
      return {};
    }
    return found.value();
  }
  static IndexQuery Query(const std::string& filter, const std::vector<std::string>& order = {}) {
    return {.experiment_ids = {0, 1, 2},
            .view = ViewType::kActiveOnly,
            .filter = ParseFilter(filter, SearchTarget::kRuns).value(),
            .order = ParseOrderBy(order, SearchTarget::kRuns).value(),
            .offset = 0,
            .limit = 1000};
  }
  using Keys = std::vector<std::int64_t>;

  std::filesystem::path root_;
  std::unique_ptr<store::Metadata> metadata_;
  FakePoints points_;
  std::map<std::string, std::int64_t> names_;
  std::unique_ptr<RunIndex> index_;
};

inline std::string RunId(std::int64_t seed) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::string id;
  for (int i = 0; i < 32; ++i) {
    id += "0123456789abcdef"[random() % 16];
  }
  return id;
}

inline NaiveRun Plain(std::int64_t run_key) {
  return {.run_key = run_key,
          .run_id = RunId(run_key),
          .experiment_id = 0,
          .user_id = "ann",
          .start_time = 1000 + run_key};
}

}  // namespace millrace::tracking::internal
