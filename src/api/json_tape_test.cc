// SPDX-License-Identifier: Apache-2.0
// Tests of the parser of request bodies, against hand-made texts and against the other JSON reader
// of this program.
#include "api/internal/json_tape.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::api::internal {
namespace {

using nlohmann::json;

json ToJson(const JsonValue& value) {
  std::string scratch;
  switch (value.kind()) {
    case JsonKind::kNull:
      return nullptr;
    case JsonKind::kTrue:
      return true;
    case JsonKind::kFalse:
      return false;
    case JsonKind::kString:
      return std::string(value.Text(scratch));
    case JsonKind::kArray: {
      json list = json::array();
      for (const JsonValue item : value) {
        list.push_back(ToJson(item));
      }
      return list;
    }
    case JsonKind::kObject: {
      json object = json::object();
      for (auto i = value.begin(); i != value.end(); ++i) {
        const std::string key((*i).Text(scratch));
        ++i;
        object[key] = ToJson(*i);
      }
      return object;
    }
    default:
      return value.Number();
  }
}

TEST(JsonTape, ReadsEveryKind) {
  JsonTape tape;
  ASSERT_TRUE(
      tape.Parse(" {\"a\": [1, -2.5e3, true, false, null, \"x\", {}], \"b\": {\"c\": []}}\n").ok());
  EXPECT_EQ(ToJson(tape.root()),
            json::parse(R"({"a": [1.0, -2500.0, true, false, null, "x", {}], "b": {"c": []}})"));
  ASSERT_TRUE(tape.Parse("[NaN, Infinity, -Infinity, 1e999, 1e-999, 5e-324]").ok());
  auto i = tape.root().begin();
  EXPECT_TRUE(std::isnan((*i).Number()));
  ++i;
  EXPECT_EQ((*i).Number(), INFINITY);
  ++i;
  EXPECT_EQ((*i).Number(), -INFINITY);
  ++i;
  EXPECT_EQ((*i).Number(), INFINITY);
  ++i;
  EXPECT_EQ((*i).Number(), 0.0);
  ++i;
  EXPECT_EQ((*i).Number(), 5e-324);
}

TEST(JsonTape, DecodesEscapes) {
  JsonTape tape;
  std::string scratch;
  ASSERT_TRUE(tape.Parse(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00\ud800x\udc00")").ok());
  EXPECT_EQ(tape.root().Text(scratch),
            "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBDx\xEF\xBF\xBD");
}

TEST(JsonTape, LastOfTwoEqualKeysCounts) {
  JsonTape tape;
  ASSERT_TRUE(tape.Parse(R"({"a": 1, "\u0061": 2})").ok());
  const JsonField field = FindField(tape.root(), "a");
  ASSERT_TRUE(field.found);
  EXPECT_EQ(field.value.Number(), 2.0);
  EXPECT_FALSE(FindField(tape.root(), "b").found);
}

TEST(JsonTape, WhatIsNoJsonIsRefusedWithItsPlace) {
  JsonTape tape;
  for (const char* const text : {"",
                                 " ",
                                 "{",
                                 "[",
                                 "[1",
                                 "[1,",
                                 "[1,]",
                                 "{\"a\"}",
                                 "{\"a\":}",
                                 "{\"a\":1,}",
                                 "{a:1}",
                                 "01",
                                 "-",
                                 "1.",
                                 ".5",
                                 "1e",
                                 "+1",
                                 "nul",
                                 "tru",
                                 "Nan",
                                 "-Inf",
                                 "\"",
                                 "\"\\x\"",
                                 "\"\\u12g4\"",
                                 "\"\\u-123\"",
                                 "\"a\nb\"",
                                 "\"\xFF\"",
                                 "\"\xC0\xAF\"",
                                 "\"\xED\xA0\x80\"",
                                 "1 2",
                                 "[] []",
                                 "[1 2]",
                                 "{\"a\" 1}",
                                 "\xEF\xBB\xBF{}"}) {
    const Result<void> parsed = tape.Parse(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message(), ::testing::HasSubstr("at byte")) << text;
  }
  EXPECT_TRUE(tape.Parse(std::string(64, '[') + std::string(64, ']')).ok());
  EXPECT_FALSE(tape.Parse(std::string(65, '[') + std::string(65, ']')).ok());
}

// Damaged texts: both readers agree on what is JSON and on what it says.
TEST(JsonTape, AgreesWithTheOtherReaderOnDamagedTexts) {
  const std::string text =
      R"({"a": [1, -2.5e3, true, {"b\n": null, "\u00e9": "x\\y"}], "c": "\ud83d\ude00", "d": [[], {}, 0.125, 1E+2]})";
  std::mt19937 random(7);
  JsonTape tape;
  int n_valid = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = text;
    static constexpr std::string_view kBytes = "{}[]\",:0123-+.eEntu \\\n\xC3";
    const std::size_t at = random() % damaged.size();
    switch (random() % 3) {
      case 0:
        damaged[at] = kBytes[random() % kBytes.size()];
        break;
      case 1:
        damaged.insert(at, 1, kBytes[random() % kBytes.size()]);
        break;
      default:
        damaged.erase(at, 1 + random() % 3);
        break;
    }
    const json expected = json::parse(damaged, nullptr, false);
    const bool is_ours = tape.Parse(damaged).ok();
    // The other reader refuses lone surrogates and numbers too large, which this one takes.
    if (!is_ours || !expected.is_discarded()) {
      ASSERT_EQ(is_ours, !expected.is_discarded()) << damaged;
    }
    if (is_ours && !expected.is_discarded()) {
      ASSERT_EQ(ToJson(tape.root()), expected) << damaged;
      ++n_valid;
    }
  }
  EXPECT_GT(n_valid, 1000);
}

}  // namespace
}  // namespace millrace::api::internal
