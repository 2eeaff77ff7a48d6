// SPDX-License-Identifier: Apache-2.0
// Accumulators that judge row by row: single values, order, pairs.
#include <algorithm>
#include <optional>
#include <utility>

#include "quality/internal/accumulator.h"
#include "quality/internal/row_counts.h"

namespace millrace::quality::internal {
namespace {

class RowTestAccumulator final : public Accumulator {
 public:
  RowTestAccumulator(std::size_t column, RowTest test, NullRule nulls, double mostly)
      : column_(column), test_(std::move(test)), nulls_(nulls), mostly_(mostly) {}

  void Add(const Block& block) override {
    const ColumnBlock& column = block.columns[column_];
    counts_.elements += static_cast<std::int64_t>(column.rows);
    counts_.missing += static_cast<std::int64_t>(column.n_missing);
    if (nulls_ == NullRule::kLeaveOut) {
      bad_.assign(column.rows, 0);
      test_(column, bad_);
      for (std::size_t i = 0; i < column.rows; ++i) {
        if ((bad_[i] & (column.missing[i] ^ 1)) != 0) {
          counts_.AddBad(column.first_row, i, [&] { return column.Show(i); });
        }
      }
      return;
    }
    const std::uint8_t bad_flag = nulls_ == NullRule::kAreBad ? 1 : 0;
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] == bad_flag) {
        counts_.AddBad(column.first_row, i, [&] { return column.Show(i); });
      }
    }
  }
  void Merge(Accumulator& next) override {
    counts_.Merge(static_cast<RowTestAccumulator&>(next).counts_);
  }
  void Finish(ExpectationResult& result) override {
    counts_.Judge(
        mostly_,
        nulls_ == NullRule::kLeaveOut ? counts_.elements - counts_.missing : counts_.elements,
        result);
  }

 private:
  std::size_t column_;
  RowTest test_;
  NullRule nulls_;
  double mostly_;
  RowCounts counts_;
  std::vector<std::uint8_t> bad_;
};

// Compares each value with the one before it; nulls are skipped, the first value is right.
class OrderAccumulator final : public Accumulator {
 public:
  OrderAccumulator(std::size_t column, bool is_increasing, bool strictly, double mostly)
      : column_(column), is_increasing_(is_increasing), strictly_(strictly), mostly_(mostly) {}

  void Add(const Block& block) override {
    const ColumnBlock& column = block.columns[column_];
    counts_.elements += static_cast<std::int64_t>(column.rows);
    counts_.missing += static_cast<std::int64_t>(column.n_missing);
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] != 0) {
        continue;
      }
      Value value = column.is_text() ? Value{0, column.Text(i)} : Value{column.numbers[i], {}};
      if (last_.has_value() && IsBad(*last_, value)) {
        counts_.AddBad(column.first_row, i, [&] { return column.Show(i); });
      }
      if (!first_.has_value()) {
        first_ = First{value, column.first_row + static_cast<std::int64_t>(i), column.Show(i)};
      }
      last_ = std::move(value);
    }
  }
  void Merge(Accumulator& other) override {
    auto& next = static_cast<OrderAccumulator&>(other);
    if (next.first_.has_value() && last_.has_value() && IsBad(*last_, next.first_->value)) {
      counts_.AddBad(next.first_->row, 0, [&] { return next.first_->shown; });
    }
    counts_.Merge(next.counts_);
    if (!first_.has_value()) {
      first_ = std::move(next.first_);
    }
    if (next.last_.has_value()) {
      last_ = std::move(next.last_);
    }
  }
  void Finish(ExpectationResult& result) override {
    counts_.Judge(mostly_, counts_.elements - counts_.missing, result);
  }

 private:
  struct Value {
    double number = 0;
    std::string text;
    auto operator<=>(const Value&) const = default;
  };
  struct First {
    Value value;
    std::int64_t row = 0;
    std::string shown;
  };
  bool IsBad(const Value& before, const Value& value) const {
    const bool is_equal = before == value;
    return is_equal ? strictly_ : (before < value) != is_increasing_;
  }

  std::size_t column_;
  bool is_increasing_;
  bool strictly_;
  double mostly_;
  RowCounts counts_;
  std::optional<First> first_;
  std::optional<Value> last_;
};

class PairAccumulator final : public Accumulator {
 public:
  PairAccumulator(std::size_t a, std::size_t b, bool or_equal, bool only_equal, IgnoreRows ignore,
                  double mostly)
      : a_(a),
        b_(b),
        or_equal_(or_equal),
        only_equal_(only_equal),
        ignore_(ignore),
        mostly_(mostly) {}

  void Add(const Block& block) override {
    const ColumnBlock& a = block.columns[a_];
    const ColumnBlock& b = block.columns[b_];
    for (std::size_t i = 0; i < block.rows; ++i) {
      const int n_missing = a.missing[i] + b.missing[i];
      if ((ignore_ == IgnoreRows::kAllMissing && n_missing == 2) ||
          (ignore_ == IgnoreRows::kAnyMissing && n_missing > 0)) {
        ++counts_.missing;
        continue;
      }
      // A comparison with nothing is never true, as in SQL and pandas.
      if (n_missing > 0 || !Holds(a, b, i)) {
        counts_.AddBad(block.first_row, i, [&] { return a.Show(i) + ", " + b.Show(i); });
      }
    }
    counts_.elements += static_cast<std::int64_t>(block.rows);
  }
  void Merge(Accumulator& next) override {
    counts_.Merge(static_cast<PairAccumulator&>(next).counts_);
  }
  void Finish(ExpectationResult& result) override {
    counts_.Judge(mostly_, counts_.elements - counts_.missing, result);
  }

 private:
  bool Holds(const ColumnBlock& a, const ColumnBlock& b, std::size_t i) const {
    int order = 0;
    if (a.is_text()) {
      order = a.Text(i).compare(b.Text(i));
    } else {
      order = a.numbers[i] > b.numbers[i] ? 1 : (a.numbers[i] < b.numbers[i] ? -1 : 0);
    }
    return only_equal_ ? order == 0 : (order > 0 || (or_equal_ && order == 0));
  }

  std::size_t a_;
  std::size_t b_;
  bool or_equal_;
  bool only_equal_;
  IgnoreRows ignore_;
  double mostly_;
  RowCounts counts_;
};

}  // namespace

std::unique_ptr<Accumulator> MakeRowTest(std::size_t column, RowTest test, NullRule nulls,
                                         double mostly) {
  return std::make_unique<RowTestAccumulator>(column, std::move(test), nulls, mostly);
}

std::unique_ptr<Accumulator> MakeOrder(std::size_t column, bool is_increasing, bool strictly,
                                       double mostly) {
  return std::make_unique<OrderAccumulator>(column, is_increasing, strictly, mostly);
}

std::unique_ptr<Accumulator> MakePair(std::size_t a, std::size_t b, bool or_equal, bool only_equal,
                                      IgnoreRows ignore, double mostly) {
  return std::make_unique<PairAccumulator>(a, b, or_equal, only_equal, ignore, mostly);
}

}  // namespace millrace::quality::internal
