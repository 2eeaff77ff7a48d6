// SPDX-License-Identifier: Apache-2.0
// Tells the audit log and the webhooks of a change, within the transaction that makes it.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "store/metadata.h"

namespace millrace::tracking::internal {

struct Change {
  std::int64_t time_ms = 0;
  std::string actor;
  /// "<entity>.<verb>"; where MLflow has a webhook event for it, that event's name.
  std::string action;
  /// What was changed: "models:/churn", "models:/churn/3".
  std::string object;
  /// What it was changed to; the payload of the webhook.
  nlohmann::json details = {};
  /// Where the reason can be looked up: a link, a ticket, a file.
  std::string evidence = {};
};

/// To be called inside a Transaction.
Result<void> RecordChange(store::Metadata& metadata, const Change& change);

inline std::string ModelObject(const std::string& name) {
  return "models:/" + name;
}
inline std::string VersionObject(const std::string& name, std::int64_t version) {
  return "models:/" + name + "/" + std::to_string(version);
}

}  // namespace millrace::tracking::internal
