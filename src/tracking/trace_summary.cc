// SPDX-License-Identifier: Apache-2.0
// What the spans of a trace say about the whole: times, state, previews, sums of tokens and cost.
#include <algorithm>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/trace_rows.h"

namespace millrace::tracking::internal {
namespace {

using nlohmann::json;

constexpr std::size_t kPreviewCharacters = 1000;
constexpr std::string_view kTagPrefix = "mlflow.traceTag.";

// An attribute is a JSON text; what it holds.
json Decoded(const json& attributes, std::string_view key) {
  const auto at = attributes.find(std::string(key));
  if (at == attributes.end() || !at->is_string()) {
    return nullptr;
  }
  const auto value = base::ParseJson(at->get_ref<const std::string&>(), "attribute");
  return value.ok() ? *value : json(*at);
}

std::string AsText(const json& value) {
  return value.is_string() ? value.get<std::string>() : base::DumpJson(value);
}

// The text of the last message of that role, for chats as OpenAI writes them.
std::optional<std::string> ChatText(const json& value, std::string_view role) {
  if (!value.is_object()) {
    return std::nullopt;
  }
  json messages = value.value("messages", json());
  if (const auto choices = value.find("choices"); choices != value.end() && choices->is_array() &&
                                                  !choices->empty() &&
                                                  choices->front().is_object()) {
    messages = json::array({choices->front().value("message", json())});
  }
  if (!messages.is_array()) {
    return std::nullopt;
  }
  for (auto at = messages.rbegin(); at != messages.rend(); ++at) {
    if (at->is_object() && at->value("role", json()) == role &&
        at->value("content", json()).is_string()) {
      return at->at("content").get<std::string>();
    }
  }
  return std::nullopt;
}

std::optional<std::string> Preview(const json& attributes, const std::string& key,
                                   std::string_view role) {
  const auto at = attributes.find(key);
  if (at == attributes.end() || !at->is_string()) {
    return std::nullopt;
  }
  const std::string text =
      ChatText(Decoded(attributes, key), role).value_or(at->get<std::string>());
  const bool is_short = Truncated(text, kPreviewCharacters).size() == text.size();
  return is_short ? text : Truncated(text, kPreviewCharacters - 3) + "...";
}

struct Node {
  std::string parent_id;
  json value;
};

// A span that has the attribute stands for all spans below it: some libraries write running totals
// on parents. Sums are whole numbers where all values are.
std::optional<std::string> Sum(const std::unordered_map<std::string, Node>& nodes) {
  json total = json::object();
  for (const auto& [id, node] : nodes) {
    if (!node.value.is_object()) {
      continue;
    }
    bool is_counted = false;
    std::string parent = node.parent_id;
    for (std::size_t depth = 0; !parent.empty() && depth < nodes.size() && !is_counted; ++depth) {
      const auto at = nodes.find(parent);
      if (at == nodes.end()) {
        break;
      }
      is_counted = at->second.value.is_object();
      parent = at->second.parent_id;
    }
    if (is_counted) {
      continue;
    }
    for (const auto& [key, value] : node.value.items()) {
      if (value.is_number_integer() && total.value(key, json(0)).is_number_integer()) {
        total[key] = total.value(key, std::int64_t{0}) + value.get<std::int64_t>();
      } else if (value.is_number()) {
        total[key] = total.value(key, 0.0) + value.get<double>();
      }
    }
  }
  return total.empty() ? std::nullopt : std::optional(base::DumpJson(total));
}

}  // namespace

TraceSummary Summarise(std::span<const Span> spans, std::span<const json> all_attributes) {
  TraceSummary summary;
  summary.start_ms = spans[0].start_time_ns / 1'000'000;
  std::unordered_map<std::string, Node> usage;
  std::unordered_map<std::string, Node> cost;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const Span& span = spans[i];
    const json& attributes = all_attributes[i];
    summary.start_ms = std::min(summary.start_ms, span.start_time_ns / 1'000'000);
    if (span.end_time_ns != 0) {
      summary.end_ms = std::max(summary.end_ms.value_or(0), span.end_time_ns / 1'000'000);
    }
    usage[span.span_id] = {span.parent_id, Decoded(attributes, "mlflow.chat.tokenUsage")};
    cost[span.span_id] = {span.parent_id, Decoded(attributes, "mlflow.llm.cost")};
    for (const auto& [attribute, key] : {std::pair("session.id", "mlflow.trace.session"),
                                         std::pair("user.id", "mlflow.trace.user")}) {
      if (const json value = Decoded(attributes, attribute); !value.is_null()) {
        summary.metadata.emplace(key, AsText(value));
      }
    }
    if (!span.parent_id.empty()) {
      continue;
    }
    summary.root_state = span.status == "ERROR" ? "ERROR" : "OK";
    summary.request_preview = Preview(attributes, "mlflow.spanInputs", "user");
    summary.response_preview = Preview(attributes, "mlflow.spanOutputs", "assistant");
    for (const auto& [key, value] : attributes.items()) {
      const std::string tag = key.starts_with(kTagPrefix) ? key.substr(kTagPrefix.size()) : "";
      if (!tag.empty() && CheckKey("tag", tag).ok()) {
        summary.tags[tag] = AsText(Decoded(attributes, key));
      }
    }
  }
  if (const auto total = Sum(usage)) {
    summary.metadata["mlflow.trace.tokenUsage"] = *total;
  }
  if (const auto total = Sum(cost)) {
    summary.metadata["mlflow.trace.cost"] = *total;
  }
  return summary;
}

}  // namespace millrace::tracking::internal
