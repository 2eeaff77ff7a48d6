// SPDX-License-Identifier: Apache-2.0
// The pictures of a report: made once, used in the page and written as files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/report.h"
#include "plots/figure.h"

namespace millrace::evaluation::internal {

struct NamedFigure {
  /// File name without suffix.
  std::string name;
  plots::Figure figure;
};

plots::Figure RocFigure(const ReportData& data);
plots::Figure PrFigure(const ReportData& data);
plots::Figure LiftFigure(const ReportData& data);
plots::Figure GainFigure(const ReportData& data);
plots::Figure CalibrationFigure(const ReportData& data);
plots::Figure ScoreFigure(const ReportData& data);
plots::Figure ConfusionFigure(const ReportData& data);
plots::Figure CostFigure(const ReportData& data);
/// One figure per kind of importance, for the page.
std::vector<plots::Figure> ImportanceFigures(const ReportData& data);
/// Both kinds in one, for the file.
plots::Figure AllImportanceFigure(const ReportData& data);
/// One small figure per feature, for the page.
plots::Figure DistributionFigure(const ReportData& data, const FeatureDistribution& distribution);
/// All features in one, for the file.
plots::Figure AllDistributionsFigure(const ReportData& data);
plots::Figure DriftFigure(const DriftSection& drift);

// The places in the page where monitoring puts its section and the link to it.
inline constexpr std::string_view kDriftBegin = "<!--drift-->";
inline constexpr std::string_view kDriftEnd = "<!--/drift-->";
inline constexpr std::string_view kNavBegin = "<!--drift-link-->";
inline constexpr std::string_view kNavEnd = "<!--/drift-link-->";

/// Every picture that the data allows, in the order of the page, without drift.
std::vector<NamedFigure> AllFigures(const ReportData& data);
/// Writes NAME.svg and NAME.png of each, atomically each; returns the paths in order.
Result<std::vector<std::filesystem::path>> WriteFigures(const std::filesystem::path& dir,
                                                        const std::vector<NamedFigure>& figures);

}  // namespace millrace::evaluation::internal
