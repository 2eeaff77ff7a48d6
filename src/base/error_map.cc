// SPDX-License-Identifier: Apache-2.0
// The table of codes; MLflow's column is read from its mlflow/exceptions.py and its SQL tracking
// store.
#include "base/error_map.h"

namespace millrace::base {
namespace {

struct Row {
  int native_http;
  int mlflow_http;
  std::string_view mlflow_code;
  int exit_code;
};

Row RowOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return {400, 400, "INVALID_PARAMETER_VALUE", 2};
    case ErrorCode::kNotFound:
      return {404, 404, "RESOURCE_DOES_NOT_EXIST", 3};
    case ErrorCode::kAlreadyExists:
      return {409, 400, "RESOURCE_ALREADY_EXISTS", 4};
    case ErrorCode::kFailedPrecondition:
      return {409, 400, "INVALID_PARAMETER_VALUE", 5};
    case ErrorCode::kUnauthenticated:
      return {401, 401, "UNAUTHENTICATED", 6};
    case ErrorCode::kPermissionDenied:
      return {403, 403, "PERMISSION_DENIED", 6};
    case ErrorCode::kResourceExhausted:
      return {429, 429, "REQUEST_LIMIT_EXCEEDED", 7};
    case ErrorCode::kUnavailable:
      return {503, 503, "TEMPORARILY_UNAVAILABLE", 7};
    case ErrorCode::kDeadlineExceeded:
      return {504, 504, "DEADLINE_EXCEEDED", 7};
    case ErrorCode::kUnimplemented:
      return {501, 501, "NOT_IMPLEMENTED", 1};
    case ErrorCode::kCancelled:
      return {499, 499, "CANCELLED", 1};
    case ErrorCode::kDataLoss:
      return {500, 500, "DATA_LOSS", 1};
    case ErrorCode::kInternal:
      return {500, 500, "INTERNAL_ERROR", 1};
  }
  return {500, 500, "INTERNAL_ERROR", 1};
}

}  // namespace

int NativeHttpStatus(ErrorCode code) {
  return RowOf(code).native_http;
}
int MlflowHttpStatus(ErrorCode code) {
  return RowOf(code).mlflow_http;
}
std::string_view MlflowErrorCode(ErrorCode code) {
  return RowOf(code).mlflow_code;
}
int ExitCode(ErrorCode code) {
  return RowOf(code).exit_code;
}

}  // namespace millrace::base
