// SPDX-License-Identifier: Apache-2.0
// Traces, spans and assessments over the metadata database.
#include "tracking/traces.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/json.h"
#include "store/metadata.h"
#include "tracking/artifact_uri.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/trace_digest.h"
#include "tracking/internal/trace_rows.h"
#include "tracking/search.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using base::NotFound;
using internal::Int;
using store::Transaction;
using store::Value;

constexpr std::size_t kMaxLinks = 100;
constexpr int kMaxTraceResults = 50'000;

// How many spans the client says that the trace has; 0 where it does not.
std::int64_t ExpectedSpans(const TraceInfo& info) {
  const auto stats = info.metadata.find("mlflow.trace.sizeStats");
  if (stats == info.metadata.end()) {
    return 0;
  }
  const auto value = base::ParseJson(stats->second, "mlflow.trace.sizeStats");
  if (!value.ok() || !value->is_object()) {
    return 0;
  }
  const auto count = value->find("num_spans");
  return count != value->end() && count->is_number_integer() ? count->get<std::int64_t>() : 0;
}

Result<void> CheckTag(const std::string& key) {
  MILL_RETURN_IF_ERROR(internal::CheckKey("tag", key));
  return {};
}

}  // namespace

Result<std::unique_ptr<TraceStore>> TraceStore::Open(store::Metadata& metadata,
                                                     const base::Clock& clock) {
  MILL_RETURN_IF_ERROR(internal::MigrateTraces(metadata));
  return std::make_unique<TraceStore>(metadata, clock);
}

Result<TraceInfo> TraceStore::Start(TraceInfo info, bool is_final) {
  MILL_ASSIGN_OR_RETURN(const long long experiment_id,
                        internal::ParseExperimentId(info.experiment_id));
  if (info.trace_id.empty()) {
    info.trace_id = base::NewRunId();
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::string location,
                        internal::ActiveExperimentLocation(metadata_, experiment_id));
  MILL_RETURN_IF_ERROR(internal::MoveTraceDigest(metadata_, info.trace_id, experiment_id));
  MILL_RETURN_IF_ERROR(internal::PutTrace(metadata_, info, experiment_id));
  info.tags["mlflow.artifactLocation"] = internal::TraceArtifacts(location, info.trace_id);
  MILL_RETURN_IF_ERROR(internal::PutTracePairs(metadata_, "trace_tags", info.trace_id, info.tags));
  if (is_final) {
    info.metadata[internal::kFinalKey] = "true";
  }
  MILL_RETURN_IF_ERROR(
      internal::PutTracePairs(metadata_, "trace_metadata", info.trace_id, info.metadata));
  for (Assessment& assessment : info.assessments) {
    assessment.trace_id = info.trace_id;
    if (assessment.assessment_id.empty()) {
      assessment.assessment_id = "a-" + base::NewRunId();
    }
    assessment.is_valid = true;
    MILL_RETURN_IF_ERROR(internal::PutAssessment(metadata_, assessment));
  }
  MILL_ASSIGN_OR_RETURN(TraceInfo written, internal::ReadTraceInfo(metadata_, info.trace_id));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return written;
}

Result<TraceInfo> TraceStore::End(const std::string& trace_id, std::int64_t end_time_ms,
                                  const std::string& state, const Tags& metadata,
                                  const Tags& tags) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const TraceInfo known, internal::ReadTraceInfo(metadata_, trace_id));
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("UPDATE traces SET execution_time_ms = ?, state = ? WHERE trace_id = ?",
                        {end_time_ms - known.request_time_ms, state, trace_id}));
  MILL_RETURN_IF_ERROR(internal::PutTracePairs(metadata_, "trace_metadata", trace_id, metadata));
  MILL_RETURN_IF_ERROR(internal::PutTracePairs(metadata_, "trace_tags", trace_id, tags));
  MILL_ASSIGN_OR_RETURN(TraceInfo written, internal::ReadTraceInfo(metadata_, trace_id));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return written;
}

Result<TraceInfo> TraceStore::GetInfo(const std::string& trace_id) {
  return internal::ReadTraceInfo(metadata_, trace_id);
}

Result<std::vector<TraceInfo>> TraceStore::GetInfos(
    const std::vector<std::string>& trace_ids,
    const std::optional<std::vector<std::string>>& experiment_ids) {
  MILL_ASSIGN_OR_RETURN(std::vector<TraceInfo> infos,
                        internal::ReadTraceInfos(metadata_, trace_ids));
  if (experiment_ids.has_value()) {
    std::erase_if(infos, [&](const TraceInfo& info) {
      return std::find(experiment_ids->begin(), experiment_ids->end(), info.experiment_id) ==
             experiment_ids->end();
    });
  }
  return infos;
}

Result<Trace> TraceStore::Get(const std::string& trace_id, bool allow_partial) {
  MILL_ASSIGN_OR_RETURN(std::vector<TraceInfo> infos,
                        internal::ReadTraceInfos(metadata_, std::span(&trace_id, 1)));
  if (infos.empty()) {
    return NotFound("Trace with ID " + trace_id + " is not found.");
  }
  Trace trace{std::move(infos.front()), {}};
  MILL_ASSIGN_OR_RETURN(trace.spans, internal::ReadSpans(metadata_, trace_id));
  if (!allow_partial && static_cast<std::int64_t>(trace.spans.size()) <
                            std::max<std::int64_t>(ExpectedSpans(trace.info), 1)) {
    return NotFound("Trace with ID " + trace_id +
                    " is not fully exported yet, please try again later.");
  }
  return trace;
}

Result<std::vector<Trace>> TraceStore::GetMany(
    const std::vector<std::string>& trace_ids,
    const std::optional<std::vector<std::string>>& experiment_ids) {
  MILL_ASSIGN_OR_RETURN(std::vector<TraceInfo> infos, GetInfos(trace_ids, experiment_ids));
  std::vector<Trace> traces;
  for (TraceInfo& info : infos) {
    MILL_ASSIGN_OR_RETURN(std::vector<Span> spans, internal::ReadSpans(metadata_, info.trace_id));
    if (!spans.empty() && static_cast<std::int64_t>(spans.size()) >= ExpectedSpans(info)) {
      traces.push_back({std::move(info), std::move(spans)});
    }
  }
  return traces;
}

Result<Page<TraceInfo>> TraceStore::Search(const TraceSearch& search) {
  if (search.max_results < 1 || search.max_results > kMaxTraceResults) {
    return InvalidArgument("Invalid value " + std::to_string(search.max_results) +
                           " for parameter 'max_results' supplied. It must be at least 1 and at "
                           "most 50000.");
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Clause> filter,
                        ParseFilter(search.filter, SearchTarget::kTraces));
  MILL_ASSIGN_OR_RETURN(const std::vector<OrderTerm> order,
                        ParseOrderBy(search.order_by, SearchTarget::kTraces));
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(search.page_token));
  std::vector<std::int64_t> experiments;
  for (const std::string& id : search.experiment_ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
    experiments.push_back(number);
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<std::string> ids,
      internal::SelectTraces(metadata_, experiments, filter, order, offset, search.max_results));
  Page<TraceInfo> page;
  MILL_ASSIGN_OR_RETURN(page.items, internal::ReadTraceInfos(metadata_, ids));
  // A full page may be the last one, as in MLflow: the next one is then empty.
  if (ids.size() == static_cast<std::size_t>(search.max_results)) {
    page.next_page_token = PageToken(offset + search.max_results);
  }
  return page;
}

Result<std::int64_t> TraceStore::Delete(const TraceDeletion& deletion) {
  const bool has_ids = !deletion.trace_ids.empty();
  if (!deletion.max_timestamp_ms.has_value() && !has_ids) {
    return InvalidArgument("Either `max_timestamp_millis` or `trace_ids` must be specified.");
  }
  if (deletion.max_timestamp_ms.has_value() && has_ids) {
    return InvalidArgument("Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
  }
  if (has_ids && deletion.max_traces.has_value()) {
    return InvalidArgument("`max_traces` can't be specified if `trace_ids` is specified.");
  }
  if (deletion.max_traces.has_value() && *deletion.max_traces <= 0) {
    return InvalidArgument("`max_traces` must be a positive integer, received " +
                           std::to_string(*deletion.max_traces) + ".");
  }
  MILL_ASSIGN_OR_RETURN(const long long experiment,
                        internal::ParseExperimentId(deletion.experiment_id));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  std::vector<std::string> ids = deletion.trace_ids;
  if (!has_ids) {
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        "SELECT trace_id FROM traces WHERE experiment_id = ? AND timestamp_ms <= ? ORDER BY "
        "timestamp_ms, trace_id LIMIT ?",
        {experiment, *deletion.max_timestamp_ms, deletion.max_traces.value_or(1'000'000'000)},
        [&](store::RowView row) { ids.push_back(internal::Text(row[0])); }));
  }
  std::int64_t n_deleted = 0;
  for (const std::string& id : ids) {
    MILL_ASSIGN_OR_RETURN(const std::int64_t n, internal::DeleteTrace(metadata_, experiment, id));
    n_deleted += n;
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return n_deleted;
}

Result<void> TraceStore::SetTag(const std::string& trace_id, const std::string& key,
                                const std::string& value) {
  MILL_RETURN_IF_ERROR(CheckTag(key));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const TraceInfo known, internal::ReadTraceInfo(metadata_, trace_id));
  MILL_RETURN_IF_ERROR(
      internal::PutTracePairs(metadata_, "trace_tags", known.trace_id, {{key, value}}));
  return transaction.Commit();
}

Result<void> TraceStore::DeleteTag(const std::string& trace_id, const std::string& key) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const TraceInfo known, internal::ReadTraceInfo(metadata_, trace_id));
  if (!known.tags.contains(key)) {
    return NotFound("No trace tag with key '" + key + "' for trace with ID '" + trace_id + "'");
  }
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("DELETE FROM trace_tags WHERE trace_id = ? AND key = ?", {trace_id, key}));
  return transaction.Commit();
}

Result<void> TraceStore::LinkToRun(const std::vector<std::string>& trace_ids,
                                   const std::string& run_id) {
  if (trace_ids.size() > kMaxLinks) {
    return InvalidArgument(
        "Cannot link more than 100 traces to a run in a single request. Provided " +
        std::to_string(trace_ids.size()) + " traces.");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> run,
                        metadata_.Query("SELECT run_key FROM runs WHERE run_id = ?", {run_id}));
  if (run.empty()) {
    return NotFound("Run with id=" + run_id + " not found");
  }
  for (const std::string& trace_id : trace_ids) {
    MILL_RETURN_IF_ERROR(
        metadata_.Execute("INSERT INTO trace_runs (trace_id, run_id) VALUES (?, ?) ON CONFLICT "
                          "(trace_id, run_id) DO NOTHING",
                          {trace_id, run_id}));
  }
  return transaction.Commit();
}

Result<void> TraceStore::LinkPrompts(const std::string& trace_id,
                                     const std::vector<std::string>& prompts) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const TraceInfo known, internal::ReadTraceInfo(metadata_, trace_id));
  for (const std::string& prompt : prompts) {
    MILL_RETURN_IF_ERROR(
        metadata_.Execute("INSERT INTO trace_prompts (trace_id, prompt) VALUES (?, ?) ON CONFLICT "
                          "(trace_id, prompt) DO NOTHING",
                          {known.trace_id, prompt}));
  }
  return transaction.Commit();
}

}  // namespace millrace::tracking
