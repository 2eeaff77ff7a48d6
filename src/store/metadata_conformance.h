// SPDX-License-Identifier: Apache-2.0
// What every metadata database must do, as a parameterised GoogleTest suite. A test file of a
// database says:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, MetadataConformance, testing::Values(MakeDatabase));
#pragma once

#include <atomic>
#include <functional>
#include <latch>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "store/metadata.h"

namespace millrace::store {

/// Opens one and the same database; each call stands for another process.
using MetadataOpener = std::function<std::unique_ptr<Metadata>()>;
/// Makes an empty database.
using MetadataFactory = std::function<MetadataOpener()>;

class MetadataConformance : public testing::TestWithParam<MetadataFactory> {
 protected:
  void SetUp() override {
    open_ = GetParam()();
    db_ = open_();
  }

  void Run(std::string_view sql, std::initializer_list<Value> params = {}) {
    const Result<void> result = db_->Execute(sql, params);
    ASSERT_TRUE(result.ok()) << result.error().ToString();
  }
  static std::int64_t Number(Metadata& db, std::string_view sql) {
    const auto rows = db.Query(sql);
    EXPECT_TRUE(rows.ok()) << rows.error().ToString();
    return rows.ok() && rows->size() == 1 ? IntOr((*rows)[0][0], -1) : -1;
  }
  std::string Texts(std::string_view sql, std::initializer_list<Value> params = {}) {
    std::string all;
    const Result<void> result = db_->ForEach(
        sql, params, [&all](RowView row) { all += std::string(TextOr(row[0], "NULL")) + ";"; });
    EXPECT_TRUE(result.ok()) << result.error().ToString();
    return all;
  }
  template <typename T>
  static base::ErrorCode Code(const Result<T>& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? base::ErrorCode::kInternal : result.error().code();
  }

  MetadataOpener open_;
  std::unique_ptr<Metadata> db_;
};

TEST_P(MetadataConformance, ValuesOfEveryTypeComeBack) {
  Run("CREATE TABLE t (a INTEGER, b REAL, c TEXT, d TEXT)");
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr double kSmall = 4.9e-324;
  const std::string text = "K\xC3\xA4se \xF0\x9F\xA7\x80 'quoted' \\ \n?";
  Run("INSERT INTO t VALUES (?, ?, ?, ?)", {kLeast, kSmall, text, std::monostate()});
  const std::vector<Row> rows = *db_->Query("SELECT a, b, c, d FROM t WHERE a = ?", {kLeast});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(IntOr(rows[0][0], 0), kLeast);
  EXPECT_EQ(DoubleOr(rows[0][1], 0), kSmall);
  EXPECT_EQ(TextOr(rows[0][2], ""), text);
  EXPECT_TRUE(IsNull(rows[0][3]));
  EXPECT_EQ(TextOr(rows[0][3], "none"), "none");
}

TEST_P(MetadataConformance, DoublesKeepEveryBit) {
  Run("CREATE TABLE t (a INTEGER PRIMARY KEY, b REAL)");
  const std::vector<double> values = {
      0.1, 1.0 / 3, -0.0, 1e308, 5e-324, 123456789012345680.0, -1e-7, 3.0, 1.7976931348623157e308};
  for (std::size_t i = 0; i < values.size(); ++i) {
    Run("INSERT INTO t VALUES (?, ?)", {static_cast<std::int64_t>(i), values[i]});
  }
  const std::vector<Row> rows = *db_->Query("SELECT b FROM t ORDER BY a");
  ASSERT_EQ(rows.size(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(DoubleOr(rows[i][0], -1), values[i]) << i;
  }
}

TEST_P(MetadataConformance, CountsAndSumsAreIntegers) {
  Run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3)");
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM t"), 3);
  EXPECT_EQ(Number(*db_, "SELECT SUM(a) FROM t"), 6);
  EXPECT_EQ(Number(*db_, "SELECT MAX(a) FROM t"), 3);
  EXPECT_EQ(Number(*db_, "SELECT COALESCE(MAX(a), 0) FROM t WHERE a > 9"), 0);
  EXPECT_EQ(Number(*db_, "SELECT EXISTS (SELECT 1 FROM t WHERE a = 2)"), 1);
}

TEST_P(MetadataConformance, ChangedRowsAreCounted) {
  Run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (1), (2)");
  EXPECT_EQ(*db_->ExecuteCounted("UPDATE t SET a = 5 WHERE a = ?", {std::int64_t{1}}), 2);
  EXPECT_EQ(*db_->ExecuteCounted("UPDATE t SET a = 5 WHERE a = ?", {std::int64_t{1}}), 0);
  EXPECT_EQ(*db_->ExecuteCounted("DELETE FROM t"), 3);
}

TEST_P(MetadataConformance, TextsAreOrderedByTheirBytes) {
  Run("CREATE TABLE t (a TEXT PRIMARY KEY)");
  for (const char* text : {"b", "B", "_a", "a b", "\xC3\xA4", "ab", "a-b", "Z"}) {
    Run("INSERT INTO t VALUES (?)", {std::string(text)});
  }
  EXPECT_EQ(Texts("SELECT a FROM t ORDER BY a"), "B;Z;_a;a b;a-b;ab;b;\xC3\xA4;");
  EXPECT_EQ(Texts("SELECT a FROM t WHERE a > ? ORDER BY a DESC", {std::string("a")}),
            "\xC3\xA4;b;ab;a-b;a b;");
}

TEST_P(MetadataConformance, KeysAreGivenOutAndMayBeGiven) {
  Run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL)");
  const auto first = db_->Query("INSERT INTO t (b) VALUES (?) RETURNING a", {std::string("x")});
  const auto second = db_->Query("INSERT INTO t (b) VALUES (?) RETURNING a", {std::string("y")});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(IntOr((*first)[0][0], 0), IntOr((*second)[0][0], 0));
  Run("INSERT INTO t (a, b) VALUES (?, ?)", {std::int64_t{1000}, std::string("z")});
  EXPECT_EQ(Texts("SELECT b FROM t WHERE a = ?", {std::int64_t{1000}}), "z;");
}

TEST_P(MetadataConformance, QuestionMarksInTextsAreNoParameters) {
  Run("CREATE TABLE t (a TEXT)");
  Run("INSERT INTO t VALUES ('it''s ? ' || ?)", {std::string("really?")});
  EXPECT_EQ(Texts("SELECT a AS \"what?\" FROM t WHERE a <> ? -- why?", {std::string("?")}),
            "it's ? really?;");
}

TEST_P(MetadataConformance, UpsertKeepsOneRow) {
  Run("CREATE TABLE t (a INTEGER, b TEXT, c TEXT NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID");
  for (const char* text : {"first", "second"}) {
    Run("INSERT INTO t (a, b, c) VALUES (?, ?, ?) "
        "ON CONFLICT (a, b) DO UPDATE SET c = excluded.c",
        {std::int64_t{1}, std::string("k"), std::string(text)});
    Run("INSERT INTO t (a, b, c) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        {std::int64_t{2}, std::string("k"), std::string(text)});
  }
  EXPECT_EQ(Texts("SELECT c FROM t ORDER BY a"), "second;first;");
}

TEST_P(MetadataConformance, SqlErrorsHaveTheirCodes) {
  using base::ErrorCode;
  Run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c TEXT NOT NULL DEFAULT '')");
  Run("CREATE TABLE u (a INTEGER NOT NULL REFERENCES t(a))");
  Run("INSERT INTO t (a, b) VALUES (1, 'x')");
  EXPECT_EQ(Code(db_->Execute("INSERT INTO t (a, b) VALUES (1, 'y')")), ErrorCode::kAlreadyExists);
  EXPECT_EQ(Code(db_->Execute("INSERT INTO t (a, b) VALUES (2, ?)", {std::string("x")})),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(Code(db_->Execute("INSERT INTO t (a, c) VALUES (3, NULL)")),
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Code(db_->Execute("INSERT INTO u VALUES (?)", {std::int64_t{77}})),
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Code(db_->Execute("SELEC")), ErrorCode::kInternal);
  EXPECT_EQ(Code(db_->Query("SELECT a FROM nowhere")), ErrorCode::kInternal);
  EXPECT_EQ(Code(db_->Query("SELECT a FROM t WHERE a = ?")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Code(db_->Query("SELECT a FROM t", {std::int64_t{1}})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Code(db_->Query("SELECT 1; SELECT 2")), ErrorCode::kInternal);
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM t"), 1);
}

TEST_P(MetadataConformance, TransactionIsAllOrNothing) {
  Run("CREATE TABLE t (a INTEGER)");
  {
    const Result<Transaction> dropped = Transaction::Begin(*db_);
    ASSERT_TRUE(dropped.ok());
    Run("INSERT INTO t VALUES (1)");
  }
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM t"), 0);
  Result<Transaction> kept = Transaction::Begin(*db_);
  Run("INSERT INTO t VALUES (1)");
  ASSERT_TRUE(kept->Commit().ok());
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM t"), 1);
}

TEST_P(MetadataConformance, NestedTransactionRollsBackAlone) {
  Run("CREATE TABLE t (a INTEGER PRIMARY KEY)");
  Result<Transaction> outer = Transaction::Begin(*db_);
  Run("INSERT INTO t VALUES (1)");
  {
    const Result<Transaction> inner = Transaction::Begin(*db_);
    Run("INSERT INTO t VALUES (2)");
    EXPECT_FALSE(db_->Execute("INSERT INTO t VALUES (1)").ok());
  }
  Result<Transaction> second = Transaction::Begin(*db_);
  Run("INSERT INTO t VALUES (3)");
  ASSERT_TRUE(second->Commit().ok());
  ASSERT_TRUE(outer->Commit().ok());
  EXPECT_EQ(Number(*db_, "SELECT SUM(a) FROM t"), 4);
}

TEST_P(MetadataConformance, WritersWaitForATransaction) {
  Run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (0)");
  const std::unique_ptr<Metadata> other = open_();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Metadata& db = i % 2 == 0 ? *db_ : *other;
      for (int j = 0; j < 10; ++j) {
        Result<Transaction> transaction = Transaction::Begin(db);
        ASSERT_TRUE(transaction.ok()) << transaction.error().ToString();
        const std::int64_t value = Number(db, "SELECT a FROM t");
        ASSERT_TRUE(db.Execute("UPDATE t SET a = ?", {value + 1}).ok());
        ASSERT_TRUE(transaction->Commit().ok());
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Number(*db_, "SELECT a FROM t"), 40);
}

TEST_P(MetadataConformance, ReadersDoNotWaitForATransactionNorSeeIt) {
  Run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)");
  Result<Transaction> transaction = Transaction::Begin(*db_);
  Run("UPDATE t SET a = 2");
  EXPECT_EQ(Number(*db_, "SELECT a FROM t"), 2);
  std::int64_t seen = 0;
  std::thread([&] { seen = Number(*db_, "SELECT a FROM t"); }).join();
  EXPECT_EQ(seen, 1);
  ASSERT_TRUE(transaction->Commit().ok());
  std::thread([&] { seen = Number(*db_, "WITH x AS (SELECT a FROM t) SELECT a FROM x"); }).join();
  EXPECT_EQ(seen, 2);
}

TEST_P(MetadataConformance, ManyReadersAtOnce) {
  Run("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3)");
  std::latch start(40);
  std::atomic<int> n_good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 40; ++i) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int j = 0; j < 20; ++j) {
        n_good += Number(*db_, "SELECT SUM(a) FROM t") == 6 ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(n_good, 800);
}

TEST_P(MetadataConformance, RowsAreStreamed) {
  Run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c REAL)");
  Run("INSERT INTO t (a, b, c) "
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
      "SELECT i, 'text ' || i, i * 0.5 FROM n");
  std::int64_t sum = 0;
  double half = 0;
  std::string last;
  const auto read = db_->ForEach("SELECT a, b, c, NULL FROM t WHERE a <= ? ORDER BY a",
                                 {std::int64_t{9999}}, [&](RowView row) {
                                   ASSERT_EQ(row.size(), 4U);
                                   sum += IntOr(row[0], 0);
                                   half += DoubleOr(row[2], 0);
                                   EXPECT_TRUE(IsNull(row[3]));
                                   last = TextOr(row[1], "");
                                 });
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(sum, 49'995'000);
  EXPECT_EQ(half, 24'997'500.0);
  EXPECT_EQ(last, "text 9999");
}

TEST_P(MetadataConformance, DataVersionChangesWithEveryCommitOfAnybody) {
  Run("CREATE TABLE t (a INTEGER)");
  const std::unique_ptr<Metadata> other = open_();
  const std::uint64_t first = db_->DataVersion().value();
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM t"), 0);
  EXPECT_EQ(db_->DataVersion().value(), first);
  Run("INSERT INTO t VALUES (1)");
  const std::uint64_t second = db_->DataVersion().value();
  EXPECT_NE(second, first);
  ASSERT_TRUE(other->Execute("INSERT INTO t VALUES (2)").ok());
  EXPECT_NE(db_->DataVersion().value(), second);
}

TEST_P(MetadataConformance, MigrationsRunOnceAndInOrder) {
  const std::vector<Migration> first = {{"m", 1, "CREATE TABLE t (a INTEGER)"}};
  const std::vector<Migration> both = {
      {"m", 1, "CREATE TABLE t (a INTEGER)"},
      {"m", 2, "ALTER TABLE t ADD COLUMN b TEXT; INSERT INTO t VALUES (1, 'x;y')"},
      {"other", 1, "CREATE TABLE u (a INTEGER)"}};
  ASSERT_TRUE(db_->Migrate(first).ok());
  ASSERT_TRUE(db_->Migrate(both).ok());
  ASSERT_TRUE(db_->Migrate(both).ok());
  EXPECT_EQ(Texts("SELECT b FROM t"), "x;y;");
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM u"), 0);
  const Result<void> older = db_->Migrate(first);
  EXPECT_EQ(Code(older), base::ErrorCode::kFailedPrecondition);
  EXPECT_NE(older.error().message().find("version 2"), std::string::npos);
}

TEST_P(MetadataConformance, BrokenMigrationChangesNothing) {
  const std::vector<Migration> broken = {
      {"m", 1, "CREATE TABLE s (a INTEGER)"},
      {"m", 2, "CREATE TABLE t (a INTEGER); INSERT INTO missing VALUES (1)"}};
  const Result<void> migrated = db_->Migrate(broken);
  ASSERT_FALSE(migrated.ok());
  EXPECT_NE(migrated.error().ToString().find("version 2"), std::string::npos);
  EXPECT_FALSE(db_->HasTable("s").value());
  EXPECT_FALSE(db_->HasTable("t").value());
}

TEST_P(MetadataConformance, ProcessesMigrateAtOnce) {
  const std::vector<Migration> migrations = {{"m", 1, "CREATE TABLE t (a INTEGER PRIMARY KEY)"},
                                             {"m", 2, "INSERT INTO t VALUES (1)"}};
  std::latch start(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const std::unique_ptr<Metadata> db = open_();
      start.arrive_and_wait();
      const Result<void> migrated = db->Migrate(migrations);
      EXPECT_TRUE(migrated.ok()) << migrated.error().ToString();
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(Number(*db_, "SELECT COUNT(*) FROM t"), 1);
}

}  // namespace millrace::store
