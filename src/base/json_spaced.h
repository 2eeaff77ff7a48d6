// SPDX-License-Identifier: Apache-2.0
// JSON as Python writes it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace millrace::base {

/// As DumpJson, with a blank behind commas and colons: what MLflow keeps, and its searches look
/// into.
std::string DumpJsonSpaced(const nlohmann::json& value);

}  // namespace millrace::base
