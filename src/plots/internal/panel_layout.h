// SPDX-License-Identifier: Apache-2.0
// Lays one panel out inside its box: title, legend, then axes and series, horizontal bars or a heat
// map.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "plots/internal/drawing.h"

namespace millrace::plots::internal {

inline constexpr Color kGridColor{232, 235, 240, 1};
inline constexpr Color kAxisColor{160, 168, 180, 1};
inline constexpr Color kTickColor{91, 100, 114, 1};
inline constexpr Color kInkColor{31, 41, 55, 1};
inline constexpr double kTickSize = 11;
inline constexpr double kLabelSize = 11.5;
inline constexpr double kTitleSize = 13.5;

/// Maps values to pixels.
struct Scale {
  double low = 0;
  double high = 1;
  double from = 0;
  double to = 1;
  double operator()(double value) const {
    return from + (value - low) / (high - low) * (to - from);
  }
};

/// Limits and ticks of an axis.
struct Ticks {
  double low = 0;
  double high = 1;
  std::vector<double> at;
  std::vector<std::string> texts;
};

class PanelLayout {
 public:
  PanelLayout(const Panel& panel, Box box, Drawing& drawing)
      : panel_(panel), rest_(box), drawing_(drawing) {}
  void Draw();

 private:
  void DrawTitle();
  void DrawLegend();
  void DrawHeatMap();
  void DrawHorizontalBars();
  void DrawHorizontalRow(std::size_t i, const std::vector<const Panel::Series*>& bars,
                         const std::vector<std::vector<std::string>>& texts);
  // Panels with two axes, in axes_layout.cc.
  void DrawAxesPanel();
  Ticks XTicks(double width) const;
  Ticks YTicks(double height) const;
  void DrawGrid(const Ticks& x, const Ticks& y);
  void DrawCategories(double slot);
  void DrawSeries(const Panel::Series& series, int bar_index, int bar_count);
  void DrawLine(const Panel::Series& series, bool is_step);
  void DrawBand(const Panel::Series& series);
  void DrawErrorBars(const Panel::Series& series);
  void DrawScatter(const Panel::Series& series);
  void DrawBars(const Panel::Series& series, int bar_index, int bar_count);
  void DrawHistogram(const Panel::Series& series);
  void DrawReferenceLines();
  void DrawReferenceTexts();

  void AddText(Point at, std::string text, double size, Color color, Anchor anchor = Anchor::kStart,
               bool is_bold = false, bool is_vertical = false);
  void AddLine(Point a, Point b, Color color, double width, Dash dash = Dash::kSolid);

  const Panel& panel_;
  /// What is still free, from the top down.
  Box rest_;
  Drawing& drawing_;
  /// The rectangle between the axes.
  Box plot_;
  Scale x_;
  Scale y_;
};

}  // namespace millrace::plots::internal
