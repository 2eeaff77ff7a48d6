// SPDX-License-Identifier: Apache-2.0
// A small real model with stored features, for the tests of serving and api. Not for production
// code.
#pragma once

#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "features/online.h"
#include "models/logistic_regression.h"
#include "models/model.h"
#include "serving/endpoint.h"
#include "store/key_value.h"

namespace millrace::serving::testing {

inline constexpr double kNull = std::numeric_limits<double>::quiet_NaN();

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) {
    MILL_CHECK(result.error().ToString() == "");
  }
  return std::move(result).value();
}

inline void MustOk(const Result<void>& result) {
  if (!result.ok()) {
    MILL_CHECK(result.error().ToString() == "");
  }
}

inline ContentHash ViewHash() {
  return base::HashText("view activity");
}

/// Logistic regression on columns a (double), b (double), n (long): z = intercept + 2a - b + 0.5n,
/// missing values are 0, 1, 2.
inline models::Model MakeModel(double intercept) {
  models::LogisticData data{.feature_names = {"a", "b", "n"},
                            .impute = {0.0, 1.0, 2.0},
                            .mean = {0.0, 0.0, 0.0},
                            .scale = {1.0, 1.0, 1.0},
                            .weights = {2.0, -1.0, 0.5},
                            .intercept = intercept};
  models::Signature signature;
  signature.inputs = {{"a", models::ColumnSpec::Type::kDouble, true},
                      {"b", models::ColumnSpec::Type::kDouble, true},
                      {"n", models::ColumnSpec::Type::kLong, true}};
  models::ModelMetadata metadata;
  metadata.view_hashes = {{"activity", ViewHash()}};
  return Must(models::Model::Make(std::move(signature),
                                  Must(models::MakeLogisticRegression(std::move(data))),
                                  std::move(metadata)));
}

/// What MakeModel(intercept) answers, in its own order of operations.
inline double ScoreOf(double intercept, double a, double b, double n) {
  double z = intercept;
  z += 2.0 * ((std::isnan(a) ? 0.0 : a) - 0.0);
  z += -1.0 * ((std::isnan(b) ? 1.0 : b) - 0.0);
  z += 0.5 * ((std::isnan(n) ? 2.0 : n) - 0.0);
  return 1.0 / (1.0 + std::exp(-z));
}

inline EndpointSpec MakeSpec() {
  EndpointSpec spec;
  spec.name = "churn";
  spec.model = "churn-model";
  spec.entity = "customer";
  spec.key = "customer_id";
  spec.views = {"activity"};
  return spec;
}

/// Stores rows of view `activity` (columns b and n): 12346 -> (0.5, 3), 12347 -> (null, 1) as of
/// 2011-12-01.
inline void PublishFeatures(store::KeyValue& kv) {
  features::ViewPlan plan;
  plan.name = "activity";
  plan.entity = "customer";
  plan.key = "customer_id";
  plan.hash = ViewHash();
  plan.columns.resize(2);
  plan.columns[0].name = "b";
  plan.columns[1].name = "n";
  plan.columns[1].type = data::ColumnType::kInt64;
  data::TableBuilder builder;
  builder.AddDoubles("b", {0.5, kNull});
  builder.AddInt64s("n", std::vector<std::int64_t>{3, 1});
  features::OnlineStore store(kv);
  const features::KeyColumn keys =
      features::KeyColumn::Int64s(std::vector<std::int64_t>{12346, 12347});
  MustOk(store.Publish(Context{}, plan, keys, Must(base::ParseTimestamp("2011-12-01")),
                       Must(builder.Finish())));
}

/// A registry whose champion can be changed while it is asked.
class FakeResolver final : public Resolver {
 public:
  std::vector<EndpointSpec> endpoints = {MakeSpec()};

  /// 0: there is no champion.
  void SetChampion(int version) { champion_ = version; }

  Result<std::vector<EndpointSpec>> Endpoints() override { return endpoints; }
  Result<ModelVersion> Resolve(const std::string& model, const std::string& alias) override {
    if (champion_ == 0) {
      return base::NotFound("model \"" + model + "\" has no alias \"" + alias + "\"");
    }
    return ModelVersion{.name = model,
                        .version = champion_,
                        .model_id = "m-" + std::to_string(champion_),
                        .location = "/models"};
  }
  Result<models::Model> Load(const ModelVersion& version) override {
    return MakeModel(version.version);
  }

 private:
  std::atomic<int> champion_{1};
};

}  // namespace millrace::serving::testing
