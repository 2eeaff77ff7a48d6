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

MILL_ON_EVERY_DATABASE(RegistryTest);

TEST_P(RegistryTest, ModelsAreMadeOnceAndListedByName) {
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

TEST_P(RegistryTest, VersionsCountFromOneAndDeletedNumbersNeverReturn) {
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

TEST_P(RegistryTest, VersionOfALoggedModelKnowsItsRunAndFolder) {
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

TEST_P(RegistryTest, SameKeyGivesTheSameVersion) {
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

TEST_P(RegistryTest, AliasesMoveAndGoWithTheirVersion) {
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

TEST_P(RegistryTest, RenamingCarriesVersionsAliasesAndTags) {
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

TEST_P(RegistryTest, DeletingAModelDeletesItsVersions) {
  ASSERT_TRUE(registry().CreateModel("churn").ok());
  NewVersion();
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  ASSERT_TRUE(registry().DeleteModel("churn").ok());
  Failure(registry().GetVersion("churn", 1), ErrorCode::kNotFound);
  EXPECT_FALSE(registry().FindByAlias("churn", "champion").value().has_value());
  Failure(registry().DeleteModel("churn"), ErrorCode::kNotFound);
}

TEST_P(RegistryTest, TagsAndDescriptionsChange) {
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

TEST_P(RegistryTest, StagesMoveAndArchive) {
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

TEST_P(RegistryTest, LatestVersionsAreTheNewestOfEachStage) {
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

TEST_P(RegistryTest, MessagesAreMlflows) {
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

TEST_P(RegistryTest, TagsAndAliasesLeaveTheTimeOfChangeAlone) {
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

class RegistrySearchTest : public RegistryTest {
 protected:
  RegistrySearchTest() {
    for (const char* name : {"CHURN_b", "churn", "churn_a", "other"}) {
      EXPECT_TRUE(registry().CreateModel(name, "", {{"kind", name}}).ok());
      clock().Advance(base::Duration{base::kMicrosPerSecond});
    }
    EXPECT_TRUE(registry().CreateModel("greeting", "", {{"mlflow.prompt.is_prompt", "true"}}).ok());
    EXPECT_TRUE(registry().SetModelTag("other", "team", "growth").ok());
    for (const char* run : {"run-a", "run-a", "run-b"}) {
      EXPECT_TRUE(registry()
                      .RegisterVersion({.name = "churn",
                                        .source = std::string("/models/") + run,
                                        .run_id = run,
                                        .tags = {{"run", run}}})
                      .ok());
      clock().Advance(base::Duration{base::kMicrosPerSecond});
    }
    EXPECT_TRUE(registry().RegisterVersion({.name = "other", .source = "/models/z"}).ok());
    EXPECT_TRUE(registry().SetAlias("churn", "champion", 3).ok());
    EXPECT_TRUE(registry()
                    .RegisterVersion({.name = "greeting",
                                      .source = "dummy-source",
                                      .tags = {{"mlflow.prompt.is_prompt", "true"}}})
                    .ok());
  }
  /// "a b c", or the error's message.
  std::string Models(const RegistrySearch& search) {
    const auto page = registry().SearchModels(search);
    if (!page.ok()) {
      return page.error().message();
    }
    std::string names;
    for (const RegisteredModel& model : page->items) {
      names += (names.empty() ? "" : " ") + model.name;
    }
    return names;
  }
  std::string Versions(const RegistrySearch& search) {
    const auto page = registry().SearchVersions(search);
    if (!page.ok()) {
      return page.error().message();
    }
    std::string names;
    for (const ModelVersion& version : page->items) {
      names += (names.empty() ? "" : " ") + version.name + "/" + std::to_string(version.version);
    }
    return names;
  }
};

MILL_ON_EVERY_DATABASE(RegistrySearchTest);

TEST_P(RegistrySearchTest, ModelsByNameAndTag) {
  EXPECT_EQ(Models({}), "CHURN_b churn churn_a other");
  EXPECT_EQ(Models({.filter = "name = 'churn'"}), "churn");
  EXPECT_EQ(Models({.filter = "name != 'churn'"}), "CHURN_b churn_a other");
  EXPECT_EQ(Models({.filter = "name LIKE 'churn%'"}), "churn churn_a");
  EXPECT_EQ(Models({.filter = "name ILIKE 'churn_%'"}), "CHURN_b churn_a");
  EXPECT_EQ(Models({.filter = "name IN ('churn', 'other')"}), "churn other");
  EXPECT_EQ(Models({.filter = "tags.team = 'growth'"}), "other");
  EXPECT_EQ(Models({.filter = "tags.team != 'growth'"}), "") << "a missing tag matches nothing";
  EXPECT_EQ(Models({.filter = "tags.kind LIKE 'ch%' AND name != 'churn'"}), "churn_a");
  EXPECT_EQ(Models({.filter = "tags.nothing LIKE '%'"}), "");
  EXPECT_EQ(Models({.filter = "name = 'x''; DROP TABLE registered_models'"}), "");
  EXPECT_EQ(
      registry().SearchModels({.filter = "name = 'churn'"}).value().items[0].latest_versions.size(),
      1U);
}

TEST_P(RegistrySearchTest, ModelsInOrderAndPages) {
  EXPECT_EQ(Models({.order_by = {"name DESC"}}), "other churn_a churn CHURN_b");
  EXPECT_EQ(Models({.order_by = {"last_updated_timestamp DESC"}}), "other churn churn_a CHURN_b");
  EXPECT_NE(Models({.order_by = {"name", "name DESC"}}).find("duplicate fields"),
            std::string::npos);
  for (const char* filter : {"", "name LIKE '%'"}) {
    RegistrySearch search{.filter = filter, .max_results = 3};
    EXPECT_EQ(Models(search), "CHURN_b churn churn_a");
    search.page_token = registry().SearchModels(search).value().next_page_token;
    EXPECT_EQ(Models(search), "other");
    EXPECT_EQ(registry().SearchModels(search).value().next_page_token, "");
  }
  EXPECT_EQ(Models({.max_results = 1001}),
            "Invalid value for request parameter max_results. It must be at most 1000, but got "
            "value 1001");
  EXPECT_EQ(Models({.max_results = 0}),
            "Invalid value for max_results. It must be a positive integer, but got 0");
  EXPECT_FALSE(registry().SearchModels({.page_token = "x"}).ok());
}

TEST_P(RegistrySearchTest, PromptsOnlyWhereAskedFor) {
  EXPECT_EQ(Models({.filter = "tags.`mlflow.prompt.is_prompt` = 'true'"}), "greeting");
  EXPECT_EQ(Models({.filter = "tags.`mlflow.prompt.is_prompt` != 'true'"}),
            "CHURN_b churn churn_a other");
  EXPECT_EQ(Models({.filter = "tags.`mlflow.prompt.is_prompt` = 'false' AND name = 'churn'"}),
            "churn");
  EXPECT_EQ(Versions({.filter = "tags.`mlflow.prompt.is_prompt` = 'true'"}), "greeting/1");
  EXPECT_EQ(Versions({.filter = "name = 'greeting'"}), "");
}

TEST_P(RegistrySearchTest, VersionsByAttributesAndTags) {
  EXPECT_EQ(Versions({}), "other/1 churn/3 churn/2 churn/1");
  EXPECT_EQ(Versions({.filter = "name = 'churn' AND run_id = 'run-a'"}), "churn/2 churn/1");
  EXPECT_EQ(Versions({.filter = "run_id IN ('run-b', 'run-c')"}), "churn/3");
  EXPECT_EQ(Versions({.filter = "version_number > 1"}), "churn/3 churn/2");
  EXPECT_EQ(Versions({.filter = "source_path LIKE '/models/run-%'"}), "churn/3 churn/2 churn/1");
  EXPECT_EQ(Versions({.filter = "tags.run = 'run-b'"}), "churn/3");
  EXPECT_EQ(Versions({.order_by = {"version_number ASC"}}), "churn/1 other/1 churn/2 churn/3");
  EXPECT_EQ(Versions({.order_by = {"creation_timestamp"}}), "churn/1 churn/2 churn/3 other/1");
  const ModelVersion found =
      registry().SearchVersions({.filter = "version_number = 3"}).value().items[0];
  EXPECT_EQ(found.tags.at("run"), "run-b");
  EXPECT_TRUE(found.aliases.empty()) << "as in MLflow";
  ASSERT_TRUE(registry().DeleteVersion("churn", 3).ok());
  EXPECT_EQ(Versions({.max_results = 2}), "other/1 churn/2");
}

}  // namespace
}  // namespace millrace::tracking
