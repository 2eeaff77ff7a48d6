// SPDX-License-Identifier: Apache-2.0
// A strict reader of UBJSON, the binary form in which XGBoost saves models.
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace millrace::models::internal {

/// One UBJSON value that fills `bytes` exactly. Typed and counted containers, all number types but
/// high precision; nesting up to 64; duplicate keys refused. A count larger than the bytes that
/// remain is an error, so memory stays bounded by the input. kDataLoss names the offset and what
/// was wanted. Source: Universal Binary JSON draft 12; XGBoost `doc/tutorials/saving_model.rst`.
Result<nlohmann::json> ParseUbjson(std::string_view bytes);

}  // namespace millrace::models::internal
