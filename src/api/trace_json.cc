// SPDX-License-Identifier: Apache-2.0
// From MLflow's JSON of traces and assessments to the types of tracking, and back.
#include "api/internal/trace_json.h"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/otlp.h"
#include "base/json.h"

namespace millrace::api::internal {

namespace {

using base::InvalidArgument;
using nlohmann::json;

Error WrongType(const char* name, std::string_view wanted, const json& value) {
  return InvalidArgument("Invalid value " + base::DumpJson(value) + " for parameter '" + name +
                         "' supplied: " + std::string(wanted) + " is wanted.");
}

Result<std::optional<std::string>> TextMember(const json& object, const char* name) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) {
    return std::optional<std::string>();
  }
  if (!at->is_string()) {
    return WrongType(name, "a text", *at);
  }
  return std::optional(at->get<std::string>());
}

Result<std::string> TextOrEmpty(const json& object, const char* name) {
  MILL_ASSIGN_OR_RETURN(std::optional<std::string> text, TextMember(object, name));
  return text.value_or("");
}

Result<tracking::Tags> PairsMember(const json& object, const char* name) {
  tracking::Tags pairs;
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) {
    return pairs;
  }
  if (!at->is_object()) {
    return WrongType(name, "an object of texts", *at);
  }
  for (const auto& [key, value] : at->items()) {
    pairs[key] = value.is_string() ? value.get<std::string>() : base::DumpJson(value);
  }
  return pairs;
}

Result<std::int64_t> TimeMember(const json& object, const char* name) {
  MILL_ASSIGN_OR_RETURN(const std::optional<std::string> text, TextMember(object, name));
  if (!text.has_value()) {
    return 0;
  }
  const std::optional<std::int64_t> time = ParseTimestamp(*text);
  if (!time.has_value()) {
    return WrongType(name, "a time such as 2026-01-31T12:00:00Z", *text);
  }
  return *time;
}

json PairsJson(const tracking::Tags& pairs) {
  json object = json::object();
  for (const auto& [key, value] : pairs) {
    object[key] = value;
  }
  return object;
}

json PairList(const tracking::Tags& pairs) {
  json list = json::array();
  for (const auto& [key, value] : pairs) {
    list.push_back({{"key", key}, {"value", value}});
  }
  return list;
}

// The part behind a decimal point as milliseconds; advances the text behind it.
std::int64_t FractionMs(std::string_view& text) {
  std::int64_t ms = 0;
  if (text.empty() || text.front() != '.') {
    return ms;
  }
  text.remove_prefix(1);
  int n_digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (n_digits++ < 3) {
      ms = ms * 10 + (text.front() - '0');
    }
    text.remove_prefix(1);
  }
  for (; n_digits < 3; ++n_digits) {
    ms *= 10;
  }
  return ms;
}

std::optional<int> Digits(std::string_view text, std::size_t at, std::size_t n) {
  int value = 0;
  if (text.size() < at + n) {
    return std::nullopt;
  }
  const auto read = std::from_chars(text.data() + at, text.data() + at + n, value);
  return read.ec == std::errc() && read.ptr == text.data() + at + n && value >= 0
             ? std::optional(value)
             : std::nullopt;
}

void PutIfAny(json& object, const char* name, const std::optional<std::string>& text) {
  if (text.has_value()) {
    object[name] = *text;
  }
}

constexpr const char* kSerialized = "serialized_value";
constexpr const char* kJsonFormat = "JSON_FORMAT";

// Lists and objects as JSON in a text, all else as it is, whichever way it came: as MLflow answers.
Result<json> ExpectationBody(json body) {
  const auto packed = body.find(kSerialized);
  if (packed != body.end() && !packed->is_null()) {
    const json format =
        packed->is_object() ? packed->value("serialization_format", json()) : json();
    if (format != kJsonFormat) {
      return InvalidArgument("Unknown serialization format: " +
                             (format.is_string() ? format.get<std::string>() : format.dump()) +
                             ". Only JSON_FORMAT is supported.");
    }
    const auto text = packed->find("value");
    const auto value = text != packed->end() && text->is_string()
                           ? base::ParseJson(text->get_ref<const std::string&>(), kSerialized)
                           : base::InvalidArgument("no text");
    if (!value.ok()) {
      return WrongType(kSerialized, "JSON in a text", *packed);
    }
    return value->is_structured() ? body : json{{"value", *value}};
  }
  const auto plain = body.find("value");
  if (plain == body.end() || !plain->is_structured()) {
    return body;
  }
  const json text = base::DumpJson(*plain);
  body.erase(plain);
  body[kSerialized] = {{"serialization_format", kJsonFormat}, {"value", text}};
  return body;
}

// Which of the three an assessment is, with its object as a text.
Result<std::pair<std::string, std::string>> KindAndBody(const json& assessment) {
  for (const char* kind : {"feedback", "expectation", "issue"}) {
    const auto at = assessment.find(kind);
    if (at == assessment.end() || at->is_null()) {
      continue;
    }
    if (!at->is_object()) {
      return WrongType(kind, "an object", *at);
    }
    json body = *at;
    if (std::string_view(kind) == "expectation") {
      MILL_ASSIGN_OR_RETURN(body, ExpectationBody(std::move(body)));
    }
    return std::pair(std::string(kind), base::DumpJson(body));
  }
  return InvalidArgument("Unknown assessment type: None");
}

std::string SnakeCase(std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      snake += '_';
      snake += static_cast<char>(c - 'A' + 'a');
    } else {
      snake += c;
    }
  }
  return snake;
}

std::vector<std::string> MaskPaths(const json& mask) {
  std::vector<std::string> paths;
  if (mask.is_object() && mask.contains("paths") && mask["paths"].is_array()) {
    for (const json& path : mask["paths"]) {
      if (path.is_string()) {
        paths.push_back(SnakeCase(path.get_ref<const std::string&>()));
      }
    }
  } else if (mask.is_string()) {
    std::string_view rest = mask.get_ref<const std::string&>();
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      paths.push_back(SnakeCase(rest.substr(0, comma)));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return paths;
}

}  // namespace

std::string TimestampText(std::int64_t ms) {
  using std::chrono::days;
  using std::chrono::milliseconds;
  const std::chrono::sys_time<milliseconds> time{milliseconds(ms)};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::int64_t rest = (time - day).count();
  char text[64];
  std::snprintf(text, sizeof(text), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(rest / 3'600'000), static_cast<int>(rest / 60'000 % 60),
                static_cast<int>(rest / 1000 % 60));
  std::string result = text;
  if (rest % 1000 != 0) {
    std::snprintf(text, sizeof(text), ".%03d", static_cast<int>(rest % 1000));
    result += text;
  }
  return result + "Z";
}

std::optional<std::int64_t> ParseTimestamp(std::string_view text) {
  const auto year = Digits(text, 0, 4);
  const auto month = Digits(text, 5, 2);
  const auto day = Digits(text, 8, 2);
  const auto hour = Digits(text, 11, 2);
  const auto minute = Digits(text, 14, 2);
  const auto second = Digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || text[10] != 'T') {
    return std::nullopt;
  }
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(19);
  const std::int64_t fraction = FractionMs(rest);
  std::int64_t offset_minutes = 0;
  if (rest != "Z") {
    const auto hours = Digits(rest, 1, 2);
    const auto minutes = Digits(rest, 4, 2);
    if (rest.size() != 6 || !hours || !minutes || (rest[0] != '+' && rest[0] != '-')) {
      return std::nullopt;
    }
    offset_minutes = (*hours * 60 + *minutes) * (rest[0] == '+' ? 1 : -1);
  }
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + *hour) * 60 + *minute - offset_minutes) * 60'000 + *second * 1000 + fraction;
}

std::string DurationText(std::int64_t ms) {
  const std::int64_t size = ms < 0 ? -ms : ms;
  char text[40];
  std::snprintf(text, sizeof(text), "%s%lld", ms < 0 ? "-" : "",
                static_cast<long long>(size / 1000));
  std::string result = text;
  if (size % 1000 != 0) {
    std::snprintf(text, sizeof(text), ".%03d", static_cast<int>(size % 1000));
    result += text;
  }
  return result + "s";
}

std::optional<std::int64_t> ParseDuration(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  std::string_view rest = text.substr(is_negative ? 1 : 0);
  std::int64_t seconds = 0;
  const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), seconds);
  if (read.ec != std::errc() || seconds < 0 || seconds > 1'000'000'000'000) {
    return std::nullopt;
  }
  rest.remove_prefix(static_cast<std::size_t>(read.ptr - rest.data()));
  const std::int64_t ms = seconds * 1000 + FractionMs(rest);
  return rest == "s" ? std::optional(is_negative ? -ms : ms) : std::nullopt;
}

Result<tracking::TraceInfo> ReadTraceInfo(const json& info) {
  if (!info.is_object()) {
    return WrongType("trace.trace_info", "an object", info);
  }
  tracking::TraceInfo result;
  MILL_ASSIGN_OR_RETURN(result.trace_id, TextOrEmpty(info, "trace_id"));
  const json location = info.value("trace_location", json::object());
  const json experiment =
      location.is_object() ? location.value("mlflow_experiment", json()) : json();
  if (!experiment.is_object()) {
    return InvalidArgument(
        "Missing value for required parameter 'trace.trace_info.trace_location.mlflow_experiment'. "
        "See the API docs for more information about request parameters.");
  }
  MILL_ASSIGN_OR_RETURN(result.experiment_id, TextOrEmpty(experiment, "experiment_id"));
  MILL_ASSIGN_OR_RETURN(result.client_request_id, TextMember(info, "client_request_id"));
  MILL_ASSIGN_OR_RETURN(result.request_preview, TextMember(info, "request_preview"));
  MILL_ASSIGN_OR_RETURN(result.response_preview, TextMember(info, "response_preview"));
  MILL_ASSIGN_OR_RETURN(result.request_time_ms, TimeMember(info, "request_time"));
  MILL_ASSIGN_OR_RETURN(const std::optional<std::string> duration,
                        TextMember(info, "execution_duration"));
  if (duration.has_value()) {
    result.execution_time_ms = ParseDuration(*duration);
    if (!result.execution_time_ms.has_value()) {
      return WrongType("execution_duration", "a duration such as 1.5s", *duration);
    }
  }
  MILL_ASSIGN_OR_RETURN(const std::string state, TextOrEmpty(info, "state"));
  if (!state.empty()) {
    const bool is_known =
        state == "STATE_UNSPECIFIED" || state == "OK" || state == "ERROR" || state == "IN_PROGRESS";
    if (!is_known) {
      return WrongType("state", "STATE_UNSPECIFIED, OK, ERROR or IN_PROGRESS", state);
    }
    result.state = state;
  }
  MILL_ASSIGN_OR_RETURN(result.metadata, PairsMember(info, "trace_metadata"));
  MILL_ASSIGN_OR_RETURN(result.tags, PairsMember(info, "tags"));
  const json assessments = info.value("assessments", json::array());
  for (const json& assessment : assessments) {
    MILL_ASSIGN_OR_RETURN(tracking::Assessment read, ReadAssessment(assessment));
    result.assessments.push_back(std::move(read));
  }
  return result;
}

Result<tracking::Assessment> ReadAssessment(const json& assessment) {
  if (!assessment.is_object()) {
    return WrongType("assessment", "an object", assessment);
  }
  tracking::Assessment result;
  MILL_ASSIGN_OR_RETURN(result.assessment_id, TextOrEmpty(assessment, "assessment_id"));
  MILL_ASSIGN_OR_RETURN(result.trace_id, TextOrEmpty(assessment, "trace_id"));
  MILL_ASSIGN_OR_RETURN(result.name, TextOrEmpty(assessment, "assessment_name"));
  const json source = assessment.value("source", json::object());
  if (!source.is_object()) {
    return WrongType("source", "an object", source);
  }
  MILL_ASSIGN_OR_RETURN(result.source_type, TextOrEmpty(source, "source_type"));
  MILL_ASSIGN_OR_RETURN(result.source_id, TextOrEmpty(source, "source_id"));
  MILL_ASSIGN_OR_RETURN(result.create_time_ms, TimeMember(assessment, "create_time"));
  MILL_ASSIGN_OR_RETURN(result.last_update_time_ms, TimeMember(assessment, "last_update_time"));
  MILL_ASSIGN_OR_RETURN(result.span_id, TextMember(assessment, "span_id"));
  MILL_ASSIGN_OR_RETURN(result.rationale, TextMember(assessment, "rationale"));
  MILL_ASSIGN_OR_RETURN(result.overrides, TextMember(assessment, "overrides"));
  MILL_ASSIGN_OR_RETURN(result.metadata, PairsMember(assessment, "metadata"));
  MILL_ASSIGN_OR_RETURN(const auto kind_and_body, KindAndBody(assessment));
  result.kind = kind_and_body.first;
  result.body = kind_and_body.second;
  return result;
}

Result<tracking::AssessmentUpdate> ReadAssessmentUpdate(const json& assessment, const json& mask) {
  if (!assessment.is_object()) {
    return WrongType("assessment", "an object", assessment);
  }
  tracking::AssessmentUpdate update;
  for (const std::string& path : MaskPaths(mask)) {
    if (path == "assessment_name") {
      MILL_ASSIGN_OR_RETURN(update.name, TextMember(assessment, "assessment_name"));
    } else if (path == "rationale") {
      MILL_ASSIGN_OR_RETURN(update.rationale, TextMember(assessment, "rationale"));
    } else if (path == "metadata") {
      MILL_ASSIGN_OR_RETURN(update.metadata, PairsMember(assessment, "metadata"));
    } else if (path == "feedback" || path == "expectation") {
      if (update.kind_and_body.has_value()) {
        return InvalidArgument("Cannot specify both `expectation` and `feedback` parameters.");
      }
      MILL_ASSIGN_OR_RETURN(update.kind_and_body, KindAndBody(assessment));
    }
  }
  return update;
}

json AssessmentJson(const tracking::Assessment& assessment) {
  json result = {
      {"assessment_id", assessment.assessment_id},
      {"assessment_name", assessment.name},
      {"trace_id", assessment.trace_id},
      {"source", {{"source_type", assessment.source_type}, {"source_id", assessment.source_id}}},
      {"create_time", TimestampText(assessment.create_time_ms)},
      {"last_update_time", TimestampText(assessment.last_update_time_ms)},
      {"valid", assessment.is_valid}};
  const auto body = base::ParseJson(assessment.body, "assessment");
  result[assessment.kind] = body.ok() ? *body : json::object();
  PutIfAny(result, "span_id", assessment.span_id);
  PutIfAny(result, "rationale", assessment.rationale);
  PutIfAny(result, "overrides", assessment.overrides);
  if (!assessment.metadata.empty()) {
    result["metadata"] = PairsJson(assessment.metadata);
  }
  return result;
}

json TraceInfoJson(const tracking::TraceInfo& info) {
  json result = {{"trace_id", info.trace_id},
                 {"trace_location",
                  {{"type", "MLFLOW_EXPERIMENT"},
                   {"mlflow_experiment", {{"experiment_id", info.experiment_id}}}}},
                 {"request_time", TimestampText(info.request_time_ms)},
                 {"state", info.state}};
  if (info.execution_time_ms.has_value()) {
    result["execution_duration"] = DurationText(*info.execution_time_ms);
  }
  PutIfAny(result, "client_request_id", info.client_request_id);
  PutIfAny(result, "request_preview", info.request_preview);
  PutIfAny(result, "response_preview", info.response_preview);
  if (!info.metadata.empty()) {
    result["trace_metadata"] = PairsJson(info.metadata);
  }
  if (!info.tags.empty()) {
    result["tags"] = PairsJson(info.tags);
  }
  for (const tracking::Assessment& assessment : info.assessments) {
    result["assessments"].push_back(AssessmentJson(assessment));
  }
  return result;
}

json OldTraceInfoJson(const tracking::TraceInfo& info) {
  return {{"request_id", info.trace_id},
          {"experiment_id", info.experiment_id},
          {"timestamp_ms", info.request_time_ms},
          {"execution_time_ms", info.execution_time_ms.value_or(0)},
          {"status", info.state == "STATE_UNSPECIFIED" ? "TRACE_STATUS_UNSPECIFIED" : info.state},
          {"request_metadata", PairList(info.metadata)},
          {"tags", PairList(info.tags)}};
}

json TraceJson(const tracking::Trace& trace) {
  json result = {{"trace_info", TraceInfoJson(trace.info)}};
  for (const tracking::Span& span : trace.spans) {
    result["spans"].push_back(OtlpJson(span));
  }
  return result;
}

}  // namespace millrace::api::internal
