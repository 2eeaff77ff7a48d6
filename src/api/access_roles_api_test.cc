// SPDX-License-Identifier: Apache-2.0
// Roles over the routes: who may make them, what they allow, what lists show then.
#include <algorithm>
#include <random>

#include <gmock/gmock.h>

#include "api/internal/access_testing.h"
#include "tracking/access.h"

namespace millrace::api {
namespace {

using ::testing::HasSubstr;
using tracking::GrantSet;
using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;

class AccessRolesApiTest : public AccessApiTest {
 protected:
  Answer Roles(const std::string& name, std::string_view method, const std::string& action,
               const json& body = json()) const {
    return As(name, method, "/api/3.0/mlflow/roles/" + action, body);
  }
  std::int64_t NewRole(const std::string& title, const std::string& workspace = "default") const {
    return Done(Roles("root", "POST", "create", {{"name", title}, {"workspace", workspace}}))
        .at("role")
        .at("id");
  }
  std::int64_t Add(std::int64_t role, const std::string& type, const std::string& pattern,
                   const std::string& permission) const {
    return Done(Roles("root", "POST", "permissions/add",
                      {{"role_id", role},
                       {"resource_type", type},
                       {"resource_pattern", pattern},
                       {"permission", permission}}))
        .at("role_permission")
        .at("id");
  }
  void Assign(const std::string& name, std::int64_t role) const {
    Done(Roles("root", "POST", "assign", {{"username", name}, {"role_id", role}}));
  }
  static std::string Message(const Answer& answer) { return answer.value.value("message", ""); }
};

TEST_F(AccessRolesApiTest, RolesAreForAdministratorsAndWhoManagesTheWorkspace) {
  const std::int64_t role = NewRole("editors");
  const json by_id = {{"role_id", role}};
  const std::string get = "get?role_id=" + std::to_string(role);
  EXPECT_EQ(Roles("ann", "POST", "create", {{"name", "x"}, {"workspace", "default"}}).status, 403);
  EXPECT_EQ(Roles("ann", "GET", get).status, 403);
  EXPECT_EQ(Roles("ann", "GET", "get?role_id=99").status, 403);
  EXPECT_EQ(Roles("root", "GET", "get?role_id=99").status, 404);
  EXPECT_EQ(Roles("ann", "DELETE", "delete", by_id).status, 403);
  EXPECT_EQ(Roles("ann", "GET", "list?workspace=default").status, 403);
  EXPECT_EQ(Message(Roles("ann", "POST", "create", {{"name", "x"}})),
            "Request must include one of: role_id, role_permission_id, workspace.");
  // Who has a role sees those of its workspace; who manages the workspace changes them.
  Assign("ann", role);
  EXPECT_EQ(Roles("ann", "GET", get).status, 200);
  EXPECT_EQ(Roles("ann", "GET", "list?workspace=default").status, 200);
  EXPECT_EQ(Roles("ann", "GET", "list?workspace=default&workspace=other").status, 403);
  EXPECT_EQ(Roles("ann", "GET", "list").status, 403);
  EXPECT_EQ(Roles("ann", "GET", "users/list?role_id=" + std::to_string(role)).status, 403);
  const std::int64_t manages = Add(role, "workspace", "*", "MANAGE");
  EXPECT_EQ(Roles("ann", "GET", "users/list?role_id=" + std::to_string(role)).status, 200);
  EXPECT_EQ(Roles("ann", "PATCH", "update", {{"role_id", role}, {"name", "owners"}}).status, 200);
  EXPECT_EQ(Roles("ann", "POST", "create", {{"name", "x"}, {"workspace", "other"}}).status, 403);
  EXPECT_EQ(Roles("ann", "DELETE", "permissions/remove", {{"role_permission_id", manages}}).status,
            200);
  EXPECT_EQ(Roles("ann", "DELETE", "delete", by_id).status, 403);
  EXPECT_EQ(Roles("root", "DELETE", "delete", by_id).status, 200);
}

TEST_F(AccessRolesApiTest, BadRequestsAreSaidInMlflowsWords) {
  const std::int64_t role = NewRole("editors");
  const std::string missing = "Missing value for required parameter '";
  EXPECT_THAT(Message(Roles("root", "POST", "create", {{"name", "x"}})),
              HasSubstr(missing + "workspace'"));
  EXPECT_EQ(Message(Roles("root", "POST", "create", {{"name", 7}, {"workspace", "default"}})),
            "Role name cannot be empty.");
  EXPECT_EQ(Message(Roles("root", "POST", "create",
                          {{"name", "x"}, {"workspace", "w"}, {"description", 3}})),
            "Role description must be a string or null.");
  EXPECT_EQ(Message(Roles("root", "GET", "get?role_id=x")),
            "Parameter 'role_id' must be an integer. Got: 'x'");
  EXPECT_THAT(Message(Roles("root", "GET", "get")), HasSubstr(missing + "role_id'"));
  EXPECT_EQ(Message(Roles("root", "PATCH", "update", {{"role_id", {1}}, {"name", "x"}})),
            "Parameter 'role_id' must be an integer. Got: [1]");
  EXPECT_EQ(Message(Roles("root", "GET", "list?workspace=%20")),
            "Parameter 'workspace' must be a non-empty string when provided.");
  EXPECT_THAT(Message(Roles("root", "POST", "permissions/add",
                            {{"role_id", role},
                             {"resource_type", "thing"},
                             {"resource_pattern", "*"},
                             {"permission", "EDIT"}})),
              HasSubstr("Invalid resource type 'thing'."));
  EXPECT_EQ(
      Roles("root", "PATCH", "update", {{"role_id", std::to_string(role)}, {"name", "y"}}).status,
      200);
}

TEST_F(AccessRolesApiTest, PermissionsOfAUserAreListedWithTheirRoles) {
  const std::string experiment = ExperimentOf("ann", "own");
  const std::int64_t role = NewRole("readers");
  Add(role, "registered_model", "*", "READ");
  Assign("ann", role);
  const json mine = Done(As("ann", "GET", "/api/3.0/mlflow/users/current/permissions"));
  EXPECT_EQ(mine.at("is_admin"), false);
  ASSERT_EQ(mine.at("permissions").size(), 2U);
  EXPECT_EQ(mine.at("permissions").at(0).at("resource_pattern"), experiment);
  EXPECT_EQ(mine.at("permissions").at(1), (json{{"role_id", role},
                                                {"role_name", "readers"},
                                                {"workspace", "default"},
                                                {"resource_type", "registered_model"},
                                                {"resource_pattern", "*"},
                                                {"permission", "READ"}}));
  const std::string list = "/api/3.0/mlflow/users/permissions/list?username=ann";
  EXPECT_EQ(Done(As("root", "GET", list)), mine);
  EXPECT_EQ(As("bob", "GET", list).status, 403);
  EXPECT_EQ(
      Done(As("ann", "GET", "/api/3.0/mlflow/users/roles/list?username=ann")).at("roles").size(),
      2U);
  // Everybody sees who there is, but not what others may.
  const json all = Done(As("bob", "GET", "/mlflow/users/list"));
  for (const json& user : all.at("users")) {
    EXPECT_TRUE(user.at("roles").empty());
  }
}

TEST_F(AccessRolesApiTest, PartsOfExperimentsHavePermissionsOfTheirOwn) {
  const std::string experiment = ExperimentOf("ann", "shared");
  const std::string run = RunOf("ann", experiment);
  const json metric = {{"run_id", run}, {"key", "loss"}, {"value", 1}, {"timestamp", 1}};
  const std::int64_t role = NewRole("runners");
  Assign("bob", role);
  EXPECT_EQ(As("bob", "POST", "/mlflow/runs/log-metric", metric).status, 403);
  const std::int64_t given = Add(role, "run", "*", "EDIT");
  EXPECT_EQ(As("bob", "POST", "/mlflow/runs/log-metric", metric).status, 200);
  EXPECT_EQ(As("bob", "POST", "/mlflow/runs/delete", {{"run_id", run}}).status, 403);
  // A new run belongs to the experiment, which bob may not change.
  EXPECT_EQ(As("bob", "POST", "/mlflow/runs/create", {{"experiment_id", experiment}}).status, 403);
  Done(Roles("root", "PATCH", "permissions/update",
             {{"role_permission_id", given}, {"permission", "DENY"}}));
  EXPECT_EQ(As("bob", "GET", "/mlflow/experiments/get?experiment_id=" + experiment).status, 200);
  EXPECT_EQ(As("bob", "GET", "/mlflow/runs/get?run_id=" + run).status, 403);
  EXPECT_TRUE(
      Done(As("bob", "POST", "/mlflow/runs/search", {{"experiment_ids", {experiment}}})).empty());
  // Where only MANAGE deletes runs, an experiment is not deleted with less on its runs.
  Assign("ann", role);
  EXPECT_EQ(As("ann", "POST", "/mlflow/experiments/delete", {{"experiment_id", experiment}}).status,
            403);
  Done(Roles("root", "DELETE", "permissions/remove", {{"role_permission_id", given}}));
  EXPECT_EQ(As("ann", "POST", "/mlflow/experiments/delete", {{"experiment_id", experiment}}).status,
            200);
}

TEST_F(AccessRolesApiTest, PromptsAndModelsArePermittedApart) {
  const json is_prompt = {{{"key", "mlflow.prompt.is_prompt"}, {"value", "true"}}};
  Done(As("ann", "POST", "/mlflow/registered-models/create",
          {{"name", "ask"}, {"tags", is_prompt}}));
  Done(As("ann", "POST", "/mlflow/registered-models/create", {{"name", "churn"}}));
  Done(As("ann", "POST", "/mlflow/registered-models/set-tag",
          {{"name", "ask"}, {"key", "k"}, {"value", "v"}}));
  const std::int64_t role = NewRole("no prompts");
  Add(role, "prompt", "*", "DENY");
  Assign("bob", role);
  EXPECT_EQ(As("bob", "GET", "/mlflow/registered-models/get?name=ask").status, 403);
  EXPECT_EQ(As("bob", "GET", "/mlflow/registered-models/get?name=churn").status, 200);
  EXPECT_EQ(
      As("bob", "POST", "/mlflow/registered-models/create", {{"name", "ask2"}, {"tags", is_prompt}})
          .status,
      403);
  EXPECT_EQ(As("bob", "POST", "/mlflow/registered-models/create", {{"name", "m2"}}).status, 200);
}

TEST_F(AccessRolesApiTest, SignUpNeedsItsOwnForm) {
  const std::string create = "/api/2.0/mlflow/users/create-ui";
  EXPECT_EQ(As("", "GET", "/signup").status, 401);
  EXPECT_EQ(As("ann", "GET", "/signup").status, 403);
  const Answer page = As("root", "GET", "/signup");
  ASSERT_EQ(page.status, 200);
  EXPECT_THAT(page.content_type, HasSubstr("text/html"));
  EXPECT_THAT(page.body, ::testing::Not(HasSubstr("http")));
  const std::size_t at = page.body.find("name=\"csrf_token\" value=\"") + 25;
  const std::string token = page.body.substr(at, 64);
  const auto post = [&](const std::string& name, const std::string& form) {
    const std::string authorization = Basic(name, name + "'s");
    return Ask(
        "POST", create, form,
        {{"Content-Type", "application/x-www-form-urlencoded"}, {"Authorization", authorization}});
  };
  const std::string user = "username=eve%3Cb%3E&password=eve's+password";
  EXPECT_EQ(post("root", user).body, "The CSRF token is missing.");
  EXPECT_EQ(post("root", user + "&csrf_token=" + std::string(64, '0')).body,
            "The CSRF token is invalid.");
  EXPECT_EQ(post("ann", user + "&csrf_token=" + token).status, 403);
  EXPECT_FALSE(access_->GetUser("eve<b>").ok());
  EXPECT_EQ(post("root", "username=eve&password=short&csrf_token=" + token).status, 400);
  EXPECT_THAT(post("root", user + "&csrf_token=" + token).body,
              HasSubstr("Successfully signed up user: eve&lt;b&gt;"));
  EXPECT_TRUE(access_->CheckPassword("eve<b>", "eve's password").ok());
  EXPECT_THAT(post("root", user + "&csrf_token=" + token).body,
              HasSubstr("Username has already been taken: eve&lt;b&gt;"));
}

// Random roles and own permissions: what each route answers is what the rules say, computed here
// once more from the list of what was given.
class RandomAccess : public AccessRolesApiTest {
 protected:
  struct Given {
    std::string name;
    Resource resource;
    Permission permission;
  };

  Permission Counts(const std::string& name, const Resource& asked) const {
    bool is_denied = false;
    std::optional<Permission> most;
    for (const Given& each : given_) {
      if (each.name != name) {
        continue;
      }
      if (each.resource.kind == ResourceKind::kWorkspace &&
          each.permission == Permission::kManage) {
        return Permission::kManage;
      }
      if (each.resource.kind == asked.kind &&
          (each.resource.id == "*" || each.resource.id == asked.id)) {
        is_denied = is_denied || each.permission == Permission::kDeny;
        most = std::max(most.value_or(each.permission), each.permission);
      }
    }
    return is_denied ? Permission::kDeny
                     : std::max(most.value_or(Permission::kRead), Permission::kRead);
  }
  bool IsOnPart(const std::string& name, ResourceKind part, const Resource& container,
                Permission needed) const {
    const bool has_own = std::any_of(given_.begin(), given_.end(), [&](const Given& each) {
      return each.name == name && each.resource.kind == part;
    });
    const Resource deciding = has_own ? GrantSet::Every(part) : container;
    return Counts(name, container) >= Permission::kRead && Counts(name, deciding) >= needed;
  }
  void Check(const std::string& name, std::string_view method, const std::string& path,
             const json& body, bool expected) const {
    const int status = As(name, method, path, body).status;
    EXPECT_EQ(status != 403, expected) << name << " " << method << " " << path << " " << status;
  }

  std::vector<Given> given_;
};

TEST_F(RandomAccess, RoutesAnswerAsTheRulesSay) {
  std::mt19937 random(20261126);
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::vector<std::string> experiments;
  std::vector<std::string> runs;
  std::vector<std::string> models;
  for (const char* title : {"x", "y"}) {
    experiments.push_back(ExperimentOf("root", title));
    runs.push_back(RunOf("root", experiments.back()));
    models.push_back(Done(As("root", "POST", "/mlflow/logged-models",
                             {{"experiment_id", experiments.back()}, {"name", title}}))
                         .at("model")
                         .at("info")
                         .at("model_id"));
    Done(As("root", "POST", "/mlflow/registered-models/create", {{"name", title}}));
  }
  const Permission permissions[] = {Permission::kDeny, Permission::kRead, Permission::kUse,
                                    Permission::kEdit, Permission::kManage};
  const ResourceKind kinds[] = {
      ResourceKind::kExperiment, ResourceKind::kExperiment,  ResourceKind::kRegisteredModel,
      ResourceKind::kRun,        ResourceKind::kLoggedModel, ResourceKind::kRegisteredModelVersion,
      ResourceKind::kWorkspace};
  const auto random_resource = [&] {
    const ResourceKind kind = kinds[below(std::size(kinds) - (below(4) == 0 ? 0 : 1))];
    std::string id = "*";
    if (!tracking::IsWildcardOnly(kind) && below(3) > 0) {
      id = kind == ResourceKind::kExperiment ? experiments[below(2)] : below(2) == 0 ? "x" : "y";
    }
    return Resource{kind, id};
  };
  const std::vector<std::string> names = {"ann", "bob"};
  for (int round = 0; round < 40; ++round) {
    given_.clear();
    const std::vector<tracking::Role> before = access_->ListRoles({}).value();
    for (const tracking::Role& role : before) {
      const Result<void> gone = access_->DeleteRole(role.id);
      ASSERT_TRUE(gone.ok()) << gone.error().message();
    }
    for (std::size_t n = below(4); n-- > 0;) {
      // One role in four is of another workspace, where nothing counts.
      const bool is_here = below(4) > 0;
      const std::int64_t role =
          access_->CreateRole(is_here ? "default" : "other", "role" + std::to_string(n), {})->id;
      std::vector<Given> of_role;
      for (std::size_t i = below(4); i-- > 0;) {
        const Resource resource = random_resource();
        const Permission permission = permissions[below(5)];
        if (access_->AddRolePermission(role, resource, permission).ok()) {
          of_role.push_back({"", resource, permission});
        }
      }
      for (const std::string& name : names) {
        if (below(2) == 0 && access_->AssignRole(name, role).ok() && is_here) {
          for (Given each : of_role) {
            each.name = name;
            given_.push_back(each);
          }
        }
      }
    }
    for (std::size_t n = below(3); n-- > 0;) {
      const Given own{names[below(2)], random_resource(), permissions[below(5)]};
      if (own.resource.kind != ResourceKind::kWorkspace &&
          access_->CreateGrant(own.name, own.resource, own.permission).ok()) {
        given_.push_back(own);
      }
    }
    for (const std::string& name : names) {
      std::vector<std::string> readable;
      for (std::size_t i = 0; i < 2; ++i) {
        const Resource experiment{ResourceKind::kExperiment, experiments[i]};
        const Resource model{ResourceKind::kRegisteredModel, i == 0 ? "x" : "y"};
        const Permission on_experiment = Counts(name, experiment);
        const json tag = {{"key", "k"}, {"value", "v"}};
        const auto with = [&tag](const char* field, const std::string& value) {
          json body = tag;
          body[field] = value;
          return body;
        };
        if (on_experiment >= Permission::kRead) {
          readable.push_back(experiment.id);
        }
        Check(name, "GET", "/mlflow/experiments/get?experiment_id=" + experiment.id, json(),
              on_experiment >= Permission::kRead);
        Check(name, "POST", "/mlflow/experiments/set-experiment-tag",
              with("experiment_id", experiment.id), on_experiment >= Permission::kEdit);
        Check(name, "GET",
              "/mlflow/experiments/permissions/get?username=ann&experiment_id=" + experiment.id,
              json(), on_experiment >= Permission::kManage);
        Check(name, "GET", "/mlflow/runs/get?run_id=" + runs[i], json(),
              IsOnPart(name, ResourceKind::kRun, experiment, Permission::kRead));
        Check(name, "POST", "/mlflow/runs/set-tag", with("run_id", runs[i]),
              IsOnPart(name, ResourceKind::kRun, experiment, Permission::kEdit));
        Check(name, "POST", "/mlflow/runs/restore", {{"run_id", runs[i]}},
              IsOnPart(name, ResourceKind::kRun, experiment, Permission::kManage));
        Check(name, "GET", "/mlflow/logged-models/" + models[i], json(),
              IsOnPart(name, ResourceKind::kLoggedModel, experiment, Permission::kRead));
        Check(name, "PATCH", "/mlflow/logged-models/" + models[i] + "/tags", {{"tags", {tag}}},
              IsOnPart(name, ResourceKind::kLoggedModel, experiment, Permission::kEdit));
        Check(name, "GET", "/mlflow/registered-models/get?name=" + model.id, json(),
              Counts(name, model) >= Permission::kRead);
        Check(name, "POST", "/mlflow/registered-models/set-tag", with("name", model.id),
              Counts(name, model) >= Permission::kEdit);
        Check(name, "DELETE", "/mlflow/model-versions/delete",
              {{"name", model.id}, {"version", "7"}},
              IsOnPart(name, ResourceKind::kRegisteredModelVersion, model, Permission::kManage));
        Check(name, "GET", "/ajax-api/2.0/mlflow/model-versions/get?version=7&name=" + model.id,
              json(),
              Counts(name, model) >= Permission::kRead &&
                  Counts(name, GrantSet::Every(ResourceKind::kRegisteredModelVersion)) >
                      Permission::kDeny);
      }
      const json found =
          Done(As(name, "GET", "/mlflow/experiments/search?max_results=10&order_by=experiment_id"))
              .value("experiments", json::array());
      std::vector<std::string> seen;
      for (const json& each : found) {
        if (each.at("experiment_id") != "0") {
          seen.push_back(each.at("experiment_id"));
        }
      }
      EXPECT_EQ(seen, readable) << name;
      const json of_runs =
          Done(As(name, "POST", "/mlflow/runs/search", {{"experiment_ids", experiments}}))
              .value("runs", json::array());
      const bool sees_runs = Counts(name, GrantSet::Every(ResourceKind::kRun)) > Permission::kDeny;
      EXPECT_EQ(of_runs.size(), sees_runs ? readable.size() : 0U) << name;
    }
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

}  // namespace
}  // namespace millrace::api
