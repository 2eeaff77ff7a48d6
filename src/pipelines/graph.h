// SPDX-License-Identifier: Apache-2.0
// The directed graph of steps and artifacts that a pipeline run executes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "pipelines/step.h"

namespace millrace::pipelines {

/// Steps and the inputs that come from outside. Build it, then hand it to `RunGraph`.
class Graph {
 public:
  /// @param name  of the pipeline; letters, digits, '_', '-' and '.'
  explicit Graph(std::string name) : name_(std::move(name)) {}

  /// A file or folder that no step makes. kAlreadyExists if the artifact's name is taken, kNotFound
  /// if there is no such path.
  Result<void> AddInput(std::string artifact, std::filesystem::path file);
  /// kInvalidArgument for a bad name or output path, kAlreadyExists if the name of the step or of
  /// an output is taken.
  Result<void> Add(std::unique_ptr<Step> step);

  const std::string& name() const { return name_; }
  const std::vector<std::unique_ptr<Step>>& steps() const { return steps_; }
  const std::map<std::string, std::filesystem::path>& inputs() const { return inputs_; }

  /// For each step the steps that must be done before it (indices into `steps()`, rising).
  ///   - kInvalidArgument for an input that nothing makes (with the nearest name) or a circle (with
  ///   its names).
  Result<std::vector<std::vector<std::size_t>>> Dependencies() const;

 private:
  std::string name_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::map<std::string, std::size_t> makers_;
  std::map<std::string, std::filesystem::path> inputs_;
};

}  // namespace millrace::pipelines
