// SPDX-License-Identifier: Apache-2.0
// Figures: ticks, SVG content, deterministic bytes, PNG files, odd input.
#include "plots/figure.h"

#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace millrace::plots {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const double kNaN = std::numeric_limits<double>::quiet_NaN();

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "plots_test_XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Figure Everything() {
  Figure figure("All kinds", "One panel of each kind of series.");
  figure.Columns(2).Size(1000, 1200);
  figure.Add(Panel("Lines & <steps>")
                 .X({"x", TickFormat::kPercent, 0.0, 1.0})
                 .Y({.label = "y"})
                 .Band({0, 0.5, 1}, {0, 0.2, 0.5}, {0.3, 0.6, 1})
                 .Line({0, 0.5, 1}, {0.1, 0.4, 0.9}, {.label = "line", .fill_opacity = 0.1})
                 .Step({0, 0.5, 1}, {0.2, 0.3, 0.7}, {.label = "step", .dash = Dash::kDashed})
                 .Scatter({0.2, 0.4}, {0.5, 0.6}, {.label = "points", .width = 4})
                 .ErrorBars({0.2, 0.4}, {0.4, 0.5}, {0.6, 0.7})
                 .HorizontalLine(0.5, "half")
                 .VerticalLine(0.9, "limit"));
  figure.Add(
      Panel("Bars").Y({.label = "lift"}).Bars({"1", "2", "3"}, {3, 2, 1}, {.label = "lift"}));
  figure.Add(Panel("Across").HorizontalBars({"a", "b"}, {0.7, 0.3}, {}, {"70%", "30%"}));
  figure.Add(Panel("Histogram")
                 .Histogram({0, 1, 2, 3}, {0.2, 0.5, 0.3}, {.label = "train"})
                 .Histogram({0, 1, 2, 3}, {0.3, 0.3, 0.4}, {.label = "test"}));
  figure.Add(Panel("Heat").HeatMap({"no", "yes"}, {"no", "yes"}, {5, 1, 2, 9},
                                   {"5\n29%", "1\n6%", "2\n12%", "9\n53%"}));
  return figure;
}

TEST(NiceTicks, AreRoundNumbersThatCoverTheRange) {
  EXPECT_THAT(NiceTicks(0, 1, 5), ElementsAre(0, 0.2, 0.4, 0.6, 0.8, 1));
  EXPECT_THAT(NiceTicks(3, 97, 4), ElementsAre(0, 25, 50, 75, 100));
  EXPECT_THAT(NiceTicks(-0.7, 0.3, 4), ElementsAre(-0.75, -0.5, -0.25, 0, 0.25, 0.5));
}

TEST(NiceTicks, WidenARangeWithoutLength) {
  EXPECT_LT(NiceTicks(5, 5, 4).front(), 5);
  EXPECT_GT(NiceTicks(5, 5, 4).back(), 5);
  EXPECT_EQ(NiceTicks(kNaN, 1, 4).front(), 0);
  EXPECT_GE(NiceTicks(1e300, 1e300, 4).size(), 2U);
}

TEST(EscapeXml, LeavesNoMarkup) {
  EXPECT_EQ(EscapeXml("a<b & \"c\" 'd'\x01"), "a&lt;b &amp; &quot;c&quot; &#39;d&#39; ");
}

TEST(Figure, SvgHoldsTitlesLabelsAndNames) {
  const std::string svg = Everything().ToSvg();
  for (const char* text :
       {"<title>All kinds</title>", "<desc>One panel", "Lines &amp; &lt;steps&gt;", ">60%<",
        ">half<", ">limit<", ">70%<", ">53%<", "role=\"img\"", "aria-label=\"All kinds\"",
        "stroke-dasharray", "<title>2: 2</title>"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf\"")));
}

TEST(Figure, TheSameCallsGiveTheSameBytes) {
  EXPECT_EQ(Everything().ToSvg(), Everything().ToSvg());
  const Folder folder;
  ASSERT_TRUE(Everything().ToPng(folder.path() / "a.png").ok());
  ASSERT_TRUE(Everything().ToPng(folder.path() / "b.png").ok());
  EXPECT_EQ(*base::ReadFile(folder.path() / "a.png"), *base::ReadFile(folder.path() / "b.png"));
}

TEST(Figure, PngHasTheSizeAskedFor) {
  const Folder folder;
  const std::filesystem::path path = folder.path() / "sub" / "a.png";
  ASSERT_TRUE(Figure("t").Size(300, 200).Add(Panel("p")).ToPng(path, 1.5).ok());
  const std::string bytes = *base::ReadFile(path);
  ASSERT_GT(bytes.size(), 24U);
  EXPECT_EQ(bytes.substr(1, 3), "PNG");
  const auto size_at = [&](std::size_t at) {
    return static_cast<unsigned char>(bytes[at]) * 256 + static_cast<unsigned char>(bytes[at + 1]);
  };
  EXPECT_EQ(size_at(18), 450);
  EXPECT_EQ(size_at(22), 300);
}

TEST(Figure, HtmlFragmentFitsItsContainer) {
  const std::string html = Everything().ToHtml();
  EXPECT_TRUE(html.starts_with("<figure class=\"plot\"><svg"));
  EXPECT_THAT(html, Not(HasSubstr("<?xml")));
  EXPECT_THAT(html, Not(HasSubstr("width=\"1000\" height=\"1200\" role")));
}

TEST(Figure, DrawsWhatIsEmptyConstantOrNotFinite) {
  const double infinite = std::numeric_limits<double>::infinity();
  Figure figure("odd");
  figure.Add(Panel("none"));
  figure.Add(Panel("nan").Line({0, kNaN, 2}, {1, 2, infinite}).Band({kNaN}, {1}, {2}));
  figure.Add(Panel("constant").Line({1, 1}, {2, 2}).Scatter({1}, {2}));
  figure.Add(Panel("short").Histogram({}, {}).Histogram({1}, {}).Bars({"a"}, {}));
  figure.Add(Panel("heat").HeatMap({}, {}, {}, {}).HeatMap({"r"}, {"c"}, {}, {}));
  figure.Add(Panel("across").HorizontalBars({"a", "b"}, {kNaN}));
  const std::string svg = figure.ToSvg();
  EXPECT_THAT(svg, Not(HasSubstr("nan ")));
  EXPECT_THAT(svg, Not(HasSubstr("\"nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf ")));
  const Folder folder;
  EXPECT_TRUE(figure.ToPng(folder.path() / "odd.png").ok());
}

TEST(Figure, RefusesAnImpossibleScale) {
  EXPECT_THAT(Figure("t").ToPng("/nowhere/x.png", 0).error().ToString(),
              HasSubstr("PNG scale is 0"));
}

TEST(Figure, AnUnwritableFolderIsAnErrorThatNamesThePath) {
  const Result<void> result = Figure("t").ToPng("/proc/none/x.png");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().ToString(), HasSubstr("/proc/none"));
}

// Set MILLRACE_PLOTS_DIR to keep the pictures and look at them.
TEST(Figure, WritesAPictureOfEveryKind) {
  const Folder folder;
  const char* kept = std::getenv("MILLRACE_PLOTS_DIR");
  const std::filesystem::path dir = kept == nullptr ? folder.path() : std::filesystem::path(kept);
  ASSERT_TRUE(Everything().ToPng(dir / "everything.png").ok());
  ASSERT_TRUE(base::WriteFileAtomic(dir / "everything.svg", Everything().ToSvg()).ok());
  EXPECT_GT(std::filesystem::file_size(dir / "everything.png"), 10'000U);
}

}  // namespace
}  // namespace millrace::plots
