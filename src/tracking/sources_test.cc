// SPDX-License-Identifier: Apache-2.0
// What a client may name as the source of a version.
#include "tracking/internal/sources.h"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

namespace fs = std::filesystem;
using internal::Failure;

TEST(ModelUri, NamesALoggedModelOrAVersion) {
  EXPECT_EQ(internal::ParseModelUri("models:/m-1")->model_id, "m-1");
  EXPECT_EQ(internal::ParseModelUri("models:/churn/12")->version, "12");
  EXPECT_EQ(internal::ParseModelUri("models:/churn/Production")->stage, "Production");
  EXPECT_EQ(internal::ParseModelUri("models:/churn/latest")->stage, "");
  EXPECT_EQ(internal::ParseModelUri("models:/churn@champion")->alias, "champion");
  for (const char* wrong : {"models:/", "models://host/churn/1", "models:/a/b/c", "models:/churn/",
                            "models:churn/1", "runs:/churn/1", "models:/churn@"}) {
    EXPECT_FALSE(internal::ParseModelUri(wrong).has_value()) << wrong;
  }
}

TEST(RemoteSource, MustBeAbsoluteAndNormalUnderAnyEncoding) {
  for (const char* good :
       {"mlflow-artifacts:/models", "mlflow-artifacts:/models///", "runs:/abc/model",
        "mlflow-artifacts:/models/foo///bar", "mlflow-artifacts://host:9000/models/artifact/..../",
        "s3://bucket/models/x", "dbfs:/a/b?c#d"}) {
    EXPECT_TRUE(internal::CheckRemoteSource(good).ok()) << good;
  }
  for (const char* bad :
       {"mlflow-artifacts://host:9000/models/../../../", "http://host:9000/models/../../../",
        "mlflow-artifacts://host:9000/models/..%2f..%2fartifacts",
        "mlflow-artifacts://host:9000/models/%252e%252e/artifacts",
        "mlflow-artifacts://host:9000/models/artifact%00", "s3:relative/path", "s3://bucket",
        "dbfs:/1/artifacts/a%3f/../../../../", "ftp://host/a/./b"}) {
    EXPECT_NE(Failure(internal::CheckRemoteSource(bad), ErrorCode::kInvalidArgument)
                  .find("If supplying a source as an http, https,"),
              std::string::npos)
        << bad;
  }
}

class SourceTest : public internal::StoreTest {
 protected:
  SourceTest() {
    EXPECT_TRUE(registry().CreateModel("churn").ok());
    run_ = tracking().GetRun(NewRun()).value().info;
    logged_ = tracking().CreateLoggedModel({.name = "m", .source_run_id = run_.run_id}).value();
    // Local folders, whatever the default of new experiments is.
    folder_ = (root_ / "artifacts").string();
    run_.artifact_uri = "file://" + folder_;
    logged_.artifact_location = "file://" + (root_ / "logged").string();
    EXPECT_TRUE(opened_->metadata
                    ->Execute("UPDATE runs SET artifact_uri = ? WHERE run_id = ?",
                              {run_.artifact_uri, run_.run_id})
                    .ok());
    EXPECT_TRUE(opened_->metadata
                    ->Execute("UPDATE logged_models SET artifact_location = ? WHERE model_id = ?",
                              {logged_.artifact_location, logged_.model_id})
                    .ok());
    fs::create_directories(folder_ + "/model");
  }
  Result<ModelVersion> Create(const std::string& source, const std::string& run_id = "",
                              const std::string& model_id = "") {
    return registry().CreateVersion(
        {.name = "churn", .source = source, .run_id = run_id, .model_id = model_id});
  }

  RunInfo run_;
  std::string folder_;
  LoggedModel logged_;
};

MILL_ON_EVERY_DATABASE(SourceTest);

TEST_P(SourceTest, LocalPathsStayInsideTheFolderOfTheRun) {
  for (const std::string& good : {folder_, folder_ + "/model", run_.artifact_uri,
                                  run_.artifact_uri + "/model/..", run_.artifact_uri + "/."}) {
    EXPECT_TRUE(Create(good, run_.run_id).ok()) << good;
  }
  fs::create_directory_symlink(root_, folder_ + "/link");
  for (const std::string& bad :
       {std::string("/tmp"), std::string("file:///tmp"), folder_ + "/..", folder_ + "-other",
        folder_ + "/%2e%2e/other", folder_ + "/%252e%252e/other", folder_ + "/link/workspace",
        std::string("relative/path")}) {
    EXPECT_NE(Failure(Create(bad, run_.run_id), ErrorCode::kInvalidArgument)
                  .find("To use a local path as a model version"),
              std::string::npos)
        << bad;
  }
  Failure(Create(folder_), ErrorCode::kInvalidArgument);
  Failure(Create(folder_, "0123456789abcdef0123456789abcdef"), ErrorCode::kInvalidArgument);
  EXPECT_NE(Failure(Create("file://123.456.789.123/path", run_.run_id), ErrorCode::kInvalidArgument)
                .find("is not a valid remote uri"),
            std::string::npos);
}

TEST_P(SourceTest, LocalPathsStayInsideTheFolderOfTheLoggedModel) {
  const ModelVersion version = Create(logged_.artifact_location, "", logged_.model_id).value();
  EXPECT_EQ(version.run_id, run_.run_id);
  EXPECT_EQ(version.source, logged_.artifact_location);
  EXPECT_NE(
      Failure(Create("file:///path/to/model", "", logged_.model_id), ErrorCode::kInvalidArgument)
          .find("specified by the model_id"),
      std::string::npos);
}

TEST_P(SourceTest, VersionsAreNotedOnTheirLoggedModel) {
  EXPECT_EQ(Create("models:/" + logged_.model_id).value().storage_location,
            logged_.artifact_location);
  ASSERT_TRUE(Create("models:/" + logged_.model_id, "", logged_.model_id).ok());
  EXPECT_EQ(tracking().GetLoggedModel(logged_.model_id).value().tags.at("mlflow.modelVersions"),
            R"([{"name": "churn", "version": 1}, {"name": "churn", "version": 2}])");
  Failure(Create("models:/" + logged_.model_id, "", "m-other"), ErrorCode::kInvalidArgument);
  Failure(Create("models:/m-0"), ErrorCode::kNotFound);
  EXPECT_EQ(registry().ListVersions("churn").value().size(), 2U)
      << "a refused creation leaves nothing behind";
}

TEST_P(SourceTest, FilesAreLookedAtWhileOthersWrite) {
  int n_looks = 0;
  RegistryOptions options;
  options.check_files = [&](const ModelVersion& /*version*/) -> Result<void> {
    ++n_looks;
    bool is_written = false;
    std::thread([&] { is_written = registry().CreateModel("other").ok(); }).join();
    return is_written ? Result<void>() : base::InvalidArgument("the database was held");
  };
  const auto checking = Registry::Open(*opened_->metadata, clock(), options).value();
  const auto made =
      checking->CreateVersion({.name = "churn", .source = "models:/" + logged_.model_id});
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  EXPECT_EQ(made->version, 1);
  EXPECT_EQ(n_looks, 1);
}

TEST_P(SourceTest, WhatMovedWhileItsFilesWereLookedAtIsLookedAtAgain) {
  ASSERT_TRUE(registry().CreateModel("copy").ok());
  ASSERT_TRUE(Create("models:/" + logged_.model_id).ok());
  ASSERT_TRUE(Create(folder_ + "/model", run_.run_id).ok());
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  std::vector<std::string> looked;
  RegistryOptions options;
  options.check_files = [&](const ModelVersion& version) {
    looked.push_back(version.storage_location);
    return registry().SetAlias("churn", "champion", 2);
  };
  const auto checking = Registry::Open(*opened_->metadata, clock(), options).value();
  const ModelVersion made =
      checking->CreateVersion({.name = "copy", .source = "models:/churn@champion"}).value();
  EXPECT_EQ(looked, (std::vector{logged_.artifact_location, folder_ + "/model"}));
  EXPECT_EQ(made.storage_location, folder_ + "/model");
  EXPECT_EQ(registry().ListVersions("copy").value().size(), 1U);
}

TEST_P(SourceTest, ACopyKnowsRunAndFilesOfItsOrigin) {
  ASSERT_TRUE(registry().CreateModel("copy").ok());
  ASSERT_TRUE(Create("models:/" + logged_.model_id).ok());
  ASSERT_TRUE(registry().SetAlias("churn", "champion", 1).ok());
  for (const char* source : {"models:/churn/1", "models:/churn@champion", "models:/churn/latest",
                             "models:/churn/none"}) {
    const ModelVersion copy = registry().CreateVersion({.name = "copy", .source = source}).value();
    EXPECT_EQ(copy.source, "models:/churn/1") << source;
    EXPECT_EQ(copy.run_id, run_.run_id);
    EXPECT_EQ(copy.model_id, logged_.model_id);
    EXPECT_EQ(registry().DownloadUri("copy", copy.version).value(), logged_.artifact_location);
  }
  Failure(registry().CreateVersion({.name = "copy", .source = "models:/churn/1", .run_id = "x"}),
          ErrorCode::kInvalidArgument);
  Failure(registry().CreateVersion({.name = "copy", .source = "models:/churn/9"}),
          ErrorCode::kNotFound);
  Failure(registry().CreateVersion({.name = "copy", .source = "models:/churn/Staging"}),
          ErrorCode::kNotFound);
}

TEST_P(SourceTest, RemoteSourcesAreKeptAsTheyAre) {
  const ModelVersion version = Create("runs:/abc/model", "abc").value();
  EXPECT_EQ(version.source, "runs:/abc/model");
  EXPECT_EQ(registry().DownloadUri("churn", version.version).value(), "runs:/abc/model");
}

TEST_P(SourceTest, FilesOfOthersMakeNoVersion) {
  const std::string own = "mlflow-artifacts:/0/" + run_.run_id + "/artifacts";
  const std::string proxy = "http://host/api/2.0/mlflow-artifacts/artifacts";
  ASSERT_TRUE(opened_->metadata
                  ->Execute("UPDATE runs SET artifact_uri = ? WHERE run_id = ?", {own, run_.run_id})
                  .ok());
  for (const std::string& good :
       {own, own + "/", own + "/model", own + "//model", "runs:/" + run_.run_id + "/model"}) {
    EXPECT_TRUE(Create(good, run_.run_id).ok()) << good;
  }
  EXPECT_TRUE(Create("s3://bucket/model").ok()) << "what this server does not keep is anybody's";
  const std::string elsewhere = "mlflow-artifacts:/0/other/artifacts/model";
  for (const auto& [source, run] : std::vector<std::pair<std::string, std::string>>{
           {own + "/model", ""},
           {elsewhere, run_.run_id},
           {own + "-other/model", run_.run_id},
           {"mlflow-artifacts://host/0/" + run_.run_id + "/artifacts", run_.run_id},
           {proxy + "/0/" + run_.run_id + "/artifacts", run_.run_id},
           {"runs:/" + run_.run_id + "/model", ""},
           {"runs:/other/model", run_.run_id},
           {"runs://host/" + run_.run_id, run_.run_id},
           {own, "0123456789abcdef0123456789abcdef"}}) {
    EXPECT_EQ(Failure(Create(source, run), ErrorCode::kInvalidArgument),
              "Invalid model version source: '" + source +
                  "'. The run_id request parameter must identify the resource that contains the "
                  "source.");
  }
  EXPECT_NE(Failure(Create("runs:/" + run_.run_id + "/model", run_.run_id, logged_.model_id),
                    ErrorCode::kInvalidArgument)
                .find("The model_id request parameter"),
            std::string::npos);
  Registry open(*opened_->metadata, clock(), {.takes_sources_of_others = true});
  EXPECT_TRUE(open.CreateVersion({.name = "churn", .source = elsewhere}).ok());
}

TEST_P(SourceTest, APatternRestrictsSources) {
  Registry strict(*opened_->metadata, clock(), {.source_pattern = "^mlflow-artifacts:/.*$"});
  EXPECT_EQ(Failure(strict.CreateVersion({.name = "churn", .source = "s3://path/to/model"}),
                    ErrorCode::kInvalidArgument),
            "Invalid model version source: 's3://path/to/model'.");
  EXPECT_NE(Failure(strict.CreateVersion({.name = "churn", .source = "mlflow-artifacts:/x/y"}),
                    ErrorCode::kInvalidArgument),
            "Invalid model version source: 'mlflow-artifacts:/x/y'.");
}

TEST_P(SourceTest, PromptsTakePlaceholdersOnly) {
  const Tags tags = {{"mlflow.prompt.is_prompt", "true"}, {"mlflow.prompt.text", "Hi {{name}}"}};
  ASSERT_TRUE(registry().CreateModel("greeting", "", {{"mlflow.prompt.is_prompt", "true"}}).ok());
  EXPECT_TRUE(
      registry().CreateVersion({.name = "greeting", .source = "dummy-source", .tags = tags}).ok());
  Failure(registry().CreateVersion({.name = "greeting", .source = "/etc", .tags = tags}),
          ErrorCode::kInvalidArgument);
  Failure(registry().CreateVersion({.name = "churn", .source = "models:/greeting/1"}),
          ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::tracking
