// SPDX-License-Identifier: Apache-2.0
// LightGBM's text format: a header of key=value lines, one block of them per tree, and an end mark.
#include "models/lightgbm.h"

#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/internal/tree_ensemble.h"

namespace millrace::models {

namespace {

using internal::Missing;
using internal::Tree;
using internal::TreeEnsemble;
using internal::TreeNode;

constexpr std::string_view kWhat = "LightGBM model";
// Bits of decision_type.
constexpr int kCategoricalBit = 1;
constexpr int kDefaultLeftBit = 2;

/// The key=value lines of one block.
struct Block {
  std::string name;
  std::map<std::string, std::string_view, std::less<>> values;
};

Error Damaged(const Block& block, const std::string& message) {
  return base::DataLoss(std::string(kWhat) + ", " + block.name + ": " + message)
      .Hint("the text is truncated or was edited; save the model again");
}

Error Unsupported(const std::string& message) {
  return base::Unimplemented(std::string(kWhat) + ": " + message +
                             "; scoring it would differ from LightGBM");
}

std::string_view NextLine(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
  }
  return line;
}

std::vector<std::string_view> SplitWords(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    if (end != 0) {
      words.push_back(text.substr(0, end));
    }
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return words;
}

template <typename T>
Result<T> ParseNumber(const Block& block, std::string_view key, std::string_view word) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) {
    return Damaged(
        block, "\"" + std::string(key) + "\" holds \"" + std::string(word) + "\", not a number");
  }
  return value;
}

Result<std::string_view> Text(const Block& block, std::string_view key) {
  const auto found = block.values.find(key);
  if (found == block.values.end()) {
    return Damaged(block, "the line \"" + std::string(key) + "=\" is missing");
  }
  return found->second;
}

template <typename T>
Result<T> Number(const Block& block, std::string_view key) {
  MILL_ASSIGN_OR_RETURN(const std::string_view text, Text(block, key));
  return ParseNumber<T>(block, key, text);
}

template <typename T>
Result<std::vector<T>> Numbers(const Block& block, std::string_view key, std::size_t size) {
  MILL_ASSIGN_OR_RETURN(const std::string_view text, Text(block, key));
  const std::vector<std::string_view> words = SplitWords(text);
  if (words.size() != size) {
    return Damaged(block, "\"" + std::string(key) + "\" holds " + std::to_string(words.size()) +
                              " values, not " + std::to_string(size));
  }
  std::vector<T> values;
  values.reserve(size);
  for (const std::string_view word : words) {
    MILL_ASSIGN_OR_RETURN(const T value, ParseNumber<T>(block, key, word));
    values.push_back(value);
  }
  return values;
}

/// Category sets of one tree go behind those of the trees before it.
Result<void> AddCategories(const Block& block, std::size_t n_sets, Tree& tree,
                           std::vector<std::uint32_t>& bits) {
  if (n_sets == 0) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(const auto bounds,
                        Numbers<std::uint32_t>(block, "cat_boundaries", n_sets + 1));
  for (std::size_t i = 0; i < n_sets; ++i) {
    if (bounds[i] > bounds[i + 1]) {
      return Damaged(block, "\"cat_boundaries\" falls from " + std::to_string(bounds[i]) + " to " +
                                std::to_string(bounds[i + 1]));
    }
  }
  MILL_ASSIGN_OR_RETURN(const auto words,
                        Numbers<std::uint32_t>(block, "cat_threshold", bounds.back()));
  for (TreeNode& node : tree) {
    if (!node.is_categorical) {
      continue;
    }
    // The threshold of a categorical node is the number of its set.
    if (!(node.threshold >= 0.0 && node.threshold < static_cast<double>(n_sets))) {
      return Damaged(block, "a categorical split names set " + std::to_string(node.threshold) +
                                " of " + std::to_string(n_sets));
    }
    const auto set = static_cast<std::size_t>(node.threshold);
    node.category_begin = static_cast<std::uint32_t>(bits.size() + bounds[set]);
    node.category_words = bounds[set + 1] - bounds[set];
  }
  bits.insert(bits.end(), words.begin(), words.end());
  return {};
}

/// Inner nodes keep their numbers; leaf k becomes node n_inner + k. Children written as -1 - k name
/// leaf k.
Result<Tree> ParseTree(const Block& block, std::vector<std::uint32_t>& bits) {
  if (block.values.contains("is_linear")) {
    MILL_ASSIGN_OR_RETURN(const int is_linear, Number<int>(block, "is_linear"));
    if (is_linear != 0) {
      return Unsupported(block.name + " has linear leaves (linear_tree=true)");
    }
  }
  MILL_ASSIGN_OR_RETURN(const auto n_leaves, Number<std::uint32_t>(block, "num_leaves"));
  if (n_leaves == 0) {
    return Damaged(block, "num_leaves is 0");
  }
  MILL_ASSIGN_OR_RETURN(const auto leaf_values, Numbers<double>(block, "leaf_value", n_leaves));
  const std::size_t n_inner = n_leaves - 1;
  Tree tree(n_inner + n_leaves);
  for (std::size_t i = 0; i < n_leaves; ++i) {
    tree[n_inner + i].value = leaf_values[i];
  }
  if (n_inner == 0) {
    return tree;
  }
  MILL_ASSIGN_OR_RETURN(const auto n_sets, Number<std::uint32_t>(block, "num_cat"));
  MILL_ASSIGN_OR_RETURN(const auto features,
                        Numbers<std::int32_t>(block, "split_feature", n_inner));
  MILL_ASSIGN_OR_RETURN(const auto gains, Numbers<double>(block, "split_gain", n_inner));
  MILL_ASSIGN_OR_RETURN(const auto thresholds, Numbers<double>(block, "threshold", n_inner));
  MILL_ASSIGN_OR_RETURN(const auto types, Numbers<int>(block, "decision_type", n_inner));
  MILL_ASSIGN_OR_RETURN(const auto lefts, Numbers<std::int32_t>(block, "left_child", n_inner));
  MILL_ASSIGN_OR_RETURN(const auto rights, Numbers<std::int32_t>(block, "right_child", n_inner));
  const auto position = [n_inner](std::int32_t child) {
    return child >= 0 ? child : static_cast<std::int32_t>(n_inner) - 1 - child;
  };
  for (std::size_t i = 0; i < n_inner; ++i) {
    const int missing = types[i] >> 2 & 3;
    if (features[i] < 0 || missing > 2) {
      return Damaged(block, "node " + std::to_string(i) + " has feature " +
                                std::to_string(features[i]) + " and decision_type " +
                                std::to_string(types[i]));
    }
    tree[i] = {.feature = features[i],
               .left = position(lefts[i]),
               .right = position(rights[i]),
               .missing = static_cast<Missing>(missing),
               .default_left = (types[i] & kDefaultLeftBit) != 0,
               .is_categorical = (types[i] & kCategoricalBit) != 0,
               .threshold = thresholds[i],
               .value = 0.0,
               .gain = gains[i]};
  }
  MILL_RETURN_IF_ERROR(AddCategories(block, n_sets, tree, bits));
  return tree;
}

/// "binary sigmoid:1" or "cross_entropy": both are one sigmoid over one sum.
Result<double> ParseObjective(const Block& header) {
  const auto found = header.values.find("objective");
  if (found == header.values.end()) {
    return Unsupported("it names no objective (wanted: binary or cross_entropy)");
  }
  const std::vector<std::string_view> words = SplitWords(found->second);
  if (!words.empty() && words[0] == "cross_entropy") {
    return 1.0;
  }
  if (words.empty() || words[0] != "binary") {
    return Unsupported("objective \"" + std::string(found->second) +
                       "\" (wanted: binary or cross_entropy)");
  }
  double slope = 1.0;
  for (const std::string_view word : words) {
    constexpr std::string_view kKey = "sigmoid:";
    if (word.starts_with(kKey)) {
      MILL_ASSIGN_OR_RETURN(slope,
                            ParseNumber<double>(header, "objective", word.substr(kKey.size())));
    }
  }
  return slope;
}

/// Header and tree blocks in the order of the text; kDataLoss without the end mark.
Result<std::vector<Block>> SplitBlocks(std::string_view text) {
  std::vector<Block> blocks = {{"header", {}}};
  std::string_view rest = text;
  if (NextLine(rest) != "tree") {
    return base::InvalidArgument(std::string(kWhat) + ": the first line is not \"tree\"")
        .Hint("give the text that LightGBM's save_model writes");
  }
  while (!rest.empty()) {
    const std::string_view line = NextLine(rest);
    if (line == "end of trees") {
      return blocks;
    }
    const std::size_t equals = line.find('=');
    if (line.starts_with("Tree=")) {
      blocks.push_back({"tree " + std::string(line.substr(equals + 1)), {}});
    } else if (equals != std::string_view::npos) {
      blocks.back().values.emplace(std::string(line.substr(0, equals)), line.substr(equals + 1));
    } else if (!line.empty()) {
      blocks.back().values.emplace(std::string(line), std::string_view());
    }
  }
  return Damaged(blocks.back(), "the text ends without the line \"end of trees\"");
}

Result<void> ParseHeader(const Block& header, std::size_t n_trees, TreeEnsemble& ensemble) {
  MILL_ASSIGN_OR_RETURN(const int n_classes, Number<int>(header, "num_class"));
  MILL_ASSIGN_OR_RETURN(const int per_iteration, Number<int>(header, "num_tree_per_iteration"));
  if (n_classes != 1 || per_iteration != 1) {
    return Unsupported("it has " + std::to_string(n_classes) + " classes and " +
                       std::to_string(per_iteration) + " trees per iteration (wanted: 1 and 1)");
  }
  MILL_ASSIGN_OR_RETURN(const auto last_feature, Number<std::uint32_t>(header, "max_feature_idx"));
  MILL_ASSIGN_OR_RETURN(const std::string_view names, Text(header, "feature_names"));
  for (const std::string_view name : SplitWords(names)) {
    ensemble.feature_names.emplace_back(name);
  }
  if (ensemble.feature_names.size() != std::size_t{last_feature} + 1) {
    return Damaged(header, "\"feature_names\" holds " +
                               std::to_string(ensemble.feature_names.size()) +
                               " names, but max_feature_idx is " + std::to_string(last_feature));
  }
  // LightGBM itself does without the line.
  const auto sizes = header.values.find("tree_sizes");
  if (sizes != header.values.end() && SplitWords(sizes->second).size() != n_trees) {
    return Damaged(header, "\"tree_sizes\" speaks of " +
                               std::to_string(SplitWords(sizes->second).size()) + " trees, " +
                               std::to_string(n_trees) + " are there");
  }
  MILL_ASSIGN_OR_RETURN(ensemble.slope, ParseObjective(header));
  if (header.values.contains("average_output")) {
    ensemble.divisor = static_cast<double>(n_trees);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Estimator>> ParseLightGbm(std::string_view text) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Block> blocks, SplitBlocks(text));
  TreeEnsemble ensemble;
  ensemble.rule = internal::SplitRule::kLessEqualZeroed;
  ensemble.link = internal::Link::kSigmoid;
  MILL_RETURN_IF_ERROR(ParseHeader(blocks[0], blocks.size() - 1, ensemble));
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    MILL_ASSIGN_OR_RETURN(Tree tree, ParseTree(blocks[i], ensemble.category_bits));
    ensemble.trees.push_back(std::move(tree));
  }
  MILL_RETURN_IF_ERROR(CheckEnsemble(ensemble, kWhat));
  return MakeTreeEstimator(std::move(ensemble), {"lightgbm", "model.lgb", std::string(text)});
}

}  // namespace millrace::models
