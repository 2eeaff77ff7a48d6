// SPDX-License-Identifier: Apache-2.0
// Shows a pipeline run as it goes, and its report at the end.
#pragma once

#include <string>

#include "cli/actions.h"
#include "cli/console.h"

namespace millrace::cli {

/// Prints a heading, tables and notes per stage. With JSON asked for it prints nothing.
class RunView final : public RunListener {
 public:
  RunView(Console& console, bool silent) : console_(console), silent_(silent) {}
  void OnStageStart(std::string_view name) override;
  void OnStageEnd(const StageReport& stage) override;

 private:
  Console& console_;
  bool silent_;
};

/// The closing table: stages with rows, seconds, rows per second and results; then the next
/// commands.
void PrintRunReport(const RunReport& report, Console& console);

/// The object that `run --json` prints; docs/schemas/run_report.schema.json describes it.
std::string RunReportJson(const RunReport& report);

}  // namespace millrace::cli
