// SPDX-License-Identifier: Apache-2.0
// An Api over a small real model, asked without a socket; for the tests of this module.
#pragma once

#include <charconv>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "api/server_api.h"
#include "serving/testing.h"

namespace millrace::api {

class ApiTest : public ::testing::Test {
 protected:
  ApiTest()
      : kv_(store::MakeMemoryKeyValue()),
        store_(*kv_),
        refresher_(Context{}, endpoints_, resolver_, &store_,
                   {.interval = std::chrono::milliseconds(1)}),
        api_(Context{}, {.endpoints = &endpoints_, .online = kv_.get()}) {
    serving::testing::PublishFeatures(*kv_);
    EXPECT_TRUE(refresher_.RefreshOnce().ok());
  }

  net::Response Ask(std::string_view method, std::string_view target, std::string_view body = {},
                    std::string_view content_type = "application/json",
                    std::string_view host = "127.0.0.1:5000", bool is_loopback = true) const {
    const net::HeaderField fields[] = {{"Host", host}, {"Content-Type", content_type}};
    net::Request request;
    request.method = method;
    request.target = target;
    request.headers = fields;
    request.body = body;
    request.peer = "127.0.0.1:1";
    request.is_loopback = is_loopback;
    std::promise<net::Response> response;
    api_.Handle(request, net::Reply::To([&response](net::Response sent) {
                  response.set_value(std::move(sent));
                }));
    return response.get_future().get();
  }
  net::Response Invoke(std::string_view body,
                       std::string_view content_type = "application/json") const {
    return Ask("POST", "/invocations", body, content_type);
  }
  static std::string Shown(double value) {
    char digits[32];
    return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  /// What the only version of the model answers, as JSON text.
  static std::string Score(double a, double b, double n) {
    return Shown(serving::testing::ScoreOf(1, a, b, n));
  }

  std::unique_ptr<store::KeyValue> kv_;
  features::OnlineStore store_;
  serving::testing::FakeResolver resolver_;
  serving::EndpointSet endpoints_;
  serving::Refresher refresher_;
  Api api_;
};

}  // namespace millrace::api
