// SPDX-License-Identifier: Apache-2.0
// The small integers of runs and names, remembered.
#include "tracking/internal/run_keys.h"

#include <mutex>
#include <utility>

#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

/// Bounds memory; what is forgotten is read again.
constexpr std::size_t kMostRuns = 100'000;
constexpr std::size_t kMostNames = 1'000'000;

}  // namespace

Error RunNotFound(const std::string& run_id) {
  return base::NotFound("Run with id=" + run_id + " not found");
}

Result<RunKey> ReadRunKey(store::Metadata& metadata, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT run_key, experiment_id, lifecycle_stage FROM runs WHERE run_id = ?",
                     {run_id}));
  if (rows.empty()) {
    return RunNotFound(run_id);
  }
  return RunKey{Int(rows[0][0]), Int(rows[0][1]), Text(rows[0][2]) == "active"};
}

Result<RunKey> RunKeys::ActiveRun(const std::string& run_id) {
  auto found = runs_.find(run_id);
  if (found == runs_.end()) {
    MILL_ASSIGN_OR_RETURN(const RunKey key, ReadRunKey(metadata_, run_id));
    if (runs_.size() >= kMostRuns) {
      ForgetRuns();
    }
    found = runs_.emplace(run_id, key).first;
    fresh_runs_.push_back(run_id);
  }
  if (!found->second.is_active) {
    return base::FailedPrecondition("The run " + run_id +
                                    " must be in the 'active' state. Current state is deleted.");
  }
  return found->second;
}

Result<std::int64_t> RunKeys::NameId(WriteScope& scope, const std::string& name) {
  if (const auto found = names_.find(name); found != names_.end()) {
    return found->second;
  }
  std::int64_t id = 0;
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("SELECT name_id FROM names WHERE name = ?", {name}));
  if (rows.empty()) {
    MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
    MILL_ASSIGN_OR_RETURN(id, NextNumber(*sql, "name_id"));
    MILL_RETURN_IF_ERROR(
        sql->Execute("INSERT INTO names (name_id, name) VALUES (?, ?)", {id, name}));
  } else {
    id = Int(rows[0][0]);
  }
  if (names_.size() >= kMostNames) {
    names_.clear();
    fresh_names_.clear();
  }
  names_.emplace(name, id);
  fresh_names_.push_back(name);
  return id;
}

void RunKeys::ForgetRuns() {
  runs_.clear();
  fresh_runs_.clear();
}

// Names that others made are not in the way: a name keeps its id for good.
void RunKeys::OnForeignWrite() {
  ForgetRuns();
}

void RunKeys::OnRollback() {
  for (const std::string& run_id : fresh_runs_) {
    runs_.erase(run_id);
  }
  for (const std::string& name : fresh_names_) {
    names_.erase(name);
  }
  OnCommit();
}

void RunKeys::OnCommit() {
  fresh_runs_.clear();
  fresh_names_.clear();
}

Result<void> Names::Load(std::span<const std::int64_t> ids) {
  std::vector<std::int64_t> missing;
  {
    const std::shared_lock lock(mutex_);
    for (const std::int64_t id : ids) {
      if (!names_.contains(id)) {
        missing.push_back(id);
      }
    }
  }
  if (missing.empty()) {
    return {};
  }
  std::vector<std::pair<std::int64_t, std::string>> read;
  MILL_RETURN_IF_ERROR(
      ForKeys(metadata_, std::span<const std::int64_t>(missing),
              "SELECT name_id, name FROM names WHERE name_id IN ", "",
              [&](store::RowView row) { read.emplace_back(Int(row[0]), Text(row[1])); }));
  const std::unique_lock lock(mutex_);
  if (names_.size() >= kMostNames) {
    names_.clear();
  }
  for (auto& [id, name] : read) {
    names_.emplace(id, std::move(name));
  }
  return {};
}

Result<std::string> Names::Of(std::int64_t id) {
  MILL_RETURN_IF_ERROR(Load(std::span(&id, 1)));
  const std::shared_lock lock(mutex_);
  const auto found = names_.find(id);
  if (found == names_.end()) {
    return base::DataLoss("table names has no name with the id " + std::to_string(id))
        .Hint("restore the metadata database from a copy");
  }
  return found->second;
}

Result<std::int64_t> Names::IdOf(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("SELECT name_id FROM names WHERE name = ?", {name}));
  return rows.empty() ? 0 : Int(rows[0][0]);
}

}  // namespace millrace::tracking::internal
