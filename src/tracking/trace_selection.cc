// SPDX-License-Identifier: Apache-2.0
// Reads candidates and ids of traces for searches.
#include "tracking/internal/trace_selection.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json_spaced.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/search_fields.h"
#include "tracking/internal/trace_rows.h"

namespace millrace::tracking::internal {
namespace {

using nlohmann::json;
using store::RowView;

const std::string kSession = "mlflow.trace.session";

// So many traces are read by their ids; more by reading all.
constexpr std::size_t kFewTraces = 2000;

/// An assessment's value: as a JSON text, and what it holds.
struct Judged {
  std::string text;
  json value;
};

Judged ValueOf(const std::string& kind, std::string_view body) {
  json value = AssessmentValue(kind, body);
  std::string text = base::DumpJsonSpaced(value);
  return {std::move(text), std::move(value)};
}

// A text as it is or in its quotes, a number however it is written: MLflow's protocol makes 5 of
// its clients 5.0.
bool IsValue(const std::string& wanted, const Judged& value) {
  if (wanted == value.text) {
    return true;
  }
  if (value.value.is_string()) {
    return wanted == value.value.get_ref<const std::string&>();
  }
  double number = 0;
  const char* end = wanted.data() + wanted.size();
  const auto read = std::from_chars(wanted.data(), end, number);
  return value.value.is_number() && read.ec == std::errc() && read.ptr == end &&
         number == value.value.get<double>();
}

// Only numbers are less or greater.
bool MatchesAssessment(const ClauseTest& test, const Judged& value) {
  const Comparator comparator = test.clause().comparator;
  switch (comparator) {
    case Comparator::kLess:
    case Comparator::kLessEqual:
    case Comparator::kGreater:
    case Comparator::kGreaterEqual:
      return value.value.is_number() && test(value.value.get<double>());
    case Comparator::kEqual:
    case Comparator::kNotEqual:
      return IsValue(std::get<std::string>(test.clause().value), value) ==
             (comparator == Comparator::kEqual);
    default:
      return test(std::string_view(value.text));
  }
}

}  // namespace

TraceSelection::TraceSelection(store::Metadata& metadata,
                               std::span<const std::int64_t> experiment_ids)
    : metadata_(metadata) {
  for (const std::int64_t id : experiment_ids) {
    experiments_.emplace_back(id);
  }
  scope_ = "experiment_id IN (" + Marks(experiments_.size()) + ")";
}

Result<std::vector<std::string>> TraceSelection::Newest(std::int64_t offset, std::int64_t limit,
                                                        const TraceIds* only) {
  std::vector<std::string> ids;
  if (only == nullptr) {
    MILL_RETURN_IF_ERROR(
        ForNewest(offset, limit, [&](std::string id) { ids.push_back(std::move(id)); }));
    return ids;
  }
  constexpr std::int64_t kAtOnce = 5000;
  std::int64_t n_read = kAtOnce;
  for (std::int64_t at = 0; n_read == kAtOnce && static_cast<std::int64_t>(ids.size()) < limit;
       at += kAtOnce) {
    n_read = 0;
    MILL_RETURN_IF_ERROR(ForNewest(at, kAtOnce, [&](std::string id) {
      ++n_read;
      if (only->contains(id) && --offset < 0 && static_cast<std::int64_t>(ids.size()) < limit) {
        ids.push_back(std::move(id));
      }
    }));
  }
  return ids;
}

Result<std::vector<TraceCandidate>> TraceSelection::Candidates(std::span<const Clause> filter,
                                                               std::span<const OrderTerm> order,
                                                               const TraceIds* only) {
  std::vector<TraceCandidate> candidates;
  const auto take = [&](RowView row) {
    if (only != nullptr && !only->contains(Text(row[0]))) {
      return;
    }
    TraceCandidate trace;
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
  };
  const std::string columns =
      "SELECT trace_id, experiment_id, timestamp_ms, execution_time_ms, state, "
      "client_request_id FROM traces WHERE ";
  const bool is_few = only != nullptr && only->size() <= kFewTraces;
  if (is_few) {
    MILL_RETURN_IF_ERROR(ForKeys(metadata_, std::vector<std::string>(only->begin(), only->end()),
                                 columns + "trace_id IN ", "", take));
    std::erase_if(candidates, [&](const TraceCandidate& trace) {
      return std::find(experiments_.begin(), experiments_.end(),
                       store::Value(trace.experiment_id)) == experiments_.end();
    });
    std::sort(candidates.begin(), candidates.end(),
              [](const TraceCandidate& a, const TraceCandidate& b) {
                return std::tuple(-a.timestamp_ms, std::string_view(a.trace_id)) <
                       std::tuple(-b.timestamp_ms, std::string_view(b.trace_id));
              });
  } else {
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        columns + scope_ + " ORDER BY timestamp_ms DESC, trace_id", experiments_, take));
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    places_[candidates[i].trace_id] = i;
  }
  MILL_RETURN_IF_ERROR(ReadPairs("trace_tags", FieldKind::kTag, filter, order, is_few, candidates,
                                 &TraceCandidate::tags));
  MILL_RETURN_IF_ERROR(ReadPairs("trace_metadata", FieldKind::kMetadata, filter, order, is_few,
                                 candidates, &TraceCandidate::metadata));
  return candidates;
}

Result<TraceIds> TraceSelection::WithSpan(const SpanTest& test) {
  TraceIds ids;
  TraceIds unknown;
  if (test.can_use_digests()) {
    MILL_RETURN_IF_ERROR(
        metadata_.ForEach("SELECT trace_id, spans FROM trace_digests WHERE " + scope_, experiments_,
                          [&](RowView row) {
                            const SpanMatch match = test.MatchDigest(store::TextOr(row[1], ""));
                            if (match != SpanMatch::kNo) {
                              (match == SpanMatch::kYes ? ids : unknown).insert(Text(row[0]));
                            }
                          }));
    if (unknown.empty()) {
      return ids;
    }
  } else {
    MILL_RETURN_IF_ERROR(ForNewest(0, std::numeric_limits<std::int64_t>::max(),
                                   [&](std::string id) { unknown.insert(std::move(id)); }));
  }
  return MatchSpans(test, std::move(unknown), std::move(ids));
}

Result<TraceIds> TraceSelection::WithAssessment(const ClauseTest& test) {
  const Clause& clause = test.clause();
  const bool asks_existence =
      clause.comparator == Comparator::kIsNull || clause.comparator == Comparator::kIsNotNull;
  const std::string kind(EntityName(clause.field.kind));
  TraceIds ids;
  TraceIds of_sessions;
  std::vector<store::Value> params = {kind, clause.field.key};
  params.insert(params.end(), experiments_.begin(), experiments_.end());
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT trace_id, body, metadata FROM trace_assessments WHERE kind = ? AND name = ? AND "
      "is_valid = 1 AND trace_id IN (SELECT trace_id FROM traces WHERE " +
          scope_ + ")",
      params, [&](RowView row) {
        if (asks_existence || MatchesAssessment(test, ValueOf(kind, store::TextOr(row[1], "{}")))) {
          ids.insert(Text(row[0]));
          if (store::TextOr(row[2], "").find("\"" + kSession + "\":") != std::string_view::npos) {
            of_sessions.insert(Text(row[0]));
          }
        }
      }));
  MILL_RETURN_IF_ERROR(AddSessions(of_sessions, ids));
  return ids;
}

Result<TraceIds> TraceSelection::Linked(std::string_view table, std::string_view column,
                                        const std::string& value) {
  TraceIds ids;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT trace_id FROM " + std::string(table) + " WHERE " + std::string(column) + " = ?",
      {value}, [&](RowView row) { ids.insert(Text(row[0])); }));
  return ids;
}

Result<void> TraceSelection::ForNewest(std::int64_t offset, std::int64_t limit,
                                       const std::function<void(std::string)>& take) {
  std::vector<store::Value> params = experiments_;
  params.emplace_back(limit);
  params.emplace_back(offset);
  return metadata_.ForEach("SELECT trace_id FROM traces WHERE " + scope_ +
                               " ORDER BY timestamp_ms DESC, trace_id LIMIT ? OFFSET ?",
                           params, [&](RowView row) { take(Text(row[0])); });
}

Result<TraceIds> TraceSelection::MatchSpans(const SpanTest& test, const TraceIds& traces,
                                            TraceIds ids) {
  const std::string columns = "SELECT trace_id, name, type, status, content FROM trace_spans";
  const auto take = [&](RowView row) {
    if (test.MatchSpan(store::TextOr(row[1], ""), store::TextOr(row[2], ""),
                       store::TextOr(row[3], ""), store::TextOr(row[4], ""))) {
      if (std::string id = Text(row[0]); traces.contains(id)) {
        ids.insert(std::move(id));
      }
    }
  };
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> all,
                        metadata_.Query("SELECT COUNT(*) FROM traces", {}));
  // From front to back is several times faster than trace by trace.
  if (traces.size() * 4 > static_cast<std::size_t>(Int(all[0][0]))) {
    MILL_RETURN_IF_ERROR(metadata_.ForEach(columns, {}, take));
  } else {
    MILL_RETURN_IF_ERROR(ForKeys(metadata_, std::vector<std::string>(traces.begin(), traces.end()),
                                 columns + " WHERE trace_id IN ", "", take));
  }
  return ids;
}

Result<void> TraceSelection::AddSessions(const TraceIds& judged, TraceIds& ids) {
  if (judged.empty()) {
    return {};
  }
  std::unordered_map<std::string, std::vector<std::string>> traces_of;
  TraceIds sessions;
  std::vector<store::Value> params = {kSession};
  params.insert(params.end(), experiments_.begin(), experiments_.end());
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT trace_id, value FROM trace_metadata WHERE key = ? AND trace_id IN (SELECT trace_id "
      "FROM traces WHERE " +
          scope_ + ")",
      params, [&](RowView row) {
        traces_of[Text(row[1])].push_back(Text(row[0]));
        if (judged.contains(Text(row[0]))) {
          sessions.insert(Text(row[1]));
        }
      }));
  for (const std::string& session : sessions) {
    ids.insert(traces_of[session].begin(), traces_of[session].end());
  }
  return {};
}

Result<void> TraceSelection::ReadPairs(std::string_view table, FieldKind kind,
                                       std::span<const Clause> filter,
                                       std::span<const OrderTerm> order, bool by_id,
                                       std::vector<TraceCandidate>& candidates,
                                       Pairs TraceCandidate::* pairs) {
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
  const auto take = [&](RowView row) {
    if (const auto at = places_.find(Text(row[0])); at != places_.end()) {
      (candidates[at->second].*pairs)[Text(row[1])] = Text(row[2]);
    }
  };
  const std::string columns = "SELECT trace_id, key, value FROM " + std::string(table);
  if (by_id) {
    std::vector<std::string> ids;
    for (const TraceCandidate& trace : candidates) {
      ids.push_back(trace.trace_id);
    }
    return ForKeys(metadata_, ids, columns + " WHERE trace_id IN ", "", take);
  }
  const std::string sql = columns + " WHERE key IN (" + Marks(keys.size()) +
                          ") AND trace_id IN (SELECT trace_id FROM traces WHERE " + scope_ + ")";
  keys.insert(keys.end(), experiments_.begin(), experiments_.end());
  return metadata_.ForEach(sql, keys, take);
}

}  // namespace millrace::tracking::internal
