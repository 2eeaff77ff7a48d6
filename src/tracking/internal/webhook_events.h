// SPDX-License-Identifier: Apache-2.0
// Events of webhooks: names, checks, bodies.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/change.h"
#include "tracking/webhooks.h"

namespace millrace::tracking::internal {

/// "model_version.created".
std::string EventName(const WebhookEvent& event);
/// kInvalidArgument for what MLflow does not know.
Result<void> CheckEvent(const WebhookEvent& event);
nlohmann::json ExamplePayload(const WebhookEvent& event);
/// {"entity", "action", "timestamp", "data"} as a receiver gets it.
std::string WebhookBody(const std::string& event, std::int64_t time_ms, const nlohmann::json& data);

/// Queues a delivery for each active webhook that asks for the change's event.
Result<void> QueueDeliveries(store::Metadata& metadata, const Change& change);

/// 8-4-4-4-12 hex digits.
std::string NewUuid();

/// kInvalidArgument, in MLflow's words, where a webhook may not have this URL. A host that is a
/// name is judged when it is called, by the address it then has.
Result<void> CheckWebhookUrl(const std::string& url, const WebhookOptions& options);

}  // namespace millrace::tracking::internal
