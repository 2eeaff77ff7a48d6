// SPDX-License-Identifier: Apache-2.0
// What every key-value store must do, as a parameterised GoogleTest suite. A test file of a store
// says:
//   INSTANTIATE_TEST_SUITE_P(RocksDb, KeyValueConformance, testing::Values(MakeFactory));
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "store/key_value.h"

namespace millrace::store {

/// Makes an empty store.
using KeyValueFactory = std::function<std::unique_ptr<KeyValue>()>;

class KeyValueConformance : public testing::TestWithParam<KeyValueFactory> {
 protected:
  void SetUp() override { kv_ = GetParam()(); }

  void Write(std::vector<Put> puts) {
    const Result<void> result = kv_->PutMany(puts);
    ASSERT_TRUE(result.ok()) << result.error().ToString();
  }
  std::optional<Entry> Read(const std::string& key) const {
    const std::vector<std::string> keys = {key};
    return kv_->GetMany(keys)->front();
  }
  std::string Text(const std::string& key) const {
    const std::optional<Entry> entry = Read(key);
    return entry ? entry->value : "(none)";
  }
  std::vector<std::string> Keys(const std::string& prefix) const {
    std::vector<std::string> keys;
    const Result<void> result = kv_->Scan(prefix, [&keys](std::string_view key, const Entry&) {
      keys.emplace_back(key);
      return true;
    });
    EXPECT_TRUE(result.ok());
    return keys;
  }

  std::unique_ptr<KeyValue> kv_;
};

TEST_P(KeyValueConformance, ReturnsWhatWasPut) {
  Write({{"a", {1, 2, 3}, "x"}, {"b", {-5, 0, -1}, ""}});
  const std::vector<std::string> keys = {"b", "none", "a", "a"};
  const auto entries = kv_->GetMany(keys);
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 4U);
  EXPECT_EQ((*entries)[0], (Entry{{-5, 0, -1}, ""}));
  EXPECT_FALSE((*entries)[1].has_value());
  EXPECT_EQ((*entries)[2], (Entry{{1, 2, 3}, "x"}));
  EXPECT_EQ((*entries)[3], (*entries)[2]);
  EXPECT_TRUE(kv_->GetMany({})->empty());
}

TEST_P(KeyValueConformance, KeysAndValuesAreBytes) {
  const std::string key("k\0\xff", 3);
  const std::string value("v\0\n", 3);
  Write({{key, {}, value}});
  EXPECT_EQ(Text(key), value);
  EXPECT_EQ(Text("k"), "(none)");
}

TEST_P(KeyValueConformance, LowerVersionNeverOverwrites) {
  Write({{"k", {10, 5, 5}, "new"}});
  Write({{"k", {9, 99, 99}, "older event"}});
  EXPECT_EQ(Text("k"), "new");
  Write({{"k", {10, 4, 99}, "created before"}});
  EXPECT_EQ(Text("k"), "new");
  Write({{"k", {10, 5, 4}, "lower sequence"}});
  EXPECT_EQ(Text("k"), "new");
}

TEST_P(KeyValueConformance, HigherOrEqualVersionOverwrites) {
  Write({{"k", {10, 5, 5}, "a"}});
  Write({{"k", {10, 5, 5}, "b"}});
  EXPECT_EQ(Text("k"), "b");
  Write({{"k", {10, 5, 6}, "c"}});
  EXPECT_EQ(Text("k"), "c");
  // The same event time, created later: the correction wins.
  Write({{"k", {10, 6, 0}, "d"}});
  EXPECT_EQ(Text("k"), "d");
  Write({{"k", {11, 0, 0}, "e"}});
  EXPECT_EQ(Text("k"), "e");
  EXPECT_EQ(Read("k")->version, (Version{11, 0, 0}));
}

TEST_P(KeyValueConformance, NegativeTimesAreOlder) {
  Write({{"k", {-10, 0, 0}, "before 1970"}});
  Write({{"k", {-11, 0, 0}, "still before"}});
  EXPECT_EQ(Text("k"), "before 1970");
  Write({{"k", {0, 0, 0}, "1970"}});
  EXPECT_EQ(Text("k"), "1970");
}

TEST_P(KeyValueConformance, HighestVersionOfOneCallWinsInAnyOrder) {
  Write({{"k", {2, 0, 0}, "two"}, {"k", {3, 0, 0}, "three"}, {"k", {1, 0, 0}, "one"}});
  EXPECT_EQ(Text("k"), "three");
  Write({{"k", {4, 0, 0}, "first of equals"}, {"k", {4, 0, 0}, "last of equals"}});
  EXPECT_EQ(Text("k"), "last of equals");
}

TEST_P(KeyValueConformance, EmptyKeyRefusesTheWholeCall) {
  const std::vector<Put> puts = {{"a", {}, "x"}, {"", {}, "y"}};
  EXPECT_EQ(kv_->PutMany(puts).error().code(), base::ErrorCode::kInvalidArgument);
  EXPECT_EQ(Text("a"), "(none)");
  EXPECT_TRUE(kv_->PutMany({}).ok());
}

TEST_P(KeyValueConformance, ScanVisitsAPrefixInOrder) {
  Write({{"b2", {}, ""}, {"a", {}, ""}, {"b1", {7, 0, 0}, "v"}, {"c", {}, ""}, {"b", {}, ""}});
  EXPECT_EQ(Keys("b"), (std::vector<std::string>{"b", "b1", "b2"}));
  EXPECT_EQ(Keys(""), (std::vector<std::string>{"a", "b", "b1", "b2", "c"}));
  EXPECT_TRUE(Keys("d").empty());
  int visited = 0;
  ASSERT_TRUE(kv_->Scan("b", [&](std::string_view, const Entry&) { return ++visited < 2; }).ok());
  EXPECT_EQ(visited, 2);
}

TEST_P(KeyValueConformance, ScanSeesTheMomentOfItsCall) {
  Write({{"a1", {}, ""}, {"a2", {}, ""}});
  int visited = 0;
  ASSERT_TRUE(kv_->Scan("a",
                        [&](std::string_view, const Entry&) {
                          ++visited;
                          Write({{"a3", {}, ""}});
                          return true;
                        })
                  .ok());
  EXPECT_EQ(visited, 2);
  EXPECT_EQ(Keys("a").size(), 3U);
}

TEST_P(KeyValueConformance, DeletePrefixForgetsVersionsToo) {
  Write({{"a1", {5, 0, 0}, "x"}, {"a2", {5, 0, 0}, "x"}, {"b", {5, 0, 0}, "x"}});
  ASSERT_TRUE(kv_->DeletePrefix("a").ok());
  EXPECT_EQ(Keys(""), std::vector<std::string>{"b"});
  EXPECT_EQ(Text("a1"), "(none)");
  Write({{"a1", {1, 0, 0}, "lower than before"}});
  EXPECT_EQ(Text("a1"), "lower than before");
  ASSERT_TRUE(kv_->DeletePrefix("none").ok());
  EXPECT_EQ(kv_->DeletePrefix("").error().code(), base::ErrorCode::kInvalidArgument);
}

TEST_P(KeyValueConformance, DeletePrefixOfHighestBytesTakesOnlyThose) {
  Write({{"\xff\xff"
          "a",
          {},
          "x"},
         {"\xfe", {}, "y"}});
  ASSERT_TRUE(kv_->DeletePrefix("\xff\xff").ok());
  EXPECT_EQ(Keys(""), std::vector<std::string>{"\xfe"});
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KeyValueConformance);

}  // namespace millrace::store
