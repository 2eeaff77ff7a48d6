// SPDX-License-Identifier: Apache-2.0
// A tracking store and a registry in a folder of their own, for tests, on each metadata database.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "store/metadata.h"
#include "store/testing.h"
#include "store/workspace.h"
#include "tracking/registry.h"
#include "tracking/store.h"

namespace millrace::tracking::internal {

enum class DatabaseKind { kSqlite, kPostgres };

/// The URI of an empty database, for a workspace that is not there yet; empty: the workspace's own.
inline std::string NewDatabase(DatabaseKind kind) {
  return kind == DatabaseKind::kSqlite ? "" : store::PostgresForTests::Instance().NewDatabase();
}

/// Opened over one workspace; several may be open at once.
struct Opened {
  /// @param uri  of the database; empty: SQLite in the workspace
  explicit Opened(const std::filesystem::path& root, const std::string& uri = "")
      : workspace(store::Workspace::Open(root, true).value()),
        metadata(
            store::OpenMetadata(uri, workspace.MetadataPath(), store::Durability::kDisk).value()),
        tracking(TrackingStore::Open(*metadata, workspace, clock).value()),
        registry(Registry::Open(*metadata, clock).value()) {}

  base::ManualClock clock{Timestamp{1'700'000'000'123'456}};
  store::Workspace workspace;
  std::unique_ptr<store::Metadata> metadata;
  std::unique_ptr<TrackingStore> tracking;
  std::unique_ptr<Registry> registry;
};

/// Tests of fixtures made from this are TEST_P, and MILL_ON_EVERY_DATABASE(fixture) stands once.
class StoreTest : public testing::TestWithParam<DatabaseKind> {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "/tracking_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    uri_ = NewDatabase(GetParam());
    Reopen();
  }
  ~StoreTest() override {
    opened_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  void Reopen() {
    opened_.reset();
    opened_ = std::make_unique<Opened>(root_ / "workspace", uri_);
  }
  /// With nothing in it.
  void StartOver() {
    opened_.reset();
    std::filesystem::remove_all(root_ / "workspace");
    uri_ = NewDatabase(GetParam());
    Reopen();
  }
  TrackingStore& tracking() { return *opened_->tracking; }
  Registry& registry() { return *opened_->registry; }
  base::ManualClock& clock() { return opened_->clock; }
  std::string NewRun() { return tracking().CreateRun({}).value().info.run_id; }

  std::filesystem::path root_;
  std::string uri_;
  std::unique_ptr<Opened> opened_;
};

// In the namespace of the fixture.
#define MILL_ON_EVERY_DATABASE(fixture)                                                         \
  INSTANTIATE_TEST_SUITE_P(                                                                     \
      Sqlite, fixture, testing::Values(::millrace::tracking::internal::DatabaseKind::kSqlite)); \
  INSTANTIATE_TEST_SUITE_P(                                                                     \
      Postgres, fixture, testing::Values(::millrace::tracking::internal::DatabaseKind::kPostgres))

/// The code and message of a failed result.
template <typename T>
std::string Failure(const Result<T>& result, ErrorCode code) {
  if (result.ok()) {
    ADD_FAILURE() << "succeeded";
    return "";
  }
  EXPECT_EQ(result.error().code(), code) << result.error().ToString();
  return result.error().message();
}

}  // namespace millrace::tracking::internal
