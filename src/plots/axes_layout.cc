// SPDX-License-Identifier: Apache-2.0
// Panels with two axes: limits, ticks, grid, and each kind of series.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>

#include "plots/internal/panel_layout.h"

namespace millrace::plots::internal {
namespace {

using Kind = Panel::Series::Kind;

// Vertices nearer than this to the last drawn one cannot be seen.
constexpr double kLeastStep = 0.4;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Add(double value) {
    if (std::isfinite(value)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  void Add(const std::vector<double>& values) {
    for (const double value : values) {
      Add(value);
    }
  }
};

Ticks MakeTicks(const Axis& axis, Range range, int count, bool keeps_ends) {
  Ticks ticks;
  if (!(range.low <= range.high)) {
    range = {0, 1};
  }
  const double low = axis.minimum.value_or(range.low);
  const double high = axis.maximum.value_or(range.high);
  const std::vector<double> nice = NiceTicks(low, high, count);
  ticks.low = axis.minimum.value_or(keeps_ends && low < high ? low : nice.front());
  ticks.high = axis.maximum.value_or(keeps_ends && low < high ? high : nice.back());
  if (!(ticks.low < ticks.high)) {
    ticks.low = nice.front();
    ticks.high = nice.back();
  }
  const double slack = (ticks.high - ticks.low) * 1e-9;
  for (const double tick : nice) {
    if (tick >= ticks.low - slack && tick <= ticks.high + slack) {
      ticks.at.push_back(tick);
    }
  }
  ticks.texts = TickTexts(ticks.at, axis.format);
  return ticks;
}

double WidestText(const std::vector<std::string>& texts) {
  double widest = 0;
  for (const std::string& text : texts) {
    widest = std::max(widest, TextWidth(text, kTickSize));
  }
  return widest;
}

// Adds a point unless it falls on the last one; a point that is not finite ends the piece.
void Append(Path& path, double x, double y) {
  if (!std::isfinite(x) || !std::isfinite(y)) {
    if (!path.pieces.empty() && !path.pieces.back().empty()) {
      path.pieces.emplace_back();
    }
    return;
  }
  if (path.pieces.empty()) {
    path.pieces.emplace_back();
  }
  std::vector<Point>& piece = path.pieces.back();
  if (!piece.empty() && std::abs(piece.back().x - x) + std::abs(piece.back().y - y) < kLeastStep) {
    return;
  }
  piece.push_back({x, y});
}

std::string ValueText(double value, TickFormat format) {
  return TickTexts({value}, format)[0];
}

}  // namespace

Ticks PanelLayout::XTicks(double width) const {
  Range range;
  bool keeps_ends = false;
  for (const Panel::Series& series : panel_.series()) {
    range.Add(series.x);
    keeps_ends = keeps_ends || series.kind == Kind::kHistogram;
  }
  return MakeTicks(panel_.x_axis(), range, std::clamp(static_cast<int>(width / 70), 3, 10),
                   keeps_ends);
}

Ticks PanelLayout::YTicks(double height) const {
  Range range;
  for (const Panel::Series& series : panel_.series()) {
    range.Add(series.y);
    range.Add(series.upper);
    if (series.kind == Kind::kBars || series.kind == Kind::kHistogram ||
        series.style.fill_opacity > 0) {
      range.Add(0.0);
    }
  }
  for (const Panel::Reference& reference : panel_.references()) {
    if (!reference.is_vertical) {
      range.Add(reference.at);
    }
  }
  return MakeTicks(panel_.y_axis(), range, std::clamp(static_cast<int>(height / 42), 3, 8), false);
}

void PanelLayout::DrawAxesPanel() {
  const double bottom = 20 + (panel_.x_axis().label.empty() ? 0 : 19);
  const double top = 6;
  const Ticks y = YTicks(rest_.height - bottom - top);
  const double left = WidestText(y.texts) + 9 + (panel_.y_axis().label.empty() ? 0 : 19);
  const double right = 14;
  plot_ = {rest_.x + left, rest_.y + top, std::max(10.0, rest_.width - left - right),
           std::max(10.0, rest_.height - bottom - top)};
  const bool has_categories = !panel_.categories().empty();
  Ticks x = XTicks(plot_.width);
  if (has_categories) {
    x = Ticks{};
    x.high = static_cast<double>(panel_.categories().size());
  }
  x_ = {x.low, x.high, plot_.x, plot_.right()};
  y_ = {y.low, y.high, plot_.bottom(), plot_.y};
  DrawGrid(x, y);
  if (has_categories) {
    DrawCategories(plot_.width / static_cast<double>(panel_.categories().size()));
  }
  const auto bar_count = static_cast<int>(
      std::count_if(panel_.series().begin(), panel_.series().end(),
                    [](const Panel::Series& series) { return series.kind == Kind::kBars; }));
  // Half a pixel more than the plot, so that a line along an axis keeps its width.
  drawing_.shapes.emplace_back(Clip{{plot_.x - 2, plot_.y - 4, plot_.width + 6, plot_.height + 6}});
  DrawReferenceLines();
  int bar_index = 0;
  for (const Panel::Series& series : panel_.series()) {
    DrawSeries(series, bar_index, bar_count);
    bar_index += series.kind == Kind::kBars ? 1 : 0;
  }
  drawing_.shapes.emplace_back(Clip{});
  DrawReferenceTexts();
}

void PanelLayout::DrawGrid(const Ticks& x, const Ticks& y) {
  for (std::size_t i = 0; i < y.at.size(); ++i) {
    const double at = y_(y.at[i]);
    AddLine({plot_.x, at}, {plot_.right(), at}, kGridColor, 1);
    AddText({plot_.x - 8, at + 4}, y.texts[i], kTickSize, kTickColor, Anchor::kEnd);
  }
  for (std::size_t i = 0; i < x.at.size(); ++i) {
    const double at = x_(x.at[i]);
    AddLine({at, plot_.y}, {at, plot_.bottom()}, kGridColor, 1);
    AddText({at, plot_.bottom() + 16}, x.texts[i], kTickSize, kTickColor, Anchor::kMiddle);
  }
  AddLine({plot_.x, plot_.bottom()}, {plot_.right(), plot_.bottom()}, kAxisColor, 1);
  AddText({plot_.x + plot_.width / 2, rest_.bottom() - 3},
          FitText(panel_.x_axis().label, kLabelSize, plot_.width), kLabelSize, kTickColor,
          Anchor::kMiddle);
  AddText({rest_.x + kLabelSize - 1, plot_.y + plot_.height / 2},
          FitText(panel_.y_axis().label, kLabelSize, plot_.height), kLabelSize, kTickColor,
          Anchor::kMiddle, false, true);
}

void PanelLayout::DrawCategories(double slot) {
  double widest = 0;
  for (const std::string& category : panel_.categories()) {
    widest = std::max(widest, TextWidth(category, kTickSize));
  }
  // Where they do not fit side by side, every second, third, ... is written.
  const auto every = static_cast<std::size_t>(
      std::clamp(std::ceil((std::min(widest, 90.0) + 6) / slot), 1.0, 1000.0));
  for (std::size_t i = 0; i < panel_.categories().size(); i += every) {
    AddText({plot_.x + (static_cast<double>(i) + 0.5) * slot, plot_.bottom() + 16},
            FitText(panel_.categories()[i], kTickSize, slot * static_cast<double>(every)),
            kTickSize, kTickColor, Anchor::kMiddle);
  }
}

void PanelLayout::DrawSeries(const Panel::Series& series, int bar_index, int bar_count) {
  switch (series.kind) {
    case Kind::kLine:
      DrawLine(series, false);
      break;
    case Kind::kStep:
      DrawLine(series, true);
      break;
    case Kind::kScatter:
      DrawScatter(series);
      break;
    case Kind::kBand:
      DrawBand(series);
      break;
    case Kind::kErrorBars:
      DrawErrorBars(series);
      break;
    case Kind::kBars:
      DrawBars(series, bar_index, bar_count);
      break;
    case Kind::kHistogram:
      DrawHistogram(series);
      break;
    case Kind::kHorizontalBars:
      break;
  }
}

void PanelLayout::DrawLine(const Panel::Series& series, bool is_step) {
  Path line;
  const std::size_t n = std::min(series.x.size(), series.y.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (is_step && i > 0) {
      Append(line, x_(series.x[i]), y_(series.y[i - 1]));
    }
    Append(line, x_(series.x[i]), y_(series.y[i]));
  }
  if (series.style.fill_opacity > 0) {
    Path area;
    area.is_closed = true;
    area.fill = series.color.WithOpacity(series.style.fill_opacity);
    const double ground = y_(std::clamp(0.0, y_.low, y_.high));
    for (std::vector<Point> piece : line.pieces) {
      if (piece.size() > 1) {
        piece.push_back({piece.back().x, ground});
        piece.push_back({piece.front().x, ground});
        area.pieces.push_back(std::move(piece));
      }
    }
    drawing_.shapes.emplace_back(std::move(area));
  }
  line.stroke = series.color;
  line.stroke_width = series.style.width;
  line.dash = series.style.dash;
  drawing_.shapes.emplace_back(std::move(line));
}

void PanelLayout::DrawBand(const Panel::Series& series) {
  Path band;
  band.is_closed = true;
  const double opacity = series.style.fill_opacity > 0 ? series.style.fill_opacity : 0.16;
  band.fill = series.color.WithOpacity(opacity);
  std::vector<Point> outline;
  const std::size_t n = std::min({series.x.size(), series.y.size(), series.upper.size()});
  for (std::size_t i = 0; i < n; ++i) {
    outline.push_back({x_(series.x[i]), y_(series.upper[i])});
  }
  for (std::size_t i = n; i-- > 0;) {
    outline.push_back({x_(series.x[i]), y_(series.y[i])});
  }
  std::erase_if(outline, [](const Point& p) { return !std::isfinite(p.x) || !std::isfinite(p.y); });
  band.pieces.push_back(std::move(outline));
  drawing_.shapes.emplace_back(std::move(band));
}

void PanelLayout::DrawErrorBars(const Panel::Series& series) {
  Path whiskers;
  constexpr double kCap = 3;
  const std::size_t n = std::min({series.x.size(), series.y.size(), series.upper.size()});
  for (std::size_t i = 0; i < n; ++i) {
    const double x = x_(series.x[i]);
    const double low = y_(series.y[i]);
    const double high = y_(series.upper[i]);
    if (std::isfinite(x) && std::isfinite(low) && std::isfinite(high)) {
      whiskers.pieces.push_back({{x, low}, {x, high}});
      whiskers.pieces.push_back({{x - kCap, low}, {x + kCap, low}});
      whiskers.pieces.push_back({{x - kCap, high}, {x + kCap, high}});
    }
  }
  whiskers.stroke = series.color;
  whiskers.stroke_width = std::min(series.style.width, 1.4);
  drawing_.shapes.emplace_back(std::move(whiskers));
}

void PanelLayout::DrawScatter(const Panel::Series& series) {
  const std::size_t n = std::min(series.x.size(), series.y.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isfinite(series.x[i]) && std::isfinite(series.y[i])) {
      drawing_.shapes.emplace_back(Circle{{x_(series.x[i]), y_(series.y[i])},
                                          std::max(1.0, series.style.width),
                                          series.color,
                                          ValueText(series.x[i], panel_.x_axis().format) + ", " +
                                              ValueText(series.y[i], panel_.y_axis().format)});
    }
  }
}

void PanelLayout::DrawBars(const Panel::Series& series, int bar_index, int bar_count) {
  const std::size_t n = std::min(panel_.categories().size(), series.y.size());
  const double slot = plot_.width / static_cast<double>(panel_.categories().size());
  const double group = slot * 0.76;
  const double width = group / bar_count;
  const double opacity = series.style.fill_opacity > 0 ? series.style.fill_opacity : 1;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(series.y[i])) {
      continue;
    }
    const double left =
        plot_.x + static_cast<double>(i) * slot + (slot - group) / 2 + bar_index * width;
    const double zero = y_(std::clamp(0.0, y_.low, y_.high));
    const double end = y_(std::clamp(series.y[i], y_.low, y_.high));
    drawing_.shapes.emplace_back(
        Rectangle{{left, std::min(zero, end), std::max(1.0, width - 1.5), std::abs(zero - end)},
                  2.5,
                  series.color.WithOpacity(opacity),
                  panel_.categories()[i] + ": " + ValueText(series.y[i], panel_.y_axis().format)});
  }
}

void PanelLayout::DrawHistogram(const Panel::Series& series) {
  Path outline;
  const std::size_t n = series.x.empty() ? 0 : std::min(series.x.size() - 1, series.y.size());
  const double ground = y_(std::clamp(0.0, y_.low, y_.high));
  std::vector<Point> points;
  for (std::size_t i = 0; i < n; ++i) {
    const double height = std::isfinite(series.y[i]) ? y_(series.y[i]) : ground;
    points.push_back({x_(series.x[i]), height});
    points.push_back({x_(series.x[i + 1]), height});
  }
  if (points.empty()) {
    return;
  }
  points.insert(points.begin(), {points.front().x, ground});
  points.push_back({points.back().x, ground});
  outline.pieces.push_back(std::move(points));
  outline.fill =
      series.color.WithOpacity(series.style.fill_opacity > 0 ? series.style.fill_opacity : 0.22);
  outline.stroke = series.color;
  outline.stroke_width = std::min(series.style.width, 1.6);
  outline.dash = series.style.dash;
  drawing_.shapes.emplace_back(std::move(outline));
}

void PanelLayout::DrawReferenceLines() {
  for (const Panel::Reference& reference : panel_.references()) {
    if (reference.is_vertical) {
      AddLine({x_(reference.at), plot_.y}, {x_(reference.at), plot_.bottom()}, reference.color, 1.3,
              Dash::kDashed);
    } else {
      AddLine({plot_.x, y_(reference.at)}, {plot_.right(), y_(reference.at)}, reference.color, 1.3,
              Dash::kDashed);
    }
  }
}

void PanelLayout::DrawReferenceTexts() {
  for (const Panel::Reference& reference : panel_.references()) {
    if (reference.text.empty()) {
      continue;
    }
    const double width = TextWidth(reference.text, kTickSize);
    if (reference.is_vertical) {
      const double x = x_(reference.at);
      const bool fits_right = x + 5 + width <= plot_.right();
      AddText({fits_right ? x + 5 : x - 5, plot_.y + 10}, reference.text, kTickSize,
              reference.color, fits_right ? Anchor::kStart : Anchor::kEnd);
    } else {
      // Bars are low on the right, lines pass above on the left.
      const bool has_bars = !panel_.categories().empty();
      AddText({has_bars ? plot_.right() - 2 : plot_.x + 6,
               y_(reference.at) + (has_bars ? -5 : kTickSize + 3)},
              reference.text, kTickSize, reference.color, has_bars ? Anchor::kEnd : Anchor::kStart);
    }
  }
}

}  // namespace millrace::plots::internal
