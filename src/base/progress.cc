// SPDX-License-Identifier: Apache-2.0
// A progress bar that redraws one terminal line, at most ten times a second.
#include "base/progress.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <unistd.h>

#include "base/mutex.h"
#include "base/number_format.h"
#include "base/terminal.h"

namespace millrace::base {
namespace {

class SilentProgress final : public Progress {
 public:
  void Start(std::string_view, std::uint64_t) override {}
  void Advance(std::uint64_t) override {}
  void Finish() override {}
};

class TerminalProgress final : public Progress {
 public:
  ~TerminalProgress() override { Clear(); }

  void Start(std::string_view what, std::uint64_t total) override {
    const MutexLock lock(mutex_);
    what_ = what;
    total_ = total;
    done_ = 0;
    is_active_ = true;
    Draw();
  }

  void Advance(std::uint64_t units) override {
    const MutexLock lock(mutex_);
    done_ += units;
    if (is_active_ &&
        std::chrono::steady_clock::now() - last_drawn_ >= std::chrono::milliseconds(100)) {
      Draw();
    }
  }

  void Finish() override {
    const MutexLock lock(mutex_);
    if (is_active_) {
      Clear();
    }
    is_active_ = false;
  }

 private:
  void Draw() MILL_REQUIRES(mutex_) {
    constexpr std::size_t kBarWidth = 24;
    std::string line = what_ + " ";
    if (total_ > 0) {
      const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
      const auto filled = static_cast<std::size_t>(share * static_cast<double>(kBarWidth));
      line += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] " +
              FormatFixed(100.0 * share, 0) + "%";
    } else {
      line += FormatCount(static_cast<std::int64_t>(done_));
    }
    line.resize(std::min(line.size(), static_cast<std::size_t>(TerminalWidth(STDERR_FILENO) - 1)));
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    std::fflush(stderr);
    was_drawn_ = true;
    last_drawn_ = std::chrono::steady_clock::now();
  }

  void Clear() {
    if (was_drawn_) {
      std::fputs("\r\033[K", stderr);
      std::fflush(stderr);
      was_drawn_ = false;
    }
  }

  Mutex mutex_;
  std::string what_ MILL_GUARDED_BY(mutex_);
  std::uint64_t total_ MILL_GUARDED_BY(mutex_) = 0;
  std::uint64_t done_ MILL_GUARDED_BY(mutex_) = 0;
  bool is_active_ MILL_GUARDED_BY(mutex_) = false;
  bool was_drawn_ = false;
  std::chrono::steady_clock::time_point last_drawn_;
};

}  // namespace

std::unique_ptr<Progress> MakeTerminalProgress() {
  if (!WantsColor(STDERR_FILENO)) {
    return MakeSilentProgress();
  }
  return std::make_unique<TerminalProgress>();
}

std::unique_ptr<Progress> MakeSilentProgress() {
  return std::make_unique<SilentProgress>();
}

}  // namespace millrace::base
