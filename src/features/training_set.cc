// SPDX-License-Identifier: Apache-2.0
// The split by time and the training set: label rows joined point in time with features.
#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "features/label.h"

namespace millrace::features {
namespace {

using base::InvalidArgument;

struct NamedRange {
  std::string_view name;
  SplitSet set;
  const SplitRange* range;
  /// Of the rows: first and last as-of time, and how many.
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  std::size_t rows = 0;

  bool Holds(std::int64_t as_of) const {
    return (!range->from.has_value() || as_of >= range->from->micros) &&
           (!range->until.has_value() || as_of <= range->until->micros);
  }
};

std::string RangeText(const SplitRange& range) {
  return "[" +
         (range.from.has_value() ? base::FormatDate(*range.from) : std::string("the beginning")) +
         ", " +
         (range.until.has_value() ? base::FormatDate(*range.until) : std::string("the end")) + "]";
}

/// Each set must lie wholly before the next, and its last label window must be over when the next
/// begins.
Result<void> CheckOrder(const NamedRange& earlier, const NamedRange& later, Duration horizon) {
  const bool is_open = !earlier.range->until.has_value() || !later.range->from.has_value();
  if (is_open || *earlier.range->until >= *later.range->from) {
    return InvalidArgument("split: " + std::string(earlier.name) + " " + RangeText(*earlier.range) +
                           " does not end before " + std::string(later.name) + " " +
                           RangeText(*later.range) + " begins")
        .Hint("give " + std::string(earlier.name) + " an until and " + std::string(later.name) +
              " a later from");
  }
  if (earlier.last + horizon.micros > later.first) {
    return InvalidArgument("split: the label window of " + std::string(earlier.name) + " as-of " +
                           base::FormatDate({earlier.last}) + " ends " +
                           base::FormatDate({earlier.last + horizon.micros}) +
                           ", which reaches into " + std::string(later.name) + " (first as-of " +
                           base::FormatDate({later.first}) +
                           "): labels would leak from one set into the other")
        .Hint("end " + std::string(earlier.name) + " at " +
              base::FormatDate({later.first - horizon.micros}) + " or earlier, or begin " +
              std::string(later.name) + " later");
  }
  return {};
}

}  // namespace

const base::Declaration<SplitRange>& SplitRange::Declared() {
  static const auto* const declaration =
      new base::Declaration<SplitRange>(  // Lives as long as the program.
          base::Declaration<SplitRange>("split_range",
                                        "The as-of times of one set; both ends belong to it.")
              .Field("from", &SplitRange::from, "The first as-of time; absent: from the beginning.")
              .Field("until", &SplitRange::until, "The last as-of time; absent: to the end."));
  return *declaration;
}

const base::Declaration<SplitSpec>& SplitSpec::Declared() {
  static const auto* const declaration =
      new base::Declaration<SplitSpec>(  // Lives as long as the program.
          base::Declaration<SplitSpec>(
              "split", "Which as-of times train, validate and test; those between are left out.")
              .Field("train", &SplitSpec::train, "What models learn from.", {.required = true})
              .Field("validation", &SplitSpec::validation, "What everything is chosen on.",
                     {.required = true})
              .Field("test", &SplitSpec::test, "What is reported once.", {.required = true}));
  return *declaration;
}

Result<std::vector<SplitSet>> AssignSplit(std::span<const std::int64_t> as_of_micros,
                                          const SplitSpec& spec, Duration horizon) {
  std::array<NamedRange, 3> ranges = {
      NamedRange{"train", SplitSet::kTrain, &spec.train},
      NamedRange{"validation", SplitSet::kValidation, &spec.validation},
      NamedRange{"test", SplitSet::kTest, &spec.test}};
  std::vector<SplitSet> sets(as_of_micros.size(), SplitSet::kNone);
  for (std::size_t i = 0; i < as_of_micros.size(); ++i) {
    for (NamedRange& range : ranges) {
      if (range.Holds(as_of_micros[i])) {
        sets[i] = range.set;
        range.first = std::min(range.first, as_of_micros[i]);
        range.last = std::max(range.last, as_of_micros[i]);
        ++range.rows;
      }
    }
  }
  for (const NamedRange& range : ranges) {
    if (range.rows == 0) {
      return InvalidArgument("split: " + std::string(range.name) + " " + RangeText(*range.range) +
                             " holds none of the " + std::to_string(as_of_micros.size()) +
                             " label rows, wanted at least one")
          .Hint("compare the split with the as-of times of the label");
    }
  }
  MILL_RETURN_IF_ERROR(CheckOrder(ranges[0], ranges[1], horizon));
  MILL_RETURN_IF_ERROR(CheckOrder(ranges[1], ranges[2], horizon));
  return sets;
}

Result<data::Table> BuildTrainingSet(const Context& context, const data::Table& labels,
                                     const std::string& key, const std::string& as_of,
                                     std::span<const ViewInput> views) {
  MILL_ASSIGN_OR_RETURN(const KeyColumn keys, KeyColumn::FromTable(labels, key));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column times, labels.Timestamps(as_of));
  const auto null_time = std::find(times.is_null.begin(), times.is_null.end(), 1);
  if (null_time != times.is_null.end()) {
    return InvalidArgument("labels: column \"" + as_of + "\" is null in row " +
                           std::to_string(null_time - times.is_null.begin()) +
                           ", wanted an as-of time in every row");
  }
  data::TableBuilder builder;
  std::set<std::string> names;
  for (const std::string& name : labels.names()) {
    builder.AddColumn(labels, name);
    names.insert(name);
  }
  for (const ViewInput& view : views) {
    for (const FeatureColumn& column : view.plan->columns) {
      if (!names.insert(column.name).second) {
        return InvalidArgument("view \"" + view.plan->name + "\" gives column \"" + column.name +
                               "\", which the labels or an earlier view give too")
            .Hint("rename one of the two features");
      }
    }
    MILL_ASSIGN_OR_RETURN(const History history, History::Make(context, *view.plan, *view.source));
    MILL_ASSIGN_OR_RETURN(const data::Table features,
                          history.Evaluate(context, keys, times.values));
    for (const FeatureColumn& column : view.plan->columns) {
      builder.AddColumn(features, column.name);
    }
  }
  return builder.Finish();
}

}  // namespace millrace::features
