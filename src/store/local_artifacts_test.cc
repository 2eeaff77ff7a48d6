// SPDX-License-Identifier: Apache-2.0
// What only artifacts on a local disk have: plain files, hard links, damage, crashes.
#include <fstream>
#include <sys/stat.h>
#include <sys/wait.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/artifacts_testing.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LocalArtifactsTest : public ArtifactsTest {
 protected:
  std::string kind() const override { return "workspace"; }
  fs::path File(std::string_view path) const { return workspace_->ArtifactsDir() / path; }
  fs::path Blob(const std::string& bytes) const {
    const std::string sha256 = base::Sha256Hex(bytes);
    return workspace_->BlobsDir() / sha256.substr(0, 2) / sha256;
  }
  static void Damage(const fs::path& path, std::size_t at) {
    ::chmod(path.c_str(), 0644);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
};

TEST_F(LocalArtifactsTest, FilesArePlainAndLinkedToTheirBytes) {
  ASSERT_TRUE(Put("0/r/artifacts/model/MLmodel", "flavors: {}").ok());
  ASSERT_TRUE(Put("0/r/artifacts/copy", "flavors: {}").ok());
  EXPECT_EQ(base::ReadFile(File("0/r/artifacts/model/MLmodel")).value(), "flavors: {}");
  EXPECT_TRUE(fs::equivalent(File("0/r/artifacts/copy"), Blob("flavors: {}")));
  EXPECT_EQ(fs::hard_link_count(Blob("flavors: {}")), 3U);
  EXPECT_EQ(fs::status(Blob("flavors: {}")).permissions(), fs::perms{0444});
}

TEST_F(LocalArtifactsTest, WhatOthersPutThereIsServed) {
  ASSERT_TRUE(base::WriteFileAtomic(File("0/r/artifacts/report.html"), "<html>").ok());
  EXPECT_EQ(Get("0/r/artifacts/report.html").value(), "<html>");
  EXPECT_EQ((*store_->Open("0/r/artifacts/report.html"))->sha256(), "");
  EXPECT_THAT(Names("0/r/artifacts"), ElementsAre("0/r/artifacts/report.html:6"));
  ASSERT_TRUE(store_->Remove("0/r/artifacts/report.html").ok());
}

TEST_F(LocalArtifactsTest, DamageIsToldBeforeAnyWrongByte) {
  const std::string bytes = SomeBytes(3'500'000, 5);
  ASSERT_TRUE(Put("a/large", bytes).ok());
  ASSERT_TRUE(Put("a/small", "small").ok());
  Damage(File("a/small"), 2);
  Damage(File("a/large"), 2'100'000);
  const auto small = Get("a/small");
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(small.error().message(), HasSubstr("a/small"));
  // The blocks before and behind the damage are good and are still read.
  const auto reader = store_->Open("a/large");
  ASSERT_TRUE(reader.ok());
  std::string block(1000, '\0');
  for (const std::uint64_t good : {0ULL, 2'000'000ULL, 3'200'000ULL}) {
    const auto n = (*reader)->ReadAt(good, block);
    ASSERT_TRUE(n.ok()) << good;
    EXPECT_EQ(block.substr(0, *n), bytes.substr(good, *n));
  }
  EXPECT_EQ((*reader)->ReadAt(2'099'000, block).error().code(), ErrorCode::kDataLoss);
  // The same bytes again repair it, although a damaged file has the name of their hash.
  ASSERT_TRUE(Put("a/small", "small").ok());
  EXPECT_EQ(Get("a/small").value(), "small");
  ASSERT_TRUE(Put("b/large", bytes).ok());
  EXPECT_TRUE(Get("b/large").value() == bytes);
}

TEST_F(LocalArtifactsTest, ShortenedAndExchangedFilesAreDamaged) {
  ASSERT_TRUE(Put("a/f", "0123456789").ok());
  ::chmod(File("a/f").c_str(), 0644);
  fs::resize_file(File("a/f"), 5);
  EXPECT_EQ(Get("a/f").error().code(), ErrorCode::kDataLoss);
  ASSERT_TRUE(Put("a/g", "abc").ok());
  fs::remove(File("a/g"));
  std::ofstream(File("a/g")) << "xyz";
  EXPECT_EQ(Get("a/g").error().code(), ErrorCode::kDataLoss);
  // A copy with the right bytes, as a backup makes it, is good.
  fs::remove(File("a/g"));
  std::ofstream(File("a/g")) << "abc";
  EXPECT_EQ(Get("a/g").value(), "abc");
}

// A crash between the file and its row leaves the old row: the file is whole and says so.
TEST_F(LocalArtifactsTest, FileThatIsNewerThanItsRowIsRead) {
  ASSERT_TRUE(Put("a/f", "old").ok());
  ASSERT_TRUE(Put("a/other", "new").ok());
  fs::remove(File("a/f"));
  fs::create_hard_link(Blob("new"), File("a/f"));
  EXPECT_EQ(Get("a/f").value(), "new");
}

TEST_F(LocalArtifactsTest, KilledWritersLeaveOnlyTemporaries) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto writer = store_->Create("a/f");
    static_cast<void>((*writer)->Write(SomeBytes(1'000'000, 9)));
    ::_exit(writer.ok() ? 9 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 9);
  EXPECT_FALSE(store_->Open("a/f").ok());
  const auto n_temporaries = [&] {
    int n = 0;
    for (const auto& entry : fs::directory_iterator(workspace_->BlobsDir())) {
      n += entry.path().string().ends_with(".millrace-tmp") ? 1 : 0;
    }
    return n;
  };
  EXPECT_EQ(n_temporaries(), 1);
  Collect(false);
  EXPECT_EQ(n_temporaries(), 1);
  std::ofstream(File("left.4194303-1234abcd-0.millrace-tmp")) << "of a process that is gone";
  Collect(true);
  EXPECT_EQ(n_temporaries(), 0);
  EXPECT_FALSE(fs::exists(File("left.4194303-1234abcd-0.millrace-tmp")));
}

TEST_F(LocalArtifactsTest, AFolderOfOthersIsReadAsItIsAndNeverLeft) {
  const fs::path folder = root_ / "theirs";
  const auto files = OpenArtifactFolder(folder);
  EXPECT_TRUE(files->List("").value().empty());
  {
    const auto writer = files->Create("3/run/artifacts/a.txt").value();
    ASSERT_TRUE(writer->Write("one").ok());
    EXPECT_TRUE(files->List("3").value().empty()) << "nothing is visible before Commit";
    ASSERT_TRUE(writer->Commit().ok());
  }
  std::ofstream(folder / "3/run/artifacts/b.txt") << "by another program";
  std::ofstream(root_ / "secret") << "not theirs";
  fs::create_symlink(root_ / "secret", folder / "3/run/artifacts/link");
  fs::create_directory_symlink(root_, folder / "3/out");
  const auto entries = files->List("3/run/artifacts").value();
  ASSERT_EQ(entries.size(), 2U) << "neither links nor temporaries";
  EXPECT_EQ(entries[0].path, "3/run/artifacts/a.txt");
  EXPECT_EQ(entries[1].size, 18U);
  std::string block(100, '\0');
  const auto reader = files->Open("3/run/artifacts/b.txt").value();
  EXPECT_EQ(block.substr(0, reader->ReadAt(3, block).value()), "another program");
  for (const char* const outside : {"3/run/artifacts/link", "3/out/secret", "3/none", "3/run"}) {
    EXPECT_FALSE(files->Open(outside).ok()) << outside;
  }
  EXPECT_EQ(files->Create("3/out/new").value()->Commit().error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(root_ / "new"));
}

TEST_F(LocalArtifactsTest, DestinationsThatAreNoneAreNamed) {
  for (const char* const destination :
       {"gs://bucket/x", "http://host/x", "mlflow-artifacts:/", "file:relative", "hdfs:/x"}) {
    const auto opened = OpenArtifacts(*workspace_, destination, *metadata_);
    ASSERT_FALSE(opened.ok()) << destination;
    EXPECT_EQ(opened.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(opened.error().message(), HasSubstr(destination));
  }
  ::setenv("AWS_ACCESS_KEY_ID", "test", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "test", 1);
  const auto nobody = OpenArtifacts(
      *workspace_, "abfs://account@127.0.0.1:1/container/x?enable_tls=false", *metadata_);
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(nobody.error().code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace millrace::store
