// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's trace export requests, as protocol buffers or JSON, to spans as they are kept,
// and back to MLflow's JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "tracking/traces.h"

namespace millrace::api::internal {

/// The spans of one process.
struct OtlpBatch {
  /// Attributes of the process, as texts.
  tracking::Tags resource;
  std::vector<tracking::Span> spans;
};

/// Reads an ExportTraceServiceRequest (opentelemetry-proto 1.x). Unknown fields are skipped.
/// kInvalidArgument for bytes that are none, values nested deeper than 64, and spans without ids.
Result<std::vector<OtlpBatch>> ParseOtlp(std::string_view body, bool is_json);

/// The span as MLflow's clients read it: OpenTelemetry's message in snake_case.
nlohmann::json OtlpJson(const tracking::Span& span);

}  // namespace millrace::api::internal
