// SPDX-License-Identifier: Apache-2.0
// What a command answers: tables and lines for people, one JSON text for machines.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace millrace::cli {

/// A table of texts. A column whose cells all look like numbers is printed right-aligned.
struct TextTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

/// One line of a chart; x and y have the same size, values that are not finite break the line.
struct ChartSeries {
  std::string label;
  std::vector<double> x;
  std::vector<double> y;
};

struct Chart {
  std::string title;
  std::string x_label;
  std::vector<ChartSeries> series;
};

/// The answer of a command that reads something.
struct Document {
  std::vector<TextTable> tables;
  /// Printed after the charts, one a line.
  std::vector<std::string> lines = {};
  /// What `--json` prints instead: one JSON value.
  std::string json = {};
  /// Drawn between tables and lines.
  std::vector<Chart> charts = {};
};

}  // namespace millrace::cli
