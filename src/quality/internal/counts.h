// SPDX-License-Identifier: Apache-2.0
// How often each value was seen, and where first: a flat table for 64-bit values, a map for texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::quality::internal {

struct Seen {
  std::int64_t count = 0;
  /// The lowest row, from 0.
  std::int64_t first_row = 0;
};

/// Open addressing with linear probing: a few times faster here than std::unordered_map, whose
/// nodes miss the cache.
class BitCounts {
 public:
  BitCounts() : slots_(kSmallest) {}

  /// Rows must come in ascending order, so that the first stays the lowest.
  void Add(std::uint64_t bits, std::int64_t count, std::int64_t first_row) {
    if (2 * (size_ + 1) > slots_.size()) {
      Grow();
    }
    Slot& slot = Find(bits);
    if (slot.seen.count == 0) {
      slot = {bits, {count, first_row}};
      ++size_;
    } else {
      slot.seen.count += count;
    }
  }
  void Merge(const BitCounts& next) {
    next.ForEach(
        [this](std::uint64_t bits, const Seen& seen) { Add(bits, seen.count, seen.first_row); });
  }
  std::size_t size() const { return size_; }
  /// visit(bits, seen) for each value, in no order that means anything.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.seen.count != 0) {
        visit(slot.bits, slot.seen);
      }
    }
  }

 private:
  static constexpr std::size_t kSmallest = 64;
  struct Slot {
    std::uint64_t bits = 0;
    Seen seen;
  };

  Slot& Find(std::uint64_t bits) {
    // Fibonacci hashing after folding: neighbours such as 1, 2, 3 and multiples of 2^32 spread
    // alike.
    const std::uint64_t hash = (bits ^ (bits >> 32)) * 0x9E3779B97F4A7C15ULL;
    std::size_t i = (hash ^ (hash >> 29)) & (slots_.size() - 1);
    while (slots_[i].seen.count != 0 && slots_[i].bits != bits) {
      i = (i + 1) & (slots_.size() - 1);
    }
    return slots_[i];
  }
  void Grow() {
    std::vector<Slot> old(slots_.size() * 2);
    std::swap(old, slots_);
    for (const Slot& slot : old) {
      if (slot.seen.count != 0) {
        Find(slot.bits) = slot;
      }
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

/// The same for texts.
class TextCounts {
 public:
  void Add(std::string_view text, std::int64_t count, std::int64_t first_row) {
    const auto entry = map_.find(text);
    if (entry == map_.end()) {
      map_.emplace(std::string(text), Seen{count, first_row});
    } else {
      entry->second.count += count;
    }
  }
  void Merge(const TextCounts& next) {
    for (const auto& [text, seen] : next.map_) {
      Add(text, seen.count, seen.first_row);
    }
  }
  std::size_t size() const { return map_.size(); }
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const auto& [text, seen] : map_) {
      visit(text, seen);
    }
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, Seen, Hash, std::equal_to<>> map_;
};

}  // namespace millrace::quality::internal
