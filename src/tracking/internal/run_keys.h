// SPDX-License-Identifier: Apache-2.0
// The small integers of runs and names, remembered, so that a batch of metrics of a known run needs
// no SQL.
#pragma once

#include <cstdint>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/writer.h"

namespace millrace::tracking::internal {

struct RunKey {
  std::int64_t run_key = 0;
  std::int64_t experiment_id = 0;
  bool is_active = false;
};

/// "Run with id=... not found".
Error RunNotFound(const std::string& run_id);
/// kNotFound if there is no such run.
Result<RunKey> ReadRunKey(store::Metadata& metadata, const std::string& run_id);

/// What the writer knows about runs and names. Used on the writer's thread alone.
class RunKeys final : public WriteListener {
 public:
  explicit RunKeys(store::Metadata& metadata) : metadata_(metadata) {}

  /// kNotFound, or kFailedPrecondition for a deleted run.
  Result<RunKey> ActiveRun(const std::string& run_id);
  /// The id of a name, made if there is none.
  Result<std::int64_t> NameId(WriteScope& scope, const std::string& name);
  /// After a change of runs.lifecycle_stage.
  void ForgetRuns();

  void OnForeignWrite() override;
  void OnRollback() override;
  void OnCommit() override;

 private:
  store::Metadata& metadata_;
  std::unordered_map<std::string, RunKey> runs_;
  std::unordered_map<std::string, std::int64_t> names_;
  // Remembered in the group that runs now, perhaps from rows that do not stay.
  std::vector<std::string> fresh_runs_;
  std::vector<std::string> fresh_names_;
};

/// Names by their ids, for readers. Thread-safe. A name that is committed never changes.
class Names {
 public:
  explicit Names(store::Metadata& metadata) : metadata_(metadata) {}

  /// Makes sure that the ids are known.
  Result<void> Load(std::span<const std::int64_t> ids);
  /// The name; kDataLoss if there is none.
  Result<std::string> Of(std::int64_t id);
  /// The id of a name, or 0 if no key was ever called so.
  Result<std::int64_t> IdOf(const std::string& name);

 private:
  store::Metadata& metadata_;
  std::shared_mutex mutex_;
  std::unordered_map<std::int64_t, std::string> names_;
};

}  // namespace millrace::tracking::internal
