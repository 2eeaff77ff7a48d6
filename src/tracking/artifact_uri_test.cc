// SPDX-License-Identifier: Apache-2.0
// Artifact URIs and the folders that they name.
#include "tracking/artifact_uri.h"

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

TEST(ArtifactPath, IsWhatComesAfterSchemeAndHost) {
  EXPECT_EQ(ArtifactPath("mlflow-artifacts:/0/ab/artifacts").value(), "0/ab/artifacts");
  EXPECT_EQ(ArtifactPath("mlflow-artifacts://host:5000/0/ab/").value(), "0/ab");
  EXPECT_EQ(ArtifactPath("mlflow-artifacts:///0").value(), "0");
}

TEST(ArtifactPath, StaysInsideTheRoot) {
  for (const std::string uri :
       {"mlflow-artifacts:/", "mlflow-artifacts:", "mlflow-artifacts:/../x",
        "mlflow-artifacts:/0/..", "mlflow-artifacts:/0//x", "mlflow-artifacts:/./x",
        "mlflow-artifacts:/a\\b", "s3://b/x", "/tmp/x", ""}) {
    Failure(ArtifactPath(uri), ErrorCode::kInvalidArgument);
  }
}

TEST(JoinUri, PutsOneSlashBetween) {
  EXPECT_EQ(JoinUri("s3://bucket/x/", "y"), "s3://bucket/x/y");
  EXPECT_EQ(JoinUri("mlflow-artifacts:", "0"), "mlflow-artifacts:/0");
}

class ArtifactFolderTest : public internal::StoreTest {};

MILL_ON_EVERY_DATABASE(ArtifactFolderTest);

TEST_P(ArtifactFolderTest, OfARunIsThatOfTheWorkspace) {
  const RunInfo run = tracking().CreateRun({}).value().info;
  const store::Workspace& workspace = opened_->workspace;
  EXPECT_EQ(ArtifactFolder(workspace, run.artifact_uri).value(),
            workspace.ArtifactDir("0", run.run_id));
  const LoggedModel model = tracking().CreateLoggedModel({}).value();
  EXPECT_EQ(ArtifactFolder(workspace, model.artifact_location).value(),
            workspace.ModelDir("0", model.model_id));
  EXPECT_EQ(ArtifactFolder(workspace, "/data/x").value(), "/data/x");
  EXPECT_EQ(ArtifactFolder(workspace, "file:///data/x").value(), "/data/x");
  Failure(ArtifactFolder(workspace, "s3://bucket/x"), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace millrace::tracking
