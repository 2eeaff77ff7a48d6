// SPDX-License-Identifier: Apache-2.0
// Maps Arrow's error codes to ours.
#include "data/internal/arrow_status.h"

#include <arrow/util/io_util.h>

namespace millrace::data::internal {
namespace {

ErrorCode CodeOf(const arrow::Status& status) {
  switch (status.code()) {
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
      return ErrorCode::kResourceExhausted;
    case arrow::StatusCode::IOError:
      return ErrorCode::kUnavailable;
    case arrow::StatusCode::Cancelled:
      return ErrorCode::kCancelled;
    case arrow::StatusCode::NotImplemented:
      return ErrorCode::kUnimplemented;
    case arrow::StatusCode::KeyError:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::IndexError:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Error ToError(const arrow::Status& status, std::string_view doing, std::string_view path) {
  const int error_number = arrow::internal::ErrnoFromStatus(status);
  if (error_number != 0) {
    return base::FromErrno(error_number, doing, path);
  }
  std::string message(doing);
  if (!path.empty()) {
    message.append(" ").append(path);
  }
  return Error(CodeOf(status), message + ": " + status.message());
}

}  // namespace millrace::data::internal
