// SPDX-License-Identifier: Apache-2.0
// The audit log: every change of the registry is in it, and damage is found.
#include "tracking/audit.h"

#include <gmock/gmock.h>

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using testing::HasSubstr;

class AuditTest : public internal::StoreTest {
 protected:
  /// A model with two versions, one of them champion.
  void Fill() {
    Registry alice = registry().As("alice");
    ASSERT_TRUE(alice.CreateModel("churn").ok());
    ASSERT_TRUE(alice.RegisterVersion({.name = "churn", .source = "/models/x"}).ok());
    ASSERT_TRUE(alice.RegisterVersion({.name = "churn", .source = "/models/y"}).ok());
    ASSERT_TRUE(registry().As("bob").SetAlias("churn", "champion", 2).ok());
    ASSERT_TRUE(registry().As("bob").TransitionStage("churn", 2, "Production", true).ok());
  }
  void Tamper(const std::string& sql) { ASSERT_TRUE(opened_->metadata->Execute(sql).ok()) << sql; }
  std::string Problems(const std::string& known_head = "") {
    const AuditVerdict verdict = VerifyAudit(*opened_->metadata, known_head).value();
    std::string text;
    for (const std::string& problem : verdict.problems) {
      text += problem + "\n";
    }
    return text;
  }
};

MILL_ON_EVERY_DATABASE(AuditTest);

TEST_P(AuditTest, EveryChangeIsAnEntryWithItsActor) {
  Fill();
  const std::vector<AuditEntry> entries = ReadAudit(*opened_->metadata).value();
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].action, "model_version.stage_changed");
  EXPECT_EQ(entries[0].actor, "bob");
  EXPECT_EQ(entries[0].object, "models:/churn/2");
  EXPECT_EQ(entries[0].number, 5);
  EXPECT_EQ(entries[0].time_ms, 1'700'000'000'123);
  EXPECT_EQ(entries[1].action, "model_version_alias.created");
  EXPECT_EQ(entries[1].details, R"({"alias":"champion","name":"churn","version":"2"})");
  EXPECT_EQ(entries[4].action, "registered_model.created");
  EXPECT_EQ(entries[4].previous_hash, "");
  EXPECT_EQ(entries[3].previous_hash, entries[4].hash);
}

TEST_P(AuditTest, EveryKindOfChangeIsRecorded) {
  Fill();
  Registry& r = registry();
  ASSERT_TRUE(r.SetModelTag("churn", "a", "1").ok());
  ASSERT_TRUE(r.DeleteModelTag("churn", "a").ok());
  ASSERT_TRUE(r.SetVersionTag("churn", 1, "a", "1").ok());
  ASSERT_TRUE(r.DeleteVersionTag("churn", 1, "a").ok());
  ASSERT_TRUE(r.UpdateModel("churn", "who leaves").ok());
  ASSERT_TRUE(r.UpdateVersion("churn", 1, "first").ok());
  ASSERT_TRUE(r.DeleteAlias("churn", "champion").ok());
  ASSERT_TRUE(r.RenameModel("churn", "retention").ok());
  ASSERT_TRUE(r.DeleteVersion("retention", 1).ok());
  ASSERT_TRUE(r.DeleteModel("retention").ok());
  std::vector<std::string> actions;
  const std::vector<AuditEntry> newest = ReadAudit(*opened_->metadata, {.max_results = 10}).value();
  for (const AuditEntry& entry : newest) {
    actions.push_back(entry.action);
  }
  EXPECT_EQ(actions,
            (std::vector<std::string>{"registered_model.deleted", "model_version.deleted",
                                      "registered_model.renamed", "model_version_alias.deleted",
                                      "model_version.updated", "registered_model.updated",
                                      "model_version_tag.deleted", "model_version_tag.set",
                                      "registered_model_tag.deleted", "registered_model_tag.set"}));
  EXPECT_EQ(Problems(), "");
}

TEST_P(AuditTest, AFailedChangeLeavesNoEntry) {
  Fill();
  internal::Failure(registry().SetAlias("churn", "champion", 9), ErrorCode::kNotFound);
  internal::Failure(registry().CreateModel("churn"), ErrorCode::kAlreadyExists);
  ASSERT_TRUE(registry().DeleteAlias("churn", "nobody").ok());
  EXPECT_EQ(ReadAudit(*opened_->metadata).value().size(), 5U);
}

TEST_P(AuditTest, EntriesOfOneObject) {
  Fill();
  ASSERT_TRUE(registry().CreateModel("churn2").ok());
  EXPECT_EQ(ReadAudit(*opened_->metadata, {.object = "models:/churn"}).value().size(), 5U);
  EXPECT_EQ(ReadAudit(*opened_->metadata, {.object = "models:/churn/1"}).value().size(), 2U);
  EXPECT_EQ(ReadAudit(*opened_->metadata, {.max_results = 2}).value().size(), 2U);
}

TEST_P(AuditTest, AnUnbrokenChainVerifiesAlsoAfterReopening) {
  Fill();
  const std::string head = ReadAudit(*opened_->metadata).value()[0].hash;
  Reopen();
  ASSERT_TRUE(registry().DeleteModel("churn").ok());
  const AuditVerdict verdict = VerifyAudit(*opened_->metadata, head).value();
  EXPECT_TRUE(verdict.problems.empty());
  EXPECT_EQ(verdict.n_entries, 6);
  EXPECT_NE(verdict.head, head);
  EXPECT_THAT(Problems(std::string(64, '0')), HasSubstr("that was noted earlier"));
}

TEST_P(AuditTest, AChangedEntryIsFound) {
  for (const char* change :
       {"actor = 'mallory'", "time = time + 1", "details = '{}'", "evidence = 'x'",
        "object = 'models:/other'", "action = 'model_version.deleted'", "hash = previous_hash"}) {
    opened_.reset();
    StartOver();
    Fill();
    Tamper(std::string("UPDATE audit_log SET ") + change + " WHERE number = 3");
    EXPECT_THAT(Problems(), HasSubstr("entry 3")) << change;
  }
}

TEST_P(AuditTest, AChangedEntryWithANewHashBreaksTheChain) {
  Fill();
  AuditEntry entry = ReadAudit(*opened_->metadata).value()[2];
  ASSERT_EQ(entry.number, 3);
  entry.actor = "mallory";
  Tamper("UPDATE audit_log SET actor = 'mallory', hash = '" + AuditHash(entry) +
         "' WHERE number = 3");
  EXPECT_THAT(Problems(), HasSubstr("entry 4 (model_version_alias.created of models:/churn/2) does "
                                    "not follow the entry before it"));
}

TEST_P(AuditTest, MissingSwappedAndInsertedEntriesAreFound) {
  Fill();
  Tamper("DELETE FROM audit_log WHERE number = 3");
  EXPECT_THAT(Problems(), HasSubstr("entries 3 to 3 are missing"));
  Tamper("UPDATE audit_log SET number = 3 WHERE number = 5");
  EXPECT_THAT(Problems(), HasSubstr("the end was cut off"));
  EXPECT_THAT(Problems(), HasSubstr("was changed"));
}

TEST_P(AuditTest, ACutOffEndIsFound) {
  Fill();
  Tamper("DELETE FROM audit_log WHERE number = 5");
  EXPECT_THAT(Problems(), HasSubstr("the log ends at entry 4, its head names entry 5"));
}

TEST_P(AuditTest, ACutOffEndWithAForgedHeadIsFoundByANotedHead) {
  Fill();
  const std::vector<AuditEntry> entries = ReadAudit(*opened_->metadata).value();
  Tamper("DELETE FROM audit_log WHERE number = 5");
  Tamper("UPDATE audit_head SET number = 4, hash = '" + entries[1].hash + "'");
  EXPECT_EQ(Problems(), "") << "nothing in the database can show this";
  EXPECT_THAT(Problems(entries[0].hash), HasSubstr("that was noted earlier"));
}

}  // namespace
}  // namespace millrace::tracking
