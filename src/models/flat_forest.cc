// SPDX-License-Identifier: Apache-2.0
// Folds the split rules of the libraries into thresholds and walks the flat nodes.
#include "models/internal/flat_forest.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

namespace millrace::models::internal {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// LightGBM's kZeroThreshold: a float constant, widened.
constexpr double kTiny = static_cast<double>(1e-35f);
// The step past FLT_MAX that rounding treats as infinity.
constexpr double kFloatEnd = 0x1p128;

/// The largest double that rounds to a float below `cut`; NaN, which no value is below, where there
/// is none.
double LargestDoubleBelow(float cut) {
  constexpr float kFloatInfinity = std::numeric_limits<float>::infinity();
  if (std::isnan(cut) || cut == -kFloatInfinity) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const float below = std::nextafter(cut, -kFloatInfinity);
  const double high = std::isinf(cut) ? kFloatEnd : static_cast<double>(cut);
  const double low = std::isinf(below) ? -kFloatEnd : static_cast<double>(below);
  // Exact: neighbours differ in the last bit of 24, their mean needs 25.
  const double middle = low / 2 + high / 2;
  return static_cast<float>(middle) < cut ? middle : std::nextafter(middle, -kInfinity);
}

/// The threshold that decides every x as `threshold` does after values up to kTiny in size became
/// 0.
double ZeroedThreshold(double threshold) {
  if (threshold >= 0.0 && threshold < kTiny) {
    return kTiny;
  }
  if (threshold < 0.0 && threshold >= -kTiny) {
    return std::nextafter(-kTiny, -kInfinity);
  }
  return threshold;
}

}  // namespace

FlatNode Flatten(const TreeNode& node, SplitRule rule) {
  FlatNode flat{kInfinity, 0, kNanLeft, 0};
  if (node.feature < 0) {
    return flat;
  }
  flat.feature = static_cast<std::uint16_t>(node.feature);
  const bool is_float = rule == SplitRule::kLessFloat;
  if (node.is_categorical) {
    flat.threshold = std::bit_cast<double>(std::uint64_t{node.category_begin} << 32 |
                                           std::uint64_t{node.category_words});
    // LightGBM: a set goes left, NaN right. XGBoost: a set goes right, NaN to the default side.
    const bool nan_left = is_float && node.default_left;
    flat.flags =
        static_cast<std::uint16_t>((is_float ? kSetRight : kSetLeft) | (nan_left ? kNanLeft : 0));
    return flat;
  }
  bool nan_left = node.default_left;
  flat.threshold = node.threshold;
  flat.flags = 0;
  if (is_float) {
    flat.threshold = LargestDoubleBelow(static_cast<float>(node.threshold));
  } else if (node.missing == Missing::kZero) {
    flat.flags = kZeroMissing;
  } else {
    if (node.missing == Missing::kNone) {
      nan_left = 0.0 <= node.threshold;
    }
    if (rule == SplitRule::kLessEqualZeroed) {
      flat.threshold = ZeroedThreshold(node.threshold);
    }
  }
  flat.flags = static_cast<std::uint16_t>(flat.flags | (nan_left ? kNanLeft : 0));
  return flat;
}

FlatForest::FlatForest(const TreeEnsemble& ensemble)
    : n_features_(ensemble.feature_names.size()),
      link_(ensemble.link),
      start_(ensemble.start),
      slope_(ensemble.slope),
      divisor_(ensemble.divisor),
      category_bits_(ensemble.category_bits) {
  // Node 0 is a leaf of value 0: the idle lanes of the last group stand there.
  nodes_.push_back(Flatten(TreeNode{}, ensemble.rule));
  values_.push_back(0.0);
  for (const Tree& tree : ensemble.trees) {
    AddTree(tree, ensemble.rule);
  }
  MakeGroups();
}

void FlatForest::AddTree(const Tree& tree, SplitRule rule) {
  struct Place {
    std::int32_t from;
    std::uint32_t to;
    std::uint32_t depth;
  };
  const auto root = static_cast<std::uint32_t>(nodes_.size());
  std::uint32_t depth = 0;
  std::vector<Place> queue = {{0, root, 0}};
  nodes_.emplace_back();
  values_.push_back(0.0);
  // Breadth first: the nodes near the root, which every walk meets, lie together.
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const Place place = queue[i];
    const TreeNode& node = tree[static_cast<std::size_t>(place.from)];
    FlatNode flat = Flatten(node, rule);
    if (node.feature < 0) {
      flat.left = place.to;
      values_[place.to] = node.value;
      depth = std::max(depth, place.depth);
    } else {
      flat.left = static_cast<std::uint32_t>(nodes_.size());
      has_special_ = has_special_ || (flat.flags & kSpecial) != 0;
      nodes_.resize(nodes_.size() + 2);
      values_.resize(nodes_.size(), 0.0);
      queue.push_back({node.left, flat.left, place.depth + 1});
      queue.push_back({node.right, flat.left + 1, place.depth + 1});
    }
    nodes_[place.to] = flat;
  }
  roots_.push_back(root);
  depths_.push_back(depth);
}

void FlatForest::MakeGroups() {
  for (std::size_t begin = 0; begin < roots_.size(); begin += kBlockTrees) {
    const std::size_t size = std::min(kBlockTrees, roots_.size() - begin);
    std::vector<std::uint32_t> order(size);
    std::iota(order.begin(), order.end(), 0U);
    // Trees of like depth share a group, so that few steps are idle.
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return depths_[begin + a] < depths_[begin + b];
    });
    for (std::size_t first = 0; first < size; first += kLanes) {
      Group group{};
      // Idle lanes write past the block's trees; the buffer has room for them.
      group.places.fill(static_cast<std::uint32_t>(kBlockTrees));
      for (std::size_t lane = 0; lane < std::min(kLanes, size - first); ++lane) {
        const std::uint32_t tree = order[first + lane];
        group.roots[lane] = roots_[begin + tree];
        group.places[lane] = tree;
        group.depth = std::max(group.depth, depths_[begin + tree]);
      }
      groups_.push_back(group);
    }
    block_ends_.push_back(groups_.size());
  }
}

bool FlatForest::SpecialGoesLeft(const FlatNode& node, double x) const noexcept {
  const bool nan_left = (node.flags & kNanLeft) != 0;
  if ((node.flags & kZeroMissing) != 0) {
    return std::isnan(x) || std::fabs(x) <= kTiny ? nan_left : x <= node.threshold;
  }
  if (std::isnan(x)) {
    return nan_left;
  }
  const auto place = std::bit_cast<std::uint64_t>(node.threshold);
  const auto* words = category_bits_.data() + (place >> 32);
  const std::uint64_t n_bits = (place & 0xffffffffU) * 32;
  if ((node.flags & kSetLeft) != 0) {
    // Truncation towards zero makes -0.5 category 0; past int the upstream cast is undefined and we
    // say "not in the set".
    if (x <= -1.0 || x >= 2147483648.0) {
      return false;
    }
    const auto category = static_cast<std::uint64_t>(x);
    return category < n_bits && (words[category / 32] >> (category % 32) & 1U) != 0;
  }
  const auto narrow = static_cast<float>(x);
  if (narrow < 0.0f || narrow >= 16777216.0f) {
    return true;
  }
  const auto category = static_cast<std::uint64_t>(narrow);
  return category >= n_bits || (words[category / 32] >> (category % 32) & 1U) == 0;
}

template <bool kHasSpecial>
inline std::uint32_t FlatForest::Step(std::uint32_t at, const double* row) const noexcept {
  const FlatNode& node = nodes_[at];
  const double x = row[node.feature];
  if constexpr (kHasSpecial) {
    if ((node.flags & kSpecial) != 0) {
      return node.left + (SpecialGoesLeft(node, x) ? 0U : 1U);
    }
  }
  const unsigned is_below = static_cast<unsigned>(x <= node.threshold);
  const unsigned is_nan_left = static_cast<unsigned>(x != x) & node.flags;
  return node.left + 1U - (is_below | is_nan_left);
}

double FlatForest::Finish(double sum) const noexcept {
  if (link_ == Link::kMean) {
    return sum / divisor_;
  }
  if (divisor_ != 1.0) {
    sum /= divisor_;
  }
  return 1.0 / (1.0 + std::exp(-slope_ * sum));
}

float FlatForest::Finish(float sum) const noexcept {
  const float capped = std::min(-sum, 88.7f);
  const float denominator = std::exp(capped) + 1.0f + 1e-16f;
  return 1.0f / denominator;
}

template <bool kHasSpecial, typename Sum>
void FlatForest::PredictOne(const double* row, double* out) const noexcept {
  std::array<double, kBlockTrees + 1> leaves;
  auto sum = static_cast<Sum>(start_);
  std::size_t group = 0;
  for (std::size_t block = 0; block < block_ends_.size(); ++block) {
    for (; group < block_ends_[block]; ++group) {
      const Group& trees = groups_[group];
      std::array<std::uint32_t, kLanes> at = trees.roots;
      for (std::uint32_t step = 0; step < trees.depth; ++step) {
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          at[lane] = Step<kHasSpecial>(at[lane], row);
        }
      }
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        leaves[trees.places[lane]] = values_[at[lane]];
      }
    }
    const std::size_t size = std::min(kBlockTrees, roots_.size() - block * kBlockTrees);
    for (std::size_t tree = 0; tree < size; ++tree) {
      sum += static_cast<Sum>(leaves[tree]);
    }
  }
  *out = static_cast<double>(Finish(sum));
}

template <bool kHasSpecial, typename Sum>
void FlatForest::PredictBlock(const double* rows, std::size_t n_rows, double* out) const noexcept {
  std::array<Sum, kBlockRows> sums;
  sums.fill(static_cast<Sum>(start_));
  for (std::size_t tree = 0; tree < roots_.size(); ++tree) {
    for (std::size_t first = 0; first < n_rows; first += kLanes) {
      std::array<std::uint32_t, kLanes> at;
      std::array<const double*, kLanes> row;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        at[lane] = roots_[tree];
        // The last rows of an uneven block are walked more than once; their sums past n_rows are
        // not read.
        row[lane] = rows + std::min(first + lane, n_rows - 1) * n_features_;
      }
      for (std::uint32_t step = 0; step < depths_[tree]; ++step) {
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          at[lane] = Step<kHasSpecial>(at[lane], row[lane]);
        }
      }
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        sums[first + lane] += static_cast<Sum>(values_[at[lane]]);
      }
    }
  }
  for (std::size_t i = 0; i < n_rows; ++i) {
    out[i] = static_cast<double>(Finish(sums[i]));
  }
}

template <bool kHasSpecial, typename Sum>
void FlatForest::PredictAll(const double* rows, std::size_t n_rows, double* out) const noexcept {
  // Below half a lane group the walk across trees is faster than the walk across rows.
  constexpr std::size_t kFewRows = kLanes / 2;
  while (n_rows > 0) {
    const std::size_t size = n_rows < kFewRows ? 1 : std::min(kBlockRows, n_rows);
    if (size == 1) {
      PredictOne<kHasSpecial, Sum>(rows, out);
    } else {
      PredictBlock<kHasSpecial, Sum>(rows, size, out);
    }
    rows += size * n_features_;
    out += size;
    n_rows -= size;
  }
}

void FlatForest::Predict(const double* rows, std::size_t n_rows, double* out) const noexcept {
  const bool is_float = link_ == Link::kFloatSigmoid;
  if (has_special_) {
    is_float ? PredictAll<true, float>(rows, n_rows, out)
             : PredictAll<true, double>(rows, n_rows, out);
  } else {
    is_float ? PredictAll<false, float>(rows, n_rows, out)
             : PredictAll<false, double>(rows, n_rows, out);
  }
}

}  // namespace millrace::models::internal
