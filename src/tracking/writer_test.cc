// SPDX-License-Identifier: Apache-2.0
// The group commit: what is committed together, what a failure takes along, and in which order
// points and rows become durable.
#include "tracking/internal/writer.h"

#include <atomic>
#include <future>
#include <latch>
#include <thread>

#include "tracking/internal/schema.h"
#include "tracking/internal/test_store.h"

namespace millrace::tracking::internal {
namespace {

/// Points in memory; says what happened.
class FakePoints final : public MetricPoints {
 public:
  struct Written {
    std::size_t n_points;
    std::int64_t commit_number;
    /// What the change counter held at that moment.
    std::int64_t committed;
  };

  explicit FakePoints(store::Metadata& metadata) : metadata_(metadata) {}
  Result<std::unique_ptr<PointGroup>> BeginGroup() override {
    return std::unique_ptr<PointGroup>(std::make_unique<Group>(*this));
  }
  Result<std::unique_ptr<PointGroup>> TryBeginGroup() override {
    return is_taken ? std::unique_ptr<PointGroup>() : std::make_unique<Group>(*this);
  }
  Result<std::vector<MetricPoint>> History(Series, std::int64_t, std::int64_t) override {
    return std::vector<MetricPoint>();
  }
  Result<std::vector<SeriesPoint>> Latest(std::span<const std::int64_t>) override {
    return std::vector<SeriesPoint>();
  }
  Result<std::vector<MetricPoint>> Range(Series, std::int64_t, std::int64_t) override {
    return std::vector<MetricPoint>();
  }
  Result<std::vector<MetricPoint>> Downsampled(Series, std::int64_t, std::int64_t, int) override {
    return std::vector<MetricPoint>();
  }
  Result<bool> ChangedSince(std::uint64_t&, std::vector<Series>&) override { return false; }
  Result<void> Erase(std::span<const std::int64_t>) override { return {}; }

  // Read after the writes were answered.
  std::vector<Written> written;
  std::vector<SeriesPoint> published;
  std::atomic<bool> fails = false;
  std::atomic<bool> is_taken = false;

 private:
  class Group final : public PointGroup {
   public:
    explicit Group(FakePoints& points) : owner_(points) {}
    Result<void> Append(std::span<const SeriesPoint> points) override {
      points_.insert(points_.end(), points.begin(), points.end());
      return {};
    }
    std::size_t size() const override { return points_.size(); }
    void RollbackTo(std::size_t size) override { points_.resize(size); }
    Result<void> Write(std::int64_t commit_number) override {
      if (owner_.fails) {
        return base::Unavailable("the disk is gone");
      }
      // A reader sees what was committed, not the open transaction: the thread is another.
      const std::int64_t committed = std::async(std::launch::async, [&] {
                                       return ReadNumber(owner_.metadata_, kChangeCounter).value();
                                     }).get();
      owner_.written.push_back({points_.size(), commit_number, committed});
      return {};
    }
    void Publish() override {
      owner_.published.insert(owner_.published.end(), points_.begin(), points_.end());
    }

   private:
    FakePoints& owner_;
    std::vector<SeriesPoint> points_;
  };

  store::Metadata& metadata_;
};

struct Listener final : public WriteListener {
  void OnForeignWrite() override { ++n_foreign; }
  void OnRollback() override { ++n_rollbacks; }
  void OnCommit() override { ++n_commits; }
  std::atomic<int> n_foreign = 0;
  std::atomic<int> n_rollbacks = 0;
  std::atomic<int> n_commits = 0;
};

class WriterTest : public StoreTest {
 protected:
  WriterTest() {
    MILL_CHECK_OK(metadata().Execute("CREATE TABLE notes (text TEXT PRIMARY KEY)"));
    writer_ = Writer::Start(metadata(), points_, &listener_);
  }
  ~WriterTest() override { writer_.reset(); }
  store::Metadata& metadata() { return *opened_->metadata; }

  static WriteFunction Note(std::string text) {
    return [text](WriteScope& scope) -> Result<void> {
      MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
      return sql->Execute("INSERT INTO notes (text) VALUES (?)", {text});
    };
  }
  static WriteFunction Point(std::int64_t run) {
    return [run](WriteScope& scope) {
      const SeriesPoint point{{run, 1}, {1, 1, 0.5}};
      return scope.points().Append(std::span(&point, 1));
    };
  }
  std::int64_t CountOf(const std::string& sql) { return Int(metadata().Query(sql).value()[0][0]); }
  std::int64_t Notes() { return CountOf("SELECT COUNT(*) FROM notes"); }

  /// Keeps the writer busy until let go, so that what is given meanwhile makes one group.
  class Gate {
   public:
    explicit Gate(Writer& writer) {
      writer.Submit(
          [this](WriteScope&) -> Result<void> {
            began_.count_down();
            let_go_.wait();
            return {};
          },
          [this](const Result<void>&) { ended_.count_down(); });
      began_.wait();
    }
    void Open() {
      let_go_.count_down();
      ended_.wait();
    }

   private:
    std::latch began_{1};
    std::latch let_go_{1};
    std::latch ended_{1};
  };

  /// Gives the writes as one group and returns what became of each.
  std::vector<Result<void>> RunTogether(std::vector<WriteFunction> writes) {
    std::vector<Result<void>> results(writes.size());
    std::latch answered(static_cast<std::ptrdiff_t>(writes.size()));
    Gate gate(*writer_);
    for (std::size_t i = 0; i < writes.size(); ++i) {
      writer_->Submit(std::move(writes[i]), [&results, &answered, i](Result<void> result) {
        results[i] = std::move(result);
        answered.count_down();
      });
    }
    gate.Open();
    answered.wait();
    return results;
  }

  FakePoints points_{metadata()};
  Listener listener_;
  std::unique_ptr<Writer> writer_;
};

MILL_ON_EVERY_DATABASE(WriterTest);

TEST_P(WriterTest, WritesThatWaitAreCommittedTogether) {
  const std::vector<Result<void>> results = RunTogether({Note("a"), Point(1), Note("b"), Point(2)});
  for (const Result<void>& result : results) {
    EXPECT_TRUE(result.ok());
  }
  EXPECT_EQ(Notes(), 2);
  ASSERT_EQ(points_.written.size(), 2U) << "the gate, then all four";
  EXPECT_EQ(points_.written[1].n_points, 2U);
  EXPECT_EQ(points_.published.size(), 2U);
}

TEST_P(WriterTest, PointsAreWrittenBeforeTheRowsOfTheirGroupAreCommitted) {
  ASSERT_TRUE(RunTogether({Note("a"), Point(1)})[0].ok());
  const FakePoints::Written& group = points_.written.back();
  EXPECT_EQ(group.commit_number, group.committed + 1) << "the record names the commit to come";
  EXPECT_EQ(ReadNumber(metadata(), kChangeCounter).value(), group.commit_number);
}

TEST_P(WriterTest, AGroupOfPointsAloneTakesNoTransaction) {
  const std::int64_t before = ReadNumber(metadata(), kChangeCounter).value();
  ASSERT_TRUE(writer_->Run(Point(1)).ok());
  EXPECT_EQ(points_.written.back().commit_number, 0);
  EXPECT_EQ(ReadNumber(metadata(), kChangeCounter).value(), before);
}

TEST_P(WriterTest, AWriteThatFailsLeavesNothingAndDisturbsNobody) {
  const std::vector<Result<void>> results =
      RunTogether({Note("a"),
                   [](WriteScope& scope) -> Result<void> {
                     MILL_RETURN_IF_ERROR(Point(7)(scope));
                     MILL_RETURN_IF_ERROR(Note("lost")(scope));
                     return Note("a")(scope);
                   },
                   Point(2), Note("b")});
  EXPECT_TRUE(results[0].ok());
  Failure(results[1], ErrorCode::kAlreadyExists);
  EXPECT_TRUE(results[2].ok());
  EXPECT_TRUE(results[3].ok());
  EXPECT_EQ(Notes(), 2);
  ASSERT_EQ(points_.published.size(), 1U);
  EXPECT_EQ(points_.published[0].series.run_key, 2);
  EXPECT_EQ(listener_.n_rollbacks, 1);
}

TEST_P(WriterTest, NothingOfAGroupStaysWhenItsPointsCannotBeWritten) {
  points_.fails = true;
  for (const Result<void>& result : RunTogether({Note("a"), Point(1)})) {
    EXPECT_EQ(Failure(result, ErrorCode::kUnavailable), "the disk is gone");
  }
  EXPECT_EQ(Notes(), 0);
  EXPECT_TRUE(points_.published.empty());
  points_.fails = false;
  EXPECT_TRUE(writer_->Run(Note("a")).ok()) << "the next group starts afresh";
  EXPECT_EQ(Notes(), 1);
}

TEST_P(WriterTest, ErrorsThatMayEndTheTransactionFailTheWholeGroup) {
  const std::vector<Result<void>> results =
      RunTogether({Note("a"), [](WriteScope& scope) -> Result<void> {
                     MILL_ASSIGN_OR_RETURN(store::Metadata * sql, scope.Sql());
                     return sql->Execute("INSERT INTO no_such_table (text) VALUES (?)", {"x"});
                   }});
  EXPECT_FALSE(results[0].ok());
  EXPECT_FALSE(results[1].ok());
  EXPECT_EQ(Notes(), 0);
}

TEST_P(WriterTest, EachGroupWithRowsRaisesTheChangeNumberOnce) {
  const std::int64_t before = ReadNumber(metadata(), kChangeCounter).value();
  std::int64_t seen = 0;
  ASSERT_TRUE(RunTogether({Note("a"), Note("b"),
                           [&seen](WriteScope& scope) -> Result<void> {
                             MILL_RETURN_IF_ERROR(Note("c")(scope));
                             seen = scope.change();
                             return {};
                           }})[2]
                  .ok());
  EXPECT_EQ(seen, before + 1);
  EXPECT_EQ(ReadNumber(metadata(), kChangeCounter).value(), before + 1);
}

TEST_P(WriterTest, WritesOfOthersAreNoticedAndOwnOnesAreNot) {
  ASSERT_TRUE(writer_->Run(Note("a")).ok());
  const int before = listener_.n_foreign;
  ASSERT_TRUE(writer_->Run(Note("b")).ok());
  ASSERT_TRUE(writer_->Run(Point(1)).ok());
  EXPECT_EQ(listener_.n_foreign, before);
  // As another process does.
  ASSERT_TRUE(NextNumber(metadata(), kChangeCounter).ok());
  ASSERT_TRUE(writer_->Run(Point(1)).ok());
  EXPECT_EQ(listener_.n_foreign, before + 1);
}

TEST_P(WriterTest, AllThatWasGivenIsDoneBeforeTheWriterEnds) {
  std::atomic<int> answered = 0;
  {
    Gate gate(*writer_);
    for (int i = 0; i < 600; ++i) {
      writer_->Submit(Note(std::to_string(i)), [&](const Result<void>& result) {
        EXPECT_TRUE(result.ok());
        ++answered;
      });
    }
    gate.Open();
  }
  writer_.reset();
  EXPECT_EQ(answered, 600);
  EXPECT_EQ(Notes(), 600);
}

TEST_P(WriterTest, WritesThatComeOneByOneAreCommittedByTheirOwnThread) {
  const auto runs_here = [this] {
    std::thread::id ran_on;
    EXPECT_TRUE(writer_
                    ->Run([&](WriteScope& scope) -> Result<void> {
                      ran_on = std::this_thread::get_id();
                      return Point(1)(scope);
                    })
                    .ok());
    return ran_on == std::this_thread::get_id();
  };
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(runs_here()) << "after " << i
                              << " groups of one others may still be about to write";
  }
  // The writer's thread gives the turn back a little after it has answered.
  const auto soon_runs_here = [&] {
    for (int i = 0; i < 10'000; ++i) {
      if (runs_here()) {
        return true;
      }
    }
    return false;
  };
  EXPECT_TRUE(soon_runs_here());
  EXPECT_TRUE(runs_here());
  points_.is_taken = true;
  EXPECT_FALSE(runs_here()) << "another process would have to be waited for";
  points_.is_taken = false;
  EXPECT_TRUE(soon_runs_here());
  ASSERT_TRUE(RunTogether({Point(2), Point(3)})[1].ok());
  EXPECT_FALSE(runs_here()) << "others write too";
}

TEST_P(WriterTest, ALoneWriteThatFailsLeavesNothing) {
  ASSERT_TRUE(writer_->Run(Note("a")).ok());
  const std::int64_t before = ReadNumber(metadata(), kChangeCounter).value();
  Failure(writer_->Run([](WriteScope& scope) -> Result<void> {
    MILL_RETURN_IF_ERROR(Point(7)(scope));
    MILL_RETURN_IF_ERROR(Note("lost")(scope));
    return Note("a")(scope);
  }),
          ErrorCode::kAlreadyExists);
  EXPECT_EQ(Notes(), 1);
  EXPECT_EQ(ReadNumber(metadata(), kChangeCounter).value(), before);
  EXPECT_TRUE(points_.published.empty());
  EXPECT_EQ(listener_.n_rollbacks, 1);
  EXPECT_TRUE(writer_->Run(Note("b")).ok());
  EXPECT_EQ(Notes(), 2);
}

TEST_P(WriterTest, ManyThreadsWriteAtOnce) {
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([this, t] {
        for (int i = 0; i < 25; ++i) {
          EXPECT_TRUE(writer_->Run(Point(t)).ok());
          EXPECT_TRUE(writer_->Run(Note(std::to_string(t) + "/" + std::to_string(i))).ok());
        }
      });
    }
  }
  EXPECT_EQ(Notes(), 200);
  EXPECT_EQ(points_.published.size(), 200U);
}

}  // namespace
}  // namespace millrace::tracking::internal
