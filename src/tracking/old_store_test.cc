// SPDX-License-Identifier: Apache-2.0
// What older versions of the tables held is carried over.
#include <cmath>

#include "tracking/internal/schema.h"
#include "tracking/internal/test_store.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

class OldStoreTest : public internal::StoreTest {};
// Version 1 knew no other database.
INSTANTIATE_TEST_SUITE_P(Sqlite, OldStoreTest, testing::Values(internal::DatabaseKind::kSqlite));

/// What version 1 of the tables held, made by SQL as it was then.
TEST_P(OldStoreTest, RunsAndPointsOfVersionOneAreCarriedOver) {
  opened_.reset();
  const std::filesystem::path root = root_ / "old";
  const store::Workspace workspace = store::Workspace::Open(root, true).value();
  {
    const auto old = store::OpenSqlite(workspace.MetadataPath()).value();
    ASSERT_TRUE(internal::MigrateToVersionOne(*old).ok());
    ASSERT_TRUE(
        old->Execute("INSERT INTO experiments VALUES (0, 'Default', '/old/place/artifacts/0', "
                     "'active', 1, 1); "
                     "INSERT INTO runs VALUES ('aa', 0, 'first', 'ann', 3, 10, 20, "
                     "'/old/place/artifacts/0/aa/artifacts', 'active', 'key-1'); "
                     "INSERT INTO runs VALUES ('bb', 0, 'second', '', 1, 30, NULL, 'x', 'deleted', "
                     "NULL); "
                     "INSERT INTO params VALUES ('aa', 'depth', '6'); "
                     "INSERT INTO tags VALUES ('aa', 'mlflow.runName', 'first'); "
                     "INSERT INTO metrics VALUES ('aa', 'auc', 0.5, 100, 1, 0); "
                     "INSERT INTO metrics VALUES ('aa', 'auc', 0.7, 200, 2, 0); "
                     "INSERT INTO metrics VALUES ('aa', 'loss', 0, 200, 2, 1); "
                     "INSERT INTO latest_metrics VALUES ('aa', 'auc', 0.7, 200, 2, 0); "
                     "INSERT INTO run_outputs VALUES ('aa', 'm-1', 0, 1)")
            .ok());
  }
  for (int time = 0; time < 2; ++time) {
    internal::Opened opened(root);
    const tracking::Run run = opened.tracking->GetRun("aa").value();
    EXPECT_EQ(run.info.artifact_uri, "mlflow-artifacts:/0/aa/artifacts");
    EXPECT_EQ(run.info.end_time_ms, 20);
    EXPECT_EQ(run.params.at("depth"), "6");
    EXPECT_EQ(run.metrics.at("auc").value, 0.7);
    EXPECT_TRUE(std::isnan(run.metrics.at("loss").value));
    EXPECT_EQ(run.outputs.size(), 1U);
    EXPECT_EQ(opened.tracking->MetricHistory("aa", "auc").value().items.size(), 2U);
    EXPECT_EQ(opened.tracking->FindRunByKey("key-1").value()->info.run_id, "aa");
    EXPECT_EQ(opened.tracking->DeletedRuns({}).value().size(), 1U);
    EXPECT_FALSE(opened.metadata->HasTable("metrics_1").value());
  }
  // New runs get keys of their own.
  internal::Opened opened(root);
  EXPECT_TRUE(opened.tracking->CreateRun({}).value().metrics.empty());
  EXPECT_EQ(opened.tracking->ListRuns().value().size(), 2U);
}

}  // namespace
}  // namespace millrace::tracking
