// SPDX-License-Identifier: Apache-2.0
// Line charts in a terminal, drawn with Braille characters (two by four dots a cell).
#pragma once

#include <string>
#include <vector>

#include "cli/document.h"

namespace millrace::cli {

struct ChartSize {
  /// Columns of the whole chart, labels included; at least 30.
  int width = 80;
  /// Rows of the plot area, without title and x axis; at least 2.
  int height = 10;
  bool colours = false;
};

/// The chart as lines of text: title, plot with the y axis's limits, x axis, and a legend with the
/// last value of each series where there is more than one. Points that are not finite break the
/// line. A chart without a finite point says so.
std::string FormatChart(const Chart& chart, const ChartSize& size);

}  // namespace millrace::cli
