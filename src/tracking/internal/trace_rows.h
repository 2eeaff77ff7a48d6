// SPDX-License-Identifier: Apache-2.0
// Tables of traces, and readers of their rows.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/search.h"
#include "tracking/traces.h"

namespace millrace::tracking::internal {

/// To the newest version. Cost: once, reads all spans that a version before the second has written.
Result<void> MigrateTraces(store::Metadata& metadata);
/// For tests of what came later.
Result<void> MigrateTracesToVersionOne(store::Metadata& metadata);
/// With all that belongs to it; 0 where the experiment has no such trace, else 1.
Result<std::int64_t> DeleteTrace(store::Metadata& metadata, std::int64_t experiment_id,
                                 const std::string& trace_id);

/// With tags, metadata and assessments, in the order of the ids; those that are gone are left out.
Result<std::vector<TraceInfo>> ReadTraceInfos(store::Metadata& metadata,
                                              std::span<const std::string> trace_ids);
/// kNotFound: "Trace with ID 'tr-...' not found."
Result<TraceInfo> ReadTraceInfo(store::Metadata& metadata, const std::string& trace_id);
/// Of one trace, by creation.
Result<std::vector<Assessment>> ReadAssessments(store::Metadata& metadata,
                                                std::span<const std::string> trace_ids);
/// Roots first, then by start.
Result<std::vector<Span>> ReadSpans(store::Metadata& metadata, const std::string& trace_id);
void SortSpans(std::vector<Span>& spans);

/// Set once a client has said what its trace is as a whole.
inline const std::string kFinalKey = "mlflow.trace.infoFinalized";

/// Inserts or replaces; previews that are there stay where none are given.
Result<void> PutTrace(store::Metadata& metadata, const TraceInfo& info, std::int64_t experiment_id);
/// Where files of a trace lie, below the folder of its experiment.
std::string TraceArtifacts(const std::string& location, const std::string& trace_id);
/// Inserts or replaces; long values are cut.
Result<void> PutTracePairs(store::Metadata& metadata, std::string_view table,
                           const std::string& trace_id, const Tags& pairs);
/// Inserts or replaces.
Result<void> PutTracePair(store::Metadata& metadata, std::string_view table,
                          const std::string& trace_id, const std::string& key,
                          const std::string& value);
Result<void> PutAssessment(store::Metadata& metadata, const Assessment& assessment);
/// What an assessment says, from its `kind` and `body`; null where it says nothing.
nlohmann::json AssessmentValue(std::string_view kind, std::string_view body);

/// The experiment's folder of artifacts; kNotFound without it, kFailedPrecondition if it is
/// deleted.
Result<std::string> ActiveExperimentLocation(store::Metadata& metadata, std::int64_t experiment_id);

/// Ids of the traces of the experiments that match all clauses, in order, from offset, at most
/// limit.
Result<std::vector<std::string>> SelectTraces(store::Metadata& metadata,
                                              std::span<const std::int64_t> experiment_ids,
                                              std::span<const Clause> filter,
                                              std::span<const OrderTerm> order, std::int64_t offset,
                                              std::int64_t limit);

/// What spans say about their trace.
struct TraceSummary {
  std::int64_t start_ms = 0;
  std::optional<std::int64_t> end_ms;
  /// "OK" or "ERROR" once a root has ended; empty before.
  std::string root_state;
  std::optional<std::string> request_preview;
  std::optional<std::string> response_preview;
  /// mlflow.trace.tokenUsage, .cost, .session, .user.
  Tags metadata;
  /// Of mlflow.traceTag.* attributes of the root.
  Tags tags;
};
/// @param spans  at least one; all that are known of the trace, for sums
/// @param attributes  of each span (SpanAttributes)
TraceSummary Summarise(std::span<const Span> spans, std::span<const nlohmann::json> attributes);

}  // namespace millrace::tracking::internal
