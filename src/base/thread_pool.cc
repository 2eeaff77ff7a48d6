// SPDX-License-Identifier: Apache-2.0
// Threads that take tasks from one queue, and a parallel loop that hands out blocks in rising
// order.
#include "base/thread_pool.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "base/mutex.h"

namespace millrace::base {
namespace {

// The shared state of one ParallelFor. Helpers that start late find no block left and touch nothing
// else, so the body may be gone by then.
class Loop {
 public:
  Loop(const Context& context, std::size_t n, std::size_t block,
       const std::function<Result<void>(std::size_t, std::size_t)>& body)
      : context_(context), n_(n), block_(block), n_blocks_((n + block - 1) / block), body_(&body) {}

  std::size_t n_blocks() const { return n_blocks_; }

  // Works until no block is left. An exception of the body ends the program, as documented.
  void Work() noexcept {
    while (const std::optional<std::size_t> index = Claim()) {
      Result<void> result = context_.Check();
      if (result.ok()) {
        const std::size_t begin = *index * block_;
        result = (*body_)(begin, std::min(n_, begin + block_));
      }
      Release(*index, std::move(result));
    }
  }

  Result<void> Wait() {
    const MutexLock lock(mutex_);
    while (n_running_ > 0 || (!error_ && next_ < n_blocks_)) {
      all_done_.wait(mutex_);
    }
    if (error_) {
      return *std::move(error_);
    }
    return {};
  }

 private:
  // Blocks are claimed in rising order, so when one fails, every lower one was claimed before and
  // still reports: the lowest error does not depend on timing.
  std::optional<std::size_t> Claim() {
    const MutexLock lock(mutex_);
    if (error_ || next_ >= n_blocks_) {
      return std::nullopt;
    }
    ++n_running_;
    return next_++;
  }

  void Release(std::size_t index, Result<void> result) {
    const MutexLock lock(mutex_);
    if (!result.ok() && (!error_ || index < error_block_)) {
      error_ = std::move(result).error();
      error_block_ = index;
    }
    --n_running_;
    all_done_.notify_all();
  }

  const Context context_;
  const std::size_t n_;
  const std::size_t block_;
  const std::size_t n_blocks_;
  const std::function<Result<void>(std::size_t, std::size_t)>* const body_;
  Mutex mutex_;
  CondVar all_done_;
  std::size_t next_ MILL_GUARDED_BY(mutex_) = 0;
  std::size_t n_running_ MILL_GUARDED_BY(mutex_) = 0;
  std::size_t error_block_ MILL_GUARDED_BY(mutex_) = 0;
  std::optional<Error> error_ MILL_GUARDED_BY(mutex_);
};

}  // namespace

struct ThreadPool::Impl {
  Mutex mutex;
  CondVar has_work;
  std::deque<std::function<void()>> queue MILL_GUARDED_BY(mutex);
  bool is_closing MILL_GUARDED_BY(mutex) = false;
  std::vector<std::thread> threads;

  void Run() noexcept {
    for (;;) {
      std::function<void()> task;
      {
        const MutexLock lock(mutex);
        while (queue.empty() && !is_closing) {
          has_work.wait(mutex);
        }
        if (queue.empty()) {
          return;
        }
        task = std::move(queue.front());
        queue.pop_front();
      }
      task();
    }
  }
};

ThreadPool::ThreadPool(std::string name, int threads) : impl_(std::make_unique<Impl>()) {
  MILL_CHECK_LE(1, threads);
  for (int i = 0; i < threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->Run(); });
    // The kernel keeps 15 characters.
    const std::string thread_name = name.substr(0, 11) + "-" + std::to_string(i % 1000);
    pthread_setname_np(impl_->threads.back().native_handle(), thread_name.c_str());
  }
}

ThreadPool::~ThreadPool() {
  {
    const MutexLock lock(impl_->mutex);
    impl_->is_closing = true;
  }
  impl_->has_work.notify_all();
  for (std::thread& thread : impl_->threads) {
    thread.join();
  }
}

int ThreadPool::threads() const {
  return static_cast<int>(impl_->threads.size());
}

void ThreadPool::Submit(std::function<void()> task) {
  {
    const MutexLock lock(impl_->mutex);
    impl_->queue.push_back(std::move(task));
  }
  impl_->has_work.notify_one();
}

Result<void> ThreadPool::ParallelFor(
    const Context& context, std::size_t n, std::size_t block,
    const std::function<Result<void>(std::size_t, std::size_t)>& body) {
  MILL_CHECK(block > 0);
  if (n == 0) {
    return context.Check();
  }
  const auto loop = std::make_shared<Loop>(context, n, block, body);
  // The caller is one of the workers, so as many blocks are in work at once as the pool has
  // threads.
  const std::size_t helpers = std::min(impl_->threads.size(), loop->n_blocks()) - 1;
  for (std::size_t i = 0; i < helpers; ++i) {
    Submit([loop] { loop->Work(); });
  }
  loop->Work();
  return loop->Wait();
}

}  // namespace millrace::base
