// SPDX-License-Identifier: Apache-2.0
// The estimator of any tree ensemble, and the checks that its trees are trees.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "models/internal/flat_forest.h"
#include "models/internal/onnx_export.h"
#include "models/internal/tree_ensemble.h"

namespace millrace::models::internal {

namespace {

std::string Place(std::string_view what, std::size_t tree, std::size_t node) {
  return std::string(what) + ": tree " + std::to_string(tree) + ", node " + std::to_string(node) +
         ": ";
}

Result<void> CheckNode(const TreeEnsemble& ensemble, std::size_t tree, std::size_t index,
                       std::string_view what) {
  const TreeNode& node = ensemble.trees[tree][index];
  if (node.feature < 0) {
    if (!std::isfinite(node.value)) {
      return base::DataLoss(Place(what, tree, index) + "leaf value " + std::to_string(node.value) +
                            " is not finite");
    }
    return {};
  }
  if (static_cast<std::size_t>(node.feature) >= ensemble.feature_names.size()) {
    return base::DataLoss(Place(what, tree, index) + "feature " + std::to_string(node.feature) +
                          " of " + std::to_string(ensemble.feature_names.size()));
  }
  if (!node.is_categorical && std::isnan(node.threshold)) {
    return base::DataLoss(Place(what, tree, index) + "the threshold is NaN");
  }
  const std::uint64_t end = std::uint64_t{node.category_begin} + node.category_words;
  if (node.is_categorical && end > ensemble.category_bits.size()) {
    return base::DataLoss(Place(what, tree, index) + "its category set ends at word " +
                          std::to_string(end) + " of " +
                          std::to_string(ensemble.category_bits.size()));
  }
  return {};
}

Result<void> CheckTree(const TreeEnsemble& ensemble, std::size_t index, std::string_view what) {
  const Tree& tree = ensemble.trees[index];
  if (tree.empty()) {
    return base::DataLoss(std::string(what) + ": tree " + std::to_string(index) + " has no nodes");
  }
  std::vector<bool> is_seen(tree.size(), false);
  std::vector<std::size_t> open = {0};
  is_seen[0] = true;
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    MILL_RETURN_IF_ERROR(CheckNode(ensemble, index, at, what));
    if (tree[at].feature < 0) {
      continue;
    }
    for (const std::int32_t child : {tree[at].left, tree[at].right}) {
      if (child < 0 || static_cast<std::size_t>(child) >= tree.size()) {
        return base::DataLoss(Place(what, index, at) + "child " + std::to_string(child) + " of " +
                              std::to_string(tree.size()) + " nodes");
      }
      if (is_seen[static_cast<std::size_t>(child)]) {
        return base::DataLoss(Place(what, index, at) + "child " + std::to_string(child) +
                              " is reached twice");
      }
      is_seen[static_cast<std::size_t>(child)] = true;
      open.push_back(static_cast<std::size_t>(child));
    }
  }
  return {};
}

class TreeEstimator final : public Estimator {
 public:
  TreeEstimator(TreeEnsemble ensemble, NativeForm native)
      : ensemble_(std::move(ensemble)), native_(std::move(native)) {}

  std::string_view kind() const override { return native_.kind; }
  const std::vector<std::string>& feature_names() const override { return ensemble_.feature_names; }
  std::size_t n_trees() const override { return ensemble_.trees.size(); }

  std::vector<double> GainImportance() const override {
    return Importance([](const TreeNode& node) { return std::max(node.gain, 0.0); });
  }
  std::vector<double> SplitImportance() const override {
    return Importance([](const TreeNode&) { return 1.0; });
  }

  std::string NativeBytes() const override { return native_.bytes; }
  std::string NativeFileName() const override { return native_.file_name; }
  std::unique_ptr<Engine> MakeEngine() const override {
    return std::make_unique<FlatForest>(ensemble_);
  }
  Result<std::string> OnnxBytes(const Signature& signature) const override {
    MILL_RETURN_IF_ERROR(CheckSignature(signature, ensemble_.feature_names));
    return TreesToOnnx(ensemble_, signature);
  }

 private:
  template <typename Weight>
  std::vector<double> Importance(Weight weight) const {
    std::vector<double> sums(ensemble_.feature_names.size(), 0.0);
    for (const Tree& tree : ensemble_.trees) {
      for (const TreeNode& node : tree) {
        if (node.feature >= 0) {
          sums[static_cast<std::size_t>(node.feature)] += weight(node);
        }
      }
    }
    return sums;
  }

  TreeEnsemble ensemble_;
  NativeForm native_;
};

}  // namespace

Result<void> CheckEnsemble(const TreeEnsemble& ensemble, std::string_view what) {
  constexpr std::size_t kMaxFeatures = std::numeric_limits<std::uint16_t>::max();
  constexpr std::size_t kMaxNodes = std::numeric_limits<std::uint32_t>::max() / 4;
  if (ensemble.feature_names.empty() || ensemble.feature_names.size() > kMaxFeatures) {
    return base::Unimplemented(std::string(what) + ": " +
                               std::to_string(ensemble.feature_names.size()) + " features; 1 to " +
                               std::to_string(kMaxFeatures) + " can be scored");
  }
  if (ensemble.trees.empty()) {
    return base::InvalidArgument(std::string(what) + ": it has no trees");
  }
  std::size_t n_nodes = 0;
  for (std::size_t i = 0; i < ensemble.trees.size(); ++i) {
    MILL_RETURN_IF_ERROR(CheckTree(ensemble, i, what));
    n_nodes += ensemble.trees[i].size();
  }
  if (n_nodes > kMaxNodes) {
    return base::Unimplemented(std::string(what) + ": " + std::to_string(n_nodes) +
                               " nodes; at most " + std::to_string(kMaxNodes) + " can be scored");
  }
  return {};
}

std::shared_ptr<const Estimator> MakeTreeEstimator(TreeEnsemble ensemble, NativeForm native) {
  return std::make_shared<TreeEstimator>(std::move(ensemble), std::move(native));
}

}  // namespace millrace::models::internal
