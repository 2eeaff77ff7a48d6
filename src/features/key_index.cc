// SPDX-License-Identifier: Apache-2.0
// Dense codes of values and the numbering of keys.
#include <algorithm>
#include <bit>
#include <numeric>

#include "features/internal/dense_codes.h"
#include "features/internal/events.h"

namespace millrace::features::internal {

using data::ColumnType;

DenseCodes::DenseCodes(std::size_t expected) {
  const std::size_t size = std::bit_ceil(expected * 2 + 2);
  slots_.assign(size, -1);
  mask_ = size - 1;
}

void DenseCodes::Grow() {
  slots_.assign(slots_.size() * 2, -1);
  mask_ = slots_.size() - 1;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    std::size_t at = Slot(values_[i]);
    while (slots_[at] >= 0) {
      at = (at + 1) & mask_;
    }
    slots_[at] = static_cast<std::int32_t>(i);
  }
}

void KeyIndex::Build(const KeyColumn& keys, std::vector<std::int32_t>& row_keys) {
  is_text_ = keys.type() == ColumnType::kString;
  row_keys.assign(keys.size(), -1);
  if (is_text_) {
    texts_ = keys.strings().values;
    std::sort(texts_.begin(), texts_.end());
    texts_.erase(std::unique(texts_.begin(), texts_.end()), texts_.end());
    row_keys = Find(keys);
    return;
  }
  for (std::size_t i = 0; i < row_keys.size(); ++i) {
    row_keys[i] = keys.IsNull(i) ? -1 : codes_.Add(keys.int64s().values[i]);
  }
  const std::vector<std::int64_t>& values = codes_.values();
  std::vector<std::int32_t> by_value(values.size());
  std::iota(by_value.begin(), by_value.end(), 0);
  std::sort(by_value.begin(), by_value.end(), [&](std::int32_t a, std::int32_t b) {
    return values[static_cast<std::size_t>(a)] < values[static_cast<std::size_t>(b)];
  });
  ranks_.resize(values.size());
  numbers_.resize(values.size());
  for (std::size_t rank = 0; rank < by_value.size(); ++rank) {
    ranks_[static_cast<std::size_t>(by_value[rank])] = static_cast<std::int32_t>(rank);
    numbers_[rank] = values[static_cast<std::size_t>(by_value[rank])];
  }
  for (std::int32_t& key : row_keys) {
    key = key < 0 ? -1 : ranks_[static_cast<std::size_t>(key)];
  }
}

std::vector<std::int32_t> KeyIndex::Find(const KeyColumn& keys) const {
  std::vector<std::int32_t> found(keys.size(), -1);
  if (!is_text_) {
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::int32_t code = keys.IsNull(i) ? -1 : codes_.Find(keys.int64s().values[i]);
      found[i] = code < 0 ? -1 : ranks_[static_cast<std::size_t>(code)];
    }
    return found;
  }
  const std::vector<std::string>& texts = keys.strings().values;
  std::vector<std::int32_t> by_code(texts.size(), -1);
  for (std::size_t code = 0; code < texts.size(); ++code) {
    const auto place = std::lower_bound(texts_.begin(), texts_.end(), texts[code]);
    if (place != texts_.end() && *place == texts[code]) {
      by_code[code] = static_cast<std::int32_t>(place - texts_.begin());
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i] = keys.IsNull(i) ? -1 : by_code[static_cast<std::size_t>(keys.strings().codes[i])];
  }
  return found;
}

KeyColumn KeyIndex::Column(const std::vector<std::int32_t>& numbers) const {
  if (is_text_) {
    std::vector<std::string> texts;
    texts.reserve(numbers.size());
    for (const std::int32_t number : numbers) {
      texts.push_back(texts_[static_cast<std::size_t>(number)]);
    }
    return KeyColumn::Strings(texts);
  }
  std::vector<std::int64_t> values;
  values.reserve(numbers.size());
  for (const std::int32_t number : numbers) {
    values.push_back(numbers_[static_cast<std::size_t>(number)]);
  }
  return KeyColumn::Int64s(std::move(values));
}

}  // namespace millrace::features::internal
