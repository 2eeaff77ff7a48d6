// SPDX-License-Identifier: Apache-2.0
// Reads and writes records of evaluation datasets.
#include "api/internal/evaluation_json.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_map>
#include <utility>

#include "api/internal/json_tape.h"
#include "api/internal/json_writer.h"

namespace millrace::api::internal {

namespace {

using tracking::JsonMembers;
using tracking::NewEvaluationRecord;

enum class Style { kAsWritten, kCanonical };

void Append(const JsonValue& value, Style style, std::string& out);

// 1e1, 10.0 and 10.00 are one number, but not 10.
void AppendNumber(const JsonValue& value, Style style, std::string& out) {
  const std::string_view raw = value.raw();
  if (style == Style::kCanonical && raw.find_first_of(".eE") != std::string_view::npos) {
    AppendJsonDouble(value.Number(), out);
    out += 'f';
  } else {
    out += raw;
  }
}

/// Keys as JSON texts. Of equal keys the last value counts, in the place of the first.
std::vector<std::pair<std::string, JsonValue>> MembersOf(const JsonValue& object) {
  std::vector<std::pair<std::string, JsonValue>> members;
  std::unordered_map<std::string, std::size_t> places;
  std::string scratch;
  for (auto at = object.begin(); at != object.end(); ++at) {
    std::string key;
    AppendJsonString((*at).Text(scratch), key);
    ++at;
    const auto [place, is_new] = places.emplace(key, members.size());
    if (is_new) {
      members.emplace_back(std::move(key), *at);
    } else {
      members[place->second].second = *at;
    }
  }
  return members;
}

void AppendObject(const JsonValue& value, Style style, std::string& out) {
  auto members = MembersOf(value);
  if (style == Style::kCanonical) {
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
  }
  out += '{';
  bool is_first = true;
  for (const auto& [key, member] : members) {
    out += is_first ? "" : ", ";
    is_first = false;
    out += key;
    out += ": ";
    Append(member, style, out);
  }
  out += '}';
}

void Append(const JsonValue& value, Style style, std::string& out) {
  switch (value.kind()) {
    case JsonKind::kNull:
      out += "null";
      return;
    case JsonKind::kTrue:
      out += "true";
      return;
    case JsonKind::kFalse:
      out += "false";
      return;
    case JsonKind::kNaN:
      out += "NaN";
      return;
    case JsonKind::kInfinity:
      out += "Infinity";
      return;
    case JsonKind::kMinusInfinity:
      out += "-Infinity";
      return;
    case JsonKind::kNumber:
      AppendNumber(value, style, out);
      return;
    case JsonKind::kString: {
      std::string scratch;
      AppendJsonString(value.Text(scratch), out);
      return;
    }
    case JsonKind::kObject:
      AppendObject(value, style, out);
      return;
    case JsonKind::kArray:
      break;
  }
  out += '[';
  bool is_first = true;
  for (const JsonValue item : value) {
    out += is_first ? "" : ", ";
    is_first = false;
    Append(item, style, out);
  }
  out += ']';
}

std::string TextOf(const JsonValue& value, Style style = Style::kAsWritten) {
  std::string text;
  Append(value, style, text);
  return text;
}

Error BadRecord(std::size_t index, std::string_view what) {
  return base::InvalidArgument("Invalid value for parameter 'records' supplied: record " +
                               std::to_string(index) + ": " + std::string(what));
}

/// The members of an object; nothing where the field is missing or null.
Result<std::optional<JsonMembers>> ReadMembers(const JsonValue& record, std::string_view name,
                                               std::size_t index) {
  const JsonField field = FindField(record, name);
  if (!field.found || field.value.kind() == JsonKind::kNull) {
    return std::optional<JsonMembers>();
  }
  if (!field.value.is_object()) {
    return BadRecord(index, "'" + std::string(name) + "' must be a JSON object, not " +
                                std::string(field.value.raw().substr(0, 100)));
  }
  JsonMembers members;
  for (const auto& [key, value] : MembersOf(field.value)) {
    members.emplace_back(key, TextOf(value));
  }
  return std::optional(std::move(members));
}

std::optional<std::string> TextField(const JsonValue& object, std::string_view name) {
  const JsonField field = FindField(object, name);
  if (!field.found || !field.value.is_string()) {
    return std::nullopt;
  }
  std::string scratch;
  return std::string(field.value.Text(scratch));
}

Result<std::optional<tracking::RecordSource>> ReadSource(const JsonValue& record,
                                                         std::size_t index) {
  constexpr std::array<std::string_view, 5> kTypes = {"UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT",
                                                      "CODE"};
  const JsonField field = FindField(record, "source");
  if (!field.found || field.value.kind() == JsonKind::kNull ||
      (field.value.is_object() && !(field.value.begin() != field.value.end()))) {
    return std::optional<tracking::RecordSource>();
  }
  std::optional<std::string> type =
      field.value.is_object() ? TextField(field.value, "source_type") : std::nullopt;
  if (!type) {
    return BadRecord(index, "'source' must be a JSON object with the text 'source_type'");
  }
  std::transform(type->begin(), type->end(), type->begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (std::find(kTypes.begin(), kTypes.end(), *type) == kTypes.end()) {
    return base::InvalidArgument(
        "Invalid dataset record source type: " + *type +
        ". Valid source types: ['UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', 'CODE']");
  }
  tracking::RecordSource source{.type = *type, .id = {}, .data = "{}"};
  const JsonField data = FindField(field.value, "source_data");
  if (data.found && data.value.kind() != JsonKind::kNull) {
    if (!data.value.is_object()) {
      return BadRecord(index, "'source_data' must be a JSON object");
    }
    source.data = TextOf(data.value);
    source.id = TextField(data.value, *type == "TRACE" ? "trace_id" : "source_id");
  }
  return std::optional(std::move(source));
}

Result<NewEvaluationRecord> ReadRecord(const JsonValue& value, std::size_t index) {
  if (!value.is_object()) {
    return BadRecord(index, "Each record must be a dictionary");
  }
  NewEvaluationRecord record;
  MILL_ASSIGN_OR_RETURN(auto inputs, ReadMembers(value, "inputs", index));
  const JsonField given = FindField(value, "inputs");
  if (given.found && !inputs) {
    return BadRecord(index, "'inputs' must be a JSON object, not null");
  }
  record.inputs = std::move(inputs).value_or(JsonMembers());
  record.canonical_inputs = given.found ? TextOf(given.value, Style::kCanonical) : "{}";
  if (const JsonField outputs = FindField(value, "outputs"); outputs.found) {
    record.has_outputs = true;
    if (outputs.value.kind() != JsonKind::kNull) {
      record.outputs = TextOf(outputs.value);
    }
  }
  MILL_ASSIGN_OR_RETURN(auto expectations, ReadMembers(value, "expectations", index));
  record.has_expectations = expectations.has_value();
  record.expectations = std::move(expectations).value_or(JsonMembers());
  MILL_ASSIGN_OR_RETURN(auto tags, ReadMembers(value, "tags", index));
  record.tags = std::move(tags).value_or(JsonMembers());
  if (const JsonField given_tags = FindField(value, "tags");
      given_tags.found && given_tags.value.is_object()) {
    record.user = TextField(given_tags.value, "mlflow.user");
  }
  MILL_ASSIGN_OR_RETURN(record.source, ReadSource(value, index));
  return record;
}

class RecordText {
 public:
  explicit RecordText(std::string& out) : out_(out) { out_ += '{'; }
  void Raw(std::string_view key, std::string_view json) {
    out_ += out_.back() == '{' ? "\"" : ", \"";
    out_ += key;
    out_ += "\": ";
    out_ += json;
  }
  void RawIfAny(std::string_view key, const std::optional<std::string>& json) {
    if (json.has_value()) {
      Raw(key, *json);
    }
  }
  void Text(std::string_view key, std::string_view text) {
    std::string json;
    AppendJsonString(text, json);
    Raw(key, json);
  }
  void TextIfAny(std::string_view key, const std::optional<std::string>& text) {
    if (text.has_value()) {
      Text(key, *text);
    }
  }

 private:
  std::string& out_;
};

void AppendRecord(const tracking::EvaluationRecord& record, std::string& out) {
  RecordText text(out);
  text.Text("dataset_record_id", record.record_id);
  text.Text("dataset_id", record.dataset_id);
  text.Raw("inputs", record.inputs);
  text.RawIfAny("outputs", record.outputs);
  text.RawIfAny("expectations", record.expectations);
  text.Raw("tags", record.tags);
  if (record.source.has_value()) {
    text.Raw("source", "{\"source_type\": \"" + record.source->type +
                           "\", \"source_data\": " + record.source->data + "}");
    text.TextIfAny("source_id", record.source->id);
    text.Text("source_type", record.source->type);
  }
  text.Raw("created_time", std::to_string(record.created_time_ms));
  text.Raw("last_update_time", std::to_string(record.last_update_time_ms));
  text.TextIfAny("created_by", record.created_by);
  text.TextIfAny("last_updated_by", record.last_updated_by);
  out += '}';
}

}  // namespace

Result<std::vector<NewEvaluationRecord>> ReadEvaluationRecords(std::string_view text) {
  JsonTape tape;
  const Result<void> parsed = tape.Parse(text);
  if (!parsed.ok() || !tape.root().is_array()) {
    return base::InvalidArgument(
        "Invalid value for parameter 'records' supplied: it must be the text of a JSON list of "
        "records" +
        (parsed.ok() ? std::string() : ": " + parsed.error().message()));
  }
  std::vector<NewEvaluationRecord> records;
  for (const JsonValue value : tape.root()) {
    MILL_ASSIGN_OR_RETURN(NewEvaluationRecord record, ReadRecord(value, records.size()));
    records.push_back(std::move(record));
  }
  return records;
}

std::string EvaluationRecordsJson(std::span<const tracking::EvaluationRecord> records) {
  std::string out = "[";
  for (const tracking::EvaluationRecord& record : records) {
    out += out.size() == 1 ? "" : ", ";
    AppendRecord(record, out);
  }
  return out + "]";
}

}  // namespace millrace::api::internal
