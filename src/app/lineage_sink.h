// SPDX-License-Identifier: Apache-2.0
// Where OpenLineage events go: always a file of the workspace, and a server where one is named.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/context.h"
#include "pipelines/open_lineage.h"

namespace millrace::app {

/// Appends to `<workspace>/lineage/openlineage.jsonl`, or to the file that
/// OPENLINEAGE__TRANSPORT__LOG_FILE_PATH names, and posts to OPENLINEAGE_URL
/// (OPENLINEAGE_ENDPOINT, by default api/v1/lineage; OPENLINEAGE_API_KEY as bearer), as
/// OpenLineage's own clients read these variables. A sink that fails is left alone after a warning.
/// The context's logger outlives the sink.
std::unique_ptr<pipelines::LineageSink> MakeLineageSink(
    const Context& context, const std::filesystem::path& workspace,
    const std::function<std::optional<std::string>(const std::string&)>& variable);

}  // namespace millrace::app
