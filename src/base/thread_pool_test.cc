// SPDX-License-Identifier: Apache-2.0
// Tests of pools, contexts, logs and progress.
#include "base/thread_pool.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <limits>
#include <mutex>
#include <set>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/internal/log_lines.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/terminal.h"

namespace millrace::base {
namespace {

TEST(ThreadPool, FinishesWhatIsQueued) {
  std::atomic<int> done{0};
  {
    ThreadPool pool("test", 3);
    EXPECT_EQ(pool.threads(), 3);
    for (int i = 0; i < 1000; ++i) {
      pool.Submit([&done] { done.fetch_add(1); });
    }
  }
  EXPECT_EQ(done.load(), 1000);
}

TEST(ThreadPool, TasksRunSideBySide) {
  ThreadPool pool("test", 2);
  // Passes only if both tasks are in work at the same time.
  std::latch both(2);
  std::latch done(2);
  for (int i = 0; i < 2; ++i) {
    pool.Submit([&] {
      both.arrive_and_wait();
      done.count_down();
    });
  }
  done.wait();
}

TEST(ParallelFor, BlocksDoNotDependOnThreads) {
  std::vector<std::set<std::pair<std::size_t, std::size_t>>> cuts;
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool("test", threads);
    std::mutex mutex;
    std::set<std::pair<std::size_t, std::size_t>> cut;
    const Result<void> result =
        pool.ParallelFor({}, 1003, 100, [&](std::size_t begin, std::size_t end) -> Result<void> {
          const std::lock_guard lock(mutex);
          cut.emplace(begin, end);
          return {};
        });
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(cut.size(), 11U);
    EXPECT_EQ(*cut.rbegin(), (std::pair<std::size_t, std::size_t>(1000, 1003)));
    cuts.push_back(std::move(cut));
  }
  EXPECT_EQ(cuts[0], cuts[1]);
  EXPECT_EQ(cuts[0], cuts[2]);
}

TEST(ParallelFor, NothingToDoIsFine) {
  ThreadPool pool("test", 2);
  const auto body = [](std::size_t, std::size_t) -> Result<void> { return Internal("called"); };
  EXPECT_TRUE(pool.ParallelFor({}, 0, 10, body).ok());
}

TEST(ParallelFor, LowestFailingBlockIsReported) {
  ThreadPool pool("test", 4);
  for (int round = 0; round < 50; ++round) {
    const Result<void> result =
        pool.ParallelFor({}, 100, 1, [](std::size_t begin, std::size_t) -> Result<void> {
          if (begin == 7) {
            std::this_thread::sleep_for(std::chrono::microseconds(200));
          }
          return begin >= 7 ? Result<void>(Internal("block " + std::to_string(begin)))
                            : Result<void>();
        });
    ASSERT_FALSE(result.ok());
    ASSERT_EQ(result.error().message(), "block 7");
  }
}

TEST(ParallelFor, NestedLoopsDoNotDeadlock) {
  ThreadPool pool("test", 2);
  std::atomic<int> done{0};
  const Result<void> result = pool.ParallelFor({}, 8, 1, [&](std::size_t, std::size_t) {
    return pool.ParallelFor({}, 8, 1, [&](std::size_t, std::size_t) -> Result<void> {
      done.fetch_add(1);
      return {};
    });
  });
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(done.load(), 64);
}

TEST(ParallelFor, LoopsOfSeveralCallersShareAPool) {
  ThreadPool pool("test", 2);
  std::atomic<int> done{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 20; ++j) {
        const Result<void> result =
            pool.ParallelFor({}, 50, 3, [&](std::size_t begin, std::size_t end) -> Result<void> {
              done.fetch_add(static_cast<int>(end - begin));
              return {};
            });
        ASSERT_TRUE(result.ok());
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(done.load(), 4 * 20 * 50);
}

TEST(ParallelFor, StopsOnRequest) {
  ThreadPool pool("test", 2);
  std::stop_source stop;
  Context context;
  context.stop = stop.get_token();
  std::atomic<int> blocks{0};
  const Result<void> result =
      pool.ParallelFor(context, 1000, 1, [&](std::size_t, std::size_t) -> Result<void> {
        if (blocks.fetch_add(1) == 3) {
          stop.request_stop();
        }
        return {};
      });
  EXPECT_EQ(result.error().code(), ErrorCode::kCancelled);
  EXPECT_LT(blocks.load(), 1000);
}

TEST(Context, DeadlineInThePastIsExceeded) {
  Context context;
  EXPECT_TRUE(context.Check().ok());
  context.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  EXPECT_TRUE(context.Check().ok());
  context.deadline = std::chrono::steady_clock::now();
  EXPECT_EQ(context.Check().error().code(), ErrorCode::kDeadlineExceeded);
}

TEST(Log, TextLineQuotesWhatWouldBeRead) {
  EXPECT_EQ(internal::TextLine(
                {1'500'000}, LogLevel::kInfo, "data", "read",
                {{"rows", 3}, {"file", "a b"}, {"ok", true}, {"share", 0.1}, {"empty", ""}}),
            "1970-01-01T00:00:01.500000Z INFO data read rows=3 file=\"a b\" ok=true share=0.1 "
            "empty=\"\"");
}

TEST(Log, ValuesCannotForgeASecondLine) {
  EXPECT_EQ(internal::TextLine({0}, LogLevel::kError, "m", "e", {{"k", "a\nb\"c"}}),
            "1970-01-01T00:00:00.000000Z ERROR m e k=\"a\\u000ab\\\"c\"");
  EXPECT_EQ(
      internal::JsonLine({0}, LogLevel::kWarn, "m", "e", {{"k", "a\nb"}, {"n", std::uint64_t{7}}}),
      "{\"time\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"WARN\",\"module\":\"m\",\"event\":"
      "\"e\","
      "\"k\":\"a\\u000ab\",\"n\":\"7\"}");
}

TEST(Log, LinesBelowTheLevelAreDropped) {
  testing::internal::CaptureStderr();
  const std::unique_ptr<Logger> logger = MakeStderrLogger(LogLevel::kWarn);
  logger->Info("m", "dropped");
  logger->Warn("m", "kept");
  MakeNullLogger()->Error("m", "dropped");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("dropped"), std::string::npos);
  EXPECT_NE(text.find("WARN m kept\n"), std::string::npos);
}

TEST(Progress, IsSilentWhereThereIsNoTerminal) {
  testing::internal::CaptureStderr();
  const std::unique_ptr<Progress> progress = MakeTerminalProgress();
  progress->Start("work", 10);
  progress->Advance(5);
  progress->Finish();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Terminal, AFileIsNone) {
  int descriptors[2];
  ASSERT_EQ(pipe(descriptors), 0);
  EXPECT_FALSE(IsTerminal(descriptors[1]));
  EXPECT_FALSE(WantsColor(descriptors[1]));
  EXPECT_EQ(TerminalWidth(descriptors[1], 93), 93);
  close(descriptors[0]);
  close(descriptors[1]);
}

}  // namespace
}  // namespace millrace::base
