// SPDX-License-Identifier: Apache-2.0
// Declared fields of requests: the one place that says which names, types and limits an endpoint
// takes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::api::internal {

/// Types of fields, as MLflow's protocol buffers have them. Integers may come as numbers or texts,
/// doubles also as "NaN", "Infinity" and "-Infinity", enums as names or numbers; null is unset.
enum class FieldType : std::uint8_t {
  kText,
  kInt32,
  kInt64,
  kDouble,
  kBool,
  kEnum,
  kTexts,
  kObject,
  kObjects,
  /// Any JSON value.
  kAny
};

/// One field of a request. Declared once per message; requests are checked by it, and
/// docs/api/openapi.yaml is checked against it.
struct Field {
  std::string_view name;
  FieldType type = FieldType::kText;
  /// Neither unset, nor null, nor the empty text.
  bool is_required = false;
  /// What each object of a kObject or kObjects field holds.
  std::span<const Field> fields = {};
  /// Names of an enum; the first has the number 1.
  std::span<const std::string_view> names = {};
  /// The greatest number allowed; 0: no bound.
  std::int64_t max = 0;
  /// The name under which old clients send a required field.
  std::string_view old_name = {};
};

/// The run that a request is about.
inline constexpr Field kRunId = {.name = "run_id", .is_required = true, .old_name = "run_uuid"};

}  // namespace millrace::api::internal
