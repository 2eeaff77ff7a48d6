// SPDX-License-Identifier: Apache-2.0
// Parameters against their declarations, and the registry.
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "learners/registry.h"

namespace millrace::learners {
namespace {

LearnerRegistry Builtin() {
  LearnerRegistry registry;
  EXPECT_TRUE(RegisterBuiltinLearners(registry).ok());
  return registry;
}

TEST(CheckParams, FillsDefaults) {
  const LearnerRegistry registry = Builtin();
  const Result<Params> params =
      CheckParams(registry.Find("lightgbm").value()->info(), {{"num_leaves", 7.0}});
  ASSERT_TRUE(params.ok());
  EXPECT_EQ(std::get<double>(params->at("num_leaves")), 7);
  EXPECT_EQ(std::get<double>(params->at("learning_rate")), 0.05);
  EXPECT_EQ(std::get<std::string>(params->at("metric")), "auc");
}

TEST(CheckParams, NamesTheNearestForAnUnknownOne) {
  const LearnerRegistry registry = Builtin();
  const Result<Params> params =
      CheckParams(registry.Find("lightgbm").value()->info(), {{"learning_rte", 0.1}});
  ASSERT_FALSE(params.ok());
  EXPECT_EQ(params.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(params.error().message().find("lightgbm has no parameter \"learning_rte\""),
            std::string::npos);
  EXPECT_NE(params.error().message().find("learning_rate"), std::string::npos);
}

TEST(CheckParams, TellsAllMistakesWithValueSeenAndWanted) {
  const LearnerRegistry registry = Builtin();
  const Result<Params> params =
      CheckParams(registry.Find("random_forest").value()->info(),
                  {{"n_estimators", 2.5}, {"max_bins", 1000.0}, {"bootstrap", "maybe"}});
  ASSERT_FALSE(params.ok());
  EXPECT_EQ(params.error().others().size(), 2U);
  const std::string text = params.error().ToString();
  EXPECT_NE(
      text.find(
          "\"n_estimators\" of learner random_forest is 2.5; a whole number from 1 to 100,000"),
      std::string::npos)
      << text;
  EXPECT_NE(
      text.find("\"max_bins\" of learner random_forest is 1000; a whole number from 2 to 255"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("\"bootstrap\" of learner random_forest is maybe; one of yes, no"),
            std::string::npos)
      << text;
}

TEST(CheckParams, RefusesTextForANumberAndNaN) {
  const LearnerRegistry registry = Builtin();
  const LearnerInfo& info = registry.Find("xgboost").value()->info();
  EXPECT_FALSE(CheckParams(info, {{"max_depth", "six"}}).ok());
  EXPECT_FALSE(CheckParams(info, {{"gamma", std::nan("")}}).ok());
  EXPECT_FALSE(CheckParams(info, {{"metric", 1.0}}).ok());
}

TEST(ParamsJsonSchema, DescribesEveryParameterOfEveryLearner) {
  const LearnerRegistry registry = Builtin();
  for (const std::string& name : registry.Names()) {
    const LearnerInfo& info = registry.Find(name).value()->info();
    const Result<nlohmann::json> schema = base::ParseJson(ParamsJsonSchema(info), name);
    ASSERT_TRUE(schema.ok());
    EXPECT_EQ(schema->at("properties").size(), info.params.size()) << name;
    EXPECT_EQ(schema->at("additionalProperties"), false);
    std::set<std::string> names;
    for (const ParamInfo& param : info.params) {
      EXPECT_TRUE(names.insert(param.name).second)
          << name << " declares " << param.name << " twice";
      EXPECT_FALSE(param.description.empty()) << param.name;
      EXPECT_TRUE(CheckParams(info, {{param.name, param.default_value}}).ok())
          << name << " " << param.name;
    }
  }
}

TEST(LearnerRegistry, ListsTheBuiltinOnesAndHelpsWithNames) {
  const LearnerRegistry registry = Builtin();
  EXPECT_EQ(registry.Names(), (std::vector<std::string>{"lightgbm", "xgboost", "random_forest",
                                                        "logistic_regression"}));
  const Result<const Learner*> missing = registry.Find("lightgmb");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message().find("lightgbm"), std::string::npos);
}

TEST(LearnerRegistry, RefusesADuplicateName) {
  LearnerRegistry registry = Builtin();
  const Result<void> again = registry.Register(MakeXgboostLearner());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), ErrorCode::kAlreadyExists);
}

}  // namespace
}  // namespace millrace::learners
