// SPDX-License-Identifier: Apache-2.0
// Tests of loading a project: every mistake is told, with its place and the nearest name.
#include "app/project.h"

#include <algorithm>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/project_checks.h"
#include "app/starter.h"
#include "base/file.h"
#include "base/ids.h"

namespace millrace::app {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ProjectTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / ("project_" + base::NewRunId());
    ASSERT_TRUE(InitProject(root_).ok());
    ASSERT_TRUE(learners::RegisterBuiltinLearners(learners_).ok());
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& file, const std::string& text) {
    ASSERT_TRUE(base::WriteFileAtomic(root_ / file, text).ok());
  }
  /// Replaces the one place where `from` stands.
  void Replace(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = *base::ReadFile(root_ / file);
    const std::size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos) << from;
    Write(file, text.replace(place, from.size(), to));
  }
  Result<Project> Load() { return LoadProject(root_, learners_); }
  std::string LoadMistakes() {
    const auto project = Load();
    return project.ok() ? "none" : project.error().ToString();
  }
  /// What is wrong once the features are compiled.
  std::string DataMistakes() {
    const auto project = Load();
    if (!project.ok()) {
      return project.error().ToString();
    }
    const auto engine = OpenProjectEngine(Context{}, *project, 1);
    const auto plans = CompileProjectFeatures(*project, **engine);
    if (!plans.ok()) {
      return plans.error().ToString();
    }
    const auto checked = CheckAgainstData(*project, **engine, *plans);
    return checked.ok() ? "none" : checked.error().ToString();
  }

  fs::path root_;
  learners::LearnerRegistry learners_;
};

TEST_F(ProjectTest, StarterIsReadWhole) {
  const auto project = Load();
  ASSERT_TRUE(project.ok()) << project.error().ToString();
  EXPECT_EQ(project->file.name, "churn");
  EXPECT_EQ(project->n_files, 10);
  EXPECT_NE(project->FindTraining("churn"), nullptr);
  EXPECT_NE(project->FindEndpoint("churn"), nullptr);
  EXPECT_NE(project->FindMonitor("churn"), nullptr);
  EXPECT_NE(project->FindSource("retail_2009_2010"), nullptr);
  EXPECT_EQ(project->FindTraining("other"), nullptr);
  EXPECT_EQ(DataMistakes(), "none");
}

TEST_F(ProjectTest, FolderWithoutProjectNamesTheNextStep) {
  const auto found = FindProject(root_ / "data");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(found.error().ToString(), HasSubstr("millrace init"));
}

TEST_F(ProjectTest, MistakesOfSeveralFilesAreToldAtOnce) {
  Write("monitors/churn.yaml", "name: churn\nendpont: churn\n");
  Write("endpoints/churn.yaml", "name: churn\nmodell: churn\n");
  Write("features/customer.yaml", "entity: [customer\n");
  const std::string text = LoadMistakes();
  EXPECT_THAT(text, HasSubstr("monitors/churn.yaml:2:1"));
  EXPECT_THAT(text, HasSubstr("did you mean \"endpoint\""));
  EXPECT_THAT(text, HasSubstr("endpoints/churn.yaml:2:1"));
  EXPECT_THAT(text, HasSubstr("did you mean \"model\""));
  EXPECT_THAT(text, HasSubstr("features/customer.yaml:"));
}

TEST_F(ProjectTest, NamesOfThePipelinePointSomewhere) {
  Write("pipelines/train.yaml",
        "name: train\ntraining: chrn\nendpoint: chur\nmonitor: chrun\n"
        "publish: [product_sale]\nstages: [ingest, validat]\n");
  const std::string text = LoadMistakes();
  for (const char* part :
       {"pipelines/train.yaml:2:11", "training \"chrn\"", "pipelines/train.yaml:3:11",
        "endpoint \"chur\"", "pipelines/train.yaml:4:10", "monitor \"chrun\"",
        "pipelines/train.yaml:5:11", "did you mean \"product_sales\"", "pipelines/train.yaml:6:18",
        "did you mean \"validate\""}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST_F(ProjectTest, StagesStandInOrder) {
  Replace("pipelines/train.yaml", "[ingest, validate, features,", "[ingest, features, validate,");
  EXPECT_THAT(LoadMistakes(), HasSubstr("stage 2 is \"features\"; wanted: \"validate\""));
}

TEST_F(ProjectTest, NamesOfTheTrainingPointSomewhere) {
  Replace("training/churn.yaml", "entity: customer", "entity: custmer");
  Replace("training/churn.yaml", "source: transactions", "source: transaction");
  Replace("training/churn.yaml", "  xgboost: ", "  xgbost: ");
  Replace("training/churn.yaml", "max_depth: 12", "max_dept: 12");
  Replace("training/churn.yaml", "{learner: lightgbm,", "{learner: catboost,");
  const std::string text = LoadMistakes();
  for (const char* part :
       {"did you mean \"customer\"", "did you mean \"transactions\"", "did you mean \"xgboost\"",
        "max_dept", "did you mean \"max_depth\"", "learner of this training \"catboost\""}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST_F(ProjectTest, NamesOfEndpointAndMonitorPointSomewhere) {
  Replace("endpoints/churn.yaml", "model: churn", "model: chrun");
  Replace("endpoints/churn.yaml", "views: [customer_activity]", "views: [customer_activty]");
  Replace("monitors/churn.yaml", "endpoint: churn", "endpoint: chrun");
  const std::string text = LoadMistakes();
  EXPECT_THAT(text, HasSubstr("endpoints/churn.yaml:3:8"));
  EXPECT_THAT(text, HasSubstr("did you mean \"customer_activity\""));
  EXPECT_THAT(text, HasSubstr("monitors/churn.yaml:3:11"));
}

TEST_F(ProjectTest, EndpointNeedsAKeyForItsEntity) {
  Replace("endpoints/churn.yaml", "key: customer_id", "# key: customer_id");
  EXPECT_THAT(LoadMistakes(), HasSubstr("endpoints/churn.yaml"));
}

TEST_F(ProjectTest, TableReadsWhatExists) {
  Replace("tables/transactions.sql", "  FROM retail_2009_2010\n", "  FROM retail_2009\n");
  const std::string text = LoadMistakes();
  EXPECT_THAT(text, HasSubstr("transactions.sql"));
  EXPECT_THAT(text, HasSubstr("retail_2009_2010"));
}

TEST_F(ProjectTest, NameGivenTwiceNamesTheFirstPlace) {
  fs::copy(root_ / "monitors/churn.yaml", root_ / "monitors/another.yaml");
  fs::copy(root_ / "features/product.yaml", root_ / "features/again.yaml");
  const std::string text = LoadMistakes();
  EXPECT_THAT(text,
              HasSubstr("monitor \"churn\" is declared twice; first in monitors/another.yaml:2"));
  EXPECT_THAT(text, HasSubstr("feature view \"product_sales\" is declared twice"));
}

TEST_F(ProjectTest, ViewOfAnotherEntityIsRefused) {
  Replace("training/churn.yaml", "views: [customer_activity]", "views: [product_sales]");
  const std::string text = LoadMistakes();
  EXPECT_THAT(text, HasSubstr("training/churn.yaml:4:9"));
  EXPECT_THAT(text, HasSubstr("describes \"product\"; wanted: a view of \"customer\""));
}

TEST_F(ProjectTest, ColumnsAreCheckedAgainstTheData) {
  Replace("training/churn.yaml", "time: invoice_date", "time: invoice_dat");
  Replace("training/churn.yaml", "features: [days_since_last_purchase]",
          "features: [days_since_last_purchas]");
  Replace("monitors/churn.yaml", "endpoint: churn", "endpoint: churn\ncolumns: [score, recency]");
  const std::string text = DataMistakes();
  EXPECT_THAT(text, HasSubstr("did you mean \"invoice_date\""));
  EXPECT_THAT(text, HasSubstr("did you mean \"days_since_last_purchase\""));
  EXPECT_THAT(text, HasSubstr("column \"recency\" is no feature of model \"churn\""));
}

TEST_F(ProjectTest, FeatureOfAnUnknownColumnNamesItsPlace) {
  Replace("features/customer.yaml", "sum(amount)", "sum(amont)");
  const std::string text = DataMistakes();
  EXPECT_THAT(text, HasSubstr("features/customer.yaml:"));
  EXPECT_THAT(text, HasSubstr("did you mean \"amount\""));
}

}  // namespace
}  // namespace millrace::app
