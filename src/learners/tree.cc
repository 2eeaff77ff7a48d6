// SPDX-License-Identifier: Apache-2.0
// Grows one classification tree over binned columns, with integer counts and a learnt side for
// missing values.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "learners/internal/binned.h"

namespace millrace::learners::internal {
namespace {

/// Rows in a bin or node: all of them and the positive ones with bootstrap repeats, and the
/// distinct ones without.
struct Counts {
  std::uint32_t all = 0;
  std::uint32_t positive = 0;
  std::uint32_t distinct = 0;

  Counts& operator+=(Counts other) {
    all += other.all;
    positive += other.positive;
    distinct += other.distinct;
    return *this;
  }
  Counts operator-(Counts other) const {
    return {all - other.all, positive - other.positive, distinct - other.distinct};
  }
};

/// n times the Gini impurity, up to the factor 2: p (n - p) / n.
double Impurity(Counts c) {
  return c.all == 0 ? 0.0
                    : static_cast<double>(c.positive) * static_cast<double>(c.all - c.positive) /
                          static_cast<double>(c.all);
}

struct Split {
  double gain = 0;
  std::size_t column = 0;
  std::size_t bin = 0;
  bool default_left = false;
  bool found = false;
};

struct Task {
  std::size_t node = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
  int depth = 0;
};

class Grower {
 public:
  Grower(const BinnedMatrix& rows, std::span<const std::uint8_t> labels,
         const TreeSettings& settings, base::Rng rng)
      : rows_(rows), settings_(settings), rng_(rng), columns_(rows.columns), per_row_(rows.rows) {
    std::iota(columns_.begin(), columns_.end(), 0U);
    Sample(labels);
  }

  models::ForestTree Grow() {
    models::ForestTree tree;
    tree.nodes.emplace_back();
    std::vector<Task> stack = {{0, 0, order_.size(), 0}};
    while (!stack.empty()) {
      const Task task = stack.back();
      stack.pop_back();
      const Counts total = Total(task);
      models::ForestNode& node = tree.nodes[task.node];
      node.weight = static_cast<double>(total.all);
      node.value = static_cast<double>(total.positive) / static_cast<double>(total.all);
      const Split split = BestSplit(task, total);
      if (!split.found) {
        continue;
      }
      const std::size_t middle = Partition(task, split);
      node.feature = static_cast<std::int32_t>(split.column);
      const std::vector<double>& bounds = rows_.bounds[split.column];
      node.threshold = split.bin < bounds.size() ? bounds[split.bin] : rows_.top[split.column];
      node.default_left = split.default_left;
      node.gain = 2 * split.gain;
      const std::size_t left = tree.nodes.size();
      node.left = static_cast<std::int32_t>(left);
      node.right = static_cast<std::int32_t>(left + 1);
      tree.nodes.resize(left + 2);  // Ends the life of `node`.
      // The left child is grown first: the generator is drawn from in a fixed order of nodes.
      stack.push_back({left + 1, middle, task.end, task.depth + 1});
      stack.push_back({left, task.begin, middle, task.depth + 1});
    }
    return tree;
  }

 private:
  void Sample(std::span<const std::uint8_t> labels) {
    if (settings_.bootstrap) {
      for (std::size_t i = 0; i < rows_.rows; ++i) {
        const std::size_t row = rng_.Below(rows_.rows);
        per_row_[row] += Counts{1, labels[row], 0};
        per_row_[row].distinct = 1;
      }
    } else {
      for (std::size_t row = 0; row < rows_.rows; ++row) {
        per_row_[row] = Counts{1, labels[row], 1};
      }
    }
    for (std::size_t row = 0; row < rows_.rows; ++row) {
      if (per_row_[row].all > 0) {
        order_.push_back(static_cast<std::uint32_t>(row));
      }
    }
  }

  Counts Total(const Task& task) const {
    Counts total;
    for (std::size_t i = task.begin; i < task.end; ++i) {
      total += per_row_[order_[i]];
    }
    return total;
  }

  /// Looks at max_features random columns, and at further ones until one varied within the node, as
  /// scikit-learn does, so that constant columns cannot end a branch.
  Split BestSplit(const Task& task, Counts total) {
    Split best;
    const bool pure = total.positive == 0 || total.positive == total.all;
    const bool small = total.distinct < settings_.min_samples_split ||
                       total.distinct < 2 * settings_.min_samples_leaf;
    const bool deep = settings_.max_depth > 0 && task.depth >= settings_.max_depth;
    if (pure || small || deep) {
      return best;
    }
    bool varied = false;
    for (std::size_t i = 0; i < columns_.size() && (i < settings_.max_features || !varied); ++i) {
      std::swap(columns_[i], columns_[i + rng_.Below(columns_.size() - i)]);
      varied = TryColumn(task, total, columns_[i], &best) || varied;
    }
    return best;
  }

  /// True if the column has more than one bin within the node.
  bool TryColumn(const Task& task, Counts total, std::size_t column, Split* best) {
    const std::size_t n_bins = rows_.BinCount(column);
    std::fill_n(histogram_.begin(), n_bins, Counts{});
    histogram_[kMissingBin] = Counts{};
    const std::uint8_t* bins = rows_.Column(column);
    for (std::size_t i = task.begin; i < task.end; ++i) {
      const std::uint32_t row = order_[i];
      histogram_[bins[row]] += per_row_[row];
    }
    const Counts missing = histogram_[kMissingBin];
    const double parent = Impurity(total);
    Counts left;
    std::size_t filled = missing.all > 0 ? 1 : 0;
    std::size_t last = n_bins;
    for (std::size_t b = 0; b < n_bins; ++b) {
      if (histogram_[b].all == 0) {
        continue;
      }
      ++filled;
      if (last < n_bins) {
        // The bins between the two are empty in this node: cut in their middle.
        const std::size_t cut = (last + b - 1) / 2;
        if (missing.all == 0) {
          Consider(parent, left, total - left, {0, column, cut, left.all * 2 >= total.all, true},
                   best);
        } else {
          Counts with_missing = left;
          with_missing += missing;
          Consider(parent, left, total - left, {0, column, cut, false, true}, best);
          Consider(parent, with_missing, total - with_missing, {0, column, cut, true, true}, best);
        }
      }
      left += histogram_[b];
      last = b;
    }
    if (missing.all > 0 && left.all > 0 && std::isfinite(rows_.top[column])) {
      // Present against missing: no value is above the top.
      Consider(parent, left, missing, {0, column, n_bins - 1, false, true}, best);
    }
    return filled > 1;
  }

  void Consider(double parent, Counts left, Counts right, Split split, Split* best) const {
    if (left.distinct < settings_.min_samples_leaf || right.distinct < settings_.min_samples_leaf) {
      return;
    }
    split.gain = parent - Impurity(left) - Impurity(right);
    // Strictly better: ties go to the column drawn first and to the lower bound.
    if (split.gain > (best->found ? best->gain : 1e-12)) {
      *best = split;
    }
  }

  /// Moves the rows that go left to the front, keeping their order.
  std::size_t Partition(const Task& task, const Split& split) {
    const std::uint8_t* bins = rows_.Column(split.column);
    const auto begin = order_.begin() + static_cast<std::ptrdiff_t>(task.begin);
    const auto end = order_.begin() + static_cast<std::ptrdiff_t>(task.end);
    const auto middle = std::stable_partition(begin, end, [&](std::uint32_t row) {
      return bins[row] == kMissingBin ? split.default_left : bins[row] <= split.bin;
    });
    return static_cast<std::size_t>(middle - order_.begin());
  }

  const BinnedMatrix& rows_;
  const TreeSettings& settings_;
  base::Rng rng_;
  std::vector<std::uint32_t> columns_;
  std::vector<Counts> per_row_;
  std::vector<std::uint32_t> order_;
  std::array<Counts, 256> histogram_{};
};

}  // namespace

models::ForestTree GrowTree(const BinnedMatrix& rows, std::span<const std::uint8_t> labels,
                            const TreeSettings& settings, base::Rng rng) {
  return Grower(rows, labels, settings, rng).Grow();
}

}  // namespace millrace::learners::internal
