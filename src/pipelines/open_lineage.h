// SPDX-License-Identifier: Apache-2.0
// Tells of the steps of a pipeline as OpenLineage run events (spec 2-0-2,
// https://openlineage.io/spec/2-0-2/OpenLineage.json): which data each step read and wrote.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "pipelines/runner.h"

namespace millrace::pipelines {

/// Takes events; `app` fulfils it by a file or HTTP. Thread-safe. What fails is the sink's own
/// matter: a pipeline never stops for its lineage.
class LineageSink {
 public:
  virtual ~LineageSink() = default;
  /// One event as JSON on one line.
  virtual void Emit(const std::string& event) = 0;
};

struct LineageOptions {
  /// OpenLineage's namespace of jobs and of what they write: the project's name.
  std::string job_namespace;
  std::string pipeline;
  /// Program and version, as a URI.
  std::string producer;
  /// Artifact to the data set that people know it by: "table.transactions" to "transactions".
  std::map<std::string, std::string> dataset_names = {};
};

/// Watches a run and emits, for the pipeline and for each of its steps, START and COMPLETE or FAIL,
/// and passes every call on to `next`. A step's version of a data set is its content hash.
class LineageObserver final : public RunObserver {
 public:
  /// The references outlive the observer.
  LineageObserver(LineageOptions options, const Graph& graph, LineageSink& sink,
                  const base::Clock& clock, RunObserver& next);
  ~LineageObserver() override;

  void OnStepStart(const StepInfo& step) override;
  void OnStepEnd(const StepReport& report) override;
  /// The pipeline ended; called once by whoever ran it.
  void OnPipelineEnd(bool succeeded);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::pipelines
