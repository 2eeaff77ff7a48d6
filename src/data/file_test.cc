// SPDX-License-Identifier: Apache-2.0
// Files: Parquet and CSV read and written, sources, and what is said about files that are missing
// or broken.
#include "base/file.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/csv.h"
#include "data/location.h"
#include "data/parquet.h"
#include "data/source.h"

namespace millrace::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) /
           ("millrace_files_" +
            std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  fs::path Write(const std::string& name, std::string_view bytes) {
    EXPECT_TRUE(base::WriteFileAtomic(dir_ / name, bytes).ok());
    return dir_ / name;
  }

  fs::path dir_;
  Context context_;
};

Table Sales(std::int64_t n) {
  std::vector<std::int64_t> id;
  std::vector<double> price;
  std::vector<std::string> country;
  for (std::int64_t i = 0; i < n; ++i) {
    id.push_back(i * 7919 % 10'007);
    price.push_back(i % 11 == 0 ? std::nan("") : static_cast<double>(i) * 0.25);
    country.push_back(i % 3 == 0 ? "United Kingdom" : "France");
  }
  return TableBuilder()
      .AddInt64s("id", id)
      .AddDoubles("price", price)
      .AddStrings("country", country)
      .AddTimestamps("at", id)
      .Finish()
      .value();
}

TEST_F(Files, ParquetKeepsTheTable) {
  const Table table = Sales(1000);
  const fs::path path = dir_ / "a.parquet";
  ASSERT_TRUE(WriteParquet(context_, table, path).ok());
  EXPECT_EQ(ReadParquet(context_, path).value().Hash(), table.Hash());
  const std::vector<std::string> columns = {"country", "id"};
  EXPECT_THAT(ReadParquet(context_, path, columns).value().names(), ElementsAre("country", "id"));
  const ParquetInfo info = ParquetSchema(path).value();
  EXPECT_EQ(info.rows, 1000);
  EXPECT_EQ(info.columns[3], (ColumnInfo{"at", ColumnType::kTimestamp}));
}

TEST_F(Files, ParquetBytesDependOnTheTableAlone) {
  const Table table = Sales(200'000);  // more than one row group
  std::vector<Table> pieces;
  for (std::int64_t row = 0; row < table.rows(); row += 30'001) {
    pieces.push_back(table.Slice(row, 30'001));
  }
  ASSERT_TRUE(WriteParquet(context_, table, dir_ / "a.parquet").ok());
  ASSERT_TRUE(WriteParquet(context_, Table::Concatenate(pieces).value(), dir_ / "b.parquet").ok());
  EXPECT_EQ(base::ReadFile(dir_ / "a.parquet").value(), base::ReadFile(dir_ / "b.parquet").value());
}

TEST_F(Files, EmptyTableIsAFileWithColumnsAndNoRows) {
  const fs::path path = dir_ / "none.parquet";
  ASSERT_TRUE(WriteParquet(context_, Sales(0), path).ok());
  const Table table = ReadParquet(context_, path).value();
  EXPECT_EQ(table.rows(), 0);
  EXPECT_EQ(table.columns(), Sales(0).columns());
}

TEST_F(Files, MissingFileNamesTheNearest) {
  ASSERT_TRUE(WriteParquet(context_, Sales(1), dir_ / "retail.parquet").ok());
  const auto result = ReadParquet(context_, dir_ / "retial.parquet");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(result.error().message(), HasSubstr("retial.parquet"));
  EXPECT_THAT(result.error().hint(), HasSubstr("retail.parquet"));
  EXPECT_EQ(ReadCsv(context_, dir_ / "x.csv").error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(ReadParquet(context_, dir_ / "no" / "x.parquet").error().hint(),
              HasSubstr("does not exist"));
}

TEST_F(Files, TruncatedParquetIsCalledSo) {
  ASSERT_TRUE(WriteParquet(context_, Sales(1000), dir_ / "a.parquet").ok());
  const std::string bytes = base::ReadFile(dir_ / "a.parquet").value();
  for (const std::size_t size : {bytes.size() - 1, bytes.size() / 2, std::size_t{7}}) {
    const auto result = ReadParquet(context_, Write("cut.parquet", bytes.substr(0, size)));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kDataLoss) << size;
    EXPECT_THAT(result.error().message(), HasSubstr("cut.parquet is truncated")) << size;
    EXPECT_FALSE(result.error().hint().empty());
  }
}

TEST_F(Files, DamageInsideIsDataLossToo) {
  ASSERT_TRUE(WriteParquet(context_, Sales(1000), dir_ / "a.parquet").ok());
  std::string bytes = base::ReadFile(dir_ / "a.parquet").value();
  for (std::size_t i = bytes.size() - 40; i < bytes.size() - 8; ++i) {
    bytes[i] = '\x7f';
  }
  const auto result = ReadParquet(context_, Write("bad.parquet", bytes));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kDataLoss);
  EXPECT_THAT(result.error().message(), HasSubstr("bad.parquet"));
}

TEST_F(Files, EmptyAndForeignFilesAreCalledSo) {
  EXPECT_THAT(ReadParquet(context_, Write("e.parquet", "")).error().message(),
              HasSubstr("is empty (0 bytes)"));
  const auto csv = ReadParquet(context_, Write("c.parquet", "id,price\n1,2\n3,4\n"));
  EXPECT_THAT(csv.error().message(), HasSubstr("begins with \"id,p\", wanted \"PAR1\""));
  EXPECT_THAT(ReadCsv(context_, Write("e.csv", "")).error().message(),
              HasSubstr("is empty (0 bytes)"));
  EXPECT_EQ(ReadParquet(context_, dir_).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(ReadAny(context_, Write("a.xlsx", "x")).error().message(),
              HasSubstr("a.xlsx ends in no known format"));
}

TEST_F(Files, UnknownParquetColumnNamesTheNearest) {
  ASSERT_TRUE(WriteParquet(context_, Sales(1), dir_ / "a.parquet").ok());
  const std::vector<std::string> columns = {"prce"};
  const auto result = ReadParquet(context_, dir_ / "a.parquet", columns);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().ToString(), HasSubstr("\"price\""));
}

TEST_F(Files, NothingHalfWrittenWhenWritingFails) {
  const auto result = WriteParquet(context_, Sales(10), Write("file", "x") / "below" / "a.parquet");
  EXPECT_FALSE(result.ok());
  std::stop_source stop;
  stop.request_stop();
  Context stopped;
  stopped.stop = stop.get_token();
  EXPECT_EQ(WriteParquet(stopped, Sales(10), dir_ / "a.parquet").error().code(),
            ErrorCode::kCancelled);
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(dir_)) {
    left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, ElementsAre("file"));
}

TEST_F(Files, CsvFindsTypesNullsAndTimestamps) {
  const Table table =
      ReadCsv(context_, Write("a.csv",
                              "id,price,at,name,ok\n1,2.5,2010-12-01 08:26:00,\"a, b\",true\n"
                              "2,,2010-12-01T09:00:00Z,NA,false\n"))
          .value();
  EXPECT_EQ(table.TypeOf("id").value(), ColumnType::kInt64);
  EXPECT_TRUE(std::isnan(table.Doubles("price").value()[1]));
  EXPECT_THAT(table.Strings("name").value().codes, ElementsAre(0, -1));
  EXPECT_EQ(table.Strings("name").value().values[0], "a, b");
  EXPECT_EQ(table.TypeOf("ok").value(), ColumnType::kBool);
}

TEST_F(Files, CsvDeclaredTypesAreKept) {
  CsvOptions options;
  options.types = {{"code", ColumnType::kString}, {"n", ColumnType::kDouble}};
  const Table table = ReadCsv(context_, Write("a.csv", "code,n\n007,1\n008,2\n"), options).value();
  EXPECT_THAT(table.Strings("code").value().values, ElementsAre("007", "008"));
  EXPECT_EQ(table.TypeOf("n").value(), ColumnType::kDouble);
  options.types = {{"cod", ColumnType::kString}};
  EXPECT_THAT(ReadCsv(context_, dir_ / "a.csv", options).error().ToString(), HasSubstr("\"code\""));
}

TEST_F(Files, CsvWrongTypeNamesValueAndRow) {
  CsvOptions options;
  options.types = {{"n", ColumnType::kInt64}};
  const auto result = ReadCsv(context_, Write("a.csv", "n\n1\nmany\n"), options);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().message(), HasSubstr("a.csv"));
  EXPECT_THAT(result.error().message(), HasSubstr("'many'"));
}

TEST_F(Files, CsvRaggedRowIsNamedWithItsLine) {
  const auto result = ReadCsv(context_, Write("a.csv", "a,b,c\n1,2,3\n4,5\n6,7,8\n"));
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(),
              HasSubstr("line 3 has 2 fields, the header has 3 (the line: \"4,5\")"));
  EXPECT_EQ(result.error().where().line, 3);
}

TEST_F(Files, SourceFilesComeInTheOrderOfTheirNames) {
  Write("data/2010.csv", "x\n2\n");
  Write("data/2009.csv", "x\n1\n");
  Write("data/.2011.csv", "x\n9\n");
  Write("data/notes.txt", "");
  const SourceSpec source{"", {"data/*.csv", "data/2010.csv"}};
  const auto files = FindSourceFiles(source, dir_);
  ASSERT_TRUE(files.ok()) << files.error().ToString();
  EXPECT_THAT(files.value(), ElementsAre(dir_ / "data/2009.csv", dir_ / "data/2010.csv"));
  EXPECT_THAT(ReadSource(context_, source, dir_).value().Int64s("x").value().values,
              ElementsAre(1, 2));
}

TEST_F(Files, SourceThatMatchesNothingNamesThePattern) {
  const auto files = FindSourceFiles(SourceSpec{"", {"data/*.parquet"}}, dir_);
  ASSERT_FALSE(files.ok());
  EXPECT_EQ(files.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(files.error().message(), HasSubstr("data/*.parquet"));
}

TEST_F(Files, LocationsKnowTheirSchemes) {
  EXPECT_EQ(Location::Parse("file:///tmp/a.parquet").value().path(), "/tmp/a.parquet");
  EXPECT_TRUE(Location::Parse("data/a.parquet").value().is_local());
  EXPECT_THAT(Location::Parse("file://host/a").error().message(), HasSubstr("\"host\""));
  EXPECT_THAT(Location::Parse("ftp://host/a").error().message(),
              HasSubstr("unknown scheme \"ftp\""));
}

TEST_F(Files, ObjectStoresAreFoundByUri) {
  const Location azure =
      Location::Parse("abfs://data@account.dfs.core.windows.net/2010/a.parquet").value();
  EXPECT_FALSE(azure.is_local());
  EXPECT_EQ(azure.path(), "data/2010/a.parquet");
  const auto incomplete = Location::Parse("abfs://data");
  ASSERT_FALSE(incomplete.ok());
  EXPECT_THAT(incomplete.error().message(), HasSubstr("account"));
  EXPECT_THAT(incomplete.error().hint(), HasSubstr("AZURE_CLIENT_SECRET"));
  // The S3 plug-in is found beside libarrow; with the region given, no one is asked.
  const auto s3 = Location::Parse("s3://bucket/2010/a.parquet?region=eu-west-1");
  ASSERT_TRUE(s3.ok()) << s3.error().ToString();
  EXPECT_EQ(s3.value().path(), "bucket/2010/a.parquet");
  ShutDownFileSystems();
}

}  // namespace
}  // namespace millrace::data
