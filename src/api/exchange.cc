// SPDX-License-Identifier: Apache-2.0
// Reads and writes what goes to and comes from another MLflow, by the routes' own readers.
#include "api/exchange.h"

#include <nlohmann/json.hpp>

#include "api/internal/evaluation_json.h"
#include "api/internal/json_tape.h"
#include "api/internal/otlp.h"
#include "api/internal/trace_json.h"
#include "base/json.h"
#include "base/json_spaced.h"

namespace millrace::api {
namespace {

using nlohmann::json;

std::string TextOf(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

std::int64_t IntOf(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number() ? at->get<std::int64_t>() : 0;
}

// Hex digits of base64; nothing for another text.
std::string HexOfBase64(const std::string& text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  std::uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text.substr(0, text.find('='))) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) {
      return "";
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      const std::uint32_t byte = (bits >> n_bits) & 255;
      hex += kHex[byte >> 4];
      hex += kHex[byte & 15];
    }
  }
  return hex;
}

// OpenTelemetry's JSON writes ids as hex digits and names in camelCase.
json CamelSpan(const tracking::Span& span) {
  const json kept = internal::OtlpJson(span);
  const auto camel_value = [](const auto& self, const json& value) -> json {
    json result = json::object();
    for (const auto& [key, item] : value.items()) {
      if (key == "string_value" || key == "bool_value" || key == "double_value") {
        result[key.substr(0, key.find('_')) + "Value"] = item;
      } else if (key == "int_value") {
        result["intValue"] = item.is_string() ? item : json(item.dump());
      } else {
        json values = json::array();
        for (const json& inner : item.value("values", json::array())) {
          values.push_back(key == "array_value" ? self(self, inner)
                                                : json{{"key", inner.at("key")},
                                                       {"value", self(self, inner.at("value"))}});
        }
        result[key == "array_value" ? "arrayValue" : "kvlistValue"] = {{"values", values}};
      }
    }
    return result;
  };
  const auto camel_pairs = [&](const json& pairs) {
    json result = json::array();
    for (const json& pair : pairs) {
      result.push_back(
          {{"key", pair.at("key")}, {"value", camel_value(camel_value, pair.at("value"))}});
    }
    return result;
  };
  const std::string trace_hex = HexOfBase64(TextOf(kept, "trace_id"));
  json result = {{"traceId", trace_hex},
                 {"spanId", span.span_id},
                 {"name", span.name},
                 {"startTimeUnixNano", std::to_string(span.start_time_ns)},
                 {"attributes", camel_pairs(kept.at("attributes"))},
                 {"events", json::array()},
                 {"links", json::array()}};
  if (!span.parent_id.empty()) {
    result["parentSpanId"] = span.parent_id;
  }
  if (span.end_time_ns != 0) {
    result["endTimeUnixNano"] = std::to_string(span.end_time_ns);
  }
  const json status = kept.value("status", json::object());
  result["status"] = {{"code", span.status == "OK" ? 1 : (span.status == "ERROR" ? 2 : 0)},
                      {"message", TextOf(status, "message")}};
  for (const json& event : kept.value("events", json::array())) {
    result["events"].push_back(
        {{"name", TextOf(event, "name")},
         {"timeUnixNano", std::to_string(IntOf(event, "time_unix_nano"))},
         {"attributes", camel_pairs(event.value("attributes", json::array()))}});
  }
  for (const json& link : kept.value("links", json::array())) {
    result["links"].push_back(
        {{"traceId", HexOfBase64(TextOf(link, "trace_id"))},
         {"spanId", HexOfBase64(TextOf(link, "span_id"))},
         {"attributes", camel_pairs(link.value("attributes", json::array()))}});
  }
  return result;
}

std::optional<std::string> TextIn(const internal::JsonValue& object, std::string_view key) {
  const internal::JsonField field = internal::FindField(object, key);
  if (!field.found || !field.value.is_string()) {
    return std::nullopt;
  }
  std::string scratch;
  return std::string(field.value.Text(scratch));
}

std::int64_t TimeIn(const internal::JsonValue& object, std::string_view key) {
  const internal::JsonField field = internal::FindField(object, key);
  return field.found && field.value.kind() == internal::JsonKind::kNumber
             ? static_cast<std::int64_t>(field.value.Number())
             : 0;
}

std::string ObjectText(const tracking::JsonMembers& members) {
  std::string text = "{";
  for (const auto& [key, value] : members) {
    text += (text.size() == 1 ? "" : ", ") + key + ": " + value;
  }
  return text + "}";
}

}  // namespace

Result<tracking::TraceInfo> ReadTraceInfo(const json& info) {
  MILL_ASSIGN_OR_RETURN(tracking::TraceInfo read, internal::ReadTraceInfo(info));
  const json assessments = info.value("assessments", json::array());
  for (std::size_t i = 0; i < read.assessments.size(); ++i) {
    const auto valid = assessments[i].find("valid");
    read.assessments[i].is_valid = valid == assessments[i].end() || *valid != json(false);
  }
  return read;
}

json TraceInfoJson(const tracking::TraceInfo& info) {
  return internal::TraceInfoJson(info);
}

json AssessmentJson(const tracking::Assessment& assessment) {
  return internal::AssessmentJson(assessment);
}

Result<tracking::Span> ReadKeptSpan(const json& span) {
  const json none = json::object();
  const json& object = span.is_object() ? span : none;
  const json attributes = object.value("attributes", json::object());
  tracking::Span read;
  const std::string trace_hex = HexOfBase64(TextOf(object, "trace_id"));
  read.span_id = HexOfBase64(TextOf(object, "span_id"));
  if (trace_hex.size() != 32 || read.span_id.size() != 16 || !attributes.is_object()) {
    return base::InvalidArgument("\"" + base::DumpJson(span).substr(0, 200) +
                                 "\" is no span as MLflow 3 keeps them");
  }
  const auto attribute = [&](const char* name, const std::string& fallback) {
    const auto text = base::ParseJson(TextOf(attributes, name), name);
    return text.ok() && text->is_string() ? text->get<std::string>() : fallback;
  };
  read.trace_id = attribute("mlflow.traceRequestId", "tr-" + trace_hex);
  read.parent_id = HexOfBase64(TextOf(object, "parent_span_id"));
  read.name = TextOf(object, "name");
  read.type = attribute("mlflow.spanType", "UNKNOWN");
  constexpr std::string_view kPrefix = "STATUS_CODE_";
  const std::string code = TextOf(object.value("status", json::object()), "code");
  read.status = code.starts_with(kPrefix) ? code.substr(kPrefix.size()) : "UNSET";
  read.start_time_ns = IntOf(object, "start_time_unix_nano");
  read.end_time_ns = IntOf(object, "end_time_unix_nano");
  read.content = base::DumpJsonSpaced(object);
  return read;
}

std::string OtlpRequest(std::span<const tracking::Span> spans) {
  json list = json::array();
  for (const tracking::Span& span : spans) {
    list.push_back(CamelSpan(span));
  }
  json scope = {{"spans", std::move(list)}};
  json resource = {{"scopeSpans", json::array({std::move(scope)})}};
  return base::DumpJson({{"resourceSpans", json::array({std::move(resource)})}});
}

Result<std::vector<tracking::ImportedRecord>> ReadImportedRecords(std::string_view text) {
  MILL_ASSIGN_OR_RETURN(const auto values, internal::ReadEvaluationRecords(text));
  internal::JsonTape tape;
  MILL_RETURN_IF_ERROR(tape.Parse(text));
  std::vector<tracking::ImportedRecord> records;
  for (const internal::JsonValue object : tape.root()) {
    const tracking::NewEvaluationRecord& value = values[records.size()];
    tracking::ImportedRecord imported;
    imported.canonical_inputs = value.canonical_inputs;
    tracking::EvaluationRecord& record = imported.record;
    record.record_id = TextIn(object, "dataset_record_id").value_or("");
    record.dataset_id = TextIn(object, "dataset_id").value_or("");
    record.inputs = ObjectText(value.inputs);
    record.outputs = value.outputs;
    record.expectations =
        value.has_expectations ? std::optional(ObjectText(value.expectations)) : std::nullopt;
    record.tags = ObjectText(value.tags);
    record.source = value.source;
    if (record.source.has_value() && !record.source->id.has_value()) {
      record.source->id = TextIn(object, "source_id");
    }
    record.created_time_ms = TimeIn(object, "created_time");
    record.last_update_time_ms = TimeIn(object, "last_update_time");
    record.created_by = TextIn(object, "created_by");
    record.last_updated_by = TextIn(object, "last_updated_by");
    records.push_back(std::move(imported));
  }
  return records;
}

std::string NewRecordsJson(std::span<const tracking::EvaluationRecord> records) {
  std::string out = "[";
  for (const tracking::EvaluationRecord& record : records) {
    out += (out.size() == 1 ? "" : ", ") + std::string("{\"inputs\": ") + record.inputs +
           ", \"outputs\": " + record.outputs.value_or("null") + ", \"tags\": " + record.tags;
    if (record.expectations) {
      out += ", \"expectations\": " + *record.expectations;
    }
    if (record.source) {
      out += ", \"source\": {\"source_type\": \"" + record.source->type +
             "\", \"source_data\": " + record.source->data + "}";
    }
    out += "}";
  }
  return out + "]";
}

}  // namespace millrace::api
