// SPDX-License-Identifier: Apache-2.0
// Bytes of the metric journal and its segments (docs/formats/metric_journal.md), and what damage to
// them does.
#include <cstdio>
#include <fstream>

#include "base/file.h"
#include "base/rng.h"
#include "tracking/internal/crc32c.h"
#include "tracking/internal/point_codec.h"
#include "tracking/internal/test_journal.h"

namespace millrace::tracking::internal {
namespace {

TEST(Crc32c, AgreesWithRfc3720) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(Crc32cByTable("123456789"), 0xE3069283U);
}

TEST(Crc32c, PiecesGiveTheSameAsTheWhole) {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    EXPECT_EQ(Crc32c(text.substr(i), Crc32c(text.substr(0, i))), Crc32cByTable(text));
  }
}

std::vector<MetricPoint> ThroughCodec(const std::vector<MetricPoint>& points, std::string& bytes) {
  PointEncoder encoder;
  for (const MetricPoint& point : points) {
    encoder.Add(point, bytes);
  }
  ByteReader reader(bytes);
  PointDecoder decoder;
  std::vector<MetricPoint> decoded;
  while (!reader.AtEnd() && reader.ok()) {
    decoded.push_back(decoder.Next(reader));
  }
  EXPECT_TRUE(reader.ok());
  return decoded;
}

TEST(PointCodec, KeepsEveryBitButThoseOfNan) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  const std::vector<MetricPoint> points = {{0, 0, 0.0},
                                           {kMost, kLeast, 1.0},
                                           {kLeast, kMost, -1.0},
                                           {0, 0, kInfinity},
                                           {0, 0, -kInfinity},
                                           {1, 1, kNan},
                                           {2, 2, kNan},
                                           {3, 3, 5e-324},
                                           {4, 4, 1.7e308},
                                           {-1, -1, 0.1},
                                           {-1, -1, 0.1},
                                           {5, 5, 1.0 / 3},
                                           {6, 6, 1.0 / 3 + 1e-15}};
  std::string bytes;
  EXPECT_TRUE(SamePoints(ThroughCodec(points, bytes), points));
}

TEST(PointCodec, KeepsRandomPoints) {
  base::Rng rng(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<MetricPoint> points;
    for (int i = 0; i < 50; ++i) {
      // From nearly equal to entirely different, so that every number of bytes is used.
      const std::uint64_t mask = ~std::uint64_t{0} >> rng.Below(64) << rng.Below(64);
      points.push_back({static_cast<std::int64_t>(rng.Next() >> rng.Below(64)),
                        static_cast<std::int64_t>(rng.Next() >> rng.Below(64)),
                        std::bit_cast<double>(rng.Next() & mask)});
    }
    std::string bytes;
    EXPECT_TRUE(SamePoints(ThroughCodec(points, bytes), points)) << round;
  }
}

TEST(PointCodec, RegularPointsAreSmall) {
  std::vector<MetricPoint> points;
  for (std::int64_t i = 0; i < 1000; ++i) {
    points.push_back({1'700'000'000'000 + 100 * i, i, static_cast<double>(i % 4) / 4});
  }
  std::string bytes;
  ThroughCodec(points, bytes);
  EXPECT_LT(bytes.size(), 3'100U);
}

TEST(PointCodec, DecodingAnyBytesEnds) {
  base::Rng rng(2);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (std::uint64_t i = rng.Below(60); i > 0; --i) {
      bytes.push_back(static_cast<char>(rng.Next()));
    }
    std::size_t n_points = 0;
    const Result<void> decoded = DecodePoints(
        bytes, [&](Series, std::span<const MetricPoint> points) { n_points += points.size(); });
    EXPECT_LE(n_points, bytes.size());
    EXPECT_TRUE(decoded.ok() || decoded.error().code() == base::ErrorCode::kDataLoss);
    static_cast<void>(DecodeRunKeys(bytes));
    static_cast<void>(ParseManifest(bytes));
  }
}

TEST(PointManifest, ComesBackAndRefusesDamage) {
  const PointManifest manifest = {9, 4, 3, {2, 4}, {{6, 1000}, {7, 64}}, 8};
  const std::string text = FormatManifest(manifest);
  EXPECT_EQ(ParseManifest(text).value(), manifest);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] ^= 1;
    EXPECT_FALSE(ParseManifest(damaged).ok()) << i;
  }
  EXPECT_FALSE(ParseManifest("").ok());
}

std::string Hex(std::string_view bytes) {
  std::string text;
  char digits[3];
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(bytes[i]));
    text += digits;
    text += i % 32 == 31 ? "\n" : "";
  }
  return text;
}

class JournalFormatTest : public JournalTest {
 protected:
  void ExpectGolden(const std::string& name, const std::string& text) {
    const std::filesystem::path path =
        std::filesystem::path(MILLRACE_SOURCE_DIR) / "tests/golden/metric_journal" / name;
    if (std::getenv("MILLRACE_ACCEPT") != nullptr) {
      ASSERT_TRUE(base::WriteFileAtomic(path, text).ok());
    }
    const Result<std::string> golden = base::ReadFile(path);
    EXPECT_TRUE(golden.ok() && *golden == text)
        << name << " is now\n"
        << text << "to accept: MILLRACE_ACCEPT=1 build/release/tests/tracking_test "
        << "--gtest_filter='JournalFormatTest.*'";
  }
  void LogForGolden() {
    OpenedJournal& journal = Open();
    journal.MakeRuns(2);
    journal.Log({{{1, 1}, {1'700'000'000'000, 0, 0.5}},
                 {{1, 1}, {1'700'000'000'100, 1, 0.25}},
                 {{1, 2}, {1'700'000'000'100, 1, kNan}}});
    std::unique_ptr<PointGroup> group = journal.points->BeginGroup().value();
    ASSERT_TRUE(
        group->Append(std::vector<SeriesPoint>{{{2, 1}, {1'700'000'000'200, -3, 0.1}}}).ok());
    ASSERT_TRUE(group->Write(1).ok());
    ASSERT_TRUE(journal.metadata->Execute("UPDATE counters SET number = 1").ok());
    group->Publish();
    group.reset();
    ASSERT_TRUE(journal.points->Erase(std::vector<std::int64_t>{2}).ok());
  }
};

TEST_F(JournalFormatTest, BytesOnDiskAreThoseOfTheFormat) {
  LogForGolden();
  const std::string journal = base::ReadFile(FirstJournal()).value();
  EXPECT_EQ(journal.size(), 256U * 1024);
  ExpectGolden("journal.hex", Hex(journal.substr(0, journal.find_last_not_of('\0') + 1)) + "\n");
  ASSERT_TRUE(opened_->points->Compact().ok());
  ExpectGolden("segment.hex",
               Hex(base::ReadFile(root_ / "points" / "segment-00000001").value()) + "\n");
  ExpectGolden("manifest", base::ReadFile(root_ / "points" / "manifest").value());
}

TEST_F(JournalFormatTest, NewerFormatsAreRefused) {
  LogForGolden();
  opened_.reset();
  std::string bytes = base::ReadFile(FirstJournal()).value();
  bytes[8] = 2;
  ASSERT_TRUE(base::WriteFileAtomic(FirstJournal(), bytes).ok());
  const auto file = JournalFile::Open(FirstJournal(), 1);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code(), base::ErrorCode::kFailedPrecondition);
  EXPECT_NE(file.error().message().find("format 2, known here is 1"), std::string::npos);
}

TEST_F(JournalFormatTest, EveryDamagedByteOfASegmentIsFound) {
  LogForGolden();
  ASSERT_TRUE(opened_->points->Compact().ok());
  opened_.reset();
  const std::filesystem::path path = root_ / "points" / "segment-00000001";
  const std::string whole = base::ReadFile(path).value();
  const std::filesystem::path copy = root_ / "copy";
  const auto read_all = [&]() -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const auto segment, Segment::Open(copy, 1));
    std::vector<SeriesPoint> points;
    for (std::size_t block = 0; block < segment->blocks().size(); ++block) {
      MILL_RETURN_IF_ERROR(segment->ReadBlock(block, points));
    }
    return {};
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] ^= 4;
    ASSERT_TRUE(base::WriteFileAtomic(copy, damaged).ok());
    // Between blocks and index lie up to seven bytes that nothing reads.
    const bool is_padding =
        whole[i] == '\0' && i >= whole.size() - 56 - 200 - 8 - 7 && i < whole.size() - 56 - 200 - 8;
    EXPECT_TRUE(is_padding || !read_all().ok()) << "byte " << i;
    ASSERT_TRUE(base::WriteFileAtomic(copy, whole.substr(0, i)).ok());
    EXPECT_FALSE(read_all().ok()) << "cut at " << i;
  }
  ASSERT_TRUE(base::WriteFileAtomic(copy, whole).ok());
  EXPECT_TRUE(read_all().ok());
}

}  // namespace
}  // namespace millrace::tracking::internal
