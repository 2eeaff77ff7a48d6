// SPDX-License-Identifier: Apache-2.0
// xoshiro256** 1.0 and splitmix64 as published by Blackman and Vigna, https://prng.di.unimi.it.
#include "base/rng.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/check.h"

namespace millrace::base {
namespace {

std::uint64_t SplitMix(std::uint64_t& x) {
  x += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = x;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::uint64_t MixStream(std::uint64_t seed, std::uint64_t stream) {
  std::uint64_t a = seed;
  std::uint64_t b = SplitMix(a) + stream * 0xD1342543DE82EF95ULL;
  return SplitMix(b);
}

}  // namespace

Rng::Rng(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {
    word = SplitMix(seed);
  }
}

Rng::Rng(std::uint64_t seed, std::uint64_t stream) : Rng(MixStream(seed, stream)) {
}

Rng Rng::FromState(const std::array<std::uint64_t, 4>& state) {
  MILL_CHECK((state[0] | state[1] | state[2] | state[3]) != 0);
  Rng rng(0);
  rng.state_ = state;
  return rng;
}

std::uint64_t Rng::Next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Rng::Below(std::uint64_t n) {
  MILL_CHECK(n > 0);
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(Next()) * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t threshold = (0 - n) % n;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = static_cast<Wide>(Next()) * n;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Rng::Uniform() {
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

double Rng::Normal() {
  // 1 - u is in (0, 1], so the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform());
}

void Rng::Shuffle(std::span<std::uint32_t> values) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[Below(i)]);
  }
}

}  // namespace millrace::base
