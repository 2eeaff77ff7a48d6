// SPDX-License-Identifier: Apache-2.0
// What the source and the sink of MLflow's SQLite database share: its values as ours.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "app/transfer.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::app::internal {

inline std::string Text(const store::Value& value) {
  return store::TextOr(value, "");
}
inline std::int64_t Int(const store::Value& value) {
  return store::IntOr(value, 0);
}
inline std::optional<std::int64_t> MaybeInt(const store::Value& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(Int(value));
}
inline std::optional<std::string> MaybeText(const store::Value& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(Text(value));
}
inline store::Value OrNull(const std::string& text) {
  return text.empty() ? store::Value{} : store::Value{text};
}
inline store::Value OrNull(const std::optional<std::string>& text) {
  return text ? store::Value{*text} : store::Value{};
}
inline store::Value OrNull(const std::optional<std::int64_t>& number) {
  return number ? store::Value{*number} : store::Value{};
}
inline tracking::LifecycleStage LifecycleOf(const store::Value& value) {
  return Text(value) == "deleted" ? tracking::LifecycleStage::kDeleted
                                  : tracking::LifecycleStage::kActive;
}

/// Rows of two columns.
Result<tracking::Tags> Pairs(store::Metadata& database, std::string_view sql,
                             std::initializer_list<store::Value> params);
using NameSet = std::set<std::string, std::less<>>;
/// Empty for a table that is not there.
Result<NameSet> ColumnsOf(store::Metadata& database, const std::string& table);

/// Around the outputs of a record, with a closing bracket.
inline constexpr std::string_view kWrappedOutputs = "{\"mlflow_wrapped\": ";
/// Metadata of an assessment: the run that made it.
inline constexpr const char* kAssessmentRun = "mlflow.assessment.sourceRunId";

/// A column of trace_info that stands for a tag (the name), a datum, or a number in the JSON object
/// of a datum.
struct PromotedColumn {
  std::string_view key;
  std::string_view name;
  bool is_text = false;
};
inline constexpr std::string_view kTraceName = "mlflow.traceName";
inline constexpr PromotedColumn kPromotedColumns[] = {
    {kTraceName, "trace_name", true},
    {"mlflow.trace.session", "session_id", true},
    {"mlflow.trace.tokenUsage", "input_tokens"},
    {"mlflow.trace.tokenUsage", "output_tokens"},
    {"mlflow.trace.tokenUsage", "total_tokens"},
    {"mlflow.trace.tokenUsage", "cache_read_input_tokens"},
    {"mlflow.trace.tokenUsage", "cache_creation_input_tokens"},
    {"mlflow.trace.tokenUsage", "cache_creation_input_tokens_above_1hr"},
    {"mlflow.trace.cost", "input_cost"},
    {"mlflow.trace.cost", "output_cost"},
    {"mlflow.trace.cost", "total_cost"}};

std::unique_ptr<GenaiSource> MakeSqliteGenaiSource(store::Metadata& database);
std::unique_ptr<GenaiSink> MakeSqliteGenaiSink(store::Metadata& database);

}  // namespace millrace::app::internal
