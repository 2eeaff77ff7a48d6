// SPDX-License-Identifier: Apache-2.0
// Issues of MLflow: problems of quality that people or programs found in the traces of an
// experiment. That a trace shows one is an assessment of kind "issue" whose name is the issue's id.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

class TrackingStore;

struct Issue {
  /// "iss-" and 32 hex digits.
  std::string issue_id;
  std::string experiment_id;
  std::string name;
  std::string description;
  /// "pending", "rejected", "resolved".
  std::string status = "pending";
  /// "not_an_issue", "low", "medium", "high"; empty: nobody said.
  std::string severity;
  std::vector<std::string> root_causes;
  std::vector<std::string> categories;
  /// Empty where no run found it.
  std::string source_run_id;
  std::string created_by;
  std::int64_t created_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  /// Traces that show it; only where asked for.
  std::optional<std::int64_t> trace_count;
};

/// Absent members stay.
struct IssueUpdate {
  std::optional<std::string> name = {};
  std::optional<std::string> description = {};
  std::optional<std::string> status = {};
  std::optional<std::string> severity = {};
};

struct IssueSearch {
  /// Empty: all experiments.
  std::string experiment_id = {};
  /// status and source_run_id, with = and !=.
  std::string filter = {};
  std::string page_token = {};
  int max_results = 100;
  bool wants_trace_count = false;
};

/// Thread-safe; several processes may hold one on the same database. Each write is durable on
/// return, in the group commit of the TrackingStore. Errors of every call, in MLflow's words:
/// kNotFound for issues, experiments and runs, kFailedPrecondition for a deleted experiment,
/// kInvalidArgument for a status or severity that there is not, filters and tokens; those of
/// store::Metadata.
class Issues {
 public:
  /// Migrates the tables; those of TraceStore are there already. The references outlive the object.
  static Result<std::unique_ptr<Issues>> Open(TrackingStore& tracking, store::Metadata& metadata,
                                              const base::Clock& clock);
  Issues(TrackingStore& tracking, store::Metadata& metadata, const base::Clock& clock)
      : tracking_(tracking), metadata_(metadata), clock_(clock) {}

  /// Gets an id and its times.
  Result<Issue> Create(Issue issue);
  Result<Issue> Get(const std::string& issue_id);
  Result<Issue> Update(const std::string& issue_id, const IssueUpdate& update);
  /// The severest first, then (where counted) those that most traces show, then the newest.
  Result<Page<Issue>> Search(const IssueSearch& search);
  /// Takes in what another store held, with its id and times; one that is there stays as it is.
  Result<void> Import(const Issue& issue);

 private:
  std::int64_t NowMs() const { return clock_.Now().micros / 1000; }

  TrackingStore& tracking_;
  store::Metadata& metadata_;
  const base::Clock& clock_;
};

}  // namespace millrace::tracking
