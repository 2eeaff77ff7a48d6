// SPDX-License-Identifier: Apache-2.0
// Scorers of MLflow: what judges an application's answers, kept by experiment and name in versions.
// They are texts here; nothing in them is run.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

class TrackingStore;

struct ScorerVersion {
  /// A UUID; one for all versions.
  std::string scorer_id;
  std::string experiment_id;
  std::string name;
  /// Counts from 1; the number of a deleted version returns only if it was the last.
  std::int64_t version = 0;
  /// JSON, to the letter as it came.
  std::string serialized_scorer;
  std::int64_t creation_time_ms = 0;
};

/// How much of what comes in a scorer should judge.
struct ScorerSchedule {
  /// 32 hex digits.
  std::string schedule_id;
  std::string scorer_id;
  std::string experiment_id;
  /// From 0 to 1.
  double sample_rate = 0;
  /// In the grammar of traces.
  std::optional<std::string> filter;
};

/// Thread-safe; several processes may hold one on the same database. Each write is durable on
/// return, in the group commit of the TrackingStore. Errors of every call, in MLflow's words:
/// kNotFound for experiments and scorers, kFailedPrecondition for a deleted experiment,
/// kInvalidArgument; those of store::Metadata.
class Scorers {
 public:
  /// Migrates the tables. The references outlive the object.
  static Result<std::unique_ptr<Scorers>> Open(TrackingStore& tracking, store::Metadata& metadata,
                                               const base::Clock& clock);
  Scorers(TrackingStore& tracking, store::Metadata& metadata, const base::Clock& clock)
      : tracking_(tracking), metadata_(metadata), clock_(clock) {}

  /// The first version of that name, or the next one.
  ///   - kInvalidArgument for a blank name, a text that is no JSON object, a model that is no text
  ///   - kNotFound for a model of a gateway ("gateway:/name"): there is none here
  Result<ScorerVersion> Register(const std::string& experiment_id, const std::string& name,
                                 const std::string& serialized_scorer);
  /// The newest version of each, by experiment and name. Experiments that are deleted or not there
  /// have none.
  /// @param experiment_ids  not given: all
  Result<std::vector<ScorerVersion>> List(
      const std::optional<std::vector<std::string>>& experiment_ids);
  /// The same for one experiment, which must be there.
  Result<std::vector<ScorerVersion>> ListOf(const std::string& experiment_id);
  /// Every version of every scorer, by name and version; those of a deleted experiment too.
  Result<std::vector<ScorerVersion>> AllVersions(const std::string& experiment_id);
  /// Oldest first.
  Result<std::vector<ScorerVersion>> Versions(const std::string& experiment_id,
                                              const std::string& name);
  /// @param version  not given: the newest
  Result<ScorerVersion> Get(const std::string& experiment_id, const std::string& name,
                            std::optional<std::int64_t> version);
  /// @param version  not given: all, and the schedule
  Result<void> Delete(const std::string& experiment_id, const std::string& name,
                      std::optional<std::int64_t> version);

  /// Takes in a version that another store held, with its number and time, and its id where the
  /// name is free; a version that is there stays as it is.
  Result<void> Import(const ScorerVersion& scorer);

  /// Of those scorers that have one.
  Result<std::vector<ScorerSchedule>> Schedules(const std::vector<std::string>& scorer_ids);
  /// Replaces the one before.
  ///   - kInvalidArgument for a rate outside [0, 1], a broken filter, and a rate above 0: only
  ///   scorers that ask a gateway can be run by a server, and there is none here
  Result<ScorerSchedule> PutSchedule(const std::string& experiment_id, const std::string& name,
                                     double sample_rate, const std::optional<std::string>& filter);

 private:
  std::int64_t NowMs() const { return clock_.Now().micros / 1000; }

  TrackingStore& tracking_;
  store::Metadata& metadata_;
  const base::Clock& clock_;
};

}  // namespace millrace::tracking
