// SPDX-License-Identifier: Apache-2.0
// Registered models, versions, aliases and stages, as MLflow's clients expect them.
#include "tracking/registry.h"

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

class RegistryTest : public internal::StoreTest {
 protected:
  std::int64_t NewVersion(const std::string& name = "churn") {
    return registry().RegisterVersion({.name = name, .source = "/models/x"}).value().version;
  }
};

TEST_F(RegistryTest, ModelsAreMadeOnceAndListedByName) {
  EXPECT_EQ(registry().CreateModel("churn", "who leaves", {{"team", "growth"}}).value().description,
            "who leaves");
  EXPECT_EQ(Failure(registry().CreateModel("churn"), ErrorCode::kAlreadyExists),
            "Registered Model (name=churn) already exists.");
  EXPECT_EQ(registry().EnsureModel("churn").value().tags.at("team"), "growth");
  EXPECT_EQ(registry().EnsureModel("basket").value().latest_version, 0);
  const std::vector<RegisteredModel> models = registry().ListModels().value();
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].name, "basket");
  const Result<RegisteredModel> missing = registry().GetModel("chrun");
  EXPECT_EQ(Failure(missing, ErrorCode::kNotFound), "Registered Model with name=chrun not found");
  EXPECT_NE(missing.error().hint().find("churn"), std::string::npos);
  for (const std::string name : {"", "  ", "a/b", "a:b"}) {
    Failure(registry().CreateModel(name), ErrorCode::kInvalidArgument);
  }
}

TEST_F(RegistryTest, VersionsCountFromOneAndDeletedNumbersNeverReturn) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  EXPECT_EQ(NewVersion(), 1);
  EXPECT_EQ(NewVersion(), 2);
  ASSERT_TRUE(registry().DeleteVersion("churn", 2).ok());
  EXPECT_EQ(Failure(registry().GetVersion("churn", 2), ErrorCode::kNotFound),
            "Model Version (name=churn, version=2) not found");
  EXPECT_EQ(registry().GetModel("churn").value().latest_version, 1);
  Reopen();
  EXPECT_EQ(NewVersion(), 3);
  const std::vector<ModelVersion> versions = registry().ListVersions("churn").value();
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_EQ(versions[0].version, 3);
  Failure(registry().RegisterVersion({.name = "nope", .source = "x"}), ErrorCode::kNotFound);
  Failure(registry().RegisterVersion({.name = "churn"}), ErrorCode::kInvalidArgument);
  Failure(registry().DeleteVersion("churn", 9), ErrorCode::kNotFound);
}

TEST_F(RegistryTest, VersionOfALoggedModelKnowsItsRunAndFolder) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  const std::string run = NewRun();
  const LoggedModel model =
      tracking().CreateLoggedModel({.name = "m", .source_run_id = run}).value();
  const ModelVersion version =
      registry().RegisterVersion({.name = "churn", .source = "models:/" + model.model_id}).value();
  EXPECT_EQ(version.model_id, model.model_id);
  EXPECT_EQ(version.run_id, run);
  EXPECT_EQ(version.storage_location, model.artifact_location);
  EXPECT_EQ(
      registry().RegisterVersion({.name = "churn", .model_id = model.model_id}).value().source,
      "models:/" + model.model_id);
  Failure(registry().RegisterVersion({.name = "churn", .source = "models:/m-0"}),
          ErrorCode::kNotFound);
}

TEST_F(RegistryTest, SameKeyGivesTheSameVersion) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  const VersionRequest request{
      .name = "churn", .source = "x", .tags = {{"auc", "0.77"}}, .idempotency_key = "register-1"};
  EXPECT_EQ(registry().RegisterVersion(request).value().version, 1);
  Reopen();
  const ModelVersion again = registry().RegisterVersion(request).value();
  EXPECT_EQ(again.version, 1);
  EXPECT_EQ(again.tags.at("auc"), "0.77");
  EXPECT_EQ(registry().FindVersionByKey("register-1").value()->version, 1);
  EXPECT_EQ(registry().ListVersions("churn").value().size(), 1U);
  ASSERT_TRUE(registry().DeleteVersion("churn", 1).ok());
  EXPECT_EQ(registry().RegisterVersion(request).value().version, 2)
      << "a deleted version gives its key back";
}

TEST_F(RegistryTest, AliasesMoveAndGoWithTheirVersion) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  NewVersion();
  NewVersion();
  EXPECT_FALSE(registry().FindByAlias("churn", "champion").value().has_value());
  EXPECT_EQ(Failure(registry().GetByAlias("churn", "champion"), ErrorCode::kInvalidArgument),
            "Registered model alias champion not found.");
  Failure(registry().GetByAlias("nope", "champion"), ErrorCode::kNotFound);
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 2).ok());
  ASSERT_TRUE(registry().SetAlias("churn", "shadow", 2).ok());
  EXPECT_EQ(registry().GetByAlias("churn", "champion").value().version, 2);
  EXPECT_EQ(registry().GetVersion("churn", 2).value().aliases,
            (std::vector<std::string>{"champion", "shadow"}));
  EXPECT_EQ(registry().GetModel("churn").value().aliases.at("champion"), 2);
  ASSERT_TRUE(registry().DeleteAlias("churn", "shadow").ok());
  EXPECT_TRUE(registry().DeleteAlias("churn", "shadow").ok());
  ASSERT_TRUE(registry().DeleteVersion("churn", 2).ok());
  EXPECT_FALSE(registry().FindByAlias("churn", "champion").value().has_value());
  Failure(registry().SetAlias("churn", "champion", 2), ErrorCode::kNotFound);
  for (const std::string alias : {"", "latest", "Latest", "v1", "V23", "a b", "a/b"}) {
    Failure(registry().SetAlias("churn", alias, 1), ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(registry().SetAlias("churn", "v1-beta", 1).ok());
}

TEST_F(RegistryTest, RenamingCarriesVersionsAliasesAndTags) {
  ASSERT_TRUE(registry().CreateModel("churn", "", {{"team", "growth"}}).ok());
  ASSERT_TRUE(registry().CreateModel("taken").ok());
  NewVersion();
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  ASSERT_TRUE(registry().SetVersionTag("churn", 1, "auc", "0.77").ok());
  Failure(registry().RenameModel("churn", "taken"), ErrorCode::kAlreadyExists);
  EXPECT_EQ(registry().RenameModel("churn", "retention").value().tags.at("team"), "growth");
  const ModelVersion version = registry().GetByAlias("retention", "champion").value();
  EXPECT_EQ(version.name, "retention");
  EXPECT_EQ(version.tags.at("auc"), "0.77");
  Failure(registry().GetModel("churn"), ErrorCode::kNotFound);
  Failure(registry().RenameModel("churn", "x"), ErrorCode::kNotFound);
}

TEST_F(RegistryTest, DeletingAModelDeletesItsVersions) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  NewVersion();
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  ASSERT_TRUE(registry().DeleteModel("churn").ok());
  Failure(registry().GetVersion("churn", 1), ErrorCode::kNotFound);
  EXPECT_FALSE(registry().FindByAlias("churn", "champion").value().has_value());
  Failure(registry().DeleteModel("churn"), ErrorCode::kNotFound);
}

TEST_F(RegistryTest, TagsAndDescriptionsChange) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  NewVersion();
  ASSERT_TRUE(registry().SetModelTag("churn", "a", "1").ok());
  ASSERT_TRUE(registry().SetModelTag("churn", "a", "2").ok());
  EXPECT_EQ(registry().GetModel("churn").value().tags.at("a"), "2");
  ASSERT_TRUE(registry().DeleteModelTag("churn", "a").ok());
  EXPECT_TRUE(registry().GetModel("churn").value().tags.empty());
  EXPECT_EQ(registry().UpdateModel("churn", "who leaves").value().description, "who leaves");
  EXPECT_EQ(registry().UpdateVersion("churn", 1, "first").value().description, "first");
  Failure(registry().UpdateVersion("churn", 9, "x"), ErrorCode::kNotFound);
  ASSERT_TRUE(registry().SetVersionTag("churn", 1, "a", "1").ok());
  ASSERT_TRUE(registry().DeleteVersionTag("churn", 1, "a").ok());
  EXPECT_TRUE(registry().GetVersion("churn", 1).value().tags.empty());
  Failure(registry().SetVersionTag("churn", 9, "a", "1"), ErrorCode::kNotFound);
  Failure(registry().SetModelTag("nope", "a", "1"), ErrorCode::kNotFound);
}

TEST_F(RegistryTest, StagesMoveAndArchive) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  NewVersion();
  NewVersion();
  EXPECT_EQ(registry().GetVersion("churn", 1).value().stage, "None");
  EXPECT_EQ(registry().TransitionStage("churn", 1, "production", false).value().stage,
            "Production");
  EXPECT_EQ(registry().TransitionStage("churn", 2, "PRODUCTION", true).value().stage, "Production");
  EXPECT_EQ(registry().GetVersion("churn", 1).value().stage, "Archived");
  Failure(registry().TransitionStage("churn", 1, "live", false), ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      Failure(registry().TransitionStage("churn", 1, "archived", true),
              ErrorCode::kInvalidArgument),
      "Model version transition cannot archive existing model versions because 'archived' is not "
      "an Active stage. Valid stages are ['Staging', 'Production']");
}

TEST_F(RegistryTest, LatestVersionsAreTheNewestOfEachStage) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  EXPECT_TRUE(registry().LatestVersions("churn").value().empty());
  for (int i = 0; i < 4; ++i) {
    NewVersion();
  }
  ASSERT_TRUE(registry().TransitionStage("churn", 1, "Production", false).ok());
  ASSERT_TRUE(registry().TransitionStage("churn", 3, "Production", false).ok());
  ASSERT_TRUE(registry().SetVersionTag("churn", 3, "auc", "0.77").ok());
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 3).ok());
  const std::vector<ModelVersion> latest = registry().LatestVersions("churn").value();
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[0].version, 3);
  EXPECT_EQ(latest[0].tags.at("auc"), "0.77");
  EXPECT_EQ(latest[0].aliases, std::vector<std::string>{"champion"});
  EXPECT_EQ(latest[1].version, 4);
  EXPECT_EQ(registry().LatestVersions("churn", {"production"}).value().size(), 1U);
  EXPECT_TRUE(registry().LatestVersions("churn", {"Staging"}).value().empty());
  EXPECT_EQ(registry().GetModel("churn").value().latest_versions.size(), 2U);
  EXPECT_EQ(registry().GetByAlias("churn", "LATEST").value().version, 4);
  EXPECT_EQ(Failure(registry().LatestVersions("churn", {"live"}), ErrorCode::kInvalidArgument),
            "Invalid Model Version stage: live. Value must be one of None, Staging, Production, "
            "Archived.");
  Failure(registry().LatestVersions("nope"), ErrorCode::kNotFound);
}

TEST_F(RegistryTest, MessagesAreMlflows) {
  EXPECT_EQ(Failure(registry().CreateModel(" "), ErrorCode::kInvalidArgument),
            "Missing value for required parameter 'name'.");
  EXPECT_EQ(Failure(registry().CreateModel("a/b"), ErrorCode::kInvalidArgument),
            "Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  EXPECT_EQ(Failure(registry().RenameModel("churn", ""), ErrorCode::kInvalidArgument),
            "Missing value for required parameter 'new_name'.");
  EXPECT_EQ(Failure(registry().SetAlias("churn", "Latest", 1), ErrorCode::kInvalidArgument),
            "'latest' alias name (case insensitive) is reserved.");
  EXPECT_EQ(Failure(registry().SetAlias("churn", "v12", 1), ErrorCode::kInvalidArgument),
            "Version alias name 'v12' is reserved.");
  EXPECT_EQ(Failure(registry().SetAlias("churn", "a b", 1), ErrorCode::kInvalidArgument),
            "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and "
            "dashes (-).");
  EXPECT_EQ(Failure(registry().GetByAlias("churn", "latest"), ErrorCode::kNotFound),
            "Latest version not found for model churn.");
  EXPECT_EQ(Failure(registry().CreateModel("churn", "", {{"mlflow.prompt.is_prompt", "true"}}),
                    ErrorCode::kAlreadyExists),
            "Tried to create a prompt with name 'churn', but the name is already taken by a "
            "registered model. MLflow does not allow creating a model and a prompt with the same "
            "name.");
}

TEST_F(RegistryTest, TagsAndAliasesLeaveTheTimeOfChangeAlone) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  NewVersion();
  const std::int64_t made = registry().GetModel("churn").value().last_update_time_ms;
  clock().Advance(base::Duration{5 * base::kMicrosPerSecond});
  ASSERT_TRUE(registry().SetModelTag("churn", "a", "1").ok());
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  EXPECT_EQ(registry().GetModel("churn").value().last_update_time_ms, made);
  ASSERT_TRUE(registry().RenameModel("churn", "retention").ok());
  EXPECT_EQ(registry().GetModel("retention").value().last_update_time_ms, made + 5000);
  EXPECT_EQ(registry().GetVersion("retention", 1).value().last_update_time_ms, made + 5000);
}

}  // namespace
}  // namespace millrace::tracking
