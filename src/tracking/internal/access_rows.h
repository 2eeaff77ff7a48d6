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

/// "__user_7__": the role that holds what user 7 was given directly.
std::string OwnRoleName(std::int64_t user_id);

/// Says that something that decides about requests has changed: every Access reads it again.
/// Within the transaction that changes it.
Result<void> TouchAccess(store::Metadata& metadata);

}  // namespace millrace::tracking::internal
