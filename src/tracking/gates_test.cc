// SPDX-License-Identifier: Apache-2.0
// Gates by hand: minimum, champion, ties, other labels.
#include "tracking/gates.h"

#include <cmath>

#include <gtest/gtest.h>

namespace millrace::tracking {
namespace {

constexpr GateSpec kSpec{.minimum_auc = 0.7, .better_than_champion = true};

TEST(DecideGates, FirstVersionNeedsTheMinimumOnly) {
  const GateDecision decision = DecideGates(kSpec, {0, 0.77, "aa"}, std::nullopt).value();
  EXPECT_TRUE(decision.promote);
  ASSERT_EQ(decision.checks.size(), 1U);
  EXPECT_EQ(decision.sentence, "test AUC 0.7700 is at least the wanted minimum 0.7000");
  EXPECT_TRUE(DecideGates(kSpec, {0, 0.7, "aa"}, std::nullopt)->promote);
}

TEST(DecideGates, BelowTheMinimumFailsWithBothNumbers) {
  const GateDecision decision = DecideGates(kSpec, {0, 0.69, "aa"}, std::nullopt).value();
  EXPECT_FALSE(decision.promote);
  EXPECT_EQ(decision.checks[0].candidate, 0.69);
  EXPECT_EQ(decision.checks[0].wanted, 0.7);
  EXPECT_EQ(decision.sentence,
            "gate minimum_auc failed: test AUC 0.6900 is below the wanted minimum 0.7000");
}

TEST(DecideGates, TieKeepsTheChampion) {
  const GateDecision decision =
      DecideGates(kSpec, {0, 0.77, "aa"}, TestScore{3, 0.77, "aa"}).value();
  EXPECT_FALSE(decision.promote);
  EXPECT_EQ(decision.sentence,
            "gate better_than_champion failed: test AUC 0.7700 is not above the champion's 0.7700 "
            "(version 3)");
}

TEST(DecideGates, BetterCandidateIsPromoted) {
  const GateDecision decision =
      DecideGates(kSpec, {0, 0.7725, "aa"}, TestScore{3, 0.7712, "aa"}).value();
  EXPECT_TRUE(decision.promote);
  ASSERT_EQ(decision.checks.size(), 2U);
  EXPECT_EQ(decision.checks[1].wanted, 0.7712);
}

TEST(DecideGates, SentenceTellsNearNumbersApart) {
  const GateDecision decision =
      DecideGates(kSpec, {0, 0.77120001, "aa"}, TestScore{1, 0.77120002, "aa"}).value();
  EXPECT_NE(decision.sentence.find("0.77120001 is not above the champion's 0.77120002"),
            std::string::npos)
      << decision.sentence;
}

TEST(DecideGates, BothFailuresAreTold) {
  const GateDecision decision = DecideGates(kSpec, {0, 0.5, "aa"}, TestScore{1, 0.8, "aa"}).value();
  EXPECT_NE(decision.sentence.find("minimum_auc failed"), std::string::npos);
  EXPECT_NE(decision.sentence.find("better_than_champion failed"), std::string::npos);
}

TEST(DecideGates, OtherLabelsMustBeScoredAgain) {
  const TestScore candidate{0, 0.8, "aa"};
  const TestScore champion{2, 0.7, "bb"};
  EXPECT_TRUE(NeedsRescore(kSpec, candidate, champion));
  const Result<GateDecision> decision = DecideGates(kSpec, candidate, champion);
  ASSERT_FALSE(decision.ok());
  EXPECT_EQ(decision.error().code(), ErrorCode::kFailedPrecondition);
  EXPECT_NE(decision.error().message().find("labels bb"), std::string::npos);
  EXPECT_NE(decision.error().message().find("labels aa"), std::string::npos);
  // Where the champion does not count, its labels do not either.
  const GateSpec minimum_only{.minimum_auc = 0.7, .better_than_champion = false};
  EXPECT_FALSE(NeedsRescore(minimum_only, candidate, champion));
  EXPECT_TRUE(DecideGates(minimum_only, candidate, champion)->promote);
}

TEST(DecideGates, RefusesWhatIsNoAuc) {
  EXPECT_FALSE(DecideGates(kSpec, {0, std::nan(""), "aa"}, std::nullopt).ok());
  EXPECT_FALSE(DecideGates(kSpec, {0, 1.2, "aa"}, std::nullopt).ok());
}

}  // namespace
}  // namespace millrace::tracking
