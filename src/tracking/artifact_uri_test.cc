// SPDX-License-Identifier: Apache-2.0
// Artifact URIs and the paths that they name.
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

class ArtifactUriTest : public internal::StoreTest {};

MILL_ON_EVERY_DATABASE(ArtifactUriTest);

TEST_P(ArtifactUriTest, OfRunsAndLoggedModelsIsAPathOfTheStore) {
  const RunInfo run = tracking().CreateRun({}).value().info;
  EXPECT_EQ(ArtifactPath(run.artifact_uri).value(), "0/" + run.run_id + "/artifacts");
  const LoggedModel model = tracking().CreateLoggedModel({}).value();
  EXPECT_EQ(ArtifactPath(model.artifact_location).value(),
            "0/models/" + model.model_id + "/artifacts");
}

}  // namespace
}  // namespace millrace::tracking
