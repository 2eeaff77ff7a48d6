// SPDX-License-Identifier: Apache-2.0
// What searches ask of the spans of a trace, as one short text: names, types, states and short
// attributes, without the inputs and outputs that make up most of a span.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/search.h"
#include "tracking/traces.h"

namespace millrace::tracking::internal {

/// The attributes of a span's content, JSON texts by name; an empty object where there are none.
nlohmann::json SpanAttributes(const Span& span);

/// @param attributes  of each span
std::string TraceDigest(std::span<const Span> spans, std::span<const nlohmann::json> attributes);
/// Replaces the digest of a trace.
Result<void> PutTraceDigest(store::Metadata& metadata, std::int64_t experiment_id,
                            const std::string& trace_id, const std::string& digest);
/// For a trace that may lie in another experiment so far.
Result<void> MoveTraceDigest(store::Metadata& metadata, const std::string& trace_id,
                             std::int64_t experiment_id);
/// Makes the digests of traces that a version without them has written. Cost: reads their spans.
Result<void> MakeMissingDigests(store::Metadata& metadata);

enum class SpanMatch { kNo, kYes, kUnknown };

/// Conditions that one and the same span must meet. Thread-safe.
class SpanTest {
 public:
  explicit SpanTest(std::vector<ClauseTest> tests);
  /// False where a condition looks into the whole content of spans.
  bool can_use_digests() const { return can_use_digests_; }
  /// kUnknown where only the spans themselves can tell.
  SpanMatch MatchDigest(std::string_view digest) const;
  bool MatchSpan(std::string_view name, std::string_view type, std::string_view status,
                 std::string_view content) const;

 private:
  struct Condition {
    ClauseTest test;
    /// Of an attribute; empty for name, type, status and content.
    std::string attribute;
    /// A part of every value that matches, as contents have it too; may be empty.
    std::string needle;
  };

  std::vector<Condition> conditions_;
  bool can_use_digests_ = true;
};

}  // namespace millrace::tracking::internal
