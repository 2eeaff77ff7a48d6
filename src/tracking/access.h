// SPDX-License-Identifier: Apache-2.0
// Access control: users, their passwords and tokens, and what each may do with experiments and
// registered models, with the semantics of MLflow's basic-auth app. HTTP lives in `api`.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/password.h"
#include "base/result.h"

namespace millrace::store {
class Metadata;
}  // namespace millrace::store

namespace millrace::tracking {

/// What a user may do with one resource; each includes those before it. The numbers are on disk.
/// kManage also deletes the resource and gives permissions to others.
enum class Permission { kNone = 0, kRead = 1, kUse = 2, kEdit = 3, kManage = 4 };
/// MLflow's word: "NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE".
std::string_view PermissionName(Permission permission);
/// kInvalidArgument in MLflow's words for another name.
Result<Permission> ParsePermission(std::string_view name);

/// What permissions are given on. The numbers are on disk.
enum class ResourceKind { kExperiment = 1, kRegisteredModel = 2 };

struct Resource {
  ResourceKind kind = ResourceKind::kExperiment;
  /// Experiment id or name of the model.
  std::string id;
  auto operator<=>(const Resource&) const = default;
};

struct User {
  std::int64_t id = 0;
  std::string username;
  /// May do everything.
  bool is_admin = false;
  bool operator==(const User&) const = default;
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
/// changes at once. Errors of every call: kNotFound "User with username=... not found", and those
/// of store::Metadata.
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
  /// The same without the long computation: nothing where only that can tell.
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

  // Permissions.

  /// What the user may do: everything as an administrator, otherwise their own permission,
  /// otherwise the default.
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
  /// A model has a new name: permissions go with it.
  Result<void> RenameResource(const Resource& from, const std::string& to);
  /// A resource is gone: so are all permissions on it.
  Result<void> ForgetResource(const Resource& resource);

  Permission default_permission() const { return options_.default_permission; }

  // Which experiment decides about a run, a logged model (deleted ones too), a trace, a scorer or
  // an issue; kNotFound in MLflow's words.

  Result<std::string> ExperimentOfRun(const std::string& run_id);
  Result<std::string> ExperimentOfLoggedModel(const std::string& model_id);
  Result<std::string> ExperimentOfTrace(const std::string& trace_id);
  Result<std::string> ExperimentOfScorer(const std::string& scorer_id);
  Result<std::string> ExperimentOfIssue(const std::string& issue_id);
  /// Which experiments decide together about an evaluation dataset; none for one that is not there.
  Result<std::vector<std::string>> ExperimentsOfEvaluationDataset(const std::string& dataset_id);
  /// By name; kNotFound.
  Result<std::string> ExperimentOfName(const std::string& name);

 private:
  struct Cache;
  Access(store::Metadata& metadata, const base::Clock& clock, const AccessOptions& options);

  Result<void> CheckOtherAdmins(const std::string& username);
  std::int64_t NowMs() const { return clock_.Now().micros / 1000; }

  store::Metadata& metadata_;
  const base::Clock& clock_;
  const AccessOptions options_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace millrace::tracking
