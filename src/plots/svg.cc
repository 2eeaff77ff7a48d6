// SPDX-License-Identifier: Apache-2.0
// Writes a drawing as SVG with as few bytes as stay readable.
#include <array>
#include <charconv>
#include <cstdint>
#include <string>

#include "plots/internal/drawing.h"

namespace millrace::plots::internal {
namespace {

constexpr std::string_view kFonts =
    "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif";

// Two decimals, without trailing zeros.
std::string Number(double value) {
  std::array<char, 48> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::fixed, 2);
  std::string text(buffer.data(), end.ptr);
  while (text.ends_with('0')) {
    text.pop_back();
  }
  if (text.ends_with('.')) {
    text.pop_back();
  }
  return text.empty() || text == "-0" ? "0" : text;
}

std::string Hex(Color color) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "#";
  for (const std::uint8_t part : {color.red, color.green, color.blue}) {
    text += kDigits[part >> 4U];
    text += kDigits[part & 15U];
  }
  return text;
}

std::string Attribute(std::string_view name, const std::string& value) {
  return " " + std::string(name) + "=\"" + value + "\"";
}

std::string Paint(std::string_view name, Color color) {
  if (color.opacity <= 0) {
    return Attribute(name, "none");
  }
  std::string text = Attribute(name, Hex(color));
  if (color.opacity < 1) {
    text += Attribute(std::string(name) + "-opacity", Number(color.opacity));
  }
  return text;
}

class SvgWriter {
 public:
  SvgWriter(std::string& out, std::string id) : out_(out), id_(std::move(id)) {}

  void operator()(const Path& path) {
    out_ += "<path d=\"";
    for (const std::vector<Point>& piece : path.pieces) {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        out_ += (i == 0 ? "M" : "L") + Number(piece[i].x) + " " + Number(piece[i].y);
      }
      out_ += path.is_closed && !piece.empty() ? "Z" : "";
    }
    out_ += "\"" + Paint("fill", path.fill);
    if (path.stroke.opacity > 0) {
      out_ += Paint("stroke", path.stroke) + Attribute("stroke-width", Number(path.stroke_width));
      if (path.dash != Dash::kSolid) {
        out_ += Attribute("stroke-dasharray", path.dash == Dash::kDashed ? "6 4" : "1.5 3");
      }
    }
    out_ += "/>";
  }

  void operator()(const Rectangle& rectangle) {
    const Box& box = rectangle.box;
    out_ += "<rect" + Attribute("x", Number(box.x)) + Attribute("y", Number(box.y)) +
            Attribute("width", Number(box.width)) + Attribute("height", Number(box.height));
    if (rectangle.radius > 0) {
      out_ += Attribute("rx", Number(rectangle.radius));
    }
    out_ += Paint("fill", rectangle.fill);
    Close("rect", rectangle.tooltip);
  }

  void operator()(const Circle& circle) {
    out_ += "<circle" + Attribute("cx", Number(circle.center.x)) +
            Attribute("cy", Number(circle.center.y)) + Attribute("r", Number(circle.radius)) +
            Paint("fill", circle.fill);
    Close("circle", circle.tooltip);
  }

  void operator()(const Text& text) {
    const std::string x = Number(text.at.x);
    const std::string y = Number(text.at.y);
    out_ += "<text" + Attribute("x", x) + Attribute("y", y) +
            Attribute("font-size", Number(text.size)) + Attribute("fill", Hex(text.color));
    if (text.is_bold) {
      out_ += Attribute("font-weight", "600");
    }
    if (text.anchor != Anchor::kStart) {
      out_ += Attribute("text-anchor", text.anchor == Anchor::kMiddle ? "middle" : "end");
    }
    if (text.is_vertical) {
      out_ += Attribute("transform", "rotate(-90 " + x + " " + y + ")");
    }
    out_ += ">" + EscapeXml(text.text) + "</text>";
  }

  void operator()(const Clip& clip) {
    EndClip();
    if (clip.box.width <= 0) {
      return;
    }
    const std::string id = id_ + "-" + std::to_string(clips_++);
    out_ += "<clipPath id=\"" + id + "\"><rect" + Attribute("x", Number(clip.box.x)) +
            Attribute("y", Number(clip.box.y)) + Attribute("width", Number(clip.box.width)) +
            Attribute("height", Number(clip.box.height)) + "/></clipPath><g clip-path=\"url(#" +
            id + ")\">";
    is_clipping_ = true;
  }

  void EndClip() {
    out_ += is_clipping_ ? "</g>" : "";
    is_clipping_ = false;
  }

 private:
  void Close(std::string_view element, const std::string& tooltip) {
    if (tooltip.empty()) {
      out_ += "/>";
      return;
    }
    out_ += "><title>" + EscapeXml(tooltip) + "</title></" + std::string(element) + ">";
  }

  std::string& out_;
  std::string id_;
  int clips_ = 0;
  bool is_clipping_ = false;
};

// Ids of clip paths are global in a page with many pictures, so they carry a hash (FNV-1a) of the
// shapes.
std::string IdOf(std::string_view title, std::string_view body) {
  std::uint64_t hash = 14695981039346656037U;
  for (const std::string_view text : {title, body}) {
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    }
  }
  std::array<char, 17> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), hash, 36);
  return "p" + std::string(buffer.data(), end.ptr);
}

std::string Body(const Drawing& drawing, const std::string& id) {
  std::string body;
  SvgWriter writer(body, id);
  for (const auto& shape : drawing.shapes) {
    std::visit(writer, shape);
    body += "\n";
  }
  writer.EndClip();
  return body;
}

}  // namespace

std::string SvgOf(const Drawing& drawing, std::string_view title, std::string_view description,
                  bool is_document) {
  const std::string width = std::to_string(drawing.width);
  const std::string height = std::to_string(drawing.height);
  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + width + " " + height + "\"";
  if (is_document) {
    svg += Attribute("width", width) + Attribute("height", height);
  }
  svg += " role=\"img\"" + Attribute("aria-label", EscapeXml(title)) + " font-family=\"" +
         std::string(kFonts) + "\" stroke-linejoin=\"round\">\n<title>" + EscapeXml(title) +
         "</title>";
  if (!description.empty()) {
    svg += "<desc>" + EscapeXml(description) + "</desc>";
  }
  svg += "\n";
  if (is_document) {
    svg += "<rect width=\"" + width + "\" height=\"" + height + "\" fill=\"#fff\"/>\n";
  }
  return svg + Body(drawing, IdOf(title, Body(drawing, ""))) + "</svg>";
}

}  // namespace millrace::plots::internal
