// SPDX-License-Identifier: Apache-2.0
// The search index against a naive evaluation of random filters and orders, and its freshness.
#include "tracking/internal/run_index.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "tracking/internal/schema.h"
#include "tracking/internal/test_store.h"

namespace millrace::tracking::internal {
namespace {

using store::Value;

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

FieldValue NaiveValue(const NaiveRun& run, const Field& field) {
  const auto text = [](const std::map<std::string, std::string>& texts, const std::string& key) {
    const auto at = texts.find(key);
    return at == texts.end() ? FieldValue() : FieldValue(std::string_view(at->second));
  };
  switch (field.kind) {
    case FieldKind::kMetric: {
      const auto at = run.metrics.find(field.key);
      return at == run.metrics.end() ? FieldValue() : FieldValue(at->second);
    }
    case FieldKind::kParam:
      return text(run.params, field.key);
    case FieldKind::kTag:
      return text(run.tags, field.key);
    default:
      break;
  }
  if (field.key == "start_time") {
    return run.start_time;
  }
  if (field.key == "end_time") {
    return run.end_time.has_value() ? FieldValue(*run.end_time) : FieldValue();
  }
  if (field.key == "status") {
    return RunStatusName(run.status);
  }
  return field.key == "run_name"
             ? text(run.tags, "mlflow.runName")
             : FieldValue(std::string_view(field.key == "user_id" ? run.user_id : run.run_id));
}

std::vector<std::int64_t> NaiveSearch(const std::vector<NaiveRun>& runs, const IndexQuery& query) {
  std::vector<NaiveRun> items;
  for (const NaiveRun& run : runs) {
    const bool in_view =
        query.view == ViewType::kAll || run.is_active == (query.view == ViewType::kActiveOnly);
    if (in_view && std::count(query.experiment_ids.begin(), query.experiment_ids.end(),
                              run.experiment_id) > 0) {
      items.push_back(run);
    }
  }
  std::sort(items.begin(), items.end(), [](const NaiveRun& a, const NaiveRun& b) {
    return a.start_time != b.start_time ? a.start_time > b.start_time : a.run_id < b.run_id;
  });
  FilterAndOrder(items, std::span(query.filter), std::span(query.order), NaiveValue);
  std::vector<std::int64_t> keys;
  for (auto i = static_cast<std::size_t>(query.offset); i < items.size(); ++i) {
    if (keys.size() > static_cast<std::size_t>(query.limit)) {
      break;
    }
    keys.push_back(items[i].run_key);
  }
  return keys;
}

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

  void Do(std::string_view sql, std::initializer_list<Value> params = {}) {
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
        run.end_time.has_value() ? Value(*run.end_time) : Value(), "uri/" + run.run_id,
        run.is_active ? "active" : "deleted", change});
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

std::string RunId(std::int64_t seed) {
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  std::string id;
  for (int i = 0; i < 32; ++i) {
    id += "0123456789abcdef"[random() % 16];
  }
  return id;
}

NaiveRun Plain(std::int64_t run_key) {
  return {.run_key = run_key,
          .run_id = RunId(run_key),
          .experiment_id = 0,
          .user_id = "ann",
          .start_time = 1000 + run_key};
}

MILL_ON_EVERY_DATABASE(RunIndexTest);

TEST_P(RunIndexTest, AnEmptyStoreHasNoRuns) {
  EXPECT_TRUE(Search("").empty());
  EXPECT_TRUE(Search("metrics.a > 1 AND params.b = 'c'", {"tags.d"}).empty());
  EXPECT_TRUE(index_->WarmUp().ok());
}

TEST_P(RunIndexTest, NewestStartIsFirstAndTiesGoByRunId) {
  NaiveRun a = Plain(1);
  NaiveRun b = Plain(2);
  NaiveRun c = Plain(3);
  a.start_time = b.start_time = 5;
  c.start_time = 6;
  a.run_id = std::string(32, 'b');
  b.run_id = std::string(32, 'a');
  for (const NaiveRun& run : {a, b, c}) {
    Write(run);
  }
  EXPECT_EQ(Search(""), (Keys{3, 2, 1}));
  EXPECT_EQ(Search("", {"start_time"}), (Keys{2, 1, 3}));
  EXPECT_EQ(Search("", {"run_id"}).size(), 3U);
}

TEST_P(RunIndexTest, MissingIsLastAndNanBeforeIt) {
  for (std::int64_t key = 1; key <= 4; ++key) {
    NaiveRun run = Plain(key);
    if (key != 4) {
      run.metrics["a"] = key == 3 ? std::numeric_limits<double>::quiet_NaN() : double(key);
    }
    Write(run);
  }
  EXPECT_EQ(Search("", {"metrics.a"}), (Keys{1, 2, 3, 4}));
  EXPECT_EQ(Search("", {"metrics.a DESC"}), (Keys{2, 1, 3, 4}));
  EXPECT_EQ(Search("metrics.a != 2", {"metrics.a"}), (Keys{1, 3}));
  EXPECT_EQ(Search("metrics.a >= 1", {"metrics.a"}), (Keys{1, 2}));
  EXPECT_EQ(Search("metrics.none = 1"), Keys{});
  EXPECT_EQ(Search("", {"metrics.none"}), (Keys{4, 3, 2, 1}));
}

TEST_P(RunIndexTest, ASearchSeesAllThatWasCommittedBefore) {
  NaiveRun run = Plain(1);
  run.params["p"] = "x";
  run.tags["t"] = "old";
  run.metrics["m"] = 1;
  Write(run);
  EXPECT_EQ(Search("params.p = 'x' AND tags.t = 'old' AND metrics.m = 1"), Keys{1});
  points_.Set(1, Name("m"), 2);
  EXPECT_EQ(Search("metrics.m = 1"), Keys{});
  EXPECT_EQ(Search("metrics.m = 2"), Keys{1});
  run.tags = {{"u", "new"}};
  run.metrics = {};
  run.status = RunStatus::kFinished;
  run.end_time = 77;
  Write(run);
  EXPECT_EQ(Search("tags.t = 'old'"), Keys{});
  EXPECT_EQ(Search("tags.t IS NULL AND tags.u = 'new' AND status = 'FINISHED' AND end_time > 76"),
            Keys{1});
  NaiveRun second = Plain(2);
  second.params["p"] = "x";
  second.metrics["m"] = 2;
  Write(second);
  EXPECT_EQ(Search("params.p = 'x' AND metrics.m = 2"), (Keys{2, 1}));
  points_.Set(2, Name("m"), 9);
  points_.ForgetChanges();
  EXPECT_EQ(Search("metrics.m = 9"), Keys{2});
  second.is_active = false;
  Write(second);
  EXPECT_EQ(Search(""), Keys{1});
}

TEST_P(RunIndexTest, RunKeysInAnyOrderAreFound) {
  Write(Plain(5));
  EXPECT_EQ(Search(""), Keys{5});
  Write(Plain(3));
  EXPECT_EQ(Search(""), (Keys{5, 3}));
}

TEST_P(RunIndexTest, RunIdsNeedNotBeHex) {
  NaiveRun odd = Plain(1);
  odd.run_id = "Imported-run";
  Write(odd);
  Write(Plain(2));
  EXPECT_EQ(Search("run_id = 'Imported-run'"), Keys{1});
  EXPECT_EQ(Search("run_id IN ('Imported-run', '" + RunId(2) + "', 'x')"), (Keys{2, 1}));
  EXPECT_EQ(Search("run_id NOT IN ('Imported-run')"), Keys{2});
  EXPECT_EQ(Search("run_id LIKE 'Import%'"), Keys{1});
  EXPECT_EQ(Search("", {"run_id"}), (Keys{1, 2}));
  EXPECT_EQ(Search("artifact_uri = 'uri/Imported-run'"), Keys{1});
  Write(Plain(3));
  EXPECT_EQ(Search("artifact_uri = 'uri/" + RunId(3) + "'"), Keys{3});
}

TEST_P(RunIndexTest, DatasetsAreAskedByNameDigestAndContext) {
  for (std::int64_t key = 1; key <= 3; ++key) {
    Write(Plain(key));
  }
  Do("INSERT INTO datasets (dataset_key, experiment_id, name, digest, source_type, source) VALUES "
     "(1, 0, 'train', 'd1', '', ''), (2, 0, 'test', 'd2', '', ''), (3, 9, 'train', 'd3', '', '')");
  Do("INSERT INTO dataset_inputs (run_key, dataset_key, position) VALUES (1, 1, 0), (2, 1, 0), "
     "(2, 2, 1)");
  Do("INSERT INTO dataset_input_tags VALUES (1, 1, 'mlflow.data.context', 'training'), (2, 2, "
     "'mlflow.data.context', 'eval')");
  EXPECT_EQ(Search("datasets.name = 'train'"), (Keys{2, 1}));
  EXPECT_EQ(Search("datasets.name = 'train' AND datasets.digest = 'd2'"), Keys{2});
  EXPECT_EQ(Search("dataset.context LIKE 'tr%'"), Keys{1});
  EXPECT_EQ(Search("dataset.name IN ('test', 'other')"), Keys{2});
  EXPECT_EQ(Search("dataset.name = 'other'"), Keys{});
}

TEST_P(RunIndexTest, AMillionBytesAreEnoughForAnySearch) {
  index_ = RunIndex::Make(*metadata_, points_, 1);
  for (std::int64_t key = 1; key <= 50; ++key) {
    NaiveRun run = Plain(key);
    run.params["p"] = std::to_string(key % 3);
    run.metrics["m"] = double(key % 5);
    Write(run);
  }
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Search("params.p = '1' AND metrics.m = 1"), (Keys{46, 31, 16, 1}));
    EXPECT_EQ(Search("metrics.m = 4", {"params.p"}).size(), 10U);
  }
}

// A run that was known and a new one in one refresh, in any order, as a search meets them that runs
// beside writes: the index looked for the known one among rows that had no run yet, and crashed.
TEST_P(RunIndexTest, KnownAndNewRunsChangeTogether) {
  for (std::int64_t key = 1; key <= 9; ++key) {
    Write(Plain(key));
  }
  EXPECT_EQ(Search("").size(), 9U);
  for (std::int64_t key = 10; key <= 16; ++key) {
    Write(Plain(key));
  }
  NaiveRun changed = Plain(9);
  changed.user_id = "eva";
  Write(changed);
  for (std::int64_t key = 17; key <= 20; ++key) {
    Write(Plain(key));
  }
  EXPECT_EQ(Search("attributes.user_id = 'eva'"), Keys{9});
  EXPECT_EQ(Search("").size(), 20U);
  EXPECT_EQ(Search("").front(), 20);
}

TEST_P(RunIndexTest, SearchesRunBesideWrites) {
  for (std::int64_t key = 1; key <= 20; ++key) {
    NaiveRun run = Plain(key);
    run.params["p"] = "x";
    Write(run);
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < 50; ++round) {
        const auto found = index_->Search(Query("params.p = 'x'", {"tags.t"}));
        EXPECT_TRUE(found.ok());
        EXPECT_GE(found->size(), 20U);
      }
    });
  }
  for (std::int64_t key = 21; key <= 60; ++key) {
    NaiveRun run = Plain(key);
    run.params["p"] = "x";
    Write(run);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Search("params.p = 'x'").size(), 60U);
}

/// Makes random runs, filters and orders over few keys and values, so that ties are many.
class Randomly {
 public:
  explicit Randomly(unsigned seed) : random_(seed) {}
  std::size_t Below(std::size_t n) { return random_() % n; }

  NaiveRun Run(std::int64_t run_key) {
    NaiveRun run = Plain(run_key);
    run.experiment_id = static_cast<std::int64_t>(Below(3));
    run.user_id = std::string(1, "abc"[Below(3)]);
    run.status = static_cast<RunStatus>(1 + Below(5));
    run.start_time = static_cast<std::int64_t>(Below(6));
    if (Below(3) != 0) {
      run.end_time = static_cast<std::int64_t>(Below(5)) - 2;
    }
    run.is_active = Below(6) != 0;
    run.tags["mlflow.runName"] = "run-" + std::to_string(Below(9));
    for (const char* key : {"common", "rare", "half"}) {
      const std::size_t every = key[0] == 'c' ? 1 : (key[0] == 'h' ? 2 : 8);
      if (Below(every) == 0) {
        run.metrics[key] = Number();
      }
      if (Below(every) == 0) {
        run.params[key] = Word();
      }
      if (Below(every) == 0) {
        run.tags[key] = Word();
      }
    }
    return run;
  }
  std::string Filter() {
    std::string filter;
    for (std::size_t n = Below(4); n > 0; --n) {
      filter += (filter.empty() ? "" : " AND ") + One();
    }
    return filter;
  }
  std::vector<std::string> Order() {
    std::vector<std::string> fields = {"metrics.common", "metrics.rare", "metrics.half",
                                       "params.common",  "params.rare",  "tags.half",
                                       "start_time",     "end_time",     "status",
                                       "user_id",        "run_id",       "run_name"};
    std::shuffle(fields.begin(), fields.end(), random_);
    fields.resize(Below(4));
    for (std::string& field : fields) {
      field += Below(2) == 0 ? " DESC" : "";
    }
    return fields;
  }

 private:
  double Number() {
    const double values[] = {
        -1.5, -0.0, 0, 0.5, 2, 1e300, std::numeric_limits<double>::quiet_NaN()};
    return values[Below(7)];
  }
  std::string Word() {
    const char* words[] = {"", "a", "A", "ab", "abcdefgh1", "abcdefgh2", "\xC3\xBC"};
    return words[Below(7)];
  }
  std::string One() {
    const std::string key = std::vector<std::string>{"common", "rare", "half", "none"}[Below(4)];
    const std::string number = std::vector<std::string>{"-1.5", "0", "0.5", "2"}[Below(4)];
    const std::string compare = std::vector<std::string>{"=", "!=", "<", "<=", ">", ">="}[Below(6)];
    switch (Below(7)) {
      case 0:
      case 1:
        return "metrics." + key + " " + compare + " " + number;
      case 2:
        return std::string(Below(2) == 0 ? "params." : "tags.") + key +
               (Below(2) == 0 ? " IS NULL" : " IS NOT NULL");
      case 3:
        return std::string(Below(2) == 0 ? "start_time " : "end_time ") + compare + " " +
               std::to_string(Below(4));
      case 4:
        return "status " + std::string(Below(2) == 0 ? "=" : "!=") + " 'FINISHED'";
      case 5:
        return "run_name LIKE '%" + std::to_string(Below(9)) + "'";
      default:
        return std::string(Below(2) == 0 ? "params." : "tags.") + key +
               std::vector<std::string>{" = ", " != ", " LIKE ", " ILIKE "}[Below(4)] +
               std::vector<std::string>{"''", "'a'", "'a%'", "'%2'", "'_'"}[Below(5)];
    }
  }
  std::mt19937 random_;
};

TEST_P(RunIndexTest, AgreesWithANaiveEvaluation) {
  Randomly randomly(7);
  std::vector<NaiveRun> runs;
  for (std::int64_t key = 1; key <= 150; ++key) {
    runs.push_back(randomly.Run(key));
    Write(runs.back());
  }
  for (int round = 0; round < 600; ++round) {
    // Changed and new runs also come together.
    if (round % 4 == 1 || round % 20 == 4) {
      NaiveRun& run = runs[randomly.Below(runs.size())];
      const auto metrics = run.metrics;
      run = randomly.Run(run.run_key);
      // A metric never goes.
      run.metrics.insert(metrics.begin(), metrics.end());
      Write(run);
    }
    for (int n = round % 20 == 4 ? 2 : 0; n > 0; --n) {
      runs.push_back(randomly.Run(static_cast<std::int64_t>(runs.size() + 1)));
      Write(runs.back());
    }
    const std::string filter = randomly.Filter();
    const std::vector<std::string> order = randomly.Order();
    IndexQuery query = Query(filter, order);
    query.experiment_ids.resize(randomly.Below(4));
    query.view = static_cast<ViewType>(1 + randomly.Below(3));
    query.offset = static_cast<std::int64_t>(randomly.Below(2) * randomly.Below(20));
    query.limit = static_cast<std::int64_t>(randomly.Below(2) == 0 ? 5 : 500);
    ASSERT_EQ(Search(query), NaiveSearch(runs, query))
        << filter << " order " << testing::PrintToString(order) << " round " << round;
  }
}

}  // namespace
}  // namespace millrace::tracking::internal
