// SPDX-License-Identifier: Apache-2.0
// What the metric journal promises to its readers, in memory, after opening again, and from
// segments.
#include <csignal>
#include <fstream>
#include <future>
#include <sys/resource.h>

#include "base/file.h"
#include "tracking/internal/test_journal.h"

namespace millrace::tracking::internal {
namespace {

constexpr Series kLoss{1, 7};

// Logged out of order, with exact duplicates and every odd value; what History answers.
const std::vector<MetricPoint> kOdd = {
    {30, 2, 0.5},       {10, 0, 1.0}, {30, 2, 0.5},  {10, 0, kNan},   {20, -5, -kInfinity},
    {20, 1, kInfinity}, {10, 0, 0.0}, {10, 0, kNan}, {-4, 9, 5e-324}, {30, 2, 0.25}};
const std::vector<MetricPoint> kOddSorted = {
    {-4, 9, 5e-324},      {10, 0, 0.0},       {10, 0, kNan}, {10, 0, 1.0},
    {20, -5, -kInfinity}, {20, 1, kInfinity}, {30, 2, 0.25}, {30, 2, 0.5}};

class JournalPointsTest : public JournalTest {};

TEST_F(JournalPointsTest, EmptyFolderHasNoPoints) {
  OpenedJournal& journal = Open();
  EXPECT_TRUE(journal.History(kLoss).empty());
  EXPECT_TRUE(journal.Latest(1).empty());
  EXPECT_TRUE(journal.points->Range(kLoss, 0, 10).value().empty());
  EXPECT_TRUE(journal.points->Downsampled(kLoss, 0, 10, 5).value().empty());
  EXPECT_TRUE(journal.points->Compact().ok());
  EXPECT_FALSE(std::filesystem::exists(FirstJournal())) << "a reader makes no journal";
}

TEST_F(JournalPointsTest, HistoryIsSortedAndHoldsEachPointOnce) {
  Open().Log(kLoss, kOdd);
  EXPECT_TRUE(SamePoints(opened_->History(kLoss), kOddSorted)) << Show(opened_->History(kLoss));
  Open();
  EXPECT_TRUE(SamePoints(opened_->History(kLoss), kOddSorted)) << "after opening again";
  ASSERT_TRUE(opened_->points->Compact().ok());
  EXPECT_TRUE(SamePoints(opened_->History(kLoss), kOddSorted)) << "from a segment";
  opened_->Log(kLoss, {{10, 0, 1.0}, {15, 0, 3.0}});
  std::vector<MetricPoint> more = kOddSorted;
  more.insert(more.begin() + 4, {15, 0, 3.0});
  EXPECT_TRUE(SamePoints(opened_->History(kLoss), more)) << "duplicates of a segment's points";
  ASSERT_TRUE(opened_->points->Compact().ok());
  Open();
  EXPECT_TRUE(SamePoints(opened_->History(kLoss), more));
}

TEST_F(JournalPointsTest, GroupWithoutWriteLeavesNothing) {
  OpenedJournal& journal = Open();
  journal.Log(kLoss, {{1, 1, 1}});
  {
    std::unique_ptr<PointGroup> group = journal.points->BeginGroup().value();
    ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {2, 2, 2}}}).ok());
  }
  EXPECT_EQ(journal.History(kLoss).size(), 1U);
  EXPECT_EQ(Open().History(kLoss).size(), 1U);
}

TEST_F(JournalPointsTest, RollbackDropsTheLastPointsOfTheGroup) {
  OpenedJournal& journal = Open();
  std::unique_ptr<PointGroup> group = journal.points->BeginGroup().value();
  ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {1, 1, 1}}}).ok());
  const std::size_t size = group->size();
  ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {2, 2, 2}}}).ok());
  group->RollbackTo(size);
  ASSERT_TRUE(group->Write(0).ok());
  EXPECT_TRUE(journal.History(kLoss).empty()) << "not published yet";
  group->Publish();
  group.reset();
  EXPECT_TRUE(SamePoints(journal.History(kLoss), {{1, 1, 1}}));
  EXPECT_TRUE(SamePoints(Open().History(kLoss), {{1, 1, 1}}));
}

TEST_F(JournalPointsTest, RecordOfATransactionThatNeverCommittedIsCut) {
  Open().Log(kLoss, {{1, 1, 1}});
  {
    std::unique_ptr<PointGroup> group = opened_->points->BeginGroup().value();
    ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {2, 2, 2}}}).ok());
    ASSERT_TRUE(group->Write(1).ok());
    // The SQL transaction fails, or the process ends here.
  }
  EXPECT_EQ(opened_->History(kLoss).size(), 1U);
  opened_->Log(kLoss, {{3, 3, 3}});
  EXPECT_TRUE(SamePoints(opened_->History(kLoss), {{1, 1, 1}, {3, 3, 3}}));
  // A later transaction takes the number; the record must not come to life.
  ASSERT_TRUE(opened_->metadata->Execute("UPDATE counters SET number = 1").ok());
  EXPECT_TRUE(SamePoints(Open().History(kLoss), {{1, 1, 1}, {3, 3, 3}}));
}

TEST_F(JournalPointsTest, RecordOfACommittedTransactionIsKept) {
  Open().Log(kLoss, {{1, 1, 1}});
  {
    std::unique_ptr<PointGroup> group = opened_->points->BeginGroup().value();
    ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {2, 2, 2}}}).ok());
    ASSERT_TRUE(group->Write(1).ok());
    ASSERT_TRUE(opened_->metadata->Execute("UPDATE counters SET number = 1").ok());
    // The process ends here.
  }
  EXPECT_TRUE(SamePoints(Open().History(kLoss), {{1, 1, 1}, {2, 2, 2}}));
}

TEST_F(JournalPointsTest, TornTailIsCutAtEveryByte) {
  Open().Log(kLoss, {{1, 1, 1}});
  opened_.reset();
  const std::string before = base::ReadFile(FirstJournal()).value();
  Open().Log(kLoss, {{2, 2, 2}, {3, 3, 3}});
  opened_.reset();
  const std::string after = base::ReadFile(FirstJournal()).value();
  const auto first_changed = static_cast<std::size_t>(
      std::mismatch(before.begin(), before.end(), after.begin()).first - before.begin());
  std::size_t end = after.find_last_not_of('\0') + 1;
  for (std::size_t size = first_changed; size < end; ++size) {
    std::string torn = after.substr(0, size) + before.substr(size);
    ASSERT_TRUE(base::WriteFileAtomic(FirstJournal(), torn).ok());
    // As after a loss of power: what the shared page says may be more than the disk has.
    std::filesystem::remove(root_ / "points" / "state");
    EXPECT_TRUE(SamePoints(Open().History(kLoss), {{1, 1, 1}})) << "torn at byte " << size;
    opened_->Log(kLoss, {{4, 4, 4}});
    EXPECT_TRUE(SamePoints(Open().History(kLoss), {{1, 1, 1}, {4, 4, 4}})) << size;
    opened_.reset();
  }
}

TEST_F(JournalPointsTest, RecordsBehindAGapNeverCount) {
  // What a crash of the machine can leave without fsync: the second record lost, the third there.
  JournalOptions options;
  options.durability = store::Durability::kProcess;
  Open(options).Log(kLoss, {{1, 1, 1}});
  const std::string one = base::ReadFile(FirstJournal()).value();
  opened_->Log(kLoss, {{2, 2, 2}});
  const std::string two = base::ReadFile(FirstJournal()).value();
  opened_->Log(kLoss, {{3, 3, 3}});
  opened_.reset();
  std::string gap = base::ReadFile(FirstJournal()).value();
  const std::size_t second = one.find_last_not_of('\0') + 1;
  const std::size_t third = two.find_last_not_of('\0') + 1;
  std::fill(gap.begin() + static_cast<std::ptrdiff_t>(second),
            gap.begin() + static_cast<std::ptrdiff_t>(third), '\0');
  ASSERT_TRUE(base::WriteFileAtomic(FirstJournal(), gap).ok());
  std::filesystem::remove(root_ / "points" / "state");
  EXPECT_TRUE(SamePoints(Open(options).History(kLoss), {{1, 1, 1}}));
  // A record of the same length as the lost one ends where the third begins.
  opened_->Log(kLoss, {{4, 4, 4}});
  EXPECT_TRUE(SamePoints(Open(options).History(kLoss), {{1, 1, 1}, {4, 4, 4}}));
}

TEST_F(JournalPointsTest, DamageToWhatWasAcknowledgedIsSaid) {
  Open().Log(kLoss, {{1, 1, 1}});
  opened_->Log(kLoss, {{2, 2, 2}});
  const std::string whole = base::ReadFile(FirstJournal()).value();
  std::string damaged = whole;
  damaged[JournalFile::kHeaderSize + 30] ^= 1;
  store::Metadata& metadata = *opened_->metadata;
  ASSERT_TRUE(base::WriteFileAtomic(FirstJournal(), damaged).ok());
  const auto opened = JournalPoints::Open(root_ / "points", metadata, {});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code(), base::ErrorCode::kDataLoss);
  EXPECT_NE(opened.error().message().find("damaged at byte 64"), std::string::npos)
      << opened.error().ToString();
  EXPECT_EQ(base::ReadFile(FirstJournal()).value(), damaged) << "nothing is cut off";
  ASSERT_TRUE(base::WriteFileAtomic(FirstJournal(), whole).ok());
  EXPECT_EQ(Open().History(kLoss).size(), 2U);
}

TEST_F(JournalPointsTest, TwoStoresOnOneFolderSeeEachOther) {
  OpenedJournal& a = Open();
  OpenedJournal b(root_);
  std::uint64_t cursor = 0;
  std::vector<Series> changed;
  ASSERT_FALSE(b.points->ChangedSince(cursor, changed).value());
  std::vector<MetricPoint> all;
  for (std::int64_t i = 0; i < 20; ++i) {
    OpenedJournal& writer = i % 2 == 0 ? a : b;
    OpenedJournal& reader = i % 2 == 0 ? b : a;
    writer.Log(kLoss, {{i, i, 1.0}});
    all.push_back({i, i, 1.0});
    EXPECT_TRUE(SamePoints(reader.History(kLoss), all)) << i;
    if (i == 7) {
      ASSERT_TRUE(a.points->Compact().ok());
    }
    if (i == 12) {
      ASSERT_TRUE(b.points->Compact().ok());
    }
  }
  EXPECT_TRUE(b.points->ChangedSince(cursor, changed).value());
  EXPECT_EQ(changed, std::vector<Series>{kLoss});
  EXPECT_TRUE(SamePoints(a.History(kLoss), all));
  EXPECT_TRUE(SamePoints(b.History(kLoss), all));
}

TEST_F(JournalPointsTest, OtherProcessesDoNotSeeAnOpenGroup) {
  OpenedJournal& a = Open();
  OpenedJournal b(root_);
  a.Log(kLoss, {{1, 1, 1}});
  std::unique_ptr<PointGroup> group = a.points->BeginGroup().value();
  ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {2, 2, 2}}}).ok());
  ASSERT_TRUE(group->Write(0).ok());
  EXPECT_EQ(b.History(kLoss).size(), 1U);
  group->Publish();
  EXPECT_EQ(b.History(kLoss).size(), 2U);
}

TEST_F(JournalPointsTest, AGroupBeginsWithoutWaitingOnlyWhereNobodyElseWrites) {
  OpenedJournal& a = Open();
  OpenedJournal b(root_);
  {
    const std::unique_ptr<PointGroup> group = a.points->TryBeginGroup().value();
    ASSERT_NE(group, nullptr);
    EXPECT_EQ(b.points->TryBeginGroup().value(), nullptr) << "as another process";
    EXPECT_EQ(
        std::async(std::launch::async, [&] { return a.points->TryBeginGroup().value(); }).get(),
        nullptr)
        << "another thread";
  }
  EXPECT_NE(b.points->TryBeginGroup().value(), nullptr);
  EXPECT_NE(a.points->TryBeginGroup().value(), nullptr);
}

TEST_F(JournalPointsTest, ChangedSinceListsEachSeriesOnce) {
  OpenedJournal& journal = Open();
  std::uint64_t cursor = 0;
  std::vector<Series> changed;
  EXPECT_FALSE(journal.points->ChangedSince(cursor, changed).value()) << "the start";
  EXPECT_TRUE(journal.points->ChangedSince(cursor, changed).value());
  EXPECT_TRUE(changed.empty());
  journal.Log({{{2, 1}, {1, 1, 1}}, {{1, 1}, {1, 1, 1}}, {{2, 1}, {2, 2, 2}}});
  journal.Log({2, 1}, {{3, 3, 3}});
  EXPECT_TRUE(journal.points->ChangedSince(cursor, changed).value());
  EXPECT_EQ(changed, (std::vector<Series>{{1, 1}, {2, 1}}));
  journal.Log({2, 1}, {{4, 4, 4}});
  EXPECT_TRUE(journal.points->ChangedSince(cursor, changed).value());
  EXPECT_EQ(changed, (std::vector<Series>{{2, 1}})) << "the last one again, after it was read";
  EXPECT_TRUE(journal.points->ChangedSince(cursor, changed).value());
  EXPECT_TRUE(changed.empty());
}

TEST_F(JournalPointsTest, ChangedSinceSaysWhenTooMuchChanged) {
  OpenedJournal& journal = Open();
  std::uint64_t cursor = 0;
  std::vector<Series> changed;
  EXPECT_FALSE(journal.points->ChangedSince(cursor, changed).value());
  std::vector<SeriesPoint> many;
  for (std::int64_t run_key = 1; run_key <= 300'000; ++run_key) {
    many.push_back({{run_key, 1}, {1, 1, 1}});
  }
  journal.Log(many);
  EXPECT_FALSE(journal.points->ChangedSince(cursor, changed).value());
  EXPECT_TRUE(journal.points->ChangedSince(cursor, changed).value()) << "known again from here";
}

TEST_F(JournalPointsTest, LatestIsTheGreatestStepThenTimestampThenValue) {
  OpenedJournal& journal = Open();
  journal.MakeRuns(3);
  journal.Log({{{1, 7}, {10, 5, 1.0}}, {{1, 7}, {99, 4, 2.0}}, {{1, 8}, {1, 0, kNan}}});
  journal.Log({{{1, 7}, {10, 5, 0.5}}, {{2, 7}, {1, 1, 1.0}}, {{1, 8}, {1, 0, -1.0}}});
  const auto expect = [&](const std::string& where) {
    const std::vector<SeriesPoint> one = opened_->Latest(1);
    ASSERT_EQ(one.size(), 2U) << where;
    EXPECT_EQ(one[0].series, (Series{1, 7}));
    EXPECT_TRUE(SamePoints({one[0].point}, {{10, 5, 1.0}})) << where << Show({one[0].point});
    EXPECT_TRUE(SamePoints({one[1].point}, {{1, 0, kNan}})) << where << "NaN counts as 0";
    const std::vector<std::int64_t> keys = {2, 1, 3};
    EXPECT_EQ(opened_->points->Latest(keys).value().size(), 3U) << where;
  };
  expect("in memory ");
  ASSERT_TRUE(journal.points->Compact().ok());
  expect("in the table ");
  EXPECT_EQ(journal.StoredLatest().size(), 3U);
  Open();
  expect("opened again ");
  opened_->Log({{{1, 7}, {200, 3, 9.0}}});
  expect("with an earlier point in memory ");
  opened_->Log({{{1, 7}, {1, 6, 9.0}}});
  EXPECT_EQ(opened_->Latest(1)[0].point.step, 6);
  ASSERT_TRUE(opened_->points->Compact().ok());
  EXPECT_EQ(opened_->Latest(1)[0].point.step, 6);
}

TEST_F(JournalPointsTest, LatestOfManyRunsAtOnce) {
  OpenedJournal& journal = Open();
  journal.MakeRuns(300);
  std::vector<SeriesPoint> logged;
  std::vector<std::int64_t> keys;
  for (std::int64_t run_key = 1; run_key <= 300; ++run_key) {
    logged.push_back({{run_key, 1}, {1, 1, static_cast<double>(run_key)}});
    keys.push_back(run_key);
  }
  journal.Log(logged);
  ASSERT_TRUE(journal.points->Compact().ok());
  for (const std::size_t n : {1, 2, 63, 64, 65, 300}) {
    const auto latest = journal.points->Latest(std::span(keys).first(n)).value();
    ASSERT_EQ(latest.size(), n);
    EXPECT_EQ(latest.back().point.value, static_cast<double>(n));
  }
}

TEST_F(JournalPointsTest, ErasedRunIsGoneAndItsKeyMayComeBack) {
  OpenedJournal& journal = Open();
  journal.MakeRuns(2);
  const std::vector<std::int64_t> one = {1};
  journal.Log({{{1, 7}, {1, 1, 1}}, {{2, 7}, {1, 1, 1}}});
  ASSERT_TRUE(journal.points->Compact().ok());
  journal.Log({{{1, 7}, {2, 2, 2}}, {{2, 7}, {2, 2, 2}}});
  OpenedJournal other(root_);
  ASSERT_TRUE(journal.points->Erase(one).ok());
  ASSERT_TRUE(journal.metadata->Execute("DELETE FROM latest_metrics WHERE run_key = 1").ok());
  EXPECT_TRUE(journal.History({1, 7}).empty());
  EXPECT_TRUE(journal.Latest(1).empty());
  EXPECT_TRUE(other.History({1, 7}).empty()) << "in another process";
  EXPECT_EQ(journal.History({2, 7}).size(), 2U);
  journal.Log({{{1, 7}, {9, 9, 9}}});
  EXPECT_TRUE(SamePoints(Open().History({1, 7}), {{9, 9, 9}}));
  ASSERT_TRUE(opened_->points->Compact().ok());
  EXPECT_TRUE(SamePoints(opened_->History({1, 7}), {{9, 9, 9}}));
  EXPECT_TRUE(SamePoints(Open().History({1, 7}), {{9, 9, 9}}));
  EXPECT_EQ(opened_->History({2, 7}).size(), 2U);
  ASSERT_EQ(opened_->Latest(1).size(), 1U);
  EXPECT_EQ(opened_->Latest(1)[0].point.step, 9);
  // Nothing of the erased run is left in any file.
  ASSERT_EQ(opened_->points->manifest().segments.size(), 1U);
  const std::uint64_t number = opened_->points->manifest().segments[0];
  const auto segment =
      Segment::Open(root_ / "points" / ("segment-0000000" + std::to_string(number)), number)
          .value();
  EXPECT_EQ(segment->n_points(), 3U);
  EXPECT_TRUE(segment->erased().empty());
}

TEST_F(JournalPointsTest, FullDiskFailsTheWriteAndKeepsTheRest) {
  int error = 0;
  std::string step = "journal.write";
  JournalOptions options;
  options.fault = [&](std::string_view at) { return at == step ? error : 0; };
  Open(options).Log(kLoss, {{1, 1, 1}});
  for (const char* failing : {"journal.write", "journal.sync", "journal.done"}) {
    step = failing;
    error = ENOSPC;
    {
      std::unique_ptr<PointGroup> group = opened_->points->BeginGroup().value();
      ASSERT_TRUE(group->Append(std::vector<SeriesPoint>{{kLoss, {2, 2, 2}}}).ok());
      const Result<void> written = group->Write(0);
      ASSERT_FALSE(written.ok());
      EXPECT_EQ(written.error().code(), base::ErrorCode::kResourceExhausted);
    }
    EXPECT_TRUE(SamePoints(opened_->History(kLoss), {{1, 1, 1}})) << failing;
    error = 0;
    OpenedJournal other(root_);
    EXPECT_TRUE(SamePoints(other.History(kLoss), {{1, 1, 1}})) << failing;
  }
  opened_->Log(kLoss, {{3, 3, 3}});
  EXPECT_TRUE(SamePoints(Open().History(kLoss), {{1, 1, 1}, {3, 3, 3}}));
}

TEST_F(JournalPointsTest, FileAtItsLimitCountsAsAFullDisk) {
  // The kernel refuses to let the file grow, as a full disk does: not in the space written ahead,
  // but in the middle of a record behind it.
  JournalOptions options;
  options.compacts_by_itself = false;
  OpenedJournal& journal = Open(options);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limited = before;
  limited.rlim_cur = 300'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  std::int64_t n = 0;
  std::optional<Error> error;
  while (!error && n < 1'000'000) {
    std::vector<SeriesPoint> points;
    for (std::int64_t i = 0; i < 1000; ++i) {
      points.push_back({kLoss, {n + i, n + i, 1.0 / static_cast<double>(n + i + 1)}});
    }
    std::unique_ptr<PointGroup> group = journal.points->BeginGroup().value();
    ASSERT_TRUE(group->Append(points).ok());
    const Result<void> written = group->Write(0);
    if (written.ok()) {
      group->Publish();
      n += 1000;
    } else {
      error = written.error();
    }
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::kResourceExhausted) << error->ToString();
  EXPECT_GT(n, 10'000) << "what fits is written";
  EXPECT_EQ(journal.History(kLoss).size(), static_cast<std::size_t>(n));
  journal.Log(kLoss, {{n, n, 1.0}});
  EXPECT_EQ(Open(options).History(kLoss).size(), static_cast<std::size_t>(n) + 1);
}

}  // namespace
}  // namespace millrace::tracking::internal
