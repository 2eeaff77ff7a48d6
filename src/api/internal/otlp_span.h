// SPDX-License-Identifier: Apache-2.0
// A span of OpenTelemetry on its way in, whichever encoding it had.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "api/internal/otlp.h"
#include "base/result.h"

namespace millrace::api::internal {

/// A span as it comes. Ids are hex digits.
struct RawSpan {
  std::string trace_id;
  std::string span_id;
  std::string parent_id;
  std::string name;
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  /// 1: ok, 2: error.
  std::int64_t status_code = 0;
  std::string status_message;
  /// Of decoded values.
  nlohmann::json attributes = nlohmann::json::object();
  nlohmann::json events = nlohmann::json::array();
  nlohmann::json links = nlohmann::json::array();
};

/// kInvalidArgument: "Invalid OpenTelemetry format".
Error NotOtlp();
/// As it is kept. kInvalidArgument where ids are missing or too long.
Result<tracking::Span> FinishSpan(const RawSpan& raw);
tracking::Tags ResourceTags(const nlohmann::json& attributes);
std::string Base64(std::string_view bytes);
/// Reads the protocol buffers of a request.
Result<std::vector<OtlpBatch>> ParseWireOtlp(std::string_view body);

}  // namespace millrace::api::internal
