// SPDX-License-Identifier: Apache-2.0
// Error codes by name, errors as text, errors of the operating system.
#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace millrace::base {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::kNotFound:
      return "NOT_FOUND";
    case ErrorCode::kAlreadyExists:
      return "ALREADY_EXISTS";
    case ErrorCode::kFailedPrecondition:
      return "FAILED_PRECONDITION";
    case ErrorCode::kUnauthenticated:
      return "UNAUTHENTICATED";
    case ErrorCode::kPermissionDenied:
      return "PERMISSION_DENIED";
    case ErrorCode::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case ErrorCode::kUnavailable:
      return "UNAVAILABLE";
    case ErrorCode::kDeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case ErrorCode::kUnimplemented:
      return "UNIMPLEMENTED";
    case ErrorCode::kCancelled:
      return "CANCELLED";
    case ErrorCode::kDataLoss:
      return "DATA_LOSS";
    case ErrorCode::kInternal:
      return "INTERNAL";
  }
  return "INTERNAL";
}

std::string Error::ToString() const {
  std::string text;
  if (!where_.file.empty() || where_.line > 0) {
    text += where_.file;
    if (where_.line > 0) {
      text += (where_.file.empty() ? "line " : ":") + std::to_string(where_.line);
      if (where_.column > 0) {
        text += ":" + std::to_string(where_.column);
      }
    }
    text += ": ";
  }
  for (auto context = context_.rbegin(); context != context_.rend(); ++context) {
    text += *context + ": ";
  }
  text += message_;
  if (!hint_.empty()) {
    text += "; " + hint_;
  }
  for (const Error& other : others_) {
    text += "\n" + other.ToString();
  }
  return text;
}

Error InvalidArgument(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}
Error NotFound(std::string message) {
  return {ErrorCode::kNotFound, std::move(message)};
}
Error AlreadyExists(std::string message) {
  return {ErrorCode::kAlreadyExists, std::move(message)};
}
Error FailedPrecondition(std::string message) {
  return {ErrorCode::kFailedPrecondition, std::move(message)};
}
Error Unavailable(std::string message) {
  return {ErrorCode::kUnavailable, std::move(message)};
}
Error ResourceExhausted(std::string message) {
  return {ErrorCode::kResourceExhausted, std::move(message)};
}
Error DeadlineExceeded(std::string message) {
  return {ErrorCode::kDeadlineExceeded, std::move(message)};
}
Error Unimplemented(std::string message) {
  return {ErrorCode::kUnimplemented, std::move(message)};
}
Error Cancelled(std::string message) {
  return {ErrorCode::kCancelled, std::move(message)};
}
Error DataLoss(std::string message) {
  return {ErrorCode::kDataLoss, std::move(message)};
}
Error Internal(std::string message) {
  return {ErrorCode::kInternal, std::move(message)};
}

Error FromErrno(int error_number, std::string_view doing, std::string_view path) {
  // The category's message is thread-safe, strerror is not.
  std::string message = std::string(doing) + " \"" + std::string(path) +
                        "\": " + std::generic_category().message(error_number);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ResourceExhausted(std::move(message))
          .Hint("free disk space or choose another folder, then run the same command again");
    case ENOENT:
      return NotFound(std::move(message)).Hint("check the path");
    case EACCES:
    case EPERM:
      return Error(ErrorCode::kPermissionDenied, std::move(message))
          .Hint("give this user the right to it or choose another folder");
    case EROFS:
      return Error(ErrorCode::kPermissionDenied, std::move(message))
          .Hint("choose a folder on a writable file system");
    default:
      return Unavailable(std::move(message));
  }
}

}  // namespace millrace::base
