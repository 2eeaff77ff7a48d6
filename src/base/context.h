// SPDX-License-Identifier: Apache-2.0
// Context: the only thing that every long call takes. No globals, no singletons.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

#include "base/result.h"

namespace millrace::base {

class Clock;
class Logger;
class Progress;
class ThreadPool;

/// What a long call may use and must obey. Copy it to change one member for a callee. The pointees
/// outlive the call; none is null in a context made by `app` or by `tests/support`.
struct Context {
  std::stop_token stop;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  Logger* logger = nullptr;
  const Clock* clock = nullptr;
  Progress* progress = nullptr;
  /// The pool named `cpu`: training and feature computation; sized to the cores.
  ThreadPool* cpu = nullptr;
  std::uint64_t seed = 0;

  /// kCancelled when a stop was asked for, kDeadlineExceeded past the deadline; cheap enough for
  /// every block of work.
  Result<void> Check() const;
};

}  // namespace millrace::base

namespace millrace {
using base::Context;
}  // namespace millrace
