// SPDX-License-Identifier: Apache-2.0
// The conformance suite over both stores, and what only a store on disk can show: reopening, kill
// -9, damage.
#include "store/key_value.h"

#include <algorithm>
#include <filesystem>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/internal/entry_codec.h"
#include "store/key_value_conformance.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

fs::path FreshDir(const std::string& name) {
  const fs::path dir =
      fs::path(testing::TempDir()) / ("key_value_" + name + "_" + std::to_string(getpid()));
  fs::remove_all(dir);
  return dir;
}

// The folder lives as long as the process: a store may outlive the factory's call only by the test.
std::unique_ptr<KeyValue> MakeRocks() {
  Result<std::unique_ptr<KeyValue>> kv = OpenRocksDb(FreshDir("conformance"), false);
  EXPECT_TRUE(kv.ok()) << kv.error().ToString();
  return *std::move(kv);
}

std::unique_ptr<KeyValue> MakeLateRocks() {
  Result<std::unique_ptr<KeyValue>> kv = OpenRocksDbLate(FreshDir("late"));
  EXPECT_TRUE(kv.ok()) << kv.error().ToString();
  return *std::move(kv);
}

INSTANTIATE_TEST_SUITE_P(LateRocksDb, KeyValueConformance, testing::Values(MakeLateRocks));
INSTANTIATE_TEST_SUITE_P(RocksDb, KeyValueConformance, testing::Values(MakeRocks));
INSTANTIATE_TEST_SUITE_P(Memory, KeyValueConformance, testing::Values(MakeMemoryKeyValue));

constexpr int kBatch = 20;

// Starts this program again as a child with other work: a fork alone would have RocksDB's locks and
// caches but not its threads.
pid_t StartChild(const std::vector<std::string>& words) {
  const pid_t child = fork();
  if (child == 0) {
    std::vector<char*> arguments;
    std::string program = "store_test";
    std::string mark = "--millrace-child";
    std::vector<std::string> own = words;
    arguments.push_back(program.data());
    arguments.push_back(mark.data());
    for (std::string& word : own) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  return child;
}

// Writes batches until it is killed and tells each one that was acknowledged.
int WriteForever(const fs::path& dir, std::int64_t round, int pipe_end) {
  Result<std::unique_ptr<KeyValue>> kv = OpenRocksDb(dir, false);
  for (std::int64_t batch = 1; kv.ok(); ++batch) {
    std::vector<Put> puts;
    for (int i = 0; i < kBatch; ++i) {
      puts.push_back(
          {"key" + std::to_string(i), {round * 1'000'000 + batch, 0, 0}, std::to_string(batch)});
    }
    if (!(*kv)->PutMany(puts).ok() || write(pipe_end, &batch, sizeof(batch)) != sizeof(batch)) {
      break;
    }
  }
  return 1;
}

// 0 if a write beyond the limit of size was refused.
int FillTheDisk(const fs::path& dir) {
  signal(SIGXFSZ, SIG_IGN);
  Result<std::unique_ptr<KeyValue>> kv = OpenRocksDb(dir, false);
  if (!kv.ok()) {
    return 2;
  }
  const rlimit limit{65536, 65536};
  setrlimit(RLIMIT_FSIZE, &limit);
  const std::vector<Put> big = {{"k", {2, 0, 0}, std::string(1 << 20, 'x')}};
  // Without the destructor: it would write what was refused.
  _exit((*kv)->PutMany(big).ok() ? 1 : 0);
}

class RocksDbTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = FreshDir(testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::unique_ptr<KeyValue> Open(bool read_only = false) {
    Result<std::unique_ptr<KeyValue>> kv = OpenRocksDb(dir_, read_only);
    EXPECT_TRUE(kv.ok()) << kv.error().ToString();
    return *std::move(kv);
  }

  fs::path dir_;
};

TEST_F(RocksDbTest, KeepsValuesAndVersionsOverReopening) {
  const std::vector<Put> first = {{"k", {10, 0, 0}, "v"}};
  ASSERT_TRUE(Open()->PutMany(first).ok());
  const std::unique_ptr<KeyValue> kv = Open();
  const std::vector<Put> older = {{"k", {9, 0, 0}, "older"}};
  ASSERT_TRUE(kv->PutMany(older).ok());
  const std::vector<std::string> keys = {"k"};
  EXPECT_EQ(kv->GetMany(keys)->front()->value, "v");
}

TEST_F(RocksDbTest, LateOneIsMadeByTheFirstValue) {
  const std::vector<std::string> keys = {"k"};
  {
    const std::unique_ptr<KeyValue> late = OpenRocksDbLate(dir_).value();
    EXPECT_FALSE(late->GetMany(keys)->front());
    ASSERT_TRUE(late->DeletePrefix("k").ok());
    EXPECT_FALSE(HasRocksDb(dir_));
    const std::vector<Put> puts = {{"k", {1, 0, 0}, "v"}};
    ASSERT_TRUE(late->PutMany(puts).ok());
    EXPECT_TRUE(HasRocksDb(dir_));
    EXPECT_EQ(late->GetMany(keys)->front()->value, "v");
  }
  EXPECT_EQ(OpenRocksDbLate(dir_).value()->GetMany(keys)->front()->value, "v");
}

TEST_F(RocksDbTest, LateOneTellsWhyItCannotBeMade) {
  ASSERT_TRUE(base::WriteFileAtomic(dir_, "a file, not a folder").ok());
  const std::unique_ptr<KeyValue> late = OpenRocksDbLate(dir_).value();
  const std::vector<Put> puts = {{"k", {1, 0, 0}, "v"}};
  EXPECT_FALSE(late->PutMany(puts).ok());
}

TEST_F(RocksDbTest, OneWriterAtATime) {
  const std::unique_ptr<KeyValue> kv = Open();
  const Result<std::unique_ptr<KeyValue>> second = OpenRocksDb(dir_, false);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), base::ErrorCode::kFailedPrecondition)
      << second.error().ToString();
  EXPECT_NE(second.error().message().find(dir_.string()), std::string::npos);
}

TEST_F(RocksDbTest, ReadersSeeTheStateOfTheirOpening) {
  const std::unique_ptr<KeyValue> writer = Open();
  const std::vector<Put> first = {{"a", {}, "1"}};
  ASSERT_TRUE(writer->PutMany(first).ok());
  const std::unique_ptr<KeyValue> reader = Open(true);
  const std::vector<std::string> keys = {"a"};
  EXPECT_EQ(reader->GetMany(keys)->front()->value, "1");
  EXPECT_EQ(reader->PutMany(first).error().code(), base::ErrorCode::kFailedPrecondition);
  EXPECT_EQ(reader->DeletePrefix("a").error().code(), base::ErrorCode::kFailedPrecondition);
}

TEST_F(RocksDbTest, MissingFolderIsAnErrorForReaders) {
  EXPECT_FALSE(OpenRocksDb(dir_, true).ok());
}

TEST_F(RocksDbTest, WritersOfOneKeyLeaveTheHighestVersion) {
  const std::unique_ptr<KeyValue> kv = Open();
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&kv, w] {
      for (int i = 0; i < 25; ++i) {
        const std::int64_t time = i * 4 + w;
        const std::vector<Put> puts = {{"k", {time, 0, 0}, std::to_string(time)}};
        ASSERT_TRUE(kv->PutMany(puts).ok());
      }
    });
  }
  for (std::thread& writer : writers) {
    writer.join();
  }
  const std::vector<std::string> keys = {"k"};
  EXPECT_EQ(kv->GetMany(keys)->front()->value, "99");
}

// The child says over a pipe which batch was acknowledged; after the kill all of them must be
// there, each whole.
TEST_F(RocksDbTest, AcknowledgedWritesOutliveKill9) {
  for (int round = 0; round < 3; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child =
        StartChild({"write", dir_.string(), std::to_string(round), std::to_string(pipe_ends[1])});
    ASSERT_GE(child, 0);
    close(pipe_ends[1]);
    std::int64_t acknowledged = 0;
    std::int64_t batch = 0;
    while (batch < 5 + round * 7 && read(pipe_ends[0], &batch, sizeof(batch)) == sizeof(batch)) {
      acknowledged = batch;
    }
    kill(child, SIGKILL);
    while (read(pipe_ends[0], &batch, sizeof(batch)) == sizeof(batch)) {
      acknowledged = batch;
    }
    close(pipe_ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    ASSERT_GE(acknowledged, 1);
    const std::unique_ptr<KeyValue> kv = Open();
    std::vector<std::string> keys;
    for (int i = 0; i < kBatch; ++i) {
      keys.push_back("key" + std::to_string(i));
    }
    const auto entries = *kv->GetMany(keys);
    for (const auto& entry : entries) {
      ASSERT_TRUE(entry.has_value());
      EXPECT_GE(entry->version.event_time, round * 1'000'000 + acknowledged);
      // All keys of a batch come together.
      EXPECT_EQ(entry->version, entries.front()->version);
    }
  }
}

TEST_F(RocksDbTest, FullDiskRefusesTheWriteAndKeepsTheOld) {
  const std::vector<Put> small = {{"k", {1, 0, 0}, "old"}};
  ASSERT_TRUE(Open()->PutMany(small).ok());
  const pid_t child = StartChild({"fill", dir_.string()});
  ASSERT_GE(child, 0);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  const std::vector<std::string> keys = {"k"};
  EXPECT_EQ(Open()->GetMany(keys)->front()->value, "old");
}

TEST(EntryCodec, BytesAreAsDocumented) {
  const std::string bytes = internal::EncodeEntry({1, -1, 256}, "v");
  EXPECT_EQ(
      bytes,
      std::string("\x01\x01\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x01\0\0\0\0\0\0v", 26));
  EXPECT_EQ(*internal::DecodeEntry(bytes), (Entry{{1, -1, 256}, "v"}));
}

TEST(EntryCodec, DamageIsDataLoss) {
  EXPECT_EQ(internal::DecodeEntry("").error().code(), base::ErrorCode::kDataLoss);
  EXPECT_EQ(internal::DecodeEntry(std::string(24, '\x01')).error().code(),
            base::ErrorCode::kDataLoss);
  EXPECT_EQ(internal::DecodeEntry(std::string(30, '\x02')).error().code(),
            base::ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace millrace::store

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (words.size() > 3 && words[1] == "--millrace-child") {
    return words[2] == "write" ? millrace::store::WriteForever(words[3], std::stoll(words.at(4)),
                                                               std::stoi(words.at(5)))
                               : millrace::store::FillTheDisk(words[3]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
