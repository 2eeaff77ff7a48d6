// SPDX-License-Identifier: Apache-2.0
// The states behind every aggregate: small values with Add, Merge, Finish, Save and Load, the one
// implementation that history, stream and request evaluation share.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::features {

inline constexpr double kNull = std::numeric_limits<double>::quiet_NaN();

/// Number of rows, or of values that are not null.
struct CountState {
  std::int64_t n = 0;

  void Add() { ++n; }
  void Merge(const CountState& later) { n += later.n; }
  double Finish() const { return static_cast<double>(n); }
  void Save(std::string& out) const;
  static Result<CountState> Load(std::string_view& bytes);
};

/// Sum and mean with the rounding errors of the sum carried beside it, so that Finish is as good as
/// one rounding of the exact sum unless it cancels by more than 2^50. Source: Knuth, TAOCP 2, 4.2.2
/// (TwoSum); Neumaier 1974.
struct SumState {
  double sum = 0;
  double error = 0;
  std::int64_t n = 0;

  void Add(double value) {
    AddExactly(value);
    ++n;
  }
  void Merge(const SumState& later) {
    AddExactly(later.sum);
    error += later.error;
    n += later.n;
  }
  /// What is left when `earlier`, a state that this one passed through, is taken away again.
  SumState Since(const SumState& earlier) const {
    SumState rest = *this;
    rest.AddExactly(-earlier.sum);
    rest.error -= earlier.error;
    rest.n -= earlier.n;
    return rest;
  }
  /// Null if nothing was added.
  double Finish() const { return n == 0 ? kNull : Total(); }
  double FinishMean() const { return n == 0 ? kNull : Total() / static_cast<double>(n); }
  void Save(std::string& out) const;
  static Result<SumState> Load(std::string_view& bytes);

 private:
  void AddExactly(double value) {
    const double next = sum + value;
    const double shadow = next - sum;
    error += (sum - (next - shadow)) + (value - shadow);
    sum = next;
  }
  // An infinite sum has no error term.
  double Total() const { return std::isfinite(error) ? sum + error : sum; }
};

/// Mean and centred second moment. Source: Welford 1962; Merge by Chan, Golub and LeVeque 1979.
struct MomentState {
  std::int64_t n = 0;
  double mean = 0;
  double squares = 0;

  void Add(double value) {
    ++n;
    const double delta = value - mean;
    mean += delta / static_cast<double>(n);
    squares += delta * (value - mean);
  }
  void Merge(const MomentState& later);
  /// Standard deviation of the sample (n - 1); null below two values.
  double Finish() const { return n < 2 ? kNull : std::sqrt(squares / static_cast<double>(n - 1)); }
  void Save(std::string& out) const;
  static Result<MomentState> Load(std::string_view& bytes);
};

/// Smallest or largest value; null if nothing was added.
template <bool kIsMax>
struct ExtremeState {
  double value = kNull;

  static bool IsBeyond(double a, double b) { return kIsMax ? a > b : a < b; }
  void Add(double next) {
    if (std::isnan(value) || IsBeyond(next, value)) {
      value = next;
    }
  }
  void Merge(const ExtremeState& later) {
    if (!std::isnan(later.value)) {
      Add(later.value);
    }
  }
  double Finish() const { return value; }
  void Save(std::string& out) const;
  static Result<ExtremeState> Load(std::string_view& bytes);
};
using MinState = ExtremeState<false>;
using MaxState = ExtremeState<true>;

/// The first or the last value added; events are added in the order of (event time, created,
/// sequence).
template <bool kIsLast>
struct EndState {
  double value = kNull;

  void Add(double next) {
    if (kIsLast || std::isnan(value)) {
      value = next;
    }
  }
  void Merge(const EndState& later) {
    if (!std::isnan(later.value)) {
      Add(later.value);
    }
  }
  double Finish() const { return value; }
  void Save(std::string& out) const;
  static Result<EndState> Load(std::string_view& bytes);
};
using FirstState = EndState<false>;
using LastState = EndState<true>;

/// Exact number of distinct values, which are told apart by a 64-bit code of the caller's choice.
struct DistinctState {
  /// Ascending.
  std::vector<std::int64_t> codes;

  void Add(std::int64_t code);
  void Merge(const DistinctState& later);
  double Finish() const { return static_cast<double>(codes.size()); }
  void Save(std::string& out) const;
  static Result<DistinctState> Load(std::string_view& bytes);
};

}  // namespace millrace::features
