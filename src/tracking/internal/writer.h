// SPDX-License-Identifier: Apache-2.0
// One writer for all: writes that wait are committed together, with one fsync (group commit).
// docs/design/tracking.md says in which order and why.
#pragma once

#include <cstdint>
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
  /// What the change counter will be after this group: the value for `runs.change`. Only after
  /// Sql().
  virtual std::int64_t change() const = 0;
  virtual PointGroup& points() = 0;
};

/// Told, on the writer's thread, when copies of rows may no longer be right.
class WriteListener {
 public:
  virtual ~WriteListener() = default;
  /// Another process may have written; called before the first write of a group.
  virtual void OnForeignWrite() = 0;
  /// What was written since the group began may not be there.
  virtual void OnRollback() = 0;
  /// What was written is there to stay.
  virtual void OnCommit() = 0;
};

using WriteFunction = std::function<Result<void>(WriteScope&)>;

/// Runs and commits writes one group after the other, in the order in which they were given: on a
/// thread of its own or, while they come one by one, on the threads that bring them. Thread-safe.
class Writer {
 public:
  virtual ~Writer() = default;
  /// Queues a write. `done` is called from the writer's thread, after the write is durable or has
  /// failed; it must be short. A write that fails leaves nothing behind and does not touch the
  /// others of its group.
  virtual void Submit(WriteFunction write, std::function<void(Result<void>)> done) = 0;
  /// The same, but where no other write waits nor did lately, and no other process writes, it is
  /// committed on this thread before the call returns: a group of one gains nothing from two
  /// changes of threads.
  virtual void SubmitOrRun(WriteFunction write, std::function<void(Result<void>)> done) = 0;
  /// SubmitOrRun, and waits. Not to be called from a write or a `done`.
  Result<void> Run(WriteFunction write);

  /// Its destructor ends the thread after all that was given is done. The references and the
  /// listener (may be null) outlive the writer.
  static std::unique_ptr<Writer> Start(store::Metadata& metadata, MetricPoints& points,
                                       WriteListener* listener);
};

}  // namespace millrace::tracking::internal
