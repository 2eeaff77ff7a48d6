// SPDX-License-Identifier: Apache-2.0
// MLflow's endpoints of registered models and versions. Bodies and messages were observed at MLflow
// 3.17.2.
#include <string>

#include "api/internal/tracking_testing.h"

namespace millrace::api {
namespace {

using nlohmann::json;

class RegistryApiTest : public TrackingApiTest {
 protected:
  // A registered model "m" with one version of a logged model.
  void MakeVersion() {
    const json model = Done(Post("/logged-models", {{"experiment_id", "0"}, {"name", "l"}}));
    model_id_ = model.at("model").at("info").at("model_id");
    Done(Post("/registered-models/create", {{"name", "m"}}));
    version_ =
        Done(Post("/model-versions/create",
                  {{"name", "m"}, {"source", "models:/" + model_id_}, {"model_id", model_id_}}))
            .at("model_version");
  }

  std::string model_id_;
  json version_;
};

TEST_F(RegistryApiTest, AModelIsShownAsMlflowShowsIt) {
  EXPECT_EQ(Done(Post("/registered-models/create", {{"name", "m"}})).at("registered_model"),
            (json{{"name", "m"},
                  {"creation_timestamp", 1'700'000'000'123},
                  {"last_updated_timestamp", 1'700'000'000'123}}));
  const Answer again = Post("/registered-models/create", {{"name", "m"}});
  EXPECT_EQ(again.status, 400);
  EXPECT_EQ(again.value, (json{{"error_code", "RESOURCE_ALREADY_EXISTS"},
                               {"message", "Registered Model (name=m) already exists."},
                               {"sqlstate", "KAM00"},
                               {"error_class", "RESOURCE_ALREADY_EXISTS"}}));
  const Answer unknown = Get("/registered-models/get?name=x");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.value.at("message"), "Registered Model with name=x not found");
}

TEST_F(RegistryApiTest, AVersionIsShownAsMlflowShowsIt) {
  MakeVersion();
  EXPECT_EQ(version_, (json{{"name", "m"},
                            {"version", "1"},
                            {"creation_timestamp", 1'700'000'000'123},
                            {"last_updated_timestamp", 1'700'000'000'123},
                            {"current_stage", "None"},
                            {"description", ""},
                            {"source", "models:/" + model_id_},
                            {"run_id", ""},
                            {"status", "READY"},
                            {"run_link", ""}}));
  EXPECT_EQ(Done(Get("/model-versions/get-download-uri?name=m&version=1")),
            (json{{"artifact_uri", "mlflow-artifacts:/0/models/" + model_id_ + "/artifacts"}}));
  EXPECT_EQ(Get("/model-versions/get?name=m&version=x").value.at("message"),
            "Parameter 'version' must be an integer, got 'x'.");
  const Answer unknown = Get("/model-versions/get?name=m&version=2");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.value.at("message"), "Model Version (name=m, version=2) not found");
}

TEST_F(RegistryApiTest, AliasesPointToVersions) {
  MakeVersion();
  const std::string path = kRoot + "/registered-models/alias";
  EXPECT_EQ(Done(Ask("POST", path, R"({"name":"m","alias":"a","version":"1"})")), json::object());
  const json found = Done(Ask("GET", path + "?name=m&alias=a")).at("model_version");
  EXPECT_EQ(found.at("aliases"), json({"a"}));
  EXPECT_EQ(Done(Get("/registered-models/get?name=m")).at("registered_model").at("aliases"),
            json({{{"alias", "a"}, {"version", "1"}}}));
  Done(Ask("DELETE", path, R"({"name":"m","alias":"a"})"));
  const Answer gone = Ask("GET", path + "?name=m&alias=a");
  EXPECT_EQ(gone.status, 400);
  EXPECT_EQ(gone.value.at("message"), "Registered model alias a not found.");
}

TEST_F(RegistryApiTest, StagesChange) {
  MakeVersion();
  const json moved =
      Done(Post("/model-versions/transition-stage", {{"name", "m"},
                                                     {"version", "1"},
                                                     {"stage", "staging"},
                                                     {"archive_existing_versions", true}}));
  EXPECT_EQ(moved.at("model_version").at("current_stage"), "Staging");
  for (const Answer& latest :
       {Post("/registered-models/get-latest-versions", {{"name", "m"}, {"stages", {"Staging"}}}),
        Get("/registered-models/get-latest-versions?name=m")}) {
    EXPECT_EQ(Done(latest).at("model_versions")[0].at("version"), "1");
  }
  EXPECT_EQ(Post("/model-versions/transition-stage",
                 {{"name", "m"}, {"version", "1"}, {"stage", "none of them"}})
                .status,
            400);
}

TEST_F(RegistryApiTest, ModelsAndVersionsAreChangedFoundAndDeleted) {
  MakeVersion();
  Done(Ask("PATCH", kRoot + "/registered-models/update", R"({"name":"m","description":"d"})"));
  Done(Ask("PATCH", kRoot + "/model-versions/update",
           R"({"name":"m","version":"1","description":"e"})"));
  Done(Post("/registered-models/set-tag", {{"name", "m"}, {"key", "k"}, {"value", "v"}}));
  Done(Post("/model-versions/set-tag",
            {{"name", "m"}, {"version", "1"}, {"key", "k"}, {"value", "v"}}));
  Done(Post("/registered-models/rename", {{"name", "m"}, {"new_name", "n"}}));
  const json models = Done(Get("/registered-models/search?filter=name%3D%27n%27"));
  EXPECT_EQ(models.at("registered_models")[0].at("description"), "d");
  EXPECT_EQ(models.at("registered_models")[0].at("tags"), json({{{"key", "k"}, {"value", "v"}}}));
  const json versions = Done(Get("/model-versions/search"));
  EXPECT_EQ(versions.at("model_versions")[0].at("description"), "e");
  Done(Ask("DELETE", kRoot + "/registered-models/delete-tag", R"({"name":"n","key":"k"})"));
  Done(Ask("DELETE", kRoot + "/model-versions/delete-tag",
           R"({"name":"n","version":"1","key":"k"})"));
  Done(Ask("DELETE", kRoot + "/model-versions/delete", R"({"name":"n","version":"1"})"));
  Done(Ask("DELETE", kRoot + "/registered-models/delete", R"({"name":"n"})"));
  EXPECT_EQ(Done(Get("/registered-models/search")), json::object());
  EXPECT_EQ(Get("/registered-models/search?max_results=1001").status, 400);
}

}  // namespace
}  // namespace millrace::api
