// SPDX-License-Identifier: Apache-2.0
// Part of the evaluate stage: groups of the test rows by the columns that a training declares, and
// what is measured of each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "app/project_files.h"
#include "base/context.h"
#include "base/result.h"
#include "cli/document.h"
#include "data/table.h"
#include "evaluation/group_evaluation.h"

namespace millrace::app {

/// What a model did on the test rows, by group.
struct GroupReport {
  /// The as-of times first, then the declared columns.
  std::vector<evaluation::GroupTable> segments;
  /// One per sensitive column, with its measures.
  std::vector<evaluation::GroupTable> fairness;
};

/// The rows of one table, with the answers of the model to judge.
struct JudgedRows {
  const data::Table& rows;
  std::span<const double> scores;
  std::span<const std::uint8_t> labels;
  double threshold = 0.5;
};

/// Measures every declared column. A column of a table counts with the entity's last value before
/// the row's as-of time, so that nothing is seen that was not known then.
/// @param tables  the Parquet file of each table that the training's `evaluation` names
///   - kInvalidArgument at the column's place in the project: an unknown column, a column of times
Result<GroupReport> MeasureDeclaredGroups(
    const Context& context, const TrainingSpec& training, const JudgedRows& judged,
    const std::map<std::string, std::filesystem::path>& tables);

/// The tables that the training's `evaluation` names, each once.
std::vector<std::string> TablesOfGroups(const evaluation::EvaluationSpec& spec);

/// Names of metrics and their values: "segment/COLUMN/GROUP/roc_auc" of each group with enough
/// rows, "fairness/COLUMN/MEASURE"; characters that no metric's name may hold become '_'.
std::map<std::string, double> GroupMetricNames(const GroupReport& report);

/// For the terminal; without rows where nothing is declared.
cli::TextTable FairnessText(const GroupReport& report);

}  // namespace millrace::app
