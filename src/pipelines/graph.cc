// SPDX-License-Identifier: Apache-2.0
// Checks of a graph: names, makers of artifacts, circles.
#include "pipelines/graph.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "base/nearest_name.h"
#include "store/workspace.h"

namespace millrace::pipelines {
namespace {

// Depth first over the dependencies; a step met again while still open closes a circle.
class CircleFinder {
 public:
  CircleFinder(const std::vector<std::unique_ptr<Step>>& steps,
               const std::vector<std::vector<std::size_t>>& before)
      : steps_(steps), before_(before), states_(steps.size(), State::kNew) {}

  Result<void> Check() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      MILL_RETURN_IF_ERROR(Visit(i));
    }
    return {};
  }

 private:
  enum class State { kNew, kOpen, kDone };

  Result<void> Visit(std::size_t index) {
    if (states_[index] == State::kDone) {
      return {};
    }
    if (states_[index] == State::kOpen) {
      std::string circle;
      for (auto at = std::find(path_.begin(), path_.end(), index); at != path_.end(); ++at) {
        circle += steps_[*at]->info().name + " needs ";
      }
      return base::InvalidArgument("steps need each other in a circle: " + circle +
                                   steps_[index]->info().name);
    }
    states_[index] = State::kOpen;
    path_.push_back(index);
    for (const std::size_t other : before_[index]) {
      MILL_RETURN_IF_ERROR(Visit(other));
    }
    path_.pop_back();
    states_[index] = State::kDone;
    return {};
  }

  const std::vector<std::unique_ptr<Step>>& steps_;
  const std::vector<std::vector<std::size_t>>& before_;
  std::vector<State> states_;
  std::vector<std::size_t> path_;
};

// Outputs stay inside the folder of their step.
bool IsInside(const std::filesystem::path& file) {
  const std::filesystem::path normal = file.lexically_normal();
  return !normal.empty() && normal.is_relative() && *normal.begin() != ".." && normal != ".";
}

}  // namespace

Result<void> Graph::AddInput(std::string artifact, std::filesystem::path file) {
  std::error_code code;
  if (!std::filesystem::exists(file, code)) {
    return base::NotFound("the input \"" + artifact + "\" of pipeline \"" + name_ + "\", \"" +
                          file.string() + "\", does not exist")
        .Hint("check the path");
  }
  if (makers_.contains(artifact) || !inputs_.emplace(artifact, std::move(file)).second) {
    return base::AlreadyExists("the artifact \"" + artifact + "\" of pipeline \"" + name_ +
                               "\" is declared twice");
  }
  return {};
}

Result<void> Graph::Add(std::unique_ptr<Step> step) {
  const StepInfo& info = step->info();
  if (!store::IsSafeName(info.name)) {
    return base::InvalidArgument(
        "\"" + info.name + "\" is not a name of a step; use letters, digits, '_', '-' and '.'");
  }
  for (const auto& other : steps_) {
    if (other->info().name == info.name) {
      return base::AlreadyExists("the step \"" + info.name + "\" of pipeline \"" + name_ +
                                 "\" is declared twice");
    }
  }
  std::set<std::string> names;
  for (const OutputSpec& output : info.outputs) {
    if (!IsInside(output.file)) {
      return base::InvalidArgument("step \"" + info.name + "\": the output \"" + output.file +
                                   "\" is not a path below the step's folder");
    }
    if (makers_.contains(output.name) || inputs_.contains(output.name) ||
        !names.insert(output.name).second) {
      return base::AlreadyExists("the artifact \"" + output.name + "\" of pipeline \"" + name_ +
                                 "\" is declared twice");
    }
  }
  for (const OutputSpec& output : info.outputs) {
    makers_.emplace(output.name, steps_.size());
  }
  steps_.push_back(std::move(step));
  return {};
}

Result<std::vector<std::vector<std::size_t>>> Graph::Dependencies() const {
  std::vector<std::string> artifacts;
  std::vector<std::string> step_names;
  for (const auto& [artifact, maker] : makers_) {
    artifacts.push_back(artifact);
  }
  for (const auto& [artifact, file] : inputs_) {
    artifacts.push_back(artifact);
  }
  for (const auto& step : steps_) {
    step_names.push_back(step->info().name);
  }
  std::vector<std::vector<std::size_t>> before(steps_.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const StepInfo& info = steps_[i]->info();
    std::set<std::size_t> needed;
    for (const std::string& input : info.inputs) {
      if (const auto maker = makers_.find(input); maker != makers_.end()) {
        needed.insert(maker->second);
      } else if (!inputs_.contains(input)) {
        return base::InvalidArgument("step \"" + info.name + "\" needs \"" + input +
                                     "\", which nothing makes" +
                                     base::DidYouMean(input, artifacts));
      }
    }
    for (const std::string& name : info.after) {
      const auto found = std::find(step_names.begin(), step_names.end(), name);
      if (found == step_names.end()) {
        return base::InvalidArgument("step \"" + info.name + "\" comes after \"" + name +
                                     "\", which is no step" + base::DidYouMean(name, step_names));
      }
      needed.insert(static_cast<std::size_t>(found - step_names.begin()));
    }
    before[i].assign(needed.begin(), needed.end());
  }
  MILL_RETURN_IF_ERROR(CircleFinder(steps_, before).Check());
  return before;
}

}  // namespace millrace::pipelines
