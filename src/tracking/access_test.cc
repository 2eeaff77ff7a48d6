// SPDX-License-Identifier: Apache-2.0
// Access control on both databases: who is let in, and what each may do.
#include "tracking/access.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "store/metadata.h"
#include "store/testing.h"
#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

const Resource kExperiment7{ResourceKind::kExperiment, "7"};
const Resource kModel{ResourceKind::kRegisteredModel, "churn"};

class AccessTest : public testing::TestWithParam<bool> {
 protected:
  AccessTest() {
    std::string pattern = testing::TempDir() + "/access_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    uri_ = GetParam() ? store::PostgresForTests::Instance().NewDatabase()
                      : "sqlite:///" + (root_ / "metadata.db").string();
    metadata_ = OpenDatabase();
    access_ = OpenAccess(*metadata_);
  }
  ~AccessTest() override {
    access_.reset();
    metadata_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  std::unique_ptr<store::Metadata> OpenDatabase() const {
    return store::OpenMetadata(uri_, {}, store::Durability::kDisk).value();
  }
  std::unique_ptr<Access> OpenAccess(store::Metadata& metadata) const {
    return Access::Open(metadata, clock_, {.password_cost = {.log2_n = 2}}).value();
  }
  User NewUser(const std::string& name, bool is_admin = false) {
    return access_->CreateUser(name, name + "'s password", is_admin).value();
  }
  Permission Of(const User& user, const Resource& resource) {
    return access_->PermissionOf(user, resource).value();
  }

  base::ManualClock clock_{Timestamp{1'700'000'000'000'000}};
  std::filesystem::path root_;
  std::string uri_;
  std::unique_ptr<store::Metadata> metadata_;
  std::unique_ptr<Access> access_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, AccessTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Postgres, AccessTest, testing::Values(true));

TEST_P(AccessTest, NobodyIsThereAtTheStart) {
  EXPECT_TRUE(access_->ListUsers()->empty());
  Failure(access_->CheckPassword("admin", "password"), ErrorCode::kUnauthenticated);
}

TEST_P(AccessTest, OnlyTheRightPasswordLetsIn) {
  const User made = NewUser("eva");
  EXPECT_FALSE(access_->CheckKnownPassword("eva", "eva's password")->has_value());
  EXPECT_FALSE(access_->IsKnownPassword("eva", "eva's password"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(access_->CheckPassword("eva", "eva's password").value(), made);
    const std::string wrong =
        Failure(access_->CheckPassword("eva", "eva's passworD"), ErrorCode::kUnauthenticated);
    EXPECT_EQ(Failure(access_->CheckPassword("adam", "x"), ErrorCode::kUnauthenticated), wrong);
    Failure(access_->CheckPassword("eva", ""), ErrorCode::kUnauthenticated);
    Failure(access_->CheckPassword("eva", std::string("eva's password\0", 15)),
            ErrorCode::kUnauthenticated);
  }
  EXPECT_EQ(access_->CheckKnownPassword("eva", "eva's password").value(), made);
  EXPECT_TRUE(access_->IsKnownPassword("eva", "eva's password"));
  EXPECT_FALSE(access_->IsKnownPassword("eva", "wrong"));
  EXPECT_FALSE(access_->CheckKnownPassword("eva", "wrong")->has_value());
  EXPECT_FALSE(access_->CheckKnownPassword("adam", "x")->has_value());
}

TEST_P(AccessTest, ChangedPasswordCountsAtOnceInEveryProcess) {
  NewUser("eva");
  const auto other_metadata = OpenDatabase();
  const auto other = OpenAccess(*other_metadata);
  ASSERT_TRUE(other->CheckPassword("eva", "eva's password").ok());
  ASSERT_TRUE(access_->SetPassword("eva", "new").ok());
  EXPECT_FALSE(other->CheckPassword("eva", "eva's password").ok());
  EXPECT_TRUE(other->CheckPassword("eva", "new").ok());
  ASSERT_TRUE(access_->DeleteUser("eva").ok());
  EXPECT_FALSE(other->CheckPassword("eva", "new").ok());
}

TEST_P(AccessTest, PasswordsAndTokensAreNotInTheDatabase) {
  NewUser("eva");
  const std::string secret = access_->CreateToken("eva", "laptop", {})->secret;
  std::string all;
  for (const std::string table : {"SELECT username, password_hash FROM access_users",
                                  "SELECT name, sha256 FROM access_tokens"}) {
    const std::vector<store::Row> rows = metadata_->Query(table).value();
    for (const store::Row& row : rows) {
      all += store::TextOr(row[0], "") + " " + store::TextOr(row[1], "") + "\n";
    }
  }
  EXPECT_EQ(all.find("eva's password"), std::string::npos) << all;
  EXPECT_EQ(all.find(secret.substr(4)), std::string::npos) << all;
  EXPECT_NE(all.find("$scrypt$"), std::string::npos) << all;
}

TEST_P(AccessTest, BadNamesAndPasswordsAreRefused) {
  for (const auto& [name, password] :
       std::vector<std::pair<std::string, std::string>>{{"", "x"},
                                                        {"eva", ""},
                                                        {"", ""},
                                                        {"a:b", "x"},
                                                        {"a\nb", "x"},
                                                        {"eva", "x\ny"},
                                                        {std::string("e\0", 2), "x"},
                                                        {std::string(256, 'e'), "x"}}) {
    Failure(access_->CreateUser(name, password, false), ErrorCode::kInvalidArgument);
  }
  NewUser("eva");
  EXPECT_EQ(Failure(access_->CreateUser("eva", "x", true), ErrorCode::kAlreadyExists),
            "User (username=eva) already exists.");
}

TEST_P(AccessTest, MissingUserIsSaidInMlflowsWords) {
  const std::string message = "User with username=adam not found";
  EXPECT_EQ(Failure(access_->GetUser("adam"), ErrorCode::kNotFound), message);
  EXPECT_EQ(Failure(access_->SetPassword("adam", "x"), ErrorCode::kNotFound), message);
  EXPECT_EQ(Failure(access_->SetAdmin("adam", true), ErrorCode::kNotFound), message);
  EXPECT_EQ(Failure(access_->SetAdmin("adam", false), ErrorCode::kNotFound), message);
  EXPECT_EQ(Failure(access_->DeleteUser("adam"), ErrorCode::kNotFound), message);
  EXPECT_EQ(Failure(access_->CreateToken("adam", "x", {}), ErrorCode::kNotFound), message);
  EXPECT_EQ(Failure(access_->GetGrant("adam", kModel), ErrorCode::kNotFound), message);
}

TEST_P(AccessTest, LastAdministratorStays) {
  NewUser("root", true);
  NewUser("eva");
  Failure(access_->DeleteUser("root"), ErrorCode::kFailedPrecondition);
  Failure(access_->SetAdmin("root", false), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(access_->SetAdmin("eva", true).ok());
  EXPECT_TRUE(access_->GetUser("eva")->is_admin);
  EXPECT_TRUE(access_->DeleteUser("root").ok());
  EXPECT_EQ(access_->ListUsers()->size(), 1U);
}

TEST_P(AccessTest, TokenLetsInUntilItEnds) {
  const User eva = NewUser("eva");
  NewUser("adam");
  const NewToken kept = access_->CreateToken("eva", "laptop", {}).value();
  const NewToken brief = access_->CreateToken("eva", "job", std::chrono::seconds(1)).value();
  Failure(access_->CreateToken("eva", "x", std::chrono::seconds(0)), ErrorCode::kInvalidArgument);
  Failure(access_->CreateToken("eva", "x", std::chrono::hours(24 * 40'000)),
          ErrorCode::kInvalidArgument);
  EXPECT_EQ(access_->CheckToken(kept.secret).value(), eva);
  EXPECT_EQ(access_->CheckToken(brief.secret).value(), eva);
  Failure(access_->CheckToken("mlr_"), ErrorCode::kUnauthenticated);
  Failure(access_->CheckToken(""), ErrorCode::kUnauthenticated);
  clock_.Advance(Duration{1'000'000});
  Failure(access_->CheckToken(brief.secret), ErrorCode::kUnauthenticated);
  ASSERT_TRUE(access_->CheckToken(kept.secret).ok());
  ASSERT_EQ(access_->ListTokens("eva")->size(), 2U);
  EXPECT_EQ((*access_->ListTokens("eva"))[0].name, "laptop");
  Failure(access_->DeleteToken("adam", kept.token.id), ErrorCode::kNotFound);
  ASSERT_TRUE(access_->DeleteToken("eva", kept.token.id).ok());
  Failure(access_->CheckToken(kept.secret), ErrorCode::kUnauthenticated);
}

TEST_P(AccessTest, OwnPermissionGoesBeforeTheDefault) {
  const User eva = NewUser("eva");
  const User root = NewUser("root", true);
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kRead);
  EXPECT_EQ(Of(root, kExperiment7), Permission::kManage);
  ASSERT_TRUE(access_->CreateGrant("eva", kExperiment7, Permission::kEdit).ok());
  ASSERT_TRUE(access_->CreateGrant("eva", kModel, Permission::kNone).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kEdit);
  EXPECT_EQ(Of(eva, kModel), Permission::kNone);
  EXPECT_EQ(Of(eva, {ResourceKind::kRegisteredModel, "7"}), Permission::kRead);
  EXPECT_EQ(*access_->ListGrants("eva", ResourceKind::kExperiment),
            (std::map<std::string, Permission>{{"7", Permission::kEdit}}));
}

TEST_P(AccessTest, GrantsAreMadeChangedAndTakenBack) {
  NewUser("eva");
  const std::string missing =
      "Experiment permission with experiment_id=7 and username=eva not found";
  EXPECT_EQ(Failure(access_->GetGrant("eva", kExperiment7), ErrorCode::kNotFound), missing);
  EXPECT_EQ(
      Failure(access_->UpdateGrant("eva", kExperiment7, Permission::kRead), ErrorCode::kNotFound),
      missing);
  EXPECT_EQ(Failure(access_->DeleteGrant("eva", kExperiment7), ErrorCode::kNotFound), missing);
  EXPECT_EQ(Failure(access_->GetGrant("eva", kModel), ErrorCode::kNotFound),
            "Registered model permission with name=churn and username=eva not found");
  ASSERT_TRUE(access_->CreateGrant("eva", kExperiment7, Permission::kRead).ok());
  Failure(access_->CreateGrant("eva", kExperiment7, Permission::kRead), ErrorCode::kAlreadyExists);
  ASSERT_TRUE(access_->UpdateGrant("eva", kExperiment7, Permission::kUse).ok());
  EXPECT_EQ(*access_->GetGrant("eva", kExperiment7), Permission::kUse);
  ASSERT_TRUE(access_->PutGrant("eva", kExperiment7, Permission::kManage).ok());
  ASSERT_TRUE(access_->PutGrant("eva", kModel, Permission::kManage).ok());
  EXPECT_EQ(*access_->GetGrant("eva", kExperiment7), Permission::kManage);
  ASSERT_TRUE(access_->DeleteGrant("eva", kExperiment7).ok());
  Failure(access_->GetGrant("eva", kExperiment7), ErrorCode::kNotFound);
  EXPECT_EQ(*access_->GetGrant("eva", kModel), Permission::kManage);
}

TEST_P(AccessTest, GrantsFollowAModelsName) {
  NewUser("eva");
  NewUser("adam");
  ASSERT_TRUE(access_->CreateGrant("eva", kModel, Permission::kManage).ok());
  const Resource renamed{ResourceKind::kRegisteredModel, "churn-2"};
  ASSERT_TRUE(access_->CreateGrant("adam", renamed, Permission::kManage).ok());
  ASSERT_TRUE(access_->RenameResource(kModel, renamed.id).ok());
  EXPECT_EQ(*access_->GetGrant("eva", renamed), Permission::kManage);
  Failure(access_->GetGrant("eva", kModel), ErrorCode::kNotFound);
  Failure(access_->GetGrant("adam", renamed), ErrorCode::kNotFound);
  ASSERT_TRUE(access_->ForgetResource(renamed).ok());
  Failure(access_->GetGrant("eva", renamed), ErrorCode::kNotFound);
}

TEST_P(AccessTest, DeletedUserLeavesNothingToASuccessor) {
  NewUser("root", true);
  NewUser("eva");
  const std::string secret = access_->CreateToken("eva", "laptop", {})->secret;
  ASSERT_TRUE(access_->CreateGrant("eva", kModel, Permission::kManage).ok());
  ASSERT_TRUE(access_->DeleteUser("eva").ok());
  Failure(access_->CheckToken(secret), ErrorCode::kUnauthenticated);
  const User second = NewUser("eva");
  EXPECT_EQ(Of(second, kModel), Permission::kRead);
  EXPECT_TRUE(access_->ListTokens("eva")->empty());
}

class RunAccess : public internal::StoreTest {};

MILL_ON_EVERY_DATABASE(RunAccess);

TEST_P(RunAccess, RunsAndModelsBelongToTheirExperiment) {
  const auto access = Access::Open(*opened_->metadata, clock()).value();
  const std::string id = tracking().CreateExperiment("forecasts", {}).value().id;
  const std::string run = tracking().CreateRun({.experiment_id = id}).value().info.run_id;
  const std::string model =
      tracking().CreateLoggedModel({.experiment_id = id, .name = "m"}).value().model_id;
  EXPECT_EQ(access->ExperimentOfRun(run).value(), id);
  EXPECT_EQ(access->ExperimentOfLoggedModel(model).value(), id);
  EXPECT_EQ(access->ExperimentOfName("forecasts").value(), id);
  EXPECT_EQ(Failure(access->ExperimentOfRun("none"), ErrorCode::kNotFound),
            "Run with id=none not found");
  Failure(access->ExperimentOfLoggedModel("none"), ErrorCode::kNotFound);
  Failure(access->ExperimentOfName("none"), ErrorCode::kNotFound);
}

// Its id may come back by an import, into another experiment.
TEST_P(RunAccess, ErasedRunIsForgotten) {
  const auto access =
      Access::Open(*opened_->metadata, clock(), {.password_cost = {.log2_n = 2}}).value();
  ASSERT_TRUE(access->CreateUser("eva", "x", false).ok());
  ASSERT_TRUE(access->CheckPassword("eva", "x").ok());
  const std::string run = tracking().CreateRun({.experiment_id = "0"}).value().info.run_id;
  EXPECT_EQ(access->ExperimentOfRun(run).value(), "0");
  ASSERT_TRUE(tracking().DeleteRun(run).ok());
  ASSERT_TRUE(tracking().EraseRuns({run}).ok());
  ASSERT_TRUE(access->CheckPassword("eva", "x").ok());
  EXPECT_EQ(Failure(access->ExperimentOfRun(run), ErrorCode::kNotFound),
            "Run with id=" + run + " not found");
}

}  // namespace
}  // namespace millrace::tracking
