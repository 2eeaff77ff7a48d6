// SPDX-License-Identifier: Apache-2.0
// Names of the files of a model directory that its writer and its reader share.
#pragma once

namespace millrace::models::internal {

inline constexpr const char* kModelFile = "MLmodel";
inline constexpr const char* kOwnFile = "millrace.json";

}  // namespace millrace::models::internal
