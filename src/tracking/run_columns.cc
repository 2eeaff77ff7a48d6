// SPDX-License-Identifier: Apache-2.0
// Filters and order keys of the search index's columns.
#include "tracking/internal/run_columns.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::tracking::internal {
namespace {

constexpr std::uint64_t kMissingKey = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kNanKey = kMissingKey - 1;
constexpr std::int64_t kNoWhole = std::numeric_limits<std::int64_t>::min();

// A NaN that no metric has: what arithmetic makes has another payload, and Set maps all to one.
constexpr std::uint64_t kMissingBits = 0x7FF8'0000'4D49'5353;
double MissingNumber() {
  return std::bit_cast<double>(kMissingBits);
}
bool IsMissing(double value) {
  return std::bit_cast<std::uint64_t>(value) == kMissingBits;
}

std::uint64_t Directed(std::uint64_t key, bool is_ascending) {
  return is_ascending ? key : ~key;
}

// Rises with the number: IEEE 754 bits, sign turned round.
std::uint64_t NumberKey(double value, bool is_ascending) {
  if (std::isnan(value)) {
    return IsMissing(value) ? kMissingKey : kNanKey;
  }
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);  // -0.0 becomes 0.0
  const std::uint64_t key = (bits >> 63) != 0 ? ~bits : bits | (std::uint64_t{1} << 63);
  return Directed(key, is_ascending);
}

// The first eight bytes, the first the greatest.
std::uint64_t TextKey(std::string_view text, bool is_ascending) {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    key = (key << 8) | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
  }
  return Directed(key, is_ascending);
}

// Calls keep(row, value) for the rows of a sparse column and clears all others.
template <typename T, typename Matches>
void KeepSparse(const Cells<T>& cells, RowSet& rows, const Matches& matches) {
  RowSet kept(rows.n());
  const std::span<const RunRow> with_value = cells.rows();
  const std::span<const T> values = cells.values();
  for (std::size_t i = 0; i < with_value.size(); ++i) {
    if (matches(values[i])) {
      kept.Set(with_value[i]);
    }
  }
  rows.And(kept);
}

template <typename T, typename Matches>
void KeepCells(const Cells<T>& cells, RowSet& rows, const Matches& matches) {
  if (cells.is_dense()) {
    const T* values = cells.dense().data();
    rows.Keep([&](RunRow row) { return matches(values[row]); });
  } else {
    KeepSparse(cells, rows, matches);
  }
}

// key(value) for each row, in one pass over a sparse column.
template <typename T, typename Key>
void FillKeys(const Cells<T>& cells, std::span<const RunRow> rows, std::span<std::uint64_t> keys,
              const Key& key) {
  if (cells.is_dense()) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      keys[i] = key(cells.dense()[rows[i]]);
    }
    return;
  }
  const std::span<const RunRow> with_value = cells.rows();
  std::size_t at = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    while (at < with_value.size() && with_value[at] < rows[i]) {
      ++at;
    }
    const bool has_value = at < with_value.size() && with_value[at] == rows[i];
    keys[i] = key(has_value ? cells.values()[at] : cells.missing());
  }
}

// The comparison is chosen once, not for each row.
template <typename T, typename Use>
void WithComparison(Comparator comparator, T wanted, const Use& use) {
  switch (comparator) {
    case Comparator::kEqual:
      return use([wanted](T value) { return value == wanted; });
    case Comparator::kNotEqual:
      return use([wanted](T value) { return value != wanted; });
    case Comparator::kLess:
      return use([wanted](T value) { return value < wanted; });
    case Comparator::kLessEqual:
      return use([wanted](T value) { return value <= wanted; });
    case Comparator::kGreater:
      return use([wanted](T value) { return value > wanted; });
    case Comparator::kGreaterEqual:
      return use([wanted](T value) { return value >= wanted; });
    default:
      return use([](T) { return false; });
  }
}

std::optional<double> WantedNumber(const Clause& clause) {
  if (const auto* whole = std::get_if<std::int64_t>(&clause.value)) {
    return static_cast<double>(*whole);
  }
  if (const auto* number = std::get_if<double>(&clause.value)) {
    return *number;
  }
  return std::nullopt;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::uint64_t> Hex(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) {
    const int digit = HexDigit(c);
    if (digit < 0) {
      return std::nullopt;
    }
    value = (value << 4) | static_cast<std::uint64_t>(digit);
  }
  return value;
}

}  // namespace

std::vector<RunRow> RowSet::Rows() const {
  std::vector<RunRow> rows;
  rows.reserve(Count());
  for (std::size_t i = 0; i < words_.size(); ++i) {
    for (std::uint64_t left = words_[i]; left != 0; left &= left - 1) {
      rows.push_back(
          static_cast<RunRow>(i * 64 + static_cast<std::size_t>(std::countr_zero(left))));
    }
  }
  return rows;
}

NumberColumn::NumberColumn() : cells_(MissingNumber()) {
}

void NumberColumn::Set(RunRow row, double value) {
  cells_.Set(row, std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
}

FieldValue NumberColumn::Get(RunRow row) const {
  const double value = cells_.Get(row);
  return IsMissing(value) ? FieldValue() : FieldValue(value);
}

void NumberColumn::Filter(const ClauseTest& test, RowSet& rows) const {
  const std::optional<double> wanted = WantedNumber(test.clause());
  if (!wanted.has_value()) {
    KeepCells(cells_, rows, [&](double value) {
      return test(IsMissing(value) ? FieldValue() : FieldValue(value));
    });
    return;
  }
  WithComparison(test.clause().comparator, *wanted, [&](const auto& matches) {
    if (test.clause().comparator == Comparator::kNotEqual) {
      // NaN differs from every number, a missing value from none.
      KeepCells(cells_, rows, [&](double value) { return matches(value) && !IsMissing(value); });
    } else {
      KeepCells(cells_, rows, matches);
    }
  });
}

void NumberColumn::Keys(std::span<const RunRow> rows, bool is_ascending,
                        std::span<std::uint64_t> keys) const {
  FillKeys(cells_, rows, keys, [&](double value) { return NumberKey(value, is_ascending); });
}

std::weak_ordering NumberColumn::Compare(RunRow a, RunRow b, bool is_ascending) const {
  return NumberKey(cells_.Get(a), is_ascending) <=> NumberKey(cells_.Get(b), is_ascending);
}

WholeColumn::WholeColumn() : cells_(kNoWhole) {
  cells_.MakeDense();
}

void WholeColumn::Set(RunRow row, std::optional<std::int64_t> value) {
  cells_.Set(row, value.value_or(kNoWhole));
}

FieldValue WholeColumn::Get(RunRow row) const {
  const std::int64_t value = cells_.Get(row);
  return value == kNoWhole ? FieldValue() : FieldValue(value);
}

void WholeColumn::Filter(const ClauseTest& test, RowSet& rows) const {
  if (const auto* wanted = std::get_if<std::int64_t>(&test.clause().value)) {
    WithComparison(test.clause().comparator, *wanted, [&](const auto& matches) {
      KeepCells(cells_, rows,
                [&](std::int64_t value) { return value != kNoWhole && matches(value); });
    });
    return;
  }
  KeepCells(cells_, rows, [&](std::int64_t value) {
    return test(value == kNoWhole ? FieldValue() : FieldValue(value));
  });
}

void WholeColumn::Keys(std::span<const RunRow> rows, bool is_ascending,
                       std::span<std::uint64_t> keys) const {
  FillKeys(cells_, rows, keys, [&](std::int64_t value) {
    const std::uint64_t key = static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63);
    return value == kNoWhole ? kMissingKey : Directed(key, is_ascending);
  });
}

std::weak_ordering WholeColumn::Compare(RunRow a, RunRow b, bool is_ascending) const {
  return CompareValues(Get(a), Get(b), is_ascending);
}

TextColumn::TextColumn() : codes_(0) {
}

std::string_view TextColumn::TextOf(std::uint32_t code) const {
  const std::size_t begin = code == 1 ? 0 : ends_[code - 2];
  return std::string_view(texts_).substr(begin, ends_[code - 1] - begin);
}

std::size_t TextColumn::SlotOf(std::string_view text) const {
  std::size_t slot = std::hash<std::string_view>()(text) & (slots_.size() - 1);
  while (slots_[slot] != 0 && TextOf(slots_[slot]) != text) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

std::uint32_t TextColumn::Find(std::string_view text) const {
  return slots_.empty() ? 0 : slots_[SlotOf(text)];
}

void TextColumn::GrowSlots() {
  slots_.assign(std::max<std::size_t>(16, slots_.size() * 2), 0);
  for (std::uint32_t code = 1; code <= ends_.size(); ++code) {
    slots_[SlotOf(TextOf(code))] = code;
  }
}

std::uint32_t TextColumn::FindOrAdd(std::string_view text) {
  if (slots_.size() < 2 * (ends_.size() + 1)) {
    GrowSlots();
  }
  std::uint32_t& slot = slots_[SlotOf(text)];
  if (slot == 0) {
    texts_ += text;
    ends_.push_back(texts_.size());
    slot = static_cast<std::uint32_t>(ends_.size());
  }
  return slot;
}

void TextColumn::Set(RunRow row, std::optional<std::string_view> text) {
  if (text.has_value()) {
    codes_.Set(row, FindOrAdd(*text));
  } else if (codes_.Get(row) != 0) {
    codes_.Set(row, 0);
  }
}

FieldValue TextColumn::Get(RunRow row) const {
  const std::uint32_t code = codes_.Get(row);
  return code == 0 ? FieldValue() : FieldValue(TextOf(code));
}

void TextColumn::Filter(const ClauseTest& test, RowSet& rows) const {
  const Clause& clause = test.clause();
  const auto* wanted = std::get_if<std::string>(&clause.value);
  if (wanted != nullptr && clause.comparator == Comparator::kEqual) {
    const std::uint32_t code = Find(*wanted);
    KeepCells(codes_, rows, [code](std::uint32_t value) { return value == code && code != 0; });
    return;
  }
  if (wanted != nullptr && clause.comparator == Comparator::kNotEqual) {
    const std::uint32_t code = Find(*wanted);
    KeepCells(codes_, rows, [code](std::uint32_t value) { return value != code && value != 0; });
    return;
  }
  std::vector<std::uint8_t> matches(ends_.size() + 1);
  matches[0] = test(FieldValue()) ? 1 : 0;
  for (std::uint32_t code = 1; code <= ends_.size(); ++code) {
    matches[code] = test(TextOf(code)) ? 1 : 0;
  }
  if (codes_.is_dense() || matches[0] == 0) {
    KeepCells(codes_, rows, [&](std::uint32_t code) { return matches[code] != 0; });
    return;
  }
  // IS NULL: all rows but those that have a text.
  RowSet without(rows.n(), true);
  for (std::size_t i = 0; i < codes_.rows().size(); ++i) {
    if (matches[codes_.values()[i]] == 0) {
      without.Clear(codes_.rows()[i]);
    }
  }
  rows.And(without);
}

void TextColumn::Keys(std::span<const RunRow> rows, bool is_ascending,
                      std::span<std::uint64_t> keys) const {
  FillKeys(codes_, rows, keys, [&](std::uint32_t code) {
    return code == 0 ? kMissingKey : TextKey(TextOf(code), is_ascending);
  });
}

std::weak_ordering TextColumn::Compare(RunRow a, RunRow b, bool is_ascending) const {
  return CompareValues(Get(a), Get(b), is_ascending);
}

std::size_t TextColumn::bytes() const {
  return codes_.bytes() + texts_.capacity() + ends_.capacity() * sizeof(std::size_t) +
         slots_.capacity() * sizeof(std::uint32_t);
}

const std::string* RunIdColumn::Odd(RunRow row) const {
  const auto at = std::lower_bound(odd_.begin(), odd_.end(), row,
                                   [](const auto& entry, RunRow r) { return entry.first < r; });
  return at == odd_.end() || at->first != row ? nullptr : &at->second;
}

void RunIdColumn::Set(RunRow row, std::string_view run_id) {
  const bool has_size = run_id.size() == 32;
  const std::optional<std::uint64_t> high = Hex(run_id.substr(0, has_size ? 16 : 0));
  const std::optional<std::uint64_t> low = Hex(run_id.substr(has_size ? 16 : 0));
  if (has_size && high.has_value() && low.has_value()) {
    ids_[row] = {*high, *low};
    return;
  }
  const auto at = std::lower_bound(odd_.begin(), odd_.end(), row,
                                   [](const auto& entry, RunRow r) { return entry.first < r; });
  if (at == odd_.end() || at->first != row) {
    odd_.insert(at, {row, std::string(run_id)});
  }
}

std::string RunIdColumn::Get(RunRow row) const {
  if (const std::string* odd = Odd(row)) {
    return *odd;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    text[i] = kDigits[(ids_[row].high >> (60 - 4 * i)) & 15];
    text[16 + i] = kDigits[(ids_[row].low >> (60 - 4 * i)) & 15];
  }
  return text;
}

void RunIdColumn::Filter(const ClauseTest& test, RowSet& rows) const {
  rows.Keep([&](RunRow row) { return test(std::string_view(Get(row))); });
}

void RunIdColumn::Keys(std::span<const RunRow> rows, bool is_ascending,
                       std::span<std::uint64_t> keys) const {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // The ids as texts: hex digits and letters do not follow each other in ASCII.
    keys[i] = odd_.empty() ? Directed(ids_[rows[i]].high, is_ascending)
                           : TextKey(Get(rows[i]), is_ascending);
  }
}

std::weak_ordering RunIdColumn::Compare(RunRow a, RunRow b, bool is_ascending) const {
  if (!is_ascending) {
    std::swap(a, b);
  }
  if (odd_.empty() || (Odd(a) == nullptr && Odd(b) == nullptr)) {
    return ids_[a] <=> ids_[b];
  }
  return Get(a) <=> Get(b);
}

}  // namespace millrace::tracking::internal
