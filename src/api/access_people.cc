// SPDX-License-Identifier: Apache-2.0
// May they? Requests about users, roles and permissions.
#include <algorithm>
#include <charconv>

#include "api/internal/access_guard.h"

namespace millrace::api::internal {

namespace {

using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;
using tracking::User;
using Decision = std::optional<bool>;

bool IsBlank(std::string_view text) {
  return text.find_first_not_of(" \t\n\r\f\v") == std::string_view::npos;
}

/// As Python's repr writes what JSON says, for MLflow's message.
std::string Shown(const JsonValue& value) {
  std::string scratch;
  return value.is_string() ? "'" + std::string(value.Text(scratch)) + "'"
                           : std::string(value.raw());
}

template <typename T>
bool Includes(const std::set<std::string>& all, const T& wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&all](const std::string& each) { return all.contains(each); });
}

}  // namespace

Result<std::int64_t> RoleNumber(const Message& in, std::string_view field) {
  const auto value = in.Value(field);
  if (!value) {
    return MissingParameter(field);
  }
  std::string scratch;
  std::string_view text = value->is_string() ? value->Text(scratch) : value->raw();
  while (!text.empty() && IsBlank(text.substr(0, 1))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && IsBlank(text.substr(text.size() - 1))) {
    text.remove_suffix(1);
  }
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return base::InvalidArgument("Parameter '" + std::string(field) +
                                 "' must be an integer. Got: " + Shown(*value));
  }
  return number;
}

Result<std::optional<std::string>> WorkspaceOfRole(tracking::Access& access, const Message& in) {
  std::optional<std::int64_t> role_id;
  if (in.Value("role_id")) {
    MILL_ASSIGN_OR_RETURN(role_id, RoleNumber(in, "role_id"));
  } else if (in.Value("role_permission_id")) {
    MILL_ASSIGN_OR_RETURN(const std::int64_t id, RoleNumber(in, "role_permission_id"));
    const auto permission = access.GetRolePermission(id);
    if (!permission.ok() && permission.error().code() == ErrorCode::kNotFound) {
      return std::optional<std::string>();
    }
    MILL_RETURN_IF_ERROR(permission);
    role_id = permission->role_id;
  }
  if (role_id) {
    const auto role = access.GetRole(*role_id);
    if (!role.ok() && role.error().code() == ErrorCode::kNotFound) {
      return std::optional<std::string>();
    }
    MILL_RETURN_IF_ERROR(role);
    return std::optional<std::string>(role->workspace);
  }
  const auto workspace = in.Value("workspace");
  if (!workspace) {
    return base::InvalidArgument(
        "Request must include one of: role_id, role_permission_id, workspace.");
  }
  std::string scratch;
  if (!workspace->is_string() || IsBlank(workspace->Text(scratch))) {
    return base::InvalidArgument("Parameter 'workspace' must be a non-empty string.");
  }
  return std::optional<std::string>(workspace->Text(scratch));
}

bool IsAskedById(ResourceKind kind) {
  return !tracking::IsWildcardOnly(kind) && kind != ResourceKind::kPrompt;
}

Result<Resource> NamedResource(const Message& in) {
  const std::string type = in.Text("resource_type");
  const std::string id = in.Text("resource_id");
  if (type == tracking::ResourceKindName(ResourceKind::kWorkspace)) {
    return base::InvalidArgument(
        "resource_type 'workspace' is not supported by the per-user permission convenience APIs. "
        "Use set_workspace_permission / delete_workspace_permission for workspace-wide grants.");
  }
  MILL_ASSIGN_OR_RETURN(const ResourceKind kind, tracking::ParseResourceKind(type));
  return Resource{kind, id};
}

Result<Decision> AccessGuard::MayOnPeople(const Question& question) const {
  const AccessRule& rule = question.rule;
  const User& user = question.user;
  MILL_ASSIGN_OR_RETURN(const auto managed, access_.ManagedWorkspaces(user));
  if (rule.subject == AccessSubject::kNewUser) {
    return Decision(!managed.empty());
  }
  const bool is_about_people =
      rule.subject == AccessSubject::kUser || rule.subject == AccessSubject::kRole ||
      rule.subject == AccessSubject::kRoleSeen || rule.subject == AccessSubject::kRoles ||
      rule.subject == AccessSubject::kRolesOfUser || rule.subject == AccessSubject::kResource ||
      rule.subject == AccessSubject::kResourceOfUser;
  if (!is_about_people) {
    return Decision();
  }
  MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
  const auto present = access_.WorkspacesOf(user);
  MILL_RETURN_IF_ERROR(present);
  switch (rule.subject) {
    case AccessSubject::kUser:
      return Decision(in.Text(rule.field) == user.username);
    case AccessSubject::kRole:
    case AccessSubject::kRoleSeen: {
      MILL_ASSIGN_OR_RETURN(const auto workspace, WorkspaceOfRole(access_, in));
      const auto& allowed = rule.subject == AccessSubject::kRole ? managed : *present;
      return Decision(workspace && allowed.contains(*workspace));
    }
    case AccessSubject::kRoles: {
      std::vector<std::string> named = in.Texts("workspace");
      std::erase_if(named, IsBlank);
      return Decision(!named.empty() && Includes(*present, named));
    }
    case AccessSubject::kResource: {
      MILL_ASSIGN_OR_RETURN(const Resource resource, NamedResource(in));
      if (resource.id == tracking::kEveryResource) {
        return Decision(managed.contains(std::string(tracking::kDefaultWorkspace)));
      }
      if (!IsAskedById(resource.kind)) {
        return base::InvalidArgument("resource_type '" + in.Text("resource_type") +
                                     "' is not supported by the per-user permission convenience "
                                     "APIs.");
      }
      return Decision(question.May(resource));
    }
    default:
      break;
  }
  // Roles and permissions of one user: their own, or one whom they manage.
  const bool is_workspace =
      in.Text("resource_type") == tracking::ResourceKindName(ResourceKind::kWorkspace);
  if (rule.subject == AccessSubject::kResourceOfUser && is_workspace) {
    MILL_RETURN_IF_ERROR(NamedResource(in));
  }
  const std::string username = in.Text("username");
  if (username == user.username) {
    return Decision(true);
  }
  const Result<User> other = access_.GetUser(username);
  if (!other.ok()) {
    return other.error().code() == ErrorCode::kNotFound ? Result<Decision>(false)
                                                        : Result<Decision>(other.error());
  }
  if (rule.subject == AccessSubject::kResourceOfUser) {
    return Decision(managed.contains(std::string(tracking::kDefaultWorkspace)));
  }
  MILL_ASSIGN_OR_RETURN(const auto workspaces, access_.WorkspacesOf(*other));
  return Decision(std::any_of(workspaces.begin(), workspaces.end(),
                              [&](const std::string& each) { return managed.contains(each); }));
}

}  // namespace millrace::api::internal
