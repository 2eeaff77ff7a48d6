// SPDX-License-Identifier: Apache-2.0
// The same suites on the same tables as Great Expectations itself: verdicts, counts and figures.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "data/table.h"
#include "quality/suite.h"

namespace millrace::quality {
namespace {

using Json = nlohmann::json;

Json Golden() {
  const auto text =
      base::ReadFile(MILLRACE_SOURCE_DIR "/tests/golden/quality/great_expectations.json");
  return base::ParseJson(text.value(), "great_expectations.json").value();
}

// Columns as generate.py types them: texts in the table "texts" and in columns s, integers in i,
// numbers elsewhere.
data::Table MakeTable(const std::string& name, const Json& columns,
                      const std::vector<std::string>& order) {
  data::TableBuilder builder;
  for (const std::string& column : order) {
    std::vector<double> numbers;
    std::vector<std::int64_t> integers;
    std::vector<std::string> texts;
    std::vector<std::uint8_t> is_null;
    const bool is_text = name == "texts" || column == "s";
    for (const Json& value : columns.at(column)) {
      is_null.push_back(value.is_null() ? 1 : 0);
      numbers.push_back(value.is_number() ? value.get<double>()
                                          : std::numeric_limits<double>::quiet_NaN());
      integers.push_back(value.is_number_integer() ? value.get<std::int64_t>() : 0);
      texts.push_back(value.is_string() ? value.get<std::string>() : "");
    }
    if (is_text) {
      builder.AddStrings(column, texts, is_null);
    } else if (column == "i") {
      builder.AddInt64s(column, integers);
    } else {
      builder.AddDoubles(column, numbers);
    }
  }
  return builder.Finish().value();
}

data::Table TableOf(const std::string& name, const Json& columns) {
  // A JSON object has no order; the expectations about order were made with this one.
  std::vector<std::string> order;
  for (const char* column : {"i", "f", "s", "g", "t", "up", "k"}) {
    if (columns.contains(column)) {
      order.emplace_back(column);
    }
  }
  return MakeTable(name, columns, order);
}

TEST(GreatExpectationsGolden, VerdictsCountsAndFiguresAgree) {
  const Json golden = Golden();
  int n_cases = 0;
  for (const Json& one : golden.at("cases")) {
    ++n_cases;
    const std::string name = one.at("table");
    SCOPED_TRACE(one.dump());
    const Json suite_json = {
        {"name", name},
        {"expectations", {{{"type", one.at("type")}, {"kwargs", one.at("kwargs")}}}}};
    const auto suite = ReadGreatExpectations(suite_json.dump(), "case.json");
    ASSERT_TRUE(suite.ok()) << suite.error().ToString();
    const ExpectationResult result =
        Check(Context{}, suite.value(), TableOf(name, golden.at("tables").at(name)))
            .value()
            .results.at(0);
    EXPECT_EQ(result.success, one.at("success").get<bool>()) << result.observed;
    // For sets of distinct values Great Expectations counts values there, not rows.
    const bool is_distinct = result.kind.starts_with("column_distinct");
    if (one.contains("unexpected_count") && !is_distinct) {
      EXPECT_EQ(result.unexpected_count, one.at("unexpected_count").get<std::int64_t>());
      if (one.at("unexpected_percent").is_number()) {
        EXPECT_NEAR(result.unexpected_percent, one.at("unexpected_percent").get<double>(), 1e-12);
      }
    }
    if (one.contains("observed_value") && one.at("observed_value").is_number()) {
      ASSERT_TRUE(result.observed_value.has_value());
      EXPECT_NEAR(*result.observed_value, one.at("observed_value").get<double>(), 1e-12);
    }
  }
  EXPECT_EQ(n_cases, 76);
}

}  // namespace
}  // namespace millrace::quality
