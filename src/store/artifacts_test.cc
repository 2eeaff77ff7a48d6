// SPDX-License-Identifier: Apache-2.0
// What every artifact store must do: one suite for the local disk, S3 and Azure Blob Storage.
#include "store/artifacts.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "data/location.h"
#include "store/artifacts_testing.h"

namespace millrace::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Arrow's client of S3 must end before the process does.
class FileSystemsEnd final : public ::testing::Environment {
 public:
  void TearDown() override { data::ShutDownFileSystems(); }
};
[[maybe_unused]] const auto* const kFileSystemsEnd =
    ::testing::AddGlobalTestEnvironment(new FileSystemsEnd);

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

}  // namespace
}  // namespace millrace::store
