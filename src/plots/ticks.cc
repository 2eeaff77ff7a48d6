// SPDX-License-Identifier: Apache-2.0
// Round ticks and their texts, and how wide a text is.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>

#include "base/number_format.h"
#include "plots/internal/drawing.h"

namespace millrace::plots {
namespace internal {
namespace {

constexpr int kMaxDecimals = 8;

// Advance widths of Helvetica in thousandths of an em for the printable ASCII characters.
constexpr std::array<int, 95> kWidths = {
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333,  278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667,  611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278,  556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500,  500, 334, 260, 334, 584};

// Common fallback fonts (DejaVu Sans) are wider than Helvetica.
constexpr double kGenerosity = 1.1;

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// "-1234.50" with thousands separated.
std::string WithSeparators(double value, int decimals) {
  std::string text = base::FormatFixed(value, decimals);
  const std::size_t sign = text.starts_with('-') ? 1 : 0;
  std::size_t end = text.find('.');
  end = end == std::string::npos ? text.size() : end;
  for (std::size_t at = end; at > sign + 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text.find_first_not_of("-0.,") == std::string::npos && sign == 1 ? text.substr(1) : text;
}

std::string Compact(double value) {
  const double size = std::abs(value);
  const std::pair<double, const char*> units[] = {{1e9, "B"}, {1e6, "M"}, {1e3, "k"}, {1, ""}};
  for (const auto& [unit, suffix] : units) {
    if (size >= unit) {
      std::string text = base::FormatFixed(value / unit, size / unit < 10 ? 1 : 0);
      if (text.ends_with(".0")) {
        text.resize(text.size() - 2);
      }
      return text + suffix;
    }
  }
  return value == 0 ? "0" : base::FormatFixed(value, 2);
}

// The fewest decimals that write every tick exactly enough to tell it from its neighbour.
int DecimalsOf(const std::vector<double>& ticks, double factor) {
  for (int decimals = 0; decimals < kMaxDecimals; ++decimals) {
    const double unit = std::pow(10.0, decimals);
    const bool is_exact = std::all_of(ticks.begin(), ticks.end(), [&](double tick) {
      const double scaled = tick * factor * unit;
      return std::abs(scaled - std::round(scaled)) < 1e-6 * std::max(1.0, std::abs(scaled));
    });
    if (is_exact) {
      return decimals;
    }
  }
  return kMaxDecimals;
}

}  // namespace

double TextWidth(std::string_view text, double size, bool is_bold) {
  int thousandths = 0;
  for (const char c : text) {
    if (IsContinuation(c)) {
      continue;
    }
    const auto index = static_cast<std::size_t>(static_cast<unsigned char>(c) - 32);
    thousandths += c >= ' ' && c <= '~' ? kWidths[index] : 600;
  }
  return thousandths / 1000.0 * size * kGenerosity * (is_bold ? 1.07 : 1.0);
}

std::string FitText(std::string_view text, double size, double width) {
  if (TextWidth(text, size) <= width) {
    return std::string(text);
  }
  std::string_view kept = text;
  while (!kept.empty() && TextWidth(kept, size) + TextWidth("n", size) > width) {
    do {
      kept.remove_suffix(1);
    } while (!kept.empty() && IsContinuation(text[kept.size()]));
  }
  return std::string(kept) + "…";
}

std::vector<std::string> TickTexts(const std::vector<double>& ticks, TickFormat format) {
  std::vector<std::string> texts;
  const bool is_percent = format == TickFormat::kPercent;
  const int decimals = DecimalsOf(ticks, is_percent ? 100 : 1);
  for (const double tick : ticks) {
    if (format == TickFormat::kCompact) {
      texts.push_back(Compact(tick));
    } else if (is_percent) {
      texts.push_back(WithSeparators(tick * 100, decimals) + "%");
    } else {
      texts.push_back(std::abs(tick) >= 1e7 ? Compact(tick) : WithSeparators(tick, decimals));
    }
  }
  return texts;
}

}  // namespace internal

std::vector<double> NiceTicks(double low, double high, int count) {
  if (!std::isfinite(low) || !std::isfinite(high)) {
    low = 0;
    high = 1;
  }
  if (low > high) {
    std::swap(low, high);
  }
  if (!(high - low > std::abs(high) * 1e-12)) {
    const double margin = low == 0 ? 0.5 : std::abs(low) * 0.1;
    low -= margin;
    high += margin;
  }
  const double wanted = (high - low) / std::max(1, count);
  const double power = std::pow(10.0, std::floor(std::log10(wanted)));
  double step = 10 * power;
  for (const double nice : {1.0, 2.0, 2.5, 5.0}) {
    if (nice * power >= wanted * (1 - 1e-9)) {
      step = nice * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  const double last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) {
    // Steps below 1 have whole inverses; dividing keeps 0.3 from becoming 0.30000000000000004.
    const double tick = step < 1 ? i / std::round(1 / step) : i * step;
    ticks.push_back(tick == 0 ? 0.0 : tick);
  }
  return ticks;
}

}  // namespace millrace::plots
