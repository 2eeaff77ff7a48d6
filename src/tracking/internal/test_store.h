// SPDX-License-Identifier: Apache-2.0
// A tracking store and a registry in a folder of their own, for tests.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "store/metadata.h"
#include "store/workspace.h"
#include "tracking/registry.h"
#include "tracking/store.h"

namespace millrace::tracking::internal {

/// Opened over one workspace; several may be open at once.
struct Opened {
  explicit Opened(const std::filesystem::path& root)
      : workspace(store::Workspace::Open(root, true).value()),
        metadata(store::OpenSqlite(workspace.MetadataPath()).value()),
        tracking(TrackingStore::Open(*metadata, workspace, clock).value()),
        registry(Registry::Open(*metadata, clock).value()) {}

  base::ManualClock clock{Timestamp{1'700'000'000'123'456}};
  store::Workspace workspace;
  std::unique_ptr<store::Metadata> metadata;
  std::unique_ptr<TrackingStore> tracking;
  std::unique_ptr<Registry> registry;
};

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = testing::TempDir() + "/tracking_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    Reopen();
  }
  ~StoreTest() override {
    opened_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  void Reopen() {
    opened_.reset();
    opened_ = std::make_unique<Opened>(root_ / "workspace");
  }
  TrackingStore& tracking() { return *opened_->tracking; }
  Registry& registry() { return *opened_->registry; }
  base::ManualClock& clock() { return opened_->clock; }
  std::string NewRun() { return tracking().CreateRun({}).value().info.run_id; }

  std::filesystem::path root_;
  std::unique_ptr<Opened> opened_;
};

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
