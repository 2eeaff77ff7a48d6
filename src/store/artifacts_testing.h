// SPDX-License-Identifier: Apache-2.0
// An artifact store of each kind, for tests.
#pragma once

#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <arrow/filesystem/filesystem.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "data/location.h"
#include "store/artifacts.h"
#include "store/object_testing.h"
#include "store/testing.h"

namespace millrace::store {

/// The same bytes for the same seed.
inline std::string SomeBytes(std::size_t n, std::uint64_t seed) {
  base::Rng rng(seed);
  std::string bytes(n, '\0');
  for (std::size_t i = 0; i < n; i += 8) {
    const std::uint64_t word = rng.Next();
    std::memcpy(bytes.data() + i, &word, std::min<std::size_t>(8, n - i));
  }
  return bytes;
}

/// An artifact store of the kind that the parameter names, over a workspace of its own.
class ArtifactsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    static int n_folders = 0;
    root_ = std::filesystem::path(::testing::TempDir()) /
            ("artifacts_" + std::to_string(::getpid()) + "_" + std::to_string(++n_folders));
    std::filesystem::remove_all(root_);
    workspace_ = std::make_unique<Workspace>(Workspace::Open(root_, true).value());
    metadata_ = kind() == "postgres"
                    ? OpenPostgres(PostgresForTests::Instance().NewDatabase()).value()
                    : OpenSqlite(workspace_->MetadataPath()).value();
    Reopen(kind());
  }
  void TearDown() override {
    store_.reset();
    metadata_.reset();
    std::filesystem::remove_all(root_);
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

  std::filesystem::path root_;
  std::unique_ptr<Workspace> workspace_;
  std::unique_ptr<Metadata> metadata_;
  std::string destination_;
  std::unique_ptr<ArtifactStore> store_;
};

}  // namespace millrace::store
