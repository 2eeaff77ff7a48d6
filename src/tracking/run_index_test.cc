// SPDX-License-Identifier: Apache-2.0
// The search index: order, freshness, what it takes. Against a naive evaluation:
// run_index_random_test.cc.
#include <thread>

#include "tracking/internal/test_run_index.h"

namespace millrace::tracking::internal {
namespace {

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

}  // namespace
}  // namespace millrace::tracking::internal
