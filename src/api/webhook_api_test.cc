// SPDX-License-Identifier: Apache-2.0
// The endpoints of webhooks. Bodies and messages were read from MLflow 3.17.2.
#include <string>

#include "api/internal/tracking_testing.h"

namespace millrace::api {
namespace {

using nlohmann::json;

class WebhookApiTest : public TrackingApiTest {
 protected:
  json NewHook() const {
    return Done(Post("/webhooks",
                     {{"name", "hook"},
                      {"url", "https://example.com/hook"},
                      {"events", {{{"entity", "MODEL_VERSION"}, {"action", "CREATED"}}}},
                      {"secret", "s3cret"}}))
        .at("webhook");
  }
};

TEST_F(WebhookApiTest, AWebhookIsShownWithoutItsSecret) {
  json hook = NewHook();
  const std::string id = hook.at("webhook_id");
  EXPECT_EQ(Done(Get("/webhooks/" + id)).at("webhook"), hook);
  EXPECT_EQ(Done(Get("/webhooks?max_results=10")).at("webhooks"), json::array({hook}));
  hook.erase("webhook_id");
  EXPECT_EQ(hook, (json{{"name", "hook"},
                        {"url", "https://example.com/hook"},
                        {"events", {{{"entity", "MODEL_VERSION"}, {"action", "CREATED"}}}},
                        {"status", "ACTIVE"},
                        {"creation_timestamp", 1'700'000'000'123},
                        {"last_updated_timestamp", 1'700'000'000'123}}));
}

TEST_F(WebhookApiTest, AWebhookChangesAndGoes) {
  const std::string id = NewHook().at("webhook_id");
  const json changed = Done(Ask("PATCH", kRoot + "/webhooks/" + id,
                                R"({"name":"other","status":"DISABLED","events":
                                    [{"entity":"PROMPT_ALIAS","action":"DELETED"}]})"))
                           .at("webhook");
  EXPECT_EQ(changed.at("name"), "other");
  EXPECT_EQ(changed.at("status"), "DISABLED");
  EXPECT_EQ(changed.at("url"), "https://example.com/hook");
  EXPECT_EQ(changed.at("events"), (json{{{"entity", "PROMPT_ALIAS"}, {"action", "DELETED"}}}));
  EXPECT_EQ(Done(Ask("DELETE", kRoot + "/webhooks/" + id)), json::object());
  const Answer gone = Get("/webhooks/" + id);
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.value.at("error_code"), "RESOURCE_DOES_NOT_EXIST");
  EXPECT_EQ(gone.value.at("message"), "Webhook with ID " + id + " not found.");
}

TEST_F(WebhookApiTest, ATestTellsWhatTheReceiverAnswered) {
  const std::string id = NewHook().at("webhook_id");
  EXPECT_EQ(Done(Post("/webhooks/" + id + "/test", json::object())),
            (json{{"result",
                   {{"success", true}, {"response_status", 200}, {"response_body", "thanks"}}}}));
  EXPECT_EQ(Post("/webhooks/" + id + "/test",
                 {{"event", {{"entity", "MODEL_VERSION"}, {"action", "SET"}}}})
                .value.at("message"),
            "Invalid action 'set' for entity 'model_version'. Valid actions are: ['created']");
}

TEST_F(WebhookApiTest, WhatIsWrongIsRefused) {
  const auto message = [&](const json& body) {
    const Answer answer = Post("/webhooks", body);
    EXPECT_EQ(answer.status, 400) << body;
    return answer.value.at("message").get<std::string>();
  };
  EXPECT_NE(message({{"name", "a"}}).find("Missing value for required parameter 'url'"),
            std::string::npos);
  const json events = {{{"entity", "MODEL_VERSION"}, {"action", "CREATED"}}};
  EXPECT_EQ(message({{"name", "a"}, {"url", "http://example.com"}, {"events", events}}),
            "Invalid webhook URL scheme: 'http'. Allowed schemes are: https.");
  EXPECT_EQ(message({{"name", "a"}, {"url", "https://10.0.0.1/"}, {"events", events}}),
            "Webhook URL must not resolve to a non-public IP address. '10.0.0.1' is not public.");
  EXPECT_EQ(Get("/webhooks?max_results=2000").value.at("message"),
            "max_results must be between 1 and 1000.");
}

}  // namespace
}  // namespace millrace::api
