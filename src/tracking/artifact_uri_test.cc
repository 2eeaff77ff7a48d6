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

TEST(ArtifactPath, OfMlflowsProxyRouteIsThatBehindIt) {
  EXPECT_EQ(ArtifactPath("http://h:5000/api/2.0/mlflow-artifacts/artifacts/0/ab/artifacts").value(),
            "0/ab/artifacts");
  for (const char* uri : {"http://h/0/ab", "https://h/api/2.0/mlflow-artifacts/artifacts/",
                          "http://h/api/2.0/mlflow-artifacts/artifacts/../x"}) {
    Failure(ArtifactPath(uri), ErrorCode::kInvalidArgument);
  }
}

TEST(LocalFolder, IsAnAbsolutePathWithOrWithoutScheme) {
  EXPECT_EQ(LocalFolder("/data/a%20b"), "/data/a%20b");
  EXPECT_EQ(LocalFolder("file:///data/a%20b"), "/data/a b");
  EXPECT_EQ(LocalFolder("FILE:/data"), "/data");
  EXPECT_EQ(LocalFolder("file://localhost/data"), "/data");
  for (const char* other : {"data", "file:data", "file://host/data", "s3://b/data", "",
                            "file:///a%00b", "mlflow-artifacts:/data"}) {
    EXPECT_EQ(LocalFolder(other), std::nullopt) << other;
  }
}

TEST(AbsoluteLocation, ResolvesRelativeLocalOnesAlone) {
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(AbsoluteLocation("mine/x"), here + "/mine/x");
  EXPECT_EQ(AbsoluteLocation("file:mine"), "file://" + here + "/mine");
  for (const char* as_it_is : {"", "/mine", "file:///mine", "s3://b/x",
                               "mlflow-artifacts:", "mlflow-artifacts:/x", "dbfs:x"}) {
    EXPECT_EQ(AbsoluteLocation(as_it_is), as_it_is);
  }
}

TEST(IsLocalLocation, IsWhatThisMachineWouldResolve) {
  for (const char* local : {"/a", "a", "./a", "file:///a", "FILE:a"}) {
    EXPECT_TRUE(IsLocalLocation(local)) << local;
  }
  for (const char* other : {"s3://b", "mlflow-artifacts:/a", "http://h/a"}) {
    EXPECT_FALSE(IsLocalLocation(other)) << other;
  }
}

TEST(JoinUri, PutsOneSlashBetween) {
  EXPECT_EQ(JoinUri("s3://bucket/x/", "y"), "s3://bucket/x/y");
  EXPECT_EQ(JoinUri("mlflow-artifacts:", "0"), "mlflow-artifacts:/0");
}

// A folder may have a name that looks like one.
TEST(JoinUri, LeavesTheQueryAndTheFragmentOfAUriAtItsEnd) {
  EXPECT_EQ(JoinUri("db://u:p@host:1/name/?driver=d", "7/x"), "db://u:p@host:1/name/7/x?driver=d");
  EXPECT_EQ(JoinUri("db+d://host?a=b/c#f?", "7"), "db+d://host/7?a=b/c#f?");
  EXPECT_EQ(JoinUri("/data/why?", "7"), "/data/why?/7");
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
