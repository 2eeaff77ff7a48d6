// SPDX-License-Identifier: Apache-2.0
// The metric journal with processes that end at every step, and with several that write at once.
#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <sys/wait.h>
#include <thread>

#include "tracking/internal/test_journal.h"

namespace millrace::tracking::internal {
namespace {

constexpr int kDied = 42;

JournalOptions SmallOptions() {
  JournalOptions options;
  options.durability = store::Durability::kProcess;
  options.active_bytes = 300;
  options.merged_segments = 2;
  options.block_points = 8;
  return options;
}

/// The points of write i: 6 over 3 series, among them one that a former write had.
std::vector<SeriesPoint> PointsOf(std::int64_t i) {
  std::vector<SeriesPoint> points;
  for (std::int64_t j = 0; j < 6; ++j) {
    const std::int64_t step = i * 5 + j;
    points.push_back({{1 + j % 2, 1 + j % 3}, {step, step, static_cast<double>(step) / 4}});
  }
  return points;
}

void ExpectExactly(OpenedJournal& journal, std::int64_t n_writes, const std::string& where) {
  std::map<Series, std::set<std::int64_t>> steps;
  for (std::int64_t i = 0; i < n_writes; ++i) {
    for (const auto& [series, point] : PointsOf(i)) {
      steps[series].insert(point.step);
    }
  }
  for (std::int64_t run_key = 1; run_key <= 2; ++run_key) {
    for (std::int64_t name_id = 1; name_id <= 3; ++name_id) {
      const Series series{run_key, name_id};
      std::vector<MetricPoint> expected;
      for (const std::int64_t step : steps[series]) {
        expected.push_back({step, step, static_cast<double>(step) / 4});
      }
      const std::vector<MetricPoint> points = journal.History(series);
      EXPECT_TRUE(SamePoints(points, expected))
          << where << " run " << run_key << " name " << name_id << "\n"
          << Show(points) << "\n"
          << Show(expected);
      for (const SeriesPoint& latest : journal.Latest(run_key)) {
        if (latest.series == series) {
          EXPECT_EQ(latest.point, expected.back()) << where;
        }
      }
    }
    const std::size_t n_series = n_writes == 0 ? 0 : 3;
    EXPECT_EQ(journal.Latest(run_key).size(), n_series) << where;
  }
}

/// Writes and compacts from write `first` on. Every third write belongs to an SQL transaction.
/// Calls `acknowledge` with the number of writes that are done.
template <typename Acknowledge, typename Step>
void Work(OpenedJournal& journal, std::int64_t first, std::int64_t n_writes,
          const Acknowledge& acknowledge, const Step& step) {
  journal.MakeRuns(2);
  for (std::int64_t i = first; i < n_writes; ++i) {
    std::unique_ptr<PointGroup> group = journal.points->BeginGroup().value();
    MILL_CHECK_OK(group->Append(PointsOf(i)));
    if (i % 3 == 0) {
      MILL_CHECK_OK(group->Write(i + 1));
      step("sql.commit");
      MILL_CHECK_OK(journal.metadata->Execute("UPDATE counters SET number = ?", {i + 1}));
      step("sql.committed");
    } else {
      MILL_CHECK_OK(group->Write(0));
      step("publish");
    }
    group->Publish();
    group.reset();
    acknowledge(i + 1);
    if (i % 3 == 2) {
      MILL_CHECK_OK(journal.points->Compact());
    }
  }
}

class JournalCrashTest : public JournalTest {};

TEST_F(JournalCrashTest, EndingAtAnyStepLosesNothingAndDoublesNothing) {
  constexpr std::int64_t kWrites = 7;
  std::set<std::string> seen;
  bool is_finished = false;
  for (int fatal_step = 0; !is_finished; ++fatal_step) {
    ASSERT_LT(fatal_step, 1000);
    const std::filesystem::path root = root_ / std::to_string(fatal_step);
    std::filesystem::create_directory(root);
    int pipe_fds[2] = {};
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int n_steps = 0;
      const auto step = [&](std::string_view name) {
        if (n_steps++ == fatal_step) {
          static_cast<void>(!write(pipe_fds[1], name.data(), name.size()));
          _exit(kDied);
        }
        return 0;
      };
      JournalOptions options = SmallOptions();
      options.compacts_by_itself = false;
      options.fault = step;
      OpenedJournal journal(root, options);
      Work(
          journal, 0, kWrites,
          [&](std::int64_t n) {
            const std::string text = std::to_string(n) + " ";
            static_cast<void>(!write(pipe_fds[1], text.data(), text.size()));
          },
          step);
      _exit(0);
    }
    close(pipe_fds[1]);
    std::string said;
    char bytes[256];
    for (ssize_t n = 0; (n = read(pipe_fds[0], bytes, sizeof bytes)) > 0;) {
      said.append(bytes, static_cast<std::size_t>(n));
    }
    close(pipe_fds[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << said;
    is_finished = WEXITSTATUS(status) == 0;
    if (!is_finished) {
      ASSERT_EQ(WEXITSTATUS(status), kDied) << said;
    }
    const std::size_t space = said.rfind(' ');
    const std::string fatal = space == std::string::npos ? said : said.substr(space + 1);
    seen.insert(fatal);
    const std::string done = space == std::string::npos ? "" : said.substr(0, space);
    const std::int64_t acknowledged =
        done.empty() ? 0 : std::stoll(done.substr(done.rfind(' ') + 1));

    OpenedJournal journal(root, SmallOptions());
    // The write under way counts if its record was whole and its transaction, if any, committed.
    const bool is_undecided =
        fatal == "publish" || fatal == "sql.committed" ||
        ((fatal == "journal.sync" || fatal == "journal.done") && acknowledged % 3 != 0);
    const std::int64_t written = acknowledged + (is_undecided ? 1 : 0);
    ExpectExactly(journal, written, "died at " + fatal + " after " + done);
    Work(journal, written, kWrites, [](std::int64_t) {}, [](std::string_view) {});
    MILL_CHECK_OK(journal.points->Compact());
    ExpectExactly(journal, kWrites, "went on after " + fatal);
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root / "points")) {
      names.insert(entry.path().filename().string());
    }
    EXPECT_LE(names.size(), 9U) << "files that nothing names are removed: "
                                << testing::PrintToString(names);
    if (HasFailure()) {
      return;
    }
  }
  for (const char* step :
       {"journal.write", "journal.sync", "journal.done", "rotate.journal", "rotate.manifest",
        "rotate.state", "segment.write", "latest.begin", "latest.commit", "manifest.replace",
        "manifest.replaced", "journal.remove", "merge.write", "segments.remove", "sql.commit",
        "sql.committed", "publish"}) {
    EXPECT_TRUE(seen.contains(step)) << step << " was never the last step";
  }
}

/// Appends writes of its own series until it is killed or done; checks what it reads.
[[noreturn]] void WriteAndRead(const std::filesystem::path& root, std::int64_t run_key,
                               std::int64_t n_writes, int fd) {
  JournalOptions options = SmallOptions();
  options.active_bytes = 5'000;
  OpenedJournal journal(root, options);
  const Series series{run_key, 1};
  auto n = static_cast<std::int64_t>(journal.History(series).size());
  for (; n < n_writes; ++n) {
    journal.Log(series, {{n, n, 1.0}});
    static_cast<void>(!write(fd, "x", 1));
    if (n % 16 == 0 && static_cast<std::int64_t>(journal.History(series).size()) != n + 1) {
      _exit(3);
    }
  }
  _exit(0);
}

TEST_F(JournalCrashTest, ProcessesAppendAndCompactAtOnceAndMayBeKilled) {
  constexpr std::int64_t kWrites = 1'500;
  {
    OpenedJournal(root_, SmallOptions()).MakeRuns(3);
  }
  int pipes[3][2] = {};
  pid_t children[3] = {};
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(pipe(pipes[i]), 0);
    children[i] = fork();
    ASSERT_GE(children[i], 0);
    if (children[i] == 0) {
      WriteAndRead(root_, i + 1, kWrites, pipes[i][1]);
    }
    close(pipes[i][1]);
  }
  // The first is killed in the middle and started again by nobody.
  std::int64_t acknowledged = 0;
  char bytes[64];
  for (ssize_t n = 0; acknowledged < 700 && (n = read(pipes[0][0], bytes, sizeof bytes)) > 0;) {
    acknowledged += n;
  }
  ASSERT_EQ(kill(children[0], SIGKILL), 0);
  for (ssize_t n = 0; (n = read(pipes[0][0], bytes, sizeof bytes)) > 0;) {
    acknowledged += n;
  }
  for (int i = 0; i < 3; ++i) {
    int status = 0;
    while (read(pipes[i][0], bytes, sizeof bytes) > 0) {
    }
    close(pipes[i][0]);
    ASSERT_EQ(waitpid(children[i], &status, 0), children[i]);
    if (i > 0) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
  }
  OpenedJournal journal(root_, SmallOptions());
  const auto killed = static_cast<std::int64_t>(journal.History({1, 1}).size());
  EXPECT_GE(killed, acknowledged);
  EXPECT_LE(killed, acknowledged + 1);
  for (std::int64_t run_key = 2; run_key <= 3; ++run_key) {
    const std::vector<MetricPoint> points = journal.History({run_key, 1});
    EXPECT_EQ(points.size(), static_cast<std::size_t>(kWrites));
    ASSERT_EQ(journal.Latest(run_key).size(), 1U);
    EXPECT_EQ(journal.Latest(run_key)[0].point.step, kWrites - 1);
  }
}

TEST_F(JournalCrashTest, ThreadsReadWhileOthersWriteAndCompact) {
  JournalOptions options = SmallOptions();
  options.active_bytes = 2'000;
  OpenedJournal& journal = Open(options);
  journal.MakeRuns(2);
  constexpr std::int64_t kWrites = 400;
  std::atomic<bool> is_done = false;
  {
    std::vector<std::jthread> threads;
    for (std::int64_t run_key = 1; run_key <= 2; ++run_key) {
      threads.emplace_back([&journal, run_key] {
        for (std::int64_t i = 0; i < kWrites; ++i) {
          journal.Log(Series{run_key, 1}, {{i, i, 0.5}});
        }
      });
    }
    threads.emplace_back([&] {
      std::uint64_t cursor = 0;
      std::vector<Series> changed;
      std::vector<std::int64_t> keys = {1, 2};
      std::size_t n_before = 0;
      while (!is_done) {
        const std::size_t n = journal.History({1, 1}).size();
        EXPECT_GE(n, n_before) << "what was read once stays";
        n_before = n;
        EXPECT_TRUE(journal.points->ChangedSince(cursor, changed).ok());
        EXPECT_TRUE(journal.points->Downsampled({2, 1}, 0, kWrites, 10).ok());
        const auto latest = journal.points->Latest(keys).value();
        EXPECT_TRUE(n == 0 ||
                    (!latest.empty() && latest[0].point.step >= static_cast<std::int64_t>(n) - 1));
      }
    });
    threads.emplace_back([&] {
      while (!is_done) {
        EXPECT_TRUE(journal.points->Compact().ok());
      }
    });
    threads[0].join();
    threads[1].join();
    is_done = true;
  }
  EXPECT_EQ(journal.History({1, 1}).size(), static_cast<std::size_t>(kWrites));
  EXPECT_EQ(journal.History({2, 1}).size(), static_cast<std::size_t>(kWrites));
}

}  // namespace
}  // namespace millrace::tracking::internal
