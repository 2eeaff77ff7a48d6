// SPDX-License-Identifier: Apache-2.0
// A mutex with thread-safety annotations, which clang checks and GCC ignores.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define MILL_CAPABILITY(x) __attribute__((capability(x)))
#define MILL_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define MILL_GUARDED_BY(x) __attribute__((guarded_by(x)))
#define MILL_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define MILL_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define MILL_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define MILL_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#else
#define MILL_CAPABILITY(x)
#define MILL_SCOPED_CAPABILITY
#define MILL_GUARDED_BY(x)
#define MILL_REQUIRES(...)
#define MILL_ACQUIRE(...)
#define MILL_RELEASE(...)
#define MILL_EXCLUDES(...)
#endif

namespace millrace::base {

class MILL_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() MILL_ACQUIRE() { mutex_.lock(); }
  void unlock() MILL_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class MILL_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MILL_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() MILL_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waits on a Mutex.
using CondVar = std::condition_variable_any;

}  // namespace millrace::base
