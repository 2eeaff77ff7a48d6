// SPDX-License-Identifier: Apache-2.0
// A step: the unit that a pipeline runs, caches and resumes. Domain modules do not know steps;
// `app` wraps their calls.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/hash.h"
#include "base/result.h"

namespace millrace::pipelines {

/// A file or folder that goes from step to step, known by its content.
struct Artifact {
  std::string name;
  std::filesystem::path file;
  ContentHash hash;
};

/// What a step promises to write: an artifact by name, as a file or folder relative to the step's
/// output folder.
struct OutputSpec {
  std::string name;
  std::string file;
};

/// The declaration of a step.
struct StepInfo {
  /// Unique in the graph; letters, digits, '_', '-' and '.'.
  std::string name;
  /// The stage that the step belongs to, for reports.
  std::string stage;
  /// Raised by whoever changes what the step computes, so that older cache entries no longer fit.
  int version = 1;
  /// Every setting that the result depends on, as canonical text; no paths, times or ids.
  std::string params;
  /// Names of artifacts: outputs of other steps or inputs of the graph. Their content enters the
  /// cache key.
  std::vector<std::string> inputs;
  std::vector<OutputSpec> outputs;
  /// Names of steps that must have succeeded before, though nothing of theirs is read; not part of
  /// the cache key.
  std::vector<std::string> after;
};

/// What a step tells beside its files; kept in the cache entry, so a cached step tells it again.
struct StepResult {
  std::int64_t rows = 0;
  std::map<std::string, double> metrics;
  std::vector<std::string> notes;
  /// A small JSON text of the step's own (tables to show); empty if none.
  std::string json;
};

/// What a running step may use.
class StepContext {
 public:
  StepContext(const Context& context, std::map<std::string, Artifact> inputs,
              std::filesystem::path output_dir, std::string idempotency_key)
      : context_(context),
        inputs_(std::move(inputs)),
        output_dir_(std::move(output_dir)),
        idempotency_key_(std::move(idempotency_key)) {}

  const Context& context() const { return context_; }
  /// The file of a declared input; asking for another name is a broken invariant.
  const std::filesystem::path& Input(std::string_view name) const {
    return InputArtifact(name).file;
  }
  const Artifact& InputArtifact(std::string_view name) const;
  /// An empty folder; what the step leaves here is published at once and whole when it succeeds.
  const std::filesystem::path& output_dir() const { return output_dir_; }
  /// The cache key in hex: the same for every attempt at the same work. Side effects are done under
  /// it, so that an attempt after a crash finds what the attempt before it did.
  const std::string& idempotency_key() const { return idempotency_key_; }

 private:
  const Context& context_;
  std::map<std::string, Artifact> inputs_;
  std::filesystem::path output_dir_;
  std::string idempotency_key_;
};

/// The work of a step. Steps of one graph run side by side, so `Run` shares nothing without locks.
class Step {
 public:
  explicit Step(StepInfo info) : info_(std::move(info)) {}
  virtual ~Step() = default;
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

  const StepInfo& info() const { return info_; }

  /// Does the work. `result` is reported even when it fails, but then nothing is published.
  virtual Result<void> Run(const StepContext& step, StepResult& result) = 0;

  /// Asked before a cache entry is used: false makes the step run again. For steps whose effect
  /// lies outside their files (a registered version, published values) and may have been undone
  /// since. `step.output_dir()` is the published folder.
  virtual Result<bool> StillHolds(const StepContext& step, const StepResult& cached);

 private:
  StepInfo info_;
};

using StepFunction = std::function<Result<void>(const StepContext& step, StepResult& result)>;
using HoldsFunction =
    std::function<Result<bool>(const StepContext& step, const StepResult& cached)>;

/// A step made of functions.
std::unique_ptr<Step> MakeStep(StepInfo info, StepFunction run, HoldsFunction still_holds = {});

}  // namespace millrace::pipelines
