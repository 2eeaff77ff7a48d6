// SPDX-License-Identifier: Apache-2.0
// Writes spans, the traces that they belong to, and what searches ask of them.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/trace_digest.h"
#include "tracking/internal/trace_rows.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

using store::Transaction;

Result<void> PutSpan(store::Metadata& metadata, const Span& span) {
  return metadata.Execute(
      "INSERT INTO trace_spans (trace_id, span_id, parent_id, name, type, status, start_time_ns, "
      "end_time_ns, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trace_id, span_id) DO "
      "UPDATE SET parent_id = excluded.parent_id, name = excluded.name, type = excluded.type, "
      "status = excluded.status, start_time_ns = excluded.start_time_ns, end_time_ns = "
      "excluded.end_time_ns, content = excluded.content",
      {span.trace_id, span.span_id, span.parent_id, span.name, span.type, span.status,
       span.start_time_ns, span.end_time_ns, span.content});
}

// The spans of a trace that has no others; of two with one id the later one.
std::vector<Span> Latest(std::span<const Span* const> spans) {
  std::map<std::string_view, const Span*> by_id;
  for (const Span* span : spans) {
    by_id[span->span_id] = span;
  }
  std::vector<Span> latest;
  for (const auto& [id, span] : by_id) {
    latest.push_back(*span);
  }
  internal::SortSpans(latest);
  return latest;
}

// One trace of a batch of spans: makes it where it is not there, and writes what its spans say.
class TraceOfSpans {
 public:
  TraceOfSpans(store::Metadata& metadata, std::string trace_id, const std::string& location,
               std::int64_t experiment_id)
      : metadata_(metadata),
        trace_id_(std::move(trace_id)),
        location_(location),
        experiment_id_(experiment_id) {}

  Result<void> Write(std::span<const Span* const> spans, const Tags& resource) {
    MILL_ASSIGN_OR_RETURN(std::vector<TraceInfo> known,
                          internal::ReadTraceInfos(metadata_, std::span(&trace_id_, 1)));
    std::vector<Span> all;
    if (known.empty()) {
      all = Latest(spans);
      TraceInfo& info = known.emplace_back();
      info.trace_id = trace_id_;
      info.experiment_id = std::to_string(experiment_id_);
      info.request_time_ms = all[0].start_time_ns / 1'000'000;
      info.state = "IN_PROGRESS";
      info.tags["mlflow.artifactLocation"] = internal::TraceArtifacts(location_, trace_id_);
    } else {
      // A trace stays where it is.
      MILL_ASSIGN_OR_RETURN(experiment_id_,
                            internal::ParseExperimentId(known.front().experiment_id));
      MILL_RETURN_IF_ERROR(PutSpans(spans));
      MILL_ASSIGN_OR_RETURN(all, internal::ReadSpans(metadata_, trace_id_));
      spans = {};
    }
    std::vector<nlohmann::json> attributes;
    for (const Span& span : all) {
      attributes.push_back(internal::SpanAttributes(span));
    }
    MILL_RETURN_IF_ERROR(
        Update(known.front(), internal::Summarise(all, attributes), resource, spans));
    return internal::PutTraceDigest(metadata_, experiment_id_, trace_id_,
                                    internal::TraceDigest(all, attributes));
  }

 private:
  Result<void> PutSpans(std::span<const Span* const> spans) {
    for (const Span* span : spans) {
      MILL_RETURN_IF_ERROR(PutSpan(metadata_, *span));
    }
    return {};
  }

  /// @param spans  those that can only be written once their trace is there
  Result<void> Update(const TraceInfo& known, const internal::TraceSummary& summary,
                      const Tags& resource, std::span<const Span* const> spans) {
    const bool is_final = known.metadata.contains(internal::kFinalKey);
    TraceInfo info = known;
    if (!is_final) {
      info.request_time_ms = std::min(known.request_time_ms, summary.start_ms);
      const std::int64_t known_end = known.request_time_ms + known.execution_time_ms.value_or(0);
      if (summary.end_ms.has_value()) {
        info.execution_time_ms = std::max(known_end, *summary.end_ms) - info.request_time_ms;
      }
    }
    const bool is_open = known.state == "IN_PROGRESS" || known.state == "STATE_UNSPECIFIED";
    if (is_open && !summary.root_state.empty()) {
      info.state = summary.root_state;
    }
    if (!known.request_preview.has_value()) {
      info.request_preview = summary.request_preview;
    }
    if (!known.response_preview.has_value()) {
      info.response_preview = summary.response_preview;
    }
    MILL_RETURN_IF_ERROR(internal::PutTrace(metadata_, info, experiment_id_));
    MILL_RETURN_IF_ERROR(PutSpans(spans));
    Tags tags = resource;
    if (!spans.empty()) {
      tags.insert(known.tags.begin(), known.tags.end());
    }
    tags.insert_or_assign("mlflow.trace.spansLocation", "TRACKING_STORE");
    for (const auto& [key, value] : summary.tags) {
      tags.insert_or_assign(key, value);
    }
    MILL_RETURN_IF_ERROR(internal::PutTracePairs(metadata_, "trace_tags", trace_id_, tags));
    // Sums are made anew from all spans; what the client has said itself stays.
    for (const auto& [key, value] : summary.metadata) {
      if (!is_final || !known.metadata.contains(key)) {
        MILL_RETURN_IF_ERROR(
            internal::PutTracePair(metadata_, "trace_metadata", trace_id_, key, value));
      }
    }
    return {};
  }

  store::Metadata& metadata_;
  std::string trace_id_;
  const std::string& location_;
  std::int64_t experiment_id_;
};

}  // namespace

Result<void> TraceStore::LogSpans(const std::string& experiment_id, std::span<const Span> spans,
                                  const Tags& resource) {
  MILL_ASSIGN_OR_RETURN(const long long experiment, internal::ParseExperimentId(experiment_id));
  Tags tags;
  for (const auto& [key, value] : resource) {
    if (!key.starts_with("mlflow.") && !key.starts_with("telemetry.sdk.") &&
        internal::CheckKey("tag", key).ok()) {
      tags[key] = value;
    }
  }
  std::map<std::string, std::vector<const Span*>> by_trace;
  for (const Span& span : spans) {
    by_trace[span.trace_id].push_back(&span);
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::string location,
                        internal::ActiveExperimentLocation(metadata_, experiment));
  for (const auto& [trace_id, of_trace] : by_trace) {
    MILL_RETURN_IF_ERROR(
        TraceOfSpans(metadata_, trace_id, location, experiment).Write(of_trace, tags));
  }
  return transaction.Commit();
}

}  // namespace millrace::tracking
