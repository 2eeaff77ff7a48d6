// SPDX-License-Identifier: Apache-2.0
// The drift section of the report, which monitoring adds after evaluation.
#include <cstddef>
#include <string>
#include <utility>

#include "evaluation/internal/html.h"
#include "evaluation/internal/report_figures.h"
#include "evaluation/report.h"

namespace millrace::evaluation {
namespace {

using internal::Esc;
using internal::Fixed;
using internal::HtmlTable;
using internal::Percent;
using internal::Pill;
using internal::PValue;
using internal::Section;

std::string DriftSectionHtml(const DriftSection& drift) {
  HtmlTable table({{"column"},
                   {"verdict"},
                   {"PSI", true},
                   {"Wasserstein / std", true},
                   {"KS", true},
                   {"KS p", true},
                   {"missing before", true},
                   {"missing now", true},
                   {"why"}},
                  true);
  for (const DriftRow& row : drift.rows) {
    const std::string_view kind = row.verdict == "ok"     ? "ok"
                                  : row.verdict == "warn" ? "warn"
                                                          : "bad";
    table.AddRow({Esc(row.column), Pill(kind, row.verdict), Fixed(row.psi), Fixed(row.wasserstein),
                  Fixed(row.ks), PValue(row.ks_p_value), Percent(row.reference_missing),
                  Percent(row.current_missing), Esc(row.reason)});
  }
  const std::string intro = "<strong>" + Esc(drift.summary) +
                            "</strong> Compared: " + Esc(drift.current) + ", against " +
                            Esc(drift.reference) + ".";
  return Section(
      "drift", "Has the world moved since training?", intro,
      "<div class=\"narrow\">" + internal::DriftFigure(drift).ToHtml() + "</div>" + table.ToHtml());
}

// Puts `content` between two marks that stand in the page.
Result<std::string> Between(std::string_view page, std::string_view begin, std::string_view end,
                            std::string_view content) {
  const std::size_t first = page.find(begin);
  const std::size_t last = first == std::string_view::npos ? first : page.find(end, first);
  if (last == std::string_view::npos) {
    return base::InvalidArgument("the report has no place for a drift section (mark \"" +
                                 std::string(begin) + "\" is missing)")
        .Hint("run the evaluation again to write the report anew");
  }
  return std::string(page.substr(0, first + begin.size())) + std::string(content) +
         std::string(page.substr(last));
}

}  // namespace

Result<std::string> WithDriftSection(std::string_view report_html, const DriftSection& drift) {
  MILL_ASSIGN_OR_RETURN(
      const std::string page,
      Between(report_html, internal::kDriftBegin, internal::kDriftEnd, DriftSectionHtml(drift)));
  return Between(page, internal::kNavBegin, internal::kNavEnd, "<a href=\"#drift\">Drift</a>");
}

Result<std::vector<std::filesystem::path>> WriteDriftPlots(const std::filesystem::path& dir,
                                                           const DriftSection& drift) {
  std::vector<internal::NamedFigure> figures;
  figures.push_back({"drift_psi", internal::DriftFigure(drift)});
  return internal::WriteFigures(dir, figures).With("writing drift plots");
}

}  // namespace millrace::evaluation
