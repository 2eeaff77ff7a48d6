// SPDX-License-Identifier: Apache-2.0
// Writes OpenLineage events.
#include "pipelines/open_lineage.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/json.h"

namespace millrace::pipelines {
namespace {

using Json = nlohmann::json;

constexpr const char* kSchema =
    "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
constexpr const char* kFacets = "https://openlineage.io/spec/facets/";

std::string NewUuid() {
  std::string uuid = base::NewRunId();
  for (const std::size_t place : {8U, 13U, 18U, 23U}) {
    uuid.insert(place, 1, '-');
  }
  return uuid;
}

}  // namespace

struct LineageObserver::Impl {
  LineageOptions options;
  LineageSink& sink;
  const base::Clock& clock;
  RunObserver& next;
  std::string pipeline_run = NewUuid();
  std::map<std::string, StepInfo> steps = {};
  std::map<std::string, std::string> step_runs = {};
  /// Content of what was written or read in this run.
  std::map<std::string, std::string> versions = {};

  Json Facet(const std::string& version, const std::string& name, Json content) const {
    content["_producer"] = options.producer;
    content["_schemaURL"] = kFacets + version + "/" + name + ".json#/$defs/" + name;
    return content;
  }

  Json Dataset(const std::string& artifact) const {
    const auto known = options.dataset_names.find(artifact);
    Json dataset = {{"namespace", options.job_namespace},
                    {"name", known == options.dataset_names.end() ? artifact : known->second},
                    {"facets", Json::object()}};
    if (const auto version = versions.find(artifact); version != versions.end()) {
      dataset["facets"]["version"] =
          Facet("1-0-1", "DatasetVersionDatasetFacet", {{"datasetVersion", version->second}});
    }
    return dataset;
  }

  Json Event(const char* type, const std::string& run, const std::string& job,
             const char* job_type) const {
    Json event = {{"eventType", type},
                  {"eventTime", base::FormatTimestamp(clock.Now())},
                  {"producer", options.producer},
                  {"schemaURL", kSchema},
                  {"run", {{"runId", run}, {"facets", Json::object()}}},
                  {"job",
                   {{"namespace", options.job_namespace},
                    {"name", job},
                    {"facets",
                     {{"jobType", Facet("2-0-3", "JobTypeJobFacet",
                                        {{"processingType", "BATCH"},
                                         {"integration", "MILLRACE"},
                                         {"jobType", job_type}})}}}}},
                  {"inputs", Json::array()},
                  {"outputs", Json::array()}};
    if (run != pipeline_run) {
      event["run"]["facets"]["parent"] =
          Facet("1-1-0", "ParentRunFacet",
                {{"run", {{"runId", pipeline_run}}},
                 {"job", {{"namespace", options.job_namespace}, {"name", options.pipeline}}}});
    }
    return event;
  }

  Json StepEvent(const char* type, const std::string& step) {
    std::string& run = step_runs[step];
    if (run.empty()) {
      run = NewUuid();
    }
    Json event = Event(type, run, options.pipeline + "." + step, "STEP");
    const StepInfo& info = steps[step];
    for (const std::string& input : info.inputs) {
      event["inputs"].push_back(Dataset(input));
    }
    // What a step waits for it also works with, though not by a file: a version, an endpoint.
    for (const std::string& before : info.after) {
      for (const OutputSpec& output : steps[before].outputs) {
        event["inputs"].push_back(Dataset(output.name));
      }
    }
    for (const OutputSpec& output : info.outputs) {
      event["outputs"].push_back(Dataset(output.name));
    }
    return event;
  }

  void Emit(const Json& event) { sink.Emit(base::DumpJson(event)); }
};

LineageObserver::LineageObserver(LineageOptions options, const Graph& graph, LineageSink& sink,
                                 const base::Clock& clock, RunObserver& next)
    : impl_(new Impl{std::move(options), sink, clock, next}) {
  for (const auto& step : graph.steps()) {
    impl_->steps[step->info().name] = step->info();
  }
  impl_->Emit(impl_->Event("START", impl_->pipeline_run, impl_->options.pipeline, "PIPELINE"));
}

LineageObserver::~LineageObserver() = default;

void LineageObserver::OnStepStart(const StepInfo& step) {
  impl_->Emit(impl_->StepEvent("START", step.name));
  impl_->next.OnStepStart(step);
}

void LineageObserver::OnStepEnd(const StepReport& report) {
  for (const Artifact& output : report.outputs) {
    impl_->versions[output.name] = output.hash.Hex();
  }
  if (report.status != StepStatus::kSkipped) {
    const bool failed = report.status == StepStatus::kFailed;
    Json event = impl_->StepEvent(failed ? "FAIL" : "COMPLETE", report.name);
    if (failed && report.error) {
      event["run"]["facets"]["errorMessage"] =
          impl_->Facet("1-0-1", "ErrorMessageRunFacet",
                       {{"message", report.error->ToString()}, {"programmingLanguage", "C++"}});
    }
    if (!failed && report.result.rows > 0 && event["outputs"].size() == 1) {
      event["outputs"][0]["outputFacets"]["outputStatistics"] = impl_->Facet(
          "1-0-2", "OutputStatisticsOutputDatasetFacet", {{"rowCount", report.result.rows}});
    }
    impl_->Emit(event);
  }
  impl_->next.OnStepEnd(report);
}

void LineageObserver::OnPipelineEnd(bool succeeded) {
  impl_->Emit(impl_->Event(succeeded ? "COMPLETE" : "FAIL", impl_->pipeline_run,
                           impl_->options.pipeline, "PIPELINE"));
}

}  // namespace millrace::pipelines
