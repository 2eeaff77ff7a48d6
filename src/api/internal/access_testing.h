// SPDX-License-Identifier: Apache-2.0
// The whole interface with access control on, an administrator "root" and users "ann" and "bob",
// whose passwords are "root's", "ann's" and "bob's". For tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/internal/online_json.h"
#include "api/internal/tracking_testing.h"
#include "store/artifacts.h"
#include "store/key_value.h"
#include "tracking/access.h"

namespace millrace::api {

class AccessApiTest : public TrackingApiTest {
 protected:
  AccessApiTest() {
    access_ = tracking::Access::Open(*metadata_, clock_, {.password_cost = {.log2_n = 2}}).value();
    api_ = MakeApi();
    NewUser("root", true);
    for (const char* name : {"ann", "bob"}) {
      NewUser(name);
    }
  }
  ~AccessApiTest() override {
    api_.reset();
    access_.reset();
  }

  std::unique_ptr<Api> MakeApi() {
    ApiParts parts;
    parts.endpoints = &endpoints_;
    parts.online = online_.get();
    parts.tracking = tracking_.get();
    parts.registry = registry_.get();
    parts.artifacts = artifacts_.get();
    parts.webhooks = webhooks_.get();
    parts.traces = traces_.get();
    parts.evaluation_datasets = evaluation_datasets_.get();
    parts.scorers = scorers_.get();
    parts.issues = issues_.get();
    parts.access = access_.get();
    return std::make_unique<Api>(Context{}, std::move(parts));
  }
  void NewUser(const std::string& name, bool is_admin = false) {
    ASSERT_TRUE(access_->CreateUser(name, name + "'s", is_admin).ok());
  }
  static std::string Basic(const std::string& name, const std::string& password) {
    return "Basic " + internal::ToBase64(name + ":" + password);
  }
  Answer With(const std::string& authorization, std::string_view method, const std::string& target,
              std::string_view body = {}) const {
    std::vector<net::HeaderField> headers = {{"Content-Type", "application/json"}};
    if (!authorization.empty()) {
      headers.push_back({"Authorization", authorization});
    }
    return Ask(method, target, body, headers);
  }
  Answer As(const std::string& name, std::string_view method, const std::string& path,
            const json& body = json()) const {
    const std::string target =
        path.starts_with("/mlflow") || path.starts_with("/millrace") ? "/api/2.0" + path : path;
    return With(name.empty() ? "" : Basic(name, name + "'s"), method, target,
                body.is_null() ? "" : base::DumpJson(body));
  }
  std::string ExperimentOf(const std::string& name, const std::string& title) const {
    return Done(As(name, "POST", "/mlflow/experiments/create", {{"name", title}}))
        .at("experiment_id");
  }
  std::string RunOf(const std::string& name, const std::string& experiment) const {
    return Done(As(name, "POST", "/mlflow/runs/create", {{"experiment_id", experiment}}))
        .at("run")
        .at("info")
        .at("run_id");
  }
  void Give(const std::string& name, const std::string& experiment,
            tracking::Permission permission) {
    ASSERT_TRUE(
        access_->PutGrant(name, {tracking::ResourceKind::kExperiment, experiment}, permission)
            .ok());
  }
  static std::vector<std::string> Names(const json& list, const char* field) {
    std::vector<std::string> names;
    for (const json& item : list) {
      names.push_back(item.at(field));
    }
    return names;
  }

  std::unique_ptr<store::KeyValue> online_ = store::MakeMemoryKeyValue();
  std::unique_ptr<store::ArtifactStore> artifacts_ =
      store::OpenArtifacts(*workspace_, "", *metadata_).value();
  std::unique_ptr<tracking::Access> access_;
};

}  // namespace millrace::api
