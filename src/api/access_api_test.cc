// SPDX-License-Identifier: Apache-2.0
// Access control over the routes: who is let in, what each permission allows, what lists show.
#include <gmock/gmock.h>

#include "api/internal/access_rules.h"
#include "api/internal/access_testing.h"
#include "api/internal/online_json.h"
#include "api/internal/tracking_testing.h"
#include "api/router.h"
#include "store/artifacts.h"
#include "store/key_value.h"
#include "tracking/access.h"
#include "tracking/audit.h"

namespace millrace::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tracking::Permission;
using tracking::ResourceKind;

// A route that nobody thought of is for administrators alone; this test tells who adds one to
// think.
TEST_F(AccessApiTest, EveryRouteHasARule) {
  for (const Router::RouteInfo& route : api_->router().Routes()) {
    EXPECT_NE(internal::FindAccessRule(route.method, route.pattern), nullptr)
        << route.method << " " << route.pattern << " is missing in access_rules.cc";
  }
}

TEST_F(AccessApiTest, WithoutCredentialsNothingIsTold) {
  const std::string search = "/api/2.0/mlflow/experiments/search?max_results=1";
  for (const std::string& authorization :
       {std::string(), std::string("Basic"), std::string("Basic !"), std::string("Digest x"),
        std::string("Bearer mlr_x"), Basic("ann", "wrong"), Basic("nobody", "x"),
        Basic("", "ann's"), Basic("ann", "")}) {
    const Answer answer = With(authorization, "GET", search);
    EXPECT_EQ(answer.status, 401) << authorization;
    EXPECT_THAT(answer.body, HasSubstr("You are not authenticated."));
  }
  EXPECT_EQ(With(Basic("ann", "ann's"), "GET", search).status, 200);
  EXPECT_EQ(With("basic " + internal::ToBase64("ann:ann's"), "GET", search).status, 200);
}

TEST_F(AccessApiTest, HealthAndVersionAreOpen) {
  for (const char* path : {"/health", "/ping", "/version", "/"}) {
    EXPECT_EQ(With("", "GET", path).status, 200) << path;
  }
  EXPECT_EQ(With("", "GET", "/metrics").status, 401);
  EXPECT_EQ(With("", "POST", "/invocations", "{}").status, 401);
}

TEST_F(AccessApiTest, TokensLetInWithoutAPassword) {
  const json made = Done(As("ann", "POST", "/millrace/tokens/create", {{"name", "laptop"}}));
  const std::string bearer = "Bearer " + made.at("secret").get<std::string>();
  const std::string current = "/api/2.0/mlflow/users/current";
  EXPECT_EQ(With(bearer, "GET", current).value.at("user").at("username"), "ann");
  const json listed = Done(As("ann", "GET", "/millrace/tokens/list"));
  EXPECT_THAT(Names(listed.at("tokens"), "name"), ElementsAre("laptop"));
  EXPECT_EQ(listed.dump().find("mlr_"), std::string::npos);
  // A stolen token must not become a password.
  EXPECT_EQ(With(bearer, "PATCH", "/api/2.0/mlflow/users/update-password",
                 R"({"username": "ann", "password": "new"})")
                .status,
            400);
  const json id = {{"token_id", listed.at("tokens")[0].at("token_id")}};
  EXPECT_EQ(As("bob", "DELETE", "/millrace/tokens/delete", id).status, 404);
  Done(As("ann", "DELETE", "/millrace/tokens/delete", id));
  EXPECT_EQ(With(bearer, "GET", current).status, 401);
}

// What each permission allows, as MLflow has it.
TEST_F(AccessApiTest, EachPermissionAllowsWhatItSays) {
  const std::string id = ExperimentOf("ann", "e");
  const std::string run = RunOf("ann", id);
  const std::string model =
      Done(As("ann", "POST", "/mlflow/logged-models", {{"experiment_id", id}, {"name", "m"}}))
          .at("model")
          .at("info")
          .at("model_id");
  struct Case {
    const char* method;
    std::string path;
    json body;
    Permission needed;
  };
  const std::vector<Case> cases = {
      {"GET", "/mlflow/experiments/get?experiment_id=" + id, {}, Permission::kRead},
      {"GET", "/mlflow/experiments/get-by-name?experiment_name=e", {}, Permission::kRead},
      {"GET", "/mlflow/runs/get?run_id=" + run, {}, Permission::kRead},
      {"GET", "/mlflow/metrics/get-history?run_id=" + run + "&metric_key=m", {}, Permission::kRead},
      {"GET",
       "/mlflow/metrics/get-history-bulk-interval?metric_key=m&run_ids=" + run,
       {},
       Permission::kRead},
      {"GET", "/mlflow/logged-models/" + model, {}, Permission::kRead},
      {"POST", "/mlflow/runs/create", {{"experiment_id", id}}, Permission::kEdit},
      {"POST",
       "/mlflow/runs/set-tag",
       {{"run_id", run}, {"key", "k"}, {"value", "v"}},
       Permission::kEdit},
      {"POST",
       "/mlflow/runs/set-tag",
       {{"run_uuid", run}, {"key", "k"}, {"value", "v"}},
       Permission::kEdit},
      {"POST",
       "/mlflow/runs/log-metric",
       {{"run_id", run}, {"key", "m"}, {"value", 1}, {"timestamp", 1}},
       Permission::kEdit},
      {"POST", "/mlflow/runs/log-batch", {{"run_id", run}}, Permission::kEdit},
      {"POST",
       "/mlflow/experiments/set-experiment-tag",
       {{"experiment_id", id}, {"key", "k"}, {"value", "v"}},
       Permission::kEdit},
      {"PATCH",
       "/mlflow/logged-models/" + model + "/tags",
       {{"tags", json::array({{{"key", "a"}, {"value", "b"}}})}},
       Permission::kEdit},
      {"POST", "/mlflow/runs/delete", {{"run_id", run}}, Permission::kManage},
      {"POST", "/mlflow/runs/restore", {{"run_id", run}}, Permission::kManage},
      {"GET",
       "/mlflow/experiments/permissions/get?username=ann&experiment_id=" + id,
       {},
       Permission::kManage},
  };
  for (const Permission has : {Permission::kNone, Permission::kRead, Permission::kUse,
                               Permission::kEdit, Permission::kManage}) {
    Give("bob", id, has);
    for (const Case& each : cases) {
      const Answer answer = As("bob", each.method, each.path, each.body);
      const int wanted = has >= each.needed ? 200 : 403;
      EXPECT_EQ(answer.status, wanted)
          << tracking::PermissionName(has) << " " << each.path << " " << answer.body;
      if (wanted == 403) {
        EXPECT_EQ(answer.body, "Permission denied");
      }
    }
  }
  for (const Case& each : cases) {
    EXPECT_EQ(As("root", each.method, each.path, each.body).status, 200) << each.path;
    EXPECT_EQ(As("", each.method, each.path, each.body).status, 401) << each.path;
  }
}

TEST_F(AccessApiTest, WhoMakesSomethingManagesIt) {
  const std::string id = ExperimentOf("ann", "e");
  EXPECT_EQ(As("bob", "POST", "/mlflow/experiments/delete", {{"experiment_id", id}}).status, 403);
  EXPECT_EQ(As("ann", "POST", "/mlflow/experiments/delete", {{"experiment_id", id}}).status, 200);
  Done(As("ann", "POST", "/mlflow/registered-models/create", {{"name", "m"}}));
  EXPECT_EQ(As("bob", "DELETE", "/mlflow/registered-models/delete", {{"name", "m"}}).status, 403);
  Done(As("ann", "POST", "/mlflow/registered-models/rename", {{"name", "m"}, {"new_name", "n"}}));
  const json grant =
      Done(As("ann", "GET", "/mlflow/registered-models/permissions/get?username=ann&name=n"));
  EXPECT_EQ(grant.at("registered_model_permission").at("permission"), "MANAGE");
  Done(As("ann", "DELETE", "/mlflow/registered-models/delete", {{"name", "n"}}));
  const Answer gone =
      As("root", "GET", "/mlflow/registered-models/permissions/get?username=ann&name=n");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.value.at("message"),
            "Registered model permission with name=n and username=ann not found");
}

TEST_F(AccessApiTest, SearchesShowWhatMayBeRead) {
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) {
    ids.push_back(ExperimentOf("ann", "e" + std::to_string(i)));
    RunOf("ann", ids.back());
    Done(
        As("ann", "POST", "/mlflow/registered-models/create", {{"name", "m" + std::to_string(i)}}));
    if (i % 3 != 0) {
      Give("bob", ids.back(), Permission::kNone);
      ASSERT_TRUE(access_
                      ->PutGrant("bob", {ResourceKind::kRegisteredModel, "m" + std::to_string(i)},
                                 Permission::kNone)
                      .ok());
    }
  }
  // Pages of three, all together once.
  const auto all = [&](const std::string& user, const std::string& path, const char* list,
                       const char* field) {
    std::vector<std::string> names;
    std::string token;
    do {
      const json page = Done(As(user, "GET", path + "&page_token=" + token));
      const auto some = Names(page.value(list, json::array()), field);
      EXPECT_TRUE(some.size() == 3 || page.value("next_page_token", "").empty());
      names.insert(names.end(), some.begin(), some.end());
      token = page.value("next_page_token", "");
    } while (!token.empty());
    return names;
  };
  const std::string experiments =
      "/mlflow/experiments/search?max_results=3&filter=name%20LIKE%20%27e%25%27&order_by=name";
  EXPECT_THAT(all("bob", experiments, "experiments", "name"), ElementsAre("e0", "e3", "e6", "e9"));
  EXPECT_EQ(all("ann", experiments, "experiments", "name").size(), 10U);
  const std::string models = "/mlflow/registered-models/search?max_results=3";
  EXPECT_THAT(all("bob", models, "registered_models", "name"), ElementsAre("m0", "m3", "m6", "m9"));
  EXPECT_EQ(all("root", models, "registered_models", "name").size(), 10U);

  const json search = {{"experiment_ids", ids}};
  EXPECT_EQ(Done(As("bob", "POST", "/mlflow/runs/search", search)).at("runs").size(), 4U);
  EXPECT_EQ(Done(As("ann", "POST", "/mlflow/runs/search", search)).at("runs").size(), 10U);
  const json hidden = {{"experiment_ids", json::array({ids[1], ids[2]})}};
  EXPECT_FALSE(Done(As("bob", "POST", "/mlflow/runs/search", hidden)).contains("runs"));
  EXPECT_FALSE(Done(As("bob", "POST", "/mlflow/logged-models/search", hidden)).contains("models"));
}

TEST_F(AccessApiTest, TracesBelongToTheirExperiment) {
  const std::string id = ExperimentOf("ann", "traced");
  Give("bob", id, Permission::kNone);
  const json info = {
      {"trace_id", "tr-1"},
      {"trace_location",
       {{"type", "MLFLOW_EXPERIMENT"}, {"mlflow_experiment", {{"experiment_id", id}}}}},
      {"request_time", "2026-01-01T00:00:00Z"},
      {"state", "OK"}};
  const json start = {{"trace", {{"trace_info", info}}}};
  const std::string root = "/api/3.0/mlflow/traces";
  EXPECT_EQ(As("bob", "POST", root, start).status, 403);
  Done(As("ann", "POST", root, start));
  const json search = {{"locations", json::array({info.at("trace_location")})}};
  const auto ask = [&](const std::string& name) {
    return std::vector<int>{
        As(name, "GET", root + "/tr-1").status, As(name, "GET", root + "/get?trace_id=tr-1").status,
        As(name, "POST", root + "/search", search).status,
        As(name, "POST", root + "/batchGetInfos", {{"trace_ids", json::array({"tr-1"})}}).status,
        As(name, "GET", "/mlflow/traces?experiment_ids=" + id).status};
  };
  // Whole traces are asked for with their spans, which have not come yet.
  EXPECT_THAT(ask("ann"), ElementsAre(200, 404, 200, 200, 200));
  EXPECT_THAT(ask("bob"), ElementsAre(403, 403, 403, 403, 403));
  Give("bob", id, Permission::kRead);
  EXPECT_THAT(ask("bob"), ElementsAre(200, 404, 200, 200, 200));
  const json tag = {{"key", "k"}, {"value", "v"}};
  EXPECT_EQ(As("bob", "PATCH", root + "/tr-1/tags", tag).status, 403);
  EXPECT_EQ(As("ann", "PATCH", root + "/tr-1/tags", tag).status, 200);
  // Not by saying that it is in an experiment of one's own.
  json moved = start;
  moved["trace"]["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"] =
      ExperimentOf("bob", "own");
  EXPECT_EQ(As("bob", "POST", root, moved).status, 403);
}

// Ways to another's artifacts past the permission on their experiment.
TEST_F(AccessApiTest, ArtifactsOfOthersAreNotReachedByDetours) {
  const std::string id = ExperimentOf("ann", "secret");
  const std::string run = RunOf("ann", id);
  Give("bob", id, Permission::kNone);
  for (const std::string& location :
       {"mlflow-artifacts:/" + id, "http://h/api/2.0/mlflow-artifacts/artifacts/" + id,
        "file:///runs/" + id, "/runs/" + id, "runs/" + id, "FILE:/runs/" + id}) {
    EXPECT_EQ(As("bob", "POST", "/mlflow/experiments/create",
                 {{"name", "x"}, {"artifact_location", location}})
                  .status,
              403)
        << location;
  }
  Done(As("bob", "POST", "/mlflow/registered-models/create", {{"name", "m"}}));
  for (const std::string& source :
       {"mlflow-artifacts:/" + id + "/models/x", "mlflow-artifacts://127.0.0.1:5000/" + id + "/x",
        "mlflow-artifacts:/%37/../" + id, "mlflow-artifacts:/0/../" + id, "runs:/" + run + "/model",
        "http://h/api/2.0/mlflow-artifacts/artifacts/" + id + "/x",
        std::string("mlflow-artifacts:/x")}) {
    EXPECT_EQ(
        As("bob", "POST", "/mlflow/model-versions/create", {{"name", "m"}, {"source", source}})
            .status,
        403)
        << source;
  }
  EXPECT_EQ(As("bob", "POST", "/mlflow/model-versions/create",
               {{"name", "m"}, {"source", "s3://bucket/model"}, {"run_id", run}})
                .status,
            403);
  for (const std::string& path :
       {"/get-artifact?path=a&run_id=" + run, "/get-artifact?path=a&run_uuid=" + run,
        "/api/2.0/mlflow/artifacts/list?run_id=" + run,
        "/api/2.0/mlflow-artifacts/artifacts/" + id + "/" + run + "/artifacts/a",
        "/api/2.0/mlflow-artifacts/artifacts/0/%2e%2e/" + id + "/a",
        "/api/2.0/mlflow-artifacts/artifacts/0%2F..%2F" + id + "/a",
        "/api/2.0/mlflow-artifacts/artifacts?path=" + id,
        std::string("/api/2.0/mlflow-artifacts/artifacts")}) {
    EXPECT_EQ(As("bob", "GET", path).status, 403) << path;
  }
}

TEST_F(AccessApiTest, ScoresNeedPermissionOnTheModelBehindTheEndpoint) {
  serving::EndpointSpec spec;
  spec.name = "shop";
  spec.model = "churn";
  endpoints_.Apply({spec});
  Done(As("ann", "POST", "/mlflow/registered-models/create", {{"name", "churn"}}));
  const auto permit = [&](const char* permission) {
    const json body = {{"name", "churn"}, {"username", "bob"}, {"permission", permission}};
    const bool is_first = std::string_view(permission) == "NO_PERMISSIONS";
    Done(
        As("ann", is_first ? "POST" : "PATCH",
           std::string("/mlflow/registered-models/permissions/") + (is_first ? "create" : "update"),
           body));
  };
  const std::vector<std::pair<const char*, const char*>> routes = {
      {"POST", "/invocations"},
      {"POST", "/endpoints/shop/invocations"},
      {"POST", "/v2/models/shop/infer"},
      {"GET", "/v2/models/shop"},
      {"GET", "/v2/models/shop/ready"},
      {"GET", "/v2/models/shop/versions/1"},
      {"GET", "/v2/models/shop/versions/1/ready"},
      {"POST", "/v2/models/shop/versions/1/infer"}};
  permit("NO_PERMISSIONS");
  for (const auto& [method, path] : routes) {
    EXPECT_EQ(As("bob", method, path, json::object()).status, 403) << path;
    EXPECT_EQ(As("", method, path, json::object()).status, 401) << path;
    EXPECT_NE(As("ann", method, path, json::object()).status, 403) << path;
  }
  permit("READ");
  for (const auto& [method, path] : routes) {
    EXPECT_NE(As("bob", method, path, json::object()).status, 403) << path;
  }
  EXPECT_EQ(As("bob", "POST", "/endpoints/none/invocations", json::object()).status, 404);
}

TEST_F(AccessApiTest, GraphqlHasTheRightsOfItsSender) {
  const std::string id = ExperimentOf("ann", "secret");
  RunOf("ann", id);
  Give("bob", id, Permission::kNone);
  const json query = {{"query", "{ mlflowSearchRuns(input: {experimentIds: [\"" + id +
                                    "\"]}) { runs { info { runId } } } }"}};
  EXPECT_EQ(As("", "POST", "/graphql", query).status, 401);
  const json seen = Done(As("ann", "POST", "/graphql", query));
  EXPECT_EQ(seen.at("data").at("mlflowSearchRuns").at("runs").size(), 1U) << seen.dump();
  const std::string hidden = As("bob", "POST", "/graphql", query).body;
  EXPECT_EQ(hidden.find("runId"), std::string::npos) << hidden;
}

TEST_F(AccessApiTest, OnlyAdministratorsMakeUsers) {
  const json user = {{"username", "eva"}, {"password", "eva's password"}};
  EXPECT_EQ(As("ann", "POST", "/mlflow/users/create", user).status, 403);
  const json made = Done(As("root", "POST", "/mlflow/users/create", user)).at("user");
  EXPECT_EQ(made.at("username"), "eva");
  EXPECT_EQ(made.at("is_admin"), false);
  EXPECT_TRUE(made.at("experiment_permissions").empty());
  EXPECT_EQ(As("root", "POST", "/mlflow/users/create", user).value.at("error_code"),
            "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(
      As("root", "POST", "/mlflow/users/create", {{"username", ""}, {"password", "x"}}).status,
      400);
  EXPECT_EQ(As("root", "POST", "/mlflow/users/create", {{"username", "kim"}, {"password", "short"}})
                .value.at("message"),
            "Password must be at least 12 characters.");
  EXPECT_EQ(As("ann", "GET", "/mlflow/users/get?username=bob").status, 403);
  EXPECT_EQ(As("ann", "GET", "/mlflow/users/get?username=ann").status, 200);
  EXPECT_EQ(As("ann", "GET", "/mlflow/users/list").status, 200);
  EXPECT_EQ(Done(As("root", "GET", "/mlflow/users/list")).at("users").size(), 4U);
  const json own = {{"username", "ann"}, {"password", "second password"}};
  EXPECT_EQ(As("bob", "PATCH", "/mlflow/users/update-password", own).status, 403);
  EXPECT_EQ(As("ann", "PATCH", "/mlflow/users/update-password", own).status, 200);
  EXPECT_EQ(As("ann", "GET", "/mlflow/users/current").status, 401);
  EXPECT_EQ(
      As("bob", "PATCH", "/mlflow/users/update-admin", {{"username", "bob"}, {"is_admin", true}})
          .status,
      403);
  EXPECT_EQ(As("bob", "DELETE", "/mlflow/users/delete", {{"username", "ann"}}).status, 403);
  EXPECT_EQ(As("root", "DELETE", "/mlflow/users/delete", {{"username", "root"}}).status, 400);
  EXPECT_EQ(As("root", "DELETE", "/mlflow/users/delete", {{"username", "ann"}}).status, 200);
  EXPECT_EQ(As("root", "GET", "/mlflow/users/get?username=ann").value.at("message"),
            "User with username=ann not found");
}

TEST_F(AccessApiTest, ManagersGivePermissionsByBothInterfaces) {
  const std::string id = ExperimentOf("ann", "e");
  const json grant = {{"experiment_id", id}, {"username", "bob"}, {"permission", "EDIT"}};
  EXPECT_EQ(As("bob", "POST", "/mlflow/experiments/permissions/create", grant).status, 403);
  const json made = Done(As("ann", "POST", "/mlflow/experiments/permissions/create", grant));
  EXPECT_EQ(made.at("experiment_permission").at("permission"), "EDIT");
  const json unified = {{"username", "bob"}, {"resource_type", "experiment"}, {"resource_id", id}};
  const std::string root = "/api/3.0/mlflow/users/permissions/";
  json given = unified;
  given["permission"] = "READ";
  EXPECT_EQ(As("ann", "POST", root + "grant", given).value.at("error_code"),
            "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(As("bob", "POST", root + "revoke", unified).status, 403);
  EXPECT_EQ(As("ann", "POST", root + "revoke", unified).status, 200);
  EXPECT_EQ(As("ann", "POST", root + "grant", given).status, 200);
  const std::string query = root + "get?username=bob&resource_type=experiment&resource_id=" + id;
  const json effective = {{"allowed", false}, {"permission", "READ"}};
  EXPECT_EQ(Done(As("root", "GET", query)), effective);
  EXPECT_EQ(As("ann", "GET", query).status, 403) << "who manages the experiment alone";
  EXPECT_EQ(Done(As("bob", "GET", query)), effective) << "their own permission";
  given["permission"] = "OWNER";
  EXPECT_EQ(As("ann", "POST", root + "grant", given).status, 400);
  given["resource_type"] = "scorer";
  EXPECT_EQ(As("root", "POST", root + "grant", given).status, 400);
}

TEST_F(AccessApiTest, MissingThingsAreSaidAsWithoutAccessControl) {
  EXPECT_EQ(As("bob", "GET", "/mlflow/runs/get?run_id=none").value.at("message"),
            "Run with id=none not found");
  EXPECT_EQ(As("bob", "GET", "/mlflow/experiments/get-by-name?experiment_name=none").status, 404);
  EXPECT_EQ(As("bob", "POST", "/mlflow/runs/set-tag", {{"key", "k"}}).status, 400);
  EXPECT_EQ(As("bob", "GET", "/nothing").status, 404);
}

TEST_F(AccessApiTest, TheAuditLogNamesWhoAsked) {
  EXPECT_EQ(With(Basic("ann", "ann's"), "POST", kRoot + "/registered-models/create",
                 R"({"name":"audited"})")
                .status,
            200);
  const auto entries = tracking::ReadAudit(*metadata_, {.object = "models:/audited"}).value();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].actor, "ann");
}

TEST_F(AccessApiTest, EvaluationDatasetsAndScorersBelongToTheirExperiments) {
  const std::string datasets = "/api/3.0/mlflow/datasets";
  const std::string scorers = "/api/3.0/mlflow/scorers";
  const std::string anns = ExperimentOf("ann", "anns");
  Give("bob", anns, Permission::kRead);
  const json create = {{"name", "d"}, {"experiment_ids", {anns}}};
  const std::string id =
      Done(As("ann", "POST", datasets + "/create", create)).at("dataset").at("dataset_id");
  const std::string one = datasets + "/" + id;
  const json records = {{"records", R"([{"inputs": {"q": 1}}])"}};
  EXPECT_EQ(As("ann", "POST", one + "/records", records).status, 200);

  EXPECT_EQ(As("bob", "GET", one).status, 200);
  EXPECT_EQ(As("bob", "GET", one + "/records").status, 200);
  EXPECT_EQ(As("bob", "POST", one + "/records", records).status, 403);
  EXPECT_EQ(As("bob", "DELETE", one).status, 403);
  EXPECT_EQ(As("bob", "POST", datasets + "/create", create).status, 403);
  EXPECT_EQ(As("bob", "POST", datasets + "/create", {{"name", "d"}}).status, 403) << "no place";
  EXPECT_EQ(As("bob", "GET", datasets + "/d-nothing").status, 403);
  const json search = {{"experiment_ids", {anns}}};
  EXPECT_EQ(As("bob", "POST", datasets + "/search", search).status, 200);
  EXPECT_EQ(As("bob", "POST", datasets + "/search", json::object()).status, 403) << "all there are";
  const std::string bobs = ExperimentOf("bob", "bobs");
  Give("ann", bobs, Permission::kNone);
  EXPECT_EQ(As("ann", "POST", one + "/add-experiments", {{"experiment_ids", {bobs}}}).status, 403);

  const json scorer = {{"experiment_id", anns}, {"name", "s"}, {"serialized_scorer", "{}"}};
  EXPECT_EQ(As("bob", "POST", scorers + "/register", scorer).status, 403);
  const std::string scorer_id =
      Done(As("ann", "POST", scorers + "/register", scorer)).at("scorer_id");
  const std::string named = "?name=s&experiment_id=" + anns;
  EXPECT_EQ(As("bob", "GET", scorers + "/get" + named).status, 200);
  EXPECT_EQ(As("bob", "GET", scorers + "/list?experiment_id=" + anns).status, 200);
  EXPECT_EQ(Done(As("bob", "GET", scorers + "/list")).at("scorers").size(), 1U);
  Give("bob", anns, Permission::kNone);
  for (const std::string& target :
       {one, one + "/records", one + "/experiment-ids", scorers + "/get" + named,
        scorers + "/list?experiment_id=" + anns, scorers + "/versions" + named,
        scorers + "/online-configs?scorer_ids=" + scorer_id}) {
    EXPECT_EQ(As("bob", "GET", target).status, 403) << target;
  }
  for (const std::string& query : {std::string(), "?experiment_ids=" + anns}) {
    EXPECT_EQ(Done(As("bob", "GET", scorers + "/list" + query)), json::object());
  }
  EXPECT_EQ(As("bob", "POST", datasets + "/search", search).status, 403);
}

TEST_F(AccessApiTest, IssuesBelongToTheirExperiment) {
  const std::string issues = "/api/3.0/mlflow/issues";
  const std::string anns = ExperimentOf("ann", "anns");
  Give("bob", anns, Permission::kRead);
  const json create = {{"experiment_id", anns}, {"name", "n"}, {"description", "d"}};
  const std::string id = Done(As("ann", "POST", issues, create)).at("issue").at("issue_id");
  const json search = {{"experiment_id", anns}};
  EXPECT_EQ(As("bob", "POST", issues, create).status, 403);
  EXPECT_EQ(As("bob", "GET", issues + "/" + id).status, 200);
  EXPECT_EQ(As("bob", "PATCH", issues + "/" + id, {{"name", "m"}}).status, 403);
  EXPECT_EQ(As("bob", "POST", issues + "/search", search).status, 200);
  EXPECT_EQ(As("bob", "POST", issues + "/search", json::object()).status, 403);
  EXPECT_EQ(
      As("bob", "POST", issues + "/search", {{"", {anns}}, {"experiment_ids", {anns}}}).status, 403)
      << "only experiment_id counts";
  Give("bob", anns, Permission::kNone);
  EXPECT_EQ(As("bob", "GET", issues + "/" + id).status, 403);
  EXPECT_EQ(As("bob", "POST", issues + "/search", search).status, 403);
}

}  // namespace
}  // namespace millrace::api
