// SPDX-License-Identifier: Apache-2.0
// A stage's output as the result of a step, which the cache keeps, and back.
#include "app/step_result.h"

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::app {

using Json = nlohmann::json;

pipelines::StepResult ToStepResult(const StageOutput& output) {
  pipelines::StepResult result;
  result.rows = output.rows;
  result.metrics = output.metrics;
  result.notes = output.notes;
  Json tables = Json::array();
  for (const cli::TextTable& table : output.tables) {
    tables.push_back({{"title", table.title}, {"columns", table.columns}, {"rows", table.rows}});
  }
  result.json = base::DumpJson({{"tables", std::move(tables)}, {"champion", output.champion}});
  return result;
}

StageOutput ToStageOutput(const pipelines::StepResult& result) {
  StageOutput output;
  output.rows = result.rows;
  output.metrics = result.metrics;
  output.notes = result.notes;
  const auto json = base::ParseJson(result.json.empty() ? "{}" : result.json, "step result");
  if (!json.ok() || !json->is_object()) {
    return output;
  }
  try {
    const std::string champion = json->value("champion", "");
    std::vector<cli::TextTable> tables;
    for (const Json& item : json->value("tables", Json::array())) {
      cli::TextTable table;
      table.title = item.value("title", "");
      table.columns = item.value("columns", std::vector<std::string>());
      table.rows = item.value("rows", std::vector<std::vector<std::string>>());
      tables.push_back(std::move(table));
    }
    output.champion = champion;
    output.tables = std::move(tables);
  } catch (const Json::exception&) {
    // A value of another type: what is to be shown is lost, what was computed is not.
  }
  return output;
}

}  // namespace millrace::app
