// SPDX-License-Identifier: Apache-2.0
// Reads what one search of traces needs: candidates, and ids by spans, judgements and links.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/trace_digest.h"
#include "tracking/search.h"

namespace millrace::tracking::internal {

using TraceIds = std::unordered_set<std::string>;

/// What filters and orders can ask of a trace.
struct TraceCandidate {
  std::string trace_id;
  std::int64_t experiment_id = 0;
  std::int64_t timestamp_ms = 0;
  std::optional<std::int64_t> execution_time_ms;
  std::string state;
  std::optional<std::string> client_request_id;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> metadata;
};

/// One search in some experiments, at least one.
class TraceSelection {
 public:
  TraceSelection(store::Metadata& metadata, std::span<const std::int64_t> experiment_ids);

  /// Ids in the default order (newest first), of those in `only` where that is given.
  Result<std::vector<std::string>> Newest(std::int64_t offset, std::int64_t limit,
                                          const TraceIds* only);
  /// In the default order, with the tags and metadata that the filter or the order asks for.
  /// @param only  those, if given
  Result<std::vector<TraceCandidate>> Candidates(std::span<const Clause> filter,
                                                 std::span<const OrderTerm> order,
                                                 const TraceIds* only);
  /// Those with a span that meets all conditions.
  Result<TraceIds> WithSpan(const SpanTest& test);
  /// Those with a valid judgement that matches, on themselves or on their session.
  Result<TraceIds> WithAssessment(const ClauseTest& test);
  /// May hold traces of other experiments.
  Result<TraceIds> Linked(std::string_view table, std::string_view column,
                          const std::string& value);

 private:
  using Pairs = std::map<std::string, std::string>;

  Result<void> ForNewest(std::int64_t offset, std::int64_t limit,
                         const std::function<void(std::string)>& take);
  /// Adds to `ids` those of `traces` that have a span that matches.
  Result<TraceIds> MatchSpans(const SpanTest& test, const TraceIds& traces, TraceIds ids);
  /// A judgement of a session is one of each of its traces.
  /// @param judged  traces that bear such judgements
  Result<void> AddSessions(const TraceIds& judged, TraceIds& ids);
  Result<void> ReadPairs(std::string_view table, FieldKind kind, std::span<const Clause> filter,
                         std::span<const OrderTerm> order, bool by_id,
                         std::vector<TraceCandidate>& candidates, Pairs TraceCandidate::* pairs);

  store::Metadata& metadata_;
  std::vector<store::Value> experiments_;
  std::string scope_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace millrace::tracking::internal
