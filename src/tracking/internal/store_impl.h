// SPDX-License-Identifier: Apache-2.0
// What the parts of TrackingStore share.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "store/metadata.h"
#include "tracking/internal/metric_points.h"
#include "tracking/internal/run_index.h"
#include "tracking/internal/run_keys.h"
#include "tracking/internal/writer.h"
#include "tracking/store.h"

namespace millrace::tracking {

struct TrackingStore::Impl {
  Impl(store::Metadata& metadata_in, const base::Clock& clock_in, StoreOptions options_in)
      : metadata(metadata_in),
        clock(clock_in),
        options(std::move(options_in)),
        run_keys(metadata_in),
        names(metadata_in) {}

  std::int64_t NowMs() const { return clock.Now().micros / 1000; }

  /// Runs a write that needs SQL, and waits until it is durable.
  Result<void> Write(
      const std::function<Result<void>(store::Metadata&, internal::WriteScope&)>& write);

  std::shared_ptr<internal::RunIndex> Index();
  /// After runs were erased: the index does not hear of rows that vanish.
  void DropIndex();

  store::Metadata& metadata;
  const base::Clock& clock;
  const StoreOptions options;
  internal::RunKeys run_keys;
  internal::Names names;
  std::unique_ptr<internal::MetricPoints> points;
  std::mutex index_mutex;
  std::shared_ptr<internal::RunIndex> index;
  // Last: its thread uses the others.
  std::unique_ptr<internal::Writer> writer;
};

namespace internal {

/// The tag that holds a run's name; it and `runs.name` are the same.
inline constexpr std::string_view kRunNameTag = "mlflow.runName";

/// "The experiment 7 must be in the 'active' state. Current state is deleted."
Result<void> CheckActive(const Experiment& experiment);
/// Without its tags; deleted ones too.
Result<Experiment> ReadExperiment(store::Metadata& metadata, const std::string& id);
/// By id, with their tags.
Result<std::vector<Experiment>> ReadExperiments(store::Metadata& metadata, ViewType view);
/// Puts tags of a run; mlflow.runName renames it.
Result<void> PutTags(RunKeys& keys, WriteScope& scope, std::int64_t run_key, const Tags& tags);
/// Puts tags, whatever they are called.
Result<void> PutTagRows(RunKeys& keys, WriteScope& scope, std::int64_t run_key, const Tags& tags);
/// Stores the group's change number with the run.
Result<void> Touch(WriteScope& scope, std::int64_t run_key);

}  // namespace internal
}  // namespace millrace::tracking
