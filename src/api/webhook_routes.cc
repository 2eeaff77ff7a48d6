// SPDX-License-Identifier: Apache-2.0
// Endpoints of webhooks.
#include <algorithm>
#include <cctype>
#include <string>

#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "tracking/webhooks.h"

namespace millrace::api::internal {

namespace {

using tracking::Webhook;
using tracking::WebhookEvent;
using tracking::Webhooks;
using enum FieldType;

// In the order of their numbers, as everything of an enum in a request.
constexpr std::string_view kEntities[] = {
    "REGISTERED_MODEL", "MODEL_VERSION",  "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS",
    "PROMPT",           "PROMPT_VERSION", "PROMPT_TAG",        "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",     "BUDGET_POLICY"};
constexpr std::string_view kActions[] = {"CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED"};
constexpr std::string_view kStatuses[] = {"ACTIVE", "DISABLED"};

constexpr Field kEntity = {
    .name = "entity", .type = kEnum, .is_required = true, .names = kEntities};
constexpr Field kAction = {.name = "action", .type = kEnum, .is_required = true, .names = kActions};
constexpr Field kStatus = {.name = "status", .type = kEnum, .names = kStatuses};
constexpr Field kEvent[] = {kEntity, kAction};
constexpr Field kCreate[] = {
    {.name = "name", .is_required = true},
    {.name = "url", .is_required = true},
    {.name = "events", .type = kObjects, .is_required = true, .fields = kEvent},
    {.name = "description"},
    {.name = "secret"},
    kStatus,
};
constexpr Field kUpdate[] = {
    {.name = "name"},
    {.name = "url"},
    {.name = "events", .type = kObjects, .fields = kEvent},
    {.name = "description"},
    {.name = "secret"},
    kStatus,
};
constexpr Field kList[] = {{.name = "max_results", .type = kInt32}, {.name = "page_token"}};
constexpr Field kTest[] = {{.name = "event", .type = kObject, .fields = kEvent}};

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return upper;
}

WebhookEvent ReadEvent(const Object& event) {
  const auto name = [&](const Field& field) {
    const std::int64_t number = event.Enum(field);
    const bool is_known = number > 0 && number <= static_cast<std::int64_t>(field.names.size());
    return is_known ? Lower(field.names[static_cast<std::size_t>(number - 1)]) : std::string();
  };
  return {name(kEntity), name(kAction)};
}

std::vector<WebhookEvent> ReadEvents(const Message& in) {
  std::vector<WebhookEvent> events;
  for (const Object& event : in.Objects("events")) {
    events.push_back(ReadEvent(event));
  }
  return events;
}

void Write(const Webhook& webhook, JsonWriter& out) {
  out.BeginObject();
  out.Text("webhook_id", webhook.webhook_id);
  out.Text("name", webhook.name);
  out.TextIfAny("description", webhook.description);
  out.Text("url", webhook.url);
  out.List("events", webhook.events, [&](const WebhookEvent& event) {
    out.BeginObject();
    out.Text("entity", Upper(event.entity));
    out.Text("action", Upper(event.action));
    out.EndObject();
  });
  out.Text("status", webhook.is_active ? kStatuses[0] : kStatuses[1]);
  out.Int("creation_timestamp", webhook.creation_time_ms);
  out.Int("last_updated_timestamp", webhook.last_update_time_ms);
  out.EndObject();
}

Result<std::string> WebhookReplyJson(const Result<Webhook>& webhook) {
  if (!webhook.ok()) {
    return webhook.error();
  }
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("webhook");
  Write(*webhook, out);
  out.EndObject();
  return body;
}

Result<std::string> List(Webhooks& webhooks, const Message& in) {
  const int asked = in.Count("max_results");
  MILL_ASSIGN_OR_RETURN(const tracking::Page<Webhook> page,
                        webhooks.List(asked == 0 ? 100 : asked, in.Text("page_token")));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("webhooks", page.items, [&](const Webhook& webhook) { Write(webhook, out); });
  out.TextIfAny("next_page_token", page.next_page_token);
  out.EndObject();
  return body;
}

Result<std::string> Update(Webhooks& webhooks, const Message& in) {
  tracking::WebhookUpdate update;
  const auto if_any = [&](std::string_view name) {
    const std::string text = in.Text(name);
    return text.empty() ? std::optional<std::string>() : text;
  };
  update.name = if_any("name");
  update.url = if_any("url");
  update.description = in.TextIfSet("description");
  update.secret = in.TextIfSet("secret");
  std::vector<WebhookEvent> events = ReadEvents(in);
  if (!events.empty()) {
    update.events = std::move(events);
  }
  if (in.Has("status")) {
    update.is_active = in.Enum(kStatus) == 1;
  }
  return WebhookReplyJson(webhooks.Update(in.param(0), update));
}

Result<std::string> Test(Webhooks& webhooks, const Message& in) {
  std::optional<WebhookEvent> event;
  if (const auto asked = in.ObjectIfSet("event")) {
    event = ReadEvent(*asked);
  }
  MILL_ASSIGN_OR_RETURN(const tracking::WebhookTestResult result,
                        webhooks.Test(in.param(0), event));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("result");
  out.BeginObject();
  out.Bool("success", result.success);
  if (result.response_status != 0) {
    out.Int("response_status", result.response_status);
    out.Text("response_body", result.response_body);
  }
  out.TextIfAny("error_message", result.error_message);
  out.EndObject();
  out.EndObject();
  return body;
}

}  // namespace

void AddWebhookRoutes(Webhooks& webhooks, Router& router) {
  const Mount mount(router);
  mount.Add("POST", "/mlflow/webhooks", kCreate, [&webhooks](const Message& in) {
    return WebhookReplyJson(webhooks.Create({.name = in.Text("name"),
                                             .url = in.Text("url"),
                                             .events = ReadEvents(in),
                                             .description = in.Text("description"),
                                             .secret = in.Text("secret"),
                                             .is_active = in.Enum(kStatus, 1) == 1}));
  });
  mount.Add("GET", "/mlflow/webhooks", kList,
            [&webhooks](const Message& in) { return List(webhooks, in); });
  mount.Add("GET", "/mlflow/webhooks/{webhook_id}", {},
            [&webhooks](const Message& in) { return WebhookReplyJson(webhooks.Get(in.param(0))); });
  mount.Add("PATCH", "/mlflow/webhooks/{webhook_id}", kUpdate,
            [&webhooks](const Message& in) { return Update(webhooks, in); });
  mount.AddAction("DELETE", "/mlflow/webhooks/{webhook_id}", {},
                  [&webhooks](const Message& in) { return webhooks.Delete(in.param(0)); });
  mount.Add("POST", "/mlflow/webhooks/{webhook_id}/test", kTest,
            [&webhooks](const Message& in) { return Test(webhooks, in); });
}

}  // namespace millrace::api::internal
