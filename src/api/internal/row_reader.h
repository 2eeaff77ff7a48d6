// SPDX-License-Identifier: Apache-2.0
// Reads request bodies (MLflow's JSON forms, CSV, Open Inference Protocol) straight into the
// columns of a snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/internal/json_tape.h"
#include "base/result.h"
#include "serving/snapshot.h"

namespace millrace::api::internal {

/// Where a named value of a request goes: a column of the signature, the key, both, or nowhere.
struct Target {
  int column = -1;
  bool is_key = false;
};

/// Fills a RowBlock row by row. Errors name the column and the row (counted from 0).
class BlockWriter {
 public:
  BlockWriter(const serving::Snapshot& snapshot, serving::RowBlock& block);

  const serving::Snapshot& snapshot() const { return snapshot_; }
  std::size_t n_rows() const { return block_.n_rows; }
  /// Where values of that name go; `guess` is where the sender's order lets one expect the column.
  Target Find(std::string_view name, std::size_t guess) const;
  /// Name of a target for messages.
  std::string NameOf(Target target) const;

  /// Appends rows of missing values.
  void AddRows(std::size_t n);
  void AddRow() { AddRows(1); }

  Result<void> SetNull(std::size_t row, Target target);
  Result<void> SetDouble(std::size_t row, Target target, double value);
  Result<void> SetInt(std::size_t row, Target target, std::int64_t value);
  /// A text from a typed format (JSON): a key where keys are texts, otherwise an error.
  Result<void> SetText(std::size_t row, Target target, std::string_view text);
  /// A text from an untyped format (CSV): parsed by the type of its target; empty, NA, NaN and null
  /// are missing values.
  Result<void> SetUntyped(std::size_t row, Target target, std::string_view text);
  /// kInvalidArgument: "column "a", row 3: <seen>; wanted <type>".
  Error WrongType(std::size_t row, Target target, std::string_view seen) const;

  /// Call when all rows are written: every row has a key, or none has.
  Result<void> Finish();

 private:
  Result<void> SetKey(std::size_t row, features::EntityKey key);
  void SetCell(std::size_t row, int column, double value) {
    const std::size_t cell = row * snapshot_.n_columns() + static_cast<std::size_t>(column);
    block_.values[cell] = value;
    block_.given[cell] = 1;
  }

  const serving::Snapshot& snapshot_;
  serving::RowBlock& block_;
  // Rows whose key has been set; the block's keys are dropped where it stays 0.
  std::size_t n_keys_ = 0;
};

/// Writes a JSON value to its target: numbers, null, NaN and the infinities; a text only where it
/// is a key.
/// @param accept_nan_text  whether "NaN" in quotes counts as missing
Result<void> WriteJson(const JsonValue& value, std::size_t row, Target target, BlockWriter& writer,
                       bool accept_nan_text);

/// One of dataframe_split, dataframe_records, instances, inputs, and params, which is ignored.
Result<void> ReadMlflowJson(std::string_view body, BlockWriter& writer);
/// A header line and records (RFC 4180).
Result<void> ReadCsvRows(std::string_view body, BlockWriter& writer);

/// What an inference request says beside its rows.
struct InferenceRequest {
  std::optional<std::string> id;
  /// Names of wanted outputs; empty = all.
  std::vector<std::string> outputs;
};
/// Tensors by column, one matrix [n, number of columns], and a tensor of keys.
Result<InferenceRequest> ReadInferenceJson(std::string_view body, BlockWriter& writer);

}  // namespace millrace::api::internal
