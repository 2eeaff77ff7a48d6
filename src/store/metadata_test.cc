// SPDX-License-Identifier: Apache-2.0
// The conformance suite of metadata databases on each of them.
#include <filesystem>
#include <stdlib.h>

#include "store/internal/database.h"
#include "store/metadata_conformance.h"

namespace millrace::store {
namespace {

/// A folder that goes when the last opener of its database goes.
struct Folder {
  Folder() {
    std::string pattern = testing::TempDir() + "/metadata_XXXXXX";
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path = pattern;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path path;
};

MetadataOpener MakeSqlite() {
  const auto folder = std::make_shared<Folder>();
  return [folder] { return OpenSqlite(folder->path / "metadata.db").value(); };
}

INSTANTIATE_TEST_SUITE_P(Sqlite, MetadataConformance, testing::Values(MakeSqlite));

TEST(OnlyReads, IsDecidedByTheWords) {
  EXPECT_TRUE(internal::OnlyReads("SELECT 1"));
  EXPECT_TRUE(internal::OnlyReads("  (select 1) union select 2"));
  EXPECT_TRUE(internal::OnlyReads("VALUES (1)"));
  EXPECT_TRUE(internal::OnlyReads("with inserted_rows as (select 1) select * from inserted_rows"));
  EXPECT_FALSE(internal::OnlyReads("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"));
  EXPECT_FALSE(internal::OnlyReads("insert into t values (1) returning a"));
  EXPECT_FALSE(internal::OnlyReads("PRAGMA user_version"));
  EXPECT_FALSE(internal::OnlyReads(""));
}

}  // namespace
}  // namespace millrace::store
