// SPDX-License-Identifier: Apache-2.0
// Records of evaluation datasets: their values are kept as the JSON texts that came, so that no
// number changes on the way.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"
#include "store/metadata.h"
#include "tracking/evaluation_datasets.h"
#include "tracking/internal/evaluation_rows.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/search.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::OrNull;
using internal::Text;
using internal::TextIfAny;
using nlohmann::json;
using store::Row;

std::string ObjectText(const JsonMembers& members) {
  std::string text = "{";
  for (const auto& [key, value] : members) {
    text += (text.size() == 1 ? "" : ", ") + key + ": " + value;
  }
  return text + "}";
}

/// The end of the JSON value that begins at `at`: a comma or closing bracket of what is around it.
std::size_t EndOfValue(std::string_view text, std::size_t at) {
  int depth = 0;
  bool in_string = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      at += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']' || c == ',' || c == ':') {
      if (depth == 0) {
        return at;
      }
      depth -= c == '}' || c == ']' ? 1 : 0;
    }
  }
  return at;
}

/// The members of a text that ObjectText made.
JsonMembers MembersOf(std::string_view text) {
  JsonMembers members;
  for (std::size_t at = 1; at + 1 < text.size();) {
    const std::size_t key_end = EndOfValue(text, at);
    const std::size_t value = key_end + 2;
    const std::size_t value_end = EndOfValue(text, std::min(value, text.size()));
    if (value_end >= text.size()) {
      break;
    }
    members.emplace_back(text.substr(at, key_end - at), text.substr(value, value_end - value));
    at = value_end + 2;
  }
  return members;
}

/// Members of `more` replace those of the text and come behind them.
std::string Merged(std::string_view text, const JsonMembers& more) {
  JsonMembers members = MembersOf(text);
  for (const auto& member : more) {
    const auto known = std::find_if(members.begin(), members.end(),
                                    [&](const auto& m) { return m.first == member.first; });
    if (known != members.end()) {
      known->second = member.second;
    } else {
      members.push_back(member);
    }
  }
  return ObjectText(members);
}

/// MLflow's word for the type of a JSON value.
const char* TypeOf(std::string_view value) {
  switch (value.empty() ? 'n' : value[0]) {
    case '"':
      return "string";
    case '{':
      return "object";
    case '[':
      return "array";
    case 't':
    case 'f':
      return "boolean";
    case 'n':
      return "null";
    default:
      return value.find_first_of(".eENI") == std::string_view::npos ? "integer" : "float";
  }
}

void AddTypes(const JsonMembers& members, json& types) {
  for (const auto& [key, value] : members) {
    const auto name = base::ParseJson(key, "key");
    if (types.is_object() && name.ok() && !types.contains(name->get<std::string>())) {
      types[name->get<std::string>()] = TypeOf(value);
    }
  }
}

// The first value of a field decides.
std::string Schema(const std::optional<std::string>& before,
                   std::span<const NewEvaluationRecord> records) {
  json schema = {{"inputs", json::object()},
                 {"outputs", json::object()},
                 {"expectations", json::object()},
                 {"version", "1.0"}};
  if (before.has_value()) {
    if (auto parsed = base::ParseJson(*before, "schema"); parsed.ok()) {
      schema = *std::move(parsed);
    }
  }
  for (const NewEvaluationRecord& record : records) {
    AddTypes(record.inputs, schema["inputs"]);
    if (record.outputs.has_value()) {
      if (record.outputs->starts_with('{')) {
        AddTypes(MembersOf(*record.outputs), schema["outputs"]);
      } else if (schema["outputs"].empty()) {
        schema["outputs"] = TypeOf(*record.outputs);
      }
    }
    AddTypes(record.expectations, schema["expectations"]);
  }
  return base::DumpJson(schema);
}

Result<void> Merge(store::Metadata& sql, const Row& row, const NewEvaluationRecord& record,
                   std::int64_t now) {
  const std::optional<std::string> outputs =
      record.has_outputs ? record.outputs : TextIfAny(row[1]);
  std::optional<std::string> expectations = TextIfAny(row[2]);
  if (!record.expectations.empty()) {
    expectations = Merged(expectations.value_or("{}"), record.expectations);
  }
  const std::string tags = Merged(Text(row[3]), record.tags);
  const std::optional<std::string> user = record.user ? record.user : TextIfAny(row[4]);
  return sql.Execute(
      "UPDATE evaluation_records SET outputs = ?, expectations = ?, tags = ?, last_update_time = "
      "?, last_updated_by = ? WHERE record_id = ?",
      {OrNull(outputs), OrNull(expectations), tags, now, OrNull(user), row[0]});
}

Result<void> Insert(store::Metadata& sql, const std::string& dataset_id, std::int64_t position,
                    const std::string& hash, const NewEvaluationRecord& record, std::int64_t now) {
  // As in MLflow, no outputs are empty ones, unless they are null.
  const std::optional<std::string> outputs = record.has_outputs ? record.outputs : "{}";
  const auto expectations =
      record.has_expectations ? std::optional(ObjectText(record.expectations)) : std::nullopt;
  const std::optional<RecordSource>& source = record.source;
  return sql.Execute(
      "INSERT INTO evaluation_records (record_id, dataset_id, position, input_hash, inputs, "
      "outputs, expectations, tags, source_type, source_id, source_data, created_time, "
      "last_update_time, created_by, last_updated_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?)",
      {"dr-" + base::NewRunId(), dataset_id, position, hash, ObjectText(record.inputs),
       OrNull(outputs), OrNull(expectations), ObjectText(record.tags),
       source ? store::Value(source->type) : store::Value(),
       source ? OrNull(source->id) : store::Value(),
       source ? store::Value(source->data) : store::Value(), now, now, OrNull(record.user),
       OrNull(record.user)});
}

Result<std::int64_t> LastPosition(store::Metadata& sql, const std::string& dataset_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      sql.Query("SELECT COALESCE(MAX(position), 0) FROM evaluation_records WHERE dataset_id = ?",
                {dataset_id}));
  return Int(rows[0][0]);
}

Result<store::Value> Profile(store::Metadata& sql, const std::string& dataset_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      sql.Query("SELECT COUNT(*) FROM evaluation_records WHERE dataset_id = ?", {dataset_id}));
  const std::int64_t n = Int(rows[0][0]);
  return n == 0 ? store::Value() : store::Value("{\"num_records\": " + std::to_string(n) + "}");
}

EvaluationRecord RecordFromRow(const Row& row, const std::string& dataset_id) {
  EvaluationRecord record;
  record.record_id = Text(row[0]);
  record.dataset_id = dataset_id;
  record.inputs = Text(row[2]);
  record.outputs = TextIfAny(row[3]);
  record.expectations = TextIfAny(row[4]);
  record.tags = Text(row[5]);
  if (!store::IsNull(row[6])) {
    record.source = RecordSource{Text(row[6]), TextIfAny(row[7]), Text(row[8])};
  }
  record.created_time_ms = Int(row[9]);
  record.last_update_time_ms = Int(row[10]);
  record.created_by = TextIfAny(row[11]);
  record.last_updated_by = TextIfAny(row[12]);
  return record;
}

}  // namespace

Result<UpsertCounts> EvaluationDatasets::UpsertRecords(
    const std::string& dataset_id, std::span<const NewEvaluationRecord> records) {
  UpsertCounts counts;
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    counts = {};
    const std::int64_t now = NowMs();
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> dataset,
        sql.Query("SELECT name, field_types FROM evaluation_datasets WHERE dataset_id = ?",
                  {dataset_id}));
    if (dataset.empty()) {
      return base::NotFound("Evaluation dataset with id '" + dataset_id + "' not found");
    }
    MILL_ASSIGN_OR_RETURN(std::int64_t position, LastPosition(sql, dataset_id));
    std::optional<std::string> user;
    for (const NewEvaluationRecord& record : records) {
      user = record.user ? record.user : user;
      const std::string hash = base::Sha256Hex(record.canonical_inputs);
      MILL_ASSIGN_OR_RETURN(
          const std::vector<Row> known,
          sql.Query("SELECT record_id, outputs, expectations, tags, last_updated_by FROM "
                    "evaluation_records WHERE dataset_id = ? AND input_hash = ?",
                    {dataset_id, hash}));
      if (known.empty()) {
        MILL_RETURN_IF_ERROR(Insert(sql, dataset_id, ++position, hash, record, now));
        ++counts.n_inserted;
      } else {
        MILL_RETURN_IF_ERROR(Merge(sql, known[0], record, now));
        ++counts.n_updated;
      }
    }
    const std::optional<std::string> before = TextIfAny(dataset[0][1]);
    const store::Value types =
        records.empty() && !before ? store::Value() : store::Value(Schema(before, records));
    MILL_ASSIGN_OR_RETURN(const store::Value profile, Profile(sql, dataset_id));
    return sql.Execute(
        "UPDATE evaluation_datasets SET last_update_time = ?, last_updated_by = ?, digest = ?, "
        "field_types = ?, profile = ? WHERE dataset_id = ?",
        {now, OrNull(user), internal::EvaluationDigest(Text(dataset[0][0]), now), types, profile,
         dataset_id});
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return counts;
}

Result<Page<EvaluationRecord>> EvaluationDatasets::Records(const std::string& dataset_id,
                                                           int max_results,
                                                           const std::string& page_token) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(max_results));
  // The token holds the position of the last record of the page before: records may go meanwhile.
  MILL_ASSIGN_OR_RETURN(const std::int64_t behind, ParsePageToken(page_token));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query(
          "SELECT record_id, position, inputs, outputs, expectations, tags, source_type, "
          "source_id, source_data, created_time, last_update_time, created_by, last_updated_by "
          "FROM evaluation_records WHERE dataset_id = ? AND position > ? ORDER BY position LIMIT ?",
          {dataset_id, behind, std::int64_t{max_results} + 1}));
  Page<EvaluationRecord> page;
  for (const Row& row : rows) {
    if (page.items.size() == static_cast<std::size_t>(max_results)) {
      page.next_page_token = PageToken(Int(rows[page.items.size() - 1][1]));
      break;
    }
    page.items.push_back(RecordFromRow(row, dataset_id));
  }
  return page;
}

Result<std::int64_t> EvaluationDatasets::DeleteRecords(const std::string& dataset_id,
                                                       const std::vector<std::string>& record_ids) {
  std::int64_t n_deleted = 0;
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    n_deleted = 0;
    for (const std::string& id : record_ids) {
      MILL_ASSIGN_OR_RETURN(
          const std::int64_t n,
          sql.ExecuteCounted(
              "DELETE FROM evaluation_records WHERE dataset_id = ? AND record_id = ?",
              {dataset_id, id}));
      n_deleted += n;
    }
    if (n_deleted == 0) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(const store::Value profile, Profile(sql, dataset_id));
    return sql.Execute("UPDATE evaluation_datasets SET profile = ? WHERE dataset_id = ?",
                       {profile, dataset_id});
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return n_deleted;
}

}  // namespace millrace::tracking
