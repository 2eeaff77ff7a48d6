// SPDX-License-Identifier: Apache-2.0
// TreeEnsemble: what every tree model is read into, whatever format it came from, before it becomes
// an engine or ONNX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "models/model.h"

namespace millrace::models::internal {

/// How a node treats a missing value; the numbers are LightGBM's (bits 2 and 3 of decision_type).
enum class Missing : std::uint8_t {
  /// NaN counts as 0.
  kNone = 0,
  /// NaN and values up to 1e-35 in size take the default side.
  kZero = 1,
  /// NaN takes the default side.
  kNaN = 2,
};

/// Which comparison a model's splits mean.
enum class SplitRule {
  /// double: left iff x <= threshold. Forest.
  kLessEqual,
  /// As kLessEqual, after values up to 1e-35 in size became 0. LightGBM.
  kLessEqualZeroed,
  /// float32: left iff float(x) < float(threshold). XGBoost.
  kLessFloat,
};

/// What happens to the sum of the leaves.
enum class Link {
  /// sum / divisor.
  kMean,
  /// 1 / (1 + exp(-slope * sum / divisor)) in double. LightGBM.
  kSigmoid,
  /// Sum and sigmoid in float32, by XGBoost's formula.
  kFloatSigmoid,
};

struct TreeNode {
  /// -1 for a leaf.
  std::int32_t feature = -1;
  std::int32_t left = -1;
  std::int32_t right = -1;
  Missing missing = Missing::kNaN;
  bool default_left = false;
  bool is_categorical = false;
  double threshold = 0.0;
  /// Leaf: what it adds to the sum.
  double value = 0.0;
  /// Inner node: gain of the split.
  double gain = 0.0;
  /// Categorical node: its set is words [category_begin, category_begin + category_words) of
  /// category_bits.
  std::uint32_t category_begin = 0;
  std::uint32_t category_words = 0;
};

using Tree = std::vector<TreeNode>;

struct TreeEnsemble {
  std::vector<std::string> feature_names;
  std::vector<Tree> trees;
  std::vector<std::uint32_t> category_bits;
  SplitRule rule = SplitRule::kLessEqual;
  Link link = Link::kMean;
  /// The sum starts here.
  double start = 0.0;
  double slope = 1.0;
  double divisor = 1.0;
};

/// Checks that each tree is one (children in range, no node reached twice, features in range,
/// finite leaf values) and that the sizes fit the flat form. `what` opens the message ("LightGBM
/// model").
Result<void> CheckEnsemble(const TreeEnsemble& ensemble, std::string_view what);

/// The name of a tree estimator and its own bytes.
struct NativeForm {
  std::string kind;
  std::string file_name;
  std::string bytes;
};

/// The estimator of a checked ensemble.
std::shared_ptr<const Estimator> MakeTreeEstimator(TreeEnsemble ensemble, NativeForm native);

}  // namespace millrace::models::internal
