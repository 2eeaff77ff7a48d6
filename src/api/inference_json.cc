// SPDX-License-Identifier: Apache-2.0
// Requests of the Open Inference Protocol, version 2, REST
// (kserve/open-inference-protocol, specification/protocol/inference_rest.md).
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "api/internal/json_tape.h"
#include "api/internal/row_reader.h"

namespace millrace::api::internal {

namespace {

enum class DataType { kFloat64, kFloat32, kInteger, kBytes };

class InferenceReader {
 public:
  explicit InferenceReader(BlockWriter& writer) : writer_(writer) {}

  Result<InferenceRequest> Read(const JsonValue& root);

 private:
  struct Tensor {
    std::string name;
    std::string datatype;
    DataType type = DataType::kFloat64;
    std::vector<std::uint64_t> shape;
    std::uint64_t n_values = 1;
  };

  Result<void> ReadOptions(const JsonValue& root, InferenceRequest& request);
  Result<void> ReadTensor(const JsonValue& object);
  Result<void> ReadShape(const JsonValue& object);
  Result<void> ReadType(const JsonValue& object);
  /// What each value of a row of tensor_ fills.
  Result<void> ChooseTargets();
  /// Walks nested or flat lists in row-major order.
  Result<void> ReadData(const JsonValue& list, int depth);
  Result<void> WriteNext(const JsonValue& value);
  Result<std::string> ReadText(const JsonValue& object, const char* key, const std::string& what);

  BlockWriter& writer_;
  bool is_first_tensor_ = true;
  // The tensor that is being read.
  Tensor tensor_;
  std::vector<Target> targets_;
  std::uint64_t at_ = 0;
};

Result<void> InferenceReader::ReadOptions(const JsonValue& root, InferenceRequest& request) {
  const JsonField id = FindField(root, "id");
  if (id.found) {
    if (!id.value.is_string()) {
      return base::InvalidArgument("\"id\" is not a text");
    }
    std::string scratch;
    request.id = std::string(id.value.Text(scratch));
  }
  const JsonField outputs = FindField(root, "outputs");
  if (outputs.found && !outputs.value.is_array()) {
    return base::InvalidArgument("\"outputs\" is not a list");
  }
  if (outputs.found) {
    for (const JsonValue output : outputs.value) {
      if (!output.is_object()) {
        return base::InvalidArgument("\"outputs\" holds something that is not an object");
      }
      MILL_ASSIGN_OR_RETURN(std::string name, ReadText(output, "name", "an entry of \"outputs\""));
      request.outputs.push_back(std::move(name));
    }
  }
  return {};
}

Result<InferenceRequest> InferenceReader::Read(const JsonValue& root) {
  if (!root.is_object()) {
    return base::InvalidArgument("the request's body is not a JSON object");
  }
  InferenceRequest request;
  MILL_RETURN_IF_ERROR(ReadOptions(root, request));
  const JsonField inputs = FindField(root, "inputs");
  if (!inputs.found || !inputs.value.is_array()) {
    return base::InvalidArgument("the request has no list \"inputs\"")
        .Hint("send tensors: {\"inputs\": [{\"name\", \"shape\", \"datatype\", \"data\"}]}");
  }
  for (const JsonValue tensor : inputs.value) {
    if (!tensor.is_object()) {
      return base::InvalidArgument("\"inputs\" holds something that is not an object");
    }
    MILL_RETURN_IF_ERROR(ReadTensor(tensor));
  }
  if (is_first_tensor_) {
    return base::InvalidArgument("\"inputs\" is empty")
        .Hint("send the key, or the columns of the model");
  }
  MILL_RETURN_IF_ERROR(writer_.Finish());
  return request;
}

Result<std::string> InferenceReader::ReadText(const JsonValue& object, const char* key,
                                              const std::string& what) {
  const JsonField field = FindField(object, key);
  if (!field.found || !field.value.is_string()) {
    return base::InvalidArgument(what + " has no text \"" + key + "\"");
  }
  std::string scratch;
  return std::string(field.value.Text(scratch));
}

Result<void> InferenceReader::ReadType(const JsonValue& object) {
  MILL_ASSIGN_OR_RETURN(tensor_.datatype,
                        ReadText(object, "datatype", "tensor \"" + tensor_.name + "\""));
  const std::string_view text = tensor_.datatype;
  if (text == "FP64") {
    tensor_.type = DataType::kFloat64;
  } else if (text == "FP32") {
    tensor_.type = DataType::kFloat32;
  } else if (text == "INT64" || text == "INT32" || text == "INT16" || text == "INT8" ||
             text == "UINT8" || text == "UINT16" || text == "UINT32" || text == "UINT64") {
    tensor_.type = DataType::kInteger;
  } else if (text == "BYTES") {
    tensor_.type = DataType::kBytes;
  } else {
    return base::InvalidArgument(
        "tensor \"" + tensor_.name + "\" has datatype \"" + tensor_.datatype +
        "\"; wanted FP64, FP32, INT8 to INT64, UINT8 to UINT64, or BYTES for a key");
  }
  return {};
}

Result<void> InferenceReader::ReadShape(const JsonValue& object) {
  const JsonField shape = FindField(object, "shape");
  if (!shape.found || !shape.value.is_array()) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has no list \"shape\"");
  }
  for (const JsonValue element : shape.value) {
    const std::string_view raw = element.raw();
    std::uint64_t size = 0;
    const auto read = std::from_chars(raw.data(), raw.data() + raw.size(), size);
    if (element.kind() != JsonKind::kNumber || read.ec != std::errc() ||
        read.ptr != raw.data() + raw.size()) {
      return base::InvalidArgument("tensor \"" + tensor_.name +
                                   "\" has a shape with an entry that is not a whole number >= 0");
    }
    tensor_.shape.push_back(size);
    if (size != 0 && tensor_.n_values > std::numeric_limits<std::uint32_t>::max() / size) {
      return base::InvalidArgument("tensor \"" + tensor_.name +
                                   "\" has a shape of more than 2^32 values");
    }
    tensor_.n_values *= size;
  }
  if (tensor_.shape.empty() || tensor_.shape.size() > 2) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has " +
                                 std::to_string(tensor_.shape.size()) +
                                 " dimensions; wanted [n], [n, 1] or [n, " +
                                 std::to_string(writer_.snapshot().n_columns()) + "]");
  }
  return {};
}

Result<void> InferenceReader::ChooseTargets() {
  const std::size_t n_columns = writer_.snapshot().n_columns();
  const std::uint64_t width = tensor_.shape.size() == 2 ? tensor_.shape[1] : 1;
  const Target target = writer_.Find(tensor_.name, 0);
  targets_.clear();
  if (target.column >= 0 || target.is_key) {
    if (width != 1) {
      return base::InvalidArgument("tensor \"" + tensor_.name +
                                   "\" is one column, but its shape has " + std::to_string(width));
    }
    targets_.push_back(target);
  } else if (tensor_.shape.size() == 2 && width == n_columns) {
    for (std::size_t c = 0; c < n_columns; ++c) {
      targets_.push_back({.column = static_cast<int>(c), .is_key = false});
    }
  } else {
    return base::InvalidArgument("tensor \"" + tensor_.name +
                                 "\" is no column of the model and no matrix [n, " +
                                 std::to_string(n_columns) + "]")
        .Hint("see GET /v2/models/" + writer_.snapshot().spec().name + " for the names");
  }
  if (tensor_.type == DataType::kBytes && !target.is_key) {
    return base::InvalidArgument("tensor \"" + tensor_.name +
                                 "\" has datatype BYTES; wanted FP64, FP32 or an integer type");
  }
  return {};
}

Result<void> InferenceReader::ReadTensor(const JsonValue& object) {
  tensor_ = {};
  MILL_ASSIGN_OR_RETURN(tensor_.name, ReadText(object, "name", "an entry of \"inputs\""));
  MILL_RETURN_IF_ERROR(ReadType(object));
  MILL_RETURN_IF_ERROR(ReadShape(object));
  MILL_RETURN_IF_ERROR(ChooseTargets());
  const JsonField data = FindField(object, "data");
  if (!data.found || !data.value.is_array()) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has no list \"data\"")
        .Hint("binary tensors are not supported; send data as JSON");
  }
  if (!is_first_tensor_ && tensor_.shape[0] != writer_.n_rows()) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has " +
                                 std::to_string(tensor_.shape[0]) + " rows, another has " +
                                 std::to_string(writer_.n_rows()));
  }
  at_ = 0;
  MILL_RETURN_IF_ERROR(ReadData(data.value, 0));
  if (at_ != tensor_.n_values) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has " + std::to_string(at_) +
                                 " values; its shape wants " + std::to_string(tensor_.n_values));
  }
  is_first_tensor_ = false;
  return {};
}

Result<void> InferenceReader::ReadData(const JsonValue& list, int depth) {
  for (const JsonValue value : list) {
    if (!value.is_array()) {
      MILL_RETURN_IF_ERROR(WriteNext(value));
    } else if (depth >= 2) {
      return base::InvalidArgument("tensor \"" + tensor_.name +
                                   "\" has data nested deeper than its shape");
    } else {
      MILL_RETURN_IF_ERROR(ReadData(value, depth + 1));
    }
  }
  return {};
}

Result<void> InferenceReader::WriteNext(const JsonValue& value) {
  if (at_ >= tensor_.n_values) {
    return base::InvalidArgument("tensor \"" + tensor_.name +
                                 "\" has more values than its shape, which wants " +
                                 std::to_string(tensor_.n_values));
  }
  const std::size_t row = static_cast<std::size_t>(at_ / targets_.size());
  const Target target = targets_[static_cast<std::size_t>(at_ % targets_.size())];
  ++at_;
  // Rows come with their data, so that a large shape alone costs no memory.
  if (is_first_tensor_ && row == writer_.n_rows()) {
    writer_.AddRow();
  }
  const bool is_number = value.kind() == JsonKind::kNumber;
  if (tensor_.type == DataType::kFloat32 && is_number && !target.is_key) {
    const double number = value.Number();
    if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
      return writer_.WrongType(row, target, std::string(value.raw()) + " (beyond FP32)");
    }
    return writer_.SetDouble(row, target, static_cast<double>(static_cast<float>(number)));
  }
  if (tensor_.type == DataType::kInteger && is_number &&
      value.raw().find_first_of(".eE") != std::string_view::npos) {
    return base::InvalidArgument("tensor \"" + tensor_.name +
                                 "\" has an integer datatype, but row " + std::to_string(row) +
                                 " is " + std::string(value.raw().substr(0, 40)));
  }
  return WriteJson(value, row, target, writer_,
                   tensor_.type == DataType::kFloat64 || tensor_.type == DataType::kFloat32);
}

}  // namespace

Result<InferenceRequest> ReadInferenceJson(std::string_view body, BlockWriter& writer) {
  thread_local JsonTape tape;
  MILL_RETURN_IF_ERROR(tape.Parse(body));
  return InferenceReader(writer).Read(tape.root());
}

}  // namespace millrace::api::internal
