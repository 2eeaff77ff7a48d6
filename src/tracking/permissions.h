// SPDX-License-Identifier: Apache-2.0
// What a permission is and how several of them count together, with the semantics of MLflow's
// basic-auth app: pure, no database. Who has which: access.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::tracking {

/// What a user may do with one resource; each includes those before it. kDeny wins over every other
/// that is given on the same resource; kNone, which newer MLflow gives no more, does not. kManage
/// also deletes the resource and gives permissions to others.
enum class Permission { kDeny = -1, kNone = 0, kRead = 1, kUse = 2, kEdit = 3, kManage = 4 };
/// MLflow's word, which is on disk: "DENY", "NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE".
std::string_view PermissionName(Permission permission);
/// kInvalidArgument in MLflow's words for another name.
Result<Permission> ParsePermission(std::string_view name);

/// What permissions are given on. Those from kRun on are parts of others, and kWorkspace is
/// everything: they are given as a whole only ("*").
enum class ResourceKind : std::uint8_t {
  kExperiment,
  kRegisteredModel,
  kPrompt,
  kScorer,
  kGatewaySecret,
  kGatewayEndpoint,
  kGatewayModelDefinition,
  kMcpServer,
  kRun,
  kTrace,
  kAssessment,
  kLoggedModel,
  kReviewQueue,
  kRegisteredModelVersion,
  kPromptVersion,
  kScorerVersion,
  kMcpServerVersion,
  kWorkspace
};
/// MLflow's word, which is on disk: "registered_model".
std::string_view ResourceKindName(ResourceKind kind);
/// kInvalidArgument in MLflow's words for another name.
Result<ResourceKind> ParseResourceKind(std::string_view name);
inline bool IsWildcardOnly(ResourceKind kind) {
  return kind >= ResourceKind::kRun;
}

/// Every resource of a kind.
inline constexpr std::string_view kEveryResource = "*";

struct Resource {
  ResourceKind kind = ResourceKind::kExperiment;
  /// Experiment id, name of a model or prompt, ScorerResourceId; or kEveryResource.
  std::string id;
  auto operator<=>(const Resource&) const = default;
};

/// "7/a%2Fb" of the scorer "a/b" of experiment 7.
std::string ScorerResourceId(std::string_view experiment_id, std::string_view scorer);

/// Whether a permission may be given: kInvalidArgument in MLflow's words where the kind does not
/// take it (kNone; READ on a workspace) or takes no single resource.
Result<void> CheckGrantable(const Resource& resource, Permission permission);

/// All that one user was given, directly and by roles. Not thread-safe while it is built.
class GrantSet {
 public:
  void Add(const Resource& resource, Permission permission);
  /// What was given on the resource or on every resource of its kind: kDeny if that is among it,
  /// otherwise the most; nothing where nothing was given.
  std::optional<Permission> Own(const Resource& resource) const;
  /// The same as far as it counts: everything where MANAGE on the workspace was given, at least the
  /// default where something was, the default where nothing was.
  Permission Of(const Resource& resource, Permission default_permission) const;
  /// What counts on a part (runs) of a container (their experiment): what was given on that kind of
  /// part, otherwise what counts on the container.
  Permission OfPart(ResourceKind part, const Resource& container,
                    Permission default_permission) const;
  /// Whether something was given on that kind of part: then it counts alone.
  bool HasOwn(ResourceKind part) const { return !manages_all_ && Own(Every(part)).has_value(); }
  /// MANAGE on the workspace.
  bool manages_all() const { return manages_all_; }

  static Resource Every(ResourceKind kind) { return {kind, std::string(kEveryResource)}; }

 private:
  std::map<Resource, Permission> grants_;
  bool manages_all_ = false;
};

}  // namespace millrace::tracking
