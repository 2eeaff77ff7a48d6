// SPDX-License-Identifier: Apache-2.0
// What the parts of Access share.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "store/metadata.h"

namespace millrace::tracking::internal {

/// kNotFound in MLflow's words.
Result<std::int64_t> UserIdOf(store::Metadata& metadata, const std::string& username);

}  // namespace millrace::tracking::internal
