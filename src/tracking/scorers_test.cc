// SPDX-License-Identifier: Apache-2.0
// Scorers and their versions, as MLflow's clients expect them.
#include "tracking/scorers.h"

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

class ScorersTest : public internal::StoreTest {
 protected:
  ScorersTest() : scorers_(Scorers::Open(tracking(), *opened_->metadata, clock()).value()) {}
  ~ScorersTest() override { scorers_.reset(); }
  std::unique_ptr<Scorers> scorers_;
};

MILL_ON_EVERY_DATABASE(ScorersTest);

TEST_P(ScorersTest, VersionsCountUpAndTheNewestIsListed) {
  const ScorerVersion one = scorers_->Register("0", "s", "{\"name\": \"s\"}").value();
  EXPECT_EQ(one.version, 1);
  EXPECT_EQ(one.scorer_id.size(), 36U);
  const ScorerVersion two = scorers_->Register("0", "s", "{ }").value();
  EXPECT_EQ(two.version, 2);
  EXPECT_EQ(two.scorer_id, one.scorer_id);
  ASSERT_TRUE(scorers_->Register("0", "a", "{}").ok());
  const auto list = scorers_->ListOf("0").value();
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].name, "a");
  EXPECT_EQ(list[1].version, 2);
  EXPECT_EQ(list[1].serialized_scorer, "{ }");
  EXPECT_EQ(scorers_->Versions("0", "s")->size(), 2U);
  EXPECT_EQ(scorers_->Get("0", "s", 1)->serialized_scorer, "{\"name\": \"s\"}");
  EXPECT_EQ(scorers_->Get("0", "s", {})->version, 2);
}

TEST_P(ScorersTest, OneVersionOrAllAreDeleted) {
  ASSERT_TRUE(scorers_->Register("0", "s", "{}").ok());
  ASSERT_TRUE(scorers_->Register("0", "s", "{}").ok());
  ASSERT_TRUE(scorers_->Delete("0", "s", 1).ok());
  EXPECT_EQ(scorers_->Versions("0", "s")->size(), 1U);
  EXPECT_EQ(Failure(scorers_->Delete("0", "s", 1), ErrorCode::kNotFound),
            "Scorer with name 's' and version 1 not found for experiment 0.");
  ASSERT_TRUE(scorers_->Delete("0", "s", {}).ok());
  EXPECT_TRUE(scorers_->ListOf("0")->empty());
  EXPECT_EQ(Failure(scorers_->Delete("0", "s", {}), ErrorCode::kNotFound),
            "Scorer with name 's' not found for experiment 0.");
}

TEST_P(ScorersTest, ListsLeaveOutDeletedExperiments) {
  const std::string one = tracking().CreateExperiment("one")->id;
  ASSERT_TRUE(scorers_->Register("0", "s", "{}").ok());
  ASSERT_TRUE(scorers_->Register(one, "t", "{}").ok());
  EXPECT_EQ(scorers_->List({})->size(), 2U);
  EXPECT_EQ(scorers_->List(std::vector<std::string>{one, "77"})->size(), 1U);
  ASSERT_TRUE(tracking().DeleteExperiment(one).ok());
  EXPECT_EQ(scorers_->List({})->size(), 1U);
  EXPECT_FALSE(scorers_->Register(one, "t", "{}").ok());
  EXPECT_EQ(Failure(scorers_->ListOf("77"), ErrorCode::kNotFound),
            "No Experiment with id=77 exists");
}

TEST_P(ScorersTest, WhatIsNoScorerIsRefused) {
  EXPECT_EQ(Failure(scorers_->Register("0", " ", "{}"), ErrorCode::kInvalidArgument),
            "Scorer name cannot be empty or contain only whitespace.");
  EXPECT_EQ(Failure(scorers_->Register("0", "s", "{"), ErrorCode::kInvalidArgument),
            "serialized_scorer must be valid JSON");
  EXPECT_EQ(Failure(scorers_->Register("0", "s",
                                       R"({"instructions_judge_pydantic_data": {"model": " "}})"),
                    ErrorCode::kInvalidArgument),
            "Scorer model cannot be empty or contain only whitespace.");
  EXPECT_EQ(Failure(scorers_->Register(
                        "0", "s", R"({"builtin_scorer_pydantic_data": {"model": "gateway:/e"}})"),
                    ErrorCode::kNotFound),
            "GatewayEndpoint not found (name='e')");
  EXPECT_TRUE(scorers_->ListOf("0")->empty()) << "nothing stays";
}

TEST_P(ScorersTest, AScheduleIsKeptButNothingRunsWithoutAGateway) {
  const ScorerVersion scorer = scorers_->Register("0", "s", "{}").value();
  EXPECT_TRUE(scorers_->Schedules({scorer.scorer_id})->empty());
  const ScorerSchedule put = scorers_->PutSchedule("0", "s", 0, "status = 'OK'").value();
  EXPECT_EQ(put.schedule_id.size(), 32U);
  const auto schedules = scorers_->Schedules({scorer.scorer_id, "x"}).value();
  ASSERT_EQ(schedules.size(), 1U);
  EXPECT_EQ(schedules[0].filter, "status = 'OK'");
  EXPECT_EQ(schedules[0].experiment_id, "0");
  EXPECT_NE(Failure(scorers_->PutSchedule("0", "s", 0.5, {}), ErrorCode::kInvalidArgument)
                .find("does not use a gateway model"),
            std::string::npos);
  EXPECT_FALSE(scorers_->PutSchedule("0", "s", 1.5, {}).ok());
  EXPECT_FALSE(scorers_->PutSchedule("0", "s", 0, "nonsense").ok());
}

}  // namespace
}  // namespace millrace::tracking
