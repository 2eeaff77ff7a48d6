// SPDX-License-Identifier: Apache-2.0
// Values of MLflow's SQLite database as ours.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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

}  // namespace millrace::app::internal
