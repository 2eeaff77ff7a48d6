// SPDX-License-Identifier: Apache-2.0
// Traces, assessments, issues, scorers, evaluation datasets and webhooks into MLflow's SQLite
// database (tables as in transfer_sqlite_source.cc; columns that an older one has not stay out).
#include <cmath>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_sqlite.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"

namespace millrace::app::internal {
namespace {

using Json = nlohmann::json;
using store::Row;
using store::Value;
using Columns = std::vector<std::pair<std::string_view, Value>>;

constexpr const char* kOlder = "the database is of an older MLflow that has no place for them";

// JSON as Python's json.dumps writes it with sorted keys: MLflow knows equal inputs by its hash.
void AppendPython(const Json& value, std::string& out) {
  if (!value.is_structured()) {
    out += value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return;
  }
  out += value.is_object() ? '{' : '[';
  bool is_first = true;
  for (const auto& [key, item] : value.items()) {
    out += is_first ? "" : ", ";
    is_first = false;
    if (value.is_object()) {
      out += Json(key).dump(-1, ' ', true, Json::error_handler_t::replace) + ": ";
    }
    AppendPython(item, out);
  }
  out += value.is_object() ? '}' : ']';
}

std::string InputHash(const std::string& inputs) {
  const auto parsed = base::ParseJson(inputs, "inputs");
  std::string text;
  if (parsed.ok()) {
    AppendPython(*parsed, text);
  }
  return base::Sha256Hex(parsed.ok() ? text : inputs);
}

Value ListOrNull(const std::vector<std::string>& texts) {
  return texts.empty() ? Value{} : Value{base::DumpJson(texts)};
}

Value Promoted(const tracking::TraceInfo& info, const PromotedColumn& column) {
  const tracking::Tags& pairs = column.key == kTraceName ? info.tags : info.metadata;
  const auto at = pairs.find(std::string(column.key));
  if (at == pairs.end() || column.is_text) {
    return at == pairs.end() ? Value{} : Value{at->second};
  }
  const auto object = base::ParseJson(at->second, column.key);
  const Json number =
      object.ok() && object->is_object() ? object->value(std::string(column.name), Json()) : Json();
  return number.is_number_integer() ? Value{number.get<std::int64_t>()}
         : number.is_number()       ? Value{number.get<double>()}
                                    : Value{};
}

class SqliteGenaiSink final : public GenaiSink {
 public:
  explicit SqliteGenaiSink(store::Metadata& database) : database_(database) {}

  Result<std::optional<std::string>> PutTrace(const tracking::Experiment& there,
                                              const TransferTrace& trace) override {
    const tracking::TraceInfo& info = trace.info;
    MILL_ASSIGN_OR_RETURN(const bool has, Has("trace_info", "traces"));
    if (!has) {
      return std::optional<std::string>();
    }
    const std::string artifacts =
        there.artifact_location + "/traces/" + info.trace_id + "/artifacts";
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(database_));
    Columns columns = {{"request_id", info.trace_id},
                       {"experiment_id", std::int64_t{std::stoll(there.id)}},
                       {"timestamp_ms", info.request_time_ms},
                       {"execution_time_ms", OrNull(info.execution_time_ms)},
                       {"status", info.state},
                       {"client_request_id", OrNull(info.client_request_id)},
                       {"request_preview", OrNull(info.request_preview)},
                       {"response_preview", OrNull(info.response_preview)},
                       {"db_payload_generation", std::int64_t{trace.spans.empty() ? 0 : 1}}};
    for (const PromotedColumn& column : kPromotedColumns) {
      columns.emplace_back(column.name, Promoted(info, column));
    }
    MILL_RETURN_IF_ERROR(Put("trace_info", columns));
    MILL_RETURN_IF_ERROR(QueueRollups(there, info));
    tracking::Tags tags = info.tags;
    tags["mlflow.artifactLocation"] = artifacts;
    for (const auto& [table, pairs] : {std::pair("trace_tags", &std::as_const(tags)),
                                       std::pair("trace_request_metadata", &info.metadata)}) {
      for (const auto& [key, value] : *pairs) {
        MILL_RETURN_IF_ERROR(
            Put(table, {{"request_id", info.trace_id}, {"key", key}, {"value", value}}));
      }
    }
    MILL_RETURN_IF_ERROR(PutSpans(there, trace));
    for (const tracking::Assessment& assessment : info.assessments) {
      MILL_RETURN_IF_ERROR(PutAssessment(there, info, assessment));
    }
    for (const std::string& run : trace.links.run_ids) {
      MILL_RETURN_IF_ERROR(Link("trace", info.trace_id, "run", run, info.request_time_ms));
    }
    for (const std::string& prompt : trace.links.prompts) {
      MILL_RETURN_IF_ERROR(
          Link("trace", info.trace_id, "prompt_version", prompt, info.request_time_ms));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return std::optional(artifacts);
  }

  Result<bool> PutIssue(const tracking::Experiment& there, const tracking::Issue& issue) override {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("issues", "issues"));
    if (!has) {
      return false;
    }
    MILL_RETURN_IF_ERROR(Put("issues", {{"issue_id", issue.issue_id},
                                        {"experiment_id", std::int64_t{std::stoll(there.id)}},
                                        {"name", issue.name},
                                        {"description", issue.description},
                                        {"status", issue.status},
                                        {"severity", OrNull(issue.severity)},
                                        {"root_causes", ListOrNull(issue.root_causes)},
                                        {"source_run_id", OrNull(issue.source_run_id)},
                                        {"categories", ListOrNull(issue.categories)},
                                        {"created_timestamp", issue.created_time_ms},
                                        {"last_updated_timestamp", issue.last_update_time_ms},
                                        {"created_by", OrNull(issue.created_by)}}));
    return true;
  }

  Result<bool> PutScorer(const tracking::Experiment& there,
                         const std::vector<tracking::ScorerVersion>& versions) override {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("scorers", "scorers"));
    if (!has) {
      return false;
    }
    const std::int64_t experiment = std::stoll(there.id);
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(database_));
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> known,
        database_.Query("SELECT scorer_id FROM scorers WHERE experiment_id = ? AND scorer_name = ?",
                        {experiment, versions[0].name}));
    const Value id = known.empty() ? Value{versions[0].scorer_id} : known[0][0];
    MILL_RETURN_IF_ERROR(
        Put("scorers",
            {{"experiment_id", experiment}, {"scorer_name", versions[0].name}, {"scorer_id", id}}));
    for (const tracking::ScorerVersion& version : versions) {
      MILL_RETURN_IF_ERROR(Put("scorer_versions", {{"scorer_id", id},
                                                   {"scorer_version", version.version},
                                                   {"serialized_scorer", version.serialized_scorer},
                                                   {"creation_time", version.creation_time_ms}}));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return true;
  }

  Result<bool> PutDataset(const TransferDataset& dataset) override {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("evaluation_datasets", "evaluation datasets"));
    if (!has) {
      return false;
    }
    const tracking::EvaluationDataset& data = dataset.dataset;
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(database_));
    MILL_RETURN_IF_ERROR(
        Put("evaluation_datasets", {{"dataset_id", data.dataset_id},
                                    {"name", data.name},
                                    {"schema", OrNull(data.schema)},
                                    {"profile", OrNull(data.profile)},
                                    {"digest", data.digest},
                                    {"created_time", data.created_time_ms},
                                    {"last_update_time", data.last_update_time_ms},
                                    {"created_by", OrNull(data.created_by)},
                                    {"last_updated_by", OrNull(data.last_updated_by)}}));
    for (const auto& [key, value] : data.tags) {
      MILL_RETURN_IF_ERROR(Put("evaluation_dataset_tags",
                               {{"dataset_id", data.dataset_id}, {"key", key}, {"value", value}}));
    }
    for (const std::string& experiment : dataset.experiment_ids) {
      MILL_RETURN_IF_ERROR(Link("evaluation_dataset", data.dataset_id, "experiment", experiment,
                                data.created_time_ms));
    }
    for (const tracking::ImportedRecord& record : dataset.records) {
      MILL_RETURN_IF_ERROR(PutRecord(data.dataset_id, record.record));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return true;
  }

  Result<bool> PutWebhook(const tracking::Webhook& webhook) override {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("webhooks", "webhooks"));
    if (!has) {
      return false;
    }
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(database_));
    MILL_RETURN_IF_ERROR(
        Put("webhooks", {{"webhook_id", webhook.webhook_id},
                         {"name", webhook.name},
                         {"description", OrNull(webhook.description)},
                         {"url", webhook.url},
                         {"status", std::string(webhook.is_active ? "ACTIVE" : "DISABLED")},
                         {"creation_timestamp", webhook.creation_time_ms},
                         {"last_updated_timestamp", webhook.last_update_time_ms}}));
    for (const tracking::WebhookEvent& event : webhook.events) {
      MILL_RETURN_IF_ERROR(Put("webhook_events", {{"webhook_id", webhook.webhook_id},
                                                  {"entity", event.entity},
                                                  {"action", event.action}}));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return true;
  }

 private:
  Result<const NameSet*> ColumnsIn(const std::string& table) {
    auto known = columns_.find(table);
    if (known == columns_.end()) {
      MILL_ASSIGN_OR_RETURN(NameSet columns, ColumnsOf(database_, table));
      known = columns_.emplace(table, std::move(columns)).first;
    }
    return &known->second;
  }

  Result<bool> Has(const std::string& table, const std::string& what) {
    MILL_ASSIGN_OR_RETURN(const NameSet* columns, ColumnsIn(table));
    if (columns->empty()) {
      Skip(what, kOlder, 1);
    }
    return !columns->empty();
  }

  // A row that is there stays as it is.
  Result<void> Put(const std::string& table, const Columns& columns) {
    MILL_ASSIGN_OR_RETURN(const NameSet* known, ColumnsIn(table));
    std::string names;
    std::string marks;
    std::vector<Value> values;
    for (const auto& [name, value] : columns) {
      if (known->contains(name)) {
        names += (names.empty() ? "" : ", ") + std::string(name);
        marks += marks.empty() ? "?" : ", ?";
        values.push_back(value);
      }
    }
    return database_.Execute(
        "INSERT OR IGNORE INTO " + table + " (" + names + ") VALUES (" + marks + ")", values);
  }

  Result<void> Link(const char* from, const std::string& id, const char* to,
                    const std::string& other, std::int64_t time_ms) {
    return Put("entity_associations", {{"association_id", base::NewRunId()},
                                       {"source_type", std::string(from)},
                                       {"source_id", id},
                                       {"destination_type", std::string(to)},
                                       {"destination_id", other},
                                       {"created_time", time_ms}});
  }

  // MLflow keeps sums by day, and makes them anew where this table says so.
  Result<void> QueueRollups(const tracking::Experiment& there, const tracking::TraceInfo& info) {
    MILL_ASSIGN_OR_RETURN(const NameSet* queue, ColumnsIn("sql_trace_rollup_rebuild_queue"));
    for (const char* family : {"trace_metric", "span_cost", "assessment"}) {
      if (!queue->empty()) {
        MILL_RETURN_IF_ERROR(database_.Execute(
            "INSERT OR IGNORE INTO sql_trace_rollup_rebuild_queue (experiment_id, rollup_day, "
            "rollup_family) VALUES (?, date(? / 1000, 'unixepoch'), ?)",
            {std::int64_t{std::stoll(there.id)}, info.request_time_ms, std::string(family)}));
      }
    }
    return {};
  }

  Result<void> PutSpans(const tracking::Experiment& there, const TransferTrace& trace) {
    if (trace.spans.empty()) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(const bool has, Has("spans", "spans"));
    for (const tracking::Span& span : trace.spans) {
      if (!has) {
        break;
      }
      MILL_RETURN_IF_ERROR(
          Put("spans",
              {{"trace_id", trace.info.trace_id},
               {"experiment_id", std::int64_t{std::stoll(there.id)}},
               {"span_id", span.span_id},
               {"parent_span_id", OrNull(span.parent_id)},
               {"name", span.name},
               {"type", span.type},
               {"status", span.status},
               {"start_time_unix_nano", span.start_time_ns},
               {"end_time_unix_nano", span.end_time_ns == 0 ? Value{} : Value{span.end_time_ns}},
               {"content", span.content}}));
    }
    return {};
  }

  Result<void> PutAssessment(const tracking::Experiment& there, const tracking::TraceInfo& trace,
                             const tracking::Assessment& assessment) {
    const auto parsed = base::ParseJson(assessment.body, "assessment");
    const Json body = parsed.ok() && parsed->is_object() ? *parsed : Json::object();
    Json value = body.value("value", Json());
    if (assessment.kind == "issue") {
      value = body;
    } else if (const auto packed = body.find("serialized_value");
               packed != body.end() && packed->is_object()) {
      const auto inner = base::ParseJson(packed->value("value", "null"), "assessment");
      value = inner.ok() ? *inner : Json();
    }
    const Json error = body.value("error", Json());
    const auto run = assessment.metadata.find(kAssessmentRun);
    const bool is_number = value.is_number() && std::isfinite(value.get<double>());
    return Put(
        "assessments",
        {{"assessment_id", assessment.assessment_id},
         {"trace_id", trace.trace_id},
         {"name", assessment.name},
         {"assessment_type", assessment.kind},
         {"value", base::DumpJson(value)},
         {"error", error.is_object() ? Value{base::DumpJson(error)} : Value{}},
         {"created_timestamp", assessment.create_time_ms},
         {"last_updated_timestamp", assessment.last_update_time_ms},
         {"source_type", assessment.source_type},
         {"source_id", OrNull(assessment.source_id)},
         {"run_id", run == assessment.metadata.end() ? Value{} : Value{run->second}},
         {"span_id", OrNull(assessment.span_id)},
         {"rationale", OrNull(assessment.rationale)},
         {"overrides", OrNull(assessment.overrides)},
         {"valid", std::int64_t{assessment.is_valid}},
         {"assessment_metadata",
          assessment.metadata.empty() ? Value{} : Value{base::DumpJson(Json(assessment.metadata))}},
         {"experiment_id", std::int64_t{std::stoll(there.id)}},
         {"trace_timestamp_ms", trace.request_time_ms},
         {"aggregate_value", is_number            ? Value{value.get<double>()}
                             : value.is_boolean() ? Value{value.get<bool>() ? 1.0 : 0.0}
                             : value == "yes"     ? Value{1.0}
                             : value == "no"      ? Value{0.0}
                                                  : Value{}},
         {"is_numeric_value", std::int64_t{is_number}}});
  }

  Result<void> PutRecord(const std::string& dataset_id, const tracking::EvaluationRecord& record) {
    const std::optional<tracking::RecordSource>& source = record.source;
    const Value source_json = source ? Value{"{\"source_type\": \"" + source->type +
                                             "\", \"source_data\": " + source->data + "}"}
                                     : Value{std::string("null")};
    return Put("evaluation_dataset_records",
               {{"dataset_record_id", record.record_id},
                {"dataset_id", dataset_id},
                {"inputs", record.inputs},
                {"outputs",
                 record.outputs ? std::string(kWrappedOutputs) + *record.outputs + "}" : "null"},
                {"expectations", record.expectations.value_or("null")},
                {"tags", record.tags},
                {"source", source_json},
                {"source_id", source ? OrNull(source->id) : Value{}},
                {"source_type", source ? Value{source->type} : Value{}},
                {"created_time", record.created_time_ms},
                {"last_update_time", record.last_update_time_ms},
                {"created_by", OrNull(record.created_by)},
                {"last_updated_by", OrNull(record.last_updated_by)},
                {"input_hash", InputHash(record.inputs)}});
  }

  store::Metadata& database_;
  std::map<std::string, NameSet> columns_;
};

}  // namespace

std::unique_ptr<GenaiSink> MakeSqliteGenaiSink(store::Metadata& database) {
  return std::make_unique<SqliteGenaiSink>(database);
}

}  // namespace millrace::app::internal
