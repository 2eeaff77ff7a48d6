// SPDX-License-Identifier: Apache-2.0
// The answers of `runs`: lists, comparisons, charts, and the live view.
#include "app/documents_runs.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <set>

#include <nlohmann/json.hpp>

#include "app/internal/tracking_text.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "plots/figure.h"

namespace millrace::app {
namespace {

using internal::TimeText;
using Json = nlohmann::json;

// Charts below this number fit a screen beside the tables.
constexpr std::size_t kMostCharts = 4;
// Two dots a column, on a wide terminal.
constexpr int kChartBuckets = 200;

Json RunJson(const tracking::Run& run) {
  Json metrics = Json::object();
  for (const auto& [name, metric] : run.metrics) {
    metrics[name] = metric.value;
  }
  Json models = Json::array();
  for (const tracking::ModelOutput& output : run.outputs) {
    models.push_back(output.model_id);
  }
  Json datasets = Json::array();
  for (const tracking::DatasetInput& input : run.dataset_inputs) {
    datasets.push_back({{"name", input.dataset.name},
                        {"digest", input.dataset.digest},
                        {"source_type", input.dataset.source_type},
                        {"tags", input.tags}});
  }
  Json json = {{"run_id", run.info.run_id},
               {"run_name", run.info.run_name},
               {"experiment_id", run.info.experiment_id},
               {"status", std::string(tracking::RunStatusName(run.info.status))},
               {"lifecycle_stage", std::string(tracking::LifecycleName(run.info.lifecycle))},
               {"start_time", run.info.start_time_ms},
               {"artifact_uri", run.info.artifact_uri},
               {"params", run.params},
               {"metrics", std::move(metrics)},
               {"tags", run.tags},
               {"datasets", std::move(datasets)},
               {"models", std::move(models)}};
  if (run.info.end_time_ms) {
    json["end_time"] = *run.info.end_time_ms;
  }
  return json;
}

std::string Duration(const tracking::RunInfo& info) {
  if (!info.end_time_ms) {
    return "-";
  }
  const double seconds = static_cast<double>(*info.end_time_ms - info.start_time_ms) / 1000;
  return base::FormatFixed(seconds, seconds < 10 ? 2 : 0) + " s";
}

// Four digits after the point where that says something, otherwise four significant ones.
std::string MetricCell(double value) {
  const double size = std::abs(value);
  if (!std::isfinite(value) || value == 0 || (size >= 1e-3 && size < 1e7)) {
    return base::FormatFixed(value, 4);
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

// A metric, parameter or tag named "metrics.auc", "params.learner", "tags.team".
std::string CellOf(const tracking::Run& run, const std::string& column) {
  const std::size_t point = column.find('.');
  const std::string kind = column.substr(0, point);
  const std::string key = point == std::string::npos ? "" : column.substr(point + 1);
  if (kind == "metrics") {
    const auto found = run.metrics.find(key);
    return found == run.metrics.end() ? "-" : MetricCell(found->second.value);
  }
  const auto& texts = kind == "params" ? run.params : run.tags;
  const auto found = texts.find(key);
  return found == texts.end() ? "-" : found->second;
}

Result<void> CheckColumns(const std::vector<std::string>& columns) {
  for (const std::string& column : columns) {
    if (!column.starts_with("metrics.") && !column.starts_with("params.") &&
        !column.starts_with("tags.")) {
      return base::InvalidArgument("column \"" + column +
                                   "\" is none that can be shown; wanted metrics.NAME, "
                                   "params.NAME or tags.NAME");
    }
  }
  return {};
}

// The learner, and the three metrics that most of the runs have; the test AUC of our own pipelines
// before others.
std::vector<std::string> CommonColumns(const std::vector<tracking::Run>& runs) {
  std::map<std::string, int> counts;
  bool has_learner = false;
  for (const tracking::Run& run : runs) {
    has_learner = has_learner || run.params.contains("learner");
    for (const auto& [name, metric] : run.metrics) {
      counts[name] += name == "test_roc_auc" ? 1000 : 1;
    }
  }
  std::vector<std::pair<std::string, int>> names(counts.begin(), counts.end());
  std::stable_sort(names.begin(), names.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> columns;
  if (has_learner) {
    columns.emplace_back("params.learner");
  }
  for (std::size_t i = 0; i < std::min<std::size_t>(3, names.size()); ++i) {
    columns.push_back("metrics." + names[i].first);
  }
  return columns;
}

cli::TextTable RunTable(const std::vector<tracking::Run>& runs,
                        const std::vector<std::string>& columns) {
  cli::TextTable table{"", {"run id", "name", "status", "started", "took"}, {}};
  for (const std::string& column : columns) {
    table.columns.push_back(column.substr(column.find('.') + 1));
  }
  for (const tracking::Run& run : runs) {
    std::vector<std::string> row = {run.info.run_id, run.info.run_name,
                                    std::string(tracking::RunStatusName(run.info.status)),
                                    TimeText(run.info.start_time_ms), Duration(run.info)};
    for (const std::string& column : columns) {
      row.push_back(CellOf(run, column));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Result<cli::ChartSeries> SeriesOf(Environment& environment, const tracking::Run& run,
                                  const std::string& metric, const std::string& label) {
  MILL_ASSIGN_OR_RETURN(const std::vector<tracking::MetricPoint> points,
                        environment.tracking().MetricPlot(run.info.run_id, metric, kChartBuckets));
  cli::ChartSeries series{label, {}, {}};
  for (const tracking::MetricPoint& point : points) {
    series.x.push_back(static_cast<double>(point.step));
    series.y.push_back(point.value);
  }
  return series;
}

// A chart of one metric over several runs; empty series where no run has more than one point.
Result<cli::Chart> ChartOf(Environment& environment, const std::vector<tracking::Run>& runs,
                           const std::string& metric) {
  cli::Chart chart{metric, "step", {}};
  bool has_course = false;
  for (const tracking::Run& run : runs) {
    if (!run.metrics.contains(metric)) {
      continue;
    }
    const std::string label = runs.size() == 1 ? "" : run.info.run_name;
    MILL_ASSIGN_OR_RETURN(cli::ChartSeries series, SeriesOf(environment, run, metric, label));
    has_course = has_course || series.x.size() > 1;
    chart.series.push_back(std::move(series));
  }
  if (!has_course) {
    chart.series.clear();
  }
  return chart;
}

// The metrics that were asked for, or all, as far as they have a course; at most kMostCharts where
// none was asked for.
Result<std::vector<cli::Chart>> ChartsOf(Environment& environment,
                                         const std::vector<tracking::Run>& runs,
                                         const std::vector<std::string>& wanted) {
  std::set<std::string> names(wanted.begin(), wanted.end());
  for (const std::string& name : wanted) {
    const bool is_there = std::any_of(runs.begin(), runs.end(), [&](const tracking::Run& run) {
      return run.metrics.contains(name);
    });
    if (!is_there) {
      return base::NotFound("no run has a metric \"" + name + "\"")
          .Hint("millrace runs show RUN_ID lists a run's metrics");
    }
  }
  if (wanted.empty()) {
    for (const tracking::Run& run : runs) {
      for (const auto& [name, metric] : run.metrics) {
        names.insert(name);
      }
    }
  }
  std::vector<cli::Chart> charts;
  for (const std::string& name : names) {
    if (wanted.empty() && charts.size() == kMostCharts) {
      break;
    }
    MILL_ASSIGN_OR_RETURN(cli::Chart chart, ChartOf(environment, runs, name));
    if (!chart.series.empty()) {
      charts.push_back(std::move(chart));
    }
  }
  return charts;
}

Result<void> WritePlot(const std::vector<cli::Chart>& charts, const std::filesystem::path& path) {
  if (charts.empty()) {
    return base::FailedPrecondition(
               "nothing to draw: no metric of these runs has more than one "
               "value")
        .Hint("metrics logged with steps have a course");
  }
  const std::string ending = path.extension().string();
  if (ending != ".svg" && ending != ".png") {
    return base::InvalidArgument("plot file \"" + path.string() + "\" ends in \"" + ending +
                                 "\"; wanted .svg or .png");
  }
  plots::Figure figure(charts.size() == 1 ? charts[0].title : "Metrics of runs",
                       "The course of metrics over steps, one line per run.");
  figure.Columns(charts.size() > 1 ? 2 : 1)
      .Size(charts.size() > 1 ? 1280 : 640, 440 * static_cast<int>((charts.size() + 1) / 2));
  for (const cli::Chart& chart : charts) {
    plots::Panel panel(chart.title);
    panel.X({.label = chart.x_label});
    for (const cli::ChartSeries& series : chart.series) {
      panel.Line(series.x, series.y, {.label = series.label});
    }
    figure.Add(std::move(panel));
  }
  return ending == ".svg" ? base::WriteFileAtomic(path, figure.ToSvg()) : figure.ToPng(path);
}

cli::Document ShowDocument(const tracking::Run& run) {
  cli::Document document;
  cli::TextTable facts{"Run " + run.info.run_id, {"field", "value"}, {}};
  facts.rows = {{"name", run.info.run_name},
                {"experiment", run.info.experiment_id},
                {"status", std::string(tracking::RunStatusName(run.info.status))},
                {"started", TimeText(run.info.start_time_ms)},
                {"took", Duration(run.info)},
                {"artifacts", run.info.artifact_uri}};
  for (const tracking::ModelOutput& output : run.outputs) {
    facts.rows.push_back({"model", output.model_id});
  }
  for (const tracking::DatasetInput& input : run.dataset_inputs) {
    facts.rows.push_back({"data set", input.dataset.name + " " + input.dataset.digest});
  }
  cli::TextTable params{"Parameters", {"name", "value"}, {}};
  for (const auto& [name, value] : run.params) {
    params.rows.push_back({name, value});
  }
  cli::TextTable metrics{"Metrics", {"name", "value", "step"}, {}};
  for (const auto& [name, metric] : run.metrics) {
    metrics.rows.push_back({name, base::FormatDouble(metric.value), std::to_string(metric.step)});
  }
  cli::TextTable tags{"Tags", {"name", "value"}, {}};
  for (const auto& [name, value] : run.tags) {
    tags.rows.push_back({name, value});
  }
  document.tables = {std::move(facts), std::move(params), std::move(metrics), std::move(tags)};
  document.json = base::DumpJson(RunJson(run));
  return document;
}

}  // namespace

Result<cli::Document> RunsList(Environment& environment, const cli::RunsListOptions& options) {
  MILL_RETURN_IF_ERROR(CheckColumns(options.columns));
  tracking::RunSearch search;
  if (options.experiment.empty()) {
    MILL_ASSIGN_OR_RETURN(search.experiment_ids, internal::AllExperiments(environment.tracking()));
  } else {
    MILL_ASSIGN_OR_RETURN(const tracking::Experiment experiment,
                          internal::FindExperiment(environment.tracking(), options.experiment));
    search.experiment_ids = {experiment.id};
  }
  search.filter = options.filter;
  search.order_by = options.order_by;
  search.max_results = options.limit;
  search.view =
      options.is_deleted ? tracking::ViewType::kDeletedOnly : tracking::ViewType::kActiveOnly;
  MILL_ASSIGN_OR_RETURN(const tracking::Page<tracking::Run> page,
                        environment.tracking().SearchRuns(search));
  cli::Document document;
  Json json = Json::array();
  for (const tracking::Run& run : page.items) {
    json.push_back(RunJson(run));
  }
  if (page.items.empty()) {
    document.lines.emplace_back(options.filter.empty() && !options.is_deleted
                                    ? "no runs yet; make one with: millrace run"
                                    : "no run fits");
  } else {
    document.tables.push_back(RunTable(
        page.items, options.columns.empty() ? CommonColumns(page.items) : options.columns));
  }
  if (!page.next_page_token.empty()) {
    document.lines.push_back("the first " + std::to_string(page.items.size()) +
                             " runs; --limit shows more");
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<cli::Document> RunsShow(Environment& environment, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment.tracking().GetRun(run_id));
  cli::Document document = ShowDocument(run);
  MILL_ASSIGN_OR_RETURN(document.charts, ChartsOf(environment, {run}, {}));
  return document;
}

Result<cli::Document> RunsCompare(Environment& environment,
                                  const cli::RunsCompareOptions& options) {
  std::vector<tracking::Run> runs;
  std::set<std::string> columns;
  Json json = Json::array();
  for (const std::string& id : options.run_ids) {
    MILL_ASSIGN_OR_RETURN(tracking::Run run, environment.tracking().GetRun(id));
    for (const auto& [name, value] : run.params) {
      columns.insert("params." + name);
    }
    for (const auto& [name, value] : run.metrics) {
      columns.insert("metrics." + name);
    }
    json.push_back(RunJson(run));
    runs.push_back(std::move(run));
  }
  cli::Document document;
  for (const auto& [title, prefix] :
       {std::pair{"Parameters", "params."}, {"Metrics", "metrics."}}) {
    cli::TextTable table{title, {"name"}, {}};
    for (const tracking::Run& run : runs) {
      table.columns.push_back(run.info.run_id.substr(0, 8));
    }
    table.columns.emplace_back("differs");
    for (const std::string& column : columns) {
      if (!column.starts_with(prefix)) {
        continue;
      }
      std::vector<std::string> row = {column.substr(column.find('.') + 1)};
      for (const tracking::Run& run : runs) {
        row.push_back(CellOf(run, column));
      }
      const bool differs = std::any_of(row.begin() + 2, row.end(),
                                       [&](const std::string& cell) { return cell != row[1]; });
      row.emplace_back(differs ? "*" : "");
      table.rows.push_back(std::move(row));
    }
    document.tables.push_back(std::move(table));
  }
  MILL_ASSIGN_OR_RETURN(document.charts, ChartsOf(environment, runs, options.metrics));
  if (options.plot) {
    MILL_RETURN_IF_ERROR(WritePlot(document.charts, *options.plot));
    document.lines.push_back("wrote " + options.plot->string());
  }
  document.json = base::DumpJson(json);
  return document;
}

Result<void> RunsWatch(Environment& environment, const cli::RunsWatchOptions& options,
                       const std::stop_token& stop,
                       const std::function<void(const cli::Document&, bool)>& on_frame) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  for (;;) {
    MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment.tracking().GetRun(options.run_id));
    const bool has_ended = run.info.status != tracking::RunStatus::kRunning &&
                           run.info.status != tracking::RunStatus::kScheduled;
    const bool is_last = options.once || has_ended || stop.stop_requested();
    cli::Document frame;
    cli::TextTable facts{"Run " + run.info.run_name + " (" + run.info.run_id + ")",
                         {"status", "started", "took"},
                         {{std::string(tracking::RunStatusName(run.info.status)),
                           TimeText(run.info.start_time_ms), Duration(run.info)}}};
    cli::TextTable metrics{"Metrics", {"name", "value", "step"}, {}};
    for (const auto& [name, metric] : run.metrics) {
      metrics.rows.push_back({name, base::FormatDouble(metric.value), std::to_string(metric.step)});
    }
    frame.tables = {std::move(facts), std::move(metrics)};
    // A metric that was asked for may not have been logged yet.
    std::vector<std::string> wanted;
    std::copy_if(options.metrics.begin(), options.metrics.end(), std::back_inserter(wanted),
                 [&](const std::string& name) { return run.metrics.contains(name); });
    if (options.metrics.empty() || !wanted.empty()) {
      MILL_ASSIGN_OR_RETURN(frame.charts, ChartsOf(environment, {run}, wanted));
    }
    frame.json = base::DumpJson(RunJson(run));
    on_frame(frame, is_last);
    if (is_last) {
      return {};
    }
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, std::chrono::duration<double>(options.interval_s),
                     [] { return false; });
  }
}

Result<cli::Document> RunsTag(Environment& environment, const std::string& run_id,
                              const cli::TagChanges& changes) {
  MILL_ASSIGN_OR_RETURN(const tracking::Tags tags, internal::ParseTags(changes));
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment.tracking().GetRun(run_id));
  MILL_RETURN_IF_ERROR(environment.tracking().LogBatch(run.info.run_id, {}, {}, tags));
  for (const std::string& key : changes.remove) {
    MILL_RETURN_IF_ERROR(environment.tracking().DeleteTag(run.info.run_id, key));
  }
  MILL_ASSIGN_OR_RETURN(const tracking::Run changed,
                        environment.tracking().GetRun(run.info.run_id));
  cli::Document document = ShowDocument(changed);
  document.tables = {document.tables.back()};
  return document;
}

Result<cli::Document> RunsDelete(Environment& environment, const std::vector<std::string>& run_ids,
                                 bool is_restore) {
  cli::Document document;
  Json json = Json::array();
  for (const std::string& id : run_ids) {
    MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment.tracking().GetRun(id));
    Result<void> done = is_restore ? environment.tracking().RestoreRun(run.info.run_id)
                                   : environment.tracking().DeleteRun(run.info.run_id);
    if (!done.ok()) {
      return std::move(done).error().With("after " + std::to_string(json.size()) + " of " +
                                          std::to_string(run_ids.size()) + " runs");
    }
    document.lines.push_back((is_restore ? "restored " : "deleted ") + run.info.run_id + " " +
                             run.info.run_name);
    json.push_back(run.info.run_id);
  }
  document.json = base::DumpJson(json);
  return document;
}

}  // namespace millrace::app
