// SPDX-License-Identifier: Apache-2.0
// Webhooks: who wants to be told of changes of the registry, and the queue that tells them.
// Deliveries are written in the transaction of the change, survive a restart and are tried again
// with growing pauses.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

/// MLflow's entities and actions, in its spelling: "model_version", "created".
struct WebhookEvent {
  std::string entity;
  std::string action;
  friend bool operator==(const WebhookEvent&, const WebhookEvent&) = default;
};
/// Every event there is, in MLflow's order.
const std::vector<WebhookEvent>& AllWebhookEvents();

/// The secret is never given back.
struct Webhook {
  /// A UUID with dashes.
  std::string webhook_id;
  std::string name;
  std::string url;
  std::vector<WebhookEvent> events;
  std::string description;
  bool is_active = true;
  std::int64_t creation_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
};

struct WebhookRequest {
  std::string name = {};
  std::string url = {};
  std::vector<WebhookEvent> events = {};
  std::string description = {};
  /// Not empty: deliveries are signed with it.
  std::string secret = {};
  bool is_active = true;
};

/// Absent members stay.
struct WebhookUpdate {
  std::optional<std::string> name = {};
  std::optional<std::string> url = {};
  std::optional<std::vector<WebhookEvent>> events = {};
  std::optional<std::string> description = {};
  std::optional<std::string> secret = {};
  std::optional<bool> is_active = {};
};

struct WebhookReply {
  int status = 0;
  std::string body;
  /// What the receiver asked for by Retry-After; 0: nothing.
  std::chrono::seconds retry_after{0};
};

/// Sends one delivery; `app` fulfils it by HTTP. Thread-safe.
class WebhookSender {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  virtual ~WebhookSender() = default;
  /// Any status is a success here. Must refuse to connect to an address for which
  /// base::IsPublicAddress is false, unless that is allowed.
  virtual Result<WebhookReply> Post(const std::string& url, const Headers& headers,
                                    const std::string& body) = 0;
};

struct WebhookOptions {
  std::vector<std::string> allowed_schemes = {"https"};
  bool allow_private_addresses = false;
  /// Not empty: secrets are encrypted under it in the database.
  std::string secret_key = {};
  /// Tries of one delivery before it is given up; pauses of 1, 2, 4, ... up to 60 seconds between.
  int max_attempts = 8;
  /// The longest that one try may take; another process takes a delivery over after twice that.
  std::chrono::seconds timeout{30};
};

/// "X-MLflow-Signature" of a delivery: "v1," and the base64 of HMAC-SHA256 over
/// "<delivery id>.<timestamp>.<body>".
std::string WebhookSignature(std::string_view secret, std::string_view delivery_id,
                             std::string_view timestamp, std::string_view body);

/// Outcome of Test.
struct WebhookTestResult {
  bool success = false;
  /// 0: no reply.
  int response_status = 0;
  std::string response_body;
  std::string error_message;
};

/// Webhooks and their queue. Thread-safe; several processes may hold one on the same database.
/// Errors: kNotFound "Webhook with ID <id> not found."; kInvalidArgument, in MLflow's words, for a
/// bad name, URL or event.
class Webhooks {
 public:
  /// Migrates the tables. The references outlive the object.
  static Result<std::unique_ptr<Webhooks>> Open(store::Metadata& metadata, const base::Clock& clock,
                                                WebhookSender& sender,
                                                const WebhookOptions& options = {});
  Webhooks(store::Metadata& metadata, const base::Clock& clock, WebhookSender& sender,
           WebhookOptions options);
  ~Webhooks();
  Webhooks(const Webhooks&) = delete;
  Webhooks& operator=(const Webhooks&) = delete;

  Result<Webhook> Create(const WebhookRequest& request);
  /// Takes in what another store held, with its id and times, but no secret; one that is there
  /// stays as it is.
  Result<void> Import(const Webhook& webhook);
  Result<Webhook> Get(const std::string& webhook_id);
  /// Newest first; max_results 1 to 1000.
  Result<Page<Webhook>> List(int max_results = 100, const std::string& page_token = "");
  Result<Webhook> Update(const std::string& webhook_id, const WebhookUpdate& update);
  /// With what it was still to be told.
  Result<void> Delete(const std::string& webhook_id);
  /// Sends an example of the event, or of the webhook's first one, and waits. A receiver that does
  /// not answer is no error here.
  Result<WebhookTestResult> Test(const std::string& webhook_id,
                                 const std::optional<WebhookEvent>& event = {});

  /// Sends up to `limit` deliveries that are due. Returns how many it tried.
  Result<int> DeliverDue(int limit = 100);
  /// Deliveries that wait or were given up.
  struct Backlog {
    std::int64_t waiting = 0;
    std::int64_t failed = 0;
    std::string last_error;
  };
  Result<Backlog> GetBacklog();

  /// Delivers what falls due, in threads of this object, until it is destroyed.
  void StartDelivering();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::tracking
