// SPDX-License-Identifier: Apache-2.0
// Paints a drawing with Cairo into a PNG file.
#include <array>
#include <cmath>
#include <memory>
#include <numbers>
#include <string>

#include <cairo.h>

#include "base/file.h"
#include "base/number_format.h"
#include "plots/internal/drawing.h"

namespace millrace::plots {
namespace {

using internal::Anchor;
using internal::Box;
using internal::Circle;
using internal::Clip;
using internal::Drawing;
using internal::Path;
using internal::Point;
using internal::Rectangle;
using internal::Text;

constexpr double kPi = std::numbers::pi;

void SetColor(cairo_t* cairo, Color color) {
  cairo_set_source_rgba(cairo, color.red / 255.0, color.green / 255.0, color.blue / 255.0,
                        color.opacity);
}

class PngPainter {
 public:
  explicit PngPainter(cairo_t* cairo) : cairo_(cairo) {}

  void operator()(const Path& path) const {
    cairo_new_path(cairo_);
    for (const std::vector<Point>& piece : path.pieces) {
      cairo_new_sub_path(cairo_);
      for (const Point& point : piece) {
        cairo_line_to(cairo_, point.x, point.y);
      }
      if (path.is_closed) {
        cairo_close_path(cairo_);
      }
    }
    if (path.fill.opacity > 0) {
      SetColor(cairo_, path.fill);
      cairo_fill_preserve(cairo_);
    }
    if (path.stroke.opacity > 0) {
      const std::array<double, 2> dashes = {6, 4};
      const std::array<double, 2> dots = {1.5, 3};
      const bool is_solid = path.dash == Dash::kSolid;
      cairo_set_dash(cairo_, path.dash == Dash::kDotted ? dots.data() : dashes.data(),
                     is_solid ? 0 : 2, 0);
      SetColor(cairo_, path.stroke);
      cairo_set_line_width(cairo_, path.stroke_width);
      cairo_stroke_preserve(cairo_);
    }
    cairo_new_path(cairo_);
  }

  void operator()(const Rectangle& rectangle) const {
    const Box& box = rectangle.box;
    const double radius = std::min({rectangle.radius, box.width / 2, box.height / 2});
    cairo_new_path(cairo_);
    if (radius > 0) {
      cairo_arc(cairo_, box.right() - radius, box.y + radius, radius, -kPi / 2, 0);
      cairo_arc(cairo_, box.right() - radius, box.bottom() - radius, radius, 0, kPi / 2);
      cairo_arc(cairo_, box.x + radius, box.bottom() - radius, radius, kPi / 2, kPi);
      cairo_arc(cairo_, box.x + radius, box.y + radius, radius, kPi, 1.5 * kPi);
      cairo_close_path(cairo_);
    } else {
      cairo_rectangle(cairo_, box.x, box.y, box.width, box.height);
    }
    SetColor(cairo_, rectangle.fill);
    cairo_fill(cairo_);
  }

  void operator()(const Circle& circle) const {
    cairo_new_path(cairo_);
    cairo_arc(cairo_, circle.center.x, circle.center.y, circle.radius, 0, 2 * kPi);
    SetColor(cairo_, circle.fill);
    cairo_fill(cairo_);
  }

  void operator()(const Text& text) const {
    cairo_select_font_face(cairo_, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           text.is_bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    // The usual fallback, DejaVu Sans, is large for its size.
    cairo_set_font_size(cairo_, text.size * 0.92);
    cairo_text_extents_t extents;
    cairo_text_extents(cairo_, text.text.c_str(), &extents);
    const double shift = text.anchor == Anchor::kStart    ? 0
                         : text.anchor == Anchor::kMiddle ? -extents.x_advance / 2
                                                          : -extents.x_advance;
    cairo_save(cairo_);
    cairo_translate(cairo_, text.at.x, text.at.y);
    if (text.is_vertical) {
      cairo_rotate(cairo_, -kPi / 2);
    }
    cairo_move_to(cairo_, shift, 0);
    SetColor(cairo_, text.color);
    cairo_show_text(cairo_, text.text.c_str());
    cairo_restore(cairo_);
  }

  void operator()(const Clip& clip) const {
    cairo_reset_clip(cairo_);
    if (clip.box.width > 0) {
      cairo_rectangle(cairo_, clip.box.x, clip.box.y, clip.box.width, clip.box.height);
      cairo_clip(cairo_);
    }
  }

 private:
  cairo_t* cairo_;
};

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
struct CairoDeleter {
  void operator()(cairo_t* cairo) const { cairo_destroy(cairo); }
};

Result<void> CheckStatus(cairo_status_t status, const std::filesystem::path& path) {
  if (status == CAIRO_STATUS_SUCCESS) {
    return {};
  }
  const std::string reason = cairo_status_to_string(status);
  if (status == CAIRO_STATUS_WRITE_ERROR) {
    return base::Unavailable("cannot write " + path.string() + ": " + reason)
        .Hint("check that the folder is writable and the disk is not full");
  }
  return base::Internal("cannot draw " + path.string() + ": " + reason);
}

Result<void> WritePng(const Drawing& drawing, const std::filesystem::path& path, double scale) {
  const std::unique_ptr<cairo_surface_t, SurfaceDeleter> surface(cairo_image_surface_create(
      CAIRO_FORMAT_RGB24, static_cast<int>(std::lround(drawing.width * scale)),
      static_cast<int>(std::lround(drawing.height * scale))));
  MILL_RETURN_IF_ERROR(CheckStatus(cairo_surface_status(surface.get()), path));
  const std::unique_ptr<cairo_t, CairoDeleter> cairo(cairo_create(surface.get()));
  cairo_set_source_rgb(cairo.get(), 1, 1, 1);
  cairo_paint(cairo.get());
  cairo_scale(cairo.get(), scale, scale);
  cairo_set_line_join(cairo.get(), CAIRO_LINE_JOIN_ROUND);
  const PngPainter painter(cairo.get());
  for (const auto& shape : drawing.shapes) {
    std::visit(painter, shape);
  }
  MILL_RETURN_IF_ERROR(CheckStatus(cairo_status(cairo.get()), path));
  cairo_surface_flush(surface.get());
  return CheckStatus(cairo_surface_write_to_png(surface.get(), path.c_str()), path);
}

}  // namespace

Result<void> Figure::ToPng(const std::filesystem::path& path, double scale) const {
  if (!(scale >= 0.5 && scale <= 8)) {
    return base::InvalidArgument("PNG scale is " + base::FormatDouble(scale) +
                                 "; 0.5 to 8 pixels per CSS pixel are possible");
  }
  const Drawing drawing = internal::Layout(*this);
  return base::ReplaceAtomic(path, [&](const std::filesystem::path& temporary) {
    return WritePng(drawing, temporary, scale);
  });
}

}  // namespace millrace::plots
