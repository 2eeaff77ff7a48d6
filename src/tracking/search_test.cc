// SPDX-License-Identifier: Apache-2.0
// The search grammar against what the real MLflow says, and what clauses mean for values.
#include "tracking/search.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/search_fields.h"

namespace millrace::tracking {
namespace {

using nlohmann::json;

json Golden() {
  std::ifstream file(std::string(MILLRACE_SOURCE_DIR) + "/tests/golden/search/golden.json");
  std::stringstream text;
  text << file.rdbuf();
  return base::ParseJson(text.str(), "golden.json").value();
}

SearchTarget TargetOf(const std::string& name) {
  const std::map<std::string, SearchTarget> targets = {{"runs", SearchTarget::kRuns},
                                                       {"experiments", SearchTarget::kExperiments},
                                                       {"models", SearchTarget::kRegisteredModels},
                                                       {"versions", SearchTarget::kModelVersions},
                                                       {"logged", SearchTarget::kLoggedModels},
                                                       {"traces", SearchTarget::kTraces}};
  return targets.at(name);
}

std::string ComparatorName(Comparator comparator) {
  for (const char* name : {"=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "RLIKE", "IN",
                           "NOT IN", "IS NULL", "IS NOT NULL"}) {
    if (internal::ParseComparator(name) == comparator) {
      return name;
    }
  }
  return "";
}

json ValueOf(const Clause& clause) {
  if (const auto* text = std::get_if<std::string>(&clause.value)) {
    return *text;
  }
  if (const auto* number = std::get_if<double>(&clause.value)) {
    return *number;
  }
  if (const auto* whole = std::get_if<std::int64_t>(&clause.value)) {
    return *whole;
  }
  if (const auto* list = std::get_if<std::vector<std::string>>(&clause.value)) {
    return *list;
  }
  return nullptr;
}

// Logged models print their entities in the plural, and in the golden their columns' names.
bool IsSameField(SearchTarget target, const Field& field, const json& want) {
  std::string kind(internal::EntityName(field.kind));
  std::string key = want.at("key");
  if (target == SearchTarget::kLoggedModels) {
    kind = kind == "parameter" ? "params" : kind + "s";
    key = key.ends_with("_timestamp_ms") ? key.substr(0, key.size() - 3) : key;
  }
  return kind == want.at("type").get<std::string>() && field.key == key;
}

bool IsSameClause(SearchTarget target, const Clause& clause, const json& want) {
  return IsSameField(target, clause.field, want) &&
         ComparatorName(clause.comparator) == want.at("comparator") &&
         ValueOf(clause) == want.at("value");
}

// Only the clause's kind is compared where MLflow quotes the pieces that its SQL parser made.
std::string Comparable(const std::string& message) {
  for (const std::string prefix : {"Invalid clause(s) in filter string:", "Invalid comparison: "}) {
    if (message.starts_with(prefix)) {
      return prefix;
    }
  }
  return message;
}

TEST(ParseFilter, SaysWhatMlflowSays) {
  int n_accepted = 0;
  int n_refused = 0;
  const json golden = Golden();
  for (const json& want : golden.at("cases")) {
    if (!want.contains("filter")) {
      continue;
    }
    const SearchTarget target = TargetOf(want.at("target"));
    const std::string filter = want.at("filter");
    const Result<std::vector<Clause>> got = ParseFilter(filter, target);
    SCOPED_TRACE(want.dump());
    if (want.contains("parsed")) {
      ++n_accepted;
      ASSERT_TRUE(got.ok()) << got.error().ToString();
      ASSERT_EQ(got->size(), want.at("parsed").size());
      for (std::size_t i = 0; i < got->size(); ++i) {
        EXPECT_TRUE(IsSameClause(target, (*got)[i], want.at("parsed")[i]))
            << (*got)[i].field.key << " " << ComparatorName((*got)[i].comparator) << " "
            << ValueOf((*got)[i]);
      }
    } else if (want.contains("refused")) {
      ++n_refused;
      if (got.ok()) {
        ADD_FAILURE() << "accepted";
        continue;
      }
      EXPECT_EQ(got.error().code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(Comparable(got.error().message()), Comparable(want.at("refused")));
    }
  }
  EXPECT_GT(n_accepted, 200);
  EXPECT_GT(n_refused, 200);
}

TEST(ParseOrderBy, SaysWhatMlflowSays) {
  int n_cases = 0;
  const json golden = Golden();
  for (const json& want : golden.at("cases")) {
    if (!want.contains("order")) {
      continue;
    }
    ++n_cases;
    const SearchTarget target = TargetOf(want.at("target"));
    const Result<std::vector<OrderTerm>> got = ParseOrderBy({want.at("order")}, target);
    SCOPED_TRACE(want.dump());
    if (want.contains("parsed")) {
      ASSERT_TRUE(got.ok()) << got.error().ToString();
      ASSERT_EQ(got->size(), 1U);
      EXPECT_TRUE(IsSameField(target, got->front().field, want.at("parsed")))
          << got->front().field.key;
      EXPECT_EQ(got->front().is_ascending, want.at("parsed").at("ascending").get<bool>());
    } else {
      ASSERT_FALSE(got.ok());
      EXPECT_EQ(got.error().code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(got.error().message(), want.at("refused").get<std::string>());
    }
  }
  EXPECT_GT(n_cases, 80);
}

// MLflow answers 500 to these.
TEST(ParseFilter, RefusesWhatMlflowCrashesOn) {
  for (const std::string filter : {"run_id = ('x')", "run_id IN 'x'", "dataset.name = ('x')"}) {
    const auto got = ParseFilter(filter, SearchTarget::kRuns);
    ASSERT_FALSE(got.ok()) << filter;
    EXPECT_EQ(got.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(ParseFilter("name IS NULL", SearchTarget::kRegisteredModels).ok());
  EXPECT_FALSE(ParseFilter("tags.a RLIKE '('", SearchTarget::kTraces).ok());
  EXPECT_FALSE(ParseFilter("tags.a RLIKE '((a{99}){99}){99}'", SearchTarget::kTraces).ok());
  EXPECT_FALSE(ParseFilter("metrics.a = 'x'", SearchTarget::kLoggedModels).ok());
  EXPECT_FALSE(ParseOrderBy({"metrics.a", "metrics.a DESC"}, SearchTarget::kRuns).ok());
}

TEST(ParseFilter, LongInputEndsSoon) {
  std::string filter;
  for (int i = 0; i < 1'000; ++i) {
    filter += "metrics.a > 1 AND ";
  }
  EXPECT_EQ(ParseFilter(filter, SearchTarget::kRuns)->size(), 1'000U);
  EXPECT_EQ(
      ParseFilter(std::string(1'000'000, '('), SearchTarget::kRuns).error().message().substr(0, 25),
      "Error on parsing filter '");
  EXPECT_FALSE(ParseFilter(std::string(1'000'000, '\''), SearchTarget::kRuns).ok());
  EXPECT_FALSE(ParseFilter(std::string(1'000'001, '"'), SearchTarget::kRuns).ok());
  EXPECT_FALSE(ParseFilter(std::string(1'000'000, '`') + "x", SearchTarget::kRuns).ok());
}

TEST(ParseLoggedModelOrder, TakesAttributesAndMetrics) {
  const OrderTerm metric = ParseLoggedModelOrder("metrics.a.b", false, "data", "digest").value();
  EXPECT_EQ(metric.field, (Field{FieldKind::kMetric, "a.b"}));
  EXPECT_FALSE(metric.is_ascending);
  EXPECT_EQ(metric.dataset_name, "data");
  EXPECT_EQ(ParseLoggedModelOrder("creation_time", true, "", "")->field.key, "creation_timestamp");
  EXPECT_EQ(ParseLoggedModelOrder("params.a", true, "", "").error().message(),
            "Invalid order by field name: params.a. Only metrics are supported.");
  EXPECT_FALSE(ParseLoggedModelOrder("foo", true, "", "").ok());
  EXPECT_EQ(ParseLoggedModelOrder("metrics.a", true, "", "digest").value().dataset_digest,
            "digest");
}

TEST(Like, PercentIsAnyRunAndUnderscoreOneCharacter) {
  EXPECT_TRUE(Like("churn", "churn", false));
  EXPECT_TRUE(Like("churn", "%", false));
  EXPECT_TRUE(Like("", "%%", false));
  EXPECT_FALSE(Like("", "_", false));
  EXPECT_TRUE(Like("churn", "c%n", false));
  EXPECT_TRUE(Like("abcabcabd", "%abc%abd", false));
  EXPECT_FALSE(Like("churn", "c%x", false));
  EXPECT_TRUE(Like("churn", "_hu__", false));
  EXPECT_FALSE(Like("churn", "Churn", false));
  EXPECT_TRUE(Like("chURN", "CHurn", true));
  EXPECT_TRUE(Like("m\xC3\xBCll", "m_ll", false));
  EXPECT_FALSE(Like("\xC3\xBC", "__", false));
  EXPECT_FALSE(Like("a.c", "a\\.c", false));
  EXPECT_FALSE(Like(std::string(10'000, 'a'), "%a%a%a%a%a%b", false));
}

ClauseTest One(const std::string& filter, SearchTarget target = SearchTarget::kRuns) {
  return ClauseTest(ParseFilter(filter, target).value().at(0));
}

TEST(ClauseTest, MissingMatchesIsNullAlone) {
  const FieldValue missing;
  EXPECT_FALSE(One("tags.a = 'x'")(missing));
  EXPECT_FALSE(One("tags.a != 'x'")(missing));
  EXPECT_FALSE(One("metrics.a != 1")(missing));
  EXPECT_TRUE(One("tags.a IS NULL")(missing));
  EXPECT_FALSE(One("tags.a IS NOT NULL")(missing));
  EXPECT_TRUE(One("tags.a IS NOT NULL")(FieldValue(std::string_view("x"))));
  EXPECT_FALSE(One("tags.a IS NULL")(FieldValue(std::string_view("x"))));
}

TEST(ClauseTest, NanMatchesNotEqualAlone) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(One("metrics.a != 0")(nan));
  for (const char* filter :
       {"metrics.a = 0", "metrics.a < 1", "metrics.a <= 1", "metrics.a > -1", "metrics.a >= -1"}) {
    EXPECT_FALSE(One(filter)(nan)) << filter;
  }
}

TEST(ClauseTest, ComparesTextsNumbersAndLists) {
  EXPECT_TRUE(One("metrics.a >= 0.5")(0.5));
  EXPECT_FALSE(One("metrics.a > 0.5")(0.5));
  EXPECT_TRUE(One("start_time = 9007199254740993")(FieldValue(std::int64_t{9007199254740993})));
  EXPECT_FALSE(One("start_time = 9007199254740993")(FieldValue(std::int64_t{9007199254740992})));
  EXPECT_TRUE(One("run_id IN ('a', 'b')")(std::string_view("b")));
  EXPECT_FALSE(One("run_id IN ('a', 'b')")(std::string_view("c")));
  EXPECT_TRUE(One("run_id NOT IN ('a', 'b')")(std::string_view("c")));
  EXPECT_TRUE(One("tags.a ILIKE '%X'")(std::string_view("ax")));
  EXPECT_FALSE(One("tags.a LIKE '%X'")(std::string_view("ax")));
  const ClauseTest regex = One("tags.a RLIKE '^v[0-9]+\\.\\d$'", SearchTarget::kTraces);
  EXPECT_TRUE(regex(std::string_view("v12.3")));
  EXPECT_FALSE(regex(std::string_view("v12.x")));
}

TEST(FilterAndOrder, MissingValuesAreLastInBothDirections) {
  struct Thing {
    std::string name;
    std::optional<double> score;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Thing> things = {{"a", 2}, {"b", {}}, {"c", nan}, {"d", 1}, {"e", 2}};
  const auto get = [](const Thing& thing, const Field& field) -> FieldValue {
    if (field.key == "name") {
      return std::string_view(thing.name);
    }
    return thing.score.has_value() ? FieldValue(*thing.score) : FieldValue();
  };
  const auto names = [&](const std::string& filter, const std::vector<std::string>& order) {
    std::vector<Thing> items = things;
    FilterAndOrder(items, std::span<const Clause>(ParseFilter(filter, SearchTarget::kRuns).value()),
                   std::span<const OrderTerm>(ParseOrderBy(order, SearchTarget::kRuns).value()),
                   get);
    std::string text;
    for (const Thing& item : items) {
      text += item.name;
    }
    return text;
  };
  EXPECT_EQ(names("", {"metrics.score"}), "daecb");
  EXPECT_EQ(names("", {"metrics.score DESC"}), "aedcb");
  EXPECT_EQ(names("", {"metrics.score DESC", "tags.name DESC"}), "eadcb");
  EXPECT_EQ(names("metrics.score != 2", {}), "cd");
  EXPECT_EQ(names("metrics.score >= 1 AND tags.name != 'e'", {"tags.name DESC"}), "da");
}

TEST(PageToken, IsBase64OfTheOffset) {
  EXPECT_EQ(PageToken(100), "eyJvZmZzZXQiOiAxMDB9");
  EXPECT_EQ(PageToken(5), "eyJvZmZzZXQiOiA1fQ==");
  for (const std::int64_t offset : {1LL, 12LL, 123LL, 1'000'000'007LL}) {
    EXPECT_EQ(ParsePageToken(PageToken(offset)).value(), offset);
  }
  EXPECT_EQ(ParsePageToken("").value(), 0);
  EXPECT_EQ(ParsePageToken("evilhax").error().message(),
            "Invalid page token, could not base64-decode");
  for (const char* token : {"x", "!!!", "bm90anNvbg==", "eyJvZmZzZXQiOiAwfQ==", "e30=", "W10=",
                            "eyJvZmZzZXQiOiAtMX0="}) {
    EXPECT_FALSE(ParsePageToken(token).ok()) << token;
  }
}

TEST(PageToken, OfOneSearchIsRefusedByAnother) {
  const std::vector<TokenPart> asked = {
      {.key = "filter", .text = "name = \"a\"", .mismatch = "other filter"}};
  EXPECT_EQ(ParsePageToken(PageToken(5, asked), asked).value(), 5);
  EXPECT_EQ(ParsePageToken("", asked).value(), 0);
  const std::vector<TokenPart> changed = {
      {.key = "filter", .text = "", .mismatch = "other filter"}};
  EXPECT_EQ(ParsePageToken(PageToken(5, asked), changed).error().message(), "other filter");
  EXPECT_EQ(ParsePageToken(PageToken(5), asked).error().message(), "other filter");
}

}  // namespace
}  // namespace millrace::tracking
