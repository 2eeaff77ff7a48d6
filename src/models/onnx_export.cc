// SPDX-License-Identifier: Apache-2.0
// Builds ONNX graphs. Inputs stay double up to the last split, so that ONNX Runtime decides as our
// engine does.
#include "models/internal/onnx_export.h"

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/onnx_pb.h>

#include "models/internal/flat_forest.h"

namespace millrace::models::internal {

namespace {

constexpr int kOnnxOpset = 13;
constexpr int kMlOpset = 3;
constexpr int kIrVersion = 7;
constexpr const char* kMlDomain = "ai.onnx.ml";
constexpr std::int64_t kBatch = -1;

/// A graph that grows node by node; each adding function returns the name of the new value.
class GraphBuilder {
 public:
  explicit GraphBuilder(std::string_view name) {
    model_.set_ir_version(kIrVersion);
    model_.set_producer_name("millrace");
    auto* opset = model_.add_opset_import();
    opset->set_domain("");
    opset->set_version(kOnnxOpset);
    auto* ml = model_.add_opset_import();
    ml->set_domain(kMlDomain);
    ml->set_version(kMlOpset);
    graph().set_name(std::string(name));
  }

  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  onnx::NodeProto& AddNode(const char* op, const std::vector<std::string>& inputs,
                           const std::string& output) {
    auto* node = graph().add_node();
    node->set_op_type(op);
    node->set_name(output);
    for (const std::string& input : inputs) {
      node->add_input(input);
    }
    node->add_output(output);
    return *node;
  }

  std::string Apply(const char* op, const std::vector<std::string>& inputs) {
    std::string output = Fresh(op);
    AddNode(op, inputs, output);
    return output;
  }

  std::string CastToDouble(const std::string& input) {
    std::string output = Fresh("Cast");
    AddInt(AddNode("Cast", {input}, output), "to", onnx::TensorProto::DOUBLE);
    return output;
  }

  std::string Constant(const std::vector<double>& values, const std::vector<std::int64_t>& shape) {
    auto* tensor = graph().add_initializer();
    FillTensor(*tensor, values, shape);
    tensor->set_name(Fresh("constant"));
    return tensor->name();
  }

  std::string IntConstant(const std::vector<std::int64_t>& values) {
    auto* tensor = graph().add_initializer();
    tensor->set_data_type(onnx::TensorProto::INT64);
    tensor->add_dims(static_cast<std::int64_t>(values.size()));
    for (const std::int64_t value : values) {
      tensor->add_int64_data(value);
    }
    tensor->set_name(Fresh("constant"));
    return tensor->name();
  }

  static void FillTensor(onnx::TensorProto& tensor, const std::vector<double>& values,
                         const std::vector<std::int64_t>& shape) {
    tensor.set_data_type(onnx::TensorProto::DOUBLE);
    for (const std::int64_t size : shape) {
      tensor.add_dims(size);
    }
    for (const double value : values) {
      tensor.add_double_data(value);
    }
  }

  static void AddInt(onnx::NodeProto& node, const char* name, std::int64_t value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(value);
  }
  static void AddInts(onnx::NodeProto& node, const char* name,
                      const std::vector<std::int64_t>& values) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t value : values) {
      attribute->add_ints(value);
    }
  }
  static void AddText(onnx::NodeProto& node, const char* name, const char* value) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::STRING);
    attribute->set_s(value);
  }
  static void AddTexts(onnx::NodeProto& node, const char* name,
                       const std::vector<const char*>& values) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::STRINGS);
    for (const char* value : values) {
      attribute->add_strings(value);
    }
  }
  static void AddTensor(onnx::NodeProto& node, const char* name,
                        const std::vector<double>& values) {
    auto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::TENSOR);
    FillTensor(*attribute->mutable_t(), values, {static_cast<std::int64_t>(values.size())});
    attribute->mutable_t()->set_name(name);
  }

  /// Declares an input or output of this shape; a negative size is the batch.
  static void Declare(onnx::ValueInfoProto& value, const std::string& name,
                      onnx::TensorProto::DataType type, const std::vector<std::int64_t>& shape) {
    value.set_name(name);
    auto* tensor = value.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    auto* dims = tensor->mutable_shape();
    for (const std::int64_t size : shape) {
      if (size < 0) {
        dims->add_dim()->set_dim_param("n");
      } else {
        dims->add_dim()->set_dim_value(size);
      }
    }
  }

  /// Columns of the signature as one double matrix [n, features].
  std::string AddInputs(const Signature& signature) {
    const bool is_alone = signature.inputs.size() == 1;
    std::vector<std::string> columns;
    std::string as_column;
    if (!is_alone) {
      as_column = IntConstant({kBatch, 1});
    }
    for (const ColumnSpec& column : signature.inputs) {
      const bool is_long = column.type == ColumnSpec::Type::kLong;
      Declare(*graph().add_input(), column.name,
              is_long ? onnx::TensorProto::INT64 : onnx::TensorProto::DOUBLE,
              is_alone ? std::vector<std::int64_t>{kBatch, 1} : std::vector<std::int64_t>{kBatch});
      const std::string as_double = is_long ? CastToDouble(column.name) : column.name;
      columns.push_back(is_alone ? as_double : Apply("Reshape", {as_double, as_column}));
    }
    if (is_alone) {
      return columns[0];
    }
    std::string output = Fresh("Concat");
    AddInt(AddNode("Concat", columns, output), "axis", 1);
    return output;
  }

  /// Ends the graph with `value` as its output `probability`; the bytes are the same for the same
  /// graph.
  std::string Finish(const std::string& value) {
    AddNode("Identity", {value}, "probability");
    Declare(*graph().add_output(), "probability", onnx::TensorProto::DOUBLE, {kBatch, 1});
    std::string bytes;
    {
      google::protobuf::io::StringOutputStream stream(&bytes);
      google::protobuf::io::CodedOutputStream coded(&stream);
      coded.SetSerializationDeterministic(true);
      model_.SerializeToCodedStream(&coded);
    }
    return bytes;
  }

 private:
  /// Names inside the graph start with two underscores, so that no column name meets them.
  std::string Fresh(const std::string& stem) { return "__" + stem + "_" + std::to_string(next_++); }

  onnx::ModelProto model_;
  int next_ = 0;
};

/// The parallel lists that TreeEnsembleRegressor takes.
struct TreeLists {
  std::vector<std::int64_t> trees, nodes, features, trues, falses, missing_trues;
  std::vector<const char*> modes;
  std::vector<double> thresholds;
  std::vector<std::int64_t> leaf_trees, leaf_nodes, leaf_targets;
  std::vector<double> weights;
};

Result<void> AppendTree(const TreeEnsemble& ensemble, std::size_t index, TreeLists& lists) {
  const Tree& tree = ensemble.trees[index];
  const auto tree_id = static_cast<std::int64_t>(index);
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const TreeNode& node = tree[i];
    const FlatNode flat = Flatten(node, ensemble.rule);
    const bool is_leaf = node.feature < 0;
    if (!is_leaf && (flat.flags & kSpecial) != 0) {
      return base::Unimplemented(
          "ONNX export: tree " + std::to_string(index) + " splits feature \"" +
          ensemble.feature_names[static_cast<std::size_t>(node.feature)] + "\" " +
          (node.is_categorical ? "by a set of categories" : "with zero counted as missing") +
          ", which ai.onnx.ml 3 cannot say");
    }
    const auto node_id = static_cast<std::int64_t>(i);
    lists.trees.push_back(tree_id);
    lists.nodes.push_back(node_id);
    lists.features.push_back(is_leaf ? 0 : node.feature);
    lists.modes.push_back(is_leaf ? "LEAF" : "BRANCH_LEQ");
    lists.thresholds.push_back(is_leaf ? 0.0 : flat.threshold);
    lists.trues.push_back(is_leaf ? 0 : node.left);
    lists.falses.push_back(is_leaf ? 0 : node.right);
    lists.missing_trues.push_back(!is_leaf && (flat.flags & kNanLeft) != 0 ? 1 : 0);
    if (is_leaf) {
      lists.leaf_trees.push_back(tree_id);
      lists.leaf_nodes.push_back(node_id);
      lists.leaf_targets.push_back(0);
      lists.weights.push_back(node.value);
    }
  }
  return {};
}

}  // namespace

Result<std::string> TreesToOnnx(const TreeEnsemble& ensemble, const Signature& signature) {
  TreeLists lists;
  for (std::size_t i = 0; i < ensemble.trees.size(); ++i) {
    MILL_RETURN_IF_ERROR(AppendTree(ensemble, i, lists));
  }
  GraphBuilder builder("trees");
  const std::string matrix = builder.AddInputs(signature);
  const std::string raw = "__trees";
  onnx::NodeProto& node = builder.AddNode("TreeEnsembleRegressor", {matrix}, raw);
  node.set_domain(kMlDomain);
  GraphBuilder::AddText(node, "aggregate_function", "SUM");
  GraphBuilder::AddText(node, "post_transform", "NONE");
  GraphBuilder::AddInt(node, "n_targets", 1);
  GraphBuilder::AddInts(node, "nodes_treeids", lists.trees);
  GraphBuilder::AddInts(node, "nodes_nodeids", lists.nodes);
  GraphBuilder::AddInts(node, "nodes_featureids", lists.features);
  GraphBuilder::AddTexts(node, "nodes_modes", lists.modes);
  GraphBuilder::AddTensor(node, "nodes_values_as_tensor", lists.thresholds);
  GraphBuilder::AddInts(node, "nodes_truenodeids", lists.trues);
  GraphBuilder::AddInts(node, "nodes_falsenodeids", lists.falses);
  GraphBuilder::AddInts(node, "nodes_missing_value_tracks_true", lists.missing_trues);
  GraphBuilder::AddInts(node, "target_treeids", lists.leaf_trees);
  GraphBuilder::AddInts(node, "target_nodeids", lists.leaf_nodes);
  GraphBuilder::AddInts(node, "target_ids", lists.leaf_targets);
  GraphBuilder::AddTensor(node, "target_weights_as_tensor", lists.weights);
  std::string value = builder.CastToDouble(raw);
  if (ensemble.start != 0.0) {
    value = builder.Apply("Add", {value, builder.Constant({ensemble.start}, {1})});
  }
  if (ensemble.divisor != 1.0) {
    value = builder.Apply("Div", {value, builder.Constant({ensemble.divisor}, {1})});
  }
  if (ensemble.link != Link::kMean) {
    if (ensemble.slope != 1.0) {
      value = builder.Apply("Mul", {value, builder.Constant({ensemble.slope}, {1})});
    }
    value = builder.Apply("Sigmoid", {value});
  }
  return builder.Finish(value);
}

Result<std::string> LogisticToOnnx(const LogisticData& data, const Signature& signature) {
  const auto n = static_cast<std::int64_t>(data.weights.size());
  GraphBuilder builder("logistic_regression");
  const std::string matrix = builder.AddInputs(signature);
  const std::string is_missing = builder.Apply("IsNaN", {matrix});
  const std::string filled =
      builder.Apply("Where", {is_missing, builder.Constant(data.impute, {1, n}), matrix});
  const std::string centred = builder.Apply("Sub", {filled, builder.Constant(data.mean, {1, n})});
  const std::string scaled = builder.Apply("Div", {centred, builder.Constant(data.scale, {1, n})});
  const std::string product =
      builder.Apply("MatMul", {scaled, builder.Constant(data.weights, {n, 1})});
  const std::string sum = builder.Apply("Add", {product, builder.Constant({data.intercept}, {1})});
  return builder.Finish(builder.Apply("Sigmoid", {sum}));
}

}  // namespace millrace::models::internal
