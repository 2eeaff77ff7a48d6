// SPDX-License-Identifier: Apache-2.0
// Small pieces of HTML for the report: tables, tiles, pills, and the page around them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/binary.h"

namespace millrace::evaluation::internal {

/// Escaped text.
std::string Esc(std::string_view text);
/// Numbers for people: "0.772", "12.3%", "0.772 [0.760, 0.784]".
std::string Fixed(double value, int digits = 3);
std::string Percent(double share, int digits = 1);
std::string WithInterval(const metrics::AucEstimate& estimate);
/// "0.0013", or "< 0.0001" below that.
std::string PValue(double p);
/// A threshold, "nobody" where it is infinite.
std::string Threshold(double threshold);
/// A sum in the unit of the costs: "1,234 GBP".
std::string Money(double amount, std::string_view unit);

/// `<table>`; cells are HTML. Numbers are set right and sort as numbers.
class HtmlTable {
 public:
  struct Column {
    std::string title;
    bool is_number = false;
  };
  explicit HtmlTable(std::vector<Column> columns, bool is_sortable = false);
  /// @param row_class  "" or a class for the whole row, for example "chosen"
  void AddRow(std::vector<std::string> cells, std::string_view row_class = "");
  std::string ToHtml() const;

 private:
  std::vector<Column> columns_;
  bool is_sortable_;
  std::string body_;
};

/// A label with a sign, so that colour is not all that tells. @param kind "ok", "warn", "bad" or
/// "note"
std::string Pill(std::string_view kind, std::string_view text);
/// A number with a name above and a line below.
std::string Tile(std::string_view name, std::string_view value, std::string_view note);
/// `<section>` with heading and introduction. @param intro  HTML
std::string Section(std::string_view id, std::string_view title, std::string_view intro,
                    std::string_view body);
/// Figures side by side, one below the other where there is little room.
std::string Grid(const std::vector<std::string>& items, std::string_view extra_class = "");
/// A bar on a scale from low to high for an interval, with a mark at its centre.
std::string Strip(double low, double high, const metrics::Interval& interval, double center,
                  bool is_strong);

/// Style sheet and script of the page.
std::string_view StyleSheet();
std::string_view Script();

}  // namespace millrace::evaluation::internal
