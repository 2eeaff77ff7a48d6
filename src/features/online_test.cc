// SPDX-License-Identifier: Apache-2.0
// The online store: what is published is what is read, older never overwrites newer, views do not
// mix, bytes are as documented.
#include "features/online.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "features/history.h"
#include "features/internal/test_support.h"
#include "store/key_value.h"

namespace millrace::features {
namespace {

using internal::CompileView;
using internal::EventTable;
using internal::Micros;
using internal::TestContext;
using ::testing::HasSubstr;

class OnlineStoreTest : public ::testing::Test {
 protected:
  /// Publishes count and sum of the events at an as-of time.
  void Publish(const ViewPlan& plan, const data::Table& events, std::string_view as_of) {
    const History history = History::Make(context_, plan, events).value();
    const KeyColumn keys = history.KeysAlive({Micros(as_of)});
    const std::vector<std::int64_t> times(keys.size(), Micros(as_of));
    const data::Table values = history.Evaluate(context_, keys, times).value();
    const Result<void> published = online_.Publish(context_, plan, keys, {Micros(as_of)}, values);
    ASSERT_TRUE(published.ok()) << published.error().ToString();
  }

  TestContext context_;
  std::unique_ptr<store::KeyValue> kv_ = store::MakeMemoryKeyValue();
  OnlineStore online_{*kv_};
  const ViewPlan plan_ = CompileView("features: {n: count(*), s: sum(x)}");
  const data::Table events_ = EventTable({{1, "2010-01-01", 1.5},
                                          {-2, "2010-01-01", std::nullopt},
                                          {1, "2010-02-01", 2.0},
                                          {3, "2010-02-01", 4.0}});
};

TEST_F(OnlineStoreTest, WhatIsPublishedIsRead) {
  Publish(plan_, events_, "2010-03-01");
  const auto row = online_.Get(plan_.hash, std::int64_t{1}).value();
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->as_of.micros, Micros("2010-03-01"));
  EXPECT_EQ(row->values, (std::vector<double>{2, 3.5}));
  const auto with_null = online_.Get(plan_.hash, std::int64_t{-2}).value();
  ASSERT_TRUE(with_null.has_value());
  EXPECT_EQ(with_null->values[0], 1);
  EXPECT_TRUE(std::isnan(with_null->values[1]));
  EXPECT_FALSE(online_.Get(plan_.hash, std::int64_t{99})->has_value());
  EXPECT_FALSE(online_.Get(plan_.hash, std::string("1"))->has_value());
}

TEST_F(OnlineStoreTest, ManyKeysComeInOrderWithHoles) {
  Publish(plan_, events_, "2010-03-01");
  const std::vector<EntityKey> keys = {std::int64_t{3}, std::int64_t{7}, std::int64_t{1},
                                       std::int64_t{3}};
  const auto rows = online_.GetMany(plan_.hash, keys).value();
  EXPECT_EQ(rows[0]->values[1], 4.0);
  EXPECT_FALSE(rows[1].has_value());
  EXPECT_EQ(rows[2]->values[1], 3.5);
  EXPECT_EQ(rows[3]->values[1], 4.0);
}

TEST_F(OnlineStoreTest, R8OlderPublicationNeverOverwritesNewerC5) {
  Publish(plan_, events_, "2010-03-01");
  Publish(plan_, events_, "2010-01-15");
  EXPECT_EQ(online_.Get(plan_.hash, std::int64_t{1}).value()->values[0], 2);
  EXPECT_EQ(online_.FindView(plan_.hash).value()->as_of.micros, Micros("2010-03-01"));
  EXPECT_EQ(online_.FindView(plan_.hash).value()->keys, 3);
}

TEST_F(OnlineStoreTest, PublishingAgainChangesNothing) {
  Publish(plan_, events_, "2010-03-01");
  const auto before = online_.Rows(plan_.hash, 100).value();
  Publish(plan_, events_, "2010-03-01");
  const auto after = online_.Rows(plan_.hash, 100).value();
  ASSERT_EQ(before.size(), 3u);
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(after[1].second.values, before[1].second.values);
}

TEST_F(OnlineStoreTest, ValuesAreKeptPerViewHashUntilDropped) {
  const ViewPlan other = CompileView("features: {n: count(*), s: sum(x) over 5d}");
  Publish(plan_, events_, "2010-03-01");
  Publish(other, events_, "2010-02-02");
  EXPECT_EQ(online_.Views()->size(), 2u);
  EXPECT_EQ(online_.Get(other.hash, std::int64_t{1}).value()->values[1], 2.0);
  EXPECT_EQ(online_.Get(plan_.hash, std::int64_t{1}).value()->values[1], 3.5);
  ASSERT_TRUE(online_.DropView(plan_.hash).ok());
  EXPECT_EQ(online_.Views()->size(), 1u);
  EXPECT_FALSE(online_.Get(plan_.hash, std::int64_t{1})->has_value());
  EXPECT_TRUE(online_.Get(other.hash, std::int64_t{1})->has_value());
}

TEST_F(OnlineStoreTest, PublishedViewTellsWhatItHolds) {
  Publish(plan_, events_, "2010-03-01");
  const PublishedView view = online_.Views()->front();
  EXPECT_EQ(view.hash, plan_.hash);
  EXPECT_EQ(view.name, "v");
  EXPECT_EQ(view.entity, "customer");
  EXPECT_EQ(view.key, "customer");
  EXPECT_EQ(view.key_type, data::ColumnType::kInt64);
  EXPECT_EQ(view.source, "events");
  ASSERT_EQ(view.columns.size(), 2u);
  EXPECT_EQ(view.columns[0].type, data::ColumnType::kInt64);
  EXPECT_EQ(view.columns[1].definition, "sum(x)");
}

TEST_F(OnlineStoreTest, RowsComeInTheOrderOfTheirKeys) {
  Publish(plan_, events_, "2010-03-01");
  const auto rows = online_.Rows(plan_.hash, 2).value();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(std::get<std::int64_t>(rows[0].first), -2);
  EXPECT_EQ(std::get<std::int64_t>(rows[1].first), 1);
}

TEST_F(OnlineStoreTest, NullAndDoubledKeysAreRefused) {
  const data::Table values = data::TableBuilder()
                                 .AddInt64s("n", std::vector<std::int64_t>{1, 1})
                                 .AddDoubles("s", std::vector<double>{1, 1})
                                 .Finish()
                                 .value();
  const auto error_of = [&](data::Int64Column keys) {
    return online_.Publish(context_, plan_, KeyColumn::Int64s(std::move(keys)), {0}, values)
        .error()
        .ToString();
  };
  EXPECT_THAT(error_of({{1, 1}, {}}), HasSubstr("key 1 comes twice (second: row 1)"));
  EXPECT_THAT(error_of({{1, 0}, {0, 1}}), HasSubstr("the key of row 1 is null"));
  EXPECT_THAT(error_of({{1}, {}}), HasSubstr("1 keys, but 2 rows of values"));
}

TEST_F(OnlineStoreTest, StoredBytesAreAsDocumented) {
  Publish(plan_, EventTable({{-2, "2010-01-01", std::nullopt}}), "2010-03-01");
  std::map<std::string, std::string> stored;
  const auto hex = [](std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
      static constexpr char kDigits[] = "0123456789abcdef";
      text += {kDigits[static_cast<unsigned char>(c) >> 4],
               kDigits[static_cast<unsigned char>(c) & 15]};
    }
    return text;
  };
  ASSERT_TRUE(kv_->Scan("f",
                        [&](std::string_view key, const store::Entry& entry) {
                          stored[hex(key)] = hex(entry.value);
                          return true;
                        })
                  .ok());
  ASSERT_EQ(stored.size(), 2u);
  // Format 1, 2010-03-01 in microseconds, two values, bitmap 10b (the sum is null), 1.0, 0.0.
  EXPECT_EQ(stored["6672" + plan_.hash.Hex() + "697ffffffffffffffe"],
            "0100e027eeb180040002000000"
            "02"
            "000000000000f03f0000000000000000");
}

TEST_F(OnlineStoreTest, DamagedAndNewerRowsAreRefused) {
  Publish(plan_, events_, "2010-03-01");
  std::string key;
  ASSERT_TRUE(kv_->Scan("fr",
                        [&](std::string_view found, const store::Entry&) {
                          key = std::string(found);
                          return false;
                        })
                  .ok());
  const auto get = [&](std::string value) {
    const store::Put put{key, {Micros("2011-01-01"), 0, 0}, std::move(value)};
    EXPECT_TRUE(kv_->PutMany(std::span(&put, 1)).ok());
    return online_.Get(plan_.hash, std::int64_t{-2}).error();
  };
  EXPECT_EQ(get("").code(), ErrorCode::kDataLoss);
  EXPECT_EQ(get("\x01garbage").code(), ErrorCode::kDataLoss);
  EXPECT_THAT(get("\x09").ToString(), HasSubstr("has format 9, this version reads up to 1"));
}

TEST_F(OnlineStoreTest, ReadersSeeWholeRowsWhilePublicationsRun) {
  Publish(plan_, events_, "2010-03-01");
  std::jthread writer([&] {
    for (int day = 2; day < 28; ++day) {
      Publish(plan_, events_, "2010-03-" + std::string(day < 10 ? "0" : "") + std::to_string(day));
    }
  });
  for (int i = 0; i < 500; ++i) {
    const auto row = online_.Get(plan_.hash, std::int64_t{1});
    ASSERT_TRUE(row.ok() && row->has_value());
    ASSERT_EQ((*row)->values, (std::vector<double>{2, 3.5}));
  }
}

}  // namespace
}  // namespace millrace::features
