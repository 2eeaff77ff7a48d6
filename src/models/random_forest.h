// SPDX-License-Identifier: Apache-2.0
// Our own random forest as data, its estimator, and the reader of its native format
// (docs/formats/native_models.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/model.h"

namespace millrace::models {

/// One node of a tree. An inner node sends x left iff `x <= threshold`; a missing value goes to the
/// learnt default side.
struct ForestNode {
  /// Index of the feature, or -1 for a leaf.
  std::int32_t feature = -1;
  /// Positions of the children in the tree's list; both greater than the node's own. Unused in a
  /// leaf.
  std::int32_t left = -1;
  std::int32_t right = -1;
  bool default_left = false;
  double threshold = 0.0;
  /// Share of the positive class among the rows that reached the node, in [0, 1]. Only a leaf's
  /// counts for prediction.
  double value = 0.0;
  /// Decrease of weighted impurity by the split; 0 in a leaf.
  double gain = 0.0;
  /// Weight of the training rows that reached the node.
  double weight = 0.0;

  bool operator==(const ForestNode&) const = default;
};

/// Nodes of one tree; the first is the root.
struct ForestTree {
  std::vector<ForestNode> nodes;
  bool operator==(const ForestTree&) const = default;
};

/// A forest; its prediction is the mean of the leaves' values, summed in the order of the trees and
/// divided once.
struct ForestData {
  std::vector<std::string> feature_names;
  std::vector<ForestTree> trees;
  bool operator==(const ForestData&) const = default;
};

/// Checks the forest and makes its estimator. kInvalidArgument names the tree, the node and what is
/// wrong (no trees, a child before its parent or reached twice, a feature out of range, a value
/// that is not finite or outside [0, 1]).
Result<std::shared_ptr<const Estimator>> MakeRandomForest(ForestData data);

/// Reads `NativeBytes()` of a forest: kDataLoss for truncated or changed bytes, kUnimplemented for
/// a newer format version.
Result<std::shared_ptr<const Estimator>> ParseRandomForest(std::string_view bytes);

}  // namespace millrace::models
