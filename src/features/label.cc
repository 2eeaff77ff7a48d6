// SPDX-License-Identifier: Apache-2.0
// Labels by presence of events. Population and label are counts over windows, so the feature kernel
// computes both: a label window [t, t + h) is the window [u - h, u) at u = t + h.
#include "features/label.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "data/table.h"
#include "features/history.h"
#include "features/plan.h"

namespace millrace::features {
namespace {

using base::InvalidArgument;

/// Steps beyond this are a mistake in the grid, not a wish.
constexpr std::size_t kMaximumAsOfTimes = 100'000;

/// A view with one feature: the number of events in a window.
Result<ViewPlan> CountingPlan(const LabelSpec& spec, const data::Table& source, Duration window) {
  ViewSpec view;
  view.source = spec.source;
  view.time = spec.time;
  view.features.emplace_back(
      base::Located<std::string>{"events", spec.source.where},
      base::Located<std::string>{"count(*) over " + base::FormatDuration(window),
                                 spec.source.where});
  FeatureFile file;
  file.entity.value = spec.key.value;
  file.key = spec.key;
  file.views.emplace_back(base::Located<std::string>{"label " + spec.name, spec.source.where},
                          std::move(view));
  MILL_ASSIGN_OR_RETURN(
      std::vector<ViewPlan> plans,
      CompileFeatures(file, [&](std::string_view) -> Result<std::vector<data::ColumnInfo>> {
        return source.columns();
      }));
  return std::move(plans.front());
}

/// 1 for each (as-of, key) pair that has an event in the window that ends at as-of + shift. Pairs
/// run through the keys first.
Result<std::vector<std::uint8_t>> HasEvent(const Context& context, const History& history,
                                           const KeyColumn& keys,
                                           std::span<const std::int64_t> as_of, Duration shift) {
  std::vector<std::uint8_t> has_event;
  has_event.reserve(keys.size() * as_of.size());
  for (const std::int64_t t : as_of) {
    const std::vector<std::int64_t> ends(keys.size(), t + shift.micros);
    MILL_ASSIGN_OR_RETURN(const data::Table counts, history.Evaluate(context, keys, ends));
    MILL_ASSIGN_OR_RETURN(const data::Int64Column events, counts.Int64s("events"));
    for (std::size_t i = 0; i < keys.size(); ++i) {
      has_event.push_back(!events.IsNull(i) && events.values[i] > 0 ? 1 : 0);
    }
  }
  return has_event;
}

/// The as-of times whose label window the source covers; the others are an error or are left out.
Result<std::vector<std::int64_t>> CoveredTimes(const Context& context, const LabelSpec& spec,
                                               const data::Table& source, Duration horizon) {
  MILL_ASSIGN_OR_RETURN(std::vector<std::int64_t> as_of, AsOfTimes(spec.as_of));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column times, source.Timestamps(spec.time.value));
  if (times.values.empty()) {
    return InvalidArgument("label \"" + spec.name + "\": source \"" + spec.source.value +
                           "\" has no rows, wanted events")
        .At(spec.source.where)
        .Hint("check the files of the source and the filters of its table");
  }
  const std::int64_t last = *std::max_element(times.values.begin(), times.values.end());
  const auto covered_end = std::find_if(as_of.begin(), as_of.end(),
                                        [&](std::int64_t t) { return t + horizon.micros > last; });
  if (covered_end == as_of.end()) {
    return as_of;
  }
  if (spec.censored != "drop") {
    return InvalidArgument("label \"" + spec.name + "\": the label window of as-of " +
                           base::FormatDate({*covered_end}) + " ends " +
                           base::FormatDate({*covered_end + horizon.micros}) +
                           ", after the last event of source \"" + spec.source.value + "\" (" +
                           base::FormatTimestamp({last}) + "), so its label cannot be known yet")
        .At(spec.positive.where)
        .Hint("set as_of.to to " + base::FormatDate({last - horizon.micros}) +
              " or earlier, or censored: drop");
  }
  context.logger->Warn("features", "label_times_dropped",
                       {{"label", spec.name},
                        {"first", base::FormatDate({*covered_end})},
                        {"dropped", static_cast<std::int64_t>(as_of.end() - covered_end)},
                        {"last_event", base::FormatTimestamp({last})}});
  as_of.erase(covered_end, as_of.end());
  return as_of;
}

}  // namespace

const base::Declaration<AsOfGrid>& AsOfGrid::Declared() {
  static const auto* const declaration =
      new base::Declaration<AsOfGrid>(  // Lives as long as the program.
          base::Declaration<AsOfGrid>("as_of_grid", "Regular as-of times.")
              .Field("from", &AsOfGrid::from, "The first as-of time.", {.required = true})
              .Field("to", &AsOfGrid::to, "The last as-of time; included if a step falls on it.",
                     {.required = true})
              .Field("every", &AsOfGrid::every, "The step.", {.one_of = {"day", "week", "month"}}));
  return *declaration;
}

const base::Declaration<LabelSpec>& LabelSpec::Declared() {
  static const auto* const declaration =
      new base::Declaration<LabelSpec>(  // Lives as long as the program.
          base::Declaration<LabelSpec>(
              "label",
              "What is predicted: whether a key has an event in the time after an as-of time.")
              .Field("name", &LabelSpec::name, "The name of the label column.")
              .Field("description", &LabelSpec::description, "What the label means.")
              .Field("source", &LabelSpec::source, "The table or source that holds the events.",
                     {.required = true})
              .Field("key", &LabelSpec::key, "The column that identifies who is labelled.",
                     {.required = true})
              .Field("time", &LabelSpec::time, "The timestamp column of event times.",
                     {.required = true})
              .Field("as_of", &LabelSpec::as_of, "The as-of times.", {.required = true})
              .Field("population", &LabelSpec::population,
                     "Who gets a row: \"any in 365d\" is every key with an event in the 365 days "
                     "before the as-of time.",
                     {.required = true})
              .Field("positive", &LabelSpec::positive,
                     "What is labelled 1: \"none in 90d\" is no event in the 90 days from the "
                     "as-of time, \"any in 90d\" the opposite.",
                     {.required = true})
              .Field("censored", &LabelSpec::censored,
                     "As-of times whose label window passes the last event of the source: refuse "
                     "them, or leave them out.",
                     {.one_of = {"error", "drop"}}));
  return *declaration;
}

Result<std::vector<std::int64_t>> AsOfTimes(const AsOfGrid& grid) {
  if (grid.from > grid.to) {
    return InvalidArgument("as_of: from " + base::FormatDate(grid.from) + " is after to " +
                           base::FormatDate(grid.to));
  }
  std::vector<std::int64_t> times;
  for (int step = 0;; ++step) {
    Timestamp t = grid.from;
    if (grid.every == "month") {
      t = base::AddMonths(
          grid.from, step);  // From the start, so that the 31st comes back after a short month.
    } else {
      t.micros += step * (grid.every == "week" ? 7 : 1) * base::kMicrosPerDay;
    }
    if (t > grid.to) {
      return times;
    }
    if (times.size() == kMaximumAsOfTimes) {
      return InvalidArgument("as_of: more than 100,000 times from " + base::FormatDate(grid.from) +
                             " to " + base::FormatDate(grid.to) + " every " + grid.every);
    }
    times.push_back(t.micros);
  }
}

Result<PresenceRule> ParsePresenceRule(const base::Located<std::string>& text) {
  PresenceRule rule;
  std::string_view rest = text.value;
  const auto take = [&rest](std::string_view word) {
    if (!rest.starts_with(word)) {
      return false;
    }
    rest.remove_prefix(word.size());
    return true;
  };
  rule.wants_event = take("any in ");
  if (rule.wants_event || take("none in ")) {
    Result<Duration> window = base::ParseDuration(rest);
    if (window.ok() && window->micros > 0) {
      rule.window = *window;
      return rule;
    }
  }
  return InvalidArgument("\"" + text.value +
                         "\" is no rule of presence, wanted \"any in 365d\" or \"none in 90d\"")
      .At(text.where);
}

Result<data::Table> BuildLabels(const Context& context, const LabelSpec& spec,
                                const data::Table& source) {
  MILL_ASSIGN_OR_RETURN(const PresenceRule population, ParsePresenceRule(spec.population));
  MILL_ASSIGN_OR_RETURN(const PresenceRule positive, ParsePresenceRule(spec.positive));
  if (!population.wants_event) {
    return InvalidArgument("population \"" + spec.population.value +
                           "\": a key without events cannot be listed, wanted \"any in ...\"")
        .At(spec.population.where);
  }
  MILL_ASSIGN_OR_RETURN(const ViewPlan before, CountingPlan(spec, source, population.window));
  MILL_ASSIGN_OR_RETURN(const ViewPlan after, CountingPlan(spec, source, positive.window));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::int64_t> as_of,
                        CoveredTimes(context, spec, source, positive.window));
  MILL_ASSIGN_OR_RETURN(const History history_before, History::Make(context, before, source));
  MILL_ASSIGN_OR_RETURN(const History history_after, History::Make(context, after, source));
  const KeyColumn keys = history_before.Keys();
  MILL_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> is_member,
                        HasEvent(context, history_before, keys, as_of, Duration{0}));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::uint8_t> has_event,
                        HasEvent(context, history_after, keys, as_of, positive.window));

  std::vector<std::int64_t> row_as_of;
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> numbers;
  std::vector<std::string> texts;
  for (std::size_t pair = 0; pair < is_member.size(); ++pair) {
    if (is_member[pair] == 0) {
      continue;
    }
    const EntityKey key = keys.At(pair % keys.size());
    if (const auto* number = std::get_if<std::int64_t>(&key)) {
      numbers.push_back(*number);
    } else {
      texts.push_back(std::get<std::string>(key));
    }
    row_as_of.push_back(as_of[pair / keys.size()]);
    labels.push_back((has_event[pair] != 0) == positive.wants_event ? 1 : 0);
  }
  if (labels.empty()) {
    return InvalidArgument("label \"" + spec.name + "\": no key has an event in the " +
                           base::FormatDuration(population.window) +
                           " before any as-of time, wanted at least one row")
        .At(spec.population.where)
        .Hint("compare as_of with the times of source \"" + spec.source.value + "\"");
  }
  data::TableBuilder builder;
  (before.key_type == data::ColumnType::kString ? KeyColumn::Strings(texts)
                                                : KeyColumn::Int64s(std::move(numbers)))
      .AddTo(builder, spec.key.value);
  return builder.AddTimestamps("as_of", row_as_of).AddInt64s(spec.name, labels).Finish();
}

}  // namespace millrace::features
