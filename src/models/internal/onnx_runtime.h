// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime through its C ABI: its table of functions is append-only, so the few that are used
// are declared by slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::models::internal {

/// ONNX's numbers of element types.
enum class OnnxType : int { kFloat = 1, kInt64 = 7, kDouble = 11 };

/// An input or output of a session.
struct OnnxPort {
  std::string name;
  /// ONNX's number of the element type; only those of OnnxType can be fed.
  int type = 0;
  /// -1 for the batch.
  std::vector<std::int64_t> shape;
};

/// A loaded model on one thread of the CPU. Thread-safe once made, except that each run allocates.
class OnnxSession {
 public:
  /// kDataLoss with ONNX Runtime's own words if it refuses the bytes.
  static Result<OnnxSession> Load(std::string_view bytes);
  ~OnnxSession();
  OnnxSession(OnnxSession&&) noexcept;
  OnnxSession& operator=(OnnxSession&&) noexcept;

  const std::vector<OnnxPort>& inputs() const { return inputs_; }
  const std::vector<OnnxPort>& outputs() const { return outputs_; }

  /// Runs rows of doubles through a model whose inputs are single columns, in the order of
  /// `inputs()`; an int64 column gets the values cast. Returns the first output's elements, which
  /// must be float or double.
  /// @param rows  n_rows x inputs().size() values, row-major.
  Result<std::vector<double>> RunColumns(std::span<const double> rows, std::size_t n_rows) const;

 private:
  struct Impl;
  explicit OnnxSession(std::unique_ptr<Impl> impl);
  Result<void> ReadPorts();

  std::unique_ptr<Impl> impl_;
  std::vector<OnnxPort> inputs_;
  std::vector<OnnxPort> outputs_;
};

/// The version of the library that is linked, for example "1.32.0".
std::string OnnxRuntimeVersion();

}  // namespace millrace::models::internal
