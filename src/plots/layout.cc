// SPDX-License-Identifier: Apache-2.0
// Figure layout: the grid of panels, titles, legends, and the two kinds of panel without numeric
// axes.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

#include "base/number_format.h"
#include "plots/internal/panel_layout.h"

namespace millrace::plots {

/// Reads the private members of a Figure for the layout.
struct FigureLayout {
  static const std::vector<Panel>& Panels(const Figure& figure) { return figure.panels_; }
  static int Columns(const Figure& figure) { return figure.columns_; }
  static int Width(const Figure& figure) { return figure.width_; }
  static int Height(const Figure& figure) { return figure.height_; }
};

namespace internal {
namespace {

constexpr double kPadding = 14;
constexpr double kPanelGap = 26;
constexpr double kLegendRow = 19;
constexpr Color kTrackColor{241, 243, 247, 1};
constexpr Color kWhite{255, 255, 255, 1};

// Blend of white and the colour; 0 gives a tint that still reads as a cell.
Color Shade(Color color, double share) {
  const double weight = 0.07 + 0.88 * std::clamp(share, 0.0, 1.0);
  const auto mix = [&](std::uint8_t part) {
    return static_cast<std::uint8_t>(std::lround(255 + (part - 255) * weight));
  };
  return {mix(color.red), mix(color.green), mix(color.blue), 1};
}

bool IsDark(Color color) {
  return 0.299 * color.red + 0.587 * color.green + 0.114 * color.blue < 150;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) {
      return lines;
    }
    begin = end + 1;
  }
}

}  // namespace

void PanelLayout::AddText(Point at, std::string text, double size, Color color, Anchor anchor,
                          bool is_bold, bool is_vertical) {
  if (text.empty()) {
    return;
  }
  drawing_.shapes.emplace_back(
      Text{at, std::move(text), size, is_bold, anchor, is_vertical, color});
}

void PanelLayout::AddLine(Point a, Point b, Color color, double width, Dash dash) {
  Path path;
  path.pieces = {{a, b}};
  path.stroke = color;
  path.stroke_width = width;
  path.dash = dash;
  drawing_.shapes.emplace_back(std::move(path));
}

void PanelLayout::Draw() {
  DrawTitle();
  if (panel_.heat().has_value()) {
    DrawHeatMap();
    return;
  }
  DrawLegend();
  const bool is_horizontal = std::any_of(
      panel_.series().begin(), panel_.series().end(),
      [](const auto& series) { return series.kind == Panel::Series::Kind::kHorizontalBars; });
  if (is_horizontal) {
    DrawHorizontalBars();
  } else {
    DrawAxesPanel();
  }
}

void PanelLayout::DrawTitle() {
  if (panel_.title().empty()) {
    return;
  }
  AddText({rest_.x, rest_.y + kTitleSize}, FitText(panel_.title(), kTitleSize, rest_.width),
          kTitleSize, kInkColor, Anchor::kStart, true);
  rest_.y += kTitleSize + 9;
  rest_.height -= kTitleSize + 9;
}

void PanelLayout::DrawLegend() {
  if (panel_.legend() == LegendPlace::kNone) {
    return;
  }
  double x = rest_.x;
  double y = rest_.y + 11;
  bool is_empty = true;
  for (const Panel::Series& series : panel_.series()) {
    if (series.style.label.empty()) {
      continue;
    }
    const std::string label = FitText(series.style.label, kLabelSize, rest_.width - 24);
    const double width = 22 + TextWidth(label, kLabelSize) + 14;
    if (!is_empty && x + width - 14 > rest_.right()) {
      x = rest_.x;
      y += kLegendRow;
    }
    is_empty = false;
    using Kind = Panel::Series::Kind;
    if (series.kind == Kind::kLine || series.kind == Kind::kStep) {
      AddLine({x, y - 4}, {x + 16, y - 4}, series.color, std::max(2.0, series.style.width),
              series.style.dash);
    } else if (series.kind == Kind::kScatter) {
      drawing_.shapes.emplace_back(Circle{{x + 8, y - 4}, 4, series.color, ""});
    } else {
      const double opacity = series.kind == Kind::kHistogram ? 0.75
                             : series.kind == Kind::kBand    ? 0.3
                                                             : 1.0;
      drawing_.shapes.emplace_back(
          Rectangle{{x + 2, y - 9.5, 12, 11}, 2.5, series.color.WithOpacity(opacity), ""});
    }
    AddText({x + 22, y}, label, kLabelSize, kTickColor);
    x += width;
  }
  if (!is_empty) {
    const double used = y - rest_.y + 11;
    rest_.y += used;
    rest_.height -= used;
  }
}

void PanelLayout::DrawHeatMap() {
  const Panel::Heat& heat = *panel_.heat();
  if (heat.rows.empty() || heat.columns.empty()) {
    return;
  }
  double left = panel_.y_axis().label.empty() ? 0 : 22;
  double label_width = 0;
  for (const std::string& row : heat.rows) {
    label_width = std::max(label_width, TextWidth(row, kLabelSize));
  }
  label_width = std::min(label_width, rest_.width * 0.4);
  const double top = kLabelSize + 10 + (panel_.x_axis().label.empty() ? 0 : 20);
  const Box cells{rest_.x + left + label_width + 10, rest_.y + top,
                  rest_.width - left - label_width - 10, rest_.height - top};
  const double cell_width = cells.width / static_cast<double>(heat.columns.size());
  const double cell_height = cells.height / static_cast<double>(heat.rows.size());
  AddText({cells.x + cells.width / 2, rest_.y + kLabelSize}, panel_.x_axis().label, kLabelSize,
          kTickColor, Anchor::kMiddle);
  AddText({rest_.x + kLabelSize, cells.y + cells.height / 2}, panel_.y_axis().label, kLabelSize,
          kTickColor, Anchor::kMiddle, false, true);
  for (std::size_t c = 0; c < heat.columns.size(); ++c) {
    AddText({cells.x + (static_cast<double>(c) + 0.5) * cell_width, cells.y - 8},
            FitText(heat.columns[c], kLabelSize, cell_width - 4), kLabelSize, kInkColor,
            Anchor::kMiddle);
  }
  double highest = 0;
  for (const double value : heat.values) {
    highest = std::isfinite(value) ? std::max(highest, value) : highest;
  }
  for (std::size_t r = 0; r < heat.rows.size(); ++r) {
    const double y = cells.y + static_cast<double>(r) * cell_height;
    AddText({cells.x - 8, y + cell_height / 2 + 4}, FitText(heat.rows[r], kLabelSize, label_width),
            kLabelSize, kInkColor, Anchor::kEnd);
    for (std::size_t c = 0; c < heat.columns.size(); ++c) {
      const std::size_t i = r * heat.columns.size() + c;
      const double x = cells.x + static_cast<double>(c) * cell_width;
      const Color fill = Shade(heat.color, highest > 0 ? heat.values[i] / highest : 0);
      drawing_.shapes.emplace_back(
          Rectangle{{x + 2, y + 2, cell_width - 4, cell_height - 4}, 6, fill, ""});
      const std::vector<std::string> lines = Lines(heat.texts[i]);
      const bool is_large = lines.size() > 1 && cell_height > 50;
      double line_y = y + cell_height / 2 + 5 - (is_large ? 9 : 0) * (lines.size() > 1 ? 1 : 0);
      for (std::size_t l = 0; l < lines.size(); ++l) {
        const double size = l == 0 && is_large ? 19 : kLabelSize;
        const Color ink = IsDark(fill) ? kWhite : kInkColor;
        AddText({x + cell_width / 2, line_y}, FitText(lines[l], size, cell_width - 8), size, ink,
                Anchor::kMiddle, l == 0);
        line_y += l == 0 && is_large ? 19 : 15;
      }
    }
  }
}

void PanelLayout::DrawHorizontalBars() {
  const std::size_t n = panel_.categories().size();
  std::vector<const Panel::Series*> bars;
  std::vector<std::vector<std::string>> texts;
  double lowest = 0;
  double highest = 0;
  double value_width = 0;
  for (const Panel::Series& series : panel_.series()) {
    if (series.kind != Panel::Series::Kind::kHorizontalBars) {
      continue;
    }
    bars.push_back(&series);
    texts.push_back(series.texts.empty() ? TickTexts(series.y, panel_.x_axis().format)
                                         : series.texts);
    texts.back().resize(n);
    for (const double value : series.y) {
      if (std::isfinite(value)) {
        lowest = std::min(lowest, value);
        highest = std::max(highest, value);
      }
    }
    for (const std::string& text : texts.back()) {
      value_width = std::max(value_width, TextWidth(text, kTickSize));
    }
  }
  double label_width = 0;
  for (const std::string& category : panel_.categories()) {
    label_width = std::max(label_width, TextWidth(category, kLabelSize));
  }
  label_width = std::min(label_width, rest_.width * 0.42);
  lowest = panel_.x_axis().minimum.value_or(lowest);
  highest = std::max(panel_.x_axis().maximum.value_or(highest), lowest + 1e-12);
  const double bottom = panel_.x_axis().label.empty() ? 0 : 22;
  plot_ = {rest_.x + label_width + 10, rest_.y, rest_.width - label_width - 10 - value_width - 8,
           rest_.height - bottom};
  x_ = {lowest, highest, plot_.x, plot_.right()};
  for (std::size_t i = 0; i < n; ++i) {
    DrawHorizontalRow(i, bars, texts);
  }
  for (const Panel::Reference& reference : panel_.references()) {
    if (reference.is_vertical && reference.at > lowest && reference.at < highest) {
      AddLine({x_(reference.at), plot_.y}, {x_(reference.at), plot_.bottom()}, reference.color, 1.2,
              Dash::kDashed);
      AddText({x_(reference.at) + 4, plot_.bottom() - 4}, reference.text, kTickSize - 1,
              reference.color);
    }
  }
  AddText({plot_.x + plot_.width / 2, rest_.bottom() - 4}, panel_.x_axis().label, kLabelSize,
          kTickColor, Anchor::kMiddle);
}

void PanelLayout::DrawHorizontalRow(std::size_t i, const std::vector<const Panel::Series*>& bars,
                                    const std::vector<std::vector<std::string>>& texts) {
  const double slot = plot_.height / static_cast<double>(panel_.categories().size());
  const double group = std::min(slot * 0.74, 26.0 * static_cast<double>(bars.size()));
  const double thickness = group / static_cast<double>(bars.size());
  const double middle = plot_.y + (static_cast<double>(i) + 0.5) * slot;
  // A little more than was measured, so that rounding never cuts the widest text.
  const double label_width = plot_.x - 9.5 - rest_.x;
  AddText({plot_.x - 10, middle + 4}, FitText(panel_.categories()[i], kLabelSize, label_width),
          kLabelSize, kInkColor, Anchor::kEnd);
  for (std::size_t b = 0; b < bars.size(); ++b) {
    const double y = middle - group / 2 + static_cast<double>(b) * thickness;
    const Box track{plot_.x, y, plot_.width, std::max(1.0, thickness - 1)};
    drawing_.shapes.emplace_back(Rectangle{track, 2.5, kTrackColor, ""});
    const double value = i < bars[b]->y.size() ? bars[b]->y[i] : 0;
    if (!std::isfinite(value)) {
      continue;
    }
    const double zero = x_(std::clamp(0.0, x_.low, x_.high));
    const double end = x_(std::clamp(value, x_.low, x_.high));
    const Box bar{std::min(zero, end), y, std::abs(end - zero), track.height};
    drawing_.shapes.emplace_back(
        Rectangle{bar, 2.5, bars[b]->color, panel_.categories()[i] + ": " + texts[b][i]});
    AddText({plot_.right() + 8, y + track.height / 2 + 4}, texts[b][i], kTickSize, kTickColor);
  }
}

Drawing Layout(const Figure& figure) {
  Drawing drawing;
  drawing.width = FigureLayout::Width(figure);
  drawing.height = FigureLayout::Height(figure);
  const std::vector<Panel>& panels = FigureLayout::Panels(figure);
  Box area{kPadding, kPadding, drawing.width - 2 * kPadding, drawing.height - 2 * kPadding};
  const bool shows_title = panels.size() != 1 || panels.front().title().empty();
  if (shows_title && !figure.title().empty()) {
    drawing.shapes.emplace_back(Text{{area.x, area.y + 14},
                                     FitText(figure.title(), 15, area.width),
                                     15,
                                     true,
                                     Anchor::kStart,
                                     false,
                                     kInkColor});
    area.y += 30;
    area.height -= 30;
  }
  if (panels.empty()) {
    return drawing;
  }
  const int columns = FigureLayout::Columns(figure) > 0
                          ? std::min(FigureLayout::Columns(figure), static_cast<int>(panels.size()))
                          : static_cast<int>(panels.size());
  const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
  const double width = (area.width - kPanelGap * (columns - 1)) / columns;
  const double height = (area.height - kPanelGap * (rows - 1)) / rows;
  for (std::size_t i = 0; i < panels.size(); ++i) {
    const int row = static_cast<int>(i) / columns;
    const int column = static_cast<int>(i) % columns;
    const Box box{area.x + column * (width + kPanelGap), area.y + row * (height + kPanelGap), width,
                  height};
    PanelLayout(panels[i], box, drawing).Draw();
  }
  return drawing;
}

}  // namespace internal
}  // namespace millrace::plots
