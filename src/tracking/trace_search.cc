// SPDX-License-Identifier: Apache-2.0
// Selects traces by filters on themselves, their tags and metadata, spans, assessments and links.
#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/search_fields.h"
#include "tracking/internal/trace_rows.h"

namespace millrace::tracking::internal {
namespace {

using nlohmann::json;
using store::RowView;
using Ids = std::unordered_set<std::string>;

const std::string kSourceRun = "mlflow.sourceRun";
const std::string kLinkedPrompts = "mlflow.linkedPrompts";

/// What filters and orders can ask of a trace.
struct Candidate {
  std::string trace_id;
  std::int64_t experiment_id = 0;
  std::int64_t timestamp_ms = 0;
  std::optional<std::int64_t> execution_time_ms;
  std::string state;
  std::optional<std::string> client_request_id;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> metadata;
};

FieldValue TextIn(const std::map<std::string, std::string>& pairs, const std::string& key) {
  const auto at = pairs.find(key);
  return at == pairs.end() ? FieldValue() : FieldValue(std::string_view(at->second));
}

FieldValue ValueOf(const Candidate& trace, const Field& field) {
  if (field.kind == FieldKind::kTag) {
    return TextIn(trace.tags, field.key);
  }
  if (field.kind == FieldKind::kMetadata) {
    return TextIn(trace.metadata, field.key);
  }
  if (field.key == "timestamp_ms") {
    return trace.timestamp_ms;
  }
  if (field.key == "execution_time_ms") {
    return trace.execution_time_ms.has_value() ? FieldValue(*trace.execution_time_ms)
                                               : FieldValue();
  }
  if (field.key == "end_time_ms") {
    return trace.timestamp_ms + trace.execution_time_ms.value_or(0);
  }
  if (field.key == "status") {
    return std::string_view(trace.state);
  }
  if (field.key == "client_request_id") {
    return trace.client_request_id.has_value()
               ? FieldValue(std::string_view(*trace.client_request_id))
               : FieldValue();
  }
  if (field.key == "experiment_id") {
    return trace.experiment_id;
  }
  return std::string_view(trace.trace_id);
}

/// An assessment's value: as a JSON text, and what it holds.
struct Judged {
  std::string text;
  json value;
};

Judged ValueOf(const std::string& kind, std::string_view body) {
  json value = AssessmentValue(kind, body);
  std::string text = base::DumpJson(value);
  return {std::move(text), std::move(value)};
}

// A text is compared as it is or in its quotes; only numbers are less or greater.
bool MatchesAssessment(const ClauseTest& test, const Judged& value) {
  switch (test.clause().comparator) {
    case Comparator::kLess:
    case Comparator::kLessEqual:
    case Comparator::kGreater:
    case Comparator::kGreaterEqual:
      return value.value.is_number() && test(value.value.get<double>());
    case Comparator::kEqual:
      return test(std::string_view(value.text)) ||
             (value.value.is_string() &&
              test(std::string_view(value.value.get_ref<const std::string&>())));
    case Comparator::kNotEqual:
      return test(std::string_view(value.text)) &&
             (!value.value.is_string() ||
              test(std::string_view(value.value.get_ref<const std::string&>())));
    default:
      return test(std::string_view(value.text));
  }
}

/// One search.
class Selection {
 public:
  Selection(store::Metadata& metadata, std::span<const std::int64_t> experiment_ids)
      : metadata_(metadata) {
    for (const std::int64_t id : experiment_ids) {
      experiments_.emplace_back(id);
    }
    scope_ = "experiment_id IN (" + Marks(experiments_.size()) + ")";
  }

  Result<std::vector<std::string>> Newest(std::int64_t offset, std::int64_t limit) {
    std::vector<store::Value> params = experiments_;
    params.emplace_back(limit);
    params.emplace_back(offset);
    std::vector<std::string> ids;
    MILL_RETURN_IF_ERROR(
        metadata_.ForEach("SELECT trace_id FROM traces WHERE " + scope_ +
                              " ORDER BY timestamp_ms DESC, trace_id LIMIT ? OFFSET ?",
                          params, [&](RowView row) { ids.push_back(Text(row[0])); }));
    return ids;
  }

  Result<std::vector<Candidate>> Candidates(std::span<const Clause> filter,
                                            std::span<const OrderTerm> order) {
    std::vector<Candidate> candidates;
    MILL_RETURN_IF_ERROR(
        metadata_.ForEach("SELECT trace_id, experiment_id, timestamp_ms, execution_time_ms, state, "
                          "client_request_id FROM traces WHERE " +
                              scope_ + " ORDER BY timestamp_ms DESC, trace_id",
                          experiments_, [&](RowView row) {
                            Candidate trace;
                            trace.trace_id = Text(row[0]);
                            trace.experiment_id = Int(row[1]);
                            trace.timestamp_ms = Int(row[2]);
                            if (!store::IsNull(row[3])) {
                              trace.execution_time_ms = Int(row[3]);
                            }
                            trace.state = Text(row[4]);
                            if (!store::IsNull(row[5])) {
                              trace.client_request_id = Text(row[5]);
                            }
                            candidates.push_back(std::move(trace));
                          }));
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      places_[candidates[i].trace_id] = i;
    }
    MILL_RETURN_IF_ERROR(
        ReadPairs("trace_tags", FieldKind::kTag, filter, order, candidates, &Candidate::tags));
    MILL_RETURN_IF_ERROR(ReadPairs("trace_metadata", FieldKind::kMetadata, filter, order,
                                   candidates, &Candidate::metadata));
    return candidates;
  }

  /// All conditions must hold for one and the same span.
  Result<Ids> WithSpan(const std::vector<ClauseTest>& tests) {
    Ids ids;
    const bool wants_content = std::any_of(tests.begin(), tests.end(), [](const ClauseTest& test) {
      const std::string& key = test.clause().field.key;
      return key == "content" || key.starts_with("attributes.");
    });
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        std::string("SELECT trace_id, name, type, status, ") + (wants_content ? "content" : "''") +
            " FROM trace_spans WHERE trace_id IN (SELECT trace_id FROM traces WHERE " + scope_ +
            ")",
        experiments_, [&](RowView row) {
          const bool matches = std::all_of(tests.begin(), tests.end(), [&](const ClauseTest& test) {
            return MatchesSpan(test, row);
          });
          if (matches) {
            ids.insert(Text(row[0]));
          }
        }));
    return ids;
  }

  Result<Ids> WithAssessment(const ClauseTest& test) {
    const Clause& clause = test.clause();
    const bool asks_existence =
        clause.comparator == Comparator::kIsNull || clause.comparator == Comparator::kIsNotNull;
    const std::string kind(EntityName(clause.field.kind));
    Ids ids;
    std::vector<store::Value> params = {kind, clause.field.key};
    params.insert(params.end(), experiments_.begin(), experiments_.end());
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        "SELECT trace_id, body FROM trace_assessments WHERE kind = ? AND name = ? AND is_valid = 1 "
        "AND trace_id IN (SELECT trace_id FROM traces WHERE " +
            scope_ + ")",
        params, [&](RowView row) {
          if (asks_existence ||
              MatchesAssessment(test, ValueOf(kind, store::TextOr(row[1], "{}")))) {
            ids.insert(Text(row[0]));
          }
        }));
    return ids;
  }

  Result<Ids> Linked(std::string_view table, std::string_view column, const std::string& value) {
    Ids ids;
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        "SELECT trace_id FROM " + std::string(table) + " WHERE " + std::string(column) + " = ?",
        {value}, [&](RowView row) { ids.insert(Text(row[0])); }));
    return ids;
  }

 private:
  static bool MatchesSpan(const ClauseTest& test, RowView row) {
    const std::string& key = test.clause().field.key;
    if (key == "name") {
      return test(store::TextOr(row[1], ""));
    }
    if (key == "type") {
      return test(store::TextOr(row[2], ""));
    }
    if (key == "status") {
      return test(store::TextOr(row[3], ""));
    }
    const std::string_view content = store::TextOr(row[4], "");
    if (key == "content") {
      return test(content);
    }
    const auto parsed = base::ParseJson(content, "span");
    if (!parsed.ok()) {
      return false;
    }
    const json attributes = parsed->value("attributes", json::object());
    const auto at = attributes.find(std::string(
        TrimBackticks(std::string_view(key).substr(std::string_view("attributes.").size()))));
    if (at == attributes.end() || !at->is_string()) {
      return false;
    }
    // An attribute is a JSON text; a text in it is compared without its quotes.
    const auto value = base::ParseJson(at->get_ref<const std::string&>(), "attribute");
    return test(std::string_view(value.ok() && value->is_string()
                                     ? value->get_ref<const std::string&>()
                                     : at->get_ref<const std::string&>()));
  }

  Result<void> ReadPairs(std::string_view table, FieldKind kind, std::span<const Clause> filter,
                         std::span<const OrderTerm> order, std::vector<Candidate>& candidates,
                         std::map<std::string, std::string> Candidate::* pairs) {
    std::vector<store::Value> keys;
    const auto add = [&](const Field& field) {
      if (field.kind == kind) {
        keys.emplace_back(field.key);
      }
    };
    for (const Clause& clause : filter) {
      add(clause.field);
    }
    for (const OrderTerm& term : order) {
      add(term.field);
    }
    if (keys.empty()) {
      return {};
    }
    const std::string sql = "SELECT trace_id, key, value FROM " + std::string(table) +
                            " WHERE key IN (" + Marks(keys.size()) +
                            ") AND trace_id IN (SELECT trace_id FROM traces WHERE " + scope_ + ")";
    keys.insert(keys.end(), experiments_.begin(), experiments_.end());
    return metadata_.ForEach(sql, keys, [&](RowView row) {
      if (const auto at = places_.find(Text(row[0])); at != places_.end()) {
        (candidates[at->second].*pairs)[Text(row[1])] = Text(row[2]);
      }
    });
  }

  store::Metadata& metadata_;
  std::vector<store::Value> experiments_;
  std::string scope_;
  std::unordered_map<std::string, std::size_t> places_;
};

Error PromptFilterError(const Clause& clause) {
  const auto* text = std::get_if<std::string>(&clause.value);
  return base::InvalidArgument("Invalid prompts filter value '" +
                               (text == nullptr ? std::string() : *text) +
                               "'. Expected format: prompt = \"name/version\"");
}

bool IsPromptFilter(const Clause& clause) {
  return clause.field.kind == FieldKind::kTag && clause.field.key == kLinkedPrompts;
}

// A trace belongs to the run that made it, and to those that were linked later.
bool IsRunFilter(const Clause& clause) {
  return clause.field.kind == FieldKind::kMetadata && clause.field.key == kSourceRun &&
         clause.comparator == Comparator::kEqual;
}

Result<void> ApplyClause(Selection& selection, const Clause& clause,
                         std::vector<Candidate>& candidates) {
  const ClauseTest test(clause);
  const auto keep = [&](const Ids& ids, bool is_kept) {
    std::erase_if(candidates,
                  [&](const Candidate& trace) { return ids.contains(trace.trace_id) != is_kept; });
  };
  switch (clause.field.kind) {
    case FieldKind::kSpan:
      return {};
    case FieldKind::kFeedback:
    case FieldKind::kExpectation: {
      MILL_ASSIGN_OR_RETURN(const Ids ids, selection.WithAssessment(test));
      keep(ids, clause.comparator != Comparator::kIsNull);
      return {};
    }
    case FieldKind::kIssue: {
      Clause by_name = clause;
      by_name.field = {FieldKind::kIssue, std::get<std::string>(clause.value)};
      by_name.comparator = Comparator::kIsNotNull;
      MILL_ASSIGN_OR_RETURN(const Ids ids, selection.WithAssessment(ClauseTest(by_name)));
      keep(ids, true);
      return {};
    }
    default:
      break;
  }
  if (IsPromptFilter(clause)) {
    const auto* text = std::get_if<std::string>(&clause.value);
    if (text == nullptr || std::count(text->begin(), text->end(), '/') != 1 ||
        clause.comparator != Comparator::kEqual) {
      return PromptFilterError(clause);
    }
    MILL_ASSIGN_OR_RETURN(const Ids ids, selection.Linked("trace_prompts", "prompt", *text));
    keep(ids, true);
    return {};
  }
  Ids linked;
  if (IsRunFilter(clause)) {
    MILL_ASSIGN_OR_RETURN(
        linked, selection.Linked("trace_runs", "run_id", std::get<std::string>(clause.value)));
  }
  std::erase_if(candidates, [&](const Candidate& trace) {
    return !test(ValueOf(trace, clause.field)) && !linked.contains(trace.trace_id);
  });
  return {};
}

}  // namespace

Result<std::vector<std::string>> SelectTraces(store::Metadata& metadata,
                                              std::span<const std::int64_t> experiment_ids,
                                              std::span<const Clause> filter,
                                              std::span<const OrderTerm> order, std::int64_t offset,
                                              std::int64_t limit) {
  if (experiment_ids.empty()) {
    return std::vector<std::string>();
  }
  Selection selection(metadata, experiment_ids);
  if (filter.empty() && order.empty()) {
    return selection.Newest(offset, limit);
  }
  MILL_ASSIGN_OR_RETURN(std::vector<Candidate> candidates, selection.Candidates(filter, order));
  std::vector<ClauseTest> span_tests;
  for (const Clause& clause : filter) {
    MILL_RETURN_IF_ERROR(ApplyClause(selection, clause, candidates));
    if (clause.field.kind == FieldKind::kSpan) {
      span_tests.emplace_back(clause);
    }
  }
  if (!span_tests.empty()) {
    MILL_ASSIGN_OR_RETURN(const Ids ids, selection.WithSpan(span_tests));
    std::erase_if(candidates,
                  [&](const Candidate& trace) { return !ids.contains(trace.trace_id); });
  }
  FilterAndOrder(candidates, {}, order,
                 [](const Candidate& trace, const Field& field) { return ValueOf(trace, field); });
  std::vector<std::string> ids;
  for (auto i = static_cast<std::size_t>(offset);
       i < candidates.size() && ids.size() < static_cast<std::size_t>(limit); ++i) {
    ids.push_back(candidates[i].trace_id);
  }
  return ids;
}

}  // namespace millrace::tracking::internal
