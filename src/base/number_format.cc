// SPDX-License-Identifier: Apache-2.0
// Numbers as text by std::to_chars, which does not look at the locale.
#include "base/number_format.h"

#include <array>
#include <charconv>
#include <cmath>

namespace millrace::base {
namespace {

std::string NotFinite(double value) {
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

}  // namespace

std::string FormatDouble(double value) {
  if (!std::isfinite(value)) {
    return NotFinite(value);
  }
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

std::string FormatFixed(double value, int digits) {
  if (!std::isfinite(value)) {
    return NotFinite(value);
  }
  // The largest double has 309 digits before the point.
  std::array<char, 400> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value,
                                    std::chars_format::fixed, digits);
  return result.ec == std::errc() ? std::string(text.data(), result.ptr) : FormatDouble(value);
}

std::string FormatCount(std::int64_t value) {
  std::string digits = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace millrace::base
