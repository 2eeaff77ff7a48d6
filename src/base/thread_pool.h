// SPDX-License-Identifier: Apache-2.0
// Named thread pools and a parallel loop whose blocks do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <string>

#include "base/context.h"
#include "base/result.h"

namespace millrace::base {

/// A fixed set of named threads with one queue. Destruction finishes what is queued. Exceptions of
/// a task end the program: tasks return Results.
class ThreadPool {
 public:
  /// @param name     shown in thread names, at most 11 characters
  /// @param threads  at least 1
  ThreadPool(std::string name, int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;
  void Submit(std::function<void()> task);

  /// Runs body(begin, end) over [0, n) in blocks of `block` rows, on the pool and on the calling
  /// thread (so that a call from within a pool thread cannot deadlock), and returns when all are
  /// done. The cut into blocks depends on n and block only. Returns the error of the lowest block
  /// that failed.
  Result<void> ParallelFor(
      const Context& context, std::size_t n, std::size_t block,
      const std::function<Result<void>(std::size_t begin, std::size_t end)>& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::base
