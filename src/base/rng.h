// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same everywhere: xoshiro256** seeded by splitmix64, with our own
// distributions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace millrace::base {

/// xoshiro256** of Blackman and Vigna (2018). Copyable; a copy continues from the same state. Not
/// thread-safe.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  /// An independent stream for (seed, stream): tree 7 of a forest draws the same numbers in any
  /// order of trees.
  Rng(std::uint64_t seed, std::uint64_t stream);

  /// Starts at a given state (not all zero); for tests against published values.
  static Rng FromState(const std::array<std::uint64_t, 4>& state);

  std::uint64_t Next();
  /// Uniform in [0, n), without bias (Lemire 2019); n > 0.
  std::uint64_t Below(std::uint64_t n);
  /// Uniform in [0, 1) with 53 random bits.
  double Uniform();
  /// Standard normal (Box and Muller, one of the pair).
  double Normal();
  /// Fisher-Yates.
  void Shuffle(std::span<std::uint32_t> values);

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace millrace::base
