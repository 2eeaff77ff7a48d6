// SPDX-License-Identifier: Apache-2.0
// Tests of runs: what is cached, what runs again, and what a failure stops.
#include "pipelines/runner.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "pipelines/runner_fixture.h"

namespace millrace::pipelines {
namespace {

TEST_F(RunnerTest, RunsEveryStepAfterWhatItNeeds) {
  const RunReport report = Run(MakeGraph());
  EXPECT_FALSE(report.error.has_value());
  EXPECT_EQ(Statuses(report), "a:ran b:ran c:ran d:ran");
  EXPECT_EQ(TextOf(report, "d"), "d(c(a(L)b(R)))");
  EXPECT_EQ(report.Find("d")->stage, "stage of d");
  EXPECT_EQ(report.Find("d")->reason, "first run");
  EXPECT_EQ(*base::ReadFile(options_.cache_dir / "latest" / "d" / "text.txt"), "d(c(a(L)b(R)))");
}

TEST_F(RunnerTest, SecondRunIsCachedAndTellsTheSame) {
  const RunReport first = Run(MakeGraph());
  const RunReport second = Run(MakeGraph());
  EXPECT_EQ(Statuses(second), "a:cached b:cached c:cached d:cached");
  for (std::size_t i = 0; i < first.steps.size(); ++i) {
    EXPECT_EQ(second.steps[i].result.rows, first.steps[i].result.rows);
    EXPECT_EQ(second.steps[i].result.metrics.at("length"),
              first.steps[i].result.metrics.at("length"));
    EXPECT_TRUE(std::isnan(second.steps[i].result.metrics.at("odd")));
    EXPECT_EQ(second.steps[i].result.notes, first.steps[i].result.notes);
    EXPECT_EQ(second.steps[i].outputs[0].hash, first.steps[i].outputs[0].hash);
    EXPECT_EQ(second.steps[i].outputs[0].file, first.steps[i].outputs[0].file);
  }
  EXPECT_NE(second.run_id, first.run_id);
  EXPECT_FALSE(second.is_resumed);
}

TEST_F(RunnerTest, ChangedInputRunsOnlyWhatDependsOnIt) {
  Run(MakeGraph());
  Put("right.txt", "R2");
  const RunReport report = Run(MakeGraph());
  EXPECT_EQ(Statuses(report), "a:cached b:ran c:ran d:ran");
  EXPECT_EQ(TextOf(report, "d"), "d(c(a(L)b(R2)))");
  EXPECT_EQ(report.Find("b")->reason, "input right changed");
  EXPECT_EQ(report.Find("c")->reason, "input b_text changed");
}

TEST_F(RunnerTest, InputOfTheSameSizeChangedAtOnceIsSeen) {
  for (int i = 0; i < 5; ++i) {
    Put("right.txt", std::string(1, static_cast<char>('a' + i)));
    EXPECT_EQ(TextOf(Run(MakeGraph()), "b"), std::string("b(") + static_cast<char>('a' + i) + ")");
  }
}

TEST_F(RunnerTest, SettledInputsAreNotReadAgain) {
  // Older than the clock tick that could hide a change, so the stamp is trusted.
  const auto past = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(dir_ / "left.txt", past);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  Run(MakeGraph());
  EXPECT_NE(base::ReadFile(options_.cache_dir / "inputs.json")->find("left.txt"),
            std::string::npos);
  EXPECT_EQ(Statuses(Run(MakeGraph())), "a:cached b:cached c:cached d:cached");
}

TEST_F(RunnerTest, ChangedParametersAndSeedAreNamed) {
  Run(MakeGraph());
  EXPECT_EQ(Run(MakeGraph("!")).Find("b")->reason, "parameters changed");
  context_.seed = 7;
  EXPECT_EQ(Run(MakeGraph("!")).Find("b")->reason, "seed changed");
}

TEST_F(RunnerTest, GoingBackFindsTheOldEntries) {
  Run(MakeGraph());
  Run(MakeGraph("!"));
  const RunReport report = Run(MakeGraph());
  EXPECT_EQ(Statuses(report), "a:cached b:cached c:cached d:cached");
  EXPECT_EQ(*base::ReadFile(options_.cache_dir / "latest" / "d" / "text.txt"), "d(c(a(L)b(R)))");
}

TEST_F(RunnerTest, ChangeThatAltersNoOutputStopsThere) {
  const auto graph = [&](const std::string& params) {
    Graph g("test");
    EXPECT_TRUE(g.AddInput("left", dir_ / "left.txt").ok());
    StepInfo info;
    info.name = "constant";
    info.params = params;
    info.inputs = {"left"};
    info.outputs = {{"constant_text", "text.txt"}};
    EXPECT_TRUE(g.Add(MakeStep(info, [](const StepContext& step, StepResult&) {
                   return base::WriteFileAtomic(step.output_dir() / "text.txt", "same");
                 })).ok());
    EXPECT_TRUE(g.Add(Joiner("next", {"constant_text"})).ok());
    return g;
  };
  Run(graph("1"));
  EXPECT_EQ(Statuses(Run(graph("2"))), "constant:ran next:cached");
}

TEST_F(RunnerTest, ChangedOrMissingOutputsAreMadeAgain) {
  const RunReport first = Run(MakeGraph());
  std::ofstream(first.FindArtifact("b_text")->file) << "tampered";
  RunReport report = Run(MakeGraph());
  EXPECT_EQ(Statuses(report), "a:cached b:ran c:cached d:cached");
  EXPECT_EQ(TextOf(report, "b"), "b(R)");
  EXPECT_EQ(report.Find("b")->reason, "its cache entry is missing or was changed");
  fs::remove(first.FindArtifact("a_text")->file);
  report = Run(MakeGraph());
  EXPECT_EQ(Statuses(report), "a:ran b:cached c:cached d:cached");
}

TEST_F(RunnerTest, TouchedOutputsWithTheSameContentAreKept) {
  const RunReport first = Run(MakeGraph());
  fs::last_write_time(first.FindArtifact("b_text")->file,
                      fs::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_EQ(Statuses(Run(MakeGraph())), "a:cached b:cached c:cached d:cached");
}

TEST_F(RunnerTest, DamagedRecordRunsTheStepAgain) {
  const RunReport first = Run(MakeGraph());
  const fs::path entry =
      first.FindArtifact("b_text")->file.parent_path().parent_path() / "entry.json";
  ASSERT_TRUE(base::WriteFileAtomic(entry, "{").ok());
  EXPECT_EQ(Statuses(Run(MakeGraph())), "a:cached b:ran c:cached d:cached");
}

TEST_F(RunnerTest, ForcedRunIgnoresTheCache) {
  Run(MakeGraph());
  options_.is_forced = true;
  EXPECT_EQ(Statuses(Run(MakeGraph())), "a:ran b:ran c:ran d:ran");
}

TEST_F(RunnerTest, OldEntriesAreRemoved) {
  options_.kept_entries = 2;
  for (int i = 0; i < 5; ++i) {
    Run(MakeGraph(std::to_string(i)));
  }
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry :
       fs::directory_iterator(options_.cache_dir / "steps" / "b")) {
    ++entries;
  }
  EXPECT_EQ(entries, 2U);
  EXPECT_EQ(Statuses(Run(MakeGraph("4"))), "a:cached b:cached c:cached d:cached");
}

TEST_F(RunnerTest, CachedRunOfTwentyStepsIsFast) {
  Graph graph("test");
  ASSERT_TRUE(graph.AddInput("left", dir_ / "left.txt").ok());
  std::string before = "left";
  for (int i = 0; i < 20; ++i) {
    const std::string name = "s" + std::to_string(i);
    ASSERT_TRUE(graph.Add(Joiner(name, {before})).ok());
    before = name + "_text";
  }
  Run(graph);
  const RunReport report = Run(graph);
  EXPECT_EQ(report.Find("s19")->status, StepStatus::kCached);
  EXPECT_LT(report.seconds, 0.3);
}

// Each step fails while the flag is up.
class FailingGraph {
 public:
  explicit FailingGraph(const fs::path& left) {
    StepInfo info;
    info.name = "gate";
    info.inputs = {"left"};
    info.outputs = {{"gate_text", "text.txt"}};
    EXPECT_TRUE(graph.AddInput("left", left).ok());
    EXPECT_TRUE(
        graph
            .Add(MakeStep(info,
                          [this](const StepContext& step, StepResult& result) -> Result<void> {
                            ++runs;
                            result.rows = 5;
                            result.notes = {"3 of 5 rows are bad"};
                            MILL_RETURN_IF_ERROR(
                                base::WriteFileAtomic(step.output_dir() / "text.txt", "x"));
                            if (is_failing) {
                              return base::FailedPrecondition("the gate is closed");
                            }
                            return {};
                          }))
            .ok());
  }
  Graph graph{"test"};
  bool is_failing = true;
  int runs = 0;
};

TEST_F(RunnerTest, FailureStopsWhatDependsOnItAndIsReported) {
  FailingGraph failing(dir_ / "left.txt");
  StepInfo next;
  next.name = "next";
  next.after = {"gate"};
  std::atomic<int> next_runs{0};
  ASSERT_TRUE(failing.graph
                  .Add(MakeStep(next,
                                [&](const StepContext&, StepResult&) -> Result<void> {
                                  next_runs.fetch_add(1);
                                  return {};
                                }))
                  .ok());
  RunReport report = Run(failing.graph);
  ASSERT_TRUE(report.error.has_value());
  EXPECT_EQ(report.error->code(), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(report.error->ToString(), "step gate: the gate is closed");
  EXPECT_EQ(Statuses(report), "gate:failed next:skipped");
  EXPECT_EQ(report.Find("gate")->result.rows, 5);
  EXPECT_EQ(report.Find("gate")->result.notes.at(0), "3 of 5 rows are bad");
  EXPECT_EQ(report.FindArtifact("gate_text"), nullptr);
  EXPECT_EQ(next_runs.load(), 0);
  // A failure is not cached and not resumed.
  failing.is_failing = false;
  const std::string failed_id = report.run_id;
  report = Run(failing.graph);
  EXPECT_EQ(Statuses(report), "gate:ran next:ran");
  EXPECT_EQ(failing.runs, 2);
  EXPECT_NE(report.run_id, failed_id);
  // What only comes after a step does not depend on its content.
  EXPECT_EQ(Statuses(Run(failing.graph)), "gate:cached next:cached");
}

TEST_F(RunnerTest, MissingOutputIsTheStepsFault) {
  Graph graph("test");
  StepInfo info;
  info.name = "forgetful";
  info.outputs = {{"text", "text.txt"}};
  ASSERT_TRUE(
      graph.Add(MakeStep(info, [](const StepContext&, StepResult&) -> Result<void> { return {}; }))
          .ok());
  const RunReport report = Run(graph);
  EXPECT_EQ(report.error->ToString(),
            "step forgetful: the step did not write its output \"text.txt\"");
}

TEST_F(RunnerTest, ExceptionOfAStepIsAnError) {
  Graph graph("test");
  StepInfo info;
  info.name = "thrower";
  ASSERT_TRUE(graph
                  .Add(MakeStep(info,
                                [](const StepContext&, StepResult&) -> Result<void> {
                                  throw std::runtime_error("boom");
                                }))
                  .ok());
  EXPECT_EQ(Run(graph).error->code(), ErrorCode::kInternal);
  // The lock and the journal are free again.
  EXPECT_TRUE(Run(graph).error.has_value());
}

TEST_F(RunnerTest, StoppedRunSkipsTheRestAndContinuesLater) {
  std::stop_source stop;
  context_.stop = stop.get_token();
  options_.threads = 1;
  options_.on_point = [&](std::string_view point, const std::string& step) {
    if (point == "published" && step == "b") {
      stop.request_stop();
    }
  };
  const RunReport report = Run(MakeGraph());
  ASSERT_TRUE(report.error.has_value());
  EXPECT_EQ(report.error->code(), ErrorCode::kCancelled);
  EXPECT_EQ(report.Find("d")->status, StepStatus::kSkipped);
  context_.stop = {};
  options_.on_point = {};
  EXPECT_EQ(Statuses(Run(MakeGraph())), "a:cached b:cached c:ran d:ran");
}

TEST_F(RunnerTest, UndoneEffectsAreDoneAgain) {
  bool is_there = false;
  std::string key;
  Graph graph("test");
  StepInfo info;
  info.name = "publish";
  ASSERT_TRUE(graph
                  .Add(MakeStep(
                      info,
                      [&](const StepContext& step, StepResult&) -> Result<void> {
                        is_there = true;
                        EXPECT_TRUE(key.empty() || key == step.idempotency_key());
                        key = step.idempotency_key();
                        return {};
                      },
                      [&](const StepContext& step, const StepResult&) -> Result<bool> {
                        EXPECT_EQ(key, step.idempotency_key());
                        return is_there;
                      }))
                  .ok());
  EXPECT_EQ(Statuses(Run(graph)), "publish:ran");
  EXPECT_EQ(Statuses(Run(graph)), "publish:cached");
  is_there = false;
  const RunReport report = Run(graph);
  EXPECT_EQ(Statuses(report), "publish:ran");
  EXPECT_EQ(report.Find("publish")->reason, "its effect was undone");
  EXPECT_TRUE(is_there);
}

TEST_F(RunnerTest, IndependentStepsRunSideBySide) {
  Graph graph("test");
  std::atomic<int> at_work{0};
  std::atomic<int> most{0};
  for (const char* name : {"a", "b"}) {
    StepInfo info;
    info.name = name;
    ASSERT_TRUE(graph
                    .Add(MakeStep(info,
                                  [&](const StepContext&, StepResult&) -> Result<void> {
                                    at_work.fetch_add(1);
                                    // Waits for the other, but not forever: alone it would fail the
                                    // expectation below.
                                    for (int i = 0; i < 2000 && most.load() < 2; ++i) {
                                      most.store(std::max(most.load(), at_work.load()));
                                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                    }
                                    at_work.fetch_sub(1);
                                    return {};
                                  }))
                    .ok());
  }
  Run(graph);
  EXPECT_EQ(most.load(), 2);
}

class RecordingObserver final : public RunObserver {
 public:
  void OnStepStart(const StepInfo& step) override { events.push_back("start " + step.name); }
  void OnStepEnd(const StepReport& report) override {
    events.push_back(std::string(StepStatusName(report.status)) + " " + report.name);
  }
  std::vector<std::string> events;
};

TEST_F(RunnerTest, ObserverHearsEveryStep) {
  RecordingObserver observer;
  options_.observer = &observer;
  options_.threads = 1;
  Run(MakeGraph());
  EXPECT_EQ(observer.events, (std::vector<std::string>{"start a", "ran a", "start b", "ran b",
                                                       "start c", "ran c", "start d", "ran d"}));
}

TEST_F(RunnerTest, UnwritableCacheIsNamed) {
  Put("file", "x");
  options_.cache_dir = dir_ / "file" / "cache";
  const Result<RunReport> report = RunGraph(context_, MakeGraph(), options_);
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.error().ToString().find((dir_ / "file").string()), std::string::npos);
}

TEST_F(RunnerTest, FolderInputsChangeWithAnyOfTheirFiles) {
  Put("folder/a.txt", "1");
  Put("folder/sub/b.txt", "2");
  const auto run = [&] {
    Graph graph("test");
    EXPECT_TRUE(graph.AddInput("folder", dir_ / "folder").ok());
    StepInfo info;
    info.name = "reader";
    info.inputs = {"folder"};
    EXPECT_TRUE(
        graph
            .Add(MakeStep(info, [](const StepContext&, StepResult&) -> Result<void> { return {}; }))
            .ok());
    return Statuses(Run(graph));
  };
  EXPECT_EQ(run(), "reader:ran");
  EXPECT_EQ(run(), "reader:cached");
  Put("folder/sub/b.txt", "3");
  EXPECT_EQ(run(), "reader:ran");
  Put("folder/c.txt", "");
  EXPECT_EQ(run(), "reader:ran");
}

}  // namespace
}  // namespace millrace::pipelines
