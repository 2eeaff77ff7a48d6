// SPDX-License-Identifier: Apache-2.0
// Compares two tables column by column and says which columns moved.
#include "monitoring/drift.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "base/number_format.h"
#include "base/thread_pool.h"
#include "data/table.h"

namespace millrace::monitoring {
namespace {

using base::FormatCount;
using base::FormatFixed;

// Gathers votes and the sentence that explains them.
class Judge {
 public:
  void Weigh(const char* name, double value, const Limits& limits) {
    const bool is_drift = value >= limits.drift;
    if (!is_drift && value < limits.warn) {
      return;
    }
    votes_ += is_drift ? 1 : 0;
    has_warning_ = true;
    reason_ += reason_.empty() ? "" : ", ";
    reason_ += std::string(name) + " " + FormatFixed(value, 3) +
               " >= " + base::FormatDouble(is_drift ? limits.drift : limits.warn);
  }
  Verdict verdict(int votes_needed) const {
    if (votes_ >= votes_needed) {
      return Verdict::kDrift;
    }
    return has_warning_ ? Verdict::kWarn : Verdict::kOk;
  }
  std::string reason() const { return reason_.empty() ? "below every limit" : reason_; }

 private:
  int votes_ = 0;
  bool has_warning_ = false;
  std::string reason_;
};

// Where a side has no present value only the missing shares can be compared.
bool SettleAllMissing(ColumnDrift& column) {
  const bool reference_gone = column.reference.missing == column.reference.rows;
  const bool current_gone = column.current.missing == column.current.rows;
  if (!reference_gone && !current_gone) {
    return false;
  }
  if (reference_gone && current_gone) {
    column.reason = "every value is missing on both sides";
    return true;
  }
  column.verdict = Verdict::kDrift;
  column.ks = {.statistic = 1, .p_value = 0, .is_exact = false};
  column.reason = std::string("every value is missing in the ") +
                  (reference_gone ? "reference" : "current") + " rows";
  return true;
}

std::string CountOfColumns(std::int64_t count) {
  return FormatCount(count) + (count == 1 ? " column" : " columns");
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kDrift:
      return "drift";
  }
  return "ok";
}

std::int64_t DriftReport::CountOf(Verdict which) const {
  return std::count_if(columns.begin(), columns.end(),
                       [&](const ColumnDrift& column) { return column.verdict == which; });
}

std::string DriftReport::Summary() const {
  const std::int64_t drifted = CountOf(Verdict::kDrift);
  const std::int64_t watched = CountOf(Verdict::kWarn);
  if (drifted == 0 && watched == 0) {
    return "None of " + CountOfColumns(static_cast<std::int64_t>(columns.size())) + " drifted.";
  }
  std::string text = FormatCount(drifted) + " of " +
                     CountOfColumns(static_cast<std::int64_t>(columns.size())) + " drifted";
  constexpr int kMostNames = 5;
  int named = 0;
  for (const ColumnDrift& column : columns) {
    if (column.verdict == Verdict::kDrift && named < kMostNames) {
      text += (named == 0 ? " (" : ", ") + column.column;
      ++named;
    }
  }
  text += named == 0 ? "" : named < drifted ? ", ...)" : ")";
  return text + (watched > 0 ? ", " + FormatCount(watched) + " to watch." : ".");
}

Result<ColumnDrift> CompareColumn(std::string column, std::span<const double> reference,
                                  std::span<const double> current,
                                  const DriftThresholds& thresholds, std::int64_t minimum_rows) {
  ColumnDrift result;
  result.column = std::move(column);
  const std::string doing = "comparing column \"" + result.column + "\"";
  result.reference = metrics::Describe(reference);
  result.current = metrics::Describe(current);
  MILL_ASSIGN_OR_RETURN(result.psi, metrics::Psi(reference, current).With(doing));
  const std::int64_t fewer = std::min(result.reference.rows, result.current.rows);
  const bool is_enough = fewer >= minimum_rows;
  if (SettleAllMissing(result)) {
    if (!is_enough) {
      result.verdict = Verdict::kOk;
      result.reason = "too few rows (" + FormatCount(fewer) + "): " + result.reason;
    }
    return result;
  }
  MILL_ASSIGN_OR_RETURN(result.wasserstein,
                        metrics::WassersteinNormed(reference, current).With(doing));
  MILL_ASSIGN_OR_RETURN(result.ks, metrics::KolmogorovSmirnov(reference, current).With(doing));
  if (!is_enough) {
    result.reason = "too few rows (" + FormatCount(fewer) + " of " + FormatCount(minimum_rows) +
                    ") for a verdict";
    return result;
  }
  Judge judge;
  judge.Weigh("psi", result.psi, thresholds.psi);
  judge.Weigh("wasserstein", result.wasserstein, thresholds.wasserstein);
  if (result.ks.p_value < thresholds.ks_p_value) {
    judge.Weigh("ks", result.ks.statistic, thresholds.ks);
  }
  judge.Weigh("missing share moved by",
              std::abs(result.reference.MissingShare() - result.current.MissingShare()),
              thresholds.missing);
  result.verdict = judge.verdict(thresholds.votes);
  result.reason = judge.reason();
  return result;
}

Result<DriftReport> ComputeDrift(const Context& context, const data::Table& reference,
                                 const data::Table& current, std::span<const std::string> columns,
                                 const DriftThresholds& thresholds, std::int64_t minimum_rows) {
  if (columns.empty()) {
    return base::InvalidArgument("drift is asked for no column; at least one is needed");
  }
  DriftReport report;
  report.reference_rows = reference.rows();
  report.current_rows = current.rows();
  for (const auto& [side, rows] :
       {std::pair("reference", report.reference_rows), std::pair("current", report.current_rows)}) {
    if (rows == 0) {
      return base::InvalidArgument(std::string("the ") + side +
                                   " table has no rows; drift needs at least one")
          .Hint("check the stage that writes it");
    }
  }
  report.columns.resize(columns.size());
  const auto compare = [&](std::size_t begin, std::size_t end) -> Result<void> {
    for (std::size_t i = begin; i < end; ++i) {
      MILL_RETURN_IF_ERROR(context.Check());
      MILL_ASSIGN_OR_RETURN(const std::vector<double> before,
                            reference.Doubles(columns[i]).With("reading the reference table"));
      MILL_ASSIGN_OR_RETURN(const std::vector<double> now,
                            current.Doubles(columns[i]).With("reading the current table"));
      MILL_ASSIGN_OR_RETURN(report.columns[i],
                            CompareColumn(columns[i], before, now, thresholds, minimum_rows));
    }
    return {};
  };
  if (context.cpu == nullptr) {
    MILL_RETURN_IF_ERROR(compare(0, columns.size()));
  } else {
    MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(context, columns.size(), 1, compare));
  }
  for (const ColumnDrift& column : report.columns) {
    report.verdict = std::max(report.verdict, column.verdict);
  }
  return report;
}

evaluation::DriftSection ToReportSection(const DriftReport& report, std::string reference,
                                         std::string current) {
  evaluation::DriftSection section;
  section.reference = std::move(reference);
  section.current = std::move(current);
  section.summary = report.Summary();
  for (const ColumnDrift& column : report.columns) {
    section.rows.push_back({column.column, column.psi, column.wasserstein, column.ks.statistic,
                            column.ks.p_value, column.reference.MissingShare(),
                            column.current.MissingShare(), std::string(VerdictName(column.verdict)),
                            column.reason});
  }
  // Worst first; equal verdicts by falling PSI, then as given.
  const auto rank = [](const evaluation::DriftRow& row) {
    return row.verdict == "drift" ? 0 : row.verdict == "warn" ? 1 : 2;
  };
  std::stable_sort(section.rows.begin(), section.rows.end(),
                   [&](const evaluation::DriftRow& a, const evaluation::DriftRow& b) {
                     return rank(a) != rank(b) ? rank(a) < rank(b) : a.psi > b.psi;
                   });
  return section;
}

std::string FormatDriftTable(const DriftReport& report) {
  const evaluation::DriftSection section = ToReportSection(report, "", "");
  std::size_t width = 6;
  for (const evaluation::DriftRow& row : section.rows) {
    width = std::max(width, row.column.size());
  }
  const auto left = [](std::string text, std::size_t to) {
    text.resize(std::max(text.size(), to), ' ');
    return text;
  };
  const auto right = [](const std::string& text, std::size_t to) {
    return std::string(to > text.size() ? to - text.size() : 0, ' ') + text;
  };
  std::string table = left("column", width) +
                      "  verdict      psi  wasserst       ks      ks p  "
                      "missing  why\n";
  for (const evaluation::DriftRow& row : section.rows) {
    const std::string missing = FormatFixed(row.reference_missing * 100, 1) + ">" +
                                FormatFixed(row.current_missing * 100, 1) + "%";
    table += left(row.column, width) + "  " + left(row.verdict, 7) +
             right(FormatFixed(row.psi, 3), 9) + right(FormatFixed(row.wasserstein, 3), 10) +
             right(FormatFixed(row.ks, 3), 9) + right(FormatFixed(row.ks_p_value, 4), 10) + "  " +
             left(missing, 9) + row.reason + "\n";
  }
  return table;
}

}  // namespace millrace::monitoring
