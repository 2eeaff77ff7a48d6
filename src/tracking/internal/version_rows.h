// SPDX-License-Identifier: Apache-2.0
// What models and versions of the registry share.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "store/metadata.h"

namespace millrace::tracking::internal {

/// Sets the time of the last change; kNotFound with the nearest name if there is no such model.
Result<void> TouchModel(store::Metadata& metadata, const std::string& name, std::int64_t now);

}  // namespace millrace::tracking::internal
