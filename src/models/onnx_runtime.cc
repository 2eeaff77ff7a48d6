// SPDX-License-Identifier: Apache-2.0
// The slots of ONNX Runtime's table that are used, and a session over them.
#include "models/internal/onnx_runtime.h"

#include <array>
#include <utility>

extern "C" {
struct OrtApiBase {
  const void* const* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};
const OrtApiBase* OrtGetApiBase();
}

namespace millrace::models::internal {

namespace {

// The newest table that is needed; every later release still serves it.
constexpr std::uint32_t kApiVersion = 17;
constexpr int kLogError = 3;
constexpr int kArenaAllocator = 1;
constexpr int kDefaultMemory = 0;

/// Positions in the table. Names and order are those of onnxruntime_c_api.h; a later release only
/// appends.
enum Slot : std::size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpNumThreads = 24,
  kSetInterOpNumThreads = 25,
  kSessionGetInputCount = 30,
  kSessionGetOutputCount = 31,
  kSessionGetInputTypeInfo = 33,
  kSessionGetOutputTypeInfo = 34,
  kSessionGetInputName = 36,
  kSessionGetOutputName = 37,
  kCreateTensorWithDataAsOrtValue = 49,
  kGetTensorMutableData = 51,
  kCastTypeInfoToTensorInfo = 55,
  kGetTensorElementType = 60,
  kGetDimensionsCount = 61,
  kGetDimensions = 62,
  kGetTensorShapeElementCount = 64,
  kGetTensorTypeAndShape = 65,
  kCreateCpuMemoryInfo = 69,
  kAllocatorFree = 76,
  kGetAllocatorWithDefaultOptions = 78,
  kReleaseEnv = 92,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTypeInfo = 98,
  kReleaseTensorTypeAndShapeInfo = 99,
  kReleaseSessionOptions = 100,
};

// Every handle of the C ABI is an opaque pointer; a status is null for success.
using Handle = void*;

const void* const* Table() {
  static const void* const* const table = OrtGetApiBase()->GetApi(kApiVersion);
  return table;
}

template <typename R, typename... Args>
R CallAs(Slot slot, Args... args) {
  using Function = R (*)(Args...);
  // The table is a struct of function pointers, read here as an array of them.
  const auto function = reinterpret_cast<Function>(const_cast<void*>(Table()[slot]));
  return function(args...);
}

/// Calls a function that returns a status; the message of a failure is taken over and the status
/// freed.
template <typename... Args>
Result<void> Call(Slot slot, Args... args) {
  const Handle status = CallAs<Handle>(slot, args...);
  if (status == nullptr) {
    return {};
  }
  std::string message = CallAs<const char*>(kGetErrorMessage, static_cast<const void*>(status));
  CallAs<void>(kReleaseStatus, status);
  return base::DataLoss("ONNX Runtime: " + message);
}

struct Releaser {
  Slot slot;
  void operator()(Handle handle) const { CallAs<void>(slot, handle); }
};
using Owned = std::unique_ptr<void, Releaser>;

/// Calls a function whose last parameter receives a new handle.
template <typename... Args>
Result<Owned> Make(Slot slot, Slot release, Args... args) {
  Handle handle = nullptr;
  MILL_RETURN_IF_ERROR(Call(slot, args..., &handle));
  return Owned(handle, Releaser{release});
}

/// The process-wide environment; ONNX Runtime wants one.
Result<Handle> Environment() {
  static const Result<Owned> environment = Make(kCreateEnv, kReleaseEnv, kLogError, "millrace");
  if (!environment.ok()) {
    return environment.error();
  }
  return environment.value().get();
}

/// Memory of a column in the type that an input wants.
struct Column {
  std::vector<double> doubles;
  std::vector<float> floats;
  std::vector<std::int64_t> integers;
  void* data = nullptr;
  std::size_t size_bytes = 0;
};

Result<Column> MakeColumn(const OnnxPort& port, std::span<const double> rows, std::size_t n_rows,
                          std::size_t index, std::size_t n_columns) {
  Column column;
  const auto at = [&](std::size_t i) { return rows[i * n_columns + index]; };
  if (port.type == static_cast<int>(OnnxType::kDouble)) {
    for (std::size_t i = 0; i < n_rows; ++i) {
      column.doubles.push_back(at(i));
    }
    column.data = column.doubles.data();
    column.size_bytes = n_rows * sizeof(double);
  } else if (port.type == static_cast<int>(OnnxType::kFloat)) {
    for (std::size_t i = 0; i < n_rows; ++i) {
      column.floats.push_back(static_cast<float>(at(i)));
    }
    column.data = column.floats.data();
    column.size_bytes = n_rows * sizeof(float);
  } else if (port.type == static_cast<int>(OnnxType::kInt64)) {
    for (std::size_t i = 0; i < n_rows; ++i) {
      if (!(at(i) >= -0x1p63 && at(i) < 0x1p63)) {
        return base::InvalidArgument("ONNX input \"" + port.name + "\": row " + std::to_string(i) +
                                     " holds " + std::to_string(at(i)) + ", which is no int64");
      }
      column.integers.push_back(static_cast<std::int64_t>(at(i)));
    }
    column.data = column.integers.data();
    column.size_bytes = n_rows * sizeof(std::int64_t);
  } else {
    return base::Unimplemented("ONNX input \"" + port.name + "\" has element type " +
                               std::to_string(port.type) + "; float, double and int64 can be fed");
  }
  return column;
}

Result<std::vector<double>> ReadTensor(Handle value) {
  MILL_ASSIGN_OR_RETURN(const Owned info,
                        Make(kGetTensorTypeAndShape, kReleaseTensorTypeAndShapeInfo,
                             static_cast<const void*>(value)));
  int type = 0;
  std::size_t size = 0;
  void* data = nullptr;
  MILL_RETURN_IF_ERROR(Call(kGetTensorElementType, static_cast<const void*>(info.get()), &type));
  MILL_RETURN_IF_ERROR(
      Call(kGetTensorShapeElementCount, static_cast<const void*>(info.get()), &size));
  MILL_RETURN_IF_ERROR(Call(kGetTensorMutableData, value, &data));
  if (type == static_cast<int>(OnnxType::kDouble)) {
    const auto* values = static_cast<const double*>(data);
    return std::vector<double>(values, values + size);
  }
  if (type == static_cast<int>(OnnxType::kFloat)) {
    const auto* values = static_cast<const float*>(data);
    return std::vector<double>(values, values + size);
  }
  return base::Unimplemented("the first ONNX output has element type " + std::to_string(type) +
                             "; float and double can be read");
}

Result<OnnxPort> ReadPort(Handle session, Slot name_slot, Slot type_slot, std::size_t index) {
  OnnxPort port;
  Handle allocator = nullptr;
  MILL_RETURN_IF_ERROR(Call(kGetAllocatorWithDefaultOptions, &allocator));
  char* name = nullptr;
  MILL_RETURN_IF_ERROR(Call(name_slot, static_cast<const void*>(session), index, allocator, &name));
  port.name = name;
  MILL_RETURN_IF_ERROR(Call(kAllocatorFree, allocator, static_cast<void*>(name)));
  MILL_ASSIGN_OR_RETURN(const Owned type_info, Make(type_slot, kReleaseTypeInfo,
                                                    static_cast<const void*>(session), index));
  // Borrowed from type_info; null where the port is no tensor.
  const void* tensor = nullptr;
  MILL_RETURN_IF_ERROR(
      Call(kCastTypeInfoToTensorInfo, static_cast<const void*>(type_info.get()), &tensor));
  if (tensor == nullptr) {
    return port;
  }
  MILL_RETURN_IF_ERROR(Call(kGetTensorElementType, tensor, &port.type));
  std::size_t rank = 0;
  MILL_RETURN_IF_ERROR(Call(kGetDimensionsCount, tensor, &rank));
  port.shape.resize(rank);
  MILL_RETURN_IF_ERROR(Call(kGetDimensions, tensor, port.shape.data(), rank));
  return port;
}

}  // namespace

struct OnnxSession::Impl {
  Owned session;
};

OnnxSession::OnnxSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
}
OnnxSession::~OnnxSession() = default;
OnnxSession::OnnxSession(OnnxSession&&) noexcept = default;
OnnxSession& OnnxSession::operator=(OnnxSession&&) noexcept = default;

Result<OnnxSession> OnnxSession::Load(std::string_view bytes) {
  if (Table() == nullptr) {
    return base::FailedPrecondition("the linked ONNX Runtime " + OnnxRuntimeVersion() +
                                    " does not serve API version " + std::to_string(kApiVersion));
  }
  MILL_ASSIGN_OR_RETURN(const Handle environment, Environment());
  MILL_ASSIGN_OR_RETURN(const Owned options, Make(kCreateSessionOptions, kReleaseSessionOptions));
  MILL_RETURN_IF_ERROR(Call(kSetIntraOpNumThreads, options.get(), 1));
  MILL_RETURN_IF_ERROR(Call(kSetInterOpNumThreads, options.get(), 1));
  MILL_ASSIGN_OR_RETURN(Owned session, Make(kCreateSessionFromArray, kReleaseSession,
                                            static_cast<const void*>(environment),
                                            static_cast<const void*>(bytes.data()), bytes.size(),
                                            static_cast<const void*>(options.get())));
  OnnxSession result(std::make_unique<Impl>(Impl{std::move(session)}));
  MILL_RETURN_IF_ERROR(result.ReadPorts());
  return result;
}

Result<void> OnnxSession::ReadPorts() {
  const Handle session = impl_->session.get();
  std::size_t n_inputs = 0;
  std::size_t n_outputs = 0;
  MILL_RETURN_IF_ERROR(Call(kSessionGetInputCount, static_cast<const void*>(session), &n_inputs));
  MILL_RETURN_IF_ERROR(Call(kSessionGetOutputCount, static_cast<const void*>(session), &n_outputs));
  for (std::size_t i = 0; i < n_inputs; ++i) {
    MILL_ASSIGN_OR_RETURN(OnnxPort port,
                          ReadPort(session, kSessionGetInputName, kSessionGetInputTypeInfo, i));
    inputs_.push_back(std::move(port));
  }
  for (std::size_t i = 0; i < n_outputs; ++i) {
    MILL_ASSIGN_OR_RETURN(OnnxPort port,
                          ReadPort(session, kSessionGetOutputName, kSessionGetOutputTypeInfo, i));
    outputs_.push_back(std::move(port));
  }
  return {};
}

Result<std::vector<double>> OnnxSession::RunColumns(std::span<const double> rows,
                                                    std::size_t n_rows) const {
  const std::size_t n_columns = inputs_.size();
  if (n_columns == 0 || outputs_.empty() || rows.size() != n_rows * n_columns) {
    return base::InvalidArgument("ONNX model with " + std::to_string(n_columns) +
                                 " inputs: " + std::to_string(rows.size()) + " values for " +
                                 std::to_string(n_rows) + " rows");
  }
  MILL_ASSIGN_OR_RETURN(const Owned memory, Make(kCreateCpuMemoryInfo, kReleaseMemoryInfo,
                                                 kArenaAllocator, kDefaultMemory));
  std::vector<Column> columns;
  std::vector<Owned> values;
  std::vector<const void*> handles;
  std::vector<const char*> names;
  for (std::size_t j = 0; j < n_columns; ++j) {
    MILL_ASSIGN_OR_RETURN(Column column, MakeColumn(inputs_[j], rows, n_rows, j, n_columns));
    columns.push_back(std::move(column));
    const std::array<std::int64_t, 2> shape = {static_cast<std::int64_t>(n_rows), 1};
    const std::size_t rank = inputs_[j].shape.size() == 2 ? 2 : 1;
    MILL_ASSIGN_OR_RETURN(
        Owned value,
        Make(kCreateTensorWithDataAsOrtValue, kReleaseValue, static_cast<const void*>(memory.get()),
             columns.back().data, columns.back().size_bytes, shape.data(), rank, inputs_[j].type));
    handles.push_back(value.get());
    values.push_back(std::move(value));
    names.push_back(inputs_[j].name.c_str());
  }
  const char* output_name = outputs_[0].name.c_str();
  Handle output = nullptr;
  const void* no_run_options = nullptr;
  const auto* const input_names = static_cast<const char* const*>(names.data());
  const auto* const input_values = static_cast<const void* const*>(handles.data());
  const auto* const output_names = static_cast<const char* const*>(&output_name);
  MILL_RETURN_IF_ERROR(Call(kRun, impl_->session.get(), no_run_options, input_names, input_values,
                            n_columns, output_names, std::size_t{1}, &output));
  const Owned owned(output, Releaser{kReleaseValue});
  return ReadTensor(output);
}

std::string OnnxRuntimeVersion() {
  return OrtGetApiBase()->GetVersionString();
}

}  // namespace millrace::models::internal
