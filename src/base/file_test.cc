// SPDX-License-Identifier: Apache-2.0
// Tests of atomic files, with real kills and a real limit of size.
#include "base/file.h"

#include <fcntl.h>
#include <fstream>
#include <set>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ =
        fs::path(testing::TempDir()) /
        (std::string("file_test_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::size_t Files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(dir_)) {
      ++count;
    }
    return count;
  }

  fs::path dir_;
};

TEST_F(FileTest, WritesAndReadsAnyBytes) {
  const std::string bytes("a\0b\n\xff", 5);
  ASSERT_TRUE(WriteFileAtomic(dir_ / "deep" / "er" / "f", bytes).ok());
  EXPECT_EQ(*ReadFile(dir_ / "deep" / "er" / "f"), bytes);
  ASSERT_TRUE(WriteFileAtomic(dir_ / "deep" / "er" / "f", "").ok());
  EXPECT_EQ(*ReadFile(dir_ / "deep" / "er" / "f"), "");
}

TEST_F(FileTest, MissingFilesAndFoldersAreNamed) {
  const Result<std::string> missing = ReadFile(dir_ / "none");
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message().find((dir_ / "none").string()), std::string::npos);
  EXPECT_EQ(ReadFile(dir_).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(FileTest, FilesWithoutASizeAreReadToTheirEnd) {
  const Result<std::string> status = ReadFile("/proc/self/status");
  ASSERT_TRUE(status.ok());
  EXPECT_NE(status->find("Pid:"), std::string::npos);
}

TEST_F(FileTest, AFileInTheWayOfAFolderIsNamed) {
  ASSERT_TRUE(WriteFileAtomic(dir_ / "f", "x").ok());
  const Result<void> result = WriteFileAtomic(dir_ / "f" / "g", "x");
  ASSERT_FALSE(result.ok());
  EXPECT_NE(result.error().ToString().find((dir_ / "f").string()), std::string::npos);
}

TEST_F(FileTest, FailedWriterLeavesTheOldFileAndNoTemporary) {
  ASSERT_TRUE(WriteFileAtomic(dir_ / "f", "old").ok());
  const Result<void> result =
      ReplaceAtomic(dir_ / "f", [](const fs::path& temporary) -> Result<void> {
        std::ofstream(temporary) << "half";
        return Internal("broken");
      });
  EXPECT_EQ(result.error().code(), ErrorCode::kInternal);
  EXPECT_EQ(*ReadFile(dir_ / "f"), "old");
  EXPECT_EQ(Files(), 1U);
}

TEST_F(FileTest, WholeFoldersAreReplaced) {
  const auto write = [&](const std::string& text) {
    return ReplaceAtomic(dir_ / "d", [&](const fs::path& temporary) -> Result<void> {
      fs::create_directories(temporary / "sub");
      return WriteFileAtomic(temporary / "sub" / text, text);
    });
  };
  ASSERT_TRUE(write("one").ok());
  ASSERT_TRUE(write("two").ok());
  EXPECT_FALSE(fs::exists(dir_ / "d" / "sub" / "one"));
  EXPECT_EQ(*ReadFile(dir_ / "d" / "sub" / "two"), "two");
  EXPECT_EQ(Files(), 1U);
}

// A write beyond RLIMIT_FSIZE fails as a write to a full disk does, without a file system of our
// own.
TEST_F(FileTest, FullDiskLeavesTheOldFileAndSaysSo) {
  ASSERT_TRUE(WriteFileAtomic(dir_ / "f", "old").ok());
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Result<void> result = WriteFileAtomic(dir_ / "f", std::string(100'000, 'x'));
    const bool is_right = !result.ok() && result.error().code() == ErrorCode::kResourceExhausted &&
                          result.error().hint().find("free disk space") != std::string::npos;
    _exit(is_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(*ReadFile(dir_ / "f"), "old");
  EXPECT_EQ(Files(), 1U);
}

TEST_F(FileTest, WritingToAFullDeviceSaysSo) {
  const Result<void> result = AppendFile("/dev/full", "x");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kResourceExhausted);
}

// Killed at arbitrary moments while it replaces a file again and again: what is there is always
// whole.
TEST_F(FileTest, KilledWritersLeaveWholeFiles) {
  const fs::path path = dir_ / "f";
  const std::string a(200'000, 'a');
  const std::string b(300'000, 'b');
  ASSERT_TRUE(WriteFileAtomic(path, a).ok());
  for (int round = 0; round < 10; ++round) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (;;) {
        if (!WriteFileAtomic(path, b).ok() || !WriteFileAtomic(path, a).ok()) {
          _exit(1);
        }
      }
    }
    usleep(static_cast<useconds_t>(2000 + 1700 * round));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string seen = *ReadFile(path);
    ASSERT_TRUE(seen == a || seen == b) << "round " << round << ": " << seen.size() << " bytes";
  }
  ASSERT_TRUE(RemoveStaleTemporaries(dir_).ok());
  EXPECT_EQ(Files(), 1U);
}

TEST_F(FileTest, TemporariesOfTheLivingStay) {
  const Result<void> result =
      ReplaceAtomic(dir_ / "f", [&](const fs::path& temporary) -> Result<void> {
        std::ofstream(temporary) << "new";
        return RemoveStaleTemporaries(dir_);
      });
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_EQ(*ReadFile(dir_ / "f"), "new");
}

// In a container every process may get the same id.
TEST_F(FileTest, TemporariesOfAnEarlierProcessWithOurIdAreRemoved) {
  const std::string name = ".f." + std::to_string(getpid()) + "-00000000-0.millrace-tmp";
  std::ofstream(dir_ / name) << "half";
  ASSERT_TRUE(WriteFileAtomic(dir_ / "f", "new").ok());
  ASSERT_TRUE(RemoveStaleTemporaries(dir_).ok());
  EXPECT_EQ(Files(), 1U);
}

TEST_F(FileTest, AppendsKeepWhatIsThere) {
  ASSERT_TRUE(AppendFile(dir_ / "log", "one\n").ok());
  ASSERT_TRUE(AppendFile(dir_ / "log", "two\n").ok());
  EXPECT_EQ(*ReadFile(dir_ / "log"), "one\ntwo\n");
}

// Root may write everywhere, so the child becomes nobody first.
TEST_F(FileTest, FoldersWithoutRightToWriteAreNamed) {
  fs::permissions(dir_, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                            fs::perms::others_exec);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) {
      _exit(2);
    }
    const Result<void> result = WriteFileAtomic(dir_ / "f", "x");
    _exit(!result.ok() && result.error().code() == ErrorCode::kPermissionDenied ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  fs::permissions(dir_, fs::perms::owner_all);
}

}  // namespace
}  // namespace millrace::base
