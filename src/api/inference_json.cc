// SPDX-License-Identifier: Apache-2.0
// Requests of the Open Inference Protocol, version 2, REST
// (kserve/open-inference-protocol, specification/protocol/inference_rest.md).
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "api/internal/json_cursor.h"
#include "api/internal/row_reader.h"

namespace millrace::api::internal {

namespace {

enum class DataType { kFloat64, kFloat32, kInteger, kBytes };

class InferenceReader {
 public:
  InferenceReader(JsonBody& json, BlockWriter& writer) : json_(json), writer_(writer) {}

  Result<InferenceRequest> Read();

 private:
  struct Tensor {
    std::string name;
    DataType type = DataType::kFloat64;
    std::vector<std::uint64_t> shape;
    std::uint64_t n_values = 1;
  };

  Result<void> ReadTensor(od::object object);
  Result<void> ReadShape(od::object& object, Tensor& tensor);
  Result<void> ReadType(od::object& object, Tensor& tensor);
  /// Walks nested or flat lists in row-major order.
  Result<void> ReadData(od::array list, int depth);
  Result<void> WriteNext(od::value& value);
  Result<std::string> ReadName(od::object& object, const char* what);

  JsonBody& json_;
  BlockWriter& writer_;
  bool is_first_tensor_ = true;
  // The tensor that is being read.
  Tensor tensor_;
  std::vector<Target> targets_;
  std::uint64_t at_ = 0;
};

Result<InferenceRequest> InferenceReader::Read() {
  od::object root;
  if (const auto error = json_.document().get_object().get(root)) {
    if (error == simdjson::INCORRECT_TYPE) {
      return base::InvalidArgument("the request's body is not a JSON object");
    }
    return json_.Bad(error);
  }
  InferenceRequest request;
  std::string_view id;
  const auto id_error = root.find_field_unordered("id").get_string().get(id);
  if (!id_error) {
    request.id = std::string(id);
  } else if (id_error != simdjson::NO_SUCH_FIELD) {
    return id_error == simdjson::INCORRECT_TYPE ? base::InvalidArgument("\"id\" is not a text") : json_.Bad(id_error);
  }
  od::array outputs;
  const auto outputs_error = root.find_field_unordered("outputs").get_array().get(outputs);
  if (!outputs_error) {
    for (auto element : outputs) {
      od::object output;
      if (element.get_object().get(output)) {
        return base::InvalidArgument("\"outputs\" holds something that is not an object");
      }
      MILL_ASSIGN_OR_RETURN(std::string name, ReadName(output, "outputs"));
      request.outputs.push_back(std::move(name));
    }
  } else if (outputs_error != simdjson::NO_SUCH_FIELD) {
    return outputs_error == simdjson::INCORRECT_TYPE ? base::InvalidArgument("\"outputs\" is not a list") : json_.Bad(outputs_error);
  }
  od::array inputs;
  if (root.find_field_unordered("inputs").get_array().get(inputs)) {
    return base::InvalidArgument("the request has no list \"inputs\"").Hint("send tensors: {\"inputs\": [{\"name\", \"shape\", \"datatype\", \"data\"}]}");
  }
  for (auto element : inputs) {
    od::object object;
    if (element.get_object().get(object)) {
      return base::InvalidArgument("\"inputs\" holds something that is not an object");
    }
    MILL_RETURN_IF_ERROR(ReadTensor(object));
  }
  if (is_first_tensor_) {
    return base::InvalidArgument("\"inputs\" is empty").Hint("send the key, or the columns of the model");
  }
  MILL_RETURN_IF_ERROR(writer_.Finish());
  return request;
}

Result<std::string> InferenceReader::ReadName(od::object& object, const char* what) {
  std::string_view name;
  if (object.find_field_unordered("name").get_string().get(name)) {
    return base::InvalidArgument(std::string("an entry of \"") + what + "\" has no text \"name\"");
  }
  return std::string(name);
}

Result<void> InferenceReader::ReadType(od::object& object, Tensor& tensor) {
  std::string_view text;
  if (object.find_field_unordered("datatype").get_string().get(text)) {
    return base::InvalidArgument("tensor \"" + tensor.name + "\" has no text \"datatype\"");
  }
  if (text == "FP64") {
    tensor.type = DataType::kFloat64;
  } else if (text == "FP32") {
    tensor.type = DataType::kFloat32;
  } else if (text == "INT64" || text == "INT32" || text == "INT16" || text == "INT8" || text == "UINT8" || text == "UINT16" ||
             text == "UINT32" || text == "UINT64") {
    tensor.type = DataType::kInteger;
  } else if (text == "BYTES") {
    tensor.type = DataType::kBytes;
  } else {
    return base::InvalidArgument("tensor \"" + tensor.name + "\" has datatype \"" + std::string(text) +
                                 "\"; wanted FP64, FP32, INT8 to INT64, UINT8 to UINT64, or BYTES for a key");
  }
  return {};
}

Result<void> InferenceReader::ReadShape(od::object& object, Tensor& tensor) {
  od::array shape;
  if (object.find_field_unordered("shape").get_array().get(shape)) {
    return base::InvalidArgument("tensor \"" + tensor.name + "\" has no list \"shape\"");
  }
  for (auto element : shape) {
    std::uint64_t size = 0;
    if (element.get_uint64().get(size)) {
      return base::InvalidArgument("tensor \"" + tensor.name + "\" has a shape with an entry that is not a whole number >= 0");
    }
    tensor.shape.push_back(size);
    if (size != 0 && tensor.n_values > std::numeric_limits<std::uint32_t>::max() / size) {
      return base::InvalidArgument("tensor \"" + tensor.name + "\" has a shape of more than 2^32 values");
    }
    tensor.n_values *= size;
  }
  if (tensor.shape.empty() || tensor.shape.size() > 2) {
    return base::InvalidArgument("tensor \"" + tensor.name + "\" has " + std::to_string(tensor.shape.size()) + " dimensions; wanted [n], [n, 1] or [n, " +
                                 std::to_string(writer_.snapshot().n_columns()) + "]");
  }
  return {};
}

Result<void> InferenceReader::ReadTensor(od::object object) {
  tensor_ = {};
  MILL_ASSIGN_OR_RETURN(tensor_.name, ReadName(object, "inputs"));
  MILL_RETURN_IF_ERROR(ReadType(object, tensor_));
  MILL_RETURN_IF_ERROR(ReadShape(object, tensor_));
  const std::size_t n_columns = writer_.snapshot().n_columns();
  const std::uint64_t width = tensor_.shape.size() == 2 ? tensor_.shape[1] : 1;
  const Target target = writer_.Find(tensor_.name, 0);
  targets_.clear();
  if (target.column >= 0 || target.is_key) {
    if (width != 1) {
      return base::InvalidArgument("tensor \"" + tensor_.name + "\" is one column, but its shape has " + std::to_string(width));
    }
    targets_.push_back(target);
  } else if (tensor_.shape.size() == 2 && width == n_columns) {
    for (std::size_t c = 0; c < n_columns; ++c) {
      targets_.push_back({.column = static_cast<int>(c), .is_key = false});
    }
  } else {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" is no column of the model and no matrix [n, " + std::to_string(n_columns) + "]")
        .Hint("see GET /v2/models/" + writer_.snapshot().spec().name + " for the names");
  }
  if (tensor_.type == DataType::kBytes && !target.is_key) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has datatype BYTES; wanted FP64, FP32 or an integer type");
  }
  od::array data;
  if (object.find_field_unordered("data").get_array().get(data)) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has no list \"data\"").Hint("binary tensors are not supported; send data as JSON");
  }
  if (!is_first_tensor_ && tensor_.shape[0] != writer_.n_rows()) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has " + std::to_string(tensor_.shape[0]) + " rows, another has " +
                                 std::to_string(writer_.n_rows()));
  }
  at_ = 0;
  MILL_RETURN_IF_ERROR(ReadData(data, 0));
  if (at_ != tensor_.n_values) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has " + std::to_string(at_) + " values; its shape wants " + std::to_string(tensor_.n_values));
  }
  is_first_tensor_ = false;
  return {};
}

Result<void> InferenceReader::ReadData(od::array list, int depth) {
  for (auto element : list) {
    od::value value;
    if (const auto error = element.get(value)) {
      return json_.Bad(error);
    }
    if (Token(value).substr(0, 1) == "[") {
      if (depth >= 2) {
        return base::InvalidArgument("tensor \"" + tensor_.name + "\" has data nested deeper than its shape");
      }
      od::array inner;
      if (const auto error = value.get_array().get(inner)) {
        return json_.Bad(error);
      }
      MILL_RETURN_IF_ERROR(ReadData(inner, depth + 1));
    } else {
      MILL_RETURN_IF_ERROR(WriteNext(value));
    }
  }
  return {};
}

Result<void> InferenceReader::WriteNext(od::value& value) {
  if (at_ >= tensor_.n_values) {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has more values than its shape, which wants " + std::to_string(tensor_.n_values));
  }
  const std::size_t row = static_cast<std::size_t>(at_ / targets_.size());
  const Target target = targets_[static_cast<std::size_t>(at_ % targets_.size())];
  ++at_;
  // Rows come with their data, so that a large shape alone costs no memory.
  if (is_first_tensor_ && row == writer_.n_rows()) {
    writer_.AddRow();
  }
  const std::string_view token = Token(value);
  if (tensor_.type == DataType::kFloat32 && !target.is_key && !token.empty() &&
      (token.front() == '-' || (token.front() >= '0' && token.front() <= '9')) && token != "-Infinity") {
    double number = 0.0;
    if (const auto error = value.get_double().get(number)) {
      return json_.Bad(error);
    }
    if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max())) {
      return writer_.WrongType(row, target, std::string(token) + " (beyond FP32)");
    }
    return writer_.SetDouble(row, target, static_cast<double>(static_cast<float>(number)));
  }
  if (tensor_.type == DataType::kInteger && token.find_first_of(".eE") != std::string_view::npos && token.front() != '"') {
    return base::InvalidArgument("tensor \"" + tensor_.name + "\" has an integer datatype, but row " + std::to_string(row) + " is " + std::string(token.substr(0, 40)));
  }
  return WriteScalar(json_, value, row, target, writer_, tensor_.type == DataType::kFloat64 || tensor_.type == DataType::kFloat32);
}

}  // namespace

Result<InferenceRequest> ReadInferenceJson(std::string_view body, BlockWriter& writer) {
  thread_local JsonBody json;
  MILL_RETURN_IF_ERROR(json.Open(body));
  return InferenceReader(json, writer).Read();
}

}  // namespace millrace::api::internal
