// SPDX-License-Identifier: Apache-2.0
// Reads and writes rows of traces, spans and assessments.
#include "tracking/internal/trace_rows.h"

#include <algorithm>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/artifact_uri.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/trace_digest.h"

namespace millrace::tracking::internal {
namespace {

using store::RowView;
using store::Value;

// Spans are JSON texts: whole traces are read. Searches look into digests (trace_digest.h).
constexpr std::string_view kTraces = R"sql(
CREATE TABLE traces (
  trace_id TEXT PRIMARY KEY,
  experiment_id INTEGER NOT NULL,
  timestamp_ms INTEGER NOT NULL,
  execution_time_ms INTEGER,
  state TEXT NOT NULL,
  client_request_id TEXT,
  request_preview TEXT,
  response_preview TEXT);
CREATE INDEX traces_by_time ON traces (experiment_id, timestamp_ms DESC, trace_id);
CREATE TABLE trace_tags (
  trace_id TEXT NOT NULL REFERENCES traces(trace_id) ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (trace_id, key));
CREATE TABLE trace_metadata (
  trace_id TEXT NOT NULL REFERENCES traces(trace_id) ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (trace_id, key));
CREATE TABLE trace_spans (
  trace_id TEXT NOT NULL REFERENCES traces(trace_id) ON DELETE CASCADE,
  span_id TEXT NOT NULL,
  parent_id TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  start_time_ns INTEGER NOT NULL,
  end_time_ns INTEGER NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (trace_id, span_id));
CREATE TABLE trace_assessments (
  trace_id TEXT NOT NULL REFERENCES traces(trace_id) ON DELETE CASCADE,
  assessment_id TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source_id TEXT NOT NULL,
  create_time_ms INTEGER NOT NULL,
  last_update_time_ms INTEGER NOT NULL,
  span_id TEXT,
  rationale TEXT,
  overrides TEXT,
  metadata TEXT NOT NULL,
  is_valid INTEGER NOT NULL,
  PRIMARY KEY (trace_id, assessment_id));
CREATE TABLE trace_runs (
  trace_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  PRIMARY KEY (trace_id, run_id));
CREATE TABLE trace_prompts (
  trace_id TEXT NOT NULL REFERENCES traces(trace_id) ON DELETE CASCADE,
  prompt TEXT NOT NULL,
  PRIMARY KEY (trace_id, prompt));
)sql";

// Version 2: a short text a trace for searches inside spans (trace_digest.h), scanned by
// experiment. It goes with its trace by hand: a foreign key would want an index of its own. Traces
// that were there before wait in trace_undigested until the store opens.
constexpr std::string_view kTraces2 = R"sql(
CREATE TABLE trace_digests (
  experiment_id INTEGER NOT NULL,
  trace_id TEXT NOT NULL,
  spans TEXT NOT NULL,
  PRIMARY KEY (experiment_id, trace_id)) WITHOUT ROWID;
CREATE TABLE trace_undigested (trace_id TEXT PRIMARY KEY);
INSERT INTO trace_undigested (trace_id) SELECT DISTINCT trace_id FROM trace_spans;
)sql";

std::optional<std::string> TextIfAny(const store::ValueView& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(Text(value));
}

Value OrNull(const std::optional<std::string>& text) {
  return text.has_value() ? Value(*text) : Value();
}

Assessment AssessmentFromRow(RowView row) {
  Assessment a;
  a.trace_id = Text(row[0]);
  a.assessment_id = Text(row[1]);
  a.name = Text(row[2]);
  a.kind = Text(row[3]);
  a.body = Text(row[4]);
  a.source_type = Text(row[5]);
  a.source_id = Text(row[6]);
  a.create_time_ms = Int(row[7]);
  a.last_update_time_ms = Int(row[8]);
  a.span_id = TextIfAny(row[9]);
  a.rationale = TextIfAny(row[10]);
  a.overrides = TextIfAny(row[11]);
  if (const auto metadata = base::ParseJson(store::TextOr(row[12], "{}"), "assessment metadata");
      metadata.ok()) {
    for (const auto& [key, value] : metadata->items()) {
      a.metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  a.is_valid = Int(row[13]) != 0;
  return a;
}

}  // namespace

Result<void> MigrateTraces(store::Metadata& metadata) {
  const std::vector<store::Migration> migrations = {{"traces", 1, std::string(kTraces)},
                                                    {"traces", 2, std::string(kTraces2)}};
  MILL_RETURN_IF_ERROR(metadata.Migrate(migrations));
  return MakeMissingDigests(metadata);
}

Result<void> MigrateTracesToVersionOne(store::Metadata& metadata) {
  const std::vector<store::Migration> migrations = {{"traces", 1, std::string(kTraces)}};
  return metadata.Migrate(migrations);
}

Result<std::int64_t> DeleteTrace(store::Metadata& metadata, std::int64_t experiment_id,
                                 const std::string& trace_id) {
  // Counted by what is returned: the number of changes may hold those of other tables.
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> gone,
      metadata.Query(
          "DELETE FROM traces WHERE trace_id = ? AND experiment_id = ? RETURNING trace_id",
          {trace_id, experiment_id}));
  if (gone.empty()) {
    return 0;
  }
  MILL_RETURN_IF_ERROR(
      metadata.Execute("DELETE FROM trace_digests WHERE experiment_id = ? AND trace_id = ?",
                       {experiment_id, trace_id}));
  MILL_RETURN_IF_ERROR(metadata.Execute("DELETE FROM trace_runs WHERE trace_id = ?", {trace_id}));
  return 1;
}

Result<std::vector<TraceInfo>> ReadTraceInfos(store::Metadata& metadata,
                                              std::span<const std::string> trace_ids) {
  std::unordered_map<std::string, TraceInfo> found;
  MILL_RETURN_IF_ERROR(ForKeys(
      metadata, trace_ids,
      "SELECT trace_id, experiment_id, timestamp_ms, execution_time_ms, state, client_request_id, "
      "request_preview, response_preview FROM traces WHERE trace_id IN ",
      "", [&](RowView row) {
        TraceInfo& info = found[Text(row[0])];
        info.trace_id = Text(row[0]);
        info.experiment_id = std::to_string(Int(row[1]));
        info.request_time_ms = Int(row[2]);
        if (!store::IsNull(row[3])) {
          info.execution_time_ms = Int(row[3]);
        }
        info.state = Text(row[4]);
        info.client_request_id = TextIfAny(row[5]);
        info.request_preview = TextIfAny(row[6]);
        info.response_preview = TextIfAny(row[7]);
      }));
  if (found.empty()) {
    return std::vector<TraceInfo>();
  }
  const auto read_pairs = [&](std::string_view table, Tags TraceInfo::* pairs) {
    return ForKeys(metadata, trace_ids,
                   "SELECT trace_id, key, value FROM " + std::string(table) + " WHERE trace_id IN ",
                   "", [&](RowView row) {
                     if (const auto at = found.find(Text(row[0])); at != found.end()) {
                       (at->second.*pairs)[Text(row[1])] = Text(row[2]);
                     }
                   });
  };
  MILL_RETURN_IF_ERROR(read_pairs("trace_tags", &TraceInfo::tags));
  MILL_RETURN_IF_ERROR(read_pairs("trace_metadata", &TraceInfo::metadata));
  MILL_ASSIGN_OR_RETURN(std::vector<Assessment> assessments, ReadAssessments(metadata, trace_ids));
  for (Assessment& assessment : assessments) {
    if (const auto at = found.find(assessment.trace_id); at != found.end()) {
      at->second.assessments.push_back(std::move(assessment));
    }
  }
  std::vector<TraceInfo> infos;
  for (const std::string& id : trace_ids) {
    if (const auto at = found.find(id); at != found.end()) {
      infos.push_back(std::move(at->second));
      found.erase(at);
    }
  }
  return infos;
}

Result<TraceInfo> ReadTraceInfo(store::Metadata& metadata, const std::string& trace_id) {
  MILL_ASSIGN_OR_RETURN(std::vector<TraceInfo> infos,
                        ReadTraceInfos(metadata, std::span(&trace_id, 1)));
  if (infos.empty()) {
    return base::NotFound("Trace with ID '" + trace_id + "' not found.");
  }
  return std::move(infos.front());
}

Result<std::vector<Assessment>> ReadAssessments(store::Metadata& metadata,
                                                std::span<const std::string> trace_ids) {
  std::vector<Assessment> assessments;
  MILL_RETURN_IF_ERROR(
      ForKeys(metadata, trace_ids,
              "SELECT trace_id, assessment_id, name, kind, body, source_type, source_id, "
              "create_time_ms, last_update_time_ms, span_id, rationale, overrides, metadata, "
              "is_valid FROM trace_assessments WHERE trace_id IN ",
              " ORDER BY create_time_ms, assessment_id",
              [&](RowView row) { assessments.push_back(AssessmentFromRow(row)); }));
  return assessments;
}

Result<std::vector<Span>> ReadSpans(store::Metadata& metadata, const std::string& trace_id) {
  std::vector<Span> spans;
  MILL_RETURN_IF_ERROR(metadata.ForEach(
      "SELECT span_id, parent_id, name, type, status, start_time_ns, end_time_ns, content FROM "
      "trace_spans WHERE trace_id = ?",
      {trace_id}, [&](RowView row) {
        spans.push_back({trace_id, Text(row[0]), Text(row[1]), Text(row[2]), Text(row[3]),
                         Text(row[4]), Int(row[5]), Int(row[6]), Text(row[7])});
      }));
  SortSpans(spans);
  return spans;
}

void SortSpans(std::vector<Span>& spans) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) {
    return std::tuple(!a.parent_id.empty(), a.start_time_ns, std::string_view(a.span_id)) <
           std::tuple(!b.parent_id.empty(), b.start_time_ns, std::string_view(b.span_id));
  });
}

Result<void> PutTrace(store::Metadata& metadata, const TraceInfo& info,
                      std::int64_t experiment_id) {
  return metadata.Execute(
      "INSERT INTO traces (trace_id, experiment_id, timestamp_ms, execution_time_ms, state, "
      "client_request_id, request_preview, response_preview) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON "
      "CONFLICT (trace_id) DO UPDATE SET experiment_id = excluded.experiment_id, timestamp_ms = "
      "excluded.timestamp_ms, execution_time_ms = excluded.execution_time_ms, state = "
      "excluded.state, client_request_id = excluded.client_request_id, request_preview = "
      "COALESCE(excluded.request_preview, traces.request_preview), response_preview = "
      "COALESCE(excluded.response_preview, traces.response_preview)",
      {info.trace_id, experiment_id, info.request_time_ms,
       info.execution_time_ms.has_value() ? Value(*info.execution_time_ms) : Value(), info.state,
       OrNull(info.client_request_id), OrNull(info.request_preview),
       OrNull(info.response_preview)});
}

std::string TraceArtifacts(const std::string& location, const std::string& trace_id) {
  return JoinUri(location, "traces/" + trace_id + "/artifacts");
}

Result<void> PutTracePairs(store::Metadata& metadata, std::string_view table,
                           const std::string& trace_id, const Tags& pairs) {
  for (const auto& [key, value] : pairs) {
    MILL_RETURN_IF_ERROR(
        PutTracePair(metadata, table, trace_id, key, Truncated(value, kMaxTagValue)));
  }
  return {};
}

Result<void> PutTracePair(store::Metadata& metadata, std::string_view table,
                          const std::string& trace_id, const std::string& key,
                          const std::string& value) {
  return metadata.Execute(
      "INSERT INTO " + std::string(table) +
          " (trace_id, key, value) VALUES (?, ?, ?) ON CONFLICT (trace_id, key) DO UPDATE SET "
          "value = excluded.value",
      {trace_id, key, value});
}

Result<void> PutAssessment(store::Metadata& metadata, const Assessment& a) {
  nlohmann::json pairs = nlohmann::json::object();
  for (const auto& [key, value] : a.metadata) {
    pairs[key] = value;
  }
  return metadata.Execute(
      "INSERT INTO trace_assessments (trace_id, assessment_id, name, kind, body, source_type, "
      "source_id, create_time_ms, last_update_time_ms, span_id, rationale, overrides, metadata, "
      "is_valid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trace_id, "
      "assessment_id) DO UPDATE SET name = excluded.name, kind = excluded.kind, body = "
      "excluded.body, last_update_time_ms = excluded.last_update_time_ms, rationale = "
      "excluded.rationale, metadata = excluded.metadata, is_valid = excluded.is_valid",
      {a.trace_id, a.assessment_id, a.name, a.kind, a.body, a.source_type, a.source_id,
       a.create_time_ms, a.last_update_time_ms, OrNull(a.span_id), OrNull(a.rationale),
       OrNull(a.overrides), base::DumpJson(pairs), std::int64_t{a.is_valid ? 1 : 0}});
}

nlohmann::json AssessmentValue(std::string_view kind, std::string_view body) {
  const auto parsed = base::ParseJson(body, "assessment");
  if (!parsed.ok() || !parsed->is_object()) {
    return {};
  }
  if (const auto at = parsed->find("value"); at != parsed->end()) {
    return *at;
  }
  const auto packed = parsed->find("serialized_value");
  if (kind != "expectation" || packed == parsed->end() || !packed->is_object()) {
    return {};
  }
  const auto inner = base::ParseJson(packed->value("value", "null"), "assessment");
  return inner.ok() ? *inner : nlohmann::json();
}

Result<std::string> ActiveExperimentLocation(store::Metadata& metadata,
                                             std::int64_t experiment_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT lifecycle_stage, artifact_location FROM experiments WHERE "
                     "experiment_id = ?",
                     {experiment_id}));
  const std::string id = std::to_string(experiment_id);
  if (rows.empty()) {
    return base::NotFound("No Experiment with id=" + id + " exists");
  }
  if (Text(rows[0][0]) != "active") {
    return base::FailedPrecondition("The experiment " + id +
                                    " must be in the 'active' state. Current state is " +
                                    Text(rows[0][0]) + ".");
  }
  return Text(rows[0][1]);
}

}  // namespace millrace::tracking::internal
