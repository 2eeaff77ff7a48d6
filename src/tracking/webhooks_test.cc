// SPDX-License-Identifier: Apache-2.0
// Webhooks: what they accept, what they send, and that nothing to be sent is lost.
#include "tracking/webhooks.h"

#include <mutex>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;
using testing::HasSubstr;
using Json = nlohmann::json;

/// Keeps what it was given and answers as told.
class Receiver final : public WebhookSender {
 public:
  struct Call {
    std::string url;
    std::map<std::string, std::string> headers;
    std::string body;
  };
  Result<WebhookReply> Post(const std::string& url, const Headers& headers,
                            const std::string& body) override {
    const std::lock_guard lock(mutex);
    calls.push_back({url, {headers.begin(), headers.end()}, body});
    if (status == 0) {
      return base::Unavailable("nobody listens at " + url);
    }
    return WebhookReply{status, "thanks", retry_after};
  }
  std::size_t n_calls() {
    const std::lock_guard lock(mutex);
    return calls.size();
  }

  std::mutex mutex;
  std::vector<Call> calls;
  int status = 200;
  std::chrono::seconds retry_after{0};
};

class WebhookTest : public internal::StoreTest {
 protected:
  WebhookTest() { Open(); }
  ~WebhookTest() override { hooks_.reset(); }
  void Open(const WebhookOptions& options = {}) {
    hooks_.reset();
    hooks_ = Webhooks::Open(*opened_->metadata, clock(), receiver_, options).value();
  }
  Webhooks& hooks() { return *hooks_; }
  Webhook NewHook(const std::vector<WebhookEvent>& events, const std::string& secret = "") {
    return hooks()
        .Create(
            {.name = "hook", .url = "https://example.com/hook", .events = events, .secret = secret})
        .value();
  }
  void Pass(std::int64_t seconds) {
    clock().Advance(base::Duration{seconds * base::kMicrosPerSecond});
  }

  Receiver receiver_;
  std::unique_ptr<Webhooks> hooks_;
};

const WebhookEvent kCreated{"registered_model", "created"};

MILL_ON_EVERY_DATABASE(WebhookTest);

TEST_P(WebhookTest, AreMadeReadChangedAndDeleted) {
  const std::vector<WebhookEvent> events = {{"model_version_alias", "created"}, kCreated};
  const Webhook made = NewHook(events, "s3cret");
  EXPECT_EQ(made.webhook_id.size(), 36U);
  const Webhook read = hooks().Get(made.webhook_id).value();
  EXPECT_EQ(read.name, "hook");
  EXPECT_EQ(read.events, events);
  EXPECT_TRUE(read.is_active);
  const Webhook changed =
      hooks()
          .Update(made.webhook_id, {.name = "other", .events = {{kCreated}}, .is_active = false})
          .value();
  EXPECT_EQ(changed.name, "other");
  EXPECT_EQ(changed.url, made.url);
  EXPECT_EQ(changed.events, std::vector<WebhookEvent>{kCreated});
  EXPECT_FALSE(changed.is_active);
  EXPECT_GT(changed.last_update_time_ms, made.last_update_time_ms);
  ASSERT_TRUE(hooks().Delete(made.webhook_id).ok());
  EXPECT_EQ(Failure(hooks().Get("x"), ErrorCode::kNotFound), "Webhook with ID x not found.");
  Failure(hooks().Get(made.webhook_id), ErrorCode::kNotFound);
  Failure(hooks().Update("x", {}), ErrorCode::kNotFound);
  Failure(hooks().Delete("x"), ErrorCode::kNotFound);
}

TEST_P(WebhookTest, ListInPages) {
  for (int i = 0; i < 5; ++i) {
    NewHook({kCreated});
  }
  const Page<Webhook> first = hooks().List(2).value();
  EXPECT_EQ(first.items.size(), 2U);
  const Page<Webhook> last = hooks().List(3, first.next_page_token).value();
  EXPECT_EQ(last.items.size(), 3U);
  EXPECT_EQ(last.next_page_token, "");
  EXPECT_EQ(Failure(hooks().List(0), ErrorCode::kInvalidArgument),
            "max_results must be between 1 and 1000.");
}

TEST_P(WebhookTest, NamesUrlsAndEventsAreChecked) {
  const auto create = [&](const std::string& name, const std::string& url,
                          const std::vector<WebhookEvent>& events) {
    return Failure(hooks().Create({.name = name, .url = url, .events = events}),
                   ErrorCode::kInvalidArgument);
  };
  for (const std::string& name : {std::string(), std::string("-a"), std::string("a b"),
                                  std::string(64, 'a'), std::string("a.")}) {
    EXPECT_THAT(create(name, "https://example.com", {kCreated}), HasSubstr("is invalid")) << name;
  }
  const std::vector<std::pair<std::string, std::string>> urls = {
      {"   ", "cannot be empty or just whitespace"},
      {"ftp://example.com", "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https."},
      {"http://example.com", "Invalid webhook URL scheme"},
      {"http://[invalid", "Invalid webhook URL"},
      {"https://", "must include a hostname"},
      {"https://example.com/a b", "Invalid webhook URL"},
      {"https://localhost/x", "non-public"},
      {"https://127.0.0.1/x", "non-public"},
      {"https://127.1", "non-public"},
      {"https://2130706433/", "non-public"},
      {"https://0x7f.0.0.1/", "non-public"},
      {"https://[::1]:8443/", "non-public"},
      {"https://[::ffff:10.0.0.1]/", "non-public"},
      {"https://user@169.254.169.254/latest/meta-data", "non-public"}};
  for (const auto& [url, message] : urls) {
    EXPECT_THAT(create("a", url, {kCreated}), HasSubstr(message)) << url;
  }
  EXPECT_THAT(create("a", "https://example.com", {}), HasSubstr("non-empty list"));
  EXPECT_EQ(create("a", "https://example.com", {{"model_version_tag", "created"}}),
            "Invalid action 'created' for entity 'model_version_tag'. Valid actions are: ['set', "
            "'deleted']");
  EXPECT_TRUE(hooks().Create({.name = "a", .url = "https://8.8.8.8/x", .events = {kCreated}}).ok());
  Open({.allowed_schemes = {"http"}, .allow_private_addresses = true});
  EXPECT_TRUE(
      hooks().Create({.name = "a", .url = "http://127.0.0.1:1/x", .events = {kCreated}}).ok());
}

// By Python's hmac module: hmac.new(b"s3cret", b"id.1700000000.{}", "sha256").
TEST(WebhookSignatureOf, IsMlflows) {
  EXPECT_EQ(WebhookSignature("s3cret", "id", "1700000000", "{}"),
            "v1,E1jT1gXbthS5zn30uBh7ToafsgF7EE2I1cmPPlN15rY=");
}

TEST_P(WebhookTest, AChangeIsToldSignedAndInMlflowsForm) {
  NewHook({kCreated, {"model_version", "created"}}, "s3cret");
  ASSERT_TRUE(registry().CreateModel("churn", "who leaves", {{"team", "growth"}}).ok());
  ASSERT_TRUE(registry().RegisterVersion({.name = "churn", .source = "/m", .run_id = "r1"}).ok());
  ASSERT_TRUE(registry().SetModelTag("churn", "a", "1").ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 2);
  EXPECT_EQ(hooks().DeliverDue().value(), 0) << "nothing is sent twice";
  ASSERT_EQ(receiver_.calls.size(), 2U);
  auto& [url, headers, body] = receiver_.calls[0];
  EXPECT_EQ(url, "https://example.com/hook");
  EXPECT_EQ(headers["Content-Type"], "application/json");
  EXPECT_EQ(headers["X-MLflow-Timestamp"], "1700000000");
  EXPECT_EQ(headers["X-MLflow-Delivery-Id"].size(), 36U);
  EXPECT_EQ(headers["X-MLflow-Signature"],
            WebhookSignature("s3cret", headers["X-MLflow-Delivery-Id"], "1700000000", body));
  EXPECT_EQ(Json::parse(body), Json::parse(R"({
    "entity": "registered_model", "action": "created",
    "timestamp": "2023-11-14T22:13:20.123+00:00",
    "data": {"name": "churn", "tags": {"team": "growth"}, "description": "who leaves"}})"));
  EXPECT_EQ(Json::parse(receiver_.calls[1].body)["data"], Json::parse(R"({
    "name": "churn", "version": "1", "source": "/m", "run_id": "r1", "tags": {},
    "description": null})"));
}

TEST_P(WebhookTest, OnlyEventsAskedForAndOnlyWhileActive) {
  const Webhook hook = NewHook({{"model_version_alias", "created"}});
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  ASSERT_TRUE(registry().RegisterVersion({.name = "churn", .source = "/m"}).ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 0);
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  EXPECT_EQ(Json::parse(receiver_.calls[0].body)["data"],
            Json::parse(R"({"name": "churn", "alias": "champion", "version": "1"})"));
  EXPECT_FALSE(receiver_.calls[0].headers.contains("X-MLflow-Signature")) << "without a secret";
  ASSERT_TRUE(hooks().Update(hook.webhook_id, {.is_active = false}).ok());
  ASSERT_TRUE(registry().SetAlias("churn", "shadow", 1).ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 0);
}

TEST_P(WebhookTest, PromptsHaveEventsOfTheirOwn) {
  for (const WebhookEvent& event : AllWebhookEvents()) {
    NewHook({event});
  }
  const Tags prompt = {{"mlflow.prompt.is_prompt", "true"}};
  ASSERT_TRUE(registry().CreateModel("hi", "", prompt).ok());
  ASSERT_TRUE(registry()
                  .CreateVersion({.name = "hi",
                                  .source = "dummy-source",
                                  .tags = {{"mlflow.prompt.is_prompt", "true"},
                                           {"mlflow.prompt.text", "Hi {{name}}"},
                                           {"a", "b"}}})
                  .ok());
  ASSERT_TRUE(registry().SetModelTag("hi", "k", "v").ok());
  ASSERT_TRUE(registry().DeleteModelTag("hi", "k").ok());
  ASSERT_TRUE(registry().SetVersionTag("hi", 1, "k", "v").ok());
  ASSERT_TRUE(registry().DeleteVersionTag("hi", 1, "k").ok());
  ASSERT_TRUE(registry().SetAlias("hi", "best", 1).ok());
  ASSERT_TRUE(registry().DeleteAlias("hi", "best").ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 8);
  std::set<std::string> told;
  for (const Receiver::Call& call : receiver_.calls) {
    const Json body = Json::parse(call.body);
    told.insert(body["entity"].get<std::string>() + "." + body["action"].get<std::string>());
    if (body["entity"] == "prompt_version") {
      EXPECT_EQ(body["data"], Json::parse(R"({"name": "hi", "version": "1", "description": null,
        "template": "Hi {{name}}", "tags": {"a": "b"}})"));
    }
  }
  EXPECT_EQ(told, (std::set<std::string>{"prompt.created", "prompt_version.created",
                                         "prompt_tag.set", "prompt_tag.deleted",
                                         "prompt_version_tag.set", "prompt_version_tag.deleted",
                                         "prompt_alias.created", "prompt_alias.deleted"}));
}

TEST_P(WebhookTest, AFailedDeliveryIsTriedAgainWithGrowingPausesAndTheSameId) {
  NewHook({kCreated}, "s3cret");
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  receiver_.status = 503;
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  EXPECT_EQ(hooks().DeliverDue().value(), 0) << "a pause of 1 s";
  Pass(1);
  receiver_.status = 0;
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  Pass(1);
  EXPECT_EQ(hooks().DeliverDue().value(), 0) << "a pause of 2 s";
  EXPECT_THAT(hooks().GetBacklog().value().last_error, HasSubstr("nobody listens"));
  Pass(1);
  receiver_.status = 429;
  receiver_.retry_after = std::chrono::seconds(100);
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  Pass(99);
  EXPECT_EQ(hooks().DeliverDue().value(), 0) << "the receiver asked for 100 s";
  Pass(1);
  receiver_.status = 204;
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  EXPECT_EQ(hooks().GetBacklog().value().waiting, 0);
  ASSERT_EQ(receiver_.calls.size(), 4U);
  EXPECT_EQ(receiver_.calls[0].headers["X-MLflow-Delivery-Id"],
            receiver_.calls[3].headers["X-MLflow-Delivery-Id"]);
  EXPECT_EQ(receiver_.calls[3].headers["X-MLflow-Timestamp"], "1700000103");
}

TEST_P(WebhookTest, WhatCannotSucceedIsGivenUp) {
  NewHook({kCreated});
  ASSERT_TRUE(registry().CreateModel("a").ok());
  receiver_.status = 404;
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  EXPECT_EQ(hooks().GetBacklog().value().failed, 1);
  ASSERT_TRUE(registry().CreateModel("b").ok());
  receiver_.status = 500;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(hooks().DeliverDue().ok());
    Pass(61);
  }
  EXPECT_EQ(receiver_.calls.size(), 1U + 8U);
  EXPECT_EQ(hooks().GetBacklog().value().failed, 2);
  EXPECT_EQ(hooks().GetBacklog().value().waiting, 0);
}

TEST_P(WebhookTest, WaitingDeliveriesSurviveARestart) {
  NewHook({kCreated}, "s3cret");
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  receiver_.status = 0;
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  hooks_.reset();
  Reopen();
  Open();
  receiver_.status = 200;
  Pass(1);
  EXPECT_EQ(hooks().DeliverDue().value(), 1);
  EXPECT_EQ(receiver_.calls.size(), 2U);
}

TEST_P(WebhookTest, ARolledBackChangeIsNotTold) {
  NewHook({{"model_version_alias", "created"}});
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  Failure(registry().SetAlias("churn", "champion", 1), ErrorCode::kNotFound);
  EXPECT_EQ(hooks().DeliverDue().value(), 0);
}

TEST_P(WebhookTest, ADeletedWebhookIsToldNothingMore) {
  const Webhook hook = NewHook({kCreated});
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  ASSERT_TRUE(hooks().Delete(hook.webhook_id).ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 0);
}

TEST_P(WebhookTest, TwoProcessesSendADeliveryOnce) {
  NewHook({kCreated});
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  // The other one claimed it and is still sending.
  ASSERT_TRUE(opened_->metadata
                  ->Execute("UPDATE webhook_deliveries SET next_attempt = next_attempt + 60000, "
                            "attempts = 1")
                  .ok());
  EXPECT_EQ(hooks().DeliverDue().value(), 0);
  Pass(60);
  EXPECT_EQ(hooks().DeliverDue().value(), 1) << "it died: taken over";
}

TEST_P(WebhookTest, TestSendsAnExampleOfEachEvent) {
  const Webhook hook = NewHook({kCreated}, "s3cret");
  const WebhookTestResult first = hooks().Test(hook.webhook_id).value();
  EXPECT_TRUE(first.success);
  EXPECT_EQ(first.response_status, 200);
  EXPECT_EQ(first.response_body, "thanks");
  for (const WebhookEvent& event : AllWebhookEvents()) {
    ASSERT_TRUE(hooks().Test(hook.webhook_id, event).value().success);
    const Json body = Json::parse(receiver_.calls.back().body);
    EXPECT_EQ(body["entity"], event.entity);
    EXPECT_EQ(body["action"], event.action);
  }
  receiver_.status = 500;
  EXPECT_FALSE(hooks().Test(hook.webhook_id).value().success);
  receiver_.status = 0;
  const WebhookTestResult none = hooks().Test(hook.webhook_id).value();
  EXPECT_FALSE(none.success);
  EXPECT_THAT(none.error_message, HasSubstr("Failed to test webhook"));
  Failure(hooks().Test("x"), ErrorCode::kNotFound);
}

TEST_P(WebhookTest, SecretsAreEncryptedUnderTheKey) {
  Open({.secret_key = "key"});
  const Webhook hook = NewHook({kCreated}, "s3cret");
  const std::string kept =
      store::TextOr(opened_->metadata->Query("SELECT secret FROM webhooks").value()[0][0], "");
  EXPECT_EQ(kept.find("s3cret"), std::string::npos);
  ASSERT_TRUE(hooks().Test(hook.webhook_id).value().success);
  EXPECT_TRUE(receiver_.calls[0].headers.contains("X-MLflow-Signature"));
  Open({.secret_key = "other"});
  const WebhookTestResult refused = hooks().Test(hook.webhook_id).value();
  EXPECT_THAT(refused.error_message, HasSubstr("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"));
  EXPECT_EQ(receiver_.calls.size(), 1U) << "never sent unsigned";
}

TEST_P(WebhookTest, ThreadsDeliverUntilTheEnd) {
  NewHook({kCreated});
  hooks().StartDelivering();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(registry().CreateModel("m" + std::to_string(i)).ok());
  }
  for (int i = 0; i < 1000 && hooks().GetBacklog().value().waiting > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  hooks_.reset();
  EXPECT_EQ(receiver_.n_calls(), 5U);
}

}  // namespace
}  // namespace millrace::tracking
