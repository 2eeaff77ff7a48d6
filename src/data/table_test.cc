// SPDX-License-Identifier: Apache-2.0
// Tables: conversion of types, reading of columns, nulls, hashes.
#include "data/table.h"

#include <cmath>
#include <limits>

#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/matrix.h"

namespace millrace::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Table Small() {
  return TableBuilder()
      .AddInt64s("id", {1, 2, 3}, {0, 1, 0})
      .AddDoubles("price", {0.5, kNaN, -1.0})
      .AddStrings("country", std::vector<std::string>{"UK", "FR", "UK"}, {0, 0, 1})
      .AddTimestamps("at", {0, 1'000'000, 2'000'000})
      .AddBools("paid", {1, 0, 1})
      .Finish()
      .value();
}

// A table of one Arrow column built from JSON-like C++ values by `builder`.
template <typename Builder, typename Value>
std::shared_ptr<arrow::Table> OneColumn(std::shared_ptr<arrow::DataType> type,
                                        std::vector<Value> values) {
  Builder builder(type, arrow::default_memory_pool());
  for (const Value& value : values) {
    EXPECT_TRUE(builder.Append(value).ok());
  }
  EXPECT_TRUE(builder.AppendNull().ok());
  const auto array = builder.Finish().ValueOrDie();
  return arrow::Table::Make(arrow::schema({arrow::field("x", type)}), {array});
}

TEST(Table, ColumnsComeBackAsTheyWentIn) {
  const Table table = Small();
  EXPECT_EQ(table.rows(), 3);
  EXPECT_THAT(table.names(), ElementsAre("id", "price", "country", "at", "paid"));
  EXPECT_EQ(table.TypeOf("at").value(), ColumnType::kTimestamp);
  const Int64Column id = table.Int64s("id").value();
  EXPECT_THAT(id.values, ElementsAre(1, 0, 3));
  EXPECT_TRUE(id.IsNull(1));
  EXPECT_FALSE(id.IsNull(2));
  const StringColumn country = table.Strings("country").value();
  EXPECT_THAT(country.codes, ElementsAre(0, 1, -1));
  EXPECT_THAT(country.values, ElementsAre("UK", "FR"));
  EXPECT_THAT(table.Timestamps("at").value().values, ElementsAre(0, 1'000'000, 2'000'000));
}

TEST(Table, DoublesTurnNullsIntoNaN) {
  const std::vector<double> id = Small().Doubles("id").value();
  EXPECT_EQ(id[0], 1.0);
  EXPECT_TRUE(std::isnan(id[1]));
  EXPECT_THAT(Small().Doubles("paid").value(), ElementsAre(1.0, 0.0, 1.0));
  EXPECT_TRUE(std::isnan(Small().Doubles("price").value()[1]));
}

TEST(Table, UnknownColumnNamesTheNearest) {
  const auto result = Small().Doubles("prize");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().ToString(), HasSubstr("\"prize\""));
  EXPECT_THAT(result.error().ToString(), HasSubstr("\"price\""));
}

TEST(Table, WrongTypeNamesBoth) {
  const auto result = Small().Doubles("country");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), HasSubstr("holds string values; wanted numbers"));
  EXPECT_FALSE(Small().Timestamps("id").ok());
  EXPECT_FALSE(Small().Strings("id").ok());
  EXPECT_FALSE(Small().Int64s("price").ok());
}

TEST(Table, SmallerTypesAreConverted) {
  EXPECT_THAT(Table::FromArrow(OneColumn<arrow::Int8Builder, std::int8_t>(arrow::int8(), {-3}))
                  .value()
                  .Int64s("x")
                  .value()
                  .values,
              ElementsAre(-3, 0));
  EXPECT_EQ(Table::FromArrow(OneColumn<arrow::FloatBuilder, float>(arrow::float32(), {0.5F}))
                .value()
                .Doubles("x")
                .value()[0],
            0.5);
  const Table date =
      Table::FromArrow(OneColumn<arrow::Date32Builder, std::int32_t>(arrow::date32(), {2})).value();
  EXPECT_EQ(date.Timestamps("x").value().values[0], 2 * 86'400'000'000);
  const auto decimal = arrow::decimal128(10, 2);
  EXPECT_EQ(Table::FromArrow(OneColumn<arrow::Decimal128Builder, arrow::Decimal128>(
                                 decimal, {arrow::Decimal128(1234)}))
                .value()
                .Doubles("x")
                .value()[0],
            12.34);
}

TEST(Table, ZonedTimestampsBecomeUtcMicroseconds) {
  const auto zoned = arrow::timestamp(arrow::TimeUnit::SECOND, "Europe/Berlin");
  const Table table =
      Table::FromArrow(OneColumn<arrow::TimestampBuilder, std::int64_t>(zoned, {1'293'836'400}))
          .value();
  EXPECT_EQ(table.Timestamps("x").value().values[0], 1'293'836'400'000'000);
}

TEST(Table, UnsignedBeyondInt64IsRefusedNotWrapped) {
  const auto result = Table::FromArrow(OneColumn<arrow::UInt64Builder, std::uint64_t>(
      arrow::uint64(), {std::numeric_limits<std::uint64_t>::max()}));
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), HasSubstr("\"x\""));
}

TEST(Table, TypesWithoutCounterpartAreRefusedByName) {
  const auto list = arrow::list(arrow::int64());
  const auto table =
      arrow::Table::MakeEmpty(arrow::schema({arrow::field("basket", list)})).ValueOrDie();
  const auto result = Table::FromArrow(table);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), HasSubstr("\"basket\""));
}

TEST(Table, TwoColumnsOfOneNameAreRefused) {
  EXPECT_THAT(TableBuilder().AddInt64s("a", {1}).AddDoubles("a", {1.0}).Finish().error().message(),
              HasSubstr("\"a\""));
}

TEST(Table, LengthsMustAgree) {
  const auto result = TableBuilder().AddInt64s("a", {1, 2}).AddDoubles("b", {1.0}).Finish();
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message(), HasSubstr("\"b\" has 1 rows but \"a\" has 2"));
}

TEST(Table, SliceTakeAndSelectKeepValues) {
  const Table table = Small();
  EXPECT_EQ(table.Slice(1, 100).rows(), 2);
  EXPECT_EQ(table.Slice(5, 1).rows(), 0);
  const std::vector<std::int64_t> order = {2, 0, 0};
  EXPECT_THAT(table.Take(order).value().Int64s("id").value().values, ElementsAre(3, 1, 1));
  const std::vector<std::int64_t> outside = {3};
  EXPECT_FALSE(table.Take(outside).ok());
  const std::vector<std::string> columns = {"paid", "id"};
  EXPECT_THAT(table.Select(columns).value().names(), ElementsAre("paid", "id"));
}

TEST(Table, ConcatenateMatchesColumnsByName) {
  const Table a = TableBuilder().AddInt64s("x", {1}).AddDoubles("y", {2}).Finish().value();
  const Table b = TableBuilder().AddDoubles("y", {4}).AddInt64s("x", {3}).Finish().value();
  const std::vector<Table> both = {a, b};
  const Table all = Table::Concatenate(both).value();
  EXPECT_THAT(all.Int64s("x").value().values, ElementsAre(1, 3));
  EXPECT_THAT(all.Doubles("y").value(), ElementsAre(2, 4));
  const std::vector<Table> wrong = {
      a, TableBuilder().AddInt64s("x", {1}).AddInt64s("y", {2}).Finish().value()};
  EXPECT_THAT(Table::Concatenate(wrong).error().message(), HasSubstr("\"y\" holds int64 values"));
}

TEST(TableHash, DoesNotDependOnChunks) {
  const Table table = Small();
  const std::vector<Table> pieces = {table.Slice(0, 1), table.Slice(1, 2)};
  EXPECT_EQ(Table::Concatenate(pieces).value().Hash(), table.Hash());
}

TEST(TableHash, TellsValuesNullsNamesTypesAndOrderApart) {
  const auto hash_of = [](TableBuilder& builder) { return builder.Finish().value().Hash(); };
  TableBuilder base;
  TableBuilder value;
  TableBuilder null;
  TableBuilder name;
  TableBuilder type;
  const ContentHash original = hash_of(base.AddInt64s("a", {0, 1}));
  EXPECT_NE(hash_of(value.AddInt64s("a", {0, 2})), original);
  EXPECT_NE(hash_of(null.AddInt64s("a", {0, 1}, {1, 0})), original);
  EXPECT_NE(hash_of(name.AddInt64s("b", {0, 1})), original);
  EXPECT_NE(hash_of(type.AddTimestamps("a", {0, 1})), original);
  TableBuilder ab;
  TableBuilder ba;
  EXPECT_NE(hash_of(ab.AddInt64s("a", {1}).AddInt64s("b", {1})),
            hash_of(ba.AddInt64s("b", {1}).AddInt64s("a", {1})));
}

TEST(TableHash, TextsDoNotRunIntoEachOther) {
  const Table a =
      TableBuilder().AddStrings("s", std::vector<std::string>{"ab", "c"}).Finish().value();
  const Table b =
      TableBuilder().AddStrings("s", std::vector<std::string>{"a", "bc"}).Finish().value();
  EXPECT_NE(a.Hash(), b.Hash());
}

TEST(TableHash, StaysTheSameAcrossReleases) {
  // Stored in caches and model files: a change of this value invalidates them all.
  EXPECT_EQ(Small().Hash().Hex(), "5f8ad08c764ae72f0ccfafba0133647f");
}

TEST(Matrix, IsRowMajorWithNaNForNulls) {
  const std::vector<std::string> columns = {"price", "id"};
  const Matrix matrix = ToMatrix(Small(), columns).value();
  EXPECT_EQ(matrix.rows, 3U);
  EXPECT_EQ(matrix.At(0, 0), 0.5);
  EXPECT_EQ(matrix.At(0, 1), 1.0);
  EXPECT_TRUE(std::isnan(matrix.At(1, 0)));
  EXPECT_EQ(matrix.Row(2)[1], 3.0);
  const std::vector<std::string> text = {"country"};
  EXPECT_FALSE(ToMatrix(Small(), text).ok());
}

}  // namespace
}  // namespace millrace::data
