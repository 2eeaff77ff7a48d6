// SPDX-License-Identifier: Apache-2.0
// What every artifact store must do: one suite for the local disk, S3 and Azure Blob Storage. Then
// what only a local disk has: plain files, hard links, damage, crashes.
#include "store/artifacts.h"

#include <atomic>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <sys/stat.h>
#include <thread>

#include <arrow/filesystem/filesystem.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "data/location.h"
#include "store/object_testing.h"
#include "store/testing.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Arrow's client of S3 must end before the process does.
class FileSystemsEnd final : public ::testing::Environment {
 public:
  void TearDown() override { data::ShutDownFileSystems(); }
};
[[maybe_unused]] const auto* const kFileSystemsEnd =
    ::testing::AddGlobalTestEnvironment(new FileSystemsEnd);

std::string SomeBytes(std::size_t n, std::uint64_t seed) {
  base::Rng rng(seed);
  std::string bytes(n, '\0');
  for (std::size_t i = 0; i < n; i += 8) {
    const std::uint64_t word = rng.Next();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, n - i));
  }
  return bytes;
}

class ArtifactsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    static int n_folders = 0;
    root_ = fs::path(::testing::TempDir()) /
            ("artifacts_" + std::to_string(::getpid()) + "_" + std::to_string(++n_folders));
    fs::remove_all(root_);
    workspace_ = std::make_unique<Workspace>(Workspace::Open(root_, true).value());
    metadata_ = kind() == "postgres"
                    ? OpenPostgres(PostgresForTests::Instance().NewDatabase()).value()
                    : OpenSqlite(workspace_->MetadataPath()).value();
    Reopen(kind());
  }
  void TearDown() override {
    store_.reset();
    metadata_.reset();
    fs::remove_all(root_);
  }

  virtual std::string kind() const { return GetParam(); }

  void Reopen(const std::string& kind) {
    if (destination_.empty() && kind != "workspace" && kind != "postgres") {
      destination_ = kind == "folder" ? (root_ / "elsewhere").string()
                     : kind == "s3"   ? NewS3Folder()
                                      : NewAzureFolder();
      if (kind == "s3" || kind == "azure") {
        const auto location = data::Location::Parse(destination_);
        ASSERT_TRUE(location.ok()) << location.error().ToString();
        const std::string container = location->path().substr(0, location->path().find('/'));
        ASSERT_TRUE(location->file_system()->CreateDir(container).ok());
      }
    }
    auto opened = OpenArtifacts(*workspace_, destination_, *metadata_);
    ASSERT_TRUE(opened.ok()) << opened.error().ToString();
    store_ = std::move(opened).value();
  }

  Result<std::string> Put(std::string_view path, std::string_view bytes) {
    MILL_ASSIGN_OR_RETURN(const auto writer, store_->Create(path));
    while (!bytes.empty()) {
      const std::string_view block = bytes.substr(0, 100'000);
      MILL_RETURN_IF_ERROR(writer->Write(block));
      bytes.remove_prefix(block.size());
    }
    return writer->Commit();
  }
  Result<std::string> Get(std::string_view path, std::uint64_t from = 0) {
    MILL_ASSIGN_OR_RETURN(const auto reader, store_->Open(path));
    std::string bytes;
    std::string block(70'000, '\0');
    for (std::uint64_t at = from; at < reader->size();) {
      MILL_ASSIGN_OR_RETURN(const std::size_t n, reader->ReadAt(at, block));
      bytes.append(block, 0, n);
      at += n;
    }
    return bytes;
  }
  std::vector<std::string> Names(std::string_view folder) {
    std::vector<std::string> names;
    const auto entries = store_->List(folder);
    EXPECT_TRUE(entries.ok());
    for (const ArtifactEntry& entry : *entries) {
      names.push_back(entry.path + (entry.is_dir ? "/" : ":" + std::to_string(entry.size)));
    }
    return names;
  }
  Result<std::string> PutPart(const std::string& upload, int number, std::string_view bytes) {
    MILL_ASSIGN_OR_RETURN(const auto writer, store_->CreatePart(upload, number));
    MILL_RETURN_IF_ERROR(writer->Write(bytes));
    return writer->Commit();
  }
  Garbage Collect(bool remove) {
    const Result<Garbage> garbage =
        store_->CollectGarbage({.remove = remove, .uploads_older_than = std::chrono::hours(1)});
    EXPECT_TRUE(garbage.ok()) << garbage.error().ToString();
    return garbage.ok() ? *garbage : Garbage{};
  }

  fs::path root_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<Metadata> metadata_;
  std::string destination_;
  std::unique_ptr<ArtifactStore> store_;
};

using ArtifactConformance = ArtifactsTest;

INSTANTIATE_TEST_SUITE_P(Stores, ArtifactConformance,
                         ::testing::Values("workspace", "postgres", "folder", "s3", "azure"),
                         [](const auto& test) { return test.param; });

TEST_P(ArtifactConformance, WhatWasStoredIsReadWhole) {
  // Around the sizes of a hash block and of what is gathered before an object store is asked.
  for (const std::size_t n :
       {0UL, 1UL, 1'000UL, 1'048'576UL, 1'048'577UL, 3'000'000UL, 5'000'000UL}) {
    const std::string bytes = SomeBytes(n, n);
    const std::string path = "0/run/artifacts/n" + std::to_string(n);
    const auto sha256 = Put(path, bytes);
    ASSERT_TRUE(sha256.ok()) << sha256.error().ToString();
    EXPECT_EQ(*sha256, base::Sha256Hex(bytes));
    const auto reader = store_->Open(path);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->size(), n);
    EXPECT_EQ((*reader)->sha256(), *sha256);
    EXPECT_TRUE(Get(path).value() == bytes) << n;
    if (n > 2'000'000) {
      EXPECT_TRUE(Get(path, 1'999'999).value() == bytes.substr(1'999'999));
    }
  }
}

TEST_P(ArtifactConformance, ListsOneLevelByName) {
  for (const char* const path :
       {"0/r/artifacts/b.txt", "0/r/artifacts/a/x", "0/r/artifacts/a/y/z", "0/r/artifacts/a-b/c",
        "0/r/artifacts/A", "0/r2/artifacts/other"}) {
    ASSERT_TRUE(Put(path, "12345").ok());
  }
  EXPECT_THAT(Names("0/r/artifacts"), ElementsAre("0/r/artifacts/A:5", "0/r/artifacts/a/",
                                                  "0/r/artifacts/a-b/", "0/r/artifacts/b.txt:5"));
  EXPECT_THAT(Names("0/r/artifacts/a"), ElementsAre("0/r/artifacts/a/x:5", "0/r/artifacts/a/y/"));
  EXPECT_THAT(Names(""), ElementsAre("0/"));
  EXPECT_THAT(Names("0/r/artifacts/b.txt"), ElementsAre());
  EXPECT_THAT(Names("no/such"), ElementsAre());
}

TEST_P(ArtifactConformance, LaterBytesReplaceEarlierOnesAndReadersKeepTheirs) {
  ASSERT_TRUE(Put("a/f", "first").ok());
  const auto reader = store_->Open("a/f");
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(Put("a/f", "second, longer").ok());
  EXPECT_EQ(Get("a/f").value(), "second, longer");
  char block[16];
  const auto n = (*reader)->ReadAt(0, block);
  ASSERT_TRUE(n.ok()) << n.error().ToString();
  EXPECT_EQ(std::string(block, *n), "first");
  ASSERT_TRUE(Put("a/f", "first").ok());
  EXPECT_EQ(Get("a/f").value(), "first");
}

TEST_P(ArtifactConformance, NothingIsThereBeforeCommitOrWithoutIt) {
  {
    const auto writer = store_->Create("a/f");
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->Write(SomeBytes(5'000'000, 1)).ok());
    EXPECT_FALSE(store_->Open("a/f").ok());
    EXPECT_THAT(Names("a"), ElementsAre());
  }
  EXPECT_EQ(store_->Open("a/f").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Collect(false).n_blobs, 0);
}

TEST_P(ArtifactConformance, MissingOnesAreNotFoundAndNamed) {
  ASSERT_TRUE(Put("a/f", "x").ok());
  for (const char* const path : {"a/g", "b", "a/f/g", "a"}) {
    const auto opened = store_->Open(path);
    ASSERT_FALSE(opened.ok()) << path;
    EXPECT_EQ(opened.error().code(), ErrorCode::kNotFound) << path;
    EXPECT_THAT(opened.error().message(), HasSubstr(path));
  }
  EXPECT_EQ(store_->Remove("b").error().code(), ErrorCode::kNotFound);
}

TEST_P(ArtifactConformance, AFileIsNoFolderAndAFolderNoFile) {
  ASSERT_TRUE(Put("a/f", "x").ok());
  EXPECT_EQ(Put("a/f/g", "y").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Put("a", "y").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Get("a/f").value(), "x");
}

TEST_P(ArtifactConformance, RemovesFilesAndFolders) {
  for (const char* const path : {"r/a/1", "r/a/b/2", "r/ab/3", "r/4"}) {
    ASSERT_TRUE(Put(path, path).ok());
  }
  ASSERT_TRUE(store_->Remove("r/4").ok());
  ASSERT_TRUE(store_->Remove("r/a").ok());
  EXPECT_THAT(Names("r"), ElementsAre("r/ab/"));
  EXPECT_EQ(Get("r/ab/3").value(), "r/ab/3");
  // The place is free again, for either kind.
  ASSERT_TRUE(Put("r/a", "now a file").ok());
  EXPECT_EQ(Get("r/a").value(), "now a file");
}

TEST_P(ArtifactConformance, EqualBytesAreKeptOnceUntilTheLastPathGoes) {
  const std::string small = SomeBytes(100'000, 7);
  const std::string large = SomeBytes(5'000'000, 8);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Put("small/" + std::to_string(i), small).ok());
    ASSERT_TRUE(Put("large/" + std::to_string(i), large).ok());
  }
  EXPECT_EQ(metadata_->Query("SELECT sha256 FROM artifact_blobs")->size(), 2U);
  ASSERT_TRUE(store_->Remove("small/0").ok());
  ASSERT_TRUE(store_->Remove("large").ok());
  EXPECT_TRUE(Get("small/2").value() == small);
  const Garbage found = Collect(false);
  EXPECT_EQ(found.n_blobs, 1);
  EXPECT_EQ(found.n_bytes, large.size());
  // Looking removes nothing.
  EXPECT_EQ(Collect(false).n_blobs, 1);
  const Garbage removed = Collect(true);
  EXPECT_EQ(removed.n_blobs, 1);
  EXPECT_EQ(removed.n_bytes, large.size());
  EXPECT_EQ(Collect(false).n_blobs, 0);
  EXPECT_TRUE(Get("small/2").value() == small);
  ASSERT_TRUE(Put("large/again", large).ok());
  EXPECT_TRUE(Get("large/again").value() == large);
}

TEST_P(ArtifactConformance, PartsComeInAnyOrderAndAgain) {
  const std::string one = SomeBytes(1'500'000, 1);
  const std::string two = SomeBytes(1'500'000, 2);
  const std::string three = "end";
  const auto upload = store_->BeginUpload("m/big.bin");
  ASSERT_TRUE(upload.ok());
  const auto third = PutPart(*upload, 3, three);
  ASSERT_TRUE(third.ok()) << third.error().ToString();
  ASSERT_TRUE(PutPart(*upload, 1, "not this").ok());
  Reopen(kind());
  ASSERT_TRUE(PutPart(*upload, 2, two).ok());
  const auto first = PutPart(*upload, 1, one);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*first, base::Sha256Hex(one));
  EXPECT_FALSE(store_->Open("m/big.bin").ok());

  const std::vector<ArtifactPart> parts = {{3, *third}, {1, "\"" + *first + "\""}, {2, ""}};
  EXPECT_EQ(store_->CompleteUpload(*upload, "m/other", parts).error().code(),
            ErrorCode::kInvalidArgument);
  const std::vector<ArtifactPart> missing = {{1, ""}, {4, ""}};
  EXPECT_THAT(store_->CompleteUpload(*upload, "m/big.bin", missing).error().message(),
              HasSubstr("part 4"));
  const std::vector<ArtifactPart> wrong = {{1, *third}};
  EXPECT_THAT(store_->CompleteUpload(*upload, "m/big.bin", wrong).error().message(),
              HasSubstr("part 1"));
  const auto done = store_->CompleteUpload(*upload, "m/big.bin", parts);
  ASSERT_TRUE(done.ok()) << done.error().ToString();
  EXPECT_EQ(*done, base::Sha256Hex(one + two + three));
  EXPECT_TRUE(Get("m/big.bin").value() == one + two + three);
  EXPECT_EQ(store_->CompleteUpload(*upload, "m/big.bin", parts).error().code(),
            ErrorCode::kNotFound);
  // Only the part that was replaced is left over.
  EXPECT_LE(Collect(true).n_blobs, 1);
  EXPECT_TRUE(Get("m/big.bin").value() == one + two + three);
}

TEST_P(ArtifactConformance, AbortedUploadsLeaveNothing) {
  const auto upload = store_->BeginUpload("m/big.bin");
  ASSERT_TRUE(PutPart(*upload, 1, SomeBytes(2'000'000, 3)).ok());
  // A part is no garbage while its upload goes on.
  EXPECT_EQ(Collect(true).n_blobs, 0);
  ASSERT_TRUE(store_->AbortUpload(*upload).ok());
  ASSERT_TRUE(store_->AbortUpload(*upload).ok());
  EXPECT_EQ(PutPart(*upload, 2, "x").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Collect(false).n_blobs, 0);
  EXPECT_EQ(PutPart("nonsense", 1, "x").error().code(), ErrorCode::kNotFound);
  const auto other = store_->BeginUpload("m/f");
  EXPECT_EQ(PutPart(*other, 0, "x").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(PutPart(*other, 100'001, "x").error().code(), ErrorCode::kInvalidArgument);
}

TEST_P(ArtifactConformance, ForgottenUploadsAreGarbage) {
  const auto upload = store_->BeginUpload("m/big.bin");
  ASSERT_TRUE(PutPart(*upload, 1, "some part").ok());
  const GarbageOptions now{.remove = true, .uploads_older_than = std::chrono::milliseconds(-1000)};
  const auto garbage = store_->CollectGarbage(now);
  ASSERT_TRUE(garbage.ok());
  EXPECT_EQ(garbage->n_uploads, 1);
  EXPECT_EQ(PutPart(*upload, 2, "x").error().code(), ErrorCode::kNotFound);
}

// Writers of the same bytes, removers and the collector at once: what was committed and not removed
// is there.
TEST_P(ArtifactConformance, CollectingWhileOthersWriteLosesNothing) {
  std::atomic<bool> is_done{false};
  std::atomic<int> n_errors{0};
  const int n_rounds = GetParam() == "s3" || GetParam() == "azure" ? 4 : 40;
  std::jthread collector([&] {
    while (!is_done) {
      n_errors += Collect(true).n_uploads == 0 ? 0 : 1;
    }
  });
  std::vector<std::jthread> writers;
  for (int w = 0; w < 3; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < n_rounds; ++i) {
        const std::string path = "w" + std::to_string(w);
        const std::string bytes = "shared " + std::to_string(i % 3);
        n_errors += Put(path, bytes).ok() ? 0 : 1;
        const auto read = Get(path);
        n_errors += read.ok() && *read == bytes ? 0 : 1;
        n_errors += i % 2 == 0 || store_->Remove(path).ok() ? 0 : 1;
      }
    });
  }
  writers.clear();
  is_done = true;
  collector.join();
  EXPECT_EQ(n_errors, 0);
}

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
