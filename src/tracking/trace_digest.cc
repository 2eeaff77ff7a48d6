// SPDX-License-Identifier: Apache-2.0
// Makes digests of spans, and asks them and the spans themselves.
#include "tracking/internal/trace_digest.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/search_fields.h"
#include "tracking/internal/trace_rows.h"

namespace millrace::tracking::internal {
namespace {

using nlohmann::json;
using View = std::string_view;

// They reach disk. A digest is its spans, each with kEndOfSpan behind it; a span is name, type,
// status and attributes with kBetween before each of the latter three, an attribute key, kIs and
// value. A value that is long, or holds such characters, is kUnknown.
constexpr char kUnknown = '\x1c';
constexpr char kIs = '\x1d';
constexpr char kEndOfSpan = '\x1e';
constexpr char kBetween = '\x1f';
constexpr std::size_t kMaxValueBytes = 128;
constexpr std::size_t kMaxAttributes = 64;

constexpr View kRequestId = "mlflow.traceRequestId";
constexpr View kSpanType = "mlflow.spanType";
constexpr View kPrefix = "attributes.";

bool IsPlain(View text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
}

void AppendValue(View value, std::size_t most, std::string& out) {
  if (value.size() <= most && IsPlain(value)) {
    out += value;
  } else {
    out += kUnknown;
  }
}

// An attribute is a JSON text; a text in it is compared without its quotes.
std::string AttributeText(const std::string& text) {
  if (!text.starts_with('"')) {
    return text;
  }
  if (text.size() >= 2 && text.find_first_of("\"\\", 1) == text.size() - 1) {
    return text.substr(1, text.size() - 2);  // nothing in it is escaped
  }
  const auto value = base::ParseJson(text, "attribute");
  return value.ok() && value->is_string() ? value->get<std::string>() : text;
}

// Those that digests leave out: they are not searched for, or stand there already.
bool IsLeftOut(View key) {
  return key == kRequestId || key == kSpanType;
}

void AppendSpan(const Span& span, const json& attributes, std::string& out) {
  AppendValue(span.name, 1000, out);
  out += kBetween;
  AppendValue(span.type, 1000, out);
  out += kBetween;
  AppendValue(span.status, 1000, out);
  std::size_t n = 0;
  for (const auto& [key, value] : attributes.items()) {
    if (!value.is_string() || IsLeftOut(key)) {
      continue;
    }
    out += kBetween;
    if (++n > kMaxAttributes || !IsPlain(key) || key.size() > kMaxValueBytes) {
      // Any attribute may be this one.
      out += kUnknown;
      if (n > kMaxAttributes) {
        break;
      }
      continue;
    }
    out += key;
    out += kIs;
    const std::string& text = value.get_ref<const std::string&>();
    AppendValue(text.size() > 2 * kMaxValueBytes ? View(&kUnknown, 1) : View(AttributeText(text)),
                kMaxValueBytes, out);
  }
  out += kEndOfSpan;
}

// Cuts the text up to the separator off the front; all of it if there is none.
View Cut(View& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const View piece = rest.substr(0, at);
  rest.remove_prefix(at == View::npos ? rest.size() : at + 1);
  return piece;
}

bool IsUnknown(View value) {
  return value.size() == 1 && value.front() == kUnknown;
}

SpanMatch Ask(const ClauseTest& test, View value) {
  return IsUnknown(value) ? SpanMatch::kUnknown : test(value) ? SpanMatch::kYes : SpanMatch::kNo;
}

/// A span of a digest.
struct Entry {
  explicit Entry(View text) : rest(text) {
    name = Cut(rest, kBetween);
    type = Cut(rest, kBetween);
    status = Cut(rest, kBetween);
  }

  // What the span has for the attribute; nothing where it has none.
  std::optional<View> Attribute(View wanted) const {
    View left = rest;
    bool has_unknown = false;
    while (!left.empty()) {
      View value = Cut(left, kBetween);
      if (IsUnknown(value)) {
        has_unknown = true;
      } else if (Cut(value, kIs) == wanted) {
        return value;
      }
    }
    return has_unknown ? std::optional(View(&kUnknown, 1)) : std::nullopt;
  }

  View name;
  View type;
  View status;
  View rest;
};

// Name, type and status that a span does not have match nothing, as NULL in SQL.
SpanMatch AskEntry(const ClauseTest& test, const std::string& attribute, const Entry& entry) {
  const std::string& key = test.clause().field.key;
  if (attribute.empty()) {
    const View value = key == "name" ? entry.name : key == "type" ? entry.type : entry.status;
    return key == "type" && value.empty() ? SpanMatch::kNo : Ask(test, value);
  }
  if (attribute == kSpanType) {
    return entry.type.empty() ? SpanMatch::kNo : Ask(test, entry.type);
  }
  if (attribute == kRequestId) {
    return SpanMatch::kUnknown;
  }
  const std::optional<View> value = entry.Attribute(attribute);
  return value.has_value() ? Ask(test, *value) : SpanMatch::kNo;
}

// Letters that JSON leaves as they are, also in a text within a text.
bool IsLiteral(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
         c == '-' || c == '.' || c == ':' || c == ',' || c == '@';
}

// The longest run of such letters in what the clause wants; empty where case does not matter.
std::string NeedleOf(const Clause& clause) {
  const auto* wanted = std::get_if<std::string>(&clause.value);
  const bool is_like = clause.comparator == Comparator::kLike;
  if (wanted == nullptr || (clause.comparator != Comparator::kEqual && !is_like)) {
    return {};
  }
  View best;
  for (std::size_t begin = 0; begin < wanted->size();) {
    std::size_t end = begin;
    while (end < wanted->size() && IsLiteral((*wanted)[end])) {
      ++end;
    }
    if (end - begin > best.size()) {
      best = View(*wanted).substr(begin, end - begin);
    }
    begin = end + 1;
  }
  return std::string(best);
}

}  // namespace

json SpanAttributes(const Span& span) {
  auto content = base::ParseJson(span.content, "span");
  if (!content.ok() || !content->is_object()) {
    return json::object();
  }
  const auto at = content->find("attributes");
  return at != content->end() && at->is_object() ? std::move(*at) : json::object();
}

std::string TraceDigest(std::span<const Span> spans, std::span<const json> attributes) {
  std::string digest;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    AppendSpan(spans[i], attributes[i], digest);
  }
  return digest;
}

Result<void> PutTraceDigest(store::Metadata& metadata, std::int64_t experiment_id,
                            const std::string& trace_id, const std::string& digest) {
  return metadata.Execute(
      "INSERT INTO trace_digests (experiment_id, trace_id, spans) VALUES (?, ?, ?) ON CONFLICT "
      "(experiment_id, trace_id) DO UPDATE SET spans = excluded.spans",
      {experiment_id, trace_id, digest});
}

Result<void> MoveTraceDigest(store::Metadata& metadata, const std::string& trace_id,
                             std::int64_t experiment_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> known,
      metadata.Query("SELECT experiment_id FROM traces WHERE trace_id = ?", {trace_id}));
  if (known.empty() || Int(known[0][0]) == experiment_id) {
    return {};
  }
  return metadata.Execute(
      "UPDATE trace_digests SET experiment_id = ? WHERE experiment_id = ? AND trace_id = ?",
      {experiment_id, Int(known[0][0]), trace_id});
}

Result<void> MakeMissingDigests(store::Metadata& metadata) {
  constexpr std::int64_t kAtOnce = 500;
  while (true) {
    std::vector<std::pair<std::string, std::int64_t>> traces;
    MILL_RETURN_IF_ERROR(metadata.ForEach(
        "SELECT u.trace_id, t.experiment_id FROM trace_undigested AS u LEFT JOIN traces AS t ON "
        "t.trace_id = u.trace_id ORDER BY u.trace_id LIMIT ?",
        {kAtOnce}, [&](store::RowView row) {
          traces.emplace_back(Text(row[0]), store::IsNull(row[1]) ? -1 : Int(row[1]));
        }));
    if (traces.empty()) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata));
    for (const auto& [trace_id, experiment_id] : traces) {
      if (experiment_id >= 0) {
        MILL_ASSIGN_OR_RETURN(const std::vector<Span> spans, ReadSpans(metadata, trace_id));
        std::vector<json> attributes;
        for (const Span& span : spans) {
          attributes.push_back(SpanAttributes(span));
        }
        MILL_RETURN_IF_ERROR(
            PutTraceDigest(metadata, experiment_id, trace_id, TraceDigest(spans, attributes)));
      }
      MILL_RETURN_IF_ERROR(
          metadata.Execute("DELETE FROM trace_undigested WHERE trace_id = ?", {trace_id}));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
  }
}

SpanTest::SpanTest(std::vector<ClauseTest> tests) {
  for (ClauseTest& test : tests) {
    const std::string key = test.clause().field.key;
    std::string needle = NeedleOf(test.clause());
    can_use_digests_ = can_use_digests_ && key != "content";
    conditions_.push_back({std::move(test),
                           key.starts_with(kPrefix)
                               ? std::string(TrimBackticks(View(key).substr(kPrefix.size())))
                               : std::string(),
                           std::move(needle)});
  }
}

SpanMatch SpanTest::MatchDigest(std::string_view digest) const {
  SpanMatch best = SpanMatch::kNo;
  while (!digest.empty()) {
    const Entry entry(Cut(digest, kEndOfSpan));
    SpanMatch of_span = SpanMatch::kYes;
    for (const Condition& condition : conditions_) {
      const SpanMatch match = AskEntry(condition.test, condition.attribute, entry);
      if (match != SpanMatch::kYes) {
        of_span = match;
      }
      if (match == SpanMatch::kNo) {
        break;
      }
    }
    if (of_span == SpanMatch::kYes) {
      return of_span;
    }
    best = of_span == SpanMatch::kUnknown ? of_span : best;
  }
  return best;
}

bool SpanTest::MatchSpan(std::string_view name, std::string_view type, std::string_view status,
                         std::string_view content) const {
  std::optional<json> attributes;
  for (const Condition& condition : conditions_) {
    const std::string& key = condition.test.clause().field.key;
    // Most contents do not have it, and memmem is faster than a pattern, let alone a parser.
    const bool looks_inside = !condition.attribute.empty() || key == "content";
    if (looks_inside && memmem(content.data(), content.size(), condition.needle.data(),
                               condition.needle.size()) == nullptr) {
      return false;
    }
    if (condition.attribute.empty()) {
      const View value = key == "name"     ? name
                         : key == "type"   ? type
                         : key == "status" ? status
                                           : content;
      if ((key == "type" && value.empty()) || !condition.test(value)) {
        return false;
      }
      continue;
    }
    if (!attributes.has_value()) {
      Span span;
      span.content = content;
      attributes = SpanAttributes(span);
    }
    const auto at = attributes->find(condition.attribute);
    if (at == attributes->end() || !at->is_string() ||
        !condition.test(View(AttributeText(at->get_ref<const std::string&>())))) {
      return false;
    }
  }
  return true;
}

}  // namespace millrace::tracking::internal
