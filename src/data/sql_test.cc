// SPDX-License-Identifier: Apache-2.0
// SQL: types across the border, errors in our words, interruption, and the header of tables/*.sql.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "data/parquet.h"
#include "data/sql_engine.h"
#include "data/sql_table.h"

namespace millrace::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

class Sql : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) / ("millrace_sql_" + std::string(CurrentTest()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    engine_ = OpenDuckDb().value();
  }
  void TearDown() override { fs::remove_all(dir_); }

  static std::string CurrentTest() {
    return ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  Table Query(std::string_view sql) {
    auto result = engine_->Query(Context{}, sql);
    EXPECT_TRUE(result.ok()) << result.error().ToString();
    return std::move(result).value();
  }

  fs::path dir_;
  std::unique_ptr<SqlEngine> engine_;
};

Table Rows(std::int64_t n) {
  std::vector<std::int64_t> id;
  std::vector<std::uint8_t> is_null;
  std::vector<std::string> text;
  for (std::int64_t i = 0; i < n; ++i) {
    id.push_back(i);
    is_null.push_back(i % 7 == 3 ? 1 : 0);
    text.push_back("row number " + std::to_string(i));
  }
  std::vector<std::int64_t> time = id;
  std::vector<double> half;
  for (const std::int64_t i : id) {
    half.push_back(static_cast<double>(i) / 2);
  }
  return TableBuilder()
      .AddInt64s("id", id)
      .AddDoubles("half", half)
      .AddStrings("text", text, is_null)
      .AddTimestamps("at", time, is_null)
      .AddBools("odd", std::vector<std::uint8_t>(static_cast<std::size_t>(n), 1))
      .Finish()
      .value();
}

TEST_F(Sql, TablesGoInAndComeOutUnchanged) {
  const Table table = Rows(5000);  // more than two of DuckDB's vectors
  ASSERT_TRUE(engine_->AddTable("t", table).ok());
  EXPECT_EQ(Query("SELECT * FROM t").Hash(), table.Hash());
}

TEST_F(Sql, SlicedTablesGoInFromTheirOffset) {
  const Table table = Rows(5000).Slice(4321, 100);
  ASSERT_TRUE(engine_->AddTable("t", table).ok());
  EXPECT_EQ(Query("SELECT * FROM t").Hash(), table.Hash());
}

TEST_F(Sql, AddingAgainReplacesTableOrView) {
  ASSERT_TRUE(WriteParquet(Context{}, Rows(3), dir_ / "a.parquet").ok());
  const std::vector<fs::path> files = {dir_ / "a.parquet"};
  ASSERT_TRUE(engine_->AddTable("t", Rows(1)).ok());
  ASSERT_TRUE(engine_->AddFiles("t", files).ok());
  ASSERT_TRUE(engine_->AddFiles("t", files).ok());
  EXPECT_EQ(Query("SELECT * FROM t").rows(), 3);
  ASSERT_TRUE(engine_->AddTable("t", Rows(2)).ok());
  EXPECT_EQ(Query("SELECT * FROM t").rows(), 2);
}

TEST_F(Sql, EmptyResultsKeepTheirColumns) {
  ASSERT_TRUE(engine_->AddTable("t", Rows(10)).ok());
  const Table none = Query("SELECT id, text FROM t WHERE id < 0");
  EXPECT_EQ(none.rows(), 0);
  EXPECT_EQ(none.TypeOf("text").value(), ColumnType::kString);
}

TEST_F(Sql, SumOfIntegersIsAnInteger) {
  ASSERT_TRUE(engine_->AddTable("t", Rows(10)).ok());
  const Table sum =
      Query("SELECT sum(id) AS s, avg(id) AS a, CAST(1.5 AS DECIMAL(9, 2)) AS d FROM t");
  EXPECT_THAT(sum.Int64s("s").value().values, ElementsAre(45));
  EXPECT_EQ(sum.Doubles("a").value()[0], 4.5);
  EXPECT_EQ(sum.Doubles("d").value()[0], 1.5);
}

TEST_F(Sql, FilesAreReadInTheGivenOrder) {
  ASSERT_TRUE(WriteParquet(Context{}, Rows(10).Slice(5, 5), dir_ / "a.parquet").ok());
  ASSERT_TRUE(WriteParquet(Context{}, Rows(10).Slice(0, 5), dir_ / "b.parquet").ok());
  const std::vector<fs::path> files = {dir_ / "b.parquet", dir_ / "a.parquet"};
  ASSERT_TRUE(engine_->AddFiles("t", files).ok());
  EXPECT_EQ(Query("SELECT * FROM t").Hash(), Rows(10).Hash());
}

TEST_F(Sql, CsvFilesAreReadToo) {
  ASSERT_TRUE(
      base::WriteFileAtomic(dir_ / "a.csv", "id,day\n1,2010-06-01\n2,2010-06-02 08:30:00\n").ok());
  const std::vector<fs::path> files = {dir_ / "a.csv"};
  ASSERT_TRUE(engine_->AddFiles("t", files).ok());
  EXPECT_THAT(Query("SELECT day FROM t WHERE id = 2").Timestamps("day").value().values,
              ElementsAre(1'275'467'400'000'000));
}

TEST_F(Sql, FilesWithDifferentColumnsAreRefused) {
  ASSERT_TRUE(WriteParquet(Context{}, Rows(2), dir_ / "a.parquet").ok());
  ASSERT_TRUE(WriteParquet(Context{}, TableBuilder().AddInt64s("id", {1}).Finish().value(),
                           dir_ / "b.parquet")
                  .ok());
  const std::vector<fs::path> files = {dir_ / "a.parquet", dir_ / "b.parquet"};
  const auto result = engine_->AddFiles("t", files);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), HasSubstr("b.parquet lacks the column \"at\""));
}

TEST_F(Sql, TimesAreUtc) {
  const Table table =
      Query("SELECT TIMESTAMPTZ '2010-06-01 00:00:00+02' AS t, DATE '2010-06-01' AS d");
  EXPECT_THAT(table.Timestamps("t").value().values, ElementsAre(1'275'343'200'000'000));
  EXPECT_THAT(table.Timestamps("d").value().values, ElementsAre(1'275'350'400'000'000));
}

TEST_F(Sql, MistakesCarryTheMessageAndTheLine) {
  ASSERT_TRUE(engine_->AddTable("t", Rows(1)).ok());
  const auto column = engine_->Query(Context{}, "SELECT id,\n  haff\nFROM t");
  ASSERT_FALSE(column.ok());
  EXPECT_EQ(column.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(column.error().message(), HasSubstr("haff"));
  EXPECT_EQ(column.error().where().line, 2);
  const auto table = engine_->Query(Context{}, "SELECT * FROM tt");
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(table.error().message(), HasSubstr("tt"));
}

TEST_F(Sql, DescribeGivesTypesWithoutRunning) {
  ASSERT_TRUE(engine_->AddTable("t", Rows(1)).ok());
  const auto columns =
      engine_->Describe("SELECT id, sum(id) AS s, text FROM t GROUP BY ALL ORDER BY id;\n");
  ASSERT_TRUE(columns.ok()) << columns.error().ToString();
  EXPECT_THAT(columns.value(),
              ElementsAre(ColumnInfo{"id", ColumnType::kInt64}, ColumnInfo{"s", ColumnType::kInt64},
                          ColumnInfo{"text", ColumnType::kString}));
}

TEST_F(Sql, StopInterruptsARunningQuery) {
  std::stop_source source;
  Context context;
  context.stop = source.get_token();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    source.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  const auto result =
      engine_->Query(context, "SELECT count(*) FROM range(100000000000) a, range(1000) b");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_EQ(Query("SELECT 1 AS one").rows(), 1);
}

TEST_F(Sql, DeadlineEndsAQuery) {
  Context context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  const auto result =
      engine_->Query(context, "SELECT count(*) FROM range(100000000000) a, range(1000) b");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(Sql, DamagedFileIsNamed) {
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "bad.parquet", "PAR1 and then nothing of use").ok());
  const std::vector<fs::path> files = {dir_ / "bad.parquet"};
  const auto result = engine_->AddFiles("t", files);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(result.error().message(), HasSubstr("bad.parquet"));
}

TEST(ReferencedTables, AreFoundBehindWithJoinsAndSubqueries) {
  const auto tables = ReferencedTables(
      "WITH w AS (SELECT * FROM retail) SELECT * FROM w JOIN \"Customers\" c USING (id) "
      "WHERE EXISTS (SELECT 1 FROM returns r WHERE r.id = w.id)");
  ASSERT_TRUE(tables.ok()) << tables.error().ToString();
  EXPECT_THAT(tables.value(), ElementsAre("Customers", "retail", "returns"));
}

TEST(ReferencedTables, NamesOfWithAreHiddenWhereTheyAreSeen) {
  EXPECT_THAT(ReferencedTables("WITH t AS (SELECT * FROM t) SELECT * FROM t").value(),
              ElementsAre("t"));
  EXPECT_THAT(
      ReferencedTables("WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b, c").value(),
      ElementsAre("c"));
  EXPECT_THAT(ReferencedTables(
                  "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
                  "SELECT * FROM n, 'it''s'.x")
                  .error()
                  .code(),
              ErrorCode::kInvalidArgument);
  EXPECT_THAT(ReferencedTables(
                  "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
                  "SELECT *, 'it''s' FROM n")
                  .value(),
              IsEmpty());
  EXPECT_FALSE(ReferencedTables("DROP TABLE t").ok());
}

TEST(ReferencedTables, SyntaxErrorsTellTheLine) {
  const auto tables = ReferencedTables("SELECT *\nFRM t");
  ASSERT_FALSE(tables.ok());
  EXPECT_EQ(tables.error().where().line, 2);
}

TEST(SqlTable, HeaderAndStatementAreRead) {
  const auto table = ParseSqlTable(
      "-- table: transactions\n-- kind: materialized_view\n-- description: After cleaning: all of "
      "it.\n"
      "-- time: invoice_date\n-- key: customer_id\n-- A remark, no header.\nSELECT * FROM retail "
      "ORDER BY 1;\n",
      "tables/transactions.sql");
  ASSERT_TRUE(table.ok()) << table.error().ToString();
  EXPECT_EQ(table.value().name, "transactions");
  EXPECT_EQ(table.value().description, "After cleaning: all of it.");
  EXPECT_EQ(table.value().time, "invoice_date");
  EXPECT_EQ(table.value().key, "customer_id");
  EXPECT_THAT(table.value().depends, ElementsAre("retail"));
}

TEST(SqlTable, MistakesNameFileAndLine) {
  const auto word = ParseSqlTable("-- table: t\n-- kinds: materialized_view\nSELECT 1", "t.sql");
  ASSERT_FALSE(word.ok());
  EXPECT_EQ(word.error().where().file, "t.sql");
  EXPECT_EQ(word.error().where().line, 2);
  EXPECT_THAT(word.error().ToString(), HasSubstr("kind"));
  EXPECT_EQ(ParseSqlTable("-- table: t\n\nSELECT *\nFROM a,,b", "t.sql").error().where().line, 4);
  EXPECT_FALSE(ParseSqlTable("SELECT 1", "t.sql").ok());
  EXPECT_FALSE(ParseSqlTable("-- table: t\n", "t.sql").ok());
  EXPECT_FALSE(ParseSqlTable("-- table: t\nSELECT 1; SELECT 2", "t.sql").ok());
  EXPECT_FALSE(ParseSqlTable("-- table: t\n-- table: u\nSELECT 1", "t.sql").ok());
  EXPECT_FALSE(ParseSqlTable("-- table: t\n-- kind: streaming_tabel\nSELECT 1", "t.sql").ok());
  EXPECT_FALSE(ParseSqlTable("-- table: t\nSELECT * FROM t", "t.sql").ok());
}

SqlTable Depending(std::string name, std::vector<std::string> depends) {
  SqlTable table;
  table.name = std::move(name);
  table.depends = std::move(depends);
  return table;
}

TEST(OrderByDependency, EachTableComesAfterItsInputs) {
  const auto ordered = OrderByDependency(
      {Depending("a", {"b", "raw"}), Depending("b", {"c"}), Depending("c", {"raw"})});
  ASSERT_TRUE(ordered.ok());
  std::vector<std::string> names;
  for (const SqlTable& table : ordered.value()) {
    names.push_back(table.name);
  }
  EXPECT_THAT(names, ElementsAre("c", "b", "a"));
}

TEST(OrderByDependency, CirclesAreNamed) {
  const auto ordered =
      OrderByDependency({Depending("a", {"b"}), Depending("b", {"a"}), Depending("c", {})});
  ASSERT_FALSE(ordered.ok());
  EXPECT_THAT(ordered.error().message(), HasSubstr("a, b"));
}

TEST(ReadSqlTables, TellsAllErrorsAtOnceAndMissesNoFolder) {
  EXPECT_THAT(ReadSqlTables("/nonexistent").value(), IsEmpty());
  const fs::path dir = fs::path(::testing::TempDir()) / "millrace_sql_tables";
  fs::remove_all(dir);
  ASSERT_TRUE(base::WriteFileAtomic(dir / "a.sql", "-- table: a\nSELECT FROM WHERE").ok());
  ASSERT_TRUE(base::WriteFileAtomic(dir / "b.sql", "SELECT 1").ok());
  const auto tables = ReadSqlTables(dir);
  ASSERT_FALSE(tables.ok());
  EXPECT_EQ(tables.error().others().size(), 1U);
  fs::remove_all(dir);
}

}  // namespace
}  // namespace millrace::data
