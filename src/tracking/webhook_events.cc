// SPDX-License-Identifier: Apache-2.0
// Which events there are, and an example of each for tests of a receiver.
#include "tracking/internal/webhook_events.h"

#include <algorithm>

namespace millrace::tracking {

const std::vector<WebhookEvent>& AllWebhookEvents() {
  static const std::vector<WebhookEvent> events = {{"registered_model", "created"},
                                                   {"model_version", "created"},
                                                   {"model_version_tag", "set"},
                                                   {"model_version_tag", "deleted"},
                                                   {"model_version_alias", "created"},
                                                   {"model_version_alias", "deleted"},
                                                   {"prompt", "created"},
                                                   {"prompt_version", "created"},
                                                   {"prompt_tag", "set"},
                                                   {"prompt_tag", "deleted"},
                                                   {"prompt_version_tag", "set"},
                                                   {"prompt_version_tag", "deleted"},
                                                   {"prompt_alias", "created"},
                                                   {"prompt_alias", "deleted"},
                                                   {"budget_policy", "exceeded"}};
  return events;
}

namespace internal {

std::string EventName(const WebhookEvent& event) {
  return event.entity + "." + event.action;
}

Result<void> CheckEvent(const WebhookEvent& event) {
  std::string valid;
  for (const WebhookEvent& known : AllWebhookEvents()) {
    if (known == event) {
      return {};
    }
    if (known.entity == event.entity) {
      valid += (valid.empty() ? "'" : ", '") + known.action + "'";
    }
  }
  return base::InvalidArgument("Invalid action '" + event.action + "' for entity '" + event.entity +
                               "'. Valid actions are: [" + valid + "]");
}

nlohmann::json ExamplePayload(const WebhookEvent& event) {
  using Json = nlohmann::json;
  const bool is_prompt = event.entity.starts_with("prompt");
  if (event.entity == "budget_policy") {
    return {{"budget_policy_id", "bp-abc123"}, {"budget_unit", "USD"},
            {"budget_amount", 100.0},          {"current_spend", 105.5},
            {"duration_unit", "MONTHS"},       {"duration_value", 1},
            {"target_scope", "ENDPOINT"},      {"workspace", "default"},
            {"target_value", "ep-abc123"},     {"window_start", 1'704'067'200'000}};
  }
  Json json = {{"name", is_prompt ? "example_prompt" : "example_model"}};
  const bool is_alias = event.entity.ends_with("_alias");
  const bool is_tag = event.entity.ends_with("_tag");
  const bool is_version = event.entity.find("_version") != std::string::npos && !is_alias;
  if (is_version || (is_alias && event.action == "created")) {
    json["version"] = "1";
  }
  if (is_alias) {
    json["alias"] = "example_alias";
  } else if (is_tag) {
    json["key"] = "example_key";
    if (event.action == "set") {
      json["value"] = "example_value";
    }
  } else {
    json["tags"] = Json{{"example_key", "example_value"}};
    json["description"] = std::string(is_prompt && is_version ? "An example prompt version"
                                      : is_prompt             ? "An example prompt"
                                      : is_version            ? "An example model version"
                                                              : "An example registered model");
    if (event.entity == "model_version") {
      json["source"] = "models:/123";
      json["run_id"] = "abcd1234abcd5678";
    } else if (event.entity == "prompt_version") {
      json["template"] = "Hello {{name}}!";
    }
  }
  return json;
}

}  // namespace internal
}  // namespace millrace::tracking
