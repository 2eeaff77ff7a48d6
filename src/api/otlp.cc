// SPDX-License-Identifier: Apache-2.0
// Spans of OpenTelemetry: how they are kept, their JSON on the way in, MLflow's JSON on the way
// out.
#include "api/internal/otlp.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/otlp_span.h"
#include "base/json.h"
#include "base/json_spaced.h"

namespace millrace::api::internal {

namespace {

using base::InvalidArgument;
using nlohmann::json;

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string BytesOfHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    const auto digit = [](char c) {
      const std::size_t at = kHexDigits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      return at == std::string_view::npos ? 0 : static_cast<int>(at);
    };
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return bytes;
}

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

}  // namespace

Error NotOtlp() {
  return InvalidArgument("Invalid OpenTelemetry format");
}

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = (bits << 8) |
             (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : std::uint32_t{0});
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kAlphabet[(bits >> (18 - 6 * k)) & 63] : '=';
    }
  }
  return text;
}

Result<tracking::Span> FinishSpan(const RawSpan& raw) {
  if (raw.trace_id.empty() || raw.span_id.empty() || raw.trace_id.size() > 32 ||
      raw.span_id.size() > 16 || raw.parent_id.size() > 16 || !IsHex(raw.trace_id) ||
      !IsHex(raw.span_id) || !IsHex(raw.parent_id)) {
    return InvalidArgument("Cannot convert OpenTelemetry span to MLflow span");
  }
  // JSON may write the ids in capitals; a trace has one id in either encoding.
  const auto padded = [](const std::string& hex, std::size_t size) {
    std::string text = std::string(size - hex.size(), '0') + hex;
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  };
  const std::string trace_hex = padded(raw.trace_id, 32);
  tracking::Span span;
  span.trace_id = "tr-" + trace_hex;
  span.span_id = padded(raw.span_id, 16);
  span.parent_id = raw.parent_id.empty() ? "" : padded(raw.parent_id, 16);
  span.name = raw.name;
  const json type = raw.attributes.value("mlflow.spanType", json());
  span.type = type.is_string() ? type.get<std::string>() : "";
  span.status = raw.status_code == 1 ? "OK" : (raw.status_code == 2 ? "ERROR" : "UNSET");
  span.start_time_ns = raw.start_ns;
  span.end_time_ns = raw.end_ns;
  json attributes = json::object();
  for (const auto& [key, value] : raw.attributes.items()) {
    attributes[key] = base::DumpJsonSpaced(value);
  }
  attributes["mlflow.traceRequestId"] = base::DumpJsonSpaced(span.trace_id);
  span.content = base::DumpJsonSpaced(
      {{"trace_id", Base64(BytesOfHex(trace_hex))},
       {"span_id", Base64(BytesOfHex(span.span_id))},
       {"parent_span_id",
        span.parent_id.empty() ? json() : json(Base64(BytesOfHex(span.parent_id)))},
       {"name", raw.name},
       {"start_time_unix_nano", raw.start_ns},
       {"end_time_unix_nano", raw.end_ns},
       {"events", raw.events},
       {"status", {{"code", "STATUS_CODE_" + span.status}, {"message", raw.status_message}}},
       {"attributes", attributes},
       {"links", raw.links}});
  return span;
}

tracking::Tags ResourceTags(const json& attributes) {
  tracking::Tags tags;
  for (const auto& [key, value] : attributes.items()) {
    tags[key] = value.is_string() ? value.get<std::string>() : base::DumpJsonSpaced(value);
  }
  return tags;
}

namespace {

json Member(const json& object, const char* name) {
  return object.is_object() ? object.value(name, json()) : json();
}

std::string TextMember(const json& object, const char* name) {
  const json value = Member(object, name);
  return value.is_string() ? value.get<std::string>() : "";
}

// Whole numbers may be texts.
std::int64_t IntMember(const json& object, const char* name) {
  const json value = Member(object, name);
  if (value.is_number_integer()) {
    return value.get<std::int64_t>();
  }
  std::int64_t number = 0;
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

json JsonAttributes(const json& pairs);

// The JSON reader has bounded the depth.
json JsonAnyValue(const json& value) {
  if (!value.is_object()) {
    return nullptr;
  }
  for (const char* name : {"stringValue", "boolValue", "doubleValue", "bytesValue"}) {
    if (value.contains(name)) {
      return value[name];
    }
  }
  if (value.contains("intValue")) {
    return IntMember(value, "intValue");
  }
  if (value.contains("arrayValue")) {
    json items = json::array();
    for (const json& item : Member(value["arrayValue"], "values")) {
      items.push_back(JsonAnyValue(item));
    }
    return items;
  }
  return value.contains("kvlistValue") ? JsonAttributes(Member(value["kvlistValue"], "values"))
                                       : json();
}

json JsonAttributes(const json& pairs) {
  json attributes = json::object();
  for (const json& pair : pairs) {
    attributes[TextMember(pair, "key")] = JsonAnyValue(Member(pair, "value"));
  }
  return attributes;
}

RawSpan JsonSpan(const json& span) {
  RawSpan raw;
  raw.trace_id = TextMember(span, "traceId");
  raw.span_id = TextMember(span, "spanId");
  raw.parent_id = TextMember(span, "parentSpanId");
  raw.name = TextMember(span, "name");
  raw.start_ns = IntMember(span, "startTimeUnixNano");
  raw.end_ns = IntMember(span, "endTimeUnixNano");
  const json status = Member(span, "status");
  const std::string code = TextMember(status, "code");
  raw.status_code = code == "STATUS_CODE_OK"      ? 1
                    : code == "STATUS_CODE_ERROR" ? 2
                                                  : IntMember(status, "code");
  raw.status_message = TextMember(status, "message");
  raw.attributes = JsonAttributes(Member(span, "attributes"));
  for (const json& event : Member(span, "events")) {
    raw.events.push_back({{"name", TextMember(event, "name")},
                          {"time_unix_nano", IntMember(event, "timeUnixNano")},
                          {"attributes", JsonAttributes(Member(event, "attributes"))}});
  }
  for (const json& link : Member(span, "links")) {
    raw.links.push_back({{"trace_id", "tr-" + TextMember(link, "traceId")},
                         {"span_id", TextMember(link, "spanId")},
                         {"attributes", JsonAttributes(Member(link, "attributes"))}});
  }
  return raw;
}

Result<std::vector<OtlpBatch>> ParseJsonOtlp(std::string_view body) {
  const auto document = base::ParseJson(body, "OTLP request");
  if (!document.ok() || !document->is_object()) {
    return NotOtlp();
  }
  std::vector<OtlpBatch> batches;
  for (const json& resource : Member(*document, "resourceSpans")) {
    OtlpBatch& batch = batches.emplace_back();
    batch.resource =
        ResourceTags(JsonAttributes(Member(Member(resource, "resource"), "attributes")));
    for (const json& scope : Member(resource, "scopeSpans")) {
      for (const json& span : Member(scope, "spans")) {
        MILL_ASSIGN_OR_RETURN(tracking::Span finished, FinishSpan(JsonSpan(span)));
        batch.spans.push_back(std::move(finished));
      }
    }
  }
  return batches;
}

json AnyValueJson(const json& value) {
  if (value.is_string()) {
    return {{"string_value", value}};
  }
  if (value.is_boolean()) {
    return {{"bool_value", value}};
  }
  // The message has no place for integers beyond 64 bits with a sign.
  constexpr auto kMost = std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (value.is_number_integer() &&
      !(value.is_number_unsigned() && value.get<std::uint64_t>() > kMost)) {
    return {{"int_value", value}};
  }
  if (value.is_number()) {
    return {{"double_value", value.get<double>()}};
  }
  if (value.is_array()) {
    json items = json::array();
    for (const json& item : value) {
      items.push_back(AnyValueJson(item));
    }
    return {{"array_value", {{"values", items}}}};
  }
  if (value.is_object()) {
    json items = json::array();
    for (const auto& [key, item] : value.items()) {
      items.push_back({{"key", key}, {"value", AnyValueJson(item)}});
    }
    return {{"kvlist_value", {{"values", items}}}};
  }
  return json::object();
}

json PairsJson(const json& attributes) {
  json pairs = json::array();
  for (const auto& [key, value] : attributes.items()) {
    pairs.push_back({{"key", key}, {"value", AnyValueJson(value)}});
  }
  return pairs;
}

}  // namespace

Result<std::vector<OtlpBatch>> ParseOtlp(std::string_view body, bool is_json) {
  return is_json ? ParseJsonOtlp(body) : ParseWireOtlp(body);
}

json OtlpJson(const tracking::Span& span) {
  const auto parsed = base::ParseJson(span.content, "span");
  const json content = parsed.ok() && parsed->is_object() ? *parsed : json::object();
  json attributes = json::array();
  const json texts = content.value("attributes", json::object());
  for (const auto& [key, text] : texts.items()) {
    const auto value = text.is_string()
                           ? base::ParseJson(text.get_ref<const std::string&>(), "attribute")
                           : Result<json>(text);
    attributes.push_back({{"key", key}, {"value", AnyValueJson(value.ok() ? *value : text)}});
  }
  json events = content.value("events", json::array());
  for (json& event : events) {
    event["attributes"] = PairsJson(event.value("attributes", json::object()));
  }
  json links = content.value("links", json::array());
  for (json& link : links) {
    const std::string trace_id = link.value("trace_id", "");
    link["trace_id"] = Base64(BytesOfHex(trace_id.substr(trace_id.starts_with("tr-") ? 3 : 0)));
    link["span_id"] = Base64(BytesOfHex(link.value("span_id", "")));
    link["attributes"] = PairsJson(link.value("attributes", json::object()));
  }
  json result = {{"trace_id", content.value("trace_id", "")},
                 {"span_id", content.value("span_id", "")},
                 {"name", span.name},
                 {"start_time_unix_nano", span.start_time_ns},
                 {"attributes", attributes},
                 {"status", content.value("status", json::object())}};
  if (!span.parent_id.empty()) {
    result["parent_span_id"] = content.value("parent_span_id", "");
  }
  if (span.end_time_ns != 0) {
    result["end_time_unix_nano"] = span.end_time_ns;
  }
  if (!events.empty()) {
    result["events"] = events;
  }
  if (!links.empty()) {
    result["links"] = links;
  }
  return result;
}

}  // namespace millrace::api::internal
