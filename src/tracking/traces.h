// SPDX-License-Identifier: Apache-2.0
// Traces of MLflow: what an application did for one request, as a tree of spans, with assessments
// of the result. The wire formats live in `api`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/trace_metrics.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

/// A judgement about a trace: feedback, an expectation, or a reference to an issue.
struct Assessment {
  /// "a-" and 32 hex digits.
  std::string assessment_id;
  std::string trace_id;
  std::string name;
  /// "HUMAN", "CODE", "LLM_JUDGE", ...
  std::string source_type;
  std::string source_id;
  std::int64_t create_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  std::optional<std::string> span_id;
  std::optional<std::string> rationale;
  /// The assessment that this one replaces, which is then no longer valid.
  std::optional<std::string> overrides;
  /// "feedback", "expectation", "issue".
  std::string kind;
  /// The object of that name in MLflow's JSON: {"value": ..., "error": {...}}.
  std::string body;
  Tags metadata;
  bool is_valid = true;
};

struct TraceInfo {
  /// "tr-" and 32 hex digits, or whatever an older client made.
  std::string trace_id;
  std::string experiment_id;
  std::int64_t request_time_ms = 0;
  std::optional<std::int64_t> execution_time_ms;
  /// "OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED".
  std::string state = "STATE_UNSPECIFIED";
  std::optional<std::string> client_request_id;
  std::optional<std::string> request_preview;
  std::optional<std::string> response_preview;
  Tags metadata;
  Tags tags;
  std::vector<Assessment> assessments;
};

/// One step of a trace.
struct Span {
  std::string trace_id;
  /// 16 hex digits.
  std::string span_id;
  /// Empty for a root.
  std::string parent_id;
  std::string name;
  /// "LLM", "TOOL", ...; empty where nobody said, which no filter matches.
  std::string type;
  /// "OK", "ERROR", "UNSET".
  std::string status;
  std::int64_t start_time_ns = 0;
  /// 0: not ended.
  std::int64_t end_time_ns = 0;
  /// All of it as MLflow's JSON: attributes are JSON texts.
  std::string content;
};

struct Trace {
  TraceInfo info;
  /// Roots first, then by start.
  std::vector<Span> spans;
};

struct TraceSearch {
  std::vector<std::string> experiment_ids = {};
  std::string filter = {};
  std::vector<std::string> order_by = {};
  std::string page_token = {};
  int max_results = 100;
};

/// Which traces of an experiment to delete: those named, or those up to a time, oldest first.
struct TraceDeletion {
  std::string experiment_id;
  std::optional<std::int64_t> max_timestamp_ms = {};
  std::optional<std::int64_t> max_traces = {};
  std::vector<std::string> trace_ids = {};
};

/// What an update of an assessment changes; absent members stay, metadata is merged.
struct AssessmentUpdate {
  std::optional<std::string> name = {};
  /// With the kind it belongs to.
  std::optional<std::pair<std::string, std::string>> kind_and_body = {};
  std::optional<std::string> rationale = {};
  Tags metadata = {};
};

/// Thread-safe; several processes may hold one on the same database. Each call is one transaction.
/// Errors of every call, in MLflow's words: kNotFound for traces, assessments, runs and
/// experiments; kInvalidArgument for values and filters; kFailedPrecondition for a deleted
/// experiment; those of store::Metadata.
class TraceStore {
 public:
  /// The tables of TrackingStore are there already. The references outlive the store.
  static Result<std::unique_ptr<TraceStore>> Open(store::Metadata& metadata,
                                                  const base::Clock& clock);
  TraceStore(store::Metadata& metadata, const base::Clock& clock)
      : metadata_(metadata), clock_(clock) {}

  /// Makes the trace, or completes what its spans have made of it. An empty id is given one. The
  /// result has the tag mlflow.artifactLocation.
  /// @param is_final  spans that come later change none of the values given here
  Result<TraceInfo> Start(TraceInfo info, bool is_final);
  /// For clients before 3.0: ends what Start began; metadata and tags are merged.
  Result<TraceInfo> End(const std::string& trace_id, std::int64_t end_time_ms,
                        const std::string& state, const Tags& metadata, const Tags& tags);
  /// Stores spans; traces that are not there yet are made, in the experiment given. A span that is
  /// known is replaced.
  /// @param resource  attributes of the process that sent them; they become tags
  Result<void> LogSpans(const std::string& experiment_id, std::span<const Span> spans,
                        const Tags& resource);

  Result<TraceInfo> GetInfo(const std::string& trace_id);
  /// Those that exist, in the order asked for.
  /// @param experiment_ids  where they must lie, if given
  Result<std::vector<TraceInfo>> GetInfos(
      const std::vector<std::string>& trace_ids,
      const std::optional<std::vector<std::string>>& experiment_ids = {});
  /// @param allow_partial  also a trace of which spans are still missing
  Result<Trace> Get(const std::string& trace_id, bool allow_partial);
  /// Complete ones only, in the order asked for.
  Result<std::vector<Trace>> GetMany(
      const std::vector<std::string>& trace_ids,
      const std::optional<std::vector<std::string>>& experiment_ids = {});
  /// Newest first, ties by id, unless order_by says otherwise.
  Result<Page<TraceInfo>> Search(const TraceSearch& search);
  /// How many went.
  Result<std::int64_t> Delete(const TraceDeletion& deletion);
  /// See trace_metrics.h.
  Result<std::vector<TraceMetricPoint>> QueryMetrics(const TraceMetricQuery& query);
  Result<FilterCorrelation> Correlate(const std::vector<std::string>& experiment_ids,
                                      const std::string& filter1, const std::string& filter2,
                                      const std::string& base_filter);

  Result<void> SetTag(const std::string& trace_id, const std::string& key,
                      const std::string& value);
  Result<void> DeleteTag(const std::string& trace_id, const std::string& key);
  /// At most 100 at once; repeating a link changes nothing.
  Result<void> LinkToRun(const std::vector<std::string>& trace_ids, const std::string& run_id);
  /// @param prompts  "name/version"
  Result<void> LinkPrompts(const std::string& trace_id, const std::vector<std::string>& prompts);

  /// Gets an id; times that are 0 become now.
  Result<Assessment> CreateAssessment(Assessment assessment);
  Result<Assessment> GetAssessment(const std::string& trace_id, const std::string& assessment_id);
  Result<Assessment> UpdateAssessment(const std::string& trace_id, const std::string& assessment_id,
                                      const AssessmentUpdate& update);
  /// One that does not exist is fine. What it replaced is valid again.
  Result<void> DeleteAssessment(const std::string& trace_id, const std::string& assessment_id);

 private:
  std::int64_t NowMs() const { return clock_.Now().micros / 1000; }

  store::Metadata& metadata_;
  const base::Clock& clock_;
};

}  // namespace millrace::tracking
