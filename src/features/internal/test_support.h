// SPDX-License-Identifier: Apache-2.0
// What the tests of this module share: a context with its pool, plans from YAML text, tables from
// short columns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/config.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "data/table.h"
#include "features/plan.h"

namespace millrace::features::internal {

/// A context with a `cpu` pool of the given size; lives as long as the test.
class TestContext {
 public:
  explicit TestContext(int threads = 2) : pool_("cpu", threads), logger_(base::MakeNullLogger()) {
    context_.cpu = &pool_;
    context_.logger = logger_.get();
  }
  operator const Context&() const {
    return context_;
  }  // NOLINT(google-explicit-constructor): stands for the context.

 private:
  base::ThreadPool pool_;
  std::unique_ptr<base::Logger> logger_;
  Context context_;
};

inline std::int64_t Micros(std::string_view text) {
  return base::ParseTimestamp(text).value().micros;
}

template <typename T>
Result<T> ReadYaml(std::string_view text) {
  MILL_ASSIGN_OR_RETURN(const base::YamlNode node,
                        base::YamlNode::Parse(text, "features/test.yaml"));
  base::ErrorList errors;
  T value = T::Declared().Read(node, errors);
  if (!errors.empty()) {
    return errors.ToError();
  }
  return value;
}

inline Result<std::vector<ViewPlan>> CompileText(std::string_view yaml,
                                                 const std::vector<data::ColumnInfo>& schema) {
  MILL_ASSIGN_OR_RETURN(const FeatureFile file, ReadYaml<FeatureFile>(yaml));
  return CompileFeatures(
      file, [&](std::string_view) -> Result<std::vector<data::ColumnInfo>> { return schema; });
}

/// Compiles `features:` (and `derived:`) lines into one view over the columns customer, t, x, n,
/// name, created.
inline std::vector<data::ColumnInfo> TestSchema() {
  using enum data::ColumnType;
  return {{"customer", kInt64}, {"t", kTimestamp},       {"x", kDouble}, {"n", kInt64},
          {"name", kString},    {"created", kTimestamp}, {"gift", kBool}};
}

inline std::string ViewYaml(std::string_view view_lines) {
  std::string yaml =
      "entity: customer\nkey: customer\nviews:\n  v:\n    source: events\n    time: t\n";
  std::size_t begin = 0;
  while (begin < view_lines.size()) {
    const std::size_t end = std::min(view_lines.find('\n', begin), view_lines.size());
    yaml += "    " + std::string(view_lines.substr(begin, end - begin)) + "\n";
    begin = end + 1;
  }
  return yaml;
}

inline ViewPlan CompileView(std::string_view view_lines) {
  Result<std::vector<ViewPlan>> plans = CompileText(ViewYaml(view_lines), TestSchema());
  EXPECT_TRUE(plans.ok()) << plans.error().ToString();
  return plans->front();
}

/// One event of the test schema; absent is null.
struct Event {
  std::optional<std::int64_t> customer;
  std::string t;
  std::optional<double> x = std::nullopt;
  std::optional<std::int64_t> n = std::nullopt;
  std::optional<std::string> name = std::nullopt;
  std::optional<std::string> created = std::nullopt;
};

inline data::Table EventTable(const std::vector<Event>& events) {
  data::Int64Column customer;
  data::Int64Column t;
  data::Int64Column n;
  data::Int64Column created;
  std::vector<double> x;
  std::vector<std::string> name;
  std::vector<std::uint8_t> name_null;
  for (const Event& event : events) {
    customer.values.push_back(event.customer.value_or(0));
    customer.is_null.push_back(event.customer ? 0 : 1);
    t.values.push_back(event.t.empty() ? 0 : Micros(event.t));
    t.is_null.push_back(event.t.empty() ? 1 : 0);
    x.push_back(event.x.value_or(std::numeric_limits<double>::quiet_NaN()));
    n.values.push_back(event.n.value_or(0));
    n.is_null.push_back(event.n ? 0 : 1);
    name.push_back(event.name.value_or(""));
    name_null.push_back(event.name ? 0 : 1);
    created.values.push_back(event.created ? Micros(*event.created) : 0);
    created.is_null.push_back(event.created ? 0 : 1);
  }
  const std::vector<std::uint8_t> gift(events.size(), 0);
  data::TableBuilder builder;
  builder.AddInt64s("customer", customer.values, customer.is_null)
      .AddTimestamps("t", t.values, t.is_null);
  builder.AddDoubles("x", x)
      .AddInt64s("n", n.values, n.is_null)
      .AddStrings("name", name, name_null);
  builder.AddTimestamps("created", created.values, created.is_null).AddBools("gift", gift);
  Result<data::Table> table = builder.Finish();
  EXPECT_TRUE(table.ok()) << table.error().ToString();
  return *table;
}

}  // namespace millrace::features::internal
