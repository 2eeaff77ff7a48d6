// SPDX-License-Identifier: Apache-2.0
// Roles on both databases: made, changed, given to users, and what these may then do.
#include <filesystem>

#include <gtest/gtest.h>

#include "store/metadata.h"
#include "store/testing.h"
#include "tracking/access.h"
#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

const Resource kExperiment7{ResourceKind::kExperiment, "7"};
const Resource kExperiments = GrantSet::Every(ResourceKind::kExperiment);
const Resource kWholeWorkspace = GrantSet::Every(ResourceKind::kWorkspace);

class RolesTest : public testing::TestWithParam<bool> {
 protected:
  RolesTest() {
    std::string pattern = testing::TempDir() + "/roles_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    uri_ = GetParam() ? store::PostgresForTests::Instance().NewDatabase()
                      : "sqlite:///" + (root_ / "metadata.db").string();
    metadata_ = OpenDatabase();
  }
  ~RolesTest() override {
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
  Access& access() {
    if (access_ == nullptr) {
      access_ = OpenAccess(*metadata_);
    }
    return *access_;
  }
  User NewUser(const std::string& name, bool is_admin = false) {
    return access().CreateUser(name, name + "'s password", is_admin).value();
  }
  Role NewRole(const std::string& name, const std::string& workspace = "default") {
    return access().CreateRole(workspace, name, {}).value();
  }
  Permission Of(const User& user, const Resource& resource) {
    return access().PermissionOf(user, resource).value();
  }

  base::ManualClock clock_{Timestamp{1'700'000'000'000'000}};
  std::filesystem::path root_;
  std::string uri_;
  std::unique_ptr<store::Metadata> metadata_;
  std::unique_ptr<Access> access_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, RolesTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Postgres, RolesTest, testing::Values(true));

TEST_P(RolesTest, RoleIsMadeChangedAndDeleted) {
  const Role made = access().CreateRole("default", "editors", "who edit").value();
  EXPECT_EQ(access().GetRole(made.id).value(), made);
  EXPECT_EQ(Failure(access().CreateRole("default", "editors", {}), ErrorCode::kAlreadyExists),
            "Role (name=editors, workspace=default) already exists.");
  const Role other = NewRole("editors", "other");
  EXPECT_EQ(access().ListRoles({})->size(), 2U);
  EXPECT_EQ(access().ListRoles({"other"}).value(), std::vector<Role>{other});
  EXPECT_TRUE(access().ListRoles({"none"})->empty());
  const Role renamed = access().UpdateRole(made.id, "writers", {}).value();
  EXPECT_EQ(renamed.name, "writers");
  EXPECT_EQ(renamed.description, "who edit");
  EXPECT_EQ(access().UpdateRole(made.id, {}, "")->description, "");
  const Role third = NewRole("third");
  EXPECT_EQ(Failure(access().UpdateRole(third.id, "writers", {}), ErrorCode::kAlreadyExists),
            "Role with name=writers already exists in workspace=default");
  EXPECT_TRUE(access().UpdateRole(third.id, "third", {}).ok());
  ASSERT_TRUE(access().DeleteRole(made.id).ok());
  EXPECT_EQ(Failure(access().GetRole(made.id), ErrorCode::kNotFound),
            "Role with id=" + std::to_string(made.id) + " not found");
  Failure(access().DeleteRole(made.id), ErrorCode::kNotFound);
  Failure(access().UpdateRole(made.id, "x", {}), ErrorCode::kNotFound);
  Failure(access().UpdateRole(third.id, {}, {}), ErrorCode::kInvalidArgument);
}

TEST_P(RolesTest, NamesOfUsersOwnRolesAreReserved) {
  EXPECT_EQ(Failure(access().CreateRole("default", " ", {}), ErrorCode::kInvalidArgument),
            "Role name cannot be empty.");
  EXPECT_EQ(Failure(access().CreateRole("", "x", {}), ErrorCode::kInvalidArgument),
            "Workspace cannot be empty.");
  const std::string reserved =
      "Role name '__user_1__' uses the reserved '__user_' prefix, which is held for the per-user "
      "permission representation. Choose a different name.";
  EXPECT_EQ(Failure(access().CreateRole("default", "__user_1__", {}), ErrorCode::kInvalidArgument),
            reserved);
  EXPECT_EQ(
      Failure(access().UpdateRole(NewRole("x").id, "__user_1__", {}), ErrorCode::kInvalidArgument),
      reserved);
}

TEST_P(RolesTest, PermissionsOfARoleAreAddedChangedAndRemoved) {
  const Role role = NewRole("editors");
  const RolePermission first =
      access().AddRolePermission(role.id, kExperiment7, Permission::kEdit).value();
  const RolePermission second =
      access().AddRolePermission(role.id, kExperiments, Permission::kRead).value();
  EXPECT_EQ(access().GetRole(role.id)->permissions, (std::vector{first, second}));
  EXPECT_EQ(Failure(access().AddRolePermission(role.id, kExperiment7, Permission::kRead),
                    ErrorCode::kAlreadyExists),
            "Role permission (role_id=" + std::to_string(role.id) +
                ", resource_type=experiment, resource_pattern=7) already exists.");
  Failure(access().AddRolePermission(role.id, {ResourceKind::kRun, "r"}, Permission::kRead),
          ErrorCode::kInvalidArgument);
  Failure(access().AddRolePermission(99, kExperiment7, Permission::kRead), ErrorCode::kNotFound);
  EXPECT_EQ(access().UpdateRolePermission(first.id, Permission::kDeny)->permission,
            Permission::kDeny);
  Failure(access().UpdateRolePermission(first.id, Permission::kNone), ErrorCode::kInvalidArgument);
  EXPECT_EQ(access().GetRolePermission(first.id)->permission, Permission::kDeny);
  ASSERT_TRUE(access().RemoveRolePermission(first.id).ok());
  const std::string missing = "Role permission with id=" + std::to_string(first.id) + " not found";
  EXPECT_EQ(Failure(access().RemoveRolePermission(first.id), ErrorCode::kNotFound), missing);
  EXPECT_EQ(Failure(access().GetRolePermission(first.id), ErrorCode::kNotFound), missing);
  EXPECT_EQ(access().GetRole(role.id)->permissions, std::vector{second});
}

TEST_P(RolesTest, UsersMayWhatTheirRolesMay) {
  const User eva = NewUser("eva");
  const User adam = NewUser("adam");
  const Role role = NewRole("editors");
  ASSERT_TRUE(access().AddRolePermission(role.id, kExperiments, Permission::kEdit).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kRead);
  const RoleAssignment assigned = access().AssignRole("eva", role.id).value();
  EXPECT_EQ(assigned.user_id, eva.id);
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kEdit);
  EXPECT_EQ(Of(adam, kExperiment7), Permission::kRead);
  EXPECT_EQ(access().UsersWithRole(role.id).value(), std::vector{assigned});
  EXPECT_EQ(access().RolesOf("eva").value(), std::vector{access().GetRole(role.id).value()});
  EXPECT_TRUE(access().RolesOf("adam")->empty());
  EXPECT_EQ(Failure(access().AssignRole("eva", role.id), ErrorCode::kAlreadyExists),
            "User role assignment (user_id=" + std::to_string(eva.id) +
                ", role_id=" + std::to_string(role.id) + ") already exists");
  ASSERT_TRUE(access().UnassignRole("eva", role.id).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kRead);
  EXPECT_EQ(Failure(access().UnassignRole("eva", role.id), ErrorCode::kNotFound),
            "User role assignment (user_id=" + std::to_string(eva.id) +
                ", role_id=" + std::to_string(role.id) + ") not found");
  Failure(access().AssignRole("nobody", role.id), ErrorCode::kNotFound);
  Failure(access().AssignRole("eva", 99), ErrorCode::kNotFound);
  Failure(access().UsersWithRole(99), ErrorCode::kNotFound);
}

TEST_P(RolesTest, OwnPermissionsAreARoleOfTheUser) {
  const User eva = NewUser("eva");
  ASSERT_TRUE(access().CreateGrant("eva", kExperiment7, Permission::kEdit).ok());
  const std::vector<Role> roles = access().RolesOf("eva").value();
  ASSERT_EQ(roles.size(), 1U);
  EXPECT_EQ(roles[0].name, "__user_" + std::to_string(eva.id) + "__");
  EXPECT_EQ(roles[0].workspace, "default");
  ASSERT_EQ(roles[0].permissions.size(), 1U);
  EXPECT_EQ(roles[0].permissions[0].resource, kExperiment7);
  // Together with another role the most counts, whichever gives it; a veto wins.
  const Role role = NewRole("readers");
  ASSERT_TRUE(access().AssignRole("eva", role.id).ok());
  const std::int64_t id = access().AddRolePermission(role.id, kExperiment7, Permission::kRead)->id;
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kEdit);
  ASSERT_TRUE(access().UpdateRolePermission(id, Permission::kDeny).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kDeny);
  NewUser("root", true);
  ASSERT_TRUE(access().DeleteUser("eva").ok());
  EXPECT_EQ(access().ListRoles({})->size(), 1U);
  EXPECT_TRUE(access().UsersWithRole(role.id)->empty());
}

TEST_P(RolesTest, OnlyRolesOfTheDefaultWorkspaceCount) {
  const User eva = NewUser("eva");
  const Role here = NewRole("admins");
  const Role elsewhere = NewRole("admins", "elsewhere");
  ASSERT_TRUE(access().AddRolePermission(elsewhere.id, kWholeWorkspace, Permission::kManage).ok());
  ASSERT_TRUE(access().AssignRole("eva", elsewhere.id).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kRead);
  EXPECT_EQ(access().ManagedWorkspaces(eva).value(), std::set<std::string>{"elsewhere"});
  ASSERT_TRUE(access().AssignRole("eva", here.id).ok());
  EXPECT_EQ(access().WorkspacesOf(eva).value(), (std::set<std::string>{"default", "elsewhere"}));
  ASSERT_TRUE(access().AddRolePermission(here.id, kExperiments, Permission::kDeny).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kDeny);
  ASSERT_TRUE(access().AddRolePermission(here.id, kWholeWorkspace, Permission::kManage).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kManage);
}

TEST_P(RolesTest, RenamedAndDeletedModelsTouchOwnPermissionsOnly) {
  NewUser("eva");
  const Resource model{ResourceKind::kRegisteredModel, "churn"};
  const Role role = NewRole("readers");
  ASSERT_TRUE(access().AddRolePermission(role.id, model, Permission::kRead).ok());
  ASSERT_TRUE(access().CreateGrant("eva", model, Permission::kManage).ok());
  ASSERT_TRUE(access().RenameResource(model, "churn-2").ok());
  EXPECT_EQ(access().GetGrant("eva", {model.kind, "churn-2"}).value(), Permission::kManage);
  EXPECT_EQ(access().GetRole(role.id)->permissions.at(0).resource, model);
  ASSERT_TRUE(access().ForgetResource(model).ok());
  EXPECT_EQ(access().GetRole(role.id)->permissions.size(), 1U);
}

TEST_P(RolesTest, OtherProcessesSeeChangesAtOnce) {
  const User eva = NewUser("eva");
  const auto other_metadata = OpenDatabase();
  const auto other = OpenAccess(*other_metadata);
  EXPECT_EQ(other->PermissionOf(eva, kExperiment7).value(), Permission::kRead);
  const Role role = NewRole("editors");
  ASSERT_TRUE(access().AssignRole("eva", role.id).ok());
  const RolePermission given =
      access().AddRolePermission(role.id, kExperiment7, Permission::kEdit).value();
  EXPECT_EQ(other->PermissionOf(eva, kExperiment7).value(), Permission::kEdit);
  ASSERT_TRUE(other->RemoveRolePermission(given.id).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kRead);
}

// What a request is asked is in memory: only who says that something changed makes it be read.
TEST_P(RolesTest, AnswersComeFromMemoryUntilSomethingChanges) {
  const User eva = NewUser("eva");
  ASSERT_TRUE(access().CreateGrant("eva", kExperiment7, Permission::kEdit).ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kEdit);
  ASSERT_TRUE(metadata_->Execute("UPDATE access_role_permissions SET permission = 'DENY'").ok());
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kEdit);
  NewUser("adam");
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kDeny);
}

// A workspace that an earlier version wrote: what users were given stays.
TEST_P(RolesTest, PermissionsOfVersionOneBecomeRoles) {
  const store::Migration first = {"access", 1, R"sql(
CREATE TABLE access_users (user_id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL, is_admin INTEGER NOT NULL, creation_time INTEGER NOT NULL);
CREATE TABLE access_grants (
  user_id INTEGER NOT NULL REFERENCES access_users(user_id) ON DELETE CASCADE,
  resource_kind INTEGER NOT NULL, resource_id TEXT NOT NULL, permission INTEGER NOT NULL,
  PRIMARY KEY (user_id, resource_kind, resource_id)) WITHOUT ROWID;
CREATE TABLE access_tokens (token_id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES access_users(user_id) ON DELETE CASCADE,
  name TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, creation_time INTEGER NOT NULL,
  expiration_time INTEGER);
INSERT INTO access_users VALUES (1, 'eva', 'x', 0, 1), (2, 'adam', 'x', 0, 1), (12, 'kim', 'x', 0, 1);
INSERT INTO access_grants VALUES (1, 1, '7', 4), (1, 2, 'churn', 0), (12, 1, '7', 2), (12, 2, 'ask', 4);
CREATE TABLE registered_model_tags (name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL);
INSERT INTO registered_model_tags VALUES ('ask', 'mlflow.prompt.is_prompt', 'True');
)sql"};
  ASSERT_TRUE(metadata_->Migrate({&first, 1}).ok());
  EXPECT_EQ(access().GetGrant("eva", kExperiment7).value(), Permission::kManage);
  EXPECT_EQ(access().GetGrant("eva", {ResourceKind::kRegisteredModel, "churn"}).value(),
            Permission::kNone);
  EXPECT_EQ(access().GetGrant("kim", kExperiment7).value(), Permission::kUse);
  EXPECT_EQ(access().GetGrant("kim", {ResourceKind::kPrompt, "ask"}).value(), Permission::kManage);
  EXPECT_TRUE(access().RolesOf("adam")->empty());
  const User eva = access().GetUser("eva").value();
  EXPECT_EQ(Of(eva, kExperiment7), Permission::kManage);
  EXPECT_EQ(Of(eva, {ResourceKind::kRegisteredModel, "churn"}), Permission::kNone);
  EXPECT_FALSE(metadata_->HasTable("access_grants").value());
}

}  // namespace
}  // namespace millrace::tracking
