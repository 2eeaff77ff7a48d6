// SPDX-License-Identifier: Apache-2.0
// The wire form of the online store's routes: JSON with keys and values in base64, versions as
// three integers.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "store/key_value.h"

namespace millrace::api::internal {

inline constexpr const char* kOnlinePath = "/api/2.0/millrace/online/";

/// RFC 4648 section 4, with padding.
std::string ToBase64(std::string_view bytes);
/// kInvalidArgument if the text is not exactly what ToBase64 writes.
Result<std::string> FromBase64(std::string_view text);

nlohmann::json VersionToJson(const store::Version& version);
Result<store::Version> VersionFromJson(const nlohmann::json& json);
/// A base64 text under `name` of an object.
Result<std::string> BytesFromJson(const nlohmann::json& object, const char* name);

}  // namespace millrace::api::internal
