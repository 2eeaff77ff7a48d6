// SPDX-License-Identifier: Apache-2.0
// Reads the samples of metrics over traces, spans and assessments, and the filters on them.
#include "tracking/internal/trace_metric_rows.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/search_fields.h"
#include "tracking/internal/search_tokens.h"
#include "tracking/internal/trace_rows.h"

namespace millrace::tracking::internal {
namespace {

using base::InvalidArgument;
using nlohmann::json;
using store::RowView;

// Beyond these no trace lies, and nanoseconds still fit.
constexpr std::int64_t kFarthestMs = 9'000'000'000'000;
constexpr std::int64_t kNanosPerMs = 1'000'000;

struct MetricFilter {
  std::string view;
  std::string entity;
  std::string key;
  std::string value;
};

Result<MetricFilter> ReadIdentifier(const std::string& identifier) {
  const std::size_t dot = identifier.find('.');
  const std::size_t second = dot == std::string::npos ? dot : identifier.find('.', dot + 1);
  if (dot == std::string::npos) {
    return InvalidArgument("Invalid identifier " + PythonText(identifier) +
                           ". Columns should be specified as 'trace.<key>', 'span.<key>', "
                           "'assessment.<key>'.");
  }
  MetricFilter filter{std::string(TrimBackticks(identifier.substr(0, dot))),
                      identifier.substr(dot + 1, second == std::string::npos ? std::string::npos
                                                                             : second - dot - 1),
                      {},
                      {}};
  std::vector<std::string> entities;
  if (filter.view == "trace") {
    entities = {"status", "tag", "metadata"};
  } else if (filter.view == "span") {
    entities = {"name", "status", "type"};
  } else if (filter.view == "assessment") {
    entities = {"name", "type"};
  } else {
    return InvalidArgument("Invalid view type '" + filter.view +
                           "'. Valid values are dict_keys(['trace', 'span', 'assessment'])");
  }
  if (std::find(entities.begin(), entities.end(), filter.entity) == entities.end()) {
    std::string list;
    for (const std::string& entity : entities) {
      list += (list.empty() ? "'" : ", '") + entity + "'";
    }
    return InvalidArgument("Invalid entity '" + filter.entity + "' specified for view type '" +
                           filter.view + "'. Valid entities are [" + list + "]");
  }
  const bool wants_key = filter.entity == "tag" || filter.entity == "metadata";
  const std::string named = filter.view + "." + filter.entity;
  if (wants_key && second == std::string::npos) {
    return InvalidArgument("Filtering by " + filter.entity + " requires a key, e.g. '" + named +
                           ".<key> = <value>'");
  }
  if (!wants_key && second != std::string::npos) {
    return InvalidArgument("Filtering by " + filter.entity + " does not require a key, use '" +
                           named + "' instead");
  }
  if (wants_key) {
    filter.key = TrimBackticks(StripQuotes(std::string_view(identifier).substr(second + 1)));
  }
  return filter;
}

Result<MetricFilter> ParseMetricFilter(const std::string& text) {
  const std::vector<Token> tokens = Tokenize(text);
  const std::vector<Phrase> phrases = GroupPhrases(text, GroupNodes(text, tokens), false);
  std::string invalid;
  for (const Phrase& phrase : phrases) {
    if (phrase.node.kind != NodeKind::kComparison) {
      invalid += (invalid.empty() ? "" : ", ") + std::string(phrase.node.text);
    }
  }
  if (!invalid.empty()) {
    return InvalidArgument("Invalid clause(s) in filter string: " + invalid);
  }
  if (phrases.size() != 1) {
    return InvalidArgument("Invalid filter: '" + text + "'. Expected one filter clause.");
  }
  const Phrase& phrase = phrases[0];
  MILL_ASSIGN_OR_RETURN(MetricFilter filter, ReadIdentifier(std::string(phrase.left.text)));
  if (phrase.comparator != "=") {
    return InvalidArgument("Invalid comparator: '" + std::string(phrase.comparator) +
                           "', only '=' operator is supported");
  }
  const std::string_view value = StripQuotes(phrase.right.text);
  if (value.size() == phrase.right.text.size()) {
    return InvalidArgument("Expected a quoted string value for " + filter.entity +
                           " value (e.g. 'my-value'). Got value " + std::string(phrase.right.text));
  }
  filter.value = value;
  return filter;
}

/// Conditions of one SELECT with their parameters.
class Where {
 public:
  void And(const std::string& condition, const std::vector<store::Value>& params) {
    text_ += (text_.empty() ? " WHERE " : " AND ") + condition;
    params_.insert(params_.end(), params.begin(), params.end());
  }
  const std::string& text() const { return text_; }
  const std::vector<store::Value>& params() const { return params_; }

 private:
  std::string text_;
  std::vector<store::Value> params_;
};

const char* NameOf(MetricView view) {
  return view == MetricView::kTraces  ? "TRACES"
         : view == MetricView::kSpans ? "SPANS"
                                      : "ASSESSMENTS";
}

Result<void> AddFilter(const MetricFilter& filter, MetricView view, Where& where) {
  if (filter.view != "trace") {
    const MetricView wanted = filter.view == "span" ? MetricView::kSpans : MetricView::kAssessments;
    if (view != wanted) {
      return InvalidArgument("Filtering by " + filter.view + " is only supported for " +
                             NameOf(wanted) + " view type, got " + NameOf(view));
    }
    const bool is_kind = filter.view == "assessment" && filter.entity == "type";
    where.And("x." + (is_kind ? std::string("kind") : filter.entity) + " = ?", {filter.value});
    return {};
  }
  if (filter.entity == "status") {
    where.And("t.state = ?", {filter.value});
    return {};
  }
  const std::string table = filter.entity == "tag" ? "trace_tags" : "trace_metadata";
  const std::string has_pair = "EXISTS (SELECT 1 FROM " + table +
                               " AS p WHERE p.trace_id = t.trace_id AND p.key = ? AND p.value = ?)";
  // A trace belongs to the run that made it, and to those that were linked later.
  if (filter.entity == "metadata" && filter.key == "mlflow.sourceRun") {
    where.And("(" + has_pair +
                  " OR EXISTS (SELECT 1 FROM trace_runs AS r WHERE r.trace_id = t.trace_id AND "
                  "r.run_id = ?))",
              {filter.key, filter.value, filter.value});
  } else {
    where.And(has_pair, {filter.key, filter.value});
  }
  return {};
}

bool IsCost(const TraceMetricQuery& query) {
  return query.view == MetricView::kSpans && query.metric_name.ends_with("_cost");
}

Result<Where> Conditions(const TraceMetricQuery& query) {
  Where where;
  std::vector<store::Value> experiments;
  for (const std::string& id : query.experiment_ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, ParseExperimentId(id));
    experiments.emplace_back(std::int64_t{number});
  }
  where.And("t.experiment_id IN (" + Marks(experiments.size()) + ")", experiments);
  for (const std::string& text : query.filters) {
    MILL_ASSIGN_OR_RETURN(const MetricFilter filter, ParseMetricFilter(text));
    MILL_RETURN_IF_ERROR(AddFilter(filter, query.view, where));
  }
  const auto clamped = [](std::int64_t ms) { return std::clamp(ms, -kFarthestMs, kFarthestMs); };
  // As in MLflow, a span's costs belong to its own time, all else to that of its trace.
  if (query.start_time_ms) {
    const std::int64_t start = clamped(*query.start_time_ms);
    where.And(IsCost(query) ? "x.start_time_ns >= ?" : "t.timestamp_ms >= ?",
              {IsCost(query) ? start * kNanosPerMs : start});
  }
  if (query.end_time_ms) {
    const std::int64_t end = clamped(*query.end_time_ms);
    where.And(IsCost(query) ? "x.start_time_ns < ?" : "t.timestamp_ms <= ?",
              {IsCost(query) ? (end + 1) * kNanosPerMs : end});
  }
  if (query.view == MetricView::kAssessments) {
    where.And("x.is_valid = 1", {});
  }
  return where;
}

json Parsed(std::string_view text) {
  auto value = base::ParseJson(text, "value");
  return value.ok() ? *std::move(value) : json();
}

std::optional<double> NumberIn(const json& object, const std::string& name) {
  const auto at = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && at != object.end() && at->is_number()
             ? std::optional(at->get<double>())
             : std::nullopt;
}

/// An attribute of a span's content: a JSON text.
json Attribute(const json& content, const char* name) {
  const json attributes = content.is_object() ? content.value("attributes", json()) : json();
  const auto at = attributes.is_object() ? attributes.find(name) : attributes.end();
  return attributes.is_object() && at != attributes.end() && at->is_string()
             ? Parsed(at->get_ref<const std::string&>())
             : json();
}

std::optional<std::string> AsText(const json& value) {
  return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}
std::optional<std::string> AsText(const store::ValueView& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(Text(value));
}

/// What a judgement counts: numbers, 1 for true and yes, 0 for false and no.
std::optional<double> Judgement(const json& value) {
  if (value.is_boolean()) {
    return value.get<bool>() ? 1 : 0;
  }
  if (value.is_number()) {
    const auto number = value.get<double>();
    return std::isfinite(number) ? std::optional(number) : std::nullopt;
  }
  if (!value.is_string()) {
    return std::nullopt;
  }
  std::string word = value.get<std::string>();
  const std::size_t begin = word.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) {
    return std::nullopt;
  }
  word = UpperCase(word.substr(begin, word.find_last_not_of(" \t\r\n") + 1 - begin));
  return word == "YES" ? std::optional(1.0) : word == "NO" ? std::optional(0.0) : std::nullopt;
}

using Named = std::function<std::optional<std::string>(const std::string&)>;

// Nothing where a dimension is missing.
void Take(const TraceMetricQuery& query, std::int64_t time_ms, std::optional<double> value,
          const Named& dimension, const std::function<void(MetricSample)>& take,
          std::string session = {}) {
  if (!value) {
    return;
  }
  MetricSample sample{time_ms, *value, std::move(session), {}};
  for (const std::string& name : query.dimensions) {
    std::optional<std::string> text = dimension(name);
    if (!text) {
      return;
    }
    sample.dimensions.push_back(*std::move(text));
  }
  take(std::move(sample));
}

void TakeTrace(const TraceMetricQuery& query, RowView row,
               const std::function<void(MetricSample)>& take) {
  std::optional<double> value;
  std::string session;
  if (query.metric_name == "trace_count") {
    value = 1;
  } else if (query.metric_name == "session_count") {
    session = store::IsNull(row[5]) ? "" : Text(row[5]);
    value = store::IsNull(row[5]) ? std::nullopt : std::optional(1.0);
  } else if (query.metric_name == "latency") {
    value = store::IsNull(row[1]) ? std::nullopt : std::optional(static_cast<double>(Int(row[1])));
  } else {
    value = NumberIn(Parsed(store::TextOr(row[4], "null")), query.metric_name);
  }
  Take(
      query, Int(row[0]), value,
      [&](const std::string& name) { return AsText(name == "trace_status" ? row[2] : row[3]); },
      take, std::move(session));
}

void TakeSpan(const TraceMetricQuery& query, RowView row,
              const std::function<void(MetricSample)>& take) {
  const std::int64_t start = Int(row[0]);
  const std::int64_t end = Int(row[1]);
  const json content = Parsed(store::TextOr(row[5], "null"));
  std::optional<double> value;
  if (query.metric_name == "span_count") {
    value = 1;
  } else if (query.metric_name == "latency") {
    value =
        end == 0 ? std::nullopt : std::optional(static_cast<double>((end - start) / kNanosPerMs));
  } else {
    value = NumberIn(Attribute(content, "mlflow.llm.cost"), query.metric_name);
  }
  Take(
      query, start / kNanosPerMs, value,
      [&](const std::string& name) -> std::optional<std::string> {
        return name == "span_name"         ? AsText(row[2])
               : name == "span_type"       ? AsText(row[3])
               : name == "span_status"     ? AsText(row[4])
               : name == "span_model_name" ? AsText(Attribute(content, "mlflow.llm.model"))
                                           : AsText(Attribute(content, "mlflow.llm.provider"));
      },
      take);
}

void TakeAssessment(const TraceMetricQuery& query, RowView row,
                    const std::function<void(MetricSample)>& take) {
  const json judged = AssessmentValue(Text(row[1]), store::TextOr(row[2], "{}"));
  Take(
      query, Int(row[0]),
      query.metric_name == "assessment_count" ? std::optional(1.0) : Judgement(judged),
      [&](const std::string& name) {
        return name == "assessment_name" ? AsText(row[3]) : std::optional(base::DumpJson(judged));
      },
      take);
}

std::string Statement(const TraceMetricQuery& query) {
  const auto pair = [](const char* table, const char* key) {
    return ", (SELECT p.value FROM " + std::string(table) +
           " AS p WHERE p.trace_id = t.trace_id AND p.key = '" + key + "')";
  };
  switch (query.view) {
    case MetricView::kTraces:
      return "SELECT t.timestamp_ms, t.execution_time_ms, t.state" +
             pair("trace_tags", "mlflow.traceName") +
             pair("trace_metadata", "mlflow.trace.tokenUsage") +
             pair("trace_metadata", "mlflow.trace.session") + " FROM traces AS t";
    case MetricView::kSpans: {
      const bool wants_content =
          IsCost(query) ||
          std::any_of(query.dimensions.begin(), query.dimensions.end(),
                      [](const std::string& name) { return name.starts_with("span_model_"); });
      return std::string("SELECT x.start_time_ns, x.end_time_ns, x.name, x.type, x.status, ") +
             (wants_content ? "x.content" : "'null'") +
             " FROM traces AS t JOIN trace_spans AS x ON x.trace_id = t.trace_id";
    }
    case MetricView::kAssessments:
      break;
  }
  return "SELECT t.timestamp_ms, x.kind, x.body, x.name FROM traces AS t JOIN trace_assessments AS "
         "x ON x.trace_id = t.trace_id";
}

}  // namespace

Result<void> ForMetricSamples(store::Metadata& metadata, const TraceMetricQuery& query,
                              const std::function<void(MetricSample)>& take) {
  MILL_ASSIGN_OR_RETURN(const Where where, Conditions(query));
  if (query.experiment_ids.empty()) {
    return {};
  }
  return metadata.ForEach(Statement(query) + where.text(), where.params(), [&](RowView row) {
    switch (query.view) {
      case MetricView::kTraces:
        return TakeTrace(query, row, take);
      case MetricView::kSpans:
        return TakeSpan(query, row, take);
      case MetricView::kAssessments:
        return TakeAssessment(query, row, take);
    }
  });
}

}  // namespace millrace::tracking::internal
