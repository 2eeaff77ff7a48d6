// SPDX-License-Identifier: Apache-2.0
// Users, their own permissions and tokens over HTTP, as mlflow.server.auth.client.AuthServiceClient
// of MLflow 2.22 to 3.17 asks for them. Roles: access_role_routes.cc. Who may call what:
// access_rules.cc.
#include <map>
#include <string>

#include "api/internal/access_guard.h"
#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "tracking/access.h"

namespace millrace::api::internal {

namespace {

using tracking::Access;
using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;
using tracking::User;
using enum FieldType;

constexpr Field kUsername = {.name = "username", .is_required = true};
constexpr Field kPermission = {.name = "permission", .is_required = true};

constexpr Field kByName[] = {kUsername};
// Emptiness of the password is told in MLflow's own words.
constexpr Field kCredentials[] = {{.name = "username"}, {.name = "password"}};
constexpr Field kNewPassword[] = {kUsername, {.name = "password"}, {.name = "current_password"}};
constexpr Field kNewAdmin[] = {kUsername, {.name = "is_admin", .type = kBool}};
constexpr Field kNewToken[] = {{.name = "name"}, {.name = "expires_in_seconds", .type = kInt64}};
constexpr Field kTokenId[] = {{.name = "token_id", .type = kInt64, .is_required = true}};

/// Names of the permissions on one kind of resource, which has routes of its own.
struct KindNames {
  ResourceKind kind;
  std::string_view path;
  /// Of the field and of each object in lists.
  std::string_view id;
  std::string_view object;
  std::string_view list;
  std::span<const Field> with_permission;
  std::span<const Field> without_permission;
};

constexpr Field kOnExperiment[] = {{.name = "experiment_id", .is_required = true}, kUsername};
constexpr Field kGrantOnExperiment[] = {
    {.name = "experiment_id", .is_required = true}, kUsername, kPermission};
constexpr Field kOnModel[] = {{.name = "name", .is_required = true}, kUsername};
constexpr Field kGrantOnModel[] = {{.name = "name", .is_required = true}, kUsername, kPermission};

constexpr KindNames kKinds[] = {
    {ResourceKind::kExperiment, "/mlflow/experiments/permissions/", "experiment_id",
     "experiment_permission", "experiment_permissions", kGrantOnExperiment, kOnExperiment},
    {ResourceKind::kRegisteredModel, "/mlflow/registered-models/permissions/", "name",
     "registered_model_permission", "registered_model_permissions", kGrantOnModel, kOnModel},
};

void WriteGrant(JsonWriter& out, const KindNames& names, const User& user, const std::string& id,
                Permission permission) {
  out.BeginObject();
  out.Text(names.id, id);
  out.Int("user_id", user.id);
  out.Text("permission", tracking::PermissionName(permission));
  out.EndObject();
}

void WriteIdentity(JsonWriter& out, const User& user) {
  out.Int("id", user.id);
  out.Text("username", user.username);
  out.Bool("is_admin", user.is_admin);
}

/// With all permissions, as clients up to 3.16 read it.
Result<std::string> UserJson(Access& access, const User& user) {
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("user");
  out.BeginObject();
  WriteIdentity(out, user);
  for (const KindNames& names : kKinds) {
    MILL_ASSIGN_OR_RETURN(const auto grants, access.ListGrants(user.username, names.kind));
    out.Key(names.list);
    out.BeginList();
    for (const auto& [id, permission] : grants) {
      WriteGrant(out, names, user, id, permission);
    }
    out.EndList();
  }
  // There are none of these; the client wants the list.
  out.Key("scorer_permissions");
  out.BeginList();
  out.EndList();
  out.EndObject();
  out.EndObject();
  return body;
}

Result<std::string> CurrentUser(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const User user, WhoAsks(access, in.http()));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("user");
  out.BeginObject();
  WriteIdentity(out, user);
  out.EndObject();
  out.Bool("is_basic_auth", true);
  out.EndObject();
  return body;
}

// A password may be changed by who has just proved to know the old one: as Basic credentials of
// this request, or in current_password. A stolen token is not enough.
Result<void> SetPassword(Access& access, const Message& in) {
  const std::string username = in.Text("username");
  MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
  if (sender.username == username) {
    const auto current = in.TextIfSet("current_password");
    const std::string_view scheme = in.http().Header("Authorization").substr(0, 6);
    if (!current && net::EqualsIgnoringCase(scheme, "Bearer")) {
      return base::InvalidArgument("Current password is required when changing your own password.");
    }
    if (current && !access.CheckPassword(username, *current).ok()) {
      return base::InvalidArgument("Current password does not match.");
    }
    if (current == in.Text("password")) {
      return base::InvalidArgument("New password must differ from the current password.");
    }
  }
  MILL_RETURN_IF_ERROR(CheckNewPassword(in.Text("password")));
  return access.SetPassword(username, in.Text("password"));
}

Result<std::string> GrantJson(Access& access, const KindNames& names, const std::string& username,
                              const std::string& id, Permission permission) {
  MILL_ASSIGN_OR_RETURN(const User user, access.GetUser(username));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key(names.object);
  WriteGrant(out, names, user, id, permission);
  out.EndObject();
  return body;
}

void AddGrants(const Mount& mount, Access& access, const KindNames& names) {
  const std::string path(names.path);
  // To the clients that ask so, a prompt is a registered model.
  const auto resource_of = [&access, &names](const Message& in) -> Result<Resource> {
    const std::string id = in.Text(names.id);
    return names.kind == ResourceKind::kRegisteredModel ? access.ModelOrPrompt(id)
                                                        : Resource{names.kind, id};
  };
  mount.Add("POST", path + "create", names.with_permission,
            [&access, &names, resource_of](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const Permission permission,
                                    tracking::ParsePermission(in.Text("permission")));
              const std::string username = in.Text("username");
              MILL_ASSIGN_OR_RETURN(const Resource resource, resource_of(in));
              MILL_RETURN_IF_ERROR(access.CreateGrant(username, resource, permission));
              return GrantJson(access, names, username, in.Text(names.id), permission);
            });
  mount.Add("GET", path + "get", names.without_permission,
            [&access, &names, resource_of](const Message& in) -> Result<std::string> {
              const std::string username = in.Text("username");
              MILL_ASSIGN_OR_RETURN(const Resource resource, resource_of(in));
              MILL_ASSIGN_OR_RETURN(const Permission permission,
                                    access.GetGrant(username, resource));
              return GrantJson(access, names, username, in.Text(names.id), permission);
            });
  mount.AddAction("PATCH", path + "update", names.with_permission,
                  [&access, resource_of](const Message& in) -> Result<void> {
                    MILL_ASSIGN_OR_RETURN(const Permission permission,
                                          tracking::ParsePermission(in.Text("permission")));
                    MILL_ASSIGN_OR_RETURN(const Resource resource, resource_of(in));
                    return access.UpdateGrant(in.Text("username"), resource, permission);
                  });
  mount.AddAction("DELETE", path + "delete", names.without_permission,
                  [&access, resource_of](const Message& in) -> Result<void> {
                    MILL_ASSIGN_OR_RETURN(const Resource resource, resource_of(in));
                    return access.DeleteGrant(in.Text("username"), resource);
                  });
}

void WriteToken(JsonWriter& out, const tracking::AccessToken& token) {
  out.BeginObject();
  out.Int("token_id", token.id);
  out.Text("name", token.name);
  out.Int("creation_time", token.creation_time_ms);
  if (token.expiration_time_ms) {
    out.Int("expiration_time", *token.expiration_time_ms);
  }
  out.EndObject();
}

Result<std::string> CreateToken(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
  std::optional<std::chrono::seconds> lifetime;
  if (const auto seconds = in.IntIfSet("expires_in_seconds")) {
    lifetime = std::chrono::seconds(*seconds);
  }
  MILL_ASSIGN_OR_RETURN(const tracking::NewToken made,
                        access.CreateToken(sender.username, in.Text("name"), lifetime));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("token");
  WriteToken(out, made.token);
  out.Text("secret", made.secret);
  out.EndObject();
  return body;
}

Result<std::string> ListTokens(Access& access, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
  MILL_ASSIGN_OR_RETURN(const auto tokens, access.ListTokens(sender.username));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("tokens");
  out.BeginList();
  for (const tracking::AccessToken& token : tokens) {
    WriteToken(out, token);
  }
  out.EndList();
  out.EndObject();
  return body;
}

void AddUsers(const Mount& mount, Access& access) {
  mount.Add("POST", "/mlflow/users/create", kCredentials,
            [&access](const Message& in) -> Result<std::string> {
              const std::string password = in.Text("password");
              if (!password.empty() && !in.Text("username").empty()) {
                MILL_RETURN_IF_ERROR(CheckNewPassword(password));
              }
              MILL_ASSIGN_OR_RETURN(const User made,
                                    access.CreateUser(in.Text("username"), password, false));
              return UserJson(access, made);
            });
  mount.Add("GET", "/mlflow/users/get", kByName,
            [&access](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const User user, access.GetUser(in.Text("username")));
              return UserJson(access, user);
            });
  mount.Add("GET", "/mlflow/users/current", {},
            [&access](const Message& in) { return CurrentUser(access, in); });
  mount.AddAction("PATCH", "/mlflow/users/update-password", kNewPassword,
                  [&access](const Message& in) { return SetPassword(access, in); });
  mount.AddAction("PATCH", "/mlflow/users/update-admin", kNewAdmin, [&access](const Message& in) {
    return access.SetAdmin(in.Text("username"), in.Bool("is_admin"));
  });
  mount.AddAction("DELETE", "/mlflow/users/delete", kByName,
                  [&access](const Message& in) -> Result<void> {
                    MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
                    if (sender.username == in.Text("username")) {
                      return base::InvalidArgument(
                          "Users cannot delete their own account. Ask another admin to delete this "
                          "user instead.");
                    }
                    return access.DeleteUser(in.Text("username"));
                  });
}

}  // namespace

void AddAccessRoutes(Access& access, Router& router) {
  const Mount mount(router);
  AddUsers(mount, access);
  for (const KindNames& names : kKinds) {
    AddGrants(mount, access, names);
  }
  mount.Add("POST", "/millrace/tokens/create", kNewToken,
            [&access](const Message& in) { return CreateToken(access, in); });
  mount.Add("GET", "/millrace/tokens/list", {},
            [&access](const Message& in) { return ListTokens(access, in); });
  mount.AddAction("DELETE", "/millrace/tokens/delete", kTokenId,
                  [&access](const Message& in) -> Result<void> {
                    MILL_ASSIGN_OR_RETURN(const User sender, WhoAsks(access, in.http()));
                    return access.DeleteToken(sender.username, in.Int("token_id"));
                  });
}

}  // namespace millrace::api::internal
