// SPDX-License-Identifier: Apache-2.0
// Accumulators over whole columns: figures, distinct values, duplicates.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/number_format.h"
#include "quality/internal/accumulator.h"
#include "quality/internal/counts.h"
#include "quality/internal/row_counts.h"

namespace millrace::quality::internal {
namespace {

const char* MetricName(Metric metric) {
  switch (metric) {
    case Metric::kMean:
      return "mean";
    case Metric::kMin:
      return "minimum";
    case Metric::kMax:
      return "maximum";
    case Metric::kSum:
      return "sum";
    case Metric::kStdev:
      return "standard deviation";
    case Metric::kMedian:
      return "median";
  }
  return "";
}

// Numbers of a column. Mean and sum of squared deviations merge by Chan, Golub and LeVeque 1979,
// equation 2.1.
class MetricAccumulator final : public Accumulator {
 public:
  MetricAccumulator(std::size_t column, Metric metric, RangeTest range)
      : column_(column), metric_(metric), range_(std::move(range)) {}

  void Add(const Block& block) override {
    const ColumnBlock& column = block.columns[column_];
    type_ = column.type;
    elements_ += static_cast<std::int64_t>(column.rows);
    Moments moments;
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] == 0) {
        const double x = column.numbers[i];
        moments.n += 1;
        moments.sum += x;
        moments.min = std::min(moments.min, x);
        moments.max = std::max(moments.max, x);
        if (metric_ == Metric::kMedian) {
          values_.push_back(x);
        }
      }
    }
    moments.mean = moments.n > 0 ? moments.sum / moments.n : 0;
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] == 0) {
        const double deviation = column.numbers[i] - moments.mean;
        moments.squares += deviation * deviation;
      }
    }
    Combine(moments);
  }
  void Merge(Accumulator& other) override {
    auto& next = static_cast<MetricAccumulator&>(other);
    elements_ += next.elements_;
    if (next.moments_.n > 0) {
      type_ = next.type_;
    }
    Combine(next.moments_);
    values_.insert(values_.end(), next.values_.begin(), next.values_.end());
    std::vector<double>().swap(next.values_);
  }
  void Finish(ExpectationResult& result) override {
    result.element_count = elements_;
    result.missing_count = elements_ - static_cast<std::int64_t>(moments_.n);
    const double value = Value();
    if (std::isnan(value)) {
      result.observed = std::string("no ") + MetricName(metric_) + ": " +
                        base::FormatCount(static_cast<std::int64_t>(moments_.n)) + " values";
      result.success = false;
      return;
    }
    result.observed_value = value;
    result.observed = std::string(MetricName(metric_)) + " ";
    if (type_ == data::ColumnType::kTimestamp) {
      result.observed +=
          ShowBits(type_, static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
    } else {
      result.observed += base::FormatDouble(value);
    }
    result.success = range_(value);
  }

 private:
  struct Moments {
    double n = 0;
    double sum = 0;
    double mean = 0;
    double squares = 0;
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();
  };

  void Combine(const Moments& next) {
    if (next.n == 0) {
      return;
    }
    const double n = moments_.n + next.n;
    const double delta = next.mean - moments_.mean;
    moments_.squares += next.squares + delta * delta * moments_.n * next.n / n;
    moments_.mean += delta * next.n / n;
    moments_.sum += next.sum;
    moments_.n = n;
    moments_.min = std::min(moments_.min, next.min);
    moments_.max = std::max(moments_.max, next.max);
  }
  double Value() {
    static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    if (moments_.n == 0) {
      return kNone;
    }
    switch (metric_) {
      case Metric::kMean:
        return moments_.sum / moments_.n;
      case Metric::kMin:
        return moments_.min;
      case Metric::kMax:
        return moments_.max;
      case Metric::kSum:
        return moments_.sum;
      case Metric::kStdev:  // with n - 1, as pandas
        return moments_.n < 2 ? kNone : std::sqrt(moments_.squares / (moments_.n - 1));
      case Metric::kMedian:
        return Median();
    }
    return kNone;
  }
  double Median() {
    const auto middle = values_.begin() + static_cast<std::ptrdiff_t>(values_.size() / 2);
    std::nth_element(values_.begin(), middle, values_.end());
    if (values_.size() % 2 == 1) {
      return *middle;
    }
    const double below = *std::max_element(values_.begin(), middle);
    return below + (*middle - below) / 2;
  }

  std::size_t column_;
  Metric metric_;
  RangeTest range_;
  data::ColumnType type_ = data::ColumnType::kDouble;
  std::int64_t elements_ = 0;
  Moments moments_;
  std::vector<double> values_;
};

// Counts of the values of one column, whatever its type.
class ColumnCounts {
 public:
  void Add(const ColumnBlock& column) {
    type_ = column.type;
    elements_ += static_cast<std::int64_t>(column.rows);
    missing_ += static_cast<std::int64_t>(column.n_missing);
    if (column.is_text()) {
      AddTexts(column);
      return;
    }
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] == 0) {
        bits_.Add(column.Bits(i), 1, column.first_row + static_cast<std::int64_t>(i));
      }
    }
  }
  void Merge(const ColumnCounts& next) {
    if (next.elements_ > 0) {
      type_ = next.type_;
    }
    elements_ += next.elements_;
    missing_ += next.missing_;
    bits_.Merge(next.bits_);
    texts_.Merge(next.texts_);
  }

  data::ColumnType type() const { return type_; }
  std::int64_t elements() const { return elements_; }
  std::int64_t missing() const { return missing_; }
  std::size_t distinct() const { return bits_.size() + texts_.size(); }
  const BitCounts& bits() const { return bits_; }
  const TextCounts& texts() const { return texts_; }

 private:
  // A block's texts are codes already, so that each distinct text is looked up once.
  void AddTexts(const ColumnBlock& column) {
    std::vector<Seen> seen(column.texts.values.size());
    for (std::size_t i = 0; i < column.rows; ++i) {
      if (column.missing[i] == 0) {
        Seen& of_code = seen[static_cast<std::size_t>(column.texts.codes[i])];
        if (of_code.count++ == 0) {
          of_code.first_row = column.first_row + static_cast<std::int64_t>(i);
        }
      }
    }
    for (std::size_t code = 0; code < seen.size(); ++code) {
      texts_.Add(column.texts.values[code], seen[code].count, seen[code].first_row);
    }
  }

  data::ColumnType type_ = data::ColumnType::kDouble;
  std::int64_t elements_ = 0;
  std::int64_t missing_ = 0;
  BitCounts bits_;
  TextCounts texts_;
};

// The first few, by row, of values that stand more than once; all copies count as unexpected.
class Duplicates {
 public:
  template <typename Show>
  void Look(const Seen& seen, const Show& show) {
    if (seen.count < 2) {
      return;
    }
    counts_.unexpected += seen.count;
    const auto place =
        std::lower_bound(found_.begin(), found_.end(), seen.first_row,
                         [](const Found& f, std::int64_t row) { return f.row < row; });
    if (place - found_.begin() < static_cast<std::ptrdiff_t>(kMaxExamples)) {
      found_.insert(place,
                    {seen.first_row, show() + " (" + std::to_string(seen.count) + " times)"});
      if (found_.size() > kMaxExamples) {
        found_.pop_back();
      }
    }
  }
  void Judge(std::int64_t elements, std::int64_t missing, double mostly,
             ExpectationResult& result) {
    counts_.elements = elements;
    counts_.missing = missing;
    for (const Found& found : found_) {
      counts_.examples.push_back({found.row + 1, found.text});
    }
    counts_.Judge(mostly, elements - missing, result);
  }

 private:
  struct Found {
    std::int64_t row = 0;
    std::string text;
  };
  RowCounts counts_;
  std::vector<Found> found_;
};

class UniqueAccumulator final : public Accumulator {
 public:
  UniqueAccumulator(std::size_t column, double mostly) : column_(column), mostly_(mostly) {}

  void Add(const Block& block) override { counts_.Add(block.columns[column_]); }
  void Merge(Accumulator& next) override {
    counts_.Merge(static_cast<UniqueAccumulator&>(next).counts_);
  }
  void Finish(ExpectationResult& result) override {
    Duplicates duplicates;
    counts_.bits().ForEach([&](std::uint64_t bits, const Seen& seen) {
      duplicates.Look(seen, [&] { return ShowBits(counts_.type(), bits); });
    });
    counts_.texts().ForEach([&](const std::string& text, const Seen& seen) {
      duplicates.Look(seen, [&] { return ShowText(text); });
    });
    duplicates.Judge(counts_.elements(), counts_.missing(), mostly_, result);
  }

 private:
  std::size_t column_;
  double mostly_;
  ColumnCounts counts_;
};

// Rows as byte strings of all their values; nulls equal nulls.
class CompoundAccumulator final : public Accumulator {
 public:
  CompoundAccumulator(std::vector<std::size_t> columns, IgnoreRows ignore, double mostly)
      : columns_(std::move(columns)), ignore_(ignore), mostly_(mostly) {}

  void Add(const Block& block) override {
    elements_ += static_cast<std::int64_t>(block.rows);
    std::string key;
    for (std::size_t i = 0; i < block.rows; ++i) {
      key.clear();
      std::size_t n_missing = 0;
      for (const std::size_t c : columns_) {
        n_missing += block.columns[c].missing[i];
        AppendValue(block.columns[c], i, key);
      }
      if ((ignore_ == IgnoreRows::kAllMissing && n_missing == columns_.size()) ||
          (ignore_ == IgnoreRows::kAnyMissing && n_missing > 0)) {
        ++missing_;
      } else {
        counts_.Add(key, 1, block.first_row + static_cast<std::int64_t>(i));
      }
    }
  }
  void Merge(Accumulator& other) override {
    auto& next = static_cast<CompoundAccumulator&>(other);
    elements_ += next.elements_;
    missing_ += next.missing_;
    counts_.Merge(next.counts_);
  }
  void Finish(ExpectationResult& result) override {
    Duplicates duplicates;
    counts_.ForEach([&](const std::string&, const Seen& seen) {
      duplicates.Look(seen, [] { return std::string("the same combination"); });
    });
    duplicates.Judge(elements_, missing_, mostly_, result);
  }

 private:
  static void AppendValue(const ColumnBlock& column, std::size_t i, std::string& key) {
    if (column.missing[i] != 0) {
      key.push_back('\0');
      return;
    }
    key.push_back('\1');
    if (column.is_text()) {
      const std::string& text = column.Text(i);
      key.append(std::to_string(text.size())).append(":").append(text);
      return;
    }
    const std::uint64_t bits = column.Bits(i);
    key.append(reinterpret_cast<const char*>(&bits), sizeof(bits));
  }

  std::vector<std::size_t> columns_;
  IgnoreRows ignore_;
  double mostly_;
  std::int64_t elements_ = 0;
  std::int64_t missing_ = 0;
  TextCounts counts_;
};

class DistinctAccumulator final : public Accumulator {
 public:
  DistinctAccumulator(std::size_t column, DistinctRule rule, RangeTest range,
                      std::shared_ptr<const ValueSet> wanted)
      : column_(column), rule_(rule), range_(std::move(range)), wanted_(std::move(wanted)) {}

  void Add(const Block& block) override { counts_.Add(block.columns[column_]); }
  void Merge(Accumulator& next) override {
    counts_.Merge(static_cast<DistinctAccumulator&>(next).counts_);
  }
  void Finish(ExpectationResult& result) override {
    result.element_count = counts_.elements();
    result.missing_count = counts_.missing();
    const auto distinct = static_cast<double>(counts_.distinct());
    if (rule_ == DistinctRule::kCount) {
      result.observed_value = distinct;
      result.observed =
          base::FormatCount(static_cast<std::int64_t>(counts_.distinct())) + " distinct values";
      result.success = range_(distinct);
    } else if (rule_ == DistinctRule::kProportion) {
      const std::int64_t present = counts_.elements() - counts_.missing();
      const double share = present == 0 ? 0 : distinct / static_cast<double>(present);
      result.observed_value = share;
      result.observed = base::FormatDouble(share) + " of values are distinct";
      result.success = range_(share);
    } else {
      CompareWithSet(result);
    }
  }

 private:
  void CompareWithSet(ExpectationResult& result) {
    std::set<std::uint64_t> lacking_bits(wanted_->bits.begin(), wanted_->bits.end());
    std::set<std::string> lacking_texts(wanted_->texts.begin(), wanted_->texts.end());
    // Shown values are sorted: the order of a hash table must not reach the report.
    std::set<std::string> extra;
    counts_.bits().ForEach([&](std::uint64_t bits, const Seen&) {
      if (lacking_bits.erase(bits) == 0) {
        extra.insert(ShowBits(counts_.type(), bits));
      }
    });
    counts_.texts().ForEach([&](const std::string& text, const Seen&) {
      if (lacking_texts.erase(text) == 0) {
        extra.insert(ShowText(text));
      }
    });
    std::set<std::string> lacking;
    for (const std::uint64_t bits : lacking_bits) {
      lacking.insert(ShowBits(counts_.type(), bits));
    }
    for (const std::string& text : lacking_texts) {
      lacking.insert(ShowText(text));
    }
    const bool may_lack = rule_ == DistinctRule::kInSet;
    const bool may_exceed = rule_ == DistinctRule::kContainSet;
    result.success = (may_lack || lacking.empty()) && (may_exceed || extra.empty());
    result.observed =
        base::FormatCount(static_cast<std::int64_t>(counts_.distinct())) + " distinct values";
    if (!may_exceed && !extra.empty()) {
      result.observed += "; not in the set: " + List(extra);
    }
    if (!may_lack && !lacking.empty()) {
      result.observed += "; never seen: " + List(lacking);
    }
  }
  static std::string List(const std::set<std::string>& shown) {
    std::string out;
    std::size_t n = 0;
    for (const std::string& text : shown) {
      if (++n > kMaxExamples) {
        return out + " and " + std::to_string(shown.size() - kMaxExamples) + " more";
      }
      out += (out.empty() ? "" : ", ") + text;
    }
    return out;
  }

  std::size_t column_;
  DistinctRule rule_;
  RangeTest range_;
  std::shared_ptr<const ValueSet> wanted_;
  ColumnCounts counts_;
};

}  // namespace

std::unique_ptr<Accumulator> MakeMetric(std::size_t column, Metric metric, RangeTest range) {
  return std::make_unique<MetricAccumulator>(column, metric, std::move(range));
}

std::unique_ptr<Accumulator> MakeUnique(std::vector<std::size_t> columns, IgnoreRows ignore,
                                        double mostly) {
  if (columns.size() == 1) {
    return std::make_unique<UniqueAccumulator>(columns[0], mostly);
  }
  return std::make_unique<CompoundAccumulator>(std::move(columns), ignore, mostly);
}

std::unique_ptr<Accumulator> MakeDistinct(std::size_t column, DistinctRule rule, RangeTest range,
                                          std::shared_ptr<const ValueSet> wanted) {
  return std::make_unique<DistinctAccumulator>(column, rule, std::move(range), std::move(wanted));
}

}  // namespace millrace::quality::internal
