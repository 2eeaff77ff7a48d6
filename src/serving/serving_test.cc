// SPDX-License-Identifier: Apache-2.0
// Tests of snapshots, completion by key, swapping under load, batch scores.
#include <atomic>
#include <latch>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "serving/endpoint.h"
#include "serving/testing.h"

namespace millrace::serving {
namespace {

using ::testing::HasSubstr;
using testing::kNull;
using testing::MakeModel;
using testing::MakeSpec;
using testing::Must;
using testing::ScoreOf;

class ServingTest : public ::testing::Test {
 protected:
  ServingTest() : kv_(store::MakeMemoryKeyValue()), store_(*kv_) { testing::PublishFeatures(*kv_); }

  std::shared_ptr<const Snapshot> MakeSnapshot(double intercept = 1.0) {
    return Must(Snapshot::Make(
        MakeSpec(), {.name = "churn-model", .version = 1, .model_id = "m-1", .location = ""},
        MakeModel(intercept), &store_));
  }
  static void Set(RowBlock& block, std::size_t row, std::size_t column, double value) {
    block.values[row * 3 + column] = value;
    block.given[row * 3 + column] = 1;
  }

  std::unique_ptr<store::KeyValue> kv_;
  features::OnlineStore store_;
  RowBlock block_;
  Scores scores_;
};

TEST_F(ServingTest, FullRowIsScoredWithoutTheStore) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(2, 3);
  for (std::size_t c = 0; c < 3; ++c) {
    Set(block_, 0, c, static_cast<double>(c));
    Set(block_, 1, c, kNull);
  }
  ASSERT_TRUE(snapshot->Score(block_, scores_).ok());
  EXPECT_EQ(scores_.values[0], ScoreOf(1.0, 0, 1, 2));
  EXPECT_EQ(scores_.values[1], ScoreOf(1.0, kNull, kNull, kNull));
  EXPECT_FALSE(scores_.features_oldest.has_value());
}

TEST_F(ServingTest, MissingColumnIsNamed) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(1, 3);
  Set(block_, 0, 0, 1.0);
  Set(block_, 0, 2, 1.0);
  const Result<void> scored = snapshot->Score(block_, scores_);
  ASSERT_FALSE(scored.ok());
  EXPECT_EQ(scored.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(scored.error().message(), HasSubstr("column \"b\" is missing"));
  EXPECT_THAT(scored.error().hint(), HasSubstr("customer_id"));
}

TEST_F(ServingTest, KeyCompletesTheRowAndNamesTheAsOf) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(2, 3);
  block_.keys = {std::int64_t{12347}, std::int64_t{12346}};
  Set(block_, 0, 0, 4.0);
  Set(block_, 1, 0, 5.0);
  const Result<void> scored = snapshot->Score(block_, scores_);
  ASSERT_TRUE(scored.ok()) << scored.error().ToString();
  EXPECT_EQ(scores_.values[0], ScoreOf(1.0, 4.0, kNull, 1));
  EXPECT_EQ(scores_.values[1], ScoreOf(1.0, 5.0, 0.5, 3));
  EXPECT_EQ(base::FormatDate(*scores_.features_oldest), "2011-12-01");
  EXPECT_EQ(base::FormatDate(*scores_.features_newest), "2011-12-01");
}

TEST_F(ServingTest, GivenValuesGoBeforeStoredOnesNullIncluded) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(1, 3);
  block_.keys = {std::int64_t{12346}};
  Set(block_, 0, 0, 4.0);
  Set(block_, 0, 1, kNull);
  ASSERT_TRUE(snapshot->Score(block_, scores_).ok());
  EXPECT_EQ(scores_.values[0], ScoreOf(1.0, 4.0, kNull, 3));
}

TEST_F(ServingTest, UnknownKeyIsNotFoundAndNamed) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(2, 3);
  block_.keys = {std::int64_t{12346}, std::int64_t{99}};
  Set(block_, 0, 0, 1.0);
  Set(block_, 1, 0, 1.0);
  const Result<void> scored = snapshot->Score(block_, scores_);
  ASSERT_FALSE(scored.ok());
  EXPECT_EQ(scored.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(scored.error().message(), HasSubstr("customer_id 99"));
}

TEST_F(ServingTest, UnknownKeyOfAFullRowDoesNotMatter) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(1, 3);
  block_.keys = {std::int64_t{99}};
  for (std::size_t c = 0; c < 3; ++c) {
    Set(block_, 0, c, 1.0);
  }
  ASSERT_TRUE(snapshot->Score(block_, scores_).ok());
  EXPECT_FALSE(scores_.features_oldest.has_value());
}

TEST_F(ServingTest, ColumnInNoViewIsNamed) {
  const auto snapshot = MakeSnapshot();
  block_.Reset(1, 3);
  block_.keys = {std::int64_t{12346}};
  const Result<void> scored = snapshot->Score(block_, scores_);
  ASSERT_FALSE(scored.ok());
  EXPECT_EQ(scored.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(scored.error().message(), HasSubstr("column \"a\""));
}

TEST_F(ServingTest, ViewThatIsNotPublishedIsUnavailable) {
  const auto empty = store::MakeMemoryKeyValue();
  const features::OnlineStore store(*empty);
  const auto snapshot =
      Must(Snapshot::Make(MakeSpec(), {.name = "m", .version = 7, .model_id = "", .location = ""},
                          MakeModel(1), &store));
  EXPECT_FALSE(snapshot->all_views_bound());
  block_.Reset(1, 3);
  block_.keys = {std::int64_t{12346}};
  Set(block_, 0, 0, 1.0);
  const Result<void> scored = snapshot->Score(block_, scores_);
  ASSERT_FALSE(scored.ok());
  EXPECT_EQ(scored.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(scored.error().message(), HasSubstr("activity"));
}

TEST_F(ServingTest, ViewThatTheModelDoesNotKnowIsRefused) {
  EndpointSpec spec = MakeSpec();
  spec.views = {"other"};
  const auto snapshot = Snapshot::Make(spec, {}, MakeModel(1), &store_);
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(snapshot.error().message(),
              ::testing::AllOf(HasSubstr("\"other\""), HasSubstr("activity")));
}

TEST_F(ServingTest, BatchScoresEqualRequestsBitForBitAtAnyThreadCount) {
  const auto snapshot = MakeSnapshot();
  const std::size_t n = 5000;
  std::vector<double> a(n);
  std::vector<double> b(n);
  std::vector<double> third(n);
  for (std::size_t i = 0; i < n; ++i) {
    a[i] = std::sin(static_cast<double>(i));
    b[i] = i % 7 == 0 ? kNull : std::cos(static_cast<double>(i) * 0.1);
    third[i] = static_cast<double>(i % 13);
  }
  data::TableBuilder builder;
  builder.AddDoubles("n", third).AddDoubles("a", a).AddDoubles("extra", a).AddDoubles("b", b);
  const data::Table table = Must(builder.Finish());
  const std::vector<double> alone =
      Must(ScoreTable(Context{}, snapshot->model().signature(), snapshot->engine(), table));
  base::ThreadPool pool("cpu", 3);
  Context context;
  context.cpu = &pool;
  EXPECT_EQ(Must(ScoreTable(context, snapshot->model().signature(), snapshot->engine(), table)),
            alone);
  for (std::size_t i = 0; i < n; ++i) {
    block_.Reset(1, 3);
    Set(block_, 0, 0, a[i]);
    Set(block_, 0, 1, b[i]);
    Set(block_, 0, 2, third[i]);
    ASSERT_TRUE(snapshot->Score(block_, scores_).ok());
    ASSERT_EQ(scores_.values[0], alone[i]) << i;
  }
}

TEST_F(ServingTest, BatchWithoutAColumnNamesIt) {
  const auto snapshot = MakeSnapshot();
  data::TableBuilder builder;
  builder.AddDoubles("a", {1.0}).AddDoubles("b", {1.0});
  const auto scores = ScoreTable(Context{}, snapshot->model().signature(), snapshot->engine(),
                                 Must(builder.Finish()));
  ASSERT_FALSE(scores.ok());
  EXPECT_THAT(scores.error().message(), HasSubstr("\"n\""));
}

TEST_F(ServingTest, EmptyTableHasNoScores) {
  const auto snapshot = MakeSnapshot();
  data::TableBuilder builder;
  builder.AddDoubles("a", {}).AddDoubles("b", {}).AddDoubles("n", {});
  EXPECT_TRUE(Must(ScoreTable(Context{}, snapshot->model().signature(), snapshot->engine(),
                              Must(builder.Finish())))
                  .empty());
}

TEST(EndpointSpec, MistakesAreNamed) {
  EXPECT_TRUE(CheckEndpointSpec(MakeSpec()).ok());
  EndpointSpec spec = MakeSpec();
  spec.name = "a/b";
  EXPECT_THAT(CheckEndpointSpec(spec).error().message(), HasSubstr("a/b"));
  spec = MakeSpec();
  spec.key.clear();
  EXPECT_FALSE(CheckEndpointSpec(spec).ok());
  spec.entity.clear();
  EXPECT_THAT(CheckEndpointSpec(spec).error().message(), HasSubstr("views"));
  spec.views.clear();
  EXPECT_TRUE(CheckEndpointSpec(spec).ok());
}

TEST(EndpointSpec, IsReadFromYaml) {
  const char* const text =
      "name: churn\nmodel: churn\nentity: customer\nkey: customer_id\nviews: "
      "[customer_activity]\nas_of: 2011-12-01\n";
  base::ErrorList errors;
  const EndpointSpec spec =
      EndpointSpec::Declared().Read(Must(base::YamlNode::Parse(text, "churn.yaml")), errors);
  ASSERT_TRUE(errors.empty()) << errors.ToError().ToString();
  EXPECT_EQ(spec.alias, "champion");
  EXPECT_EQ(spec.views, std::vector<std::string>{"customer_activity"});
  EXPECT_EQ(base::FormatDate(*spec.as_of), "2011-12-01");
}

TEST(EndpointSet, KeepsSnapshotsOfUnchangedEndpoints) {
  EndpointSet set;
  EndpointSpec first = MakeSpec();
  EndpointSpec second = MakeSpec();
  second.name = "another";
  set.Apply({first, second});
  EXPECT_EQ(set.Only(), nullptr);
  const auto kept = set.Find("churn");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(set.Find("missing"), nullptr);
  set.Apply({first});
  EXPECT_EQ(set.Only(), kept);
  first.alias = "shadow";
  set.Apply({first});
  EXPECT_NE(set.Only(), kept);
}

TEST_F(ServingTest, RefresherFollowsTheChampion) {
  testing::FakeResolver resolver;
  EndpointSet set;
  Refresher refresher(Context{}, set, resolver, &store_, {});
  resolver.SetChampion(0);
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  EXPECT_EQ(set.Only()->Current(), nullptr);
  EXPECT_THAT(set.Only()->problem(), HasSubstr("champion"));
  resolver.SetChampion(1);
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  const auto first = set.Only()->Current();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(set.Only()->problem(), "");
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  EXPECT_EQ(set.Only()->Current(), first);
  resolver.SetChampion(2);
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  EXPECT_EQ(set.Only()->Current()->version().version, 2);
  // The registry is gone: the endpoint goes on with what it has, and says so.
  resolver.SetChampion(0);
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  EXPECT_EQ(set.Only()->Current()->version().version, 2);
  EXPECT_NE(set.Only()->problem(), "");
}

TEST(Refresher, BindsViewsThatArePublishedLater) {
  const auto kv = store::MakeMemoryKeyValue();
  const features::OnlineStore store(*kv);
  testing::FakeResolver resolver;
  EndpointSet set;
  Refresher refresher(Context{}, set, resolver, &store, {});
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  EXPECT_FALSE(set.Only()->Current()->all_views_bound());
  testing::PublishFeatures(*kv);
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  EXPECT_TRUE(set.Only()->Current()->all_views_bound());
}

TEST_F(ServingTest, ChampionsChangeUnderLoadWithoutAFailedScore) {
  testing::FakeResolver resolver;
  EndpointSet set;
  Refresher refresher(Context{}, set, resolver, &store_,
                      {.interval = std::chrono::milliseconds(1)});
  ASSERT_TRUE(refresher.RefreshOnce().ok());
  refresher.Start();
  std::atomic<bool> is_done{false};
  std::atomic<int> n_wrong{0};
  std::atomic<int> last_seen{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      RowBlock block;
      Scores scores;
      while (!is_done) {
        const auto snapshot = set.Find("churn")->Current();
        block.Reset(1, 3);
        block.keys = {std::int64_t{12346}};
        Set(block, 0, 0, 4.0);
        const bool is_good = snapshot->Score(block, scores).ok() &&
                             scores.values[0] == ScoreOf(snapshot->version().version, 4.0, 0.5, 3);
        n_wrong += is_good ? 0 : 1;
        last_seen = snapshot->version().version;
      }
    });
  }
  for (int version = 2; version <= 20; ++version) {
    resolver.SetChampion(version);
    while (last_seen != version) {
      std::this_thread::yield();
    }
  }
  is_done = true;
  threads.clear();
  EXPECT_EQ(n_wrong, 0);
}

}  // namespace
}  // namespace millrace::serving
