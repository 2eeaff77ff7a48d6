// SPDX-License-Identifier: Apache-2.0
// Opening a Location for reading.
#pragma once

#include <memory>

#include <arrow/io/type_fwd.h>

#include "base/result.h"
#include "data/location.h"

namespace millrace::data::internal {

/// Opens a file for random reads. kNotFound names the path and, in its folder, the nearest name; a
/// folder is kInvalidArgument.
Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenFile(const Location& location);

}  // namespace millrace::data::internal
