// SPDX-License-Identifier: Apache-2.0
// Finds the group of each test row, and has the groups measured.
#include "app/evaluate_groups.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <limits>
#include <utility>

#include "base/number_format.h"
#include "data/parquet.h"
#include "features/key.h"

namespace millrace::app {
namespace {

using evaluation::GroupColumnSpec;
using evaluation::Grouping;
using evaluation::GroupTable;
namespace fs = std::filesystem;

/// For each row the place of its value in a table; -1 without one.
using Places = std::vector<std::int64_t>;

/// The last row of each entity before the as-of time; later rows of the table win among equal
/// times.
Result<Places> LastBefore(const data::Table& rows, const features::LabelSpec& label,
                          const data::Table& table, const std::string& key,
                          const std::string& time) {
  MILL_ASSIGN_OR_RETURN(const auto wanted, features::KeyColumn::FromTable(rows, label.key.value));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column as_of, rows.Timestamps("as_of"));
  MILL_ASSIGN_OR_RETURN(const auto keys, features::KeyColumn::FromTable(table, key));
  data::Int64Column times;
  if (!time.empty()) {
    MILL_ASSIGN_OR_RETURN(times, table.Timestamps(time));
  }
  std::map<features::EntityKey, std::vector<std::pair<std::int64_t, std::int64_t>>> history;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    history[wanted.At(i)];
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto own = keys.IsNull(i) ? history.end() : history.find(keys.At(i));
    if (own != history.end() && (time.empty() || !times.IsNull(i))) {
      own->second.emplace_back(time.empty() ? 0 : times.values[i], i);
    }
  }
  for (auto& [entity, events] : history) {
    std::sort(events.begin(), events.end());
  }
  Places places;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto& events = history.at(wanted.At(i));
    const auto end = time.empty() ? events.end()
                                  : std::lower_bound(events.begin(), events.end(),
                                                     std::pair{as_of.values[i], std::int64_t{-1}});
    places.push_back(end == events.begin() ? -1 : std::prev(end)->second);
  }
  return places;
}

/// Groups by the values of a column at the places.
Result<Grouping> GroupColumn(const data::Table& table, const Places& places,
                             const GroupColumnSpec& spec) {
  const std::string& name = spec.column.value;
  MILL_ASSIGN_OR_RETURN(const data::ColumnType type, table.TypeOf(name));
  if (type == data::ColumnType::kTimestamp) {
    return base::InvalidArgument("column \"" + name +
                                 "\" holds times; wanted: texts, numbers or truth values")
        .Hint("metrics by as-of time are always shown");
  }
  if (type == data::ColumnType::kString || type == data::ColumnType::kBool) {
    data::StringColumn texts;
    if (type == data::ColumnType::kBool) {
      MILL_ASSIGN_OR_RETURN(const data::Int64Column bits, table.Int64s(name));
      texts.values = {"false", "true"};
      for (std::size_t i = 0; i < bits.values.size(); ++i) {
        texts.codes.push_back(bits.IsNull(i) ? -1 : static_cast<std::int32_t>(bits.values[i]));
      }
    } else {
      MILL_ASSIGN_OR_RETURN(texts, table.Strings(name));
    }
    std::vector<std::int32_t> codes;
    for (const std::int64_t place : places) {
      codes.push_back(place < 0 ? -1 : texts.codes[static_cast<std::size_t>(place)]);
    }
    return evaluation::GroupTexts(name, codes, texts.values);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<double> numbers, table.Doubles(name));
  std::vector<double> values;
  for (const std::int64_t place : places) {
    values.push_back(place < 0 ? std::numeric_limits<double>::quiet_NaN()
                               : numbers[static_cast<std::size_t>(place)]);
  }
  return evaluation::GroupNumbers(values, spec);
}

/// Groups the rows of one set by declared columns; each table is read once.
class Grouper {
 public:
  Grouper(const Context& context, const features::LabelSpec& label, const data::Table& rows,
          const std::map<std::string, fs::path>& files)
      : context_(context), label_(label), rows_(rows), files_(files) {}

  Result<Grouping> Group(const GroupColumnSpec& spec) {
    Result<Grouping> grouping = spec.table.value.empty() ? OfTrainingSet(spec) : OfTable(spec);
    if (!grouping.ok()) {
      return Error(grouping.error()).At(spec.column.where);
    }
    return grouping;
  }

 private:
  Result<Grouping> OfTrainingSet(const GroupColumnSpec& spec) {
    Places places;
    for (std::int64_t i = 0; i < rows_.rows(); ++i) {
      places.push_back(i);
    }
    return GroupColumn(rows_, places, spec);
  }

  Result<Grouping> OfTable(const GroupColumnSpec& spec) {
    MILL_ASSIGN_OR_RETURN(const data::Table table, Read(spec.table.value));
    const std::string& key = spec.key.value.empty() ? label_.key.value : spec.key.value;
    std::string time = spec.time.value;
    if (time.empty() && table.Has(label_.time.value)) {
      time = label_.time.value;
    }
    const std::string place = key + '\x1f' + time;
    auto found = places_[spec.table.value].find(place);
    if (found == places_[spec.table.value].end()) {
      MILL_ASSIGN_OR_RETURN(Places places, LastBefore(rows_, label_, table, key, time));
      found = places_[spec.table.value].emplace(place, std::move(places)).first;
    }
    return GroupColumn(table, found->second, spec);
  }

  Result<data::Table> Read(const std::string& name) {
    auto found = tables_.find(name);
    if (found == tables_.end()) {
      const auto file = files_.find(name);
      if (file == files_.end()) {
        return base::InvalidArgument("table \"" + name + "\" is no table of the project");
      }
      MILL_ASSIGN_OR_RETURN(data::Table table, data::ReadParquet(context_, file->second));
      found = tables_.emplace(name, std::move(table)).first;
    }
    return found->second;
  }

  const Context& context_;
  const features::LabelSpec& label_;
  const data::Table& rows_;
  const std::map<std::string, fs::path>& files_;
  std::map<std::string, data::Table> tables_;
  std::map<std::string, std::map<std::string, Places>> places_;
};

/// A group's name as part of a metric's.
std::string MetricPart(const std::string& name) {
  std::string part;
  bool has_word = false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_word = std::isalnum(byte) != 0 && byte < 128;
    has_word = has_word || is_word;
    part += is_word || std::string_view("_.- ").find(c) != std::string_view::npos ? c : '_';
  }
  part.resize(std::min<std::size_t>(part.size(), 60));
  // Dots alone would name a folder.
  return has_word ? part : "_" + part;
}

}  // namespace

std::vector<std::string> TablesOfGroups(const evaluation::EvaluationSpec& spec) {
  std::vector<std::string> names;
  for (const auto* list : {&spec.segments, &spec.fairness.sensitive}) {
    for (const GroupColumnSpec& column : *list) {
      const std::string& name = column.table.value;
      if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(name);
      }
    }
  }
  return names;
}

Result<GroupReport> MeasureDeclaredGroups(const Context& context, const TrainingSpec& training,
                                          const JudgedRows& judged,
                                          const std::map<std::string, fs::path>& tables) {
  const evaluation::EvaluationSpec& spec = training.evaluation;
  evaluation::GroupOptions options;
  options.minimum_rows = spec.minimum_rows;
  options.threshold = judged.threshold;
  const auto measure = [&](const Grouping& grouping) {
    return evaluation::MeasureGroups(judged.scores, judged.labels, grouping, options);
  };
  GroupReport report;
  MILL_ASSIGN_OR_RETURN(const data::Int64Column as_of, judged.rows.Timestamps("as_of"));
  MILL_ASSIGN_OR_RETURN(report.segments.emplace_back(),
                        measure(evaluation::GroupTimes("as_of", as_of.values)));
  Grouper grouper(context, training.label, judged.rows, tables);
  for (const GroupColumnSpec& column : spec.segments) {
    MILL_RETURN_IF_ERROR(context.Check());
    MILL_ASSIGN_OR_RETURN(const Grouping grouping, grouper.Group(column));
    MILL_ASSIGN_OR_RETURN(report.segments.emplace_back(), measure(grouping));
  }
  for (const GroupColumnSpec& column : spec.fairness.sensitive) {
    MILL_RETURN_IF_ERROR(context.Check());
    MILL_ASSIGN_OR_RETURN(const Grouping grouping, grouper.Group(column));
    MILL_ASSIGN_OR_RETURN(GroupTable table, measure(grouping));
    table.measures = evaluation::MeasureFairness(table.groups);
    report.fairness.push_back(std::move(table));
  }
  return report;
}

std::map<std::string, double> GroupMetricNames(const GroupReport& report) {
  std::map<std::string, double> named;
  // Two groups whose names differ only in what a metric's may not hold: the second gets a '_' more.
  const auto add = [&](std::string prefix, const std::string& name, double value) {
    while (named.contains(prefix + "/" + name)) {
      prefix += '_';
    }
    named.emplace(prefix + "/" + name, value);
  };
  for (const GroupTable& table : report.segments) {
    for (const evaluation::GroupMetrics& group : table.groups) {
      if (group.is_judged && group.roc_auc) {
        add("segment/" + MetricPart(table.column) + "/" + MetricPart(group.group), "roc_auc",
            group.roc_auc->auc);
      }
    }
  }
  for (const GroupTable& table : report.fairness) {
    for (const evaluation::FairnessMeasure& measure : table.measures) {
      if (measure.value) {
        add("fairness/" + MetricPart(table.column), measure.name, *measure.value);
      }
    }
  }
  return named;
}

cli::TextTable FairnessText(const GroupReport& report) {
  cli::TextTable text{"Fairness", {"column", "measure", "value", "lowest", "highest", "note"}, {}};
  for (const GroupTable& table : report.fairness) {
    for (const evaluation::FairnessMeasure& measure : table.measures) {
      text.rows.push_back({table.column, measure.name,
                           measure.value ? base::FormatFixed(*measure.value, 4) : "undefined",
                           measure.lowest, measure.highest, measure.note});
    }
  }
  return text;
}

}  // namespace millrace::app
