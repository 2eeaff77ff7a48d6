// SPDX-License-Identifier: Apache-2.0
// Dense codes of 64-bit values by open addressing: key columns and distinct counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::features::internal {

/// Numbers values 0, 1, 2, ... in the order in which they first come.
class DenseCodes {
 public:
  explicit DenseCodes(std::size_t expected = 1024);

  /// The code of a value, a new one if it was not seen before.
  std::int32_t Add(std::int64_t value) {
    if (values_.size() * 2 >= slots_.size()) {
      Grow();
    }
    std::size_t at = Slot(value);
    while (slots_[at] >= 0) {
      if (values_[static_cast<std::size_t>(slots_[at])] == value) {
        return slots_[at];
      }
      at = (at + 1) & mask_;
    }
    slots_[at] = static_cast<std::int32_t>(values_.size());
    values_.push_back(value);
    return slots_[at];
  }
  /// The code of a value, -1 if it was never added.
  std::int32_t Find(std::int64_t value) const {
    std::size_t at = Slot(value);
    while (slots_[at] >= 0) {
      if (values_[static_cast<std::size_t>(slots_[at])] == value) {
        return slots_[at];
      }
      at = (at + 1) & mask_;
    }
    return -1;
  }
  /// The value of each code.
  const std::vector<std::int64_t>& values() const { return values_; }

 private:
  std::size_t Slot(std::int64_t value) const {
    std::uint64_t mixed = static_cast<std::uint64_t>(value);
    mixed = (mixed ^ (mixed >> 32)) * 0x9E3779B97F4A7C15ull;
    return static_cast<std::size_t>(mixed >> 20) & mask_;
  }
  void Grow();

  std::vector<std::int32_t> slots_;
  std::vector<std::int64_t> values_;
  std::size_t mask_ = 0;
};

}  // namespace millrace::features::internal
