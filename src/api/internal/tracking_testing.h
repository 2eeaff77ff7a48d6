// SPDX-License-Identifier: Apache-2.0
// An Api over a tracking store and a registry in a folder of their own, asked without a socket; for
// the tests of this module.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/server_api.h"
#include "base/clock.h"
#include "base/json.h"
#include "serving/endpoint.h"
#include "store/metadata.h"
#include "store/workspace.h"
#include "tracking/evaluation_datasets.h"
#include "tracking/issues.h"
#include "tracking/registry.h"
#include "tracking/scorers.h"
#include "tracking/store.h"
#include "tracking/traces.h"
#include "tracking/webhooks.h"

namespace millrace::api {

/// Every receiver of webhooks thanks.
class ThankfulReceiver final : public tracking::WebhookSender {
 public:
  Result<tracking::WebhookReply> Post(const std::string&, const Headers&,
                                      const std::string&) override {
    return tracking::WebhookReply{200, "thanks"};
  }
};

class TrackingApiTest : public ::testing::Test {
 protected:
  using json = nlohmann::json;

  TrackingApiTest() {
    std::string pattern = ::testing::TempDir() + "/api_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    workspace_ = std::make_unique<store::Workspace>(
        store::Workspace::Open(root_ / "workspace", true).value());
    metadata_ = store::OpenSqlite(workspace_->MetadataPath()).value();
    tracking_ = tracking::TrackingStore::Open(*metadata_, *workspace_, clock_).value();
    registry_ = tracking::Registry::Open(*metadata_, clock_).value();
    webhooks_ = tracking::Webhooks::Open(*metadata_, clock_, receiver_).value();
    traces_ = tracking::TraceStore::Open(*metadata_, clock_).value();
    evaluation_datasets_ =
        tracking::EvaluationDatasets::Open(*tracking_, *metadata_, clock_).value();
    scorers_ = tracking::Scorers::Open(*tracking_, *metadata_, clock_).value();
    issues_ = tracking::Issues::Open(*tracking_, *metadata_, clock_).value();
    ApiParts parts;
    parts.endpoints = &endpoints_;
    parts.evaluation_datasets = evaluation_datasets_.get();
    parts.scorers = scorers_.get();
    parts.issues = issues_.get();
    parts.tracking = tracking_.get();
    parts.registry = registry_.get();
    parts.webhooks = webhooks_.get();
    parts.traces = traces_.get();
    api_ = std::make_unique<Api>(Context{}, std::move(parts));
  }
  ~TrackingApiTest() override {
    api_.reset();
    webhooks_.reset();
    traces_.reset();
    evaluation_datasets_.reset();
    scorers_.reset();
    issues_.reset();
    registry_.reset();
    tracking_.reset();
    metadata_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  struct Answer {
    int status = 0;
    std::string body;
    std::string content_type;
    json value;
  };

  Answer Ask(std::string_view method, std::string_view target, std::string_view body = {},
             std::vector<net::HeaderField> headers = {{"Content-Type", "application/json"}}) const {
    headers.push_back({"Host", "127.0.0.1:5000"});
    net::Request request;
    request.method = method;
    request.target = target;
    request.headers = headers;
    request.body = body;
    request.peer = "127.0.0.1:1";
    request.is_loopback = true;
    std::promise<net::Response> sent;
    api_->Handle(request, net::Reply::To([&sent](net::Response response) {
                   sent.set_value(std::move(response));
                 }));
    net::Response response = sent.get_future().get();
    Answer answer{response.status, std::move(response.body), response.content_type, {}};
    if (auto value = base::ParseJson(answer.body, "reply"); value.ok()) {
      answer.value = std::move(*value);
    }
    return answer;
  }
  Answer Post(const std::string& path, const json& body) const {
    return Ask("POST", kRoot + path, base::DumpJson(body));
  }
  Answer Get(const std::string& path) const { return Ask("GET", kRoot + path); }
  /// The same, expected to succeed.
  json Done(const Answer& answer) const {
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.value;
  }
  std::string NewExperiment(const std::string& name) const {
    return Done(Post("/experiments/create", {{"name", name}})).value("experiment_id", "");
  }
  std::string NewRun(const std::string& experiment_id = "0") const {
    return Done(Post("/runs/create", {{"experiment_id", experiment_id}}))
        .at("run")
        .at("info")
        .at("run_id");
  }

  const std::string kRoot = "/api/2.0/mlflow";
  std::filesystem::path root_;
  base::ManualClock clock_{Timestamp{1'700'000'000'123'456}};
  std::unique_ptr<store::Workspace> workspace_;
  std::unique_ptr<store::Metadata> metadata_;
  std::unique_ptr<tracking::TrackingStore> tracking_;
  std::unique_ptr<tracking::Registry> registry_;
  ThankfulReceiver receiver_;
  std::unique_ptr<tracking::Webhooks> webhooks_;
  std::unique_ptr<tracking::TraceStore> traces_;
  std::unique_ptr<tracking::EvaluationDatasets> evaluation_datasets_;
  std::unique_ptr<tracking::Scorers> scorers_;
  std::unique_ptr<tracking::Issues> issues_;
  serving::EndpointSet endpoints_;
  std::unique_ptr<Api> api_;
};

}  // namespace millrace::api
