// SPDX-License-Identifier: Apache-2.0
// The queue of deliveries: written with the change, claimed by one process, signed, sent, tried
// again.
#include <algorithm>
#include <array>

#include "base/hmac.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/number_format.h"
#include "base/seal.h"
#include "store/metadata.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/webhook_events.h"
#include "tracking/internal/webhook_state.h"
#include "tracking/webhooks.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;

constexpr int kThreads = 4;
constexpr std::chrono::milliseconds kLook{1000};
constexpr std::int64_t kLongestPauseMs = 60'000;
constexpr std::int64_t kLongestWaitMs = 3'600'000;

/// 1, 2, 4, ... 60 seconds, or what the receiver asked for.
std::int64_t PauseMs(std::int64_t attempts, std::chrono::seconds asked) {
  const std::int64_t pause = attempts > 6
                                 ? kLongestPauseMs
                                 : std::min(kLongestPauseMs, std::int64_t{1000} << (attempts - 1));
  return std::min(kLongestWaitMs, std::max(pause, std::int64_t{1000} * asked.count()));
}

bool IsWorthAnotherTry(int status) {
  constexpr std::array kStatuses = {408, 425, 429, 500, 502, 503, 504};
  return std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
}

}  // namespace

std::string WebhookSignature(std::string_view secret, std::string_view delivery_id,
                             std::string_view timestamp, std::string_view body) {
  std::string text(delivery_id);
  text.append(".").append(timestamp).append(".").append(body);
  return "v1," + base::Base64(base::HmacSha256(secret, text));
}

namespace internal {

std::string NewUuid() {
  std::string uuid = base::NewRunId();
  for (const std::size_t place : {8U, 13U, 18U, 23U}) {
    uuid.insert(place, 1, '-');
  }
  return uuid;
}

std::string WebhookBody(const std::string& event, std::int64_t time_ms,
                        const nlohmann::json& data) {
  const std::size_t dot = event.find('.');
  // With an offset in digits, as Python writes it and its older versions alone read it.
  std::string time = base::FormatTimestamp(Timestamp{time_ms * 1000});
  time.replace(time.size() - 1, 1, "+00:00");
  return base::DumpJson({{"entity", event.substr(0, dot)},
                         {"action", event.substr(dot + 1)},
                         {"timestamp", time},
                         {"data", data}});
}

Result<void> QueueDeliveries(store::Metadata& metadata, const Change& change) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> webhooks,
      metadata.Query("SELECT e.webhook_id FROM webhook_events AS e JOIN webhooks AS w ON "
                     "w.webhook_id = e.webhook_id WHERE e.event = ? AND w.status = 'ACTIVE'",
                     {change.action}));
  for (const store::Row& webhook : webhooks) {
    MILL_RETURN_IF_ERROR(metadata.Execute(
        "INSERT INTO webhook_deliveries (delivery_id, webhook_id, event, body, creation_time, "
        "state, attempts, next_attempt, last_error) VALUES (?, ?, ?, ?, ?, 'waiting', 0, ?, '')",
        {NewUuid(), webhook[0], change.action,
         WebhookBody(change.action, change.time_ms, change.details), change.time_ms,
         change.time_ms}));
  }
  return {};
}

}  // namespace internal

Result<std::string> Webhooks::Impl::Secret(const std::string& kept) const {
  constexpr std::string_view kPlain = "plain:";
  if (kept.empty()) {
    return std::string();
  }
  if (kept.starts_with(kPlain)) {
    return kept.substr(kPlain.size());
  }
  Result<std::string> secret = base::Unseal(options.secret_key, kept);
  if (!secret.ok()) {
    return Error(secret.error())
        .Hint(
            "set MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY to the key under which the webhook was "
            "made, or give the webhook a new secret");
  }
  return secret;
}

Result<WebhookReply> Webhooks::Impl::Send(const std::string& url, const std::string& kept_secret,
                                          const std::string& delivery_id, const std::string& body) {
  MILL_RETURN_IF_ERROR(internal::CheckWebhookUrl(url, options));
  MILL_ASSIGN_OR_RETURN(const std::string secret, Secret(kept_secret));
  const std::string timestamp = std::to_string(NowMs() / 1000);
  WebhookSender::Headers headers = {{"Content-Type", "application/json"},
                                    {"X-MLflow-Delivery-Id", delivery_id},
                                    {"X-MLflow-Timestamp", timestamp}};
  if (!secret.empty()) {
    headers.emplace_back("X-MLflow-Signature",
                         WebhookSignature(secret, delivery_id, timestamp, body));
  }
  return sender.Post(url, headers, body);
}

Result<WebhookTestResult> Webhooks::Test(const std::string& webhook_id,
                                         const std::optional<WebhookEvent>& event) {
  MILL_ASSIGN_OR_RETURN(const Webhook webhook, Get(webhook_id));
  const WebhookEvent tested = event.value_or(webhook.events.at(0));
  MILL_RETURN_IF_ERROR(internal::CheckEvent(tested));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query("SELECT secret FROM webhooks WHERE webhook_id = ?", {webhook_id}));
  const std::string body = internal::WebhookBody(internal::EventName(tested), impl_->NowMs(),
                                                 internal::ExamplePayload(tested));
  const auto reply =
      impl_->Send(webhook.url, rows.empty() ? "" : Text(rows[0][0]), internal::NewUuid(), body);
  WebhookTestResult result;
  if (!reply.ok()) {
    result.error_message = "Failed to test webhook: " + reply.error().ToString();
    return result;
  }
  result.success = reply->status < 400;
  result.response_status = reply->status;
  result.response_body = reply->body;
  return result;
}

Result<int> Webhooks::DeliverDue(int limit) {
  store::Metadata& metadata = impl_->metadata;
  const std::int64_t now = impl_->NowMs();
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> due,
      metadata.Query(
          "SELECT d.delivery_id, d.attempts, d.next_attempt, d.body, w.url, w.secret FROM "
          "webhook_deliveries AS d JOIN webhooks AS w ON w.webhook_id = d.webhook_id WHERE "
          "d.state = 'waiting' AND d.next_attempt <= ? ORDER BY d.next_attempt, d.creation_time "
          "LIMIT ?",
          {now, std::int64_t{limit}}));
  int tried = 0;
  for (const store::Row& row : due) {
    const std::string id = Text(row[0]);
    const std::int64_t attempts = Int(row[1]) + 1;
    // Whoever moves the time of the next try has the delivery; if this process dies, another one
    // takes it over then.
    const std::int64_t until = now + 2000 * impl_->options.timeout.count();
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t claimed,
        metadata.ExecuteCounted("UPDATE webhook_deliveries SET next_attempt = ?, attempts = ? "
                                "WHERE delivery_id = ? AND next_attempt = ? AND state = 'waiting'",
                                {until, attempts, id, row[2]}));
    if (claimed == 0) {
      continue;
    }
    ++tried;
    const auto reply = impl_->Send(Text(row[4]), Text(row[5]), id, Text(row[3]));
    if (reply.ok() && reply->status < 400) {
      MILL_RETURN_IF_ERROR(
          metadata.Execute("DELETE FROM webhook_deliveries WHERE delivery_id = ?", {id}));
      continue;
    }
    const std::string problem =
        reply.ok() ? "status " + std::to_string(reply->status) : reply.error().ToString();
    const bool is_over = attempts >= impl_->options.max_attempts ||
                         (reply.ok() ? !IsWorthAnotherTry(reply->status)
                                     : reply.error().code() == ErrorCode::kInvalidArgument ||
                                           reply.error().code() == ErrorCode::kPermissionDenied);
    const std::int64_t pause =
        PauseMs(attempts, reply.ok() ? reply->retry_after : std::chrono::seconds(0));
    MILL_RETURN_IF_ERROR(metadata.Execute(
        "UPDATE webhook_deliveries SET state = ?, next_attempt = ?, last_error = ? WHERE "
        "delivery_id = ?",
        {std::string(is_over ? "failed" : "waiting"), impl_->NowMs() + pause, problem, id}));
  }
  return tried;
}

Result<Webhooks::Backlog> Webhooks::GetBacklog() {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query(
          "SELECT state, COUNT(*), MAX(last_error) FROM webhook_deliveries GROUP BY state"));
  Backlog backlog;
  for (const store::Row& row : rows) {
    (Text(row[0]) == "failed" ? backlog.failed : backlog.waiting) = Int(row[1]);
    if (!Text(row[2]).empty()) {
      backlog.last_error = Text(row[2]);
    }
  }
  return backlog;
}

void Webhooks::StartDelivering() {
  for (int i = 0; i < kThreads; ++i) {
    impl_->threads.emplace_back([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        // One at a time: a receiver that is slow holds one thread, not a batch. A database that
        // fails for a moment is looked at again later.
        const Result<int> tried = DeliverDue(1);
        if (!tried.ok() || *tried == 0) {
          std::unique_lock lock(impl_->mutex);
          impl_->wake.wait_for(lock, stop, kLook, [] { return false; });
        }
      }
    });
  }
}

}  // namespace millrace::tracking
