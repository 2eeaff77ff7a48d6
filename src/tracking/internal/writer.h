// SPDX-License-Identifier: Apache-2.0
// One writer for all: writes that wait are committed together, with one fsync (group commit).
// docs/design/tracking.md says in which order and why.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/metric_points.h"

namespace millrace::tracking::internal {

/// What a write works with.
class WriteScope {
 public:
  virtual ~WriteScope() = default;
  /// Begins the group's SQL transaction, if that has not happened, and this write's savepoint.
  virtual Result<store::Metadata*> Sql() = 0;
  virtual PointGroup& points() = 0;
};

using WriteFunction = std::function<Result<void>(WriteScope&)>;

/// A thread that runs and commits writes in the order in which they were given. Thread-safe.
class Writer {
 public:
  virtual ~Writer() = default;
  /// Queues a write. `done` is called from the writer's thread, after the write is durable or has
  /// failed; it must be short. A write that fails leaves nothing behind and does not touch the
  /// others of its group.
  virtual void Submit(WriteFunction write, std::function<void(Result<void>)> done) = 0;
  /// The same, and waits. Not to be called from the writer's own thread.
  Result<void> Run(WriteFunction write);

  /// Ends the thread after all that was given is done. The references outlive the writer.
  static std::unique_ptr<Writer> Start(store::Metadata& metadata, MetricPoints& points);
};

}  // namespace millrace::tracking::internal
