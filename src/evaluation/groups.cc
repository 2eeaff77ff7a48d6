// SPDX-License-Identifier: Apache-2.0
// Sorts rows into groups.
#include "evaluation/groups.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/number_format.h"

namespace millrace::evaluation {
namespace {

/// More groups than these say nothing to a reader.
constexpr std::size_t kMostTexts = 20;
constexpr std::size_t kMostNumbers = 10;
/// How much of an instant's text names its day and its month.
constexpr std::size_t kDay = std::string_view("2011-07-01").size();
constexpr std::size_t kMonth = std::string_view("2011-07").size();

double FourFigures(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return std::strtod(text, nullptr);
}

/// Where sorted values are cut into parts of about equal size (linear interpolation); equal cuts
/// fall together.
std::vector<double> QuantileEdges(std::span<const double> sorted, int parts) {
  std::vector<double> edges;
  for (int i = 1; i < parts; ++i) {
    const double place = static_cast<double>(sorted.size() - 1) * i / parts;
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    const double value =
        sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
    const double edge = FourFigures(value);
    if (edge > sorted.front() && (edges.empty() || edge > edges.back())) {
      edges.push_back(edge);
    }
  }
  return edges;
}

/// Cuts at the edges.
void Cut(std::span<const double> values, const std::vector<double>& edges, Grouping& grouping) {
  for (std::size_t i = 0; i <= edges.size(); ++i) {
    const std::string from = i > 0 ? base::FormatDouble(edges[i - 1]) : "";
    const std::string under = i < edges.size() ? "under " + base::FormatDouble(edges[i]) : "";
    grouping.names.push_back(edges.empty()   ? "all"
                             : from.empty()  ? under
                             : under.empty() ? from + " and over"
                                             : from + " to " + under);
  }
  for (const double value : values) {
    grouping.group_of.push_back(
        std::isnan(value)
            ? edges.size() + 1
            : static_cast<std::size_t>(std::distance(
                  edges.begin(), std::upper_bound(edges.begin(), edges.end(), value))));
  }
}

/// Longer lists of days are told by month.
std::vector<std::string> DayNames(std::span<const std::int64_t> days) {
  std::vector<std::string> names;
  for (const std::int64_t micros : days) {
    names.push_back(base::FormatTimestamp(Timestamp{micros}).substr(0, kDay));
  }
  std::vector<std::string> distinct = names;
  std::sort(distinct.begin(), distinct.end());
  if (std::unique(distinct.begin(), distinct.end()) - distinct.begin() >
      static_cast<std::ptrdiff_t>(kMostTexts)) {
    for (std::string& name : names) {
      name.resize(kMonth);
    }
  }
  return names;
}

}  // namespace

const base::Declaration<GroupColumnSpec>& GroupColumnSpec::Declared() {
  static const auto declaration =
      base::Declaration<GroupColumnSpec>("group_column",
                                         "One column by whose values rows are grouped.")
          .Field("column", &GroupColumnSpec::column, "Name of the column.", {.required = true})
          .Field("table", &GroupColumnSpec::table,
                 "Table of the column: each row gets the entity's last value before its as-of "
                 "time. Without it the column is one of the training set.")
          .Field("key", &GroupColumnSpec::key,
                 "Column of the table that names the entity; by default the label's key.")
          .Field("time", &GroupColumnSpec::time,
                 "Column of the table with the time of the value; by default the label's time "
                 "where the table has it, else the value holds at all times.")
          .Field("edges", &GroupColumnSpec::edges,
                 "Numbers are cut at these rising values; a value on an edge is in the group "
                 "above.")
          .Field("quantiles", &GroupColumnSpec::quantiles,
                 "Numbers of more than 10 values are cut into so many groups of about equal size, "
                 "unless edges are given.",
                 {.minimum = 2, .maximum = 20});
  return declaration;
}

const base::Declaration<FairnessSpec>& FairnessSpec::Declared() {
  static const auto declaration =
      base::Declaration<FairnessSpec>("fairness",
                                      "Whether groups of people are treated alike at the decision "
                                      "threshold.")
          .Field("sensitive", &FairnessSpec::sensitive,
                 "Columns that name the groups; the model need not see them.");
  return declaration;
}

const base::Declaration<EvaluationSpec>& EvaluationSpec::Declared() {
  static const auto declaration =
      base::Declaration<EvaluationSpec>(
          "evaluation", "Which groups of the test rows are looked at apart, on report and card.")
          .Field("segments", &EvaluationSpec::segments,
                 "Columns by whose values the metrics are shown, beside the as-of time.")
          .Field("fairness", &EvaluationSpec::fairness,
                 "Whether groups of people are treated alike at the decision threshold.")
          .Field("minimum_rows", &EvaluationSpec::minimum_rows,
                 "Groups with fewer test rows are shown, not judged.",
                 {.minimum = 1, .maximum = 1000000000});
  return declaration;
}

Grouping GroupTexts(std::string column, std::span<const std::int32_t> codes,
                    std::span<const std::string> values) {
  std::vector<std::pair<std::int64_t, std::size_t>> sizes;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sizes.emplace_back(0, i);
  }
  bool has_missing = false;
  for (const std::int32_t code : codes) {
    if (code < 0) {
      has_missing = true;
    } else {
      ++sizes[static_cast<std::size_t>(code)].first;
    }
  }
  std::erase_if(sizes, [](const auto& size) { return size.first == 0; });
  std::sort(sizes.begin(), sizes.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : values[a.second] < values[b.second];
  });
  // One value too many would only change places with the group that takes the rest.
  const std::size_t kept = sizes.size() <= kMostTexts + 1 ? sizes.size() : kMostTexts;
  Grouping grouping{std::move(column), {}, {}};
  std::vector<std::size_t> group_of_value(values.size(), kept);
  for (std::size_t i = 0; i < kept; ++i) {
    grouping.names.push_back(values[sizes[i].second]);
    group_of_value[sizes[i].second] = i;
  }
  if (kept < sizes.size()) {
    grouping.gathered = kept;
    grouping.names.push_back("(" + std::to_string(sizes.size() - kept) + " other values)");
  }
  if (has_missing) {
    grouping.names.emplace_back(kMissingGroup);
  }
  for (const std::int32_t code : codes) {
    grouping.group_of.push_back(code < 0 ? grouping.names.size() - 1
                                         : group_of_value[static_cast<std::size_t>(code)]);
  }
  return grouping;
}

Grouping GroupTimes(std::string column, std::span<const std::int64_t> micros) {
  const std::vector<std::string> names = DayNames(micros);
  Grouping grouping{std::move(column), names, {}};
  std::sort(grouping.names.begin(), grouping.names.end());
  grouping.names.erase(std::unique(grouping.names.begin(), grouping.names.end()),
                       grouping.names.end());
  for (const std::string& name : names) {
    const auto place = std::lower_bound(grouping.names.begin(), grouping.names.end(), name);
    grouping.group_of.push_back(static_cast<std::size_t>(place - grouping.names.begin()));
  }
  return grouping;
}

Result<Grouping> GroupNumbers(std::span<const double> values, const GroupColumnSpec& spec) {
  for (std::size_t i = 1; i < spec.edges.size(); ++i) {
    if (!(spec.edges[i] > spec.edges[i - 1])) {
      return base::InvalidArgument("edges of column \"" + spec.column.value +
                                   "\": " + base::FormatDouble(spec.edges[i]) + " stands after " +
                                   base::FormatDouble(spec.edges[i - 1]) +
                                   "; wanted: values that rise")
          .At(spec.column.where);
    }
  }
  std::vector<double> sorted;
  std::copy_if(values.begin(), values.end(), std::back_inserter(sorted),
               [](double value) { return !std::isnan(value); });
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> distinct;
  std::unique_copy(sorted.begin(), sorted.end(), std::back_inserter(distinct));
  Grouping grouping{spec.column.value, {}, {}};
  if (spec.edges.empty() && distinct.size() <= kMostNumbers) {
    for (const double value : distinct) {
      grouping.names.push_back(base::FormatDouble(value));
    }
    for (const double value : values) {
      const auto place = std::lower_bound(distinct.begin(), distinct.end(), value);
      grouping.group_of.push_back(
          std::isnan(value) ? distinct.size()
                            : static_cast<std::size_t>(std::distance(distinct.begin(), place)));
    }
  } else {
    Cut(values, spec.edges.empty() ? QuantileEdges(sorted, spec.quantiles) : spec.edges, grouping);
  }
  if (sorted.size() < values.size()) {
    grouping.names.emplace_back(kMissingGroup);
  }
  return grouping;
}

}  // namespace millrace::evaluation
