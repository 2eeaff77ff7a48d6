// SPDX-License-Identifier: Apache-2.0
// A laid-out picture as a list of simple shapes, which the SVG and the PNG writer both paint.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "plots/figure.h"

namespace millrace::plots::internal {

struct Point {
  double x = 0;
  double y = 0;
};

/// A rectangle in pixels; y grows downwards.
struct Box {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

/// Pieces of connected points, stroked, filled or both.
struct Path {
  std::vector<std::vector<Point>> pieces;
  bool is_closed = false;
  Color fill{0, 0, 0, 0};
  Color stroke{0, 0, 0, 0};
  double stroke_width = 1;
  Dash dash = Dash::kSolid;
};

struct Rectangle {
  Box box;
  double radius = 0;
  Color fill;
  /// Shown by browsers while the pointer rests on the shape.
  std::string tooltip;
};

struct Circle {
  Point center;
  double radius = 3;
  Color fill;
  std::string tooltip;
};

enum class Anchor { kStart, kMiddle, kEnd };

/// One line of text; (x, y) is on its base line.
struct Text {
  Point at;
  std::string text;
  double size = 12;
  bool is_bold = false;
  Anchor anchor = Anchor::kStart;
  /// Reads upwards when true (turned by -90 degrees around `at`).
  bool is_vertical = false;
  Color color;
};

/// What follows is painted inside of the box only, until the next Clip; a box of width 0 ends
/// clipping.
struct Clip {
  Box box;
};

struct Drawing {
  int width = 0;
  int height = 0;
  std::vector<std::variant<Path, Rectangle, Circle, Text, Clip>> shapes;
};

/// Lays a figure out.
Drawing Layout(const Figure& figure);
/// The `<svg>` element. @param is_document  adds a white ground and the XML name space's fixed size
std::string SvgOf(const Drawing& drawing, std::string_view title, std::string_view description,
                  bool is_document);

/// Width of a text in pixels by the proportions of Helvetica, a little generous.
double TextWidth(std::string_view text, double size, bool is_bold = false);
/// Cuts a text with "…" so that it fits.
std::string FitText(std::string_view text, double size, double width);

/// Texts of ticks, with one precision for all.
std::vector<std::string> TickTexts(const std::vector<double>& ticks, TickFormat format);

}  // namespace millrace::plots::internal
