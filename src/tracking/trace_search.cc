// SPDX-License-Identifier: Apache-2.0
// Selects traces by filters on themselves, their tags and metadata, spans, assessments and links.
#include <algorithm>
#include <optional>
#include <utility>

#include "tracking/internal/search_fields.h"
#include "tracking/internal/trace_rows.h"
#include "tracking/internal/trace_selection.h"

namespace millrace::tracking::internal {
namespace {

const std::string kSourceRun = "mlflow.sourceRun";
const std::string kLinkedPrompts = "mlflow.linkedPrompts";

FieldValue TextIn(const std::map<std::string, std::string>& pairs, const std::string& key) {
  const auto at = pairs.find(key);
  return at == pairs.end() ? FieldValue() : FieldValue(std::string_view(at->second));
}

FieldValue ValueOf(const TraceCandidate& trace, const Field& field) {
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

Result<std::string> PromptOf(const Clause& clause, std::string_view comparator) {
  if (clause.comparator != Comparator::kEqual) {
    return base::InvalidArgument("Invalid comparator '" + std::string(comparator) +
                                 "' for prompts filter. Only '=' is supported with format: prompt "
                                 "= \"name/version\"");
  }
  const auto* text = std::get_if<std::string>(&clause.value);
  if (text == nullptr || std::count(text->begin(), text->end(), '/') != 1) {
    return base::InvalidArgument("Invalid prompts filter value '" +
                                 (text == nullptr ? std::string() : *text) +
                                 "'. Expected format: prompt = \"name/version\"");
  }
  return *text;
}

bool IsPromptFilter(const Clause& clause) {
  return clause.field.kind == FieldKind::kTag && clause.field.key == kLinkedPrompts;
}

// A trace belongs to the run that made it, and to those that were linked later.
bool IsRunFilter(const Clause& clause) {
  return clause.field.kind == FieldKind::kMetadata && clause.field.key == kSourceRun &&
         clause.comparator == Comparator::kEqual;
}

/// Traces that a search is narrowed to before it looks at the traces themselves.
class Narrowed {
 public:
  void To(TraceIds ids) {
    if (ids_.has_value()) {
      std::erase_if(*ids_, [&](const std::string& id) { return !ids.contains(id); });
    } else {
      ids_ = std::move(ids);
    }
  }
  void Without(TraceIds ids) { excluded_.merge(ids); }
  /// Nothing: all but those that are excluded.
  const TraceIds* ids() {
    if (ids_.has_value()) {
      std::erase_if(*ids_, [&](const std::string& id) { return excluded_.contains(id); });
    }
    return ids_.has_value() ? &*ids_ : nullptr;
  }
  const TraceIds& excluded() const { return excluded_; }

 private:
  std::optional<TraceIds> ids_;
  TraceIds excluded_;
};

/// Takes the clause if it is about spans, judgements or links; false if it is about the trace.
Result<bool> Narrow(TraceSelection& selection, const Clause& clause, Narrowed& narrowed) {
  switch (clause.field.kind) {
    case FieldKind::kFeedback:
    case FieldKind::kExpectation: {
      MILL_ASSIGN_OR_RETURN(TraceIds ids, selection.WithAssessment(ClauseTest(clause)));
      if (clause.comparator == Comparator::kIsNull) {
        narrowed.Without(std::move(ids));
      } else {
        narrowed.To(std::move(ids));
      }
      return true;
    }
    case FieldKind::kIssue: {
      Clause by_name = clause;
      by_name.field = {FieldKind::kIssue, std::get<std::string>(clause.value)};
      by_name.comparator = Comparator::kIsNotNull;
      MILL_ASSIGN_OR_RETURN(TraceIds ids, selection.WithAssessment(ClauseTest(by_name)));
      narrowed.To(std::move(ids));
      return true;
    }
    default:
      break;
  }
  if (!IsPromptFilter(clause)) {
    return false;
  }
  MILL_ASSIGN_OR_RETURN(const std::string prompt,
                        PromptOf(clause, ComparatorName(clause.comparator)));
  MILL_ASSIGN_OR_RETURN(TraceIds ids, selection.Linked("trace_prompts", "prompt", prompt));
  narrowed.To(std::move(ids));
  return true;
}

Result<void> ApplyClause(TraceSelection& selection, const Clause& clause,
                         std::vector<TraceCandidate>& candidates) {
  const ClauseTest test(clause);
  TraceIds linked;
  if (IsRunFilter(clause)) {
    MILL_ASSIGN_OR_RETURN(
        linked, selection.Linked("trace_runs", "run_id", std::get<std::string>(clause.value)));
  }
  std::erase_if(candidates, [&](const TraceCandidate& trace) {
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
  TraceSelection selection(metadata, experiment_ids);
  Narrowed narrowed;
  std::vector<ClauseTest> span_tests;
  std::vector<Clause> of_traces;
  for (const Clause& clause : filter) {
    if (clause.field.kind == FieldKind::kSpan) {
      span_tests.emplace_back(clause);
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const bool is_taken, Narrow(selection, clause, narrowed));
    if (!is_taken) {
      of_traces.push_back(clause);
    }
  }
  if (!span_tests.empty()) {
    MILL_ASSIGN_OR_RETURN(TraceIds ids, selection.WithSpan(SpanTest(std::move(span_tests))));
    narrowed.To(std::move(ids));
  }
  const TraceIds* only = narrowed.ids();
  if (of_traces.empty() && order.empty() && (only != nullptr || narrowed.excluded().empty())) {
    return selection.Newest(offset, limit, only);
  }
  MILL_ASSIGN_OR_RETURN(std::vector<TraceCandidate> candidates,
                        selection.Candidates(of_traces, order, only));
  std::erase_if(candidates, [&](const TraceCandidate& trace) {
    return narrowed.excluded().contains(trace.trace_id);
  });
  for (const Clause& clause : of_traces) {
    MILL_RETURN_IF_ERROR(ApplyClause(selection, clause, candidates));
  }
  FilterAndOrder(candidates, {}, order, [](const TraceCandidate& trace, const Field& field) {
    return ValueOf(trace, field);
  });
  std::vector<std::string> ids;
  for (auto i = static_cast<std::size_t>(offset);
       i < candidates.size() && ids.size() < static_cast<std::size_t>(limit); ++i) {
    ids.push_back(candidates[i].trace_id);
  }
  return ids;
}

}  // namespace millrace::tracking::internal
