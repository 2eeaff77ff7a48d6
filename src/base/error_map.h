// SPDX-License-Identifier: Apache-2.0
// Error codes as HTTP statuses, MLflow codes and exit codes: mapped once, here.
#pragma once

#include <string_view>

#include "base/error.h"

namespace millrace::base {

/// HTTP status of the native API.
int NativeHttpStatus(ErrorCode code);
/// HTTP status that an MLflow server answers.
int MlflowHttpStatus(ErrorCode code);
/// `error_code` of an MLflow answer, for example "RESOURCE_DOES_NOT_EXIST".
std::string_view MlflowErrorCode(ErrorCode code);
/// Exit status of the command line.
int ExitCode(ErrorCode code);

}  // namespace millrace::base
