// SPDX-License-Identifier: Apache-2.0
// A small graph over files in a fresh folder, for the tests of runs.
#pragma once

#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/file.h"
#include "pipelines/runner.h"

namespace millrace::pipelines {

namespace fs = std::filesystem;
using base::ErrorCode;

class RunnerTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) /
           ("runner_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) +
            "_" + std::to_string(getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    Put("left.txt", "L");
    Put("right.txt", "R");
    options_.cache_dir = dir_ / "cache";
    options_.journal_dir = dir_ / "journal";
    context_.clock = &clock_;
  }
  void TearDown() override { fs::remove_all(dir_); }

  void Put(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(base::WriteFileAtomic(dir_ / name, text).ok());
  }

  // A step that writes its own name, its parameters and its inputs' texts in brackets.
  static std::unique_ptr<Step> Joiner(const std::string& name, std::vector<std::string> inputs,
                                      std::string params = "",
                                      std::vector<std::string> after = {}) {
    StepInfo info;
    info.name = name;
    info.stage = "stage of " + name;
    info.params = std::move(params);
    info.inputs = std::move(inputs);
    info.outputs = {{name + "_text", "text.txt"}};
    info.after = std::move(after);
    const StepInfo copy = info;
    return MakeStep(
        std::move(info), [copy](const StepContext& step, StepResult& result) -> Result<void> {
          std::string text = copy.name + copy.params + "(";
          for (const std::string& input : copy.inputs) {
            MILL_ASSIGN_OR_RETURN(const std::string part, base::ReadFile(step.Input(input)));
            text += part;
          }
          result.rows = static_cast<std::int64_t>(text.size());
          result.metrics["length"] = static_cast<double>(text.size());
          result.metrics["odd"] = std::numeric_limits<double>::quiet_NaN();
          result.notes = {"note of " + copy.name};
          result.json = "{}";
          return base::WriteFileAtomic(step.output_dir() / "text.txt", text + ")");
        });
  }

  // left -> a \.
  //            c -> d
  // right -> b /
  Graph MakeGraph(const std::string& b_params = "") const {
    Graph graph("test");
    EXPECT_TRUE(graph.AddInput("left", dir_ / "left.txt").ok());
    EXPECT_TRUE(graph.AddInput("right", dir_ / "right.txt").ok());
    EXPECT_TRUE(graph.Add(Joiner("d", {"c_text"})).ok());
    EXPECT_TRUE(graph.Add(Joiner("a", {"left"})).ok());
    EXPECT_TRUE(graph.Add(Joiner("b", {"right"}, b_params)).ok());
    EXPECT_TRUE(graph.Add(Joiner("c", {"a_text", "b_text"})).ok());
    return graph;
  }

  RunReport Run(const Graph& graph) const {
    Result<RunReport> report = RunGraph(context_, graph, options_);
    EXPECT_TRUE(report.ok()) << report.error().ToString();
    return *std::move(report);
  }
  // "a:ran b:cached ..." in the order of names.
  static std::string Statuses(const RunReport& report) {
    std::map<std::string, std::string> by_name;
    for (const StepReport& step : report.steps) {
      by_name[step.name] = StepStatusName(step.status);
    }
    std::string text;
    for (const auto& [name, status] : by_name) {
      text += (text.empty() ? "" : " ") + name + ":" + status;
    }
    return text;
  }
  static std::string TextOf(const RunReport& report, const std::string& step) {
    const Artifact* artifact = report.FindArtifact(step + "_text");
    return artifact == nullptr ? "(none)" : *base::ReadFile(artifact->file);
  }

  fs::path dir_;
  base::ManualClock clock_{{1'262'304'000'000'000}};
  Context context_;
  RunOptions options_;
};

}  // namespace millrace::pipelines
