// SPDX-License-Identifier: Apache-2.0
// Figure: a few panels of lines, bars, histograms and heat maps in; SVG, PNG or an HTML fragment
// out. It knows nothing of models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::plots {

/// An sRGB colour with opacity in [0, 1].
struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  double opacity = 1;
  bool operator==(const Color&) const = default;
  Color WithOpacity(double value) const { return {red, green, blue, value}; }
};

/// The colour-blind-safe palette of Okabe and Ito (2008), darkened where thin lines need it.
namespace palette {
inline constexpr Color kBlue{0, 114, 178};
inline constexpr Color kOrange{213, 94, 0};
inline constexpr Color kGreen{0, 148, 108};
inline constexpr Color kPurple{190, 96, 150};
inline constexpr Color kAmber{222, 148, 0};
inline constexpr Color kSky{70, 160, 215};
inline constexpr Color kGray{130, 138, 150};
inline constexpr Color kInk{31, 41, 55};
}  // namespace palette
/// The colour of series i (cycles through seven).
Color SeriesColor(int i);

/// How tick labels are written.
enum class TickFormat {
  /// Shortest text with one precision for the whole axis; thousands separated by commas.
  kNumber,
  /// 0.25 as "25%".
  kPercent,
  /// 1200 as "1.2k", 3400000 as "3.4M".
  kCompact,
};

/// One axis. Without limits they come from the data, widened to nice numbers.
struct Axis {
  std::string label = {};
  TickFormat format = TickFormat::kNumber;
  std::optional<double> minimum = {};
  std::optional<double> maximum = {};
};

enum class Dash { kSolid, kDashed, kDotted };

/// Looks of one series. Without a colour the next of the palette is taken.
struct SeriesStyle {
  /// Legend text; empty leaves the series out of the legend.
  std::string label = {};
  std::optional<Color> color = {};
  /// Line width or, for points, radius, in pixels.
  double width = 2;
  Dash dash = Dash::kSolid;
  /// Opacity of the area under a line or of bars; lines have none by default.
  double fill_opacity = 0;
};

/// Whether labelled series are listed between title and plot.
enum class LegendPlace { kNone, kAbove };

/// One plot with its axes. Points that are not finite are left out (lines break there). Building
/// never fails; sizes that differ are cut to the shortest.
class Panel {
 public:
  explicit Panel(std::string title = "") : title_(std::move(title)) {}

  Panel& X(Axis axis);
  Panel& Y(Axis axis);
  Panel& Legend(LegendPlace place);

  Panel& Line(std::vector<double> x, std::vector<double> y, SeriesStyle style = {});
  /// A line that keeps each y until the next x.
  Panel& Step(std::vector<double> x, std::vector<double> y, SeriesStyle style = {});
  Panel& Scatter(std::vector<double> x, std::vector<double> y, SeriesStyle style = {});
  /// A filled area between two curves (confidence bands).
  Panel& Band(std::vector<double> x, std::vector<double> lower, std::vector<double> upper,
              SeriesStyle style = {});
  /// Vertical whiskers from lower to upper.
  Panel& ErrorBars(std::vector<double> x, std::vector<double> lower, std::vector<double> upper,
                   SeriesStyle style = {});
  /// Vertical bars, one per category; several calls stand side by side.
  Panel& Bars(std::vector<std::string> categories, std::vector<double> values,
              SeriesStyle style = {});
  /// Horizontal bars with the first category on top and the value written at the end of each bar.
  Panel& HorizontalBars(std::vector<std::string> categories, std::vector<double> values,
                        SeriesStyle style = {}, std::vector<std::string> value_texts = {});
  /// Outline and fill over bins; heights has one value fewer than edges.
  Panel& Histogram(std::vector<double> edges, std::vector<double> heights, SeriesStyle style = {});
  /// Cells with texts; values (row by row) choose the shade from 0 to their maximum.
  Panel& HeatMap(std::vector<std::string> rows, std::vector<std::string> columns,
                 std::vector<double> values, std::vector<std::string> texts,
                 Color color = palette::kBlue);
  /// Reference lines with a small text beside them.
  Panel& HorizontalLine(double y, std::string text = "", Color color = palette::kGray);
  Panel& VerticalLine(double x, std::string text = "", Color color = palette::kGray);

  /// What Figure draws; not for callers.
  struct Series {
    enum class Kind {
      kLine,
      kStep,
      kScatter,
      kBand,
      kErrorBars,
      kBars,
      kHorizontalBars,
      kHistogram
    };
    Kind kind = Kind::kLine;
    std::vector<double> x;
    std::vector<double> y;
    std::vector<double> upper;
    std::vector<std::string> texts;
    SeriesStyle style;
    Color color;
  };
  struct Reference {
    bool is_vertical = false;
    double at = 0;
    std::string text;
    Color color;
  };
  struct Heat {
    std::vector<std::string> rows;
    std::vector<std::string> columns;
    std::vector<double> values;
    std::vector<std::string> texts;
    Color color;
  };
  const std::string& title() const { return title_; }
  const Axis& x_axis() const { return x_; }
  const Axis& y_axis() const { return y_; }
  LegendPlace legend() const { return legend_; }
  const std::vector<Series>& series() const { return series_; }
  const std::vector<Reference>& references() const { return references_; }
  const std::vector<std::string>& categories() const { return categories_; }
  const std::optional<Heat>& heat() const { return heat_; }

 private:
  Panel& AddSeries(Series::Kind kind, std::vector<double> x, std::vector<double> y,
                   std::vector<double> upper, SeriesStyle style);

  std::string title_;
  Axis x_;
  Axis y_;
  LegendPlace legend_ = LegendPlace::kAbove;
  std::vector<Series> series_;
  std::vector<Reference> references_;
  std::vector<std::string> categories_;
  std::optional<Heat> heat_;
};

/// A picture of one or more panels in a grid, under one title. The same calls give the same bytes.
class Figure {
 public:
  /// @param title        told to screen readers, and drawn on top where there is more than one
  /// panel or no panel title
  /// @param description  one sentence that says what the picture shows, for those who cannot see it
  explicit Figure(std::string title, std::string description = "");

  Figure& Add(Panel panel);
  /// Panels side by side; the default is all in one row.
  Figure& Columns(int columns);
  /// Whole size in CSS pixels, from 120 to 8000 each; the default is 640 x 440.
  Figure& Size(int width, int height);

  const std::string& title() const { return title_; }
  /// A whole SVG document; text stays text with the system's font.
  std::string ToSvg() const;
  /// Writes a PNG, atomically. @param scale  pixels per CSS pixel, from 0.5 to 8. Letters depend on
  /// the machine's fonts.
  Result<void> ToPng(const std::filesystem::path& path, double scale = 2) const;
  /// `<figure>` with the SVG inside, sized to its container, with an accessible name.
  std::string ToHtml() const;

 private:
  friend struct FigureLayout;
  std::string title_;
  std::string description_;
  std::vector<Panel> panels_;
  int columns_ = 0;
  int width_ = 640;
  int height_ = 440;
};

/// Ascending round numbers that cover [low, high] with about `count` steps; the step is 1, 2, 2.5
/// or 5 times a power of ten. Equal or not finite ends are widened first.
std::vector<double> NiceTicks(double low, double high, int count);

/// Text escaped for XML and HTML content and attributes.
std::string EscapeXml(std::string_view text);

}  // namespace millrace::plots
