// SPDX-License-Identifier: Apache-2.0
// Tests of what a crash leaves and how the next run continues, of two runs at once, and of graphs
// that make no sense.
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "pipelines/runner_fixture.h"

namespace millrace::pipelines {
namespace {

// The child is ended at each point of each step's publication; the next run must continue, keep
// what was published, do no published step twice, and end with the same content.
TEST_F(RunnerTest, CrashAtEveryPointIsContinued) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "by design: ThreadSanitizer cannot follow new threads of a forked process";
#endif
  for (const char* point : {"claimed", "ran", "recorded", "published"}) {
    for (const char* step : {"a", "b", "c", "d"}) {
      SCOPED_TRACE(std::string(point) + " " + step);
      fs::remove_all(options_.cache_dir);
      fs::remove_all(options_.journal_dir);
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        RunOptions options = options_;
        options.threads = 1;
        options.on_point = [&](std::string_view at, const std::string& name) {
          if (at == point && name == step) {
            _exit(77);
          }
        };
        static_cast<void>(RunGraph(context_, MakeGraph(), options));
        _exit(1);
      }
      int status = 0;
      waitpid(child, &status, 0);
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 77);
      const RunReport report = Run(MakeGraph());
      EXPECT_FALSE(report.error.has_value());
      EXPECT_TRUE(report.is_resumed);
      EXPECT_EQ(TextOf(report, "d"), "d(c(a(L)b(R)))");
      for (const StepReport& done : report.steps) {
        const bool was_published =
            done.name < step || (done.name == step && std::string(point) == "published");
        EXPECT_EQ(StepStatusName(done.status), was_published ? "cached" : "ran") << done.name;
        std::size_t entries = 0;
        for ([[maybe_unused]] const auto& entry :
             fs::directory_iterator(options_.cache_dir / "steps" / done.name)) {
          ++entries;
        }
        EXPECT_EQ(entries, 1U) << "left-overs of " << done.name;
      }
      EXPECT_FALSE(Run(MakeGraph()).is_resumed);
    }
  }
}

TEST_F(RunnerTest, ContinuedRunKeepsItsIdAndItsJournal) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "by design: ThreadSanitizer cannot follow new threads of a forked process";
#endif
  const pid_t child = fork();
  if (child == 0) {
    RunOptions options = options_;
    options.on_point = [](std::string_view, const std::string&) { _exit(77); };
    static_cast<void>(RunGraph(context_, MakeGraph(), options));
    _exit(1);
  }
  waitpid(child, nullptr, 0);
  fs::path journal;
  for (const auto& entry : fs::directory_iterator(options_.journal_dir)) {
    journal = entry.path();
  }
  // A crash in the middle of a line.
  std::ofstream(journal, std::ios::app) << "{\"event\":\"step_e";
  const RunReport report = Run(MakeGraph());
  EXPECT_TRUE(report.is_resumed);
  EXPECT_NE(journal.filename().string().find(report.run_id), std::string::npos);
  const std::string text = *base::ReadFile(journal);
  EXPECT_NE(text.find("\"event\":\"resume\""), std::string::npos);
  EXPECT_NE(text.find("\"event\":\"end\""), std::string::npos);
  EXPECT_NE(Run(MakeGraph()).run_id, report.run_id);
}

TEST_F(RunnerTest, TwoRunsInOneCacheAreRefused) {
  options_.on_point = [&](std::string_view point, const std::string& step) {
    if (point == "claimed" && step == "a") {
      RunOptions other = options_;
      other.on_point = {};
      const Result<RunReport> second = RunGraph(context_, MakeGraph(), other);
      ASSERT_FALSE(second.ok());
      EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
      EXPECT_NE(second.error().ToString().find("process " + std::to_string(getpid())),
                std::string::npos);
    }
  };
  EXPECT_FALSE(Run(MakeGraph()).error.has_value());
}

TEST_F(RunnerTest, GraphMistakesAreNamed) {
  Graph graph("test");
  EXPECT_EQ(graph.AddInput("left", dir_ / "none.txt").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(graph.AddInput("left", dir_ / "left.txt").ok());
  EXPECT_EQ(graph.AddInput("left", dir_ / "left.txt").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(graph.Add(Joiner("no/slash", {})).error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(graph.Add(Joiner("a", {"lft"})).ok());
  EXPECT_EQ(graph.Add(Joiner("a", {})).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(RunGraph(context_, graph, options_).error().message(),
            "step \"a\" needs \"lft\", which nothing makes; did you mean \"left\"?");
  StepInfo outside;
  outside.name = "outside";
  outside.outputs = {{"x", "../x"}};
  EXPECT_EQ(graph.Add(MakeStep(outside, {})).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(RunnerTest, CirclesAreNamed) {
  Graph graph("test");
  ASSERT_TRUE(graph.Add(Joiner("a", {"c_text"})).ok());
  ASSERT_TRUE(graph.Add(Joiner("b", {"a_text"})).ok());
  ASSERT_TRUE(graph.Add(Joiner("c", {"b_text"})).ok());
  EXPECT_EQ(RunGraph(context_, graph, options_).error().message(),
            "steps need each other in a circle: a needs c needs b needs a");
}

}  // namespace
}  // namespace millrace::pipelines
