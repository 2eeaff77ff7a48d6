// SPDX-License-Identifier: Apache-2.0
// Access control: what users were given directly. It is kept as the permissions of a role of each
// user's own, as MLflow keeps it.
#include <map>
#include <utility>

#include "store/metadata.h"
#include "tracking/access.h"
#include "tracking/internal/access_rows.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Row;

/// "Experiment permission" and "experiment_id=7".
struct Words {
  std::string what;
  std::string which;
};

Words WordsOf(const Resource& resource) {
  switch (resource.kind) {
    case ResourceKind::kExperiment:
      return {"Experiment permission", "experiment_id=" + resource.id};
    case ResourceKind::kRegisteredModel:
      return {"Registered model permission", "name=" + resource.id};
    default:
      return {std::string(ResourceKindName(resource.kind)) + " permission", "id=" + resource.id};
  }
}

Error GrantNotFound(const std::string& username, const Resource& resource) {
  const Words words = WordsOf(resource);
  return base::NotFound(words.what + " with " + words.which + " and username=" + username +
                        " not found");
}

store::Value KindOf(const Resource& resource) {
  return std::string(ResourceKindName(resource.kind));
}

store::Value NameOf(Permission permission) {
  return std::string(PermissionName(permission));
}

/// Of the roles that hold what users were given directly; other names do not begin so.
constexpr std::string_view kInOwnRoles =
    "role_id IN (SELECT role_id FROM access_roles WHERE SUBSTR(name, 1, 7) = '__user_')";

}  // namespace

Result<std::optional<std::int64_t>> Access::OwnRoleOf(std::int64_t user_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT role_id FROM access_roles WHERE workspace = ? AND name = ?",
                      {std::string(kDefaultWorkspace), internal::OwnRoleName(user_id)}));
  return rows.empty() ? std::optional<std::int64_t>() : Int(rows[0][0]);
}

Result<std::int64_t> Access::MakeOwnRole(std::int64_t user_id) {
  MILL_ASSIGN_OR_RETURN(const std::optional<std::int64_t> own, OwnRoleOf(user_id));
  std::int64_t role_id = own.value_or(0);
  if (!own) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        metadata_.Query("INSERT INTO access_roles (workspace, name) VALUES (?, ?) "
                        "RETURNING role_id",
                        {std::string(kDefaultWorkspace), internal::OwnRoleName(user_id)}));
    role_id = Int(rows[0][0]);
  }
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("INSERT INTO access_role_assignments (user_id, role_id) VALUES (?, ?) "
                        "ON CONFLICT (user_id, role_id) DO NOTHING",
                        {user_id, role_id}));
  return role_id;
}

Result<Permission> Access::GetGrant(const std::string& username, const Resource& resource) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::optional<std::int64_t> role_id, OwnRoleOf(user_id));
  if (!role_id) {
    return GrantNotFound(username, resource);
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT permission FROM access_role_permissions WHERE role_id = ? "
                      "AND resource_type = ? AND resource_pattern = ?",
                      {*role_id, KindOf(resource), resource.id}));
  if (rows.empty()) {
    return GrantNotFound(username, resource);
  }
  return ParsePermission(Text(rows[0][0]));
}

Result<void> Access::CreateGrant(const std::string& username, const Resource& resource,
                                 Permission permission) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::int64_t role_id, MakeOwnRole(user_id));
  Result<void> made = metadata_.Execute(
      "INSERT INTO access_role_permissions (role_id, resource_type, resource_pattern, permission) "
      "VALUES (?, ?, ?, ?)",
      {role_id, KindOf(resource), resource.id, NameOf(permission)});
  if (!made.ok() && made.error().code() == ErrorCode::kAlreadyExists) {
    const Words words = WordsOf(resource);
    return base::AlreadyExists(words.what + " (" + words.which + ", username=" + username +
                               ") already exists.");
  }
  MILL_RETURN_IF_ERROR(std::move(made));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<void> Access::UpdateGrant(const std::string& username, const Resource& resource,
                                 Permission permission) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetGrant(username, resource));
  MILL_RETURN_IF_ERROR(PutGrant(username, resource, permission));
  return transaction.Commit();
}

Result<void> Access::PutGrant(const std::string& username, const Resource& resource,
                              Permission permission) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::int64_t role_id, MakeOwnRole(user_id));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO access_role_permissions (role_id, resource_type, resource_pattern, permission) "
      "VALUES (?, ?, ?, ?) ON CONFLICT (role_id, resource_type, resource_pattern) "
      "DO UPDATE SET permission = excluded.permission",
      {role_id, KindOf(resource), resource.id, NameOf(permission)}));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<void> Access::DeleteGrant(const std::string& username, const Resource& resource) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::optional<std::int64_t> role_id, OwnRoleOf(user_id));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("DELETE FROM access_role_permissions WHERE role_id = ? AND "
                               "resource_type = ? AND resource_pattern = ?",
                               {role_id.value_or(0), KindOf(resource), resource.id}));
  if (changed == 0) {
    return GrantNotFound(username, resource);
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<std::map<std::string, Permission>> Access::ListGrants(const std::string& username,
                                                             ResourceKind kind) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::optional<std::int64_t> role_id, OwnRoleOf(user_id));
  std::map<std::string, Permission> grants;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT resource_pattern, permission FROM access_role_permissions WHERE role_id = ? AND "
      "resource_type = ?",
      {role_id.value_or(0), std::string(ResourceKindName(kind))}, [&grants](store::RowView row) {
        const Result<Permission> permission = ParsePermission(Text(row[1]));
        if (permission.ok()) {
          grants.emplace(Text(row[0]), *permission);
        }
      }));
  return grants;
}

Result<void> Access::RenameResource(const Resource& from, const std::string& to) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  // What was said about another model of that name, long gone, does not count.
  MILL_RETURN_IF_ERROR(ForgetResource({from.kind, to}));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE access_role_permissions SET resource_pattern = ? WHERE resource_type = ? AND "
      "resource_pattern = ? AND " +
          std::string(kInOwnRoles),
      {to, KindOf(from), from.id}));
  return transaction.Commit();
}

Result<void> Access::ForgetResource(const Resource& resource) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "DELETE FROM access_role_permissions WHERE resource_type = ? AND resource_pattern = ? AND " +
          std::string(kInOwnRoles),
      {KindOf(resource), resource.id}));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

}  // namespace millrace::tracking
