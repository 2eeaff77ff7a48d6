// SPDX-License-Identifier: Apache-2.0
// Roles, and what users may do by them, over HTTP, as mlflow.server.auth.client.AuthServiceClient
// of MLflow 3.17 asks for them. Who may call what: access_rules.cc.
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/internal/access_guard.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "base/json.h"
#include "tracking/access.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;
using tracking::Access;
using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;
using tracking::Role;
using tracking::RoleAssignment;
using tracking::RolePermission;
using tracking::User;
using enum FieldType;

constexpr Field kUsername = {.name = "username", .is_required = true};
// Read as Python's int() reads it, which this program says in MLflow's words.
constexpr Field kRoleIdField = {.name = "role_id", .type = kAny};
constexpr Field kPermissionIdField = {.name = "role_permission_id", .type = kAny};
constexpr Field kPermissionField = {.name = "permission", .is_required = true};

constexpr Field kCreate[] = {{.name = "name", .type = kAny},
                             {.name = "workspace", .type = kAny},
                             {.name = "description", .type = kAny}};
constexpr Field kByRole[] = {kRoleIdField};
constexpr Field kByWorkspaces[] = {{.name = "workspace", .type = kTexts}};
constexpr Field kUpdate[] = {
    kRoleIdField, {.name = "name", .type = kAny}, {.name = "description", .type = kAny}};
constexpr Field kAdd[] = {kRoleIdField,
                          {.name = "resource_type", .is_required = true},
                          {.name = "resource_pattern", .is_required = true},
                          kPermissionField};
constexpr Field kByPermission[] = {kPermissionIdField};
constexpr Field kChange[] = {kPermissionIdField, kPermissionField};
constexpr Field kAssign[] = {kUsername, kRoleIdField};
constexpr Field kByName[] = {kUsername};
constexpr Field kResourceOfUser[] = {kUsername,
                                     {.name = "resource_type", .is_required = true},
                                     {.name = "resource_id", .is_required = true}};
constexpr Field kGrant[] = {kUsername,
                            {.name = "resource_type", .is_required = true},
                            {.name = "resource_id", .is_required = true},
                            kPermissionField};

json ToJson(const Role& role);

json ToJson(const RolePermission& permission) {
  return {{"id", permission.id},
          {"role_id", permission.role_id},
          {"resource_type", tracking::ResourceKindName(permission.resource.kind)},
          {"resource_pattern", permission.resource.id},
          {"permission", tracking::PermissionName(permission.permission)}};
}

json ToJson(const RoleAssignment& assignment) {
  return {{"id", assignment.id}, {"user_id", assignment.user_id}, {"role_id", assignment.role_id}};
}

template <typename Items>
json ListOf(const Items& items) {
  json list = json::array();
  for (const auto& item : items) {
    list.push_back(ToJson(item));
  }
  return list;
}

json ToJson(const Role& role) {
  return {{"id", role.id},
          {"name", role.name},
          {"workspace", role.workspace},
          {"description", role.description ? json(*role.description) : json()},
          {"permissions", ListOf(role.permissions)}};
}

template <typename T>
Result<std::string> Body(const char* name, const Result<T>& value) {
  if (!value.ok()) {
    return value.error();
  }
  if constexpr (requires { value->begin(); }) {
    return base::DumpJson({{name, ListOf(*value)}});
  } else {
    return base::DumpJson({{name, ToJson(*value)}});
  }
}

/// Unset where the field is; kInvalidArgument with these words where it is no text.
Result<std::optional<std::string>> TextOr(const Message& in, std::string_view field,
                                          const char* otherwise) {
  const auto value = in.Value(field);
  if (!value || value->kind() == JsonKind::kNull) {
    return std::optional<std::string>();
  }
  if (!value->is_string()) {
    return base::InvalidArgument(otherwise);
  }
  std::string scratch;
  return std::optional<std::string>(value->Text(scratch));
}

Result<std::string> CreateRole(Access& access, const Message& in) {
  for (const std::string_view field : {"name", "workspace"}) {
    if (!in.Value(field)) {
      return MissingParameter(field);
    }
  }
  MILL_ASSIGN_OR_RETURN(const auto name, TextOr(in, "name", "Role name cannot be empty."));
  MILL_ASSIGN_OR_RETURN(const auto workspace,
                        TextOr(in, "workspace", "Workspace cannot be empty."));
  MILL_ASSIGN_OR_RETURN(const auto description,
                        TextOr(in, "description", "Role description must be a string or null."));
  return Body("role", access.CreateRole(workspace.value_or(""), name.value_or(""), description));
}

Result<std::string> UpdateRole(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t role_id, RoleNumber(in, "role_id"));
  MILL_ASSIGN_OR_RETURN(const auto name, TextOr(in, "name", "Role name cannot be empty."));
  MILL_ASSIGN_OR_RETURN(const auto description,
                        TextOr(in, "description", "Role description must be a string."));
  return Body("role", access.UpdateRole(role_id, name, description));
}

Result<std::string> ListRoles(Access& access, const Message& in) {
  const std::vector<std::string> workspaces = in.Texts("workspace");
  for (const std::string& workspace : workspaces) {
    if (workspace.find_first_not_of(' ') == std::string::npos) {
      return base::InvalidArgument(
          "Parameter 'workspace' must be a non-empty string when provided.");
    }
  }
  return Body("roles", access.ListRoles(workspaces));
}

Result<std::string> AddPermission(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t role_id, RoleNumber(in, "role_id"));
  MILL_ASSIGN_OR_RETURN(const Permission permission,
                        tracking::ParsePermission(in.Text("permission")));
  MILL_ASSIGN_OR_RETURN(const ResourceKind kind,
                        tracking::ParseResourceKind(in.Text("resource_type")));
  return Body("role_permission",
              access.AddRolePermission(role_id, {kind, in.Text("resource_pattern")}, permission));
}

Result<std::string> UpdatePermission(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t id, RoleNumber(in, "role_permission_id"));
  MILL_RETURN_IF_ERROR(access.GetRolePermission(id));
  MILL_ASSIGN_OR_RETURN(const Permission permission,
                        tracking::ParsePermission(in.Text("permission")));
  return Body("role_permission", access.UpdateRolePermission(id, permission));
}

/// The user's roles as far as who asks may know them.
Result<std::vector<Role>> VisibleRoles(Access& access, const User& sender,
                                       const std::string& username) {
  MILL_ASSIGN_OR_RETURN(std::vector<Role> roles, access.RolesOf(username));
  if (!sender.is_admin && sender.username != username) {
    MILL_ASSIGN_OR_RETURN(const auto managed, access.ManagedWorkspaces(sender));
    std::erase_if(roles, [&](const Role& role) { return !managed.contains(role.workspace); });
  }
  return roles;
}

Result<std::string> ListUsers(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
  MILL_ASSIGN_OR_RETURN(const std::vector<User> users, access.ListUsers());
  json list = json::array();
  for (const User& user : users) {
    MILL_ASSIGN_OR_RETURN(const auto roles, VisibleRoles(access, sender, user.username));
    list.push_back({{"id", user.id},
                    {"username", user.username},
                    {"is_admin", user.is_admin},
                    {"roles", ListOf(roles)}});
  }
  return base::DumpJson({{"users", list}});
}

Result<std::string> ListUserRoles(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
  return Body("roles", VisibleRoles(access, sender, in.Text("username")));
}

/// Each permission of each of the user's roles.
Result<std::string> PermissionsJson(Access& access, const User& sender,
                                    const std::string& username) {
  MILL_ASSIGN_OR_RETURN(const User user, access.GetUser(username));
  MILL_ASSIGN_OR_RETURN(const std::vector<Role> roles, VisibleRoles(access, sender, username));
  json list = json::array();
  for (const Role& role : roles) {
    for (const RolePermission& permission : role.permissions) {
      json row = ToJson(permission);
      row.erase("id");
      row["role_name"] = role.name;
      row["workspace"] = role.workspace;
      list.push_back(std::move(row));
    }
  }
  return base::DumpJson({{"is_admin", user.is_admin}, {"permissions", list}});
}

// What roles and direct permissions say, as MLflow answers: that an administrator may everything
// does not show here.
Result<std::string> EffectivePermission(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const User user, access.GetUser(in.Text("username")));
  MILL_ASSIGN_OR_RETURN(const Resource resource, NamedResource(in));
  if (resource.id != tracking::kEveryResource && !IsAskedById(resource.kind)) {
    return base::InvalidArgument("resource_type '" + in.Text("resource_type") +
                                 "' is not supported by the per-user permission convenience APIs.");
  }
  if (resource.kind == ResourceKind::kScorer && resource.id != tracking::kEveryResource &&
      resource.id.find('/') == std::string::npos) {
    return base::InvalidArgument(
        "Invalid scorer resource_id. Expected '<experiment_id>/<scorer_name>'.");
  }
  MILL_ASSIGN_OR_RETURN(const tracking::UserGrants grants, access.GrantsOf(user));
  const Permission permission = grants.ByGrants(resource);
  return base::DumpJson({{"allowed", permission >= Permission::kUse},
                         {"permission", tracking::PermissionName(permission)}});
}

Error GrantError(const Error& error, const Message& in, const char* what) {
  return Error(error.code(), "Permission for user=" + in.Text("username") +
                                 " on resource_type=" + in.Text("resource_type") +
                                 ", resource_id=" + in.Text("resource_id") + " " + what);
}

Result<void> GrantPermission(Access& access, const Message& in) {
  MILL_RETURN_IF_ERROR(access.GetUser(in.Text("username")));
  MILL_ASSIGN_OR_RETURN(const Resource resource, NamedResource(in));
  if (tracking::IsWildcardOnly(resource.kind) && resource.id != tracking::kEveryResource) {
    return tracking::CheckGrantable(resource, Permission::kRead);
  }
  MILL_ASSIGN_OR_RETURN(const Permission permission,
                        tracking::ParsePermission(in.Text("permission")));
  MILL_RETURN_IF_ERROR(tracking::CheckGrantable(resource, permission));
  Result<void> made = access.CreateGrant(in.Text("username"), resource, permission);
  if (!made.ok() && made.error().code() == ErrorCode::kAlreadyExists) {
    return GrantError(made.error(), in, "already exists.");
  }
  return made;
}

Result<void> RevokePermission(Access& access, const Message& in) {
  MILL_RETURN_IF_ERROR(access.GetUser(in.Text("username")));
  MILL_ASSIGN_OR_RETURN(const Resource resource, NamedResource(in));
  Result<void> taken = access.DeleteGrant(in.Text("username"), resource);
  if (!taken.ok() && taken.error().code() == ErrorCode::kNotFound) {
    return GrantError(taken.error(), in, "not found.");
  }
  return taken;
}

void AddPermissionRoutes(const Mount& mount, Access& access) {
  mount.AddAction("POST", "/mlflow/users/permissions/grant", kGrant,
                  [&access](const Message& in) { return GrantPermission(access, in); });
  mount.AddAction("POST", "/mlflow/users/permissions/revoke", kResourceOfUser,
                  [&access](const Message& in) { return RevokePermission(access, in); });
  mount.Add("GET", "/mlflow/users/permissions/get", kResourceOfUser,
            [&access](const Message& in) { return EffectivePermission(access, in); });
  mount.Add("GET", "/mlflow/users/permissions/list", kByName,
            [&access](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
              return PermissionsJson(access, sender, in.Text("username"));
            });
  mount.Add("GET", "/mlflow/users/current/permissions", {},
            [&access](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
              return PermissionsJson(access, sender, sender.username);
            });
  mount.Add("GET", "/mlflow/users/roles/list", kByName,
            [&access](const Message& in) { return ListUserRoles(access, in); });
}

}  // namespace

void AddRoleRoutes(Access& access, Router& router) {
  const Mount mount(router, "3.0");
  const auto by_id = [&access](std::string_view field, const auto& ask) {
    return [&access, field, ask](const Message& in) -> decltype(ask(access, in, std::int64_t{})) {
      MILL_ASSIGN_OR_RETURN(const std::int64_t id, RoleNumber(in, field));
      return ask(access, in, id);
    };
  };
  mount.Add("POST", "/mlflow/roles/create", kCreate,
            [&access](const Message& in) { return CreateRole(access, in); });
  mount.Add("GET", "/mlflow/roles/get", kByRole,
            by_id("role_id", [](Access& from, const Message&, std::int64_t id) {
              return Body("role", from.GetRole(id));
            }));
  mount.Add("GET", "/mlflow/roles/list", kByWorkspaces,
            [&access](const Message& in) { return ListRoles(access, in); });
  mount.Add("PATCH", "/mlflow/roles/update", kUpdate,
            [&access](const Message& in) { return UpdateRole(access, in); });
  mount.AddAction("DELETE", "/mlflow/roles/delete", kByRole,
                  by_id("role_id", [](Access& from, const Message&, std::int64_t id) {
                    return from.DeleteRole(id);
                  }));
  mount.Add("POST", "/mlflow/roles/permissions/add", kAdd,
            [&access](const Message& in) { return AddPermission(access, in); });
  mount.AddAction("DELETE", "/mlflow/roles/permissions/remove", kByPermission,
                  by_id("role_permission_id", [](Access& from, const Message&, std::int64_t id) {
                    return from.RemoveRolePermission(id);
                  }));
  mount.Add(
      "GET", "/mlflow/roles/permissions/list", kByRole,
      by_id("role_id", [](Access& from, const Message&, std::int64_t id) -> Result<std::string> {
        MILL_ASSIGN_OR_RETURN(const Role role, from.GetRole(id));
        return base::DumpJson({{"role_permissions", ListOf(role.permissions)}});
      }));
  mount.Add("PATCH", "/mlflow/roles/permissions/update", kChange,
            [&access](const Message& in) { return UpdatePermission(access, in); });
  mount.Add("POST", "/mlflow/roles/assign", kAssign,
            by_id("role_id", [](Access& from, const Message& in, std::int64_t id) {
              return Body("assignment", from.AssignRole(in.Text("username"), id));
            }));
  mount.AddAction("DELETE", "/mlflow/roles/unassign", kAssign,
                  by_id("role_id", [](Access& from, const Message& in, std::int64_t id) {
                    return from.UnassignRole(in.Text("username"), id);
                  }));
  mount.Add("GET", "/mlflow/roles/users/list", kByRole,
            by_id("role_id", [](Access& from, const Message&, std::int64_t id) {
              return Body("assignments", from.UsersWithRole(id));
            }));
  AddPermissionRoutes(mount, access);
  const Mount mount2(router);
  mount2.Add("GET", "/mlflow/users/list", {},
             [&access](const Message& in) { return ListUsers(access, in); });
}

}  // namespace millrace::api::internal
