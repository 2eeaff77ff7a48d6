// SPDX-License-Identifier: Apache-2.0
// Line charts in a terminal, drawn with Braille characters.
#include "cli/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

namespace millrace::cli {
namespace {

// 256-colour codes of the palette that plots uses, readable on dark and light.
constexpr std::array<int, 6> kColours = {33, 208, 36, 170, 178, 75};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return low > high; }
  // A flat line gets room above and below.
  void Widen() {
    if (low == high) {
      const double room = low == 0 ? 1 : std::abs(low) * 0.05;
      low -= room;
      high += room;
    }
  }
  // Position in [0, 1]; halves first, so that the range of extreme doubles does not overflow.
  double Part(double value) const { return (value / 2 - low / 2) / (high / 2 - low / 2); }
};

/// Dots of a plot area; each cell remembers the series that drew into it last.
class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns),
        rows_(rows),
        dots_(static_cast<std::size_t>(columns * rows)),
        owner_(dots_.size(), -1) {}

  int n_x() const { return columns_ * 2; }
  int n_y() const { return rows_ * 4; }

  void Dot(int x, int y, int series) {
    // Bits of a Braille cell, column by column from the top: Unicode chapter 21.1.
    static constexpr std::array<std::array<std::uint8_t, 4>, 2> kBits = {
        {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};
    const auto cell = static_cast<std::size_t>(y / 4 * columns_ + x / 2);
    dots_[cell] |= kBits[static_cast<std::size_t>(x % 2)][static_cast<std::size_t>(y % 4)];
    owner_[cell] = series;
  }

  void Segment(int x0, int y0, int x1, int y1, int series) {
    const int steps = std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1});
    for (int i = 0; i <= steps; ++i) {
      Dot(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps, series);
    }
  }

  std::string Row(int row, bool colours) const {
    std::string text;
    int current = -1;
    for (int column = 0; column < columns_; ++column) {
      const auto cell = static_cast<std::size_t>(row * columns_ + column);
      const int owner = colours && dots_[cell] != 0 ? owner_[cell] : -1;
      if (owner != current) {
        text += owner < 0 ? "\x1b[0m" : Colour(owner);
        current = owner;
      }
      if (dots_[cell] == 0) {
        text += ' ';
      } else {
        // U+2800 + dots in UTF-8.
        text += '\xE2';
        text += static_cast<char>(0xA0 + (dots_[cell] >> 6));
        text += static_cast<char>(0x80 + (dots_[cell] & 0x3F));
      }
    }
    return text + (current >= 0 ? "\x1b[0m" : "");
  }

  static std::string Colour(int series) {
    return "\x1b[38;5;" +
           std::to_string(kColours[static_cast<std::size_t>(series) % kColours.size()]) + "m";
  }

 private:
  int columns_;
  int rows_;
  std::vector<std::uint8_t> dots_;
  std::vector<int> owner_;
};

std::string Label(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.5g", value);
  return text.data();
}

void DrawSeries(const ChartSeries& series, int index, const Range& x_range, const Range& y_range,
                Canvas& canvas) {
  std::optional<std::pair<int, int>> last;
  const std::size_t n = std::min(series.x.size(), series.y.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(series.x[i]) || !std::isfinite(series.y[i])) {
      last.reset();
      continue;
    }
    const int x = static_cast<int>(std::lround(x_range.Part(series.x[i]) * (canvas.n_x() - 1)));
    const int y =
        static_cast<int>(std::lround((1 - y_range.Part(series.y[i])) * (canvas.n_y() - 1)));
    if (last) {
      canvas.Segment(last->first, last->second, x, y, index);
    } else {
      canvas.Dot(x, y, index);
    }
    last = {x, y};
  }
}

std::string Legend(const Chart& chart, bool colours) {
  std::string text;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const ChartSeries& series = chart.series[i];
    const std::string mark =
        colours ? Canvas::Colour(static_cast<int>(i)) + "\u2501\x1b[0m " : std::string("\u2501 ");
    text += (i == 0 ? "" : "   ") + mark + series.label;
    if (!series.y.empty()) {
      text += " " + Label(series.y.back());
    }
  }
  return text;
}

}  // namespace

std::string FormatChart(const Chart& chart, const ChartSize& size) {
  std::string text = chart.title.empty() ? "" : chart.title + "\n";
  Range x_range;
  Range y_range;
  for (const ChartSeries& series : chart.series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      if (std::isfinite(series.x[i]) && std::isfinite(series.y[i])) {
        x_range.Add(series.x[i]);
        y_range.Add(series.y[i]);
      }
    }
  }
  if (x_range.is_empty()) {
    return text + "  no finite values to draw\n";
  }
  const std::string first_x = Label(x_range.low);
  const std::string last_x = Label(x_range.high);
  const std::string top = Label(y_range.high);
  const std::string bottom = Label(y_range.low);
  x_range.Widen();
  y_range.Widen();
  const std::size_t margin = std::max(top.size(), bottom.size());
  const int columns = std::max(10, size.width - static_cast<int>(margin) - 4);
  const int rows = std::max(2, size.height);
  Canvas canvas(columns, rows);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    DrawSeries(chart.series[i], static_cast<int>(i), x_range, y_range, canvas);
  }
  for (int row = 0; row < rows; ++row) {
    const bool is_limit = row == 0 || row + 1 == rows;
    const std::string label = row == 0 ? top : row + 1 == rows ? bottom : "";
    text += "  " + std::string(margin - label.size(), ' ') + label +
            (is_limit ? "\u2524" : "\u2502") + canvas.Row(row, size.colours) + "\n";
  }
  std::string axis(static_cast<std::size_t>(columns), ' ');
  if (first_x.size() + last_x.size() + 1 <= axis.size()) {
    axis.replace(0, first_x.size(), first_x);
    axis.replace(axis.size() - last_x.size(), last_x.size(), last_x);
    const std::size_t room = axis.size() - first_x.size() - last_x.size();
    if (chart.x_label.size() + 2 <= room) {
      axis.replace(first_x.size() + (room - chart.x_label.size()) / 2, chart.x_label.size(),
                   chart.x_label);
    }
  }
  text += "  " + std::string(margin, ' ') + " " + axis + "\n";
  if (chart.series.size() > 1 || !chart.series[0].label.empty()) {
    text += "  " + std::string(margin, ' ') + " " + Legend(chart, size.colours) + "\n";
  }
  return text;
}

}  // namespace millrace::cli
