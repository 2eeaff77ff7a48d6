// SPDX-License-Identifier: Apache-2.0
#include "cli/chart.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  lines.pop_back();
  return lines;
}

TEST(FormatChart, ARisingLineGoesFromTheBottomLeftCornerToTheTopRight) {
  const std::string text = FormatChart({"", "", {{"", {0, 1, 2}, {0, 1, 2}}}}, {30, 3, false});
  const std::vector<std::string> lines = Lines(text);
  ASSERT_EQ(lines.size(), 4U) << text;
  // Labels are one character wide: 25 columns of plot.
  EXPECT_TRUE(lines[0].starts_with("  2\u2524")) << text;
  EXPECT_TRUE(lines[0].ends_with("\u280A")) << "the last dot is at the top: " << text;
  EXPECT_TRUE(lines[2].starts_with("  0\u2524\u28C0")) << "the first is in its lower row: " << text;
  EXPECT_EQ(lines[3], "    0                       2");
}

TEST(FormatChart, ValuesThatAreNotFiniteBreakTheLine) {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string gap =
      FormatChart({"", "", {{"", {0, 1, 2, 3, 4}, {1, 1, nan, 1, 1}}}}, {30, 2, false});
  EXPECT_THAT(gap, HasSubstr("     ")) << "a hole in the middle";
  EXPECT_THAT(FormatChart({"t", "", {{"", {0, 1}, {nan, infinity}}}}, {30, 2, false}),
              HasSubstr("no finite values to draw"));
  EXPECT_THAT(FormatChart({"t", "", {}}, {30, 2, false}), HasSubstr("no finite values to draw"));
}

TEST(FormatChart, ExtremeValuesAndFlatLinesStayInside) {
  const double most = std::numeric_limits<double>::max();
  for (const auto& y : {std::vector<double>{-most, most}, std::vector<double>{7, 7},
                        std::vector<double>{0, 0}, std::vector<double>{1e-300, 2e-300}}) {
    const std::vector<std::string> lines =
        Lines(FormatChart({"", "", {{"", {0, 1}, y}}}, {40, 4, false}));
    EXPECT_EQ(lines.size(), 5U);
  }
}

TEST(FormatChart, SeveralSeriesHaveALegendWithTheirLastValues) {
  const Chart chart{"loss", "step", {{"run a", {0, 1}, {0.5, 0.25}}, {"run b", {0, 1}, {1, 0.75}}}};
  const std::string plain = FormatChart(chart, {60, 5, false});
  EXPECT_THAT(plain, HasSubstr("run a 0.25"));
  EXPECT_THAT(plain, HasSubstr("run b 0.75"));
  EXPECT_THAT(plain, HasSubstr("step"));
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  EXPECT_THAT(FormatChart(chart, {60, 5, true}), HasSubstr("\x1b[38;5;33m"));
}

}  // namespace
}  // namespace millrace::cli
