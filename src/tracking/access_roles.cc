// SPDX-License-Identifier: Apache-2.0
// Access control: roles, their permissions and who has them. Messages are MLflow's.
#include <algorithm>
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

constexpr std::string_view kOwnRolePrefix = "__user_";
constexpr std::string_view kPermissionColumns =
    "SELECT p.role_permission_id, p.role_id, p.resource_type, p.resource_pattern, p.permission "
    "FROM access_role_permissions p ";

Result<RolePermission> PermissionFromRow(store::RowView row) {
  RolePermission permission{Int(row[0]), Int(row[1]), {}, {}};
  MILL_ASSIGN_OR_RETURN(permission.resource.kind, ParseResourceKind(Text(row[2])));
  permission.resource.id = Text(row[3]);
  MILL_ASSIGN_OR_RETURN(permission.permission, ParsePermission(Text(row[4])));
  return permission;
}

/// By the end of a SELECT over access_role_permissions p.
Result<std::vector<RolePermission>> ReadPermissions(store::Metadata& metadata,
                                                    const std::string& where,
                                                    std::span<const store::Value> params) {
  std::vector<RolePermission> permissions;
  Result<void> read = {};
  MILL_RETURN_IF_ERROR(
      metadata.ForEach(std::string(kPermissionColumns) + where + " ORDER BY p.role_permission_id",
                       params, [&](store::RowView row) {
                         Result<RolePermission> permission = PermissionFromRow(row);
                         if (permission.ok()) {
                           permissions.push_back(*std::move(permission));
                         } else {
                           read = permission.error();
                         }
                       }));
  MILL_RETURN_IF_ERROR(std::move(read));
  return permissions;
}

/// By the end of a SELECT over access_roles r, whose ids `ids` selects.
Result<std::vector<Role>> ReadRoles(store::Metadata& metadata, const std::string& where,
                                    std::span<const store::Value> params) {
  std::vector<Role> roles;
  std::map<std::int64_t, std::size_t> at;
  MILL_RETURN_IF_ERROR(
      metadata.ForEach("SELECT r.role_id, r.workspace, r.name, r.description FROM access_roles r " +
                           where + " ORDER BY r.role_id",
                       params, [&](store::RowView row) {
                         Role& role = roles.emplace_back();
                         role.id = Int(row[0]);
                         role.workspace = Text(row[1]);
                         role.name = Text(row[2]);
                         if (!store::IsNull(row[3])) {
                           role.description = Text(row[3]);
                         }
                         at[role.id] = roles.size() - 1;
                       }));
  MILL_ASSIGN_OR_RETURN(
      std::vector<RolePermission> permissions,
      ReadPermissions(metadata,
                      "WHERE p.role_id IN (SELECT r.role_id FROM access_roles r " + where + ")",
                      params));
  for (RolePermission& permission : permissions) {
    const auto role = at.find(permission.role_id);
    if (role != at.end()) {
      roles[role->second].permissions.push_back(std::move(permission));
    }
  }
  return roles;
}

Result<void> CheckRoleName(const std::string& name) {
  if (name.find_first_not_of(" \t\n\r\f\v") == std::string::npos) {
    return base::InvalidArgument("Role name cannot be empty.");
  }
  if (name.starts_with(kOwnRolePrefix)) {
    return base::InvalidArgument(
        "Role name '" + name +
        "' uses the reserved '__user_' prefix, which is held for the per-user permission "
        "representation. Choose a different name.");
  }
  return {};
}

Error RolePermissionNotFound(std::int64_t id) {
  return base::NotFound("Role permission with id=" + std::to_string(id) + " not found");
}

}  // namespace

namespace internal {

std::string OwnRoleName(std::int64_t user_id) {
  return std::string(kOwnRolePrefix) + std::to_string(user_id) + "__";
}

}  // namespace internal

Result<Role> Access::CreateRole(const std::string& workspace, const std::string& name,
                                const std::optional<std::string>& description) {
  MILL_RETURN_IF_ERROR(CheckRoleName(name));
  if (workspace.find_first_not_of(" \t\n\r\f\v") == std::string::npos) {
    return base::InvalidArgument("Workspace cannot be empty.");
  }
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  const auto rows = metadata_.Query(
      "INSERT INTO access_roles (workspace, name, description) VALUES (?, ?, ?) RETURNING role_id",
      {workspace, name, description ? store::Value(*description) : store::Value()});
  if (!rows.ok() && rows.error().code() == ErrorCode::kAlreadyExists) {
    return base::AlreadyExists("Role (name=" + name + ", workspace=" + workspace +
                               ") already exists.");
  }
  if (!rows.ok()) {
    return rows.error();
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return Role{Int((*rows)[0][0]), workspace, name, description, {}};
}

Result<Role> Access::GetRole(std::int64_t role_id) {
  const store::Value id = role_id;
  MILL_ASSIGN_OR_RETURN(std::vector<Role> roles,
                        ReadRoles(metadata_, "WHERE r.role_id = ?", {&id, 1}));
  if (roles.empty()) {
    return base::NotFound("Role with id=" + std::to_string(role_id) + " not found");
  }
  return std::move(roles[0]);
}

Result<std::vector<Role>> Access::ListRoles(const std::vector<std::string>& workspaces) {
  if (workspaces.empty()) {
    return ReadRoles(metadata_, "", {});
  }
  const std::vector<store::Value> params(workspaces.begin(), workspaces.end());
  return ReadRoles(metadata_, "WHERE r.workspace IN (" + internal::Marks(params.size()) + ")",
                   params);
}

Result<Role> Access::UpdateRole(std::int64_t role_id, const std::optional<std::string>& name,
                                const std::optional<std::string>& description) {
  if (!name && !description) {
    return base::InvalidArgument(
        "At least one of 'name' or 'description' must be provided to update a role.");
  }
  if (name) {
    MILL_RETURN_IF_ERROR(CheckRoleName(*name));
  }
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(Role role, GetRole(role_id));
  role.name = name.value_or(role.name);
  role.description = description ? description : role.description;
  Result<void> changed = metadata_.Execute(
      "UPDATE access_roles SET name = ?, description = ? WHERE role_id = ?",
      {role.name, role.description ? store::Value(*role.description) : store::Value(), role_id});
  if (!changed.ok() && changed.error().code() == ErrorCode::kAlreadyExists) {
    return base::AlreadyExists("Role with name=" + role.name +
                               " already exists in workspace=" + role.workspace);
  }
  MILL_RETURN_IF_ERROR(std::move(changed));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return role;
}

Result<void> Access::DeleteRole(std::int64_t role_id) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetRole(role_id));
  MILL_RETURN_IF_ERROR(metadata_.Execute("DELETE FROM access_roles WHERE role_id = ?", {role_id}));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<RolePermission> Access::AddRolePermission(std::int64_t role_id, const Resource& resource,
                                                 Permission permission) {
  MILL_RETURN_IF_ERROR(CheckGrantable(resource, permission));
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetRole(role_id));
  const std::string type(ResourceKindName(resource.kind));
  const auto rows = metadata_.Query(
      "INSERT INTO access_role_permissions (role_id, resource_type, resource_pattern, permission) "
      "VALUES (?, ?, ?, ?) RETURNING role_permission_id",
      {role_id, type, resource.id, std::string(PermissionName(permission))});
  if (!rows.ok() && rows.error().code() == ErrorCode::kAlreadyExists) {
    return base::AlreadyExists("Role permission (role_id=" + std::to_string(role_id) +
                               ", resource_type=" + type + ", resource_pattern=" + resource.id +
                               ") already exists.");
  }
  if (!rows.ok()) {
    return rows.error();
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return RolePermission{Int((*rows)[0][0]), role_id, resource, permission};
}

Result<RolePermission> Access::GetRolePermission(std::int64_t role_permission_id) {
  const store::Value id = role_permission_id;
  MILL_ASSIGN_OR_RETURN(std::vector<RolePermission> permissions,
                        ReadPermissions(metadata_, "WHERE p.role_permission_id = ?", {&id, 1}));
  if (permissions.empty()) {
    return RolePermissionNotFound(role_permission_id);
  }
  return std::move(permissions[0]);
}

Result<RolePermission> Access::UpdateRolePermission(std::int64_t role_permission_id,
                                                    Permission permission) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(RolePermission changed, GetRolePermission(role_permission_id));
  MILL_RETURN_IF_ERROR(CheckGrantable(changed.resource, permission));
  changed.permission = permission;
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE access_role_permissions SET permission = ? WHERE role_permission_id = ?",
      {std::string(PermissionName(permission)), role_permission_id}));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return changed;
}

Result<void> Access::RemoveRolePermission(std::int64_t role_permission_id) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t n,
      metadata_.ExecuteCounted("DELETE FROM access_role_permissions WHERE role_permission_id = ?",
                               {role_permission_id}));
  if (n == 0) {
    return RolePermissionNotFound(role_permission_id);
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<RoleAssignment> Access::AssignRole(const std::string& username, std::int64_t role_id) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_RETURN_IF_ERROR(GetRole(role_id));
  const auto rows = metadata_.Query(
      "INSERT INTO access_role_assignments (user_id, role_id) VALUES (?, ?) RETURNING "
      "assignment_id",
      {user_id, role_id});
  if (!rows.ok() && rows.error().code() == ErrorCode::kAlreadyExists) {
    return base::AlreadyExists("User role assignment (user_id=" + std::to_string(user_id) +
                               ", role_id=" + std::to_string(role_id) + ") already exists");
  }
  if (!rows.ok()) {
    return rows.error();
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return RoleAssignment{Int((*rows)[0][0]), user_id, role_id};
}

Result<void> Access::UnassignRole(const std::string& username, std::int64_t role_id) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::int64_t n,
                        metadata_.ExecuteCounted(
                            "DELETE FROM access_role_assignments WHERE user_id = ? AND role_id = ?",
                            {user_id, role_id}));
  if (n == 0) {
    return base::NotFound("User role assignment (user_id=" + std::to_string(user_id) +
                          ", role_id=" + std::to_string(role_id) + ") not found");
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<std::vector<Role>> Access::RolesOf(const std::string& username) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  const store::Value id = user_id;
  return ReadRoles(
      metadata_,
      "WHERE r.role_id IN (SELECT a.role_id FROM access_role_assignments a WHERE a.user_id = ?)",
      {&id, 1});
}

Result<std::vector<RoleAssignment>> Access::UsersWithRole(std::int64_t role_id) {
  MILL_RETURN_IF_ERROR(GetRole(role_id));
  std::vector<RoleAssignment> assignments;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT assignment_id, user_id, role_id FROM access_role_assignments WHERE role_id = ? "
      "ORDER BY assignment_id",
      {role_id}, [&assignments](store::RowView row) {
        assignments.push_back({Int(row[0]), Int(row[1]), Int(row[2])});
      }));
  return assignments;
}

}  // namespace millrace::tracking
