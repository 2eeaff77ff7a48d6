// SPDX-License-Identifier: Apache-2.0
// Aggregate states: merging equals adding, saving equals keeping, sums do not cancel, damaged bytes
// are refused.
#include "features/aggregates.h"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace millrace::features {
namespace {

std::vector<double> RandomValues(std::uint64_t seed, std::size_t n) {
  base::Rng rng(seed);
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) {
    values.push_back(std::floor(rng.Normal() * 1000) /
                     8);  // Exact in binary, so that sums can be compared exactly.
  }
  return values;
}

template <typename State>
State Over(const std::vector<double>& values, std::size_t begin, std::size_t end) {
  State state;
  for (std::size_t i = begin; i < end; ++i) {
    state.Add(values[i]);
  }
  return state;
}

template <typename State>
void ExpectMergeEqualsAdd() {
  const std::vector<double> values = RandomValues(7, 200);
  for (const std::size_t cut : {0u, 1u, 99u, 199u, 200u}) {
    State merged = Over<State>(values, 0, cut);
    merged.Merge(Over<State>(values, cut, values.size()));
    EXPECT_NEAR(merged.Finish(), Over<State>(values, 0, values.size()).Finish(), 1e-9) << cut;
  }
}

template <typename State>
void ExpectSaveEqualsKeep() {
  const State state = Over<State>(RandomValues(8, 50), 0, 50);
  std::string bytes;
  state.Save(bytes);
  std::string_view rest = bytes;
  const Result<State> loaded = State::Load(rest);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_EQ(loaded->Finish(), state.Finish());
  EXPECT_TRUE(rest.empty());
  std::string_view cut = std::string_view(bytes).substr(0, bytes.size() - 1);
  EXPECT_EQ(State::Load(cut).error().code(), ErrorCode::kDataLoss);
  bytes[0] = '?';
  std::string_view other = bytes;
  EXPECT_EQ(State::Load(other).error().code(), ErrorCode::kDataLoss);
}

TEST(AggregateStates, MergeEqualsAdd) {
  ExpectMergeEqualsAdd<SumState>();
  ExpectMergeEqualsAdd<MomentState>();
  ExpectMergeEqualsAdd<MinState>();
  ExpectMergeEqualsAdd<MaxState>();
  ExpectMergeEqualsAdd<FirstState>();
  ExpectMergeEqualsAdd<LastState>();
}

TEST(AggregateStates, SaveEqualsKeepAndDamagedBytesAreRefused) {
  ExpectSaveEqualsKeep<SumState>();
  ExpectSaveEqualsKeep<MomentState>();
  ExpectSaveEqualsKeep<MinState>();
  ExpectSaveEqualsKeep<MaxState>();
  ExpectSaveEqualsKeep<FirstState>();
  ExpectSaveEqualsKeep<LastState>();
}

TEST(CountState, SavesAndMerges) {
  CountState state{5};
  state.Merge(CountState{3});
  std::string bytes;
  state.Save(bytes);
  std::string_view rest = bytes;
  EXPECT_EQ(CountState::Load(rest)->Finish(), 8);
}

TEST(DistinctState, CountsEachCodeOnceAcrossMerges) {
  DistinctState a;
  DistinctState b;
  for (const std::int64_t code : {5, 1, 5, 3}) {
    a.Add(code);
  }
  for (const std::int64_t code : {3, 9}) {
    b.Add(code);
  }
  a.Merge(b);
  EXPECT_EQ(a.Finish(), 4);
  std::string bytes;
  a.Save(bytes);
  std::string_view rest = bytes;
  EXPECT_EQ(DistinctState::Load(rest)->codes, a.codes);
  bytes[1] = '\x7f';  // Claims more codes than there are bytes.
  rest = bytes;
  EXPECT_EQ(DistinctState::Load(rest).error().code(), ErrorCode::kDataLoss);
}

TEST(AggregateStates, EmptyOnesAreNullAndCountsAreZero) {
  EXPECT_TRUE(std::isnan(SumState{}.Finish()));
  EXPECT_TRUE(std::isnan(SumState{}.FinishMean()));
  EXPECT_TRUE(std::isnan(MinState{}.Finish()));
  EXPECT_TRUE(std::isnan(LastState{}.Finish()));
  EXPECT_TRUE(std::isnan(Over<MomentState>({3.0}, 0, 1).Finish()));
  EXPECT_EQ(CountState{}.Finish(), 0);
  EXPECT_EQ(DistinctState{}.Finish(), 0);
}

TEST(SumState, SmallValuesSurviveBetweenLargeOnes) {
  EXPECT_EQ(Over<SumState>({1e16, 1.0, -1e16}, 0, 3).Finish(), 1.0);
  // 0.1 added a million times: the naive sum is off in the 6th digit after the point.
  SumState state;
  for (int i = 0; i < 1'000'000; ++i) {
    state.Add(0.1);
  }
  EXPECT_EQ(state.Finish(), 1e5);  // 10^6 times the double nearest to 0.1, rounded once.
}

TEST(SumState, WhatIsTakenAwayLeavesTheRest) {
  const std::vector<double> values = {1e15, 0.1, 0.2, 0.3};
  const SumState all = Over<SumState>(values, 0, 4);
  const SumState head = Over<SumState>(values, 0, 1);
  EXPECT_DOUBLE_EQ(all.Since(head).Finish(), 0.6);
  EXPECT_EQ(all.Since(head).n, 3);
}

TEST(SumState, InfinitiesStayInfinities) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Over<SumState>({1, infinity, 2}, 0, 3).Finish(), infinity);
}

TEST(MomentState, VarianceDoesNotCancel) {
  // Variance of {1e9 + 4, 7, 13, 16} is 30, known from Knuth's and Chan's examples; a sum of
  // squares loses all its digits here.
  EXPECT_NEAR(Over<MomentState>({1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}, 0, 4).Finish(),
              std::sqrt(30.0), 1e-7);
}

}  // namespace
}  // namespace millrace::features
