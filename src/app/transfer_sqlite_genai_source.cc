// SPDX-License-Identifier: Apache-2.0
// Traces, assessments, issues, scorers, evaluation datasets and webhooks of MLflow's SQLite
// database (tables as in transfer_sqlite_source.cc; each may be missing in an older one).
#include <map>

#include <nlohmann/json.hpp>

#include "api/exchange.h"
#include "app/internal/transfer_sqlite.h"
#include "base/json.h"

namespace millrace::app::internal {
namespace {

using Json = nlohmann::json;
using store::Row;
using store::Value;

constexpr const char* kOlder = "the database is of an older MLflow that has none";

Json ParsedOrNull(const Value& value) {
  const auto parsed = base::ParseJson(store::TextOr(value, "null"), "column");
  return parsed.ok() ? *parsed : Json();
}

class SqliteGenaiSource final : public GenaiSource {
 public:
  explicit SqliteGenaiSource(store::Metadata& database) : database_(database) {}

  Result<void> ForEachTrace(const tracking::Experiment& experiment,
                            const std::function<Result<void>(TransferTrace)>& take) override {
    MILL_ASSIGN_OR_RETURN(const bool has_traces, Has("trace_info", "traces"));
    if (!has_traces) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(const bool is_new, HasColumn("trace_info", "client_request_id"));
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT request_id, timestamp_ms, execution_time_ms, status, " +
                            std::string(is_new ? "client_request_id, request_preview, "
                                                 "response_preview"
                                               : "NULL, NULL, NULL") +
                            " FROM trace_info WHERE experiment_id = ? ORDER BY timestamp_ms, "
                            "request_id",
                        {std::stoll(experiment.id)}));
    for (const Row& row : rows) {
      TransferTrace trace;
      tracking::TraceInfo& info = trace.info;
      info.trace_id = Text(row[0]);
      info.experiment_id = experiment.id;
      info.request_time_ms = Int(row[1]);
      info.execution_time_ms = MaybeInt(row[2]);
      info.state = Text(row[3]);
      info.client_request_id = MaybeText(row[4]);
      info.request_preview = MaybeText(row[5]);
      info.response_preview = MaybeText(row[6]);
      MILL_ASSIGN_OR_RETURN(
          info.tags,
          Pairs(database_, "SELECT key, value FROM trace_tags WHERE request_id = ?", {row[0]}));
      MILL_ASSIGN_OR_RETURN(
          info.metadata,
          Pairs(database_, "SELECT key, value FROM trace_request_metadata WHERE request_id = ?",
                {row[0]}));
      MILL_RETURN_IF_ERROR(ReadColumns(info));
      MILL_RETURN_IF_ERROR(ReadAssessments(info).With("trace " + info.trace_id));
      MILL_RETURN_IF_ERROR(ReadSpans(trace));
      MILL_RETURN_IF_ERROR(ReadLinks(trace));
      MILL_RETURN_IF_ERROR(take(std::move(trace)));
    }
    return {};
  }

  Result<std::vector<tracking::Issue>> Issues(const tracking::Experiment& experiment) override {
    std::vector<tracking::Issue> issues;
    MILL_ASSIGN_OR_RETURN(const bool has_issues, Has("issues", "issues"));
    if (!has_issues) {
      return issues;
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT issue_id, name, description, status, severity, root_causes, "
                        "categories, source_run_id, created_by, created_timestamp, "
                        "last_updated_timestamp FROM issues WHERE experiment_id = ? ORDER BY "
                        "created_timestamp, issue_id",
                        {std::stoll(experiment.id)}));
    const auto list = [](const Value& value) {
      const Json parsed = ParsedOrNull(value);
      return parsed.is_array() ? parsed.get<std::vector<std::string>>()
                               : std::vector<std::string>();
    };
    for (const Row& row : rows) {
      issues.push_back({.issue_id = Text(row[0]),
                        .experiment_id = experiment.id,
                        .name = Text(row[1]),
                        .description = Text(row[2]),
                        .status = Text(row[3]),
                        .severity = Text(row[4]),
                        .root_causes = list(row[5]),
                        .categories = list(row[6]),
                        .source_run_id = Text(row[7]),
                        .created_by = Text(row[8]),
                        .created_time_ms = Int(row[9]),
                        .last_update_time_ms = Int(row[10]),
                        .trace_count = {}});
    }
    return issues;
  }

  Result<std::vector<tracking::ScorerVersion>> Scorers(
      const tracking::Experiment& experiment) override {
    std::vector<tracking::ScorerVersion> scorers;
    MILL_ASSIGN_OR_RETURN(const bool has_scorers, Has("scorers", "scorers"));
    if (!has_scorers) {
      return scorers;
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT s.scorer_id, s.scorer_name, v.scorer_version, "
                        "v.serialized_scorer, v.creation_time FROM scorers s JOIN scorer_versions "
                        "v ON v.scorer_id = s.scorer_id WHERE s.experiment_id = ? ORDER BY "
                        "s.scorer_name, v.scorer_version",
                        {std::stoll(experiment.id)}));
    for (const Row& row : rows) {
      scorers.push_back(
          {Text(row[0]), experiment.id, Text(row[1]), Int(row[2]), Text(row[3]), Int(row[4])});
    }
    MILL_ASSIGN_OR_RETURN(const bool has_schedules, database_.HasTable("online_scoring_configs"));
    if (has_schedules) {
      MILL_ASSIGN_OR_RETURN(
          const std::vector<Row> schedules,
          database_.Query("SELECT COUNT(*) FROM online_scoring_configs WHERE experiment_id = ?",
                          {std::stoll(experiment.id)}));
      if (Int(schedules[0][0]) > 0) {
        Skip("schedules of scorers", "they name models of a gateway that the target does not have",
             Int(schedules[0][0]));
      }
    }
    return scorers;
  }

  Result<void> ForEachDataset(const std::function<Result<void>(TransferDataset)>& take) override {
    MILL_ASSIGN_OR_RETURN(const bool has_datasets,
                          Has("evaluation_datasets", "evaluation datasets"));
    if (!has_datasets) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT dataset_id, name, digest, created_time, last_update_time, schema, "
                        "profile, created_by, last_updated_by FROM evaluation_datasets ORDER BY "
                        "created_time, dataset_id"));
    for (const Row& row : rows) {
      TransferDataset read;
      read.dataset = {.dataset_id = Text(row[0]),
                      .name = Text(row[1]),
                      .digest = Text(row[2]),
                      .created_time_ms = Int(row[3]),
                      .last_update_time_ms = Int(row[4]),
                      .tags = {},
                      .schema = MaybeText(row[5]),
                      .profile = MaybeText(row[6]),
                      .created_by = MaybeText(row[7]),
                      .last_updated_by = MaybeText(row[8])};
      MILL_ASSIGN_OR_RETURN(
          read.dataset.tags,
          Pairs(database_, "SELECT key, value FROM evaluation_dataset_tags WHERE dataset_id = ?",
                {row[0]}));
      MILL_ASSIGN_OR_RETURN(read.experiment_ids,
                            Linked("evaluation_dataset", row[0], "experiment"));
      MILL_ASSIGN_OR_RETURN(read.records, Records(row[0]));
      MILL_RETURN_IF_ERROR(take(std::move(read)));
    }
    return {};
  }

  Result<std::vector<tracking::Webhook>> Webhooks() override {
    std::vector<tracking::Webhook> webhooks;
    MILL_ASSIGN_OR_RETURN(const bool has_webhooks, Has("webhooks", "webhooks"));
    if (!has_webhooks) {
      return webhooks;
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT webhook_id, name, url, description, status, creation_timestamp, "
                        "last_updated_timestamp, secret IS NOT NULL FROM webhooks WHERE "
                        "deleted_timestamp IS NULL ORDER BY creation_timestamp, webhook_id"));
    for (const Row& row : rows) {
      tracking::Webhook webhook;
      webhook.webhook_id = Text(row[0]);
      webhook.name = Text(row[1]);
      webhook.url = Text(row[2]);
      webhook.description = Text(row[3]);
      webhook.is_active = Text(row[4]) == "ACTIVE";
      webhook.creation_time_ms = Int(row[5]);
      webhook.last_update_time_ms = Int(row[6]);
      MILL_ASSIGN_OR_RETURN(
          const std::vector<Row> events,
          database_.Query("SELECT entity, action FROM webhook_events WHERE webhook_id = ? ORDER BY "
                          "entity, action",
                          {row[0]}));
      for (const Row& event : events) {
        webhook.events.push_back({Text(event[0]), Text(event[1])});
      }
      if (Int(row[7]) != 0) {
        Skip("secrets of webhooks", "the database holds them encrypted", 1);
      }
      webhooks.push_back(std::move(webhook));
    }
    return webhooks;
  }

 private:
  // Whether the table is there; tells once that what it holds is not.
  Result<bool> Has(const std::string& table, const std::string& what) {
    const auto known = has_.find(table);
    if (known != has_.end()) {
      return known->second;
    }
    MILL_ASSIGN_OR_RETURN(const bool has, database_.HasTable(table));
    has_[table] = has;
    if (!has) {
      Skip(what, kOlder, 0);
    }
    return has;
  }

  Result<bool> HasColumn(const std::string& table, const std::string& column) {
    MILL_ASSIGN_OR_RETURN(const auto columns, ColumnsOf(database_, table));
    return columns.contains(column);
  }

  // Newer databases keep the name and some metadata in columns of their own.
  Result<void> ReadColumns(tracking::TraceInfo& info) {
    if (!trace_columns_) {
      MILL_ASSIGN_OR_RETURN(trace_columns_, ColumnsOf(database_, "trace_info"));
    }
    std::string names = "1";
    for (const PromotedColumn& column : kPromotedColumns) {
      names += trace_columns_->contains(column.name) ? ", " + std::string(column.name) : ", NULL";
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT " + names + " FROM trace_info WHERE request_id = ?",
                        {info.trace_id}));
    std::map<std::string, std::string> objects;
    for (std::size_t i = 0; i < std::size(kPromotedColumns); ++i) {
      const PromotedColumn& column = kPromotedColumns[i];
      const Value& value = rows[0][i + 1];
      if (store::IsNull(value)) {
        continue;
      }
      if (column.is_text) {
        tracking::Tags& pairs = column.key == kTraceName ? info.tags : info.metadata;
        pairs[std::string(column.key)] = Text(value);
        continue;
      }
      std::string& object = objects[std::string(column.key)];
      const std::string number = std::holds_alternative<double>(value)
                                     ? Json(std::get<double>(value)).dump()
                                     : std::to_string(Int(value));
      object += (object.empty() ? "{\"" : ", \"") + std::string(column.name) + "\": " + number;
    }
    for (const auto& [key, object] : objects) {
      info.metadata[key] = object + "}";
    }
    return {};
  }

  Result<void> ReadAssessments(tracking::TraceInfo& info) {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("assessments", "assessments"));
    if (!has) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT assessment_id, name, assessment_type, value, error, "
                        "created_timestamp, last_updated_timestamp, source_type, source_id, "
                        "run_id, span_id, rationale, overrides, valid, assessment_metadata FROM "
                        "assessments WHERE trace_id = ? ORDER BY created_timestamp, assessment_id",
                        {info.trace_id}));
    for (const Row& row : rows) {
      tracking::Assessment assessment;
      assessment.assessment_id = Text(row[0]);
      assessment.trace_id = info.trace_id;
      assessment.name = Text(row[1]);
      assessment.kind = Text(row[2]);
      assessment.body = BodyOf(assessment.kind, ParsedOrNull(row[3]), ParsedOrNull(row[4]));
      assessment.create_time_ms = Int(row[5]);
      assessment.last_update_time_ms = Int(row[6]);
      assessment.source_type = Text(row[7]);
      assessment.source_id = Text(row[8]);
      assessment.span_id = MaybeText(row[10]);
      assessment.rationale = MaybeText(row[11]);
      assessment.overrides = MaybeText(row[12]);
      assessment.is_valid = Int(row[13]) != 0;
      const Json metadata = ParsedOrNull(row[14]);
      for (const auto& [key, value] : metadata.items()) {
        assessment.metadata[key] =
            value.is_string() ? value.get<std::string>() : base::DumpJson(value);
      }
      // MLflow reads the run from here too.
      if (!Text(row[9]).empty()) {
        assessment.metadata.emplace(kAssessmentRun, Text(row[9]));
      }
      info.assessments.push_back(std::move(assessment));
    }
    return {};
  }

  // MLflow's JSON of the kinds: {"value": ..., "error": {...}}; lists and objects that are expected
  // are texts.
  static std::string BodyOf(const std::string& kind, Json value, Json error) {
    if (kind == "issue") {
      return base::DumpJson(value);
    }
    Json body = Json::object();
    if (kind == "expectation" && value.is_structured()) {
      body["serialized_value"] = {{"serialization_format", "JSON_FORMAT"},
                                  {"value", base::DumpJson(value)}};
    } else {
      body["value"] = std::move(value);
    }
    if (error.is_object()) {
      body["error"] = std::move(error);
    }
    return base::DumpJson(body);
  }

  Result<void> ReadSpans(TransferTrace& trace) {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("spans", "spans"));
    if (!has) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT span_id, parent_span_id, name, type, status, start_time_unix_nano, "
                        "end_time_unix_nano, content FROM spans WHERE trace_id = ? ORDER BY "
                        "start_time_unix_nano, span_id",
                        {trace.info.trace_id}));
    for (const Row& row : rows) {
      trace.spans.push_back({trace.info.trace_id, Text(row[0]), Text(row[1]), Text(row[2]),
                             Text(row[3]), Text(row[4]), Int(row[5]), Int(row[6]), Text(row[7])});
    }
    return {};
  }

  Result<void> ReadLinks(TransferTrace& trace) {
    MILL_ASSIGN_OR_RETURN(const bool has, Has("entity_associations", "links of traces"));
    if (!has) {
      return {};
    }
    const Value id = trace.info.trace_id;
    MILL_ASSIGN_OR_RETURN(trace.links.run_ids, Linked("trace", id, "run"));
    MILL_ASSIGN_OR_RETURN(trace.links.prompts, Linked("trace", id, "prompt_version"));
    return {};
  }

  Result<std::vector<std::string>> Linked(const std::string& from, const Value& id,
                                          const std::string& to) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT destination_id FROM entity_associations WHERE source_type = ? AND "
                        "source_id = ? AND destination_type = ? ORDER BY rowid",
                        {from, id, to}));
    std::vector<std::string> ids;
    for (const Row& row : rows) {
      ids.push_back(Text(row[0]));
    }
    return ids;
  }

  // Made the text that a server would send: one reader for both, and values stay as they are.
  Result<std::vector<tracking::ImportedRecord>> Records(const Value& dataset_id) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_.Query("SELECT dataset_record_id, inputs, outputs, expectations, tags, source, "
                        "source_id, created_time, last_update_time, created_by, last_updated_by "
                        "FROM evaluation_dataset_records WHERE dataset_id = ? ORDER BY "
                        "created_time, dataset_record_id",
                        {dataset_id}));
    const auto text = [](const Value& value) { return base::DumpJson(Text(value)); };
    std::string list = "[";
    for (const Row& row : rows) {
      list += (list.size() == 1 ? "" : ", ") + std::string("{\"dataset_record_id\": ") +
              text(row[0]) + ", \"dataset_id\": " + text(dataset_id) +
              ", \"inputs\": " + Text(row[1]) + ", \"outputs\": " + Unwrapped(Text(row[2]));
      for (const auto& [key, column] :
           {std::pair("expectations", 3), std::pair("tags", 4), std::pair("source", 5)}) {
        const Value& value = row[static_cast<std::size_t>(column)];
        list += store::IsNull(value) ? "" : ", \"" + std::string(key) + "\": " + Text(value);
      }
      for (const auto& [key, column] : {std::pair("source_id", 6), std::pair("created_by", 9),
                                        std::pair("last_updated_by", 10)}) {
        const Value& value = row[static_cast<std::size_t>(column)];
        list += store::IsNull(value) ? "" : ", \"" + std::string(key) + "\": " + text(value);
      }
      list += ", \"created_time\": " + std::to_string(Int(row[7])) +
              ", \"last_update_time\": " + std::to_string(Int(row[8])) + "}";
    }
    return api::ReadImportedRecords(list + "]");
  }

  // {"mlflow_wrapped": X} to X; no outputs are null.
  static std::string Unwrapped(const std::string& text) {
    if (!text.starts_with(kWrappedOutputs) || !text.ends_with('}')) {
      return "null";
    }
    return text.substr(kWrappedOutputs.size(), text.size() - kWrappedOutputs.size() - 1);
  }

  store::Metadata& database_;
  std::map<std::string, bool> has_;
  std::optional<NameSet> trace_columns_;
};

}  // namespace

std::unique_ptr<GenaiSource> MakeSqliteGenaiSource(store::Metadata& database) {
  return std::make_unique<SqliteGenaiSource>(database);
}

}  // namespace millrace::app::internal
