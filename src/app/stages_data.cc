// SPDX-License-Identifier: Apache-2.0
// The stages from raw data to the training set: ingest, validate, features, label.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/stages.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "data/parquet.h"
#include "features/history.h"
#include "features/label.h"
#include "quality/suite.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

const char* SplitName(features::SplitSet set) {
  switch (set) {
    case features::SplitSet::kTrain:
      return "train";
    case features::SplitSet::kValidation:
      return "validation";
    case features::SplitSet::kTest:
      return "test";
    case features::SplitSet::kNone:
      break;
  }
  return "";
}

/// A text that fits a column of a table.
std::string Shortened(const std::string& text) {
  constexpr std::size_t kWidth = 48;
  return text.size() <= kWidth ? text : text.substr(0, kWidth - 3) + "...";
}

std::string Percent(double share) {
  return base::FormatFixed(100 * share, 1) + "%";
}

/// Rows, positives and their share of each set, as table and metrics.
Result<void> DescribeSplit(const data::Table& labels, const std::string& label,
                           StageOutput& output) {
  MILL_ASSIGN_OR_RETURN(const data::StringColumn split, labels.Strings("split"));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column values, labels.Int64s(label));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column as_of, labels.Timestamps("as_of"));
  cli::TextTable table{"Sets by time", {"set", "as-of times", "rows", label, "share"}, {}};
  for (const char* set : {"train", "validation", "test"}) {
    std::int64_t rows = 0;
    std::int64_t positives = 0;
    Timestamp first{INT64_MAX};
    Timestamp last{INT64_MIN};
    for (std::size_t i = 0; i < split.codes.size(); ++i) {
      if (split.codes[i] >= 0 && split.values[static_cast<std::size_t>(split.codes[i])] == set) {
        ++rows;
        positives += values.values[i];
        first = std::min(first, Timestamp{as_of.values[i]});
        last = std::max(last, Timestamp{as_of.values[i]});
      }
    }
    const double share = static_cast<double>(positives) / static_cast<double>(rows);
    table.rows.push_back({set, base::FormatDate(first) + " to " + base::FormatDate(last),
                          base::FormatCount(rows), base::FormatCount(positives), Percent(share)});
    output.metrics[std::string(set) + "_rows"] = static_cast<double>(rows);
    output.metrics[std::string(set) + "_positives"] = static_cast<double>(positives);
    output.metrics[std::string(set) + "_positive_share"] = share;
  }
  output.tables.push_back(std::move(table));
  return {};
}

}  // namespace

Result<StageOutput> ComputeSqlTable(const Context& context, data::SqlEngine& engine,
                                    const data::SqlTable& table, const std::filesystem::path& out) {
  auto computed = engine.Query(context, table.sql);
  if (!computed.ok()) {
    return std::move(computed).error().With("computing table " + table.name);
  }
  if (computed->rows() == 0) {
    return base::FailedPrecondition("table \"" + table.name +
                                    "\" has no rows; wanted: at least one")
        .At(table.where)
        .Hint("look at the conditions of its SELECT and at the files of its sources");
  }
  MILL_RETURN_IF_ERROR(data::WriteParquet(context, *computed, out / (table.name + ".parquet")));
  StageOutput output;
  output.rows = computed->rows();
  output.notes.push_back("table " + table.name + ": " + base::FormatCount(output.rows) + " rows");
  return output;
}

Result<void> CheckQuality(const Context& context, const quality::Suite& suite,
                          const std::filesystem::path& table_file, const std::filesystem::path& out,
                          StageOutput& output) {
  MILL_ASSIGN_OR_RETURN(const data::Table table, data::ReadParquet(context, table_file));
  MILL_ASSIGN_OR_RETURN(const quality::SuiteResult result, quality::Check(context, suite, table));
  cli::TextTable shown{
      "Expectations of " + result.table, {"expectation", "of", "wanted", "seen", "verdict"}, {}};
  Json list = Json::array();
  std::string failures;
  for (const quality::ExpectationResult& item : result.results) {
    const std::string seen = item.problem.empty() ? item.observed : item.problem;
    const char* verdict = item.success ? "ok" : (item.severity == "warn" ? "warn" : "FAILED");
    shown.rows.push_back({item.kind, item.subject, Shortened(item.wanted), seen, verdict});
    list.push_back({{"expectation", item.kind},
                    {"column", item.subject},
                    {"wanted", item.wanted},
                    {"observed", seen},
                    {"unexpected", item.unexpected_count},
                    {"unexpected_share", item.unexpected_percent / 100},
                    {"severity", item.severity},
                    {"passed", item.success}});
    if (!item.success && item.severity != "warn") {
      failures += (failures.empty() ? "" : "; ") + item.kind + " of " +
                  (item.subject.empty() ? "the table" : item.subject) + ": " + seen;
      for (const quality::BadRow& bad : item.examples) {
        output.notes.push_back(item.kind + " of " + item.subject + ": row " +
                               std::to_string(bad.row) + " holds " + bad.value);
      }
    }
  }
  output.rows = result.rows;
  output.metrics = {{"expectations", static_cast<double>(result.results.size())},
                    {"passed", static_cast<double>(result.passed())},
                    {"warned", static_cast<double>(result.warned())},
                    {"failed", static_cast<double>(result.failed())}};
  output.tables.push_back(std::move(shown));
  if (!result.success()) {
    return base::FailedPrecondition(
               "table \"" + result.table + "\" fails " + std::to_string(result.failed()) + " of " +
               std::to_string(result.results.size()) + " expectations: " + failures)
        .At(suite.table.where)
        .Hint("mend the data or its SQL, or correct the expectation");
  }
  return base::WriteFileAtomic(
      out / "validation.json",
      base::DumpJsonPretty({{"table", result.table}, {"expectations", std::move(list)}}));
}

Result<StageOutput> ComputeView(const Context& context, const features::ViewPlan& plan,
                                const std::filesystem::path& source,
                                const std::vector<std::int64_t>& as_of,
                                const std::filesystem::path& out) {
  MILL_ASSIGN_OR_RETURN(const data::Table events, data::ReadParquet(context, source));
  MILL_ASSIGN_OR_RETURN(const features::History history,
                        features::History::Make(context, plan, events));
  std::vector<data::Table> parts;
  for (const std::int64_t time : as_of) {
    const features::KeyColumn keys = history.KeysAlive(Timestamp{time});
    data::TableBuilder builder;
    keys.AddTo(builder, plan.key);
    builder.AddTimestamps("as_of", std::vector<std::int64_t>(keys.size(), time));
    MILL_ASSIGN_OR_RETURN(data::Table part, builder.Finish());
    parts.push_back(std::move(part));
  }
  // All as-of times at once, so that each key's events are swept once.
  MILL_ASSIGN_OR_RETURN(const data::Table requests, data::Table::Concatenate(parts));
  MILL_ASSIGN_OR_RETURN(const features::KeyColumn keys,
                        features::KeyColumn::FromTable(requests, plan.key));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column times, requests.Timestamps("as_of"));
  MILL_ASSIGN_OR_RETURN(const data::Table values, history.Evaluate(context, keys, times.values));
  data::TableBuilder builder;
  builder.AddColumn(requests, plan.key).AddColumn(requests, "as_of");
  for (const std::string& name : values.names()) {
    builder.AddColumn(values, name);
  }
  MILL_ASSIGN_OR_RETURN(const data::Table all, builder.Finish());
  MILL_RETURN_IF_ERROR(data::WriteParquet(context, all, out / (plan.name + ".parquet")));
  StageOutput output;
  output.rows = all.rows();
  output.metrics[plan.name + "_features"] = static_cast<double>(plan.columns.size());
  output.notes.push_back("view " + plan.name + ": " + base::FormatCount(output.rows) + " rows of " +
                         std::to_string(plan.columns.size()) + " features at " +
                         std::to_string(as_of.size()) + " as-of times from " +
                         base::FormatCount(history.events()) + " events");
  return output;
}

Result<StageOutput> MakeLabels(const Context& context, const TrainingSpec& training,
                               const std::filesystem::path& source,
                               const std::filesystem::path& out) {
  MILL_ASSIGN_OR_RETURN(const data::Table events, data::ReadParquet(context, source));
  MILL_ASSIGN_OR_RETURN(const data::Table labels,
                        features::BuildLabels(context, training.label, events));
  MILL_ASSIGN_OR_RETURN(const features::PresenceRule rule,
                        features::ParsePresenceRule(training.label.positive));
  MILL_ASSIGN_OR_RETURN(const data::Int64Column as_of, labels.Timestamps("as_of"));
  MILL_ASSIGN_OR_RETURN(const std::vector<features::SplitSet> sets,
                        features::AssignSplit(as_of.values, training.split, rule.window));
  data::TableBuilder builder;
  for (const std::string& name : labels.names()) {
    builder.AddColumn(labels, name);
  }
  std::vector<std::string> names(sets.size());
  std::vector<std::uint8_t> is_null(sets.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    names[i] = SplitName(sets[i]);
    is_null[i] = sets[i] == features::SplitSet::kNone ? 1 : 0;
  }
  builder.AddStrings("split", names, is_null);
  MILL_ASSIGN_OR_RETURN(const data::Table table, builder.Finish());
  MILL_RETURN_IF_ERROR(data::WriteParquet(context, table, out / "labels.parquet"));
  StageOutput output;
  output.rows = table.rows();
  MILL_RETURN_IF_ERROR(DescribeSplit(table, training.label.name, output));
  return output;
}

Result<StageOutput> JoinTrainingSet(const Context& context, const TrainingSpec& training,
                                    const std::filesystem::path& labels,
                                    const std::vector<ViewFile>& views,
                                    const std::filesystem::path& out) {
  MILL_ASSIGN_OR_RETURN(const data::Table label_rows, data::ReadParquet(context, labels));
  std::map<std::filesystem::path, data::Table> sources;
  for (const ViewFile& view : views) {
    if (!sources.contains(view.source)) {
      MILL_ASSIGN_OR_RETURN(sources[view.source], data::ReadParquet(context, view.source));
    }
  }
  std::vector<features::ViewInput> inputs;
  for (const ViewFile& view : views) {
    inputs.push_back({view.plan, &sources.at(view.source)});
  }
  MILL_ASSIGN_OR_RETURN(
      const data::Table joined,
      features::BuildTrainingSet(context, label_rows, training.label.key.value, "as_of", inputs));
  MILL_RETURN_IF_ERROR(data::WriteParquet(context, joined, out / "training_set.parquet"));
  StageOutput output;
  output.rows = joined.rows();
  output.notes.push_back("training set: " + base::FormatCount(joined.rows()) + " rows, " +
                         std::to_string(joined.names().size()) + " columns, point in time");
  return output;
}

}  // namespace millrace::app
