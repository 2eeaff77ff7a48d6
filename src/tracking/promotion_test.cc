// SPDX-License-Identifier: Apache-2.0
// Approvals, and promotions that gates and approvals hold back.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tracking/audit.h"
#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;
using testing::HasSubstr;
using Json = nlohmann::json;

class PromotionTest : public internal::StoreTest {
 protected:
  PromotionTest() {
    EXPECT_TRUE(registry().CreateModel("churn").ok());
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(registry().RegisterVersion({.name = "churn", .source = "/m"}).ok());
    }
  }
  static GateDecision Holds() {
    return DecideGates({.minimum_auc = 0.6}, {.version = 2, .auc = 0.7, .label_hash = "a"}, {})
        .value();
  }
  static GateDecision Fails() {
    return DecideGates({.minimum_auc = 0.8}, {.version = 2, .auc = 0.7, .label_hash = "a"}, {})
        .value();
  }
  Json LastEntry(const std::string& action) {
    const std::vector<AuditEntry> entries = ReadAudit(*opened_->metadata).value();
    for (const AuditEntry& entry : entries) {
      if (entry.action == action) {
        Json json = Json::parse(entry.details);
        json["actor"] = entry.actor;
        json["evidence"] = entry.evidence;
        return json;
      }
    }
    return {};
  }
};

MILL_ON_EVERY_DATABASE(PromotionTest);

TEST_P(PromotionTest, AnApprovalSaysWhoWhenWhyAndByWhatEvidence) {
  Registry alice = registry().As("alice");
  ASSERT_TRUE(alice.Approve("churn", 2, "fair in every segment", "https://example.com/42").ok());
  ASSERT_TRUE(registry().As("bob").Approve("churn", 2, "looks good").ok());
  const std::vector<Approval> approvals = registry().Approvals("churn", 2).value();
  ASSERT_EQ(approvals.size(), 2U);
  EXPECT_EQ(approvals[0].approver, "alice");
  EXPECT_EQ(approvals[0].time_ms, 1'700'000'000'123);
  EXPECT_EQ(approvals[0].reason, "fair in every segment");
  EXPECT_EQ(approvals[0].evidence, "https://example.com/42");
  EXPECT_EQ(LastEntry("model_version.approved").at("actor"), "bob");
  ASSERT_TRUE(alice.Approve("churn", 2, "read again").ok());
  EXPECT_EQ(registry().Approvals("churn", 2).value().size(), 2U) << "one per person";
  ASSERT_TRUE(alice.WithdrawApproval("churn", 2, "segment 3 is off").ok());
  EXPECT_EQ(registry().Approvals("churn", 2).value().size(), 1U);
  EXPECT_EQ(LastEntry("model_version.approval_withdrawn").at("reason"), "segment 3 is off");
  Failure(alice.WithdrawApproval("churn", 2, ""), ErrorCode::kNotFound);
  Failure(registry().Approve("churn", 2, "nobody"), ErrorCode::kInvalidArgument);
  Failure(alice.Approve("churn", 2, " "), ErrorCode::kInvalidArgument);
  Failure(alice.Approve("churn", 9, "x"), ErrorCode::kNotFound);
}

TEST_P(PromotionTest, MissingApprovalsHoldBackEveryCaller) {
  ASSERT_TRUE(
      registry()
          .SetGates("churn", GateSpec{.better_than_champion = false, .required_approvals = 2})
          .ok());
  ASSERT_TRUE(registry().As("alice").Approve("churn", 2, "good").ok());
  EXPECT_EQ(Failure(registry().SetAlias("churn", "champion", 2), ErrorCode::kFailedPrecondition),
            "version 2 of churn has 1 of 2 approvals that its promotion needs");
  Failure(registry().TransitionStage("churn", 2, "production", true),
          ErrorCode::kFailedPrecondition);
  EXPECT_EQ(registry().GetVersion("churn", 2).value().stage, "None");
  EXPECT_TRUE(registry().SetAlias("churn", "challenger", 2).ok()) << "other aliases are free";
  EXPECT_TRUE(registry().TransitionStage("churn", 2, "Staging", false).ok());
  ASSERT_TRUE(registry().As("bob").Approve("churn", 2, "good").ok());
  EXPECT_TRUE(registry().SetAlias("churn", "champion", 2).ok());
  EXPECT_TRUE(registry().TransitionStage("churn", 2, "production", true).ok());
  Failure(registry().SetAlias("churn", "champion", 1), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(registry().Gates("churn").value()->required_approvals, 2);
  EXPECT_EQ(LastEntry("registered_model.policy_changed").at("gates").at("required_approvals"), 2);
  EXPECT_EQ(LastEntry("model_version.promotion_refused").at("to"), "@champion");
}

TEST_P(PromotionTest, GatesHoldBackEveryCaller) {
  EXPECT_TRUE(registry().SetAlias("churn", "champion", 1).ok()) << "without gates all is free";
  ASSERT_TRUE(registry().DeleteAlias("churn", "champion").ok());
  const GateSpec gates{.minimum_auc = 0.7};
  ASSERT_TRUE(registry().SetGates("churn", gates).ok());
  EXPECT_EQ(registry().Gates("churn").value()->minimum_auc, 0.7);
  EXPECT_THAT(Failure(registry().SetAlias("churn", "champion", 1), ErrorCode::kFailedPrecondition),
              HasSubstr("gate minimum_auc failed: version 1 has no recorded test AUC"));
  const auto record = [&](std::int64_t version, const char* auc) {
    ASSERT_TRUE(registry().SetVersionTag("churn", version, "test_auc", auc).ok());
    ASSERT_TRUE(registry().SetVersionTag("churn", version, "label_hash", "9f2c").ok());
  };
  record(1, "0.65");
  record(2, "0.75");
  EXPECT_THAT(Failure(registry().As("mallory").SetAlias("churn", "champion", 1),
                      ErrorCode::kFailedPrecondition),
              HasSubstr("version 1 of churn is not promoted: gate minimum_auc failed: test AUC "
                        "0.6500 is below the wanted minimum 0.7000"));
  EXPECT_FALSE(registry().FindByAlias("churn", "champion").value().has_value());
  const Json entry = LastEntry("model_version.promotion_refused");
  EXPECT_EQ(entry.at("actor"), "mallory");
  EXPECT_EQ(entry.at("gates")[0].at("name"), "minimum_auc");
  EXPECT_THAT(Failure(registry().TransitionStage("churn", 1, "PRODUCTION", false),
                      ErrorCode::kFailedPrecondition),
              HasSubstr("gate minimum_auc failed"));
  EXPECT_EQ(LastEntry("model_version.promotion_refused").at("to"), "stage Production");
  EXPECT_TRUE(registry().SetAlias("churn", "challenger", 1).ok()) << "other aliases are free";
  EXPECT_TRUE(registry().SetAlias("churn", "champion", 2).ok());
  EXPECT_TRUE(registry().SetAlias("churn", "champion", 2).ok()) << "the champion is its own rival";
  EXPECT_TRUE(registry().TransitionStage("churn", 2, "Production", true).ok());
  ASSERT_TRUE(registry().SetGates("churn", GateSpec{.minimum_auc = 0.6}).ok());
  EXPECT_THAT(Failure(registry().SetAlias("churn", "champion", 1), ErrorCode::kFailedPrecondition),
              HasSubstr("gate better_than_champion failed: test AUC 0.6500 is not above the "
                        "champion's 0.7500 (version 2)"));
  ASSERT_TRUE(registry().SetGates("churn", std::nullopt).ok());
  EXPECT_FALSE(registry().Gates("churn").value().has_value());
  EXPECT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  Failure(registry().SetGates("nobody", gates), ErrorCode::kNotFound);
}

TEST_P(PromotionTest, WhatAGateWasJudgedByStays) {
  ASSERT_TRUE(registry().SetVersionTag("churn", 1, "test_auc", "0.6").ok());
  EXPECT_TRUE(registry().SetVersionTag("churn", 1, "test_auc", "0.65").ok()) << "no gates yet";
  ASSERT_TRUE(registry().SetGates("churn", GateSpec{.minimum_auc = 0.7}).ok());
  EXPECT_THAT(Failure(registry().SetVersionTag("churn", 1, "test_auc", "0.9"),
                      ErrorCode::kFailedPrecondition),
              HasSubstr("tag test_auc of version 1 of churn is \"0.65\" and stays so"));
  Failure(registry().DeleteVersionTag("churn", 1, "test_auc"), ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(registry().SetVersionTag("churn", 1, "test_auc", "0.65").ok()) << "said again";
  EXPECT_TRUE(registry().SetVersionTag("churn", 1, "label_hash", "9f2c").ok()) << "the first time";
  EXPECT_TRUE(registry().SetVersionTag("churn", 1, "team", "b").ok());
}

TEST_P(PromotionTest, APromotionRecordsGatesAndApprovals) {
  ASSERT_TRUE(registry().As("alice").Approve("churn", 2, "good").ok());
  Registry bob = registry().As("bob");
  const ModelVersion version = bob.Promote({.name = "churn",
                                            .version = 2,
                                            .alias = "champion",
                                            .decision = Holds(),
                                            .override_reason = "in vain",
                                            .evidence = "report.html"})
                                   .value();
  EXPECT_EQ(version.aliases, std::vector<std::string>{"champion"});
  const Json entry = LastEntry("model_version.promoted");
  EXPECT_EQ(entry.at("actor"), "bob");
  EXPECT_EQ(entry.at("evidence"), "report.html");
  EXPECT_EQ(entry.at("gates")[0].at("name"), "minimum_auc");
  EXPECT_EQ(entry.at("approvals")[0].at("approver"), "alice");
  EXPECT_EQ(entry.at("override_reason"), "");
}

TEST_P(PromotionTest, AFailedGateNeedsAReasonThatIsRecorded) {
  const Promotion promotion{
      .name = "churn", .version = 2, .alias = "champion", .decision = Fails()};
  EXPECT_THAT(Failure(registry().Promote(promotion), ErrorCode::kFailedPrecondition),
              HasSubstr("gate minimum_auc failed: test AUC 0.7000 is below"));
  EXPECT_FALSE(registry().FindByAlias("churn", "champion").value().has_value());
  Promotion forced = promotion;
  forced.override_reason = "the old one is broken";
  ASSERT_TRUE(registry().As("bob").Promote(forced).ok());
  EXPECT_EQ(registry().GetByAlias("churn", "champion").value().version, 2);
  EXPECT_EQ(LastEntry("model_version.promoted").at("override_reason"), "the old one is broken");
}

TEST_P(PromotionTest, MissingApprovalsMayBeOverriddenToo) {
  ASSERT_TRUE(registry().SetGates("churn", GateSpec{.required_approvals = 1}).ok());
  Promotion promotion{.name = "churn", .version = 2, .stage = "Production", .decision = Holds()};
  EXPECT_THAT(Failure(registry().Promote(promotion), ErrorCode::kFailedPrecondition),
              HasSubstr("0 of 1 approvals"));
  promotion.override_reason = "nobody is there";
  EXPECT_EQ(registry().Promote(promotion).value().stage, "Production");
  Failure(registry().Promote({.name = "churn", .version = 2}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::tracking
