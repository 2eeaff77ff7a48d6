// SPDX-License-Identifier: Apache-2.0
// The commands of `millrace users` and `millrace roles`, fulfilled.
#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "app/app_actions.h"
#include "app/environment.h"
#include "base/json.h"
#include "tracking/access.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;
using tracking::ResourceKind;

/// Opens users and permissions, and asks them.
template <typename F>
Result<cli::Document> AskAccess(const cli::Invocation& invocation, bool create, F question) {
  MILL_ASSIGN_OR_RETURN(const auto environment, Environment::Open(invocation, create));
  MILL_ASSIGN_OR_RETURN(tracking::Access * access, environment->Access());
  return question(*environment, *access);
}

Json ToJson(const tracking::User& user) {
  return {{"id", user.id}, {"username", user.username}, {"is_admin", user.is_admin}};
}

cli::Document Line(std::string line, const Json& json) {
  cli::Document document;
  document.lines.push_back(std::move(line));
  document.json = base::DumpJson(json);
  return document;
}

/// What a grant names: an experiment, model or prompt, which exists, or every one of a type.
Result<tracking::Resource> ResourceOf(Environment& environment, const cli::AccessGrant& grant) {
  const int n = static_cast<int>(!grant.experiment_id.empty()) +
                static_cast<int>(!grant.model.empty()) + static_cast<int>(!grant.prompt.empty()) +
                static_cast<int>(!grant.every.empty());
  if (n != 1) {
    return base::InvalidArgument(
        "a permission is on one of --experiment, --model, --prompt and --every");
  }
  if (!grant.experiment_id.empty()) {
    MILL_ASSIGN_OR_RETURN(const auto experiment,
                          environment.tracking().GetExperiment(grant.experiment_id));
    return tracking::Resource{ResourceKind::kExperiment, experiment.id};
  }
  if (!grant.every.empty()) {
    MILL_ASSIGN_OR_RETURN(const ResourceKind kind, tracking::ParseResourceKind(grant.every));
    return tracking::GrantSet::Every(kind);
  }
  MILL_ASSIGN_OR_RETURN(tracking::Access * access, environment.Access());
  const std::string& name = grant.model.empty() ? grant.prompt : grant.model;
  MILL_ASSIGN_OR_RETURN(const auto model, environment.registry().GetModel(name));
  MILL_ASSIGN_OR_RETURN(tracking::Resource resource, access->ModelOrPrompt(model.name));
  const bool is_prompt = resource.kind == ResourceKind::kPrompt;
  if (is_prompt != grant.model.empty()) {
    return base::InvalidArgument("\"" + name + "\" is a " +
                                 (is_prompt ? "prompt" : "registered model"))
        .Hint(is_prompt ? "name it with --prompt" : "name it with --model");
  }
  return resource;
}

std::string Shown(const tracking::Resource& resource) {
  const std::string kind(tracking::ResourceKindName(resource.kind));
  return resource.id == tracking::kEveryResource ? "every " + kind : kind + " " + resource.id;
}

Json ToJson(const tracking::Resource& resource) {
  return {{"resource_type", tracking::ResourceKindName(resource.kind)},
          {"resource_id", resource.id}};
}

Json ToJson(const tracking::RolePermission& permission) {
  Json json = ToJson(permission.resource);
  json["permission"] = tracking::PermissionName(permission.permission);
  return json;
}

bool IsOwn(const tracking::Role& role) {
  return role.name.starts_with("__user_");
}

/// Of the only workspace.
Result<tracking::Role> RoleNamed(tracking::Access& access, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(std::vector<tracking::Role> roles,
                        access.ListRoles({std::string(tracking::kDefaultWorkspace)}));
  for (tracking::Role& role : roles) {
    if (role.name == name && !IsOwn(role)) {
      return std::move(role);
    }
  }
  return base::NotFound("there is no role \"" + name + "\"")
      .Hint("see which there are with: millrace roles list");
}

}  // namespace

Result<cli::Document> AppActions::UsersCreate(const cli::Invocation& invocation,
                                              const cli::UserCreation& user) {
  return AskAccess(
      invocation, /*create=*/true,
      [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const tracking::User made,
                              access.CreateUser(user.username, user.password, user.is_admin));
        return Line((made.is_admin ? "administrator " : "user ") + made.username + " made",
                    ToJson(made));
      });
}

Result<cli::Document> AppActions::UsersList(const cli::Invocation& invocation) {
  return AskAccess(invocation, /*create=*/false,
                   [](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_ASSIGN_OR_RETURN(const auto users, access.ListUsers());
                     cli::Document document;
                     cli::TextTable table{"", {"user", "administrator"}, {}};
                     Json json = Json::array();
                     for (const tracking::User& user : users) {
                       table.rows.push_back({user.username, user.is_admin ? "yes" : ""});
                       json.push_back(ToJson(user));
                     }
                     if (users.empty()) {
                       document.lines.emplace_back(
                           "no users yet; make one with: millrace users create NAME --admin");
                     } else {
                       document.tables.push_back(std::move(table));
                     }
                     document.json = base::DumpJson(json);
                     return document;
                   });
}

Result<cli::Document> AppActions::UsersPassword(const cli::Invocation& invocation,
                                                const std::string& username,
                                                const std::string& password) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_RETURN_IF_ERROR(access.SetPassword(username, password));
                     return Line("password of " + username + " set", {{"username", username}});
                   });
}

Result<cli::Document> AppActions::UsersAdmin(const cli::Invocation& invocation,
                                             const std::string& username, bool is_admin) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_RETURN_IF_ERROR(access.SetAdmin(username, is_admin));
                     MILL_ASSIGN_OR_RETURN(const tracking::User user, access.GetUser(username));
                     return Line(
                         username + (is_admin ? " is an administrator" : " is no administrator"),
                         ToJson(user));
                   });
}

Result<cli::Document> AppActions::UsersDelete(const cli::Invocation& invocation,
                                              const std::string& username) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_RETURN_IF_ERROR(access.DeleteUser(username));
                     return Line("user " + username + " deleted", {{"username", username}});
                   });
}

Result<cli::Document> AppActions::UsersGrant(const cli::Invocation& invocation,
                                             const cli::AccessGrant& grant) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment& environment, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const tracking::Resource resource, ResourceOf(environment, grant));
        MILL_ASSIGN_OR_RETURN(const tracking::Permission permission,
                              tracking::ParsePermission(grant.permission));
        if (permission != tracking::Permission::kNone) {
          MILL_RETURN_IF_ERROR(tracking::CheckGrantable(resource, permission));
        }
        MILL_RETURN_IF_ERROR(access.PutGrant(grant.name, resource, permission));
        Json json = ToJson(resource);
        json["username"] = grant.name;
        json["permission"] = grant.permission;
        return Line(grant.name + " has " + grant.permission + " on " + Shown(resource), json);
      });
}

Result<cli::Document> AppActions::UsersRevoke(const cli::Invocation& invocation,
                                              const cli::AccessGrant& grant) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment& environment, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const tracking::Resource resource, ResourceOf(environment, grant));
        MILL_RETURN_IF_ERROR(access.DeleteGrant(grant.name, resource));
        Json json = ToJson(resource);
        json["username"] = grant.name;
        return Line(grant.name + " has nothing of their own on " + Shown(resource), json);
      });
}

Result<cli::Document> AppActions::UsersPermissions(const cli::Invocation& invocation,
                                                   const std::string& username) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment& environment, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const tracking::User user, access.GetUser(username));
        MILL_ASSIGN_OR_RETURN(const auto roles, access.RolesOf(username));
        cli::Document document;
        cli::TextTable table{"", {"permission", "on", "by"}, {}};
        Json json = Json::array();
        for (const tracking::Role& role : roles) {
          const std::string by = IsOwn(role) ? "" : role.name;
          for (const tracking::RolePermission& permission : role.permissions) {
            table.rows.push_back({std::string(tracking::PermissionName(permission.permission)),
                                  Shown(permission.resource), by.empty() ? "directly" : by});
            Json row = ToJson(permission);
            row["role"] = by.empty() ? Json() : Json(by);
            json.push_back(std::move(row));
          }
        }
        if (user.is_admin) {
          document.lines.push_back(username + " is an administrator and may do everything");
        }
        if (table.rows.empty()) {
          document.lines.push_back(username + " was given nothing; the default is " +
                                   environment.settings().default_permission);
        } else {
          document.tables.push_back(std::move(table));
        }
        document.json = base::DumpJson({{"is_admin", user.is_admin}, {"permissions", json}});
        return document;
      });
}

Result<cli::Document> AppActions::UsersToken(const cli::Invocation& invocation,
                                             const cli::UserToken& token) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
        std::optional<std::chrono::seconds> lifetime;
        if (token.days > 0) {
          lifetime = std::chrono::hours(24) * token.days;
        }
        MILL_ASSIGN_OR_RETURN(const tracking::NewToken made,
                              access.CreateToken(token.username, token.name, lifetime));
        // Nothing but the token, so that a shell can take it.
        return Line(made.secret, {{"token_id", made.token.id}, {"secret", made.secret}});
      });
}

Result<cli::Document> AppActions::RolesList(const cli::Invocation& invocation) {
  return AskAccess(
      invocation, /*create=*/false,
      [](Environment&, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const auto roles,
                              access.ListRoles({std::string(tracking::kDefaultWorkspace)}));
        MILL_ASSIGN_OR_RETURN(const auto users, access.ListUsers());
        cli::Document document;
        cli::TextTable table{"", {"role", "permissions", "users", "description"}, {}};
        Json json = Json::array();
        for (const tracking::Role& role : roles) {
          if (IsOwn(role)) {
            continue;
          }
          MILL_ASSIGN_OR_RETURN(const auto assignments, access.UsersWithRole(role.id));
          std::string who;
          Json names = Json::array();
          for (const tracking::User& user : users) {
            if (std::any_of(assignments.begin(), assignments.end(),
                            [&](const auto& each) { return each.user_id == user.id; })) {
              who += (who.empty() ? "" : ", ") + user.username;
              names.push_back(user.username);
            }
          }
          std::string what;
          Json permissions = Json::array();
          for (const tracking::RolePermission& permission : role.permissions) {
            what += (what.empty() ? "" : ", ") +
                    std::string(tracking::PermissionName(permission.permission)) + " on " +
                    Shown(permission.resource);
            permissions.push_back(ToJson(permission));
          }
          table.rows.push_back({role.name, what, who, role.description.value_or("")});
          json.push_back({{"role", role.name},
                          {"description", role.description ? Json(*role.description) : Json()},
                          {"permissions", permissions},
                          {"users", names}});
        }
        if (table.rows.empty()) {
          document.lines.emplace_back("no roles yet; make one with: millrace roles create NAME");
        } else {
          document.tables.push_back(std::move(table));
        }
        document.json = base::DumpJson(json);
        return document;
      });
}

Result<cli::Document> AppActions::RolesCreate(const cli::Invocation& invocation,
                                              const std::string& role,
                                              const std::string& description) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
        MILL_RETURN_IF_ERROR(access.CreateRole(
            std::string(tracking::kDefaultWorkspace), role,
            description.empty() ? std::optional<std::string>() : std::optional(description)));
        return Line("role " + role + " made", {{"role", role}});
      });
}

Result<cli::Document> AppActions::RolesDelete(const cli::Invocation& invocation,
                                              const std::string& role) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_ASSIGN_OR_RETURN(const auto found, RoleNamed(access, role));
                     MILL_RETURN_IF_ERROR(access.DeleteRole(found.id));
                     return Line("role " + role + " deleted", {{"role", role}});
                   });
}

Result<cli::Document> AppActions::RolesGrant(const cli::Invocation& invocation,
                                             const cli::AccessGrant& grant) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment& environment, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const auto role, RoleNamed(access, grant.name));
        MILL_ASSIGN_OR_RETURN(const tracking::Resource resource, ResourceOf(environment, grant));
        MILL_ASSIGN_OR_RETURN(const tracking::Permission permission,
                              tracking::ParsePermission(grant.permission));
        const auto has = std::find_if(
            role.permissions.begin(), role.permissions.end(),
            [&](const tracking::RolePermission& each) { return each.resource == resource; });
        MILL_RETURN_IF_ERROR(has == role.permissions.end()
                                 ? access.AddRolePermission(role.id, resource, permission)
                                 : access.UpdateRolePermission(has->id, permission));
        Json json = ToJson(resource);
        json["role"] = role.name;
        json["permission"] = grant.permission;
        return Line(role.name + " has " + grant.permission + " on " + Shown(resource), json);
      });
}

Result<cli::Document> AppActions::RolesRevoke(const cli::Invocation& invocation,
                                              const cli::AccessGrant& grant) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment& environment, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const auto role, RoleNamed(access, grant.name));
        MILL_ASSIGN_OR_RETURN(const tracking::Resource resource, ResourceOf(environment, grant));
        const auto has = std::find_if(
            role.permissions.begin(), role.permissions.end(),
            [&](const tracking::RolePermission& each) { return each.resource == resource; });
        if (has == role.permissions.end()) {
          return base::NotFound("role \"" + role.name + "\" has no permission on " +
                                Shown(resource))
              .Hint("see what it has with: millrace roles list");
        }
        MILL_RETURN_IF_ERROR(access.RemoveRolePermission(has->id));
        Json json = ToJson(resource);
        json["role"] = role.name;
        return Line(role.name + " has nothing on " + Shown(resource), json);
      });
}

Result<cli::Document> AppActions::RolesAssign(const cli::Invocation& invocation,
                                              const std::string& role,
                                              const std::string& username) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_ASSIGN_OR_RETURN(const auto found, RoleNamed(access, role));
                     MILL_RETURN_IF_ERROR(access.AssignRole(username, found.id));
                     return Line(username + " has the role " + role,
                                 {{"role", role}, {"username", username}});
                   });
}

Result<cli::Document> AppActions::RolesUnassign(const cli::Invocation& invocation,
                                                const std::string& role,
                                                const std::string& username) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_ASSIGN_OR_RETURN(const auto found, RoleNamed(access, role));
                     MILL_RETURN_IF_ERROR(access.UnassignRole(username, found.id));
                     return Line(username + " has the role " + role + " no more",
                                 {{"role", role}, {"username", username}});
                   });
}

}  // namespace millrace::app
