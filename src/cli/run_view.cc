// SPDX-License-Identifier: Apache-2.0
// Shows a pipeline run as it goes, and its report at the end.
#include "cli/run_view.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/number_format.h"

namespace millrace::cli {
namespace {

Style StyleOf(const std::string& status) {
  if (status == "failed") {
    return Style::kRed;
  }
  return status == "cached" ? Style::kDim : Style::kGreen;
}

/// A path below the current folder without the part that everybody there knows.
std::string ShownPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  const std::filesystem::path near = std::filesystem::path(path).lexically_relative(here);
  return error || near.empty() || near.native().starts_with("..") ? path : near.string();
}

}  // namespace

void RunView::OnStageStart(std::string_view name) {
  if (!silent_) {
    console_.Line("");
    console_.Line(console_.Styled("== " + std::string(name), Style::kBold));
  }
}

void RunView::OnStageEnd(const StageReport& stage) {
  if (silent_) {
    return;
  }
  for (const TextTable& table : stage.tables) {
    console_.Table(table);
  }
  for (const std::string& note : stage.notes) {
    console_.Line("  " + note);
  }
  console_.Line("  " + console_.Styled(stage.status, StyleOf(stage.status)) + " in " +
                base::FormatFixed(stage.seconds, 2) + " s");
}

void PrintRunReport(const RunReport& report, Console& console) {
  TextTable table{"Stages", {"stage", "status", "rows", "seconds", "rows/s", "results"}, {}};
  for (const StageReport& stage : report.stages) {
    const double rate = stage.seconds > 0 ? static_cast<double>(stage.rows) / stage.seconds : 0;
    table.rows.push_back(
        {stage.name, stage.status, base::FormatCount(stage.rows),
         base::FormatFixed(stage.seconds, 2),
         stage.status == "ran" ? base::FormatCount(static_cast<std::int64_t>(rate)) : "-",
         stage.outputs.empty() ? "" : ShownPath(stage.outputs.front())});
    for (std::size_t i = 1; i < stage.outputs.size(); ++i) {
      table.rows.push_back({"", "", "", "", "", ShownPath(stage.outputs[i])});
    }
  }
  console.Line("");
  console.Table(table);
  std::string summary = "Pipeline " + report.pipeline + ": " + report.status + " in " +
                        base::FormatFixed(report.seconds, 2) + " s";
  if (!report.model_name.empty()) {
    summary += "; model " + report.model_name + " version " + std::to_string(report.model_version);
    for (const std::string& alias : report.aliases) {
      summary += " @" + alias;
    }
  }
  console.Line("");
  console.Line(console.Styled(summary, Style::kBold));
  if (!report.next_commands.empty()) {
    console.Line("");
    console.Line("Next:");
    for (const std::string& command : report.next_commands) {
      console.Line("  " + command);
    }
  }
}

std::string RunReportJson(const RunReport& report) {
  nlohmann::json stages = nlohmann::json::array();
  for (const StageReport& stage : report.stages) {
    stages.push_back({{"name", stage.name},
                      {"status", stage.status},
                      {"seconds", stage.seconds},
                      {"rows", stage.rows},
                      {"metrics", stage.metrics},
                      {"outputs", stage.outputs}});
  }
  return base::DumpJson({{"pipeline", report.pipeline},
                         {"status", report.status},
                         {"seconds", report.seconds},
                         {"stages", std::move(stages)},
                         {"run_id", report.run_id},
                         {"model",
                          {{"name", report.model_name},
                           {"version", report.model_version},
                           {"aliases", report.aliases}}}});
}

}  // namespace millrace::cli
