// SPDX-License-Identifier: Apache-2.0
// Drift of a current table against a reference table, column by column, with a verdict and its
// reason.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/context.h"
#include "base/result.h"
#include "evaluation/report.h"
#include "metrics/drift.h"

namespace millrace::data {
class Table;
}

namespace millrace::monitoring {

/// Two limits of one statistic: at `warn` or above, at `drift` or above.
struct Limits {
  double warn = 0;
  double drift = 0;
  static const base::Declaration<Limits>& Declared();
};

/// Limits of the statistics, as declared under `thresholds`.
struct DriftThresholds {
  /// Population stability index, our quantile rule.
  Limits psi{0.1, 0.25};
  /// Wasserstein-1 over the reference's standard deviation.
  Limits wasserstein{0.1, 0.3};
  /// Kolmogorov-Smirnov distance; counts only where its p-value is below ks_p_value.
  Limits ks{0.1, 0.2};
  double ks_p_value = 0.05;
  /// Difference of the shares of missing values.
  Limits missing{0.05, 0.2};
  /// How many of the four statistics must reach `drift` before the verdict is drift; one is a
  /// warning if fewer.
  int votes = 2;
  static const base::Declaration<DriftThresholds>& Declared();
};

/// A monitor as declared in monitors/*.yaml.
struct MonitorSpec {
  std::string name;
  /// Endpoint whose model is watched.
  std::string endpoint;
  /// "training" and "scoring" are the two tables known so far.
  std::string reference = "training";
  std::string current = "scoring";
  /// Columns to watch; empty means every feature of the model and its score.
  std::vector<std::string> columns;
  DriftThresholds thresholds;
  /// Fewer rows than this on a side give the verdict ok with the reason "too few rows".
  std::int64_t minimum_rows = 100;
  static const base::Declaration<MonitorSpec>& Declared();
};

enum class Verdict { kOk, kWarn, kDrift };
std::string_view VerdictName(Verdict verdict);

struct ColumnDrift {
  std::string column;
  double psi = 0;
  double wasserstein = 0;
  metrics::KsResult ks;
  metrics::SampleShape reference;
  metrics::SampleShape current;
  Verdict verdict = Verdict::kOk;
  /// Names the statistics that led to the verdict with their values and limits.
  std::string reason;
};

struct DriftReport {
  std::vector<ColumnDrift> columns;
  std::int64_t reference_rows = 0;
  std::int64_t current_rows = 0;
  /// The worst of all columns.
  Verdict verdict = Verdict::kOk;
  std::int64_t CountOf(Verdict which) const;
  /// One sentence: "3 of 27 columns drifted, 4 to watch: ...".
  std::string Summary() const;
};

/// Drift of one column, NaN missing. kInvalidArgument where a side has no rows.
Result<ColumnDrift> CompareColumn(std::string column, std::span<const double> reference,
                                  std::span<const double> current,
                                  const DriftThresholds& thresholds,
                                  std::int64_t minimum_rows = 100);

/// Drift of the named columns (numbers; texts are kInvalidArgument), in their order, side by side
/// on the `cpu` pool; the same at any thread count. kInvalidArgument names an empty table or a
/// column that a table lacks.
Result<DriftReport> ComputeDrift(const Context& context, const data::Table& reference,
                                 const data::Table& current, std::span<const std::string> columns,
                                 const DriftThresholds& thresholds,
                                 std::int64_t minimum_rows = 100);

/// The section of the HTML report. @param reference, current one line each on what the tables are.
evaluation::DriftSection ToReportSection(const DriftReport& report, std::string reference,
                                         std::string current);

/// A plain text table for terminals, worst columns first.
std::string FormatDriftTable(const DriftReport& report);

}  // namespace millrace::monitoring
