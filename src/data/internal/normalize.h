// SPDX-License-Identifier: Apache-2.0
// Conversion of Arrow columns to the five column types.
#pragma once

#include <memory>
#include <optional>

#include <arrow/type_fwd.h>

#include "base/result.h"
#include "data/table.h"

namespace millrace::data::internal {

/// The type that a column of this Arrow type becomes; nullopt if it has no counterpart.
std::optional<ColumnType> TargetType(const arrow::DataType& type);

/// The Arrow type of each of the five.
std::shared_ptr<arrow::DataType> ArrowType(ColumnType type);

/// Registers Arrow's compute kernels, once; nothing of Arrow does it by itself when linked as a
/// library.
Result<void> StartCompute();

/// All columns as one of the five types, schema metadata dropped; columns that already fit are
/// shared.
Result<std::shared_ptr<arrow::Table>> Normalize(const std::shared_ptr<arrow::Table>& table);

}  // namespace millrace::data::internal
