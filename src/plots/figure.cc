// SPDX-License-Identifier: Apache-2.0
// The builder half of Figure: collects series, references and panels.
#include "plots/figure.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "plots/internal/drawing.h"

namespace millrace::plots {
namespace {

constexpr int kMinSize = 120;
constexpr int kMaxSize = 8000;

}  // namespace

Color SeriesColor(int i) {
  static constexpr std::array<Color, 7> kColors = {
      palette::kBlue,  palette::kOrange, palette::kGreen, palette::kPurple,
      palette::kAmber, palette::kSky,    palette::kGray};
  return kColors[static_cast<std::size_t>(i < 0 ? 0 : i) % kColors.size()];
}

std::string EscapeXml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        // Control characters are not allowed in XML at all.
        escaped += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return escaped;
}

Panel& Panel::X(Axis axis) {
  x_ = std::move(axis);
  return *this;
}

Panel& Panel::Y(Axis axis) {
  y_ = std::move(axis);
  return *this;
}

Panel& Panel::Legend(LegendPlace place) {
  legend_ = place;
  return *this;
}

Panel& Panel::AddSeries(Series::Kind kind, std::vector<double> x, std::vector<double> y,
                        std::vector<double> upper, SeriesStyle style) {
  Series series;
  series.kind = kind;
  series.color = style.color.value_or(SeriesColor(static_cast<int>(series_.size())));
  series.style = std::move(style);
  series.x = std::move(x);
  series.y = std::move(y);
  series.upper = std::move(upper);
  series_.push_back(std::move(series));
  return *this;
}

Panel& Panel::Line(std::vector<double> x, std::vector<double> y, SeriesStyle style) {
  return AddSeries(Series::Kind::kLine, std::move(x), std::move(y), {}, std::move(style));
}

Panel& Panel::Step(std::vector<double> x, std::vector<double> y, SeriesStyle style) {
  return AddSeries(Series::Kind::kStep, std::move(x), std::move(y), {}, std::move(style));
}

Panel& Panel::Scatter(std::vector<double> x, std::vector<double> y, SeriesStyle style) {
  return AddSeries(Series::Kind::kScatter, std::move(x), std::move(y), {}, std::move(style));
}

Panel& Panel::Band(std::vector<double> x, std::vector<double> lower, std::vector<double> upper,
                   SeriesStyle style) {
  return AddSeries(Series::Kind::kBand, std::move(x), std::move(lower), std::move(upper),
                   std::move(style));
}

Panel& Panel::ErrorBars(std::vector<double> x, std::vector<double> lower, std::vector<double> upper,
                        SeriesStyle style) {
  return AddSeries(Series::Kind::kErrorBars, std::move(x), std::move(lower), std::move(upper),
                   std::move(style));
}

Panel& Panel::Bars(std::vector<std::string> categories, std::vector<double> values,
                   SeriesStyle style) {
  if (categories_.empty()) {
    categories_ = std::move(categories);
  }
  return AddSeries(Series::Kind::kBars, {}, std::move(values), {}, std::move(style));
}

Panel& Panel::HorizontalBars(std::vector<std::string> categories, std::vector<double> values,
                             SeriesStyle style, std::vector<std::string> value_texts) {
  if (categories_.empty()) {
    categories_ = std::move(categories);
  }
  AddSeries(Series::Kind::kHorizontalBars, {}, std::move(values), {}, std::move(style));
  series_.back().texts = std::move(value_texts);
  return *this;
}

Panel& Panel::Histogram(std::vector<double> edges, std::vector<double> heights, SeriesStyle style) {
  return AddSeries(Series::Kind::kHistogram, std::move(edges), std::move(heights), {},
                   std::move(style));
}

Panel& Panel::HeatMap(std::vector<std::string> rows, std::vector<std::string> columns,
                      std::vector<double> values, std::vector<std::string> texts, Color color) {
  values.resize(rows.size() * columns.size());
  texts.resize(rows.size() * columns.size());
  heat_ = Heat{std::move(rows), std::move(columns), std::move(values), std::move(texts), color};
  return *this;
}

Panel& Panel::HorizontalLine(double y, std::string text, Color color) {
  references_.push_back({false, y, std::move(text), color});
  return *this;
}

Panel& Panel::VerticalLine(double x, std::string text, Color color) {
  references_.push_back({true, x, std::move(text), color});
  return *this;
}

Figure::Figure(std::string title, std::string description)
    : title_(std::move(title)), description_(std::move(description)) {
}

Figure& Figure::Add(Panel panel) {
  panels_.push_back(std::move(panel));
  return *this;
}

Figure& Figure::Columns(int columns) {
  columns_ = std::max(1, columns);
  return *this;
}

Figure& Figure::Size(int width, int height) {
  width_ = std::clamp(width, kMinSize, kMaxSize);
  height_ = std::clamp(height, kMinSize, kMaxSize);
  return *this;
}

std::string Figure::ToSvg() const {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
         internal::SvgOf(internal::Layout(*this), title_, description_, true) + "\n";
}

std::string Figure::ToHtml() const {
  return "<figure class=\"plot\">" +
         internal::SvgOf(internal::Layout(*this), title_, description_, false) + "</figure>\n";
}

}  // namespace millrace::plots
