// SPDX-License-Identifier: Apache-2.0
// The forest's checks, its native bytes, and its way into a tree ensemble.
#include "models/random_forest.h"

#include <cmath>
#include <utility>

#include "models/internal/native_file.h"
#include "models/internal/tree_ensemble.h"

namespace millrace::models {

namespace {

using internal::NativeReader;
using internal::NativeWriter;
using internal::TreeEnsemble;
using internal::TreeNode;

// These reach disk: docs/formats/native_models.md.
constexpr std::string_view kMagic = "MILLRFOR";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kWhat = "random forest";
// feature, left, right, default_left, and four doubles.
constexpr std::size_t kNodeSize = 4 + 4 + 4 + 1 + 4 * 8;

std::string ToBytes(const ForestData& data) {
  NativeWriter writer;
  writer.AddU32(static_cast<std::uint32_t>(data.feature_names.size()));
  for (const std::string& name : data.feature_names) {
    writer.AddText(name);
  }
  writer.AddU32(static_cast<std::uint32_t>(data.trees.size()));
  for (const ForestTree& tree : data.trees) {
    writer.AddU32(static_cast<std::uint32_t>(tree.nodes.size()));
    for (const ForestNode& node : tree.nodes) {
      writer.AddU32(static_cast<std::uint32_t>(node.feature));
      writer.AddU32(static_cast<std::uint32_t>(node.left));
      writer.AddU32(static_cast<std::uint32_t>(node.right));
      writer.AddU8(node.default_left ? 1 : 0);
      writer.AddDouble(node.threshold);
      writer.AddDouble(node.value);
      writer.AddDouble(node.gain);
      writer.AddDouble(node.weight);
    }
  }
  return writer.Finish(kMagic, kVersion);
}

Result<ForestData> FromBytes(std::string_view bytes) {
  MILL_ASSIGN_OR_RETURN(NativeReader reader, NativeReader::Open(bytes, kMagic, kVersion, kWhat));
  ForestData data;
  const std::size_t n_features = reader.Count(4);
  for (std::size_t i = 0; i < n_features; ++i) {
    data.feature_names.push_back(reader.Text());
  }
  const std::size_t n_trees = reader.Count(4);
  for (std::size_t i = 0; i < n_trees; ++i) {
    ForestTree& tree = data.trees.emplace_back();
    tree.nodes.resize(reader.Count(kNodeSize));
    for (ForestNode& node : tree.nodes) {
      node.feature = static_cast<std::int32_t>(reader.U32());
      node.left = static_cast<std::int32_t>(reader.U32());
      node.right = static_cast<std::int32_t>(reader.U32());
      node.default_left = reader.U8() != 0;
      node.threshold = reader.Double();
      node.value = reader.Double();
      node.gain = reader.Double();
      node.weight = reader.Double();
    }
  }
  MILL_RETURN_IF_ERROR(reader.Finish());
  return data;
}

/// What CheckEnsemble does not ask for: shares, finite thresholds and the order of the nodes.
Result<void> CheckData(const ForestData& data) {
  for (std::size_t t = 0; t < data.trees.size(); ++t) {
    const auto& nodes = data.trees[t].nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const ForestNode& node = nodes[i];
      const std::string place =
          std::string(kWhat) + ": tree " + std::to_string(t) + ", node " + std::to_string(i);
      if (!(node.value >= 0.0 && node.value <= 1.0)) {
        return base::InvalidArgument(place + ": value " + std::to_string(node.value) +
                                     " is outside [0, 1]");
      }
      if (node.feature < -1) {
        return base::InvalidArgument(place + ": feature " + std::to_string(node.feature) +
                                     ", wanted -1 or an index");
      }
      const auto own = static_cast<std::int64_t>(i);
      if (node.feature >= 0 && (node.left <= own || node.right <= own)) {
        return base::InvalidArgument(place + ": children " + std::to_string(node.left) + " and " +
                                     std::to_string(node.right) + " must come after their parent");
      }
      if (node.feature >= 0 && !std::isfinite(node.threshold)) {
        return base::InvalidArgument(place + ": the threshold is not finite");
      }
    }
  }
  return {};
}

TreeEnsemble ToEnsemble(const ForestData& data) {
  TreeEnsemble ensemble;
  ensemble.feature_names = data.feature_names;
  ensemble.rule = internal::SplitRule::kLessEqual;
  ensemble.link = internal::Link::kMean;
  ensemble.divisor = static_cast<double>(data.trees.size());
  for (const ForestTree& tree : data.trees) {
    internal::Tree& nodes = ensemble.trees.emplace_back();
    nodes.reserve(tree.nodes.size());
    for (const ForestNode& node : tree.nodes) {
      nodes.push_back({.feature = node.feature,
                       .left = node.left,
                       .right = node.right,
                       .missing = internal::Missing::kNaN,
                       .default_left = node.default_left,
                       .is_categorical = false,
                       .threshold = node.threshold,
                       .value = node.value,
                       .gain = node.gain});
    }
  }
  return ensemble;
}

}  // namespace

Result<std::shared_ptr<const Estimator>> MakeRandomForest(ForestData data) {
  MILL_RETURN_IF_ERROR(CheckData(data));
  TreeEnsemble ensemble = ToEnsemble(data);
  auto checked = CheckEnsemble(ensemble, kWhat);
  if (!checked.ok()) {
    return base::InvalidArgument(checked.error().message());
  }
  return MakeTreeEstimator(std::move(ensemble), {"random_forest", "model.forest", ToBytes(data)});
}

Result<std::shared_ptr<const Estimator>> ParseRandomForest(std::string_view bytes) {
  MILL_ASSIGN_OR_RETURN(ForestData data, FromBytes(bytes));
  return MakeRandomForest(std::move(data));
}

}  // namespace millrace::models
