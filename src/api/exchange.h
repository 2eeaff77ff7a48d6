// SPDX-License-Identifier: Apache-2.0
// MLflow's JSON of traces and records for programs that speak to another MLflow: what its servers
// send and its databases hold, as the types of tracking.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "tracking/evaluation_datasets.h"
#include "tracking/traces.h"

namespace millrace::api {

/// Of protocol 3.0, with assessments, which keep whether they are valid.
Result<tracking::TraceInfo> ReadTraceInfo(const nlohmann::json& info);
nlohmann::json TraceInfoJson(const tracking::TraceInfo& info);
nlohmann::json AssessmentJson(const tracking::Assessment& assessment);

/// A span as MLflow keeps it: ids in base64, attributes as JSON texts. kInvalidArgument for another
/// object (those of MLflow 2 among them).
Result<tracking::Span> ReadKeptSpan(const nlohmann::json& span);
/// OpenTelemetry's export request as JSON, for POST /v1/traces.
std::string OtlpRequest(std::span<const tracking::Span> spans);

/// A JSON list of records as MLflow's server answers them. Their values stay as they are written.
Result<std::vector<tracking::ImportedRecord>> ReadImportedRecords(std::string_view text);
/// The same list without ids and times, for adding them to another dataset.
std::string NewRecordsJson(std::span<const tracking::EvaluationRecord> records);

}  // namespace millrace::api
