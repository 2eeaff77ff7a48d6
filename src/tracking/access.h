// SPDX-License-Identifier: Apache-2.0
// Access control: users, their passwords and tokens, roles, and what each user may do, with the
// semantics of MLflow's basic-auth app on a server without workspaces. HTTP lives in `api`.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/password.h"
#include "base/result.h"
#include "tracking/permissions.h"

namespace millrace::store {
class Metadata;
}  // namespace millrace::store

namespace millrace::tracking {

struct User {
  std::int64_t id = 0;
  std::string username;
  /// May do everything.
  bool is_admin = false;
  bool operator==(const User&) const = default;
};

/// What holders of a role may do: a permission on one resource, or on every one of a kind ("*").
struct RolePermission {
  std::int64_t id = 0;
  std::int64_t role_id = 0;
  Resource resource;
  Permission permission = Permission::kNone;
  bool operator==(const RolePermission&) const = default;
};

struct Role {
  std::int64_t id = 0;
  /// Only roles of kDefaultWorkspace count: this server has no others, though MLflow's client
  /// names one.
  std::string workspace;
  /// Unique in its workspace. "__user_7__" holds what user 7 was given directly.
  std::string name;
  std::optional<std::string> description = {};
  /// Oldest first.
  std::vector<RolePermission> permissions = {};
  bool operator==(const Role&) const = default;
};

struct RoleAssignment {
  std::int64_t id = 0;
  std::int64_t user_id = 0;
  std::int64_t role_id = 0;
  bool operator==(const RoleAssignment&) const = default;
};

inline constexpr std::string_view kDefaultWorkspace = "default";

/// What one user may do at one moment.
class UserGrants {
 public:
  UserGrants(std::shared_ptr<const GrantSet> grants, bool is_admin, Permission default_permission)
      : grants_(std::move(grants)), is_admin_(is_admin), default_(default_permission) {}
  /// Everything as an administrator; otherwise GrantSet::Of and OfPart.
  Permission Of(const Resource& resource) const {
    return is_admin_ ? Permission::kManage : grants_->Of(resource, default_);
  }
  Permission OfPart(ResourceKind part, const Resource& container) const {
    return is_admin_ ? Permission::kManage : grants_->OfPart(part, container, default_);
  }
  bool HasOwn(ResourceKind part) const { return !is_admin_ && grants_->HasOwn(part); }
  /// What roles and direct permissions say alone, as if the user were no administrator.
  Permission ByGrants(const Resource& resource) const { return grants_->Of(resource, default_); }
  const GrantSet& grants() const { return *grants_; }

 private:
  std::shared_ptr<const GrantSet> grants_;
  bool is_admin_ = false;
  Permission default_ = Permission::kNone;
};

struct AccessToken {
  std::int64_t id = 0;
  std::string username;
  /// What its owner calls it.
  std::string name;
  std::int64_t creation_time_ms = 0;
  /// None: until it is deleted.
  std::optional<std::int64_t> expiration_time_ms = {};
};

struct NewToken {
  AccessToken token;
  /// Shown once: only its SHA-256 is kept.
  std::string secret;
};

struct AccessOptions {
  /// Of resources on which a user has no permission of their own.
  Permission default_permission = Permission::kRead;
  base::PasswordCost password_cost = {};
};

/// Thread-safe; several processes may hold one on the same database, and each sees the others'
/// changes at once. What decides about requests (who asks, what they may do, the experiment of a
/// run) is kept in memory and read again when somebody changed it: with SQLite a question costs
/// about a microsecond, with PostgreSQL a round trip. Errors of every call: kNotFound "User with
/// username=... not found", and those of store::Metadata.
class Access {
 public:
  /// Migrates the tables. The references outlive the object.
  static Result<std::unique_ptr<Access>> Open(store::Metadata& metadata, const base::Clock& clock,
                                              const AccessOptions& options = {});
  ~Access();

  // Users.

  /// kInvalidArgument for an empty name or password, or characters that HTTP's basic authentication
  /// cannot carry; kAlreadyExists.
  Result<User> CreateUser(const std::string& username, const std::string& password, bool is_admin);
  Result<User> GetUser(const std::string& username);
  /// By name.
  Result<std::vector<User>> ListUsers();
  Result<void> SetPassword(const std::string& username, const std::string& password);
  /// kFailedPrecondition where nobody would be left to administrate; DeleteUser too.
  Result<void> SetAdmin(const std::string& username, bool is_admin);
  /// With their tokens and permissions.
  Result<void> DeleteUser(const std::string& username);

  // Who asks. kUnauthenticated does not tell what was wrong.

  /// The first check of a password takes as long as its cost says, later ones of the same are
  /// remembered as long as the password stays.
  Result<User> CheckPassword(const std::string& username, const std::string& password);
  /// Whether CheckPassword takes no long computation, as far as is known without asking the
  /// database: where somebody changed the password meanwhile it does.
  bool IsKnownPassword(const std::string& username, const std::string& password);
  /// CheckPassword without the long computation: nothing where only that can tell.
  Result<std::optional<User>> CheckKnownPassword(const std::string& username,
                                                 const std::string& password);
  Result<User> CheckToken(const std::string& secret);

  // Tokens.

  /// @param lifetime  none: until it is deleted; kInvalidArgument unless positive, at most 100
  /// years
  Result<NewToken> CreateToken(const std::string& username, const std::string& name,
                               std::optional<std::chrono::seconds> lifetime);
  /// Oldest first.
  Result<std::vector<AccessToken>> ListTokens(const std::string& username);
  /// kNotFound also for a token of another user.
  Result<void> DeleteToken(const std::string& username, std::int64_t token_id);

  // Permissions. "Own" ones are given to the user directly, not by a role.

  /// What the user may do by their own permissions, their roles and the default.
  Result<UserGrants> GrantsOf(const User& user);
  /// The same as it was when it was last asked who sends a request: for that request.
  Result<UserGrants> LastGrantsOf(const User& user);
  /// The same on one resource.
  Result<Permission> PermissionOf(const User& user, const Resource& resource);
  /// kNotFound in MLflow's words where the user has none of their own.
  Result<Permission> GetGrant(const std::string& username, const Resource& resource);
  /// kAlreadyExists in MLflow's words.
  Result<void> CreateGrant(const std::string& username, const Resource& resource,
                           Permission permission);
  /// kNotFound as GetGrant.
  Result<void> UpdateGrant(const std::string& username, const Resource& resource,
                           Permission permission);
  /// Creates or updates.
  Result<void> PutGrant(const std::string& username, const Resource& resource,
                        Permission permission);
  /// kNotFound as GetGrant.
  Result<void> DeleteGrant(const std::string& username, const Resource& resource);
  /// All of a user's own permissions of one kind, by resource id.
  Result<std::map<std::string, Permission>> ListGrants(const std::string& username,
                                                       ResourceKind kind);
  /// A model has a new name: users' own permissions go with it.
  Result<void> RenameResource(const Resource& from, const std::string& to);
  /// A resource is gone: so are all users' own permissions on it.
  Result<void> ForgetResource(const Resource& resource);

  // Roles. kNotFound "Role with id=... not found", "Role permission with id=... not found".

  /// kInvalidArgument for an empty name or workspace, a name that begins with "__user_";
  /// kAlreadyExists.
  Result<Role> CreateRole(const std::string& workspace, const std::string& name,
                          const std::optional<std::string>& description);
  Result<Role> GetRole(std::int64_t role_id);
  /// Of these workspaces, or of all where none is named; oldest first.
  Result<std::vector<Role>> ListRoles(const std::vector<std::string>& workspaces);
  /// What is set is changed. Errors as CreateRole.
  Result<Role> UpdateRole(std::int64_t role_id, const std::optional<std::string>& name,
                          const std::optional<std::string>& description);
  /// With its permissions; nobody has it any more.
  Result<void> DeleteRole(std::int64_t role_id);
  /// kInvalidArgument by CheckGrantable; kAlreadyExists where the role has one on that resource.
  Result<RolePermission> AddRolePermission(std::int64_t role_id, const Resource& resource,
                                           Permission permission);
  Result<RolePermission> GetRolePermission(std::int64_t role_permission_id);
  Result<RolePermission> UpdateRolePermission(std::int64_t role_permission_id,
                                              Permission permission);
  Result<void> RemoveRolePermission(std::int64_t role_permission_id);
  /// kAlreadyExists where the user has it.
  Result<RoleAssignment> AssignRole(const std::string& username, std::int64_t role_id);
  /// kNotFound where the user does not have it.
  Result<void> UnassignRole(const std::string& username, std::int64_t role_id);
  /// The user's roles, that of their own permissions among them; oldest first.
  Result<std::vector<Role>> RolesOf(const std::string& username);
  Result<std::vector<RoleAssignment>> UsersWithRole(std::int64_t role_id);
  /// Where a role of the user gives MANAGE on the workspace.
  Result<std::set<std::string>> ManagedWorkspaces(const User& user);
  /// Where the user has any role.
  Result<std::set<std::string>> WorkspacesOf(const User& user);

  // Which experiment decides about a run, a logged model (deleted ones too), a trace, a scorer or
  // an issue; kNotFound in MLflow's words. Of a run, as LastGrantsOf.

  Result<std::string> ExperimentOfRun(const std::string& run_id);
  Result<std::string> ExperimentOfLoggedModel(const std::string& model_id);
  Result<std::string> ExperimentOfTrace(const std::string& trace_id);
  Result<std::string> ExperimentOfScorer(const std::string& scorer_id);
  Result<std::string> ExperimentOfIssue(const std::string& issue_id);
  /// Which experiments decide together about an evaluation dataset; none for one that is not there.
  Result<std::vector<std::string>> ExperimentsOfEvaluationDataset(const std::string& dataset_id);
  /// By name; kNotFound.
  Result<std::string> ExperimentOfName(const std::string& name);
  /// The name as a prompt's or, also where nothing has it, a registered model's.
  Result<Resource> ModelOrPrompt(const std::string& name);

 private:
  struct Cache;
  struct Snapshot;
  Access(store::Metadata& metadata, const base::Clock& clock, const AccessOptions& options);

  /// What is in the database now.
  Result<std::shared_ptr<const Snapshot>> Now();
  Result<std::shared_ptr<const Snapshot>> ReadAll();
  UserGrants GrantsIn(const Snapshot& all, const User& user) const;
  Result<void> CheckOtherAdmins(const std::string& username);
  Result<std::optional<std::int64_t>> OwnRoleOf(std::int64_t user_id);
  Result<std::int64_t> MakeOwnRole(std::int64_t user_id);
  std::int64_t NowMs() const { return clock_.Now().micros / 1000; }

  store::Metadata& metadata_;
  const base::Clock& clock_;
  const AccessOptions options_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace millrace::tracking
