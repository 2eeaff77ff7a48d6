// SPDX-License-Identifier: Apache-2.0
// FlatForest: the arena that scores a tree ensemble; one array of 16-byte nodes and a walk of 16
// chains in lock-step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "models/engine.h"
#include "models/internal/tree_ensemble.h"

namespace millrace::models::internal {

/// Every node, of any rule, decides by `left iff x <= threshold, or x is NaN and the node's NaN bit
/// is set`: the rules of the libraries are folded into the threshold. The right child follows the
/// left one. A leaf leads to itself, so that a walk needs no test for its end.
struct FlatNode {
  double threshold;
  std::uint16_t feature;
  std::uint16_t flags;
  std::uint32_t left;
};
static_assert(sizeof(FlatNode) == 16);

inline constexpr std::uint16_t kNanLeft = 1;
/// The node cannot be decided by its threshold alone: a categorical set, or zero counts as missing.
inline constexpr std::uint16_t kZeroMissing = 2;
inline constexpr std::uint16_t kSetLeft = 4;
inline constexpr std::uint16_t kSetRight = 8;
inline constexpr std::uint16_t kSpecial = kZeroMissing | kSetLeft | kSetRight;

/// The node's decision as threshold and flags; categorical nodes hold their set's place in the
/// threshold's bits.
FlatNode Flatten(const TreeNode& node, SplitRule rule);

/// The engine of a tree ensemble.
///
/// One row: trees, sorted by depth inside blocks of kBlockTrees, are walked 16 at a time; their
/// leaves go to a buffer in the original order and are summed from there. Many rows: one tree at a
/// time, 16 rows in lock-step. Both add the same numbers in the same order, so a row's score does
/// not depend on its company.
class FlatForest final : public Engine {
 public:
  explicit FlatForest(const TreeEnsemble& ensemble);

  std::size_t n_features() const noexcept override { return n_features_; }
  void Predict(const double* rows, std::size_t n_rows, double* out) const noexcept override;

 private:
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kBlockTrees = 2048;
  static constexpr std::size_t kBlockRows = 64;

  /// 16 trees of one block of trees, and where their leaves go in the block's buffer.
  struct Group {
    std::array<std::uint32_t, kLanes> roots;
    std::array<std::uint32_t, kLanes> places;
    std::uint32_t depth;
  };

  void AddTree(const Tree& tree, SplitRule rule);
  void MakeGroups();
  template <bool kHasSpecial>
  std::uint32_t Step(std::uint32_t at, const double* row) const noexcept;
  bool SpecialGoesLeft(const FlatNode& node, double x) const noexcept;
  template <bool kHasSpecial, typename Sum>
  void PredictOne(const double* row, double* out) const noexcept;
  template <bool kHasSpecial, typename Sum>
  void PredictBlock(const double* rows, std::size_t n_rows, double* out) const noexcept;
  template <bool kHasSpecial, typename Sum>
  void PredictAll(const double* rows, std::size_t n_rows, double* out) const noexcept;
  double Finish(double sum) const noexcept;
  float Finish(float sum) const noexcept;

  std::size_t n_features_;
  Link link_;
  double start_;
  double slope_;
  double divisor_;
  bool has_special_ = false;
  std::vector<FlatNode> nodes_;
  /// Leaf values by node.
  std::vector<double> values_;
  std::vector<std::uint32_t> category_bits_;
  /// Per tree, in the original order.
  std::vector<std::uint32_t> roots_;
  std::vector<std::uint32_t> depths_;
  std::vector<Group> groups_;
  /// Groups before the end of each block of kBlockTrees trees.
  std::vector<std::size_t> block_ends_;
};

}  // namespace millrace::models::internal
