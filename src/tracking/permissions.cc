// SPDX-License-Identifier: Apache-2.0
// Names of permissions and of what they are given on, and the rules by which several count.
#include "tracking/permissions.h"

#include <algorithm>
#include <array>

namespace millrace::tracking {
namespace {

struct NamedPermission {
  std::string_view name;
  Permission permission;
};

// In the order in which MLflow's message lists them.
constexpr std::array<NamedPermission, 6> kPermissions = {{
    {"READ", Permission::kRead},
    {"USE", Permission::kUse},
    {"EDIT", Permission::kEdit},
    {"MANAGE", Permission::kManage},
    {"NO_PERMISSIONS", Permission::kNone},
    {"DENY", Permission::kDeny},
}};

constexpr std::array<std::string_view, 18> kKinds = {"experiment",
                                                     "registered_model",
                                                     "prompt",
                                                     "scorer",
                                                     "gateway_secret",
                                                     "gateway_endpoint",
                                                     "gateway_model_definition",
                                                     "mcp_server",
                                                     "run",
                                                     "trace",
                                                     "assessment",
                                                     "logged_model",
                                                     "review_queue",
                                                     "registered_model_version",
                                                     "prompt_version",
                                                     "scorer_version",
                                                     "mcp_server_version",
                                                     "workspace"};
static_assert(kKinds.size() == static_cast<std::size_t>(ResourceKind::kWorkspace) + 1);

/// "('a', 'b')", as Python writes a tuple.
template <typename Names>
std::string Tuple(const Names& names) {
  std::string text = "(";
  for (const std::string_view name : names) {
    text += (text.size() > 1 ? ", '" : "'") + std::string(name) + "'";
  }
  return text + ")";
}

Permission Floored(Permission permission, Permission default_permission) {
  return permission > Permission::kNone ? std::max(permission, default_permission) : permission;
}

}  // namespace

std::string_view PermissionName(Permission permission) {
  return std::find_if(kPermissions.begin(), kPermissions.end(),
                      [permission](const auto& each) { return each.permission == permission; })
      ->name;
}

Result<Permission> ParsePermission(std::string_view name) {
  std::array<std::string_view, kPermissions.size()> names;
  for (std::size_t i = 0; i < kPermissions.size(); ++i) {
    if (kPermissions[i].name == name) {
      return kPermissions[i].permission;
    }
    names[i] = kPermissions[i].name;
  }
  return base::InvalidArgument("Invalid permission '" + std::string(name) +
                               "'. Valid permissions are: " + Tuple(names));
}

std::string_view ResourceKindName(ResourceKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

Result<ResourceKind> ParseResourceKind(std::string_view name) {
  const auto* const found = std::find(kKinds.begin(), kKinds.end(), name);
  if (found != kKinds.end()) {
    return static_cast<ResourceKind>(found - kKinds.begin());
  }
  auto sorted = kKinds;
  std::sort(sorted.begin(), sorted.end());
  return base::InvalidArgument("Invalid resource type '" + std::string(name) +
                               "'. Valid resource types are: " + Tuple(sorted));
}

std::string ScorerResourceId(std::string_view experiment_id, std::string_view scorer) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string id(experiment_id);
  id += '/';
  for (const char c : scorer) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                          (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' ||
                          byte == '-' || byte == '~';
    if (is_plain) {
      id += c;
    } else {
      id += '%';
      id += kDigits[byte >> 4U];
      id += kDigits[byte & 15U];
    }
  }
  return id;
}

Result<void> CheckGrantable(const Resource& resource, Permission permission) {
  const std::string kind(ResourceKindName(resource.kind));
  const auto invalid = [&](std::string_view level, const auto& names) {
    return base::InvalidArgument("Invalid permission '" + std::string(PermissionName(permission)) +
                                 "' for resource_type='" + kind + "'. " + std::string(level) +
                                 " grants accept only: " + Tuple(names) + ".");
  };
  if (resource.kind == ResourceKind::kWorkspace) {
    if (permission != Permission::kUse && permission != Permission::kManage) {
      return invalid("Workspace-wide", std::array<std::string_view, 2>{"MANAGE", "USE"});
    }
  } else if (permission == Permission::kNone) {
    return invalid("Resource-level",
                   std::array<std::string_view, 5>{"DENY", "EDIT", "MANAGE", "READ", "USE"});
  }
  if (IsWildcardOnly(resource.kind) && resource.id != kEveryResource) {
    return base::InvalidArgument("Invalid resource_pattern '" + resource.id +
                                 "' for resource_type='" + kind +
                                 "'. This resource type supports only wildcard ('*') grants.");
  }
  return {};
}

void GrantSet::Add(const Resource& resource, Permission permission) {
  if (resource.kind == ResourceKind::kWorkspace && permission == Permission::kManage) {
    manages_all_ = true;
  }
  const auto [at, is_new] = grants_.emplace(resource, permission);
  if (!is_new && at->second != Permission::kDeny) {
    at->second =
        permission == Permission::kDeny ? Permission::kDeny : std::max(at->second, permission);
  }
}

std::optional<Permission> GrantSet::Own(const Resource& resource) const {
  std::optional<Permission> own;
  const auto count = [&](const Resource& key) {
    const auto found = grants_.find(key);
    if (found != grants_.end() && own != Permission::kDeny) {
      own = found->second == Permission::kDeny || !own ? found->second
                                                       : std::max(*own, found->second);
    }
  };
  count(resource);
  if (resource.id != kEveryResource) {
    count(Every(resource.kind));
  }
  return own;
}

Permission GrantSet::Of(const Resource& resource, Permission default_permission) const {
  if (manages_all_) {
    return Permission::kManage;
  }
  const std::optional<Permission> own = Own(resource);
  return own ? Floored(*own, default_permission) : default_permission;
}

Permission GrantSet::OfPart(ResourceKind part, const Resource& container,
                            Permission default_permission) const {
  return HasOwn(part) ? Of(Every(part), default_permission) : Of(container, default_permission);
}

}  // namespace millrace::tracking
