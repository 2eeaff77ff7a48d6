// SPDX-License-Identifier: Apache-2.0
// XGBoost's model document (doc/model.schema), the same in JSON and in UBJSON, into a tree
// ensemble.
#include "models/xgboost.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "models/internal/tree_ensemble.h"
#include "models/internal/ubjson.h"

namespace millrace::models {

namespace {

using internal::Tree;
using internal::TreeEnsemble;
using internal::TreeNode;
using nlohmann::json;

constexpr std::string_view kWhat = "XGBoost model";
// Categories from here on are out of every set: they are not exact in float32.
constexpr std::int64_t kEndOfCategories = 16777216;

Error Damaged(const std::string& path, const std::string& message) {
  return base::DataLoss(std::string(kWhat) + ", " + path + ": " + message)
      .Hint("the file is truncated or was edited; save the model again");
}

Error Unsupported(const std::string& message) {
  return base::Unimplemented(std::string(kWhat) + ": " + message +
                             "; scoring it would differ from XGBoost");
}

/// A member of an object, with the path for messages.
struct Node {
  const json* value;
  std::string path;

  Result<Node> At(const char* key) const {
    const std::string inner = path.empty() ? key : path + "." + key;
    if (!value->is_object() || !value->contains(key)) {
      return Damaged(inner, "it is missing");
    }
    return Node{&(*value)[key], inner};
  }

  Result<std::string> Text() const {
    if (!value->is_string()) {
      return Damaged(path, "wanted a text, it is " + std::string(value->type_name()));
    }
    return value->get<std::string>();
  }

  /// Integers stand as texts in XGBoost's parameters.
  Result<std::int64_t> Integer() const {
    if (value->is_number_integer()) {
      return value->get<std::int64_t>();
    }
    MILL_ASSIGN_OR_RETURN(const std::string text, Text());
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Damaged(path, "wanted an integer, it is \"" + text + "\"");
    }
    return number;
  }

  /// A list of `size` numbers, or of any length.
  template <typename T>
  Result<std::vector<T>> Numbers(std::size_t size = std::numeric_limits<std::size_t>::max()) const {
    if (!value->is_array()) {
      return Damaged(path, "wanted a list, it is " + std::string(value->type_name()));
    }
    if (size != std::numeric_limits<std::size_t>::max() && value->size() != size) {
      return Damaged(path,
                     std::to_string(value->size()) + " values, wanted " + std::to_string(size));
    }
    std::vector<T> numbers;
    numbers.reserve(value->size());
    for (const json& item : *value) {
      if (item.is_boolean()) {
        numbers.push_back(static_cast<T>(item.get<bool>() ? 1 : 0));
      } else if (item.is_number()) {
        numbers.push_back(item.get<T>());
      } else {
        return Damaged(path, "wanted numbers, one is " + std::string(item.type_name()));
      }
    }
    return numbers;
  }
};

/// The float that a text spells, read once and to the nearest, as XGBoost does.
Result<float> ParseFloat(const std::string& path, std::string_view text) {
  float value = 0.0f;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Damaged(path, "wanted a number, it is \"" + std::string(text) + "\"");
  }
  return value;
}

/// base_score is a probability, "5E-1" or since 3.1 "[5E-1]"; the margin is its logit in float32.
Result<float> ParseBaseMargin(const Node& parameters) {
  MILL_ASSIGN_OR_RETURN(const Node node, parameters.At("base_score"));
  MILL_ASSIGN_OR_RETURN(const std::string text, node.Text());
  std::string_view number = text;
  if (number.size() >= 2 && number.front() == '[' && number.back() == ']') {
    number = number.substr(1, number.size() - 2);
    if (number.find(',') != std::string_view::npos) {
      return Unsupported("base_score \"" + text + "\" has several values");
    }
  }
  MILL_ASSIGN_OR_RETURN(const float score, ParseFloat(node.path, number));
  if (!(score > 0.0f && score < 1.0f)) {
    return Damaged(node.path, "\"" + text + "\" is not inside (0, 1)");
  }
  return -std::log(1.0f / score - 1.0f);
}

/// Lists of one tree, each with one value per node.
struct TreeLists {
  std::vector<std::int32_t> lefts;
  std::vector<std::int32_t> rights;
  std::vector<std::int64_t> features;
  std::vector<float> conditions;
  std::vector<float> gains;
  std::vector<int> default_lefts;
  std::vector<int> split_types;
};

Result<TreeLists> ReadLists(const Node& tree) {
  TreeLists lists;
  MILL_ASSIGN_OR_RETURN(const Node lefts, tree.At("left_children"));
  MILL_ASSIGN_OR_RETURN(lists.lefts, lefts.Numbers<std::int32_t>());
  const std::size_t size = lists.lefts.size();
  MILL_ASSIGN_OR_RETURN(const Node rights, tree.At("right_children"));
  MILL_ASSIGN_OR_RETURN(lists.rights, rights.Numbers<std::int32_t>(size));
  MILL_ASSIGN_OR_RETURN(const Node features, tree.At("split_indices"));
  MILL_ASSIGN_OR_RETURN(lists.features, features.Numbers<std::int64_t>(size));
  MILL_ASSIGN_OR_RETURN(const Node conditions, tree.At("split_conditions"));
  MILL_ASSIGN_OR_RETURN(lists.conditions, conditions.Numbers<float>(size));
  MILL_ASSIGN_OR_RETURN(const Node gains, tree.At("loss_changes"));
  MILL_ASSIGN_OR_RETURN(lists.gains, gains.Numbers<float>(size));
  MILL_ASSIGN_OR_RETURN(const Node default_lefts, tree.At("default_left"));
  MILL_ASSIGN_OR_RETURN(lists.default_lefts, default_lefts.Numbers<int>(size));
  if (tree.value->contains("split_type")) {
    MILL_ASSIGN_OR_RETURN(const Node types, tree.At("split_type"));
    MILL_ASSIGN_OR_RETURN(lists.split_types, types.Numbers<int>(size));
  } else {
    lists.split_types.assign(size, 0);
  }
  return lists;
}

/// Trees that dropout (DART) weighed: each leaf counts leaf * weight, in float32.
Result<void> ApplyDropoutWeights(const Node& model, TreeEnsemble& ensemble) {
  MILL_ASSIGN_OR_RETURN(const Node weights_at, model.At("weight_drop"));
  if (weights_at.value->empty()) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(const auto weights, weights_at.Numbers<float>(ensemble.trees.size()));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    for (TreeNode& node : ensemble.trees[i]) {
      node.value = static_cast<double>(static_cast<float>(node.value) * weights[i]);
    }
  }
  return {};
}

/// Sets of the categorical nodes, behind those of the trees before.
Result<void> AddCategories(const Node& document, Tree& tree, std::vector<std::uint32_t>& bits) {
  MILL_ASSIGN_OR_RETURN(const Node nodes_at, document.At("categories_nodes"));
  MILL_ASSIGN_OR_RETURN(const auto nodes, nodes_at.Numbers<std::int64_t>());
  MILL_ASSIGN_OR_RETURN(const Node begins_at, document.At("categories_segments"));
  MILL_ASSIGN_OR_RETURN(const auto begins, begins_at.Numbers<std::int64_t>(nodes.size()));
  MILL_ASSIGN_OR_RETURN(const Node sizes_at, document.At("categories_sizes"));
  MILL_ASSIGN_OR_RETURN(const auto sizes, sizes_at.Numbers<std::int64_t>(nodes.size()));
  MILL_ASSIGN_OR_RETURN(const Node categories_at, document.At("categories"));
  MILL_ASSIGN_OR_RETURN(const auto categories, categories_at.Numbers<std::int64_t>());
  const auto n_categories = static_cast<std::int64_t>(categories.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const bool is_node = nodes[i] >= 0 && nodes[i] < static_cast<std::int64_t>(tree.size()) &&
                         tree[static_cast<std::size_t>(nodes[i])].is_categorical;
    if (!is_node || begins[i] < 0 || sizes[i] < 0 || begins[i] > n_categories ||
        sizes[i] > n_categories - begins[i]) {
      return Damaged(nodes_at.path, "set " + std::to_string(i) + " of node " +
                                        std::to_string(nodes[i]) +
                                        " does not fit the tree and its categories");
    }
    TreeNode& node = tree[static_cast<std::size_t>(nodes[i])];
    node.category_begin = static_cast<std::uint32_t>(bits.size());
    for (std::int64_t k = begins[i]; k < begins[i] + sizes[i]; ++k) {
      const std::int64_t category = categories[static_cast<std::size_t>(k)];
      if (category < 0 || category >= kEndOfCategories) {
        return Damaged(categories_at.path, "category " + std::to_string(category) +
                                               " is outside [0, " +
                                               std::to_string(kEndOfCategories) + ")");
      }
      const auto word = static_cast<std::size_t>(category) / 32;
      if (node.category_begin + word >= bits.size()) {
        bits.resize(node.category_begin + word + 1, 0);
      }
      bits[node.category_begin + word] |= 1U << (category % 32);
    }
    node.category_words = static_cast<std::uint32_t>(bits.size()) - node.category_begin;
  }
  return {};
}

Result<Tree> ParseTree(const Node& document, std::vector<std::uint32_t>& bits) {
  MILL_ASSIGN_OR_RETURN(const Node parameters, document.At("tree_param"));
  if (parameters.value->contains("size_leaf_vector")) {
    MILL_ASSIGN_OR_RETURN(const Node vector_at, parameters.At("size_leaf_vector"));
    MILL_ASSIGN_OR_RETURN(const std::int64_t size, vector_at.Integer());
    if (size > 1) {
      return Unsupported(document.path + " has vector leaves of size " + std::to_string(size));
    }
  }
  MILL_ASSIGN_OR_RETURN(const TreeLists lists, ReadLists(document));
  Tree tree(lists.lefts.size());
  for (std::size_t i = 0; i < tree.size(); ++i) {
    TreeNode& node = tree[i];
    if (lists.lefts[i] < 0) {
      node.value = static_cast<double>(lists.conditions[i]);
      continue;
    }
    constexpr std::int64_t kMaxFeature = std::numeric_limits<std::int32_t>::max();
    if (lists.features[i] < 0 || lists.features[i] > kMaxFeature) {
      return Damaged(document.path, "node " + std::to_string(i) + " splits on feature " +
                                        std::to_string(lists.features[i]));
    }
    node.feature = static_cast<std::int32_t>(lists.features[i]);
    node.left = lists.lefts[i];
    node.right = lists.rights[i];
    node.default_left = lists.default_lefts[i] != 0;
    node.is_categorical = lists.split_types[i] != 0;
    node.threshold = static_cast<double>(lists.conditions[i]);
    node.gain = static_cast<double>(lists.gains[i]);
  }
  if (document.value->contains("categories_nodes")) {
    MILL_RETURN_IF_ERROR(AddCategories(document, tree, bits));
  }
  return tree;
}

Result<void> CheckObjective(const Node& learner) {
  MILL_ASSIGN_OR_RETURN(const Node objective, learner.At("objective"));
  MILL_ASSIGN_OR_RETURN(const Node name_at, objective.At("name"));
  MILL_ASSIGN_OR_RETURN(const std::string name, name_at.Text());
  if (name != "binary:logistic") {
    return Unsupported("objective \"" + name + "\" (wanted: binary:logistic)");
  }
  return {};
}

Result<void> ParseNames(const Node& learner, std::int64_t n_features, TreeEnsemble& ensemble) {
  // An upper bound before any memory is taken by it; CheckEnsemble refuses more anyway.
  if (n_features < 1 || n_features > std::numeric_limits<std::uint16_t>::max()) {
    return Unsupported("num_feature is " + std::to_string(n_features));
  }
  const auto size = static_cast<std::size_t>(n_features);
  if (learner.value->contains("feature_names") && !(*learner.value)["feature_names"].empty()) {
    MILL_ASSIGN_OR_RETURN(const Node names, learner.At("feature_names"));
    if (!names.value->is_array() || names.value->size() != size) {
      return Damaged(names.path, "wanted " + std::to_string(size) + " names");
    }
    for (const json& name : *names.value) {
      MILL_ASSIGN_OR_RETURN(std::string text, (Node{&name, names.path}.Text()));
      ensemble.feature_names.push_back(std::move(text));
    }
    return {};
  }
  for (std::size_t i = 0; i < size; ++i) {
    ensemble.feature_names.push_back("f" + std::to_string(i));
  }
  return {};
}

Result<void> ParseTrees(const Node& learner, TreeEnsemble& ensemble) {
  MILL_ASSIGN_OR_RETURN(const Node booster, learner.At("gradient_booster"));
  MILL_ASSIGN_OR_RETURN(const Node name_at, booster.At("name"));
  MILL_ASSIGN_OR_RETURN(const std::string name, name_at.Text());
  if (name != "gbtree") {
    return Unsupported("booster \"" + name + "\" (wanted: gbtree)");
  }
  MILL_ASSIGN_OR_RETURN(const Node model, booster.At("model"));
  if (model.value->contains("cats")) {
    MILL_ASSIGN_OR_RETURN(const Node categories, model.At("cats"));
    MILL_ASSIGN_OR_RETURN(const Node encoding, categories.At("enc"));
    if (!encoding.value->empty()) {
      return Unsupported(
          "it re-codes categories by itself (cats.enc is not empty); train on numeric codes");
    }
  }
  MILL_ASSIGN_OR_RETURN(const Node trees, model.At("trees"));
  if (!trees.value->is_array()) {
    return Damaged(trees.path, "wanted a list, it is " + std::string(trees.value->type_name()));
  }
  MILL_ASSIGN_OR_RETURN(const Node count_at, model.At("gbtree_model_param"));
  MILL_ASSIGN_OR_RETURN(const Node n_trees_at, count_at.At("num_trees"));
  MILL_ASSIGN_OR_RETURN(const std::int64_t n_trees, n_trees_at.Integer());
  if (n_trees != static_cast<std::int64_t>(trees.value->size())) {
    return Damaged(trees.path, std::to_string(trees.value->size()) + " trees, but num_trees is " +
                                   std::to_string(n_trees));
  }
  for (std::size_t i = 0; i < trees.value->size(); ++i) {
    const Node tree_at{&(*trees.value)[i], "tree " + std::to_string(i)};
    MILL_ASSIGN_OR_RETURN(Tree tree, ParseTree(tree_at, ensemble.category_bits));
    ensemble.trees.push_back(std::move(tree));
  }
  // Since 3.4 dropout is an option of gbtree, and its weights stand beside the trees.
  if (model.value->contains("weight_drop")) {
    MILL_RETURN_IF_ERROR(ApplyDropoutWeights(model, ensemble));
  }
  return {};
}

Result<TreeEnsemble> ParseDocument(const json& document) {
  TreeEnsemble ensemble;
  ensemble.rule = internal::SplitRule::kLessFloat;
  ensemble.link = internal::Link::kFloatSigmoid;
  MILL_ASSIGN_OR_RETURN(const Node learner, (Node{&document, ""}.At("learner")));
  MILL_RETURN_IF_ERROR(CheckObjective(learner));
  MILL_ASSIGN_OR_RETURN(const Node parameters, learner.At("learner_model_param"));
  for (const char* key : {"num_class", "num_target"}) {
    if (parameters.value->contains(key)) {
      MILL_ASSIGN_OR_RETURN(const Node node, parameters.At(key));
      MILL_ASSIGN_OR_RETURN(const std::int64_t number, node.Integer());
      if (number > 1) {
        return Unsupported(std::string(key) + " is " + std::to_string(number));
      }
    }
  }
  MILL_ASSIGN_OR_RETURN(const float margin, ParseBaseMargin(parameters));
  ensemble.start = static_cast<double>(margin);
  MILL_ASSIGN_OR_RETURN(const Node n_features_at, parameters.At("num_feature"));
  MILL_ASSIGN_OR_RETURN(const std::int64_t n_features, n_features_at.Integer());
  MILL_RETURN_IF_ERROR(ParseNames(learner, n_features, ensemble));
  MILL_RETURN_IF_ERROR(ParseTrees(learner, ensemble));
  MILL_RETURN_IF_ERROR(CheckEnsemble(ensemble, kWhat));
  return ensemble;
}

}  // namespace

Result<std::shared_ptr<const Estimator>> ParseXgboost(std::string_view bytes) {
  // UBJSON follows the bracket with a length's marker, JSON with a blank, a quote or the closing
  // bracket.
  const bool is_json = bytes.size() >= 2 && bytes[0] == '{' &&
                       std::string_view(" \t\r\n\"}").find(bytes[1]) != std::string_view::npos;
  if (bytes.empty() || bytes[0] != '{') {
    return base::InvalidArgument(std::string(kWhat) + ": the bytes are neither JSON nor UBJSON")
        .Hint("give a model.json or model.ubj; the old binary format is not read");
  }
  MILL_ASSIGN_OR_RETURN(const json document,
                        is_json ? base::ParseJson(bytes, kWhat) : internal::ParseUbjson(bytes));
  MILL_ASSIGN_OR_RETURN(TreeEnsemble ensemble, ParseDocument(document));
  return MakeTreeEstimator(std::move(ensemble),
                           {"xgboost", is_json ? "model.json" : "model.ubj", std::string(bytes)});
}

}  // namespace millrace::models
