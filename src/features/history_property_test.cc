// SPDX-License-Identifier: Apache-2.0
// Random events, random views, random requests: the kernel against an oracle that reads every event
// for every row, and against itself at other numbers of threads, byte for byte.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "features/history.h"
#include "features/internal/test_support.h"

namespace millrace::features {
namespace {

using internal::TestContext;

const double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kHour = 3600 * base::kMicrosPerSecond;
const std::int64_t kStart = internal::Micros("2010-01-30");

struct Row {
  std::optional<std::int64_t> customer;
  std::int64_t t = 0;
  std::optional<double> x;
  std::optional<std::int64_t> n;
  std::optional<std::string> name;
  std::optional<std::int64_t> created;

  std::int64_t Known() const { return created.value_or(t); }
};

std::vector<Row> RandomRows(base::Rng& rng, std::size_t n) {
  std::vector<Row> rows(n);
  for (Row& row : rows) {
    if (rng.Below(20) != 0) {
      row.customer = static_cast<std::int64_t>(rng.Below(6));
    }
    row.t = kStart + static_cast<std::int64_t>(rng.Below(120)) *
                         kHour;  // Few instants, so that there are ties.
    if (rng.Below(6) != 0) {
      row.x = (static_cast<double>(rng.Below(2000)) - 1000) / 8 * (rng.Below(30) == 0 ? 1e12 : 1.0);
    }
    if (rng.Below(6) != 0) {
      row.n = static_cast<std::int64_t>(rng.Below(5));
    }
    if (rng.Below(6) != 0) {
      row.name = std::string(1, static_cast<char>('a' + rng.Below(4)));
    }
    if (rng.Below(3) != 0) {
      row.created =
          row.t + static_cast<std::int64_t>(rng.Below(8)) * kHour * (rng.Below(2) == 0 ? 0 : 5);
    }
  }
  return rows;
}

data::Table ToTable(const std::vector<Row>& rows) {
  data::Int64Column customer;
  data::Int64Column n;
  data::Int64Column created;
  std::vector<std::int64_t> t;
  std::vector<double> x;
  std::vector<std::string> name;
  std::vector<std::uint8_t> name_null;
  for (const Row& row : rows) {
    customer.values.push_back(row.customer.value_or(0));
    customer.is_null.push_back(row.customer ? 0 : 1);
    t.push_back(row.t);
    x.push_back(row.x.value_or(kNaN));
    n.values.push_back(row.n.value_or(0));
    n.is_null.push_back(row.n ? 0 : 1);
    name.push_back(row.name.value_or(""));
    name_null.push_back(row.name ? 0 : 1);
    created.values.push_back(row.created.value_or(0));
    created.is_null.push_back(row.created ? 0 : 1);
  }
  data::TableBuilder builder;
  builder.AddInt64s("customer", customer.values, customer.is_null)
      .AddTimestamps("t", t)
      .AddDoubles("x", x);
  builder.AddInt64s("n", n.values, n.is_null).AddStrings("name", name, name_null);
  builder.AddTimestamps("created", created.values, created.is_null);
  const std::vector<std::uint8_t> gift(rows.size(), 0);
  return builder.AddBools("gift", gift).Finish().value();
}

struct Filter {
  std::string text;
  std::function<bool(const Row&)> holds;
};

const std::vector<Filter>& Filters() {
  static const auto* const filters = new std::vector<Filter>{
      {"", [](const Row&) { return true; }},
      {" where name = 'a'", [](const Row& r) { return r.name == "a"; }},
      {" where n in (1, 3) or x > 50",
       [](const Row& r) { return (r.n && (*r.n == 1 || *r.n == 3)) || (r.x && *r.x > 50); }},
      {" where not (n = 2)", [](const Row& r) { return r.n && *r.n != 2; }},
      {" where name != 'b' and x is not null",
       [](const Row& r) { return r.name && *r.name != "b" && r.x.has_value(); }},
  };
  return *filters;
}

struct Feature {
  std::string function;
  std::size_t filter = 0;
  std::int64_t window = 0;

  std::string Text() const {
    return function + Filters()[filter].text +
           (window > 0 ? " over " + base::FormatDuration({window}) : "");
  }
};

const std::vector<std::string>& Functions() {
  static const auto* const functions = new std::vector<std::string>{"count(*)",
                                                                    "count(x)",
                                                                    "count(name)",
                                                                    "sum(x)",
                                                                    "sum(n)",
                                                                    "avg(x)",
                                                                    "min(x)",
                                                                    "max(x)",
                                                                    "min(n)",
                                                                    "stddev(x)",
                                                                    "first(x)",
                                                                    "last(x)",
                                                                    "count_distinct(name)",
                                                                    "count_distinct(n)",
                                                                    "count_distinct(x)",
                                                                    "count_distinct(month(t))",
                                                                    "days_since(max(t))",
                                                                    "days_since(min(t))",
                                                                    "days_since(max(created))"};
  return *functions;
}

struct View {
  std::vector<Feature> features;
  std::int64_t ttl = 0;
  bool include_now = false;
  bool has_created = false;
  bool as_known_then = true;
  bool lookup_includes_now = true;

  std::string Yaml() const {
    std::string text = std::string("include_now: ") + (include_now ? "true" : "false") + "\n";
    text += std::string("as_of: '") + (lookup_includes_now ? "<=" : "<") + "'\n";
    text += ttl > 0 ? "ttl: " + base::FormatDuration({ttl}) + "\n" : "";
    text += has_created ? "created: created\n" : "";
    text += std::string("history: ") + (as_known_then ? "as_known_then" : "as_corrected") +
            "\nfeatures:\n";
    for (std::size_t i = 0; i < features.size(); ++i) {
      text += "  f" + std::to_string(i) + ": " + features[i].Text() + "\n";
    }
    return text + "  look: latest(x)\n";
  }
};

View RandomView(base::Rng& rng) {
  View view;
  view.ttl = rng.Below(2) == 0 ? 0 : static_cast<std::int64_t>(1 + rng.Below(60)) * kHour;
  view.include_now = rng.Below(3) == 0;
  view.has_created = rng.Below(2) == 0;
  view.as_known_then = rng.Below(3) != 0;
  view.lookup_includes_now = rng.Below(2) == 0;
  for (const std::string& function : Functions()) {
    for (int copy = 0; copy < 2; ++copy) {
      const std::int64_t window =
          rng.Below(3) == 0 ? 0 : static_cast<std::int64_t>(1 + rng.Below(50)) * kHour;
      view.features.push_back({function, rng.Below(Filters().size()), window});
    }
  }
  return view;
}

/// The values of an aggregate's argument, in the order of (time, created, sequence).
double Aggregate(const std::string& function, const std::vector<Row>& rows, std::int64_t as_of) {
  if (function == "count(*)") {
    return static_cast<double>(rows.size());
  }
  std::vector<double> values;
  std::set<std::string> texts;
  for (const Row& row : rows) {
    if (function.find("name") != std::string::npos) {
      if (row.name) {
        texts.insert(*row.name);
        values.push_back(0);
      }
    } else if (function.find("(t)") != std::string::npos) {
      values.push_back(static_cast<double>(row.t));
    } else if (function.find("created") != std::string::npos) {
      if (row.created) {
        values.push_back(static_cast<double>(*row.created));
      }
    } else if (function.find("(n)") != std::string::npos) {
      if (row.n) {
        values.push_back(static_cast<double>(*row.n));
      }
    } else if (row.x) {
      values.push_back(*row.x);
    }
  }
  const std::string name = function.substr(0, function.find('('));
  if (function == "count_distinct(name)") {
    return static_cast<double>(texts.size());
  }
  if (function == "count_distinct(month(t))") {
    std::set<bool> is_february;  // All events lie in January and February 2010.
    for (const double value : values) {
      is_february.insert(static_cast<std::int64_t>(value) >= internal::Micros("2010-02-01"));
    }
    return static_cast<double>(is_february.size());
  }
  if (name == "count_distinct") {
    return static_cast<double>(std::set<double>(values.begin(), values.end()).size());
  }
  if (name == "count") {
    return static_cast<double>(values.size());
  }
  if (values.empty()) {
    return kNaN;
  }
  long double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  const long double n = static_cast<long double>(values.size());
  if (name == "stddev") {
    long double squares = 0;
    for (const double value : values) {
      squares += (value - sum / n) * (value - sum / n);
    }
    return values.size() < 2 ? kNaN : static_cast<double>(std::sqrt(squares / (n - 1)));
  }
  if (name == "sum" || name == "avg") {
    return static_cast<double>(name == "sum" ? sum : sum / n);
  }
  if (name == "first" || name == "last") {
    return name == "first" ? values.front() : values.back();
  }
  const bool is_max = function.find("max") != std::string::npos;
  const double extreme = is_max ? *std::max_element(values.begin(), values.end())
                                : *std::min_element(values.begin(), values.end());
  return name == "days_since" ? (static_cast<double>(as_of) - extreme) / 86400e6 : extreme;
}

std::vector<double> OracleRow(const View& view, const std::vector<Row>& rows,
                              std::optional<std::int64_t> key, std::int64_t t) {
  std::vector<double> out(view.features.size() + 1, kNaN);
  std::vector<Row> seen;     // By aggregates.
  std::vector<Row> lookups;  // By latest(x).
  for (const Row& row : rows) {
    const bool is_known = !view.has_created || !view.as_known_then || row.Known() <= t;
    if (!key || row.customer != key || !is_known) {
      continue;
    }
    if (view.include_now ? row.t <= t : row.t < t) {
      seen.push_back(row);
    }
    if (view.lookup_includes_now ? row.t <= t : row.t < t) {
      lookups.push_back(row);
    }
  }
  const auto is_before = [&](const Row& a, const Row& b) {
    return a.t != b.t ? a.t < b.t : view.has_created && a.Known() < b.Known();
  };
  std::stable_sort(seen.begin(), seen.end(), is_before);
  std::stable_sort(lookups.begin(), lookups.end(), is_before);
  if (!lookups.empty() && (view.ttl == 0 || lookups.back().t >= t - view.ttl)) {
    out.back() = lookups.back().x.value_or(kNaN);
  }
  if (seen.empty() || (view.ttl > 0 && seen.back().t < t - view.ttl)) {
    return out;
  }
  for (std::size_t f = 0; f < view.features.size(); ++f) {
    const Feature& feature = view.features[f];
    std::vector<Row> inside;
    for (const Row& row : seen) {
      const bool is_inside =
          feature.window == 0 ||
          (view.include_now ? row.t > t - feature.window : row.t >= t - feature.window);
      if (is_inside && Filters()[feature.filter].holds(row)) {
        inside.push_back(row);
      }
    }
    out[f] = Aggregate(feature.function, inside, t);
  }
  return out;
}

bool IsNear(const std::string& function, double seen, double wanted) {
  if (std::isnan(seen) || std::isnan(wanted)) {
    return std::isnan(seen) && std::isnan(wanted);
  }
  const bool is_rounded =
      function.starts_with("sum") || function.starts_with("avg") || function.starts_with("stddev");
  return is_rounded ? std::fabs(seen - wanted) <= 1e-9 * std::fabs(wanted) + 1e-300
                    : seen == wanted;
}

struct Requests {
  data::Int64Column keys;
  std::vector<std::int64_t> as_of;
};

Requests RandomRequests(base::Rng& rng, std::size_t n) {
  Requests requests;
  for (std::size_t i = 0; i < n; ++i) {
    requests.keys.values.push_back(static_cast<std::int64_t>(rng.Below(8)));
    requests.keys.is_null.push_back(rng.Below(15) == 0 ? 1 : 0);
    // On the hour of events, or one microsecond beside it: the edges of every interval.
    requests.as_of.push_back(kStart + static_cast<std::int64_t>(rng.Below(180)) * kHour +
                             static_cast<std::int64_t>(rng.Below(3)) - 1);
  }
  return requests;
}

TEST(HistoryProperty, AgreesWithTheNaiveOracleOnRandomViews) {
  const TestContext context;
  for (std::uint64_t round = 0; round < 120; ++round) {
    base::Rng rng(20100101, round);
    const std::vector<Row> rows = RandomRows(rng, round % 10 == 0 ? rng.Below(3) : rng.Below(150));
    const View view = RandomView(rng);
    const ViewPlan plan = internal::CompileView(view.Yaml());
    const Requests requests = RandomRequests(rng, 40);
    const Result<History> history = History::Make(context, plan, ToTable(rows));
    ASSERT_TRUE(history.ok()) << history.error().ToString();
    const data::Table table =
        history->Evaluate(context, KeyColumn::Int64s(requests.keys), requests.as_of).value();
    std::vector<std::vector<double>> columns;
    for (const std::string& name : table.names()) {
      columns.push_back(table.Doubles(name).value());
    }
    for (std::size_t i = 0; i < requests.as_of.size(); ++i) {
      const std::optional<std::int64_t> key =
          requests.keys.IsNull(i) ? std::nullopt : std::optional(requests.keys.values[i]);
      const std::vector<double> wanted = OracleRow(view, rows, key, requests.as_of[i]);
      for (std::size_t f = 0; f < wanted.size(); ++f) {
        const std::string text = f < view.features.size() ? view.features[f].Text() : "latest(x)";
        ASSERT_TRUE(IsNear(text, columns[f][i], wanted[f]))
            << "round " << round << ", row " << i << ", " << text << ": " << columns[f][i]
            << ", oracle " << wanted[f] << "\n"
            << view.Yaml();
      }
    }
  }
}

TEST(HistoryProperty, SameBytesAtAnyNumberOfThreads) {
  base::Rng rng(7);
  const std::vector<Row> rows = RandomRows(rng, 20000);
  std::vector<Row> spread = rows;
  for (Row& row : spread) {
    row.customer = static_cast<std::int64_t>(rng.Below(900));
  }
  const data::Table source = ToTable(spread);
  View view = RandomView(rng);
  view.has_created = true;
  view.as_known_then = true;
  const ViewPlan plan = internal::CompileView(view.Yaml() + "derived:\n  d: f0 / (f1 + 1)\n");
  Requests requests;
  for (std::size_t i = 0; i < 6000; ++i) {
    requests.keys.values.push_back(static_cast<std::int64_t>(rng.Below(1000)));
    requests.as_of.push_back(kStart + static_cast<std::int64_t>(rng.Below(180)) * kHour);
  }
  std::optional<ContentHash> first;
  for (const int threads : {1, 2, 7}) {
    const TestContext context(threads);
    const History history = History::Make(context, plan, source).value();
    const ContentHash hash =
        history.Evaluate(context, KeyColumn::Int64s(requests.keys), requests.as_of)->Hash();
    EXPECT_EQ(first.value_or(hash), hash) << threads;
    first = hash;
  }
}

TEST(HistoryProperty, OrderOfRowsAtDistinctTimesDoesNotMatter) {
  base::Rng rng(11);
  std::vector<Row> rows = RandomRows(rng, 300);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].t = kStart + static_cast<std::int64_t>(i) * kHour / 4;
  }
  View view = RandomView(rng);
  view.has_created = false;
  const ViewPlan plan = internal::CompileView(view.Yaml());
  const Requests requests = RandomRequests(rng, 200);
  const TestContext context;
  const auto hash_of = [&](const std::vector<Row>& source) {
    return History::Make(context, plan, ToTable(source))
        ->Evaluate(context, KeyColumn::Int64s(requests.keys), requests.as_of)
        ->Hash();
  };
  const ContentHash in_order = hash_of(rows);
  std::vector<Row> reversed(rows.rbegin(), rows.rend());
  EXPECT_EQ(hash_of(reversed), in_order);
}

TEST(HistoryProperty, OneKeyWithHalfOfAllRowsC20) {
  const TestContext context;
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < 40000; ++i) {
    Row row;
    row.customer = i % 2 == 0 ? 0 : i;
    row.t = kStart + i * base::kMicrosPerSecond;
    row.x = 0.125;
    row.name = std::to_string(i % 977);
    rows.push_back(row);
  }
  const ViewPlan plan = internal::CompileView(
      "features: {n: count(*) over 5000s, s: sum(x) over 5000s, d: count_distinct(name) over "
      "500s}");
  const History history = History::Make(context, plan, ToTable(rows)).value();
  // As many rows as events: a window read anew for every row would take minutes here.
  std::vector<std::int64_t> times;
  for (std::int64_t i = 10000; i < 40000; ++i) {
    times.push_back(kStart + i * base::kMicrosPerSecond);
  }
  const data::Table table =
      history
          .Evaluate(context, KeyColumn::Int64s(std::vector<std::int64_t>(times.size(), 0)), times)
          .value();
  const std::vector<double> n = table.Doubles("n").value();
  const std::vector<double> s = table.Doubles("s").value();
  const std::vector<double> d = table.Doubles("d").value();
  for (std::size_t i = 0; i < n.size(); ++i) {
    ASSERT_EQ(n[i], 2500);
    ASSERT_EQ(s[i], 312.5);
    ASSERT_EQ(d[i], 250);
  }
}

}  // namespace
}  // namespace millrace::features
