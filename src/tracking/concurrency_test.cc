// SPDX-License-Identifier: Apache-2.0
// Two processes, and several threads, on one tracking database.
#include <algorithm>
#include <atomic>
#include <new>
#include <set>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Opened;

constexpr int kSteps = 15;

/// What each process does: the same keyed steps, and runs of its own. Returns an exit code.
int Work(const std::filesystem::path& root, const std::string& uri) {
  Opened opened(root, uri);
  for (int i = 0; i < kSteps; ++i) {
    const std::string key = "step-" + std::to_string(i);
    const Result<Run> shared =
        opened.tracking->CreateRun({.run_name = key, .idempotency_key = key});
    const Result<Run> own = opened.tracking->CreateRun({});
    if (!shared.ok() || !own.ok() ||
        !opened.tracking->LogMetric(own->info.run_id, {"auc", 0.5, i, i}).ok()) {
      return 1;
    }
    if (!opened.registry->EnsureModel("churn").ok() ||
        !opened.registry->RegisterVersion({.name = "churn", .source = "x", .idempotency_key = key})
             .ok()) {
      return 2;
    }
  }
  return 0;
}

void ExpectKeyedStepsOnce(const std::filesystem::path& root, const std::string& uri,
                          std::size_t own_runs) {
  Opened opened(root, uri);
  const std::vector<Run> runs = opened.tracking->ListRuns({.max_results = 10'000}).value();
  std::set<std::string> keyed;
  std::size_t own = 0;
  for (const Run& run : runs) {
    if (run.info.run_name.starts_with("step-")) {
      EXPECT_TRUE(keyed.insert(run.info.run_name).second) << run.info.run_name << " was made twice";
    } else {
      ++own;
      EXPECT_EQ(run.metrics.size(), 1U);
    }
  }
  EXPECT_EQ(keyed.size(), static_cast<std::size_t>(kSteps));
  EXPECT_EQ(own, own_runs);
  const std::vector<ModelVersion> versions = opened.registry->ListVersions("churn").value();
  ASSERT_EQ(versions.size(), static_cast<std::size_t>(kSteps));
  EXPECT_EQ(versions.front().version, kSteps) << "numbers without gaps";
  EXPECT_EQ(opened.tracking->SearchExperiments().value().items.size(), 1U)
      << "one Default experiment";
}

class ConcurrencyTest : public internal::StoreTest {};

MILL_ON_EVERY_DATABASE(ConcurrencyTest);

TEST_P(ConcurrencyTest, TwoProcessesMakeEachKeyedRunAndVersionOnce) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "by design: ThreadSanitizer cannot follow new threads of a forked process";
#endif
  opened_.reset();
  const std::filesystem::path root = root_ / "fresh";
  const std::string uri = internal::NewDatabase(GetParam());
  ASSERT_TRUE(store::Workspace::Open(root, true).ok());
  pid_t children[2] = {};
  for (pid_t& child : children) {
    child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      _exit(Work(root, uri));
    }
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  ExpectKeyedStepsOnce(root, uri, 2 * kSteps);
}

TEST_P(ConcurrencyTest, KilledProcessLeavesTheStoreUsable) {
  opened_.reset();
  const std::filesystem::path root = root_ / "fresh";
  const std::string uri = internal::NewDatabase(GetParam());
  ASSERT_TRUE(store::Workspace::Open(root, true).ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) {
      if (Work(root, uri) != 0) {
        _exit(1);
      }
    }
  }
  // The child is killed wherever it is when the first version shows.
  for (bool seen = false; !seen;) {
    Opened opened(root, uri);
    seen =
        opened.registry->GetModel("churn").ok() && !opened.registry->ListVersions("churn")->empty();
  }
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(Work(root, uri), 0) << "the same steps again";
  Opened opened(root, uri);
  EXPECT_EQ(opened.registry->ListVersions("churn").value().size(),
            static_cast<std::size_t>(kSteps));
}

TEST_P(ConcurrencyTest, ThreadsShareOneStore) {
  const std::string run = NewRun();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([this, t, &run] {
        for (int i = 0; i < 25; ++i) {
          EXPECT_TRUE(tracking().LogMetric(run, {"auc", static_cast<double>(i), t, i}).ok());
          EXPECT_TRUE(tracking().GetRun(run).ok());
        }
      });
    }
  }
  EXPECT_EQ(tracking().MetricHistory(run, "auc").value().items.size(), 100U);
  EXPECT_EQ(tracking().GetRun(run).value().metrics.at("auc").step, 24);
}

/// A number that two processes see.
class SharedCount {
 public:
  SharedCount()
      : count_(new(mmap(nullptr, sizeof(*count_), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0)) std::atomic<int>(0)) {}
  ~SharedCount() { munmap(count_, sizeof(*count_)); }
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;
  std::atomic<int>& operator*() { return *count_; }

 private:
  std::atomic<int>* count_;
};

// Locks of files are not handed over: who unlocks and locks again at once would keep the others
// out.
TEST_P(ConcurrencyTest, AProcessThatWritesAllTheTimeLetsOthersWrite) {
  const std::string own = NewRun();
  const std::string others = NewRun();
  opened_.reset();
  SharedCount count;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Opened opened(root_ / "workspace", uri_);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&opened, &others, &count, t] {
        for (int i = 0;; ++i) {
          if (!opened.tracking->LogMetric(others, {"auc", 0.5, t, i}).ok()) {
            _exit(1);
          }
          ++*count;
        }
      });
    }
  }
  {
    Opened opened(root_ / "workspace", uri_);
    while (*count < 200) {
      std::this_thread::yield();
    }
    std::vector<int> meanwhile;
    for (int i = 0; i < 21; ++i) {
      const int before = *count;
      ASSERT_TRUE(opened.tracking->LogMetric(own, {"auc", 0.5, 1, i}).ok());
      meanwhile.push_back(*count - before);
    }
    // The median: a busy machine may keep one of ours from running at all for a while.
    std::nth_element(meanwhile.begin(), meanwhile.begin() + 10, meanwhile.end());
    EXPECT_LT(meanwhile[10], 200) << "writes of the other during one of ours";
  }
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

}  // namespace
}  // namespace millrace::tracking
