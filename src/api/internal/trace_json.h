// SPDX-License-Identifier: Apache-2.0
// Traces and assessments as MLflow's JSON, of its protocol 3.0 and the one before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "tracking/traces.h"

namespace millrace::api::internal {

/// "2023-11-14T22:13:20.123Z".
std::string TimestampText(std::int64_t ms);
/// RFC 3339 with any offset; nothing for another text.
std::optional<std::int64_t> ParseTimestamp(std::string_view text);
/// "1.234s", and back.
std::string DurationText(std::int64_t ms);
std::optional<std::int64_t> ParseDuration(std::string_view text);

/// kInvalidArgument names the field whose value is wrong.
Result<tracking::TraceInfo> ReadTraceInfo(const nlohmann::json& info);
Result<tracking::Assessment> ReadAssessment(const nlohmann::json& assessment);
/// @param mask  the fields to change: "assessmentName,feedback" or {"paths": ["feedback"]}
Result<tracking::AssessmentUpdate> ReadAssessmentUpdate(const nlohmann::json& assessment,
                                                        const nlohmann::json& mask);

nlohmann::json TraceInfoJson(const tracking::TraceInfo& info);
/// Protocol 2.0.
nlohmann::json OldTraceInfoJson(const tracking::TraceInfo& info);
nlohmann::json TraceJson(const tracking::Trace& trace);
nlohmann::json AssessmentJson(const tracking::Assessment& assessment);

}  // namespace millrace::api::internal
