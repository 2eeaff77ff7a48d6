// SPDX-License-Identifier: Apache-2.0
// Lists of artifacts as MLflow's JSON, and paths of artifacts out of requests.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/artifacts.h"

namespace millrace::api::internal {

/// `{"root_uri":...,"files":[{"path","is_dir","file_size"}]}`; empty members are left out.
/// @param folder  put before each name; empty: the names alone
std::string ArtifactListJson(std::string_view root_uri, std::string_view folder,
                             std::span<const store::ArtifactEntry> entries);

/// The path in a URL's own text, percent-encoded; kInvalidArgument where it is refused or empty.
Result<std::string> PathOfUrl(std::string_view encoded);
/// The path of a field or query, decoded already.
Result<std::string> PathOfField(std::string_view text);

}  // namespace millrace::api::internal
