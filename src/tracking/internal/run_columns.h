// SPDX-License-Identifier: Apache-2.0
// Columns of the search index: values of all runs for one field, dense where many runs have one and
// sparse otherwise. Not thread-safe to write; any number of readers.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tracking/search.h"

namespace millrace::tracking::internal {

/// The place of a run in the index.
using RunRow = std::uint32_t;

/// A set of rows out of n, as bits.
class RowSet {
 public:
  explicit RowSet(std::size_t n, bool is_full = false)
      : n_(n), words_((n + 63) / 64, is_full ? ~std::uint64_t{0} : 0) {
    Trim();
  }
  std::size_t n() const { return n_; }
  void Set(RunRow row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
  void Clear(RunRow row) { words_[row / 64] &= ~(std::uint64_t{1} << (row % 64)); }
  bool Has(RunRow row) const { return ((words_[row / 64] >> (row % 64)) & 1) != 0; }
  void Resize(std::size_t n) {
    n_ = n;
    words_.resize((n + 63) / 64, 0);
  }
  void And(const RowSet& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      words_[i] &= other.words_[i];
    }
  }
  void Flip() {
    for (std::uint64_t& word : words_) {
      word = ~word;
    }
    Trim();
  }
  std::size_t Count() const {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) {
      count += static_cast<std::size_t>(std::popcount(word));
    }
    return count;
  }
  /// Keeps the rows for which `matches(row)` holds; asks only for rows that are in the set.
  template <typename Matches>
  void Keep(const Matches& matches) {
    for (std::size_t i = 0; i < words_.size(); ++i) {
      std::uint64_t kept = 0;
      for (std::uint64_t left = words_[i]; left != 0; left &= left - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(left));
        kept |= static_cast<std::uint64_t>(matches(static_cast<RunRow>(i * 64 + bit))) << bit;
      }
      words_[i] = kept;
    }
  }
  /// The rows of the set, rising.
  std::vector<RunRow> Rows() const;

 private:
  void Trim() {
    if (n_ % 64 != 0 && !words_.empty()) {
      words_.back() &= (std::uint64_t{1} << (n_ % 64)) - 1;
    }
  }
  std::size_t n_;
  std::vector<std::uint64_t> words_;
};

/// Values of some rows: an array of all rows, or a sorted list of those that have one.
template <typename T>
class Cells {
 public:
  explicit Cells(T missing) : missing_(missing) {}

  std::size_t n() const { return n_; }
  bool is_dense() const { return is_dense_; }
  std::span<const T> dense() const { return values_; }
  std::span<const RunRow> rows() const { return rows_; }
  std::span<const T> values() const { return values_; }
  T missing() const { return missing_; }

  T Get(RunRow row) const {
    if (is_dense_) {
      return values_[row];
    }
    const auto at = std::lower_bound(rows_.begin(), rows_.end(), row);
    return at == rows_.end() || *at != row ? missing_
                                           : values_[static_cast<std::size_t>(at - rows_.begin())];
  }
  void Grow(std::size_t n) {
    n_ = n;
    if (is_dense_) {
      values_.resize(n, missing_);
    }
  }
  /// Cost: O(1) for a dense column or a new last row, else O(rows that have a value).
  void Set(RunRow row, T value) {
    if (is_dense_) {
      values_[row] = value;
      return;
    }
    if (rows_.empty() || rows_.back() < row) {
      rows_.push_back(row);
      values_.push_back(value);
      return;
    }
    const auto at = std::lower_bound(rows_.begin(), rows_.end(), row) - rows_.begin();
    if (rows_[static_cast<std::size_t>(at)] == row) {
      values_[static_cast<std::size_t>(at)] = value;
    } else {
      rows_.insert(rows_.begin() + at, row);
      values_.insert(values_.begin() + at, value);
    }
  }
  /// Chooses the form: dense from a quarter of the rows on.
  void Settle() {
    if (!is_dense_ && !rows_.empty() && rows_.size() * 4 >= n_) {
      std::vector<T> all(n_, missing_);
      for (std::size_t i = 0; i < rows_.size(); ++i) {
        all[rows_[i]] = values_[i];
      }
      values_ = std::move(all);
      rows_ = {};
      is_dense_ = true;
    }
    if (!is_dense_) {
      rows_.shrink_to_fit();
      values_.shrink_to_fit();
    }
  }
  void MakeDense() { is_dense_ = true; }
  std::size_t bytes() const {
    return values_.capacity() * sizeof(T) + rows_.capacity() * sizeof(RunRow);
  }

 private:
  T missing_;
  std::size_t n_ = 0;
  bool is_dense_ = false;
  std::vector<RunRow> rows_;
  std::vector<T> values_;
};

/// One field of all runs.
class RunColumn {
 public:
  virtual ~RunColumn() = default;
  /// Keeps those rows whose value matches.
  virtual void Filter(const ClauseTest& test, RowSet& rows) const = 0;
  /// For each of the rows (rising) a key whose order agrees with that of the values; equal keys say
  /// nothing. Missing values have the greatest keys, NaN those before, in both directions.
  virtual void Keys(std::span<const RunRow> rows, bool is_ascending,
                    std::span<std::uint64_t> keys) const = 0;
  virtual std::weak_ordering Compare(RunRow a, RunRow b, bool is_ascending) const = 0;
  virtual void Grow(std::size_t n) = 0;
  virtual std::size_t bytes() const = 0;
};

/// Doubles: metrics.
class NumberColumn final : public RunColumn {
 public:
  NumberColumn();
  void Set(RunRow row, double value);
  void Settle() { cells_.Settle(); }
  FieldValue Get(RunRow row) const;
  void Filter(const ClauseTest& test, RowSet& rows) const override;
  void Keys(std::span<const RunRow> rows, bool is_ascending,
            std::span<std::uint64_t> keys) const override;
  std::weak_ordering Compare(RunRow a, RunRow b, bool is_ascending) const override;
  void Grow(std::size_t n) override { cells_.Grow(n); }
  std::size_t bytes() const override { return cells_.bytes(); }

 private:
  Cells<double> cells_;
};

/// Whole numbers that nearly all runs have: times.
class WholeColumn final : public RunColumn {
 public:
  WholeColumn();
  void Set(RunRow row, std::optional<std::int64_t> value);
  FieldValue Get(RunRow row) const;
  void Filter(const ClauseTest& test, RowSet& rows) const override;
  void Keys(std::span<const RunRow> rows, bool is_ascending,
            std::span<std::uint64_t> keys) const override;
  std::weak_ordering Compare(RunRow a, RunRow b, bool is_ascending) const override;
  void Grow(std::size_t n) override { cells_.Grow(n); }
  std::size_t bytes() const override { return cells_.bytes(); }

 private:
  Cells<std::int64_t> cells_;
};

/// Texts, each kept once: code 0 is missing.
class TextColumn final : public RunColumn {
 public:
  TextColumn();
  /// Texts that no run has any more stay in the dictionary until the column is loaded again.
  void Set(RunRow row, std::optional<std::string_view> text);
  void Settle() { codes_.Settle(); }
  void MakeDense() { codes_.MakeDense(); }
  FieldValue Get(RunRow row) const;
  void Filter(const ClauseTest& test, RowSet& rows) const override;
  void Keys(std::span<const RunRow> rows, bool is_ascending,
            std::span<std::uint64_t> keys) const override;
  std::weak_ordering Compare(RunRow a, RunRow b, bool is_ascending) const override;
  void Grow(std::size_t n) override { codes_.Grow(n); }
  std::size_t bytes() const override;

 private:
  std::string_view TextOf(std::uint32_t code) const;
  /// The code of a text, 0 if the column has never had it.
  std::uint32_t Find(std::string_view text) const;
  std::uint32_t FindOrAdd(std::string_view text);
  std::size_t SlotOf(std::string_view text) const;
  void GrowSlots();

  Cells<std::uint32_t> codes_;
  std::string texts_;
  /// ends_[code - 1] is where its text ends in texts_.
  std::vector<std::size_t> ends_;
  /// Open addressing: codes, 0 for a free slot.
  std::vector<std::uint32_t> slots_;
};

/// Run ids: 16 bytes each where they are 32 lower-case hex digits, and texts otherwise.
class RunIdColumn final : public RunColumn {
 public:
  void Set(RunRow row, std::string_view run_id);
  std::string Get(RunRow row) const;
  void Filter(const ClauseTest& test, RowSet& rows) const override;
  void Keys(std::span<const RunRow> rows, bool is_ascending,
            std::span<std::uint64_t> keys) const override;
  std::weak_ordering Compare(RunRow a, RunRow b, bool is_ascending) const override;
  void Grow(std::size_t n) override { ids_.resize(n); }
  std::size_t bytes() const override { return ids_.capacity() * sizeof(Id); }

 private:
  struct Id {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    auto operator<=>(const Id&) const = default;
  };
  /// Rising by row; few.
  std::vector<std::pair<RunRow, std::string>> odd_;
  std::vector<Id> ids_;

  const std::string* Odd(RunRow row) const;
};

}  // namespace millrace::tracking::internal
