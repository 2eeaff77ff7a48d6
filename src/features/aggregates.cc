// SPDX-License-Identifier: Apache-2.0
// Merging, saving and loading of aggregate states. Saved bytes: one letter for the kind, then the
// members, little-endian.
#include "features/aggregates.h"

#include <algorithm>
#include <iterator>

#include "features/internal/bytes.h"

namespace millrace::features {
namespace {

using internal::AppendBytes;
using internal::TakeBytes;

// On disk: letters are never reused for another layout.
constexpr char kCountTag = 'c';
constexpr char kSumTag = 's';
constexpr char kMomentTag = 'm';
constexpr char kMinTag = 'l';
constexpr char kMaxTag = 'h';
constexpr char kFirstTag = 'f';
constexpr char kLastTag = 'e';
constexpr char kDistinctTag = 'd';

Error Damaged(std::string_view kind) {
  return base::DataLoss("the saved " + std::string(kind) +
                        " state is damaged: its bytes end early or start with another letter");
}

template <typename... Members>
void SaveMembers(std::string& out, char tag, Members... members) {
  out.push_back(tag);
  (AppendBytes(out, members), ...);
}

template <typename... Members>
Result<void> LoadMembers(std::string_view& bytes, char tag, std::string_view kind,
                         Members&... members) {
  char seen = 0;
  if (!TakeBytes(bytes, seen) || seen != tag || !(TakeBytes(bytes, members) && ...)) {
    return Damaged(kind);
  }
  return {};
}

}  // namespace

void CountState::Save(std::string& out) const {
  SaveMembers(out, kCountTag, n);
}
Result<CountState> CountState::Load(std::string_view& bytes) {
  CountState state;
  MILL_RETURN_IF_ERROR(LoadMembers(bytes, kCountTag, "count", state.n));
  return state;
}

void SumState::Save(std::string& out) const {
  SaveMembers(out, kSumTag, sum, error, n);
}
Result<SumState> SumState::Load(std::string_view& bytes) {
  SumState state;
  MILL_RETURN_IF_ERROR(LoadMembers(bytes, kSumTag, "sum", state.sum, state.error, state.n));
  return state;
}

void MomentState::Merge(const MomentState& later) {
  if (later.n == 0) {
    return;
  }
  const double total = static_cast<double>(n + later.n);
  const double delta = later.mean - mean;
  squares +=
      later.squares + delta * delta * static_cast<double>(n) * static_cast<double>(later.n) / total;
  mean += delta * static_cast<double>(later.n) / total;
  n += later.n;
}
void MomentState::Save(std::string& out) const {
  SaveMembers(out, kMomentTag, n, mean, squares);
}
Result<MomentState> MomentState::Load(std::string_view& bytes) {
  MomentState state;
  MILL_RETURN_IF_ERROR(
      LoadMembers(bytes, kMomentTag, "stddev", state.n, state.mean, state.squares));
  return state;
}

template <bool kIsMax>
void ExtremeState<kIsMax>::Save(std::string& out) const {
  SaveMembers(out, kIsMax ? kMaxTag : kMinTag, value);
}
template <bool kIsMax>
Result<ExtremeState<kIsMax>> ExtremeState<kIsMax>::Load(std::string_view& bytes) {
  ExtremeState state;
  MILL_RETURN_IF_ERROR(
      LoadMembers(bytes, kIsMax ? kMaxTag : kMinTag, kIsMax ? "max" : "min", state.value));
  return state;
}
template struct ExtremeState<false>;
template struct ExtremeState<true>;

template <bool kIsLast>
void EndState<kIsLast>::Save(std::string& out) const {
  SaveMembers(out, kIsLast ? kLastTag : kFirstTag, value);
}
template <bool kIsLast>
Result<EndState<kIsLast>> EndState<kIsLast>::Load(std::string_view& bytes) {
  EndState state;
  MILL_RETURN_IF_ERROR(
      LoadMembers(bytes, kIsLast ? kLastTag : kFirstTag, kIsLast ? "last" : "first", state.value));
  return state;
}
template struct EndState<false>;
template struct EndState<true>;

void DistinctState::Add(std::int64_t code) {
  const auto place = std::lower_bound(codes.begin(), codes.end(), code);
  if (place == codes.end() || *place != code) {
    codes.insert(place, code);
  }
}
void DistinctState::Merge(const DistinctState& later) {
  std::vector<std::int64_t> both;
  both.reserve(codes.size() + later.codes.size());
  std::set_union(codes.begin(), codes.end(), later.codes.begin(), later.codes.end(),
                 std::back_inserter(both));
  codes = std::move(both);
}
void DistinctState::Save(std::string& out) const {
  SaveMembers(out, kDistinctTag, static_cast<std::uint64_t>(codes.size()));
  for (const std::int64_t code : codes) {
    AppendBytes(out, code);
  }
}
Result<DistinctState> DistinctState::Load(std::string_view& bytes) {
  std::uint64_t n = 0;
  MILL_RETURN_IF_ERROR(LoadMembers(bytes, kDistinctTag, "count_distinct", n));
  if (n > bytes.size() / sizeof(std::int64_t)) {
    return Damaged("count_distinct");
  }
  DistinctState state;
  state.codes.resize(static_cast<std::size_t>(n));
  for (std::int64_t& code : state.codes) {
    TakeBytes(bytes, code);
  }
  if (!std::is_sorted(state.codes.begin(), state.codes.end())) {
    return Damaged("count_distinct");
  }
  return state;
}

}  // namespace millrace::features
