// SPDX-License-Identifier: Apache-2.0
// Webhooks over HTTP: what tracking asks for, by net.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "tracking/webhooks.h"

namespace millrace::app {

/// Reads the variables that MLflow's server reads: MLFLOW_WEBHOOK_ALLOWED_SCHEMES,
/// MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS, MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY,
/// MLFLOW_WEBHOOK_REQUEST_TIMEOUT (seconds), MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES.
///   - kInvalidArgument for a number that is none
Result<tracking::WebhookOptions> ReadWebhookOptions(
    const std::function<std::optional<std::string>(const std::string&)>& variable);

/// One connection per delivery. Thread-safe.
class HttpWebhookSender final : public tracking::WebhookSender {
 public:
  explicit HttpWebhookSender(const tracking::WebhookOptions& options) : options_(options) {}
  Result<tracking::WebhookReply> Post(const std::string& url, const Headers& headers,
                                      const std::string& body) override;

 private:
  tracking::WebhookOptions options_;
};

}  // namespace millrace::app
