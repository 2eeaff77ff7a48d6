// SPDX-License-Identifier: Apache-2.0
// Names of permissions, and how several of them count together.
#include "tracking/permissions.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

constexpr Permission kAll[] = {Permission::kDeny, Permission::kNone, Permission::kRead,
                               Permission::kUse,  Permission::kEdit, Permission::kManage};

TEST(PermissionName, AreMlflowsWords) {
  for (const Permission permission : kAll) {
    EXPECT_EQ(ParsePermission(PermissionName(permission)).value(), permission);
  }
  EXPECT_EQ(Failure(ParsePermission("OWNER"), ErrorCode::kInvalidArgument),
            "Invalid permission 'OWNER'. Valid permissions are: "
            "('READ', 'USE', 'EDIT', 'MANAGE', 'NO_PERMISSIONS', 'DENY')");
}

TEST(ResourceKindName, AreMlflowsWords) {
  for (int i = 0; i <= static_cast<int>(ResourceKind::kWorkspace); ++i) {
    const auto kind = static_cast<ResourceKind>(i);
    EXPECT_EQ(ParseResourceKind(ResourceKindName(kind)).value(), kind);
  }
  EXPECT_EQ(Failure(ParseResourceKind("thing"), ErrorCode::kInvalidArgument),
            "Invalid resource type 'thing'. Valid resource types are: ('assessment', 'experiment', "
            "'gateway_endpoint', 'gateway_model_definition', 'gateway_secret', 'logged_model', "
            "'mcp_server', 'mcp_server_version', 'prompt', 'prompt_version', 'registered_model', "
            "'registered_model_version', 'review_queue', 'run', 'scorer', 'scorer_version', "
            "'trace', 'workspace')");
  EXPECT_EQ(ScorerResourceId("7", "a/b c~_.-"), "7/a%2Fb%20c~_.-");
}

TEST(CheckGrantable, PartsAndTheWorkspaceAreGivenAsAWhole) {
  EXPECT_TRUE(CheckGrantable({ResourceKind::kExperiment, "7"}, Permission::kDeny).ok());
  EXPECT_TRUE(CheckGrantable({ResourceKind::kRun, "*"}, Permission::kEdit).ok());
  EXPECT_TRUE(CheckGrantable({ResourceKind::kWorkspace, "*"}, Permission::kUse).ok());
  EXPECT_EQ(Failure(CheckGrantable({ResourceKind::kRun, "r1"}, Permission::kEdit),
                    ErrorCode::kInvalidArgument),
            "Invalid resource_pattern 'r1' for resource_type='run'. This resource type supports "
            "only wildcard ('*') grants.");
  EXPECT_EQ(Failure(CheckGrantable({ResourceKind::kWorkspace, "*"}, Permission::kRead),
                    ErrorCode::kInvalidArgument),
            "Invalid permission 'READ' for resource_type='workspace'. Workspace-wide grants accept "
            "only: ('MANAGE', 'USE').");
  EXPECT_EQ(Failure(CheckGrantable({ResourceKind::kPrompt, "p"}, Permission::kNone),
                    ErrorCode::kInvalidArgument),
            "Invalid permission 'NO_PERMISSIONS' for resource_type='prompt'. Resource-level grants "
            "accept only: ('DENY', 'EDIT', 'MANAGE', 'READ', 'USE').");
}

TEST(GrantSet, MostOfOneAndAllCountsUnlessDenied) {
  const Resource seven{ResourceKind::kExperiment, "7"};
  const Resource every = GrantSet::Every(ResourceKind::kExperiment);
  GrantSet grants;
  EXPECT_EQ(grants.Of(seven, Permission::kRead), Permission::kRead);
  EXPECT_EQ(grants.Own(seven), std::nullopt);
  grants.Add(every, Permission::kEdit);
  grants.Add(seven, Permission::kRead);
  EXPECT_EQ(grants.Of(seven, Permission::kNone), Permission::kEdit);
  EXPECT_EQ(grants.Of({ResourceKind::kRegisteredModel, "7"}, Permission::kNone), Permission::kNone);
  grants.Add(seven, Permission::kDeny);
  grants.Add(seven, Permission::kManage);
  EXPECT_EQ(grants.Of(seven, Permission::kManage), Permission::kDeny);
  EXPECT_EQ(grants.Of({ResourceKind::kExperiment, "8"}, Permission::kNone), Permission::kEdit);
  grants.Add(GrantSet::Every(ResourceKind::kWorkspace), Permission::kUse);
  EXPECT_EQ(grants.Of(seven, Permission::kNone), Permission::kDeny);
  grants.Add(GrantSet::Every(ResourceKind::kWorkspace), Permission::kManage);
  EXPECT_EQ(grants.Of(seven, Permission::kNone), Permission::kManage);
}

TEST(GrantSet, DefaultIsTheLeastThatAGrantIsWorth) {
  GrantSet grants;
  grants.Add({ResourceKind::kExperiment, "1"}, Permission::kRead);
  grants.Add({ResourceKind::kExperiment, "2"}, Permission::kNone);
  EXPECT_EQ(grants.Of({ResourceKind::kExperiment, "1"}, Permission::kEdit), Permission::kEdit);
  EXPECT_EQ(grants.Of({ResourceKind::kExperiment, "2"}, Permission::kEdit), Permission::kNone);
}

TEST(GrantSet, WhatIsGivenOnAPartCountsAlone) {
  const Resource seven{ResourceKind::kExperiment, "7"};
  GrantSet grants;
  grants.Add(seven, Permission::kManage);
  EXPECT_EQ(grants.OfPart(ResourceKind::kRun, seven, Permission::kRead), Permission::kManage);
  grants.Add(GrantSet::Every(ResourceKind::kRun), Permission::kUse);
  EXPECT_EQ(grants.OfPart(ResourceKind::kRun, seven, Permission::kRead), Permission::kUse);
  EXPECT_EQ(grants.OfPart(ResourceKind::kTrace, seven, Permission::kRead), Permission::kManage);
}

// The rule once more, slowly: all grants that match, a veto first, the most otherwise.
TEST(GrantSet, RandomGrantsCountAsTheRuleSays) {
  std::mt19937 random(20261126);
  const auto below = [&random](int n) {
    return static_cast<int>(random() % static_cast<unsigned>(n));
  };
  const std::string ids[] = {"1", "2", "3", "*"};
  for (int round = 0; round < 2'000; ++round) {
    std::vector<std::pair<Resource, Permission>> given;
    GrantSet grants;
    const int n = below(6);
    for (int i = 0; i < n; ++i) {
      const auto kind = static_cast<ResourceKind>(below(18));
      const Resource resource{kind, IsWildcardOnly(kind) ? "*" : ids[below(4)]};
      const Permission permission = kAll[below(6)];
      if (CheckGrantable(resource, permission).ok() || permission == Permission::kNone) {
        given.emplace_back(resource, permission);
        grants.Add(resource, permission);
      }
    }
    const Permission otherwise = kAll[1 + below(5)];
    for (int kind = 0; kind < 18; ++kind) {
      for (const std::string& id : ids) {
        const Resource asked{static_cast<ResourceKind>(kind), id};
        bool is_denied = false;
        bool is_owner = false;
        std::optional<Permission> most;
        for (const auto& [resource, permission] : given) {
          is_owner = is_owner || (resource.kind == ResourceKind::kWorkspace &&
                                  permission == Permission::kManage);
          if (resource.kind == asked.kind && (resource.id == "*" || resource.id == asked.id)) {
            is_denied = is_denied || permission == Permission::kDeny;
            most = std::max(most.value_or(permission), permission);
          }
        }
        Permission expected = otherwise;
        if (is_owner) {
          expected = Permission::kManage;
        } else if (is_denied) {
          expected = Permission::kDeny;
        } else if (most) {
          expected = *most == Permission::kNone ? *most : std::max(*most, otherwise);
        }
        ASSERT_EQ(grants.Of(asked, otherwise), expected)
            << "round " << round << " " << ResourceKindName(asked.kind) << " " << id;
      }
    }
  }
}

}  // namespace
}  // namespace millrace::tracking
